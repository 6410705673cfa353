/* The second dissection from files of two nodes: what is whole in the end, by one worker and by several; what is refused; inputs that cannot be read twice. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>
#include "capfile/pcapng.h"
#include "services/dissector/work/fill.h"
#include "services/dissector/work/local.h"
#include "tests/unit/services/dissector/flow/packet_builder.h"

#define CALLS 12u
#define START_NS INT64_C(1767225600000000000)
#define CLOCK_NS INT64_C(700000000)     /* node b's is so much ahead: longer than the connection lasts */
enum { CLIENT, SERVER, FIN = 1, SYN = 2, ACK = 16 };

struct writer { FILE *file; unsigned node; uint32_t seq[2], number; };
static char folder[] = "/tmp/test_fill.XXXXXX", paths[2][64];
static uint32_t flipped;                /* number of b's packet in which a byte is another; 0: none */

static void put(struct writer *w, unsigned side, uint8_t flags, const char *text)
{
    static struct built b;
    static uint8_t block[2048];
    uint32_t number = w->number++, size = (uint32_t)strlen(text);
    bool lost = number > 2 && (w->node ? number % 3 == 0 : number % 3 == 1);
    built_clear(&b);
    built_text(&b, text);
    if (w->node && number == flipped && size > 0)
        b.bytes[b.at] ^= 1;
    built_tcp(&b, side ? 80 : 4000, side ? 4000 : 80, w->seq[side], flags & ACK ? w->seq[!side] : 0, flags);
    built_ipv4(&b, 6, side ? 2 : 1, side ? 1 : 2, 0, 0);
    built_ethernet(&b, 0x800);
    w->seq[side] += size + ((flags & (SYN | FIN)) != 0);
    uint32_t total = (uint32_t)pcapng_epb_bytes(built_size(&b), false);
    uint8_t *at = pcapng_epb_begin(block, total, 0, (uint64_t)(START_NS + number * 1000000 + w->node * CLOCK_NS), built_size(&b), built_size(&b));
    memcpy(at, built_data(&b), built_size(&b));
    (void)pcapng_epb_end(at, total, built_size(&b), 0, 0);
    if (!lost)
        assert_int_equal(fwrite(block, total, 1, w->file), 1);
}

static void write_node(unsigned node)
{
    uint8_t block[PCAPNG_HEADER_BLOCK_BYTES_MAX];
    char text[128];
    struct writer w = { .file = fopen(paths[node], "w"), .node = node, .seq = { 100, 9000 } };
    assert_non_null(w.file);
    assert_int_equal(fwrite(block, pcapng_put_section(block, NULL, NULL, NULL, NULL), 1, w.file), 1);
    assert_int_equal(fwrite(block, pcapng_put_interface(block, 1, node ? "veth1" : "eth0", NULL), 1, w.file), 1);
    put(&w, CLIENT, SYN, "");
    put(&w, SERVER, SYN | ACK, "");
    put(&w, CLIENT, ACK, "");
    for (unsigned i = 0; i < CALLS; i++) {
        snprintf(text, sizeof text, "GET /%u HTTP/1.1\r\nHost: a\r\n", i);
        put(&w, CLIENT, ACK, text);
        put(&w, CLIENT, ACK, "\r\n");
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n%05u", i);
        put(&w, SERVER, ACK, text);
        snprintf(text, sizeof text, "%05u", i);
        put(&w, SERVER, ACK, text);
    }
    put(&w, CLIENT, FIN | ACK, "");
    put(&w, SERVER, FIN | ACK, "");
    put(&w, CLIENT, ACK, "");
    assert_int_equal(fclose(w.file), 0);
}

/* What comes out, to be freed. */
static char *dissect(uint32_t workers, bool through_files)
{
    static const char *names[] = { "a", "b" };
    struct input inputs[2];
    char output[80], error[STAGE_ERROR_TEXT_MAX], *text = calloc(1, 1 << 20);
    struct stage_result *result = calloc(1, sizeof *result);
    for (unsigned i = 0; i < 2; i++)
        inputs[i] = (struct input){ .path = paths[i], .segment_id = i ? "b/1/0/0" : "a/1/0/0", .node_name = names[i], .node = i, .previous = INPUT_NONE, .first_ns = INT64_MIN, .last_ns = INT64_MAX };
    const struct input_plan plan = { .inputs = inputs, .count = 2, .nodes = names, .nodes_count = 2 };
    snprintf(output, sizeof output, "%s/out", folder);
    struct direct_options options = { .plan = &plan, .work_folder = folder, .workers = workers, .format = "ndjson", .output_path = output, .where = "", .redact = REDACT_ON };
    int r = through_files ? local_run(&options, workers, NULL, result, error) : direct_run(&options, NULL, result, error);
    assert_int_equal(r, 0);
    FILE *f = fopen(output, "r");
    assert_true(f && text && fread(text, 1, (1 << 20) - 1, f) > 0);
    fclose(f);
    unlink(output);
    free(result);
    return text;
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (; (text = strstr(text, what)); text++)
        n++;
    return n;
}

static void two_nodes_make_one_whole(void **state)
{
    (void)state;
    flipped = 0;
    write_node(0);
    write_node(1);
    char *one = dissect(1, false), *two = dissect(2, false), *five = dissect(5, true);
    assert_string_equal(one, two);
    assert_string_equal(one, five);
    assert_int_equal(count(one, "\n"), CALLS + 1);
    assert_int_equal(count(one, "\"status_code\":200"), CALLS);
    assert_int_equal(count(one, "\"incomplete\""), 0);
    assert_int_equal(count(one, "\"conn_missing_bytes\""), 0);
    assert_int_equal(count(one, "\"conn_filled_bytes\""), 1);
    assert_int_equal(count(one, "\"a eth0 10.0.0.1:4000 > 10.0.0.2:80"), 1);
    assert_int_equal(count(one, "\"b veth1 10.0.0.1:4000 > 10.0.0.2:80"), 1);
    assert_int_equal(count(one, "(gave "), 1);
    free(one);
    free(two);
    free(five);
}

static void a_contradiction_leaves_what_one_node_saw(void **state)
{
    (void)state;
    for (flipped = 5; flipped % 3 != 2; flipped++) { } /* that both have */
    write_node(0);
    write_node(1);
    char *one = dissect(1, false), *two = dissect(2, true);
    assert_string_equal(one, two);
    assert_true(count(one, "\"incomplete\"") > 0);
    assert_int_equal(count(one, "\"conn_filled_bytes\""), 0);
    assert_int_equal(count(one, "(gave "), 0);
    free(one);
    free(two);
}

static void a_pipe_is_not_read_twice(void **state)
{
    (void)state;
    struct input input = { .path = "-", .segment_id = "", .node_name = "", .previous = INPUT_NONE, .first_ns = INT64_MIN, .last_ns = INT64_MAX };
    const struct input_plan plan = { .inputs = &input, .count = 1 };
    const struct shard_options shard = { .redact = REDACT_ON };
    const struct fill_options options = { .plan = &plan, .shard = &shard, .work_folder = folder };
    struct run_view list[2] = { 0 };
    for (uint32_t i = 0; i < 2; i++)
        list[i] = (struct run_view){ .number = i, .view = { .tuple = { .source = { 10, 0, 0, 1 }, .destination = { 10, 0, 0, 2 }, .source_port = 1000, .destination_port = 80, .version = 4, .transport = 6 }, .point = i,
                                                            .last_ns = 10, .payload_bytes = 100 - i, .missing_bytes = 1 } };
    struct views *views;
    struct fill_counts counts = { 0 };
    struct run_reader *reader = NULL;
    assert_int_equal(views_new(list, 2, &views), 0);
    assert_int_equal(fill_gaps(views, &options, NULL, &counts, &reader), 0);
    assert_null(reader);
    assert_int_equal(counts.unread, 1);
    input.path = paths[0]; /* in which the views' packets are not: what has not begun is not filled */
    assert_int_equal(fill_gaps(views, &options, NULL, &counts, &reader), 0);
    assert_true(!reader && counts.connections == 0);
    views_free(views);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    for (unsigned i = 0; i < 2; i++)
        snprintf(paths[i], sizeof paths[i], "%s/%u.pcapng", folder, i);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(paths[0]);
    unlink(paths[1]);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(two_nodes_make_one_whole), cmocka_unit_test(a_contradiction_leaves_what_one_node_saw), cmocka_unit_test(a_pipe_is_not_read_twice) };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
