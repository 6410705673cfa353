/* How far a run is: of a packed file, too, it is told by the file's bytes, never beyond them and never backwards. And what is wrong with an input that several threads read: told by whoever meets it, once. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "capfile/lz4frame.h"
#include "capfile/pcap_classic.h"
#include "services/dissector/work/collect.h"
#include "services/dissector/work/direct.h"
#include "tests/support/nats_server.h"
#include "tests/unit/services/dissector/flow/packet_builder.h"

#define PACKETS 150000u                 /* some looks at the progress */
#define PAYLOAD 100u                    /* zeros, which pack well */

static char folder[64] = "/tmp/tapeloop-direct-XXXXXX", path[96], output[96];

static void put32(uint8_t *p, uint32_t value) { memcpy(p, &value, sizeof value); }

/* A classic capture of one UDP stream in an LZ4 frame. Bytes of the file. */
static uint64_t write_packed(void)
{
    static struct built b;
    static const uint8_t payload[PAYLOAD];
    static uint8_t content[LZ4FRAME_CONTENT_BYTES_MAX], block[LZ4FRAME_BLOCK_BYTES_MAX];
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(block, lz4frame_put_header(block), 1, file), 1);
    built_clear(&b);
    built_put(&b, payload, sizeof payload);
    built_udp(&b, 4000, 4001);
    built_ipv4(&b, 17, 1, 2, 0, 0);
    built_ethernet(&b, 0x800);
    const uint32_t head[] = { 0xa1b2c3d4, 2 | 4u << 16, 0, 0, 65535, 1 };
    size_t used = sizeof head;
    memcpy(content, head, sizeof head);
    for (uint32_t i = 0; i <= PACKETS; i++) {
        if (i == PACKETS || used + 16 + built_size(&b) > sizeof content) {
            assert_int_equal(fwrite(block, lz4frame_put_block(block, content, used), 1, file), 1);
            used = 0;
        }
        put32(content + used, 1700000000);
        put32(content + used + 4, i);
        put32(content + used + 8, built_size(&b));
        put32(content + used + 12, built_size(&b));
        memcpy(content + used + 16, built_data(&b), built_size(&b));
        used += 16 + built_size(&b);
    }
    assert_int_equal(fwrite(block, lz4frame_put_end(block), 1, file), 1);
    long size = ftell(file);
    fclose(file);
    return (uint64_t)size;
}

struct told { uint64_t last; unsigned times, on_the_way; };
static bool advance(void *context, uint64_t done, uint64_t total)
{
    struct told *told = context;
    told->times++;
    told->on_the_way += done > total / 10 && done < total / 2; /* the first half is reading */
    assert_true(done <= total);
    assert_true(done >= told->last);
    told->last = done;
    return true;
}

static void a_packed_file_is_told_by_its_bytes(void **state)
{
    (void)state;
    char error[STAGE_ERROR_TEXT_MAX];
    static struct stage_result result;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/in.pcap.lz4", folder);
    snprintf(output, sizeof output, "%s/out", folder);
    const char *node = "";
    struct told told = { 0 };
    struct input input = { .path = path, .segment_id = "", .node_name = "", .previous = INPUT_NONE, .bytes = write_packed(), .first_ns = INT64_MIN, .last_ns = INT64_MAX };
    const struct input_plan plan = { .inputs = &input, .count = 1, .nodes = &node, .nodes_count = 1 };
    const struct direct_options options = { .plan = &plan, .work_folder = folder, .format = "ndjson", .output_path = output, .where = "", .redact = REDACT_ON };
    const struct stage_progress progress = { advance, &told };
    assert_int_equal(direct_run(&options, &progress, &result, error), 0);
    assert_int_equal(result.packets, PACKETS);
    assert_true(told.times > 2);
    assert_true(told.on_the_way > 0);
    support_remove_folder(folder);
}

static void count_problem(void *context, uint32_t input, const char *sentence)
{
    assert_int_equal(input, 0);
    assert_non_null(sentence);
    ++*(unsigned *)context;
}

/* As of a segment that goes while it is read: one of the threads may still have opened it. */
static void a_problem_is_told_once_by_whoever_meets_it(void **state)
{
    (void)state;
    char error[STAGE_ERROR_TEXT_MAX];
    static struct stage_result result;
    const char *node = "";
    unsigned problems = 0;
    struct input input = { .path = "/tmp/tapeloop-there-is-no-such-file", .segment_id = "", .node_name = "", .previous = INPUT_NONE, .first_ns = INT64_MIN, .last_ns = INT64_MAX };
    const struct input_plan plan = { .inputs = &input, .count = 1, .nodes = &node, .nodes_count = 1 };
    snprintf(output, sizeof output, "/tmp/tapeloop-direct-out-%d", (int)getpid());
    struct direct_options options = { .plan = &plan, .work_folder = "/tmp", .workers = 3, .format = "ndjson", .output_path = output, .where = "", .redact = REDACT_ON, .problem = count_problem, .context = &problems };
    assert_int_equal(direct_run(&options, NULL, &result, error), 0);
    assert_int_equal(problems, 1);
    assert_int_equal(unlink(output), 0);
    bool told[1] = { false };
    const struct shard_options shard = { .redact = REDACT_ON };
    const struct collect_options second = { .direct = &options, .shard = &shard, .first_shard = 128, .shards = 128, .memory = 1 << 20, .told = told };
    struct crowd crowd;
    struct crowd_member member;
    struct run_writer *run = NULL;
    struct input_names names = { 0 };
    crowd_make(NULL, 1, &crowd);
    crowd_join(&crowd, &member);
    assert_int_equal(collect_inputs(&second, &member, &run, &result, &names), 0);
    assert_int_equal(problems, 2);
    run_writer_free(run);
}

static bool stop(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    (void)done;
    (void)total;
    return false;
}

/* As of a named pipe that nobody opens: the stop interrupts its opening, and there is nothing more to read. */
static void a_stop_writes_nothing_however_little_there_is_to_read(void **state)
{
    (void)state;
    char error[STAGE_ERROR_TEXT_MAX];
    static struct stage_result result;
    const char *node = "";
    struct input input = { .path = "/tmp/tapeloop-there-is-no-such-file", .segment_id = "", .node_name = "", .previous = INPUT_NONE, .first_ns = INT64_MIN, .last_ns = INT64_MAX };
    const struct input_plan plan = { .inputs = &input, .count = 1, .nodes = &node, .nodes_count = 1 };
    const struct stage_progress progress = { .advance = stop };
    snprintf(output, sizeof output, "/tmp/tapeloop-direct-out-%d", (int)getpid());
    for (uint32_t workers = 1; workers < 3; workers++) {
        const struct direct_options options = { .plan = &plan, .work_folder = "/tmp", .workers = workers, .format = "ndjson", .output_path = output, .where = "", .redact = REDACT_ON };
        assert_int_equal(direct_run(&options, &progress, &result, error), -ECANCELED);
        assert_int_not_equal(access(output, F_OK), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_packed_file_is_told_by_its_bytes), cmocka_unit_test(a_problem_is_told_once_by_whoever_meets_it),
                                        cmocka_unit_test(a_stop_writes_nothing_however_little_there_is_to_read) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
