#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "services/dissector/input/plan.h"
#include "tests/unit/lib/capfile/segment_builder.h"

#define PATH_BYTES 128
static char folder[PATH_BYTES / 2], segments[PATH_BYTES];
static char error[INPUT_ERROR_TEXT_MAX];

static void write_text(const char *name, const char *text)
{
    char path[PATH_BYTES * 2];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void make_segment(const char *node, uint32_t lane, uint64_t sequence)
{
    struct builder b;
    char path[PATH_BYTES * 2];
    snprintf(path, sizeof path, "%s/%u-%u.pcapng.lz4", segments, lane, (unsigned)sequence);
    builder_open(&b, path, node, lane, sequence);
    builder_section(&b);
    uint32_t eth = builder_interface(&b, "eth0", 1, false);
    builder_end_block(&b, SEGMENT_BLOCK_HEADER, true);
    builder_packet(&b, eth, 100 + (int64_t)sequence, "packet", 6, 0, 0);
    builder_packet(&b, eth, 50, "packet", 6, 0, 0);
    builder_seal(&b, sequence + 1);
}

static int begin(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test_plan.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(segments, sizeof segments, "%s/segments", folder);
    assert_int_equal(mkdir(segments, 0700), 0);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    char command[PATH_BYTES + 16];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static struct input_plan *plan_names(const char *const *names, size_t count)
{
    struct input_plan *plan = NULL;
    int r = input_plan_new(names, count, &plan, error);
    if (r < 0)
        fail_msg("%s", error);
    return plan;
}

static void files_in_their_order(void **state)
{
    (void)state;
    char b[PATH_BYTES], a[PATH_BYTES];
    snprintf(b, sizeof b, "%s/b.pcap", folder);
    snprintf(a, sizeof a, "%s/a.pcap", folder);
    write_text("a.pcap", "a");
    write_text("b.pcap", "bb");
    struct input_plan *plan = plan_names((const char *[]){ b, a, "-" }, 3);
    assert_int_equal(plan->count, 3);
    assert_string_equal(plan->inputs[0].path, b);
    assert_string_equal(plan->inputs[1].path, a);
    assert_string_equal(plan->inputs[2].path, "-");
    assert_int_equal(plan->inputs[0].bytes, 2);
    assert_string_equal(plan->inputs[0].segment_id, "");
    assert_string_equal(plan->inputs[0].node_name, "");
    assert_int_equal(plan->inputs[0].previous, INPUT_NONE);
    assert_true(plan->inputs[0].first_ns == INT64_MIN && plan->inputs[0].last_ns == INT64_MAX);
    assert_int_equal(plan->nodes_count, 1);
    input_plan_free(plan);
}

static void tapes(void **state)
{
    (void)state;
    make_segment("node-b", 1, 10);
    make_segment("node-b", 0, 9);
    make_segment("node-b", 0, 10);
    char hidden[PATH_BYTES * 2];
    snprintf(hidden, sizeof hidden, "%s/.0-11.pcapng.lz4", segments);
    assert_int_equal(symlink("0-10.pcapng.lz4", hidden), 0);
    for (int inner = 0; inner < 2; inner++) {
        struct input_plan *plan = plan_names((const char *[]){ inner ? segments : folder }, 1);
        assert_int_equal(plan->count, 3);
        assert_string_equal(plan->inputs[0].segment_id, "node-b/0123456789abcdef/0/9");
        assert_string_equal(plan->inputs[1].segment_id, "node-b/0123456789abcdef/0/10");
        assert_string_equal(plan->inputs[2].segment_id, "node-b/0123456789abcdef/1/10");
        assert_int_equal(plan->inputs[0].previous, INPUT_NONE);
        assert_int_equal(plan->inputs[1].previous, 0);
        assert_int_equal(plan->inputs[2].previous, INPUT_NONE);
        assert_int_equal(plan->inputs[0].lane, 0);
        assert_int_equal(plan->inputs[1].lane, 0);
        assert_int_equal(plan->inputs[2].lane, 2);
        assert_int_equal(plan->inputs[1].first_ns, 50);
        assert_int_equal(plan->inputs[1].last_ns, 110);
        assert_string_equal(plan->inputs[0].node_name, "node-b");
        assert_int_equal(plan->from_ns, 0);
        input_plan_free(plan);
    }
}

static const char manifest[] =
    "{\"version\":1,\"name\":\"s\",\"from\":\"1970-01-01T00:00:00.000000060Z\",\"to\":\"1970-01-01T00:00:01Z\",\"objects\":["
    "{\"path\":\"segments/node-c/0-3.pcapng.lz4\",\"bytes\":\"7\",\"kind\":\"segment\",\"segmentId\":\"node-c/0123456789abcdef/0/3\",\"node\":\"node-c\",\"first\":\"1970-01-01T00:00:00.000000070Z\"},"
    "{\"path\":\"segments/node-c/0-3.pcapng.lz4.idx\",\"kind\":\"index\",\"node\":\"node-c\"},"
    "{\"path\":\"%s\",\"kind\":\"segment\",\"segmentId\":\"node-a/0123456789abcdef/0/12\",\"node\":\"node-a\"}]}";

static void snapshots(void **state)
{
    (void)state;
    char text[sizeof manifest + 64];
    struct input_plan *plan = NULL;
    snprintf(text, sizeof text, manifest, "segments/node-a/0-12.pcapng.lz4");
    write_text("manifest.json", text);
    plan = plan_names((const char *[]){ folder }, 1);
    assert_int_equal(plan->count, 2);
    assert_string_equal(plan->inputs[0].segment_id, "node-a/0123456789abcdef/0/12");
    assert_int_equal(plan->inputs[1].node, 1);
    assert_string_equal(plan->inputs[1].node_name, "node-c");
    assert_int_equal(plan->inputs[1].bytes, 7);
    assert_int_equal(plan->inputs[1].first_ns, 70);
    assert_int_equal(plan->inputs[0].first_ns, INT64_MIN);
    assert_int_equal(plan->from_ns, 60);
    assert_int_equal(plan->to_ns, 1000000000);
    assert_int_equal(plan->inputs[1].from_ns, 60);
    input_plan_free(plan);
    /* Beside a file that is none, windows differ. */
    write_text("a.pcap", "a");
    char a[PATH_BYTES];
    snprintf(a, sizeof a, "%s/a.pcap", folder);
    plan = plan_names((const char *[]){ folder, a }, 2);
    assert_int_equal(plan->count, 3);
    assert_string_equal(plan->inputs[0].path, a);
    assert_int_equal(plan->from_ns, 0);
    assert_int_equal(plan->nodes_count, 3);
    input_plan_free(plan);
    snprintf(text, sizeof text, manifest, "../segments/x");
    write_text("manifest.json", text);
    assert_int_equal(input_plan_new((const char *[]){ folder }, 1, &plan, error), -EBADMSG);
    assert_non_null(strstr(error, "outside"));
    write_text("manifest.json", "{");
    assert_int_equal(input_plan_new((const char *[]){ folder }, 1, &plan, error), -EBADMSG);
    write_text("manifest.json", "{}");
    plan = plan_names((const char *[]){ folder }, 1); /* an empty snapshot is one */
    assert_int_equal(plan->count, 0);
    input_plan_free(plan);
}

static void what_cannot_be(void **state)
{
    (void)state;
    struct input_plan *plan = NULL;
    assert_int_equal(input_plan_new(NULL, 0, &plan, error), -EINVAL);
    assert_int_equal(input_plan_new((const char *[]){ "/nowhere" }, 1, &plan, error), -ENOENT);
    assert_non_null(strstr(error, "/nowhere"));
    assert_int_equal(input_plan_new((const char *[]){ "-", "-" }, 2, &plan, error), -EINVAL);
    assert_int_equal(input_plan_new((const char *[]){ folder }, 1, &plan, error), -ENOENT);
    assert_non_null(strstr(error, "neither"));
    assert_null(plan);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)
    const struct CMUnitTest tests[] = { TEST(files_in_their_order), TEST(tapes), TEST(snapshots), TEST(what_cannot_be) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
