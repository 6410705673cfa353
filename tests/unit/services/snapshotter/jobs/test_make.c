/* Requests against a fake node (named as such) that serves real segments, on a real bus and a real folder: what comes out, and what each fault leads to. */
#include "tests/unit/services/snapshotter/fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

#define STEP_NS (1000 * 1000)          /* 1 ms between packets: 100 ms a block */
#define BLOCKS 8

static struct fixture fixture;
static struct fake_node node;
static int64_t begin_ns;               /* of the first packet */

/* Five segments of 8 blocks, 4 s of tape that ended a minute ago. */
static int setup(void **state)
{
    (void)state;
    fixture_start(&fixture);
    fake_node_start(&node, fixture.bus, "node-a.example");
    begin_ns = (units_now_wall_ns() / UNITS_NS_PER_S - 64) * UNITS_NS_PER_S;
    for (uint64_t i = 0; i < 5; i++)
        fake_segment_make(&node, i, begin_ns + (int64_t)i * BLOCKS * FAKE_BLOCK_PACKETS * STEP_NS, STEP_NS, BLOCKS);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    fake_node_stop(&node); /* it is on the fixture's connection */
    fixture_stop(&fixture);
    return 0;
}

static bool in_store(const char *name, const char *path)
{
    char full[512];
    struct stat status;
    snprintf(full, sizeof full, "%s/%s%s%s", fixture.store, name, *path ? "/" : "", path);
    return stat(full, &status) == 0;
}

static size_t work_left(void)
{
    char command[256], line[256];
    size_t count = 0;
    snprintf(command, sizeof command, "find %s/.work -mindepth 1 -not -name '*.lock'", fixture.store);
    FILE *pipe = popen(command, "re");
    while (pipe && fgets(line, sizeof line, pipe))
        count++;
    if (pipe)
        pclose(pipe);
    return count;
}

static size_t held_by_lease(void)
{
    size_t held = 0;
    pthread_mutex_lock(&node.lock);
    for (size_t i = 0; i < node.count; i++)
        held += node.segments[i].pinned && !node.segments[i].unpinned;
    pthread_mutex_unlock(&node.lock);
    return held;
}

static Tapeloop__V1__SnapshotVerifyReply *verify(const char *name)
{
    char json[256];
    snprintf(json, sizeof json, "{\"name\":\"%s\"}", name);
    return fixture_question(&fixture, "snapshot.verify", json, &tapeloop__v1__snapshot_verify_reply__descriptor);
}

static void assert_intact(const char *name)
{
    Tapeloop__V1__SnapshotVerifyReply *reply = verify(name);
    if (!reply->intact)
        fprintf(stderr, "%s: %s\n", name, reply->error ? reply->error->message : reply->n_damage ? reply->damage[0]->problem : "?");
    assert_true(reply->intact);
    wire_free(reply);
}

static void a_window_becomes_a_snapshot(void **state)
{
    (void)state;
    uint64_t sequence = fixture_ask_window(&fixture, "whole", begin_ns, begin_ns + 4 * UNITS_NS_PER_S, "");
    struct heard *accepted = fixture_await(&fixture, "accepted", "whole", 0);
    struct heard *ready = fixture_await(&fixture, "ready", "whole", 0);
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)sequence);
    assert_string_equal(accepted->request, text);
    assert_string_equal(ready->request, text);
    assert_string_equal(ready->event->completeness, "complete");
    assert_string_equal(ready->event->reason, "");
    assert_int_equal(ready->event->packets, 5 * BLOCKS * FAKE_BLOCK_PACKETS);
    assert_int_equal(ready->event->segments, 5);
    assert_int_equal(ready->event->n_nodes, 1);
    assert_string_equal(ready->event->nodes[0]->name, "node-a.example");
    assert_string_equal(ready->event->nodes[0]->state, "complete");
    assert_int_equal(ready->event->nodes[0]->ledger->written_packets, 5 * BLOCKS * FAKE_BLOCK_PACKETS);
    assert_true(in_store("whole", "manifest.json"));
    assert_true(in_store("whole", "segments/node-a.example/0-0.pcapng.lz4"));
    assert_true(in_store("whole", "segments/node-a.example/0-4.pcapng.lz4.idx"));
    struct stat status;
    char path[256];
    snprintf(path, sizeof path, "%s/whole/segments/node-a.example/0-0.pcapng.lz4", fixture.store);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0444);
    assert_intact("whole");
    support_wait(held_by_lease() == 0);
    assert_int_equal(work_left(), 0);
}

/* Whole blocks are kept, packets are counted exactly; both ends belong to the window. */
static void a_narrow_window_is_cut(void **state)
{
    (void)state;
    int64_t from_ns = begin_ns + 950 * UNITS_NS_PER_MS, to_ns = begin_ns + 1050 * UNITS_NS_PER_MS;
    fixture_ask_window(&fixture, "narrow", from_ns, to_ns, "");
    struct heard *ready = fixture_await(&fixture, "ready", "narrow", 0);
    assert_int_equal(ready->event->packets, 101);
    assert_int_equal(ready->event->segments, 1);
    assert_string_equal(ready->event->completeness, "complete");
    char path[256];
    struct segment_index *index = NULL;
    snprintf(path, sizeof path, "%s/narrow/segments/node-a.example/0-1.pcapng.lz4.idx", fixture.store);
    assert_int_equal(segment_index_load(path, &index), 0);
    assert_in_range(index->blocks_count, 3, 5); /* header, the two that the window touches, and what a slow answer leaves uncertain of the clocks */
    segment_index_free(index);
    assert_intact("narrow");
}

static void the_same_request_is_one_snapshot(void **state)
{
    (void)state;
    fixture_ask_window(&fixture, "twice", begin_ns, begin_ns + UNITS_NS_PER_S, "");
    struct heard *first = fixture_await(&fixture, "ready", "twice", 0);
    int gets = atomic_load(&node.gets);
    fixture_ask_window(&fixture, "twice", begin_ns, begin_ns + UNITS_NS_PER_S, "");
    struct heard *second = fixture_await(&fixture, "ready", "twice", 1);
    assert_string_equal(first->id, second->id);
    assert_string_not_equal(first->request, second->request);
    assert_int_equal(atomic_load(&node.gets), gets);
    fixture_ask_window(&fixture, "twice", begin_ns, begin_ns + 2 * UNITS_NS_PER_S, "");
    struct heard *failed = fixture_await(&fixture, "failed", "twice", 0);
    assert_non_null(strstr(failed->event->reason, "name is taken by a snapshot of "));
    assert_intact("twice");
}

/* Each of these ends in one sentence and is never tried again. */
static void bad_requests_fail_with_a_sentence(void **state)
{
    (void)state;
    static const struct { const char *json, *name, *words; } cases[] = {
        { "{\"name\":\"json-1\",", "", "cannot be read" },
        { "{\"name\":\"unknown-field\",\"las\":\"3s\"}", "unknown-field", "las" },
        { "{\"last\":\"3s\"}", "", "no name" },
        { "{\"name\":\"../x\",\"last\":\"3s\"}", "../x", "'/' or '..'" },
        { "{\"name\":\"a..b\",\"last\":\"3s\"}", "a..b", "'/' or '..'" },
        { "{\"name\":\"Upper\",\"last\":\"3s\"}", "Upper", "a-z" },
        { "{\"name\":\"neither\"}", "neither", "neither from nor last" },
        { "{\"name\":\"both\",\"last\":\"3s\",\"from\":\"2026-01-01T00:00:00Z\"}", "both", "both last and from" },
        { "{\"name\":\"backwards\",\"from\":\"2026-01-02T00:00:00Z\",\"to\":\"2026-01-01T00:00:00Z\"}", "backwards", "swap" },
        { "{\"name\":\"far\",\"from\":\"2026-01-02T00:00:00Z\",\"to\":\"2199-01-01T00:00:00Z\"}", "far", "future" },
        { "{\"name\":\"nobody\",\"last\":\"90s\",\"nodes\":[\"no-such-node\"]}", "nobody", "no-such-node" },
        { "{\"name\":\"nolabel\",\"last\":\"90s\",\"labels\":{\"zone\":\"moon\"}}", "nolabel", "labels" },
        { "{\"name\":\"empty-window\",\"from\":\"2025-01-01T00:00:00Z\",\"to\":\"2025-01-02T00:00:00Z\"}", "empty-window", "holds no packets" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_ask(&fixture, cases[i].json);
        size_t before = 0;
        for (size_t k = 0; k < i; k++)
            before += strcmp(cases[k].name, cases[i].name) == 0;
        struct heard *failed = fixture_await(&fixture, "failed", cases[i].name, before);
        if (!strstr(failed->event->reason, cases[i].words))
            fail_msg("%s: %s", cases[i].json, failed->event->reason);
    }
    fixture_ask_window(&fixture, "after-the-bad", begin_ns, begin_ns + UNITS_NS_PER_S, ""); /* and the queue goes on */
    fixture_await(&fixture, "ready", "after-the-bad", 0);
    assert_null(fixture_heard(&fixture, "failed", "nobody", 1));
    assert_null(fixture_heard(&fixture, "failed", "unknown-field", 1));
    assert_int_equal(work_left(), 0);
}

static void a_missing_node_makes_it_partial(void **state)
{
    (void)state;
    struct fake_node gone = { .bus = fixture.bus, .name = "node-gone" };
    fake_heartbeat(&gone, units_now_wall_ns() - 60 * UNITS_NS_PER_S, NULL, NULL);
    fixture_ask_window(&fixture, "partial", begin_ns, begin_ns + UNITS_NS_PER_S, "");
    struct heard *ready = fixture_await(&fixture, "ready", "partial", 0);
    assert_string_equal(ready->event->completeness, "partial");
    assert_non_null(strstr(ready->event->reason, "node-gone: it does not answer"));
    assert_string_equal(ready->event->nodes[1]->state, "unreachable");
    fixture_ask_window(&fixture, "whole-or-nothing", begin_ns, begin_ns + UNITS_NS_PER_S, ",\"complete\":true");
    struct heard *failed = fixture_await(&fixture, "failed", "whole-or-nothing", 0);
    assert_non_null(strstr(failed->event->reason, "node-gone"));
    assert_false(in_store("whole-or-nothing", ""));
    fake_heartbeat(&gone, units_now_wall_ns() - 31 * 24 * 3600 * UNITS_NS_PER_S, NULL, NULL); /* forgotten after 30 days */
    fixture_ask_window(&fixture, "forgotten", begin_ns, begin_ns + UNITS_NS_PER_S, "");
    assert_string_equal(fixture_await(&fixture, "ready", "forgotten", 0)->event->completeness, "complete");
}

static void a_window_before_the_tape_is_partial(void **state)
{
    (void)state;
    fixture_ask_window(&fixture, "early", begin_ns - 10 * UNITS_NS_PER_S, begin_ns + UNITS_NS_PER_S, "");
    struct heard *ready = fixture_await(&fixture, "ready", "early", 0);
    assert_string_equal(ready->event->completeness, "partial");
    assert_non_null(strstr(ready->event->reason, "its tape begins only at"));
    int64_t covered_ns = 0;
    assert_int_equal(units_parse_time(ready->event->covered_from, &covered_ns), 0);
    assert_int_equal(covered_ns, begin_ns - 1000);
}

static void broken_transfers_are_tried_again(void **state)
{
    (void)state;
    atomic_store(&node.cut_times, 3);
    atomic_store(&node.refuse_times, 2);
    atomic_store(&node.flip_at, 5000);
    atomic_store(&node.flip_times, 2);
    fixture_ask_window(&fixture, "bumpy", begin_ns, begin_ns + 4 * UNITS_NS_PER_S, "");
    struct heard *ready = fixture_await(&fixture, "ready", "bumpy", 0);
    assert_string_equal(ready->event->reason, "");
    assert_int_equal(ready->event->packets, 5 * BLOCKS * FAKE_BLOCK_PACKETS);
    atomic_store(&node.flip_at, 0);
    atomic_store(&node.flip_times, 0);
    assert_intact("bumpy");
}

/* A block whose bytes stay wrong is left out and named; what is kept is true. */
static void a_damaged_block_is_left_out_and_named(void **state)
{
    (void)state;
    atomic_store(&node.flip_at, 5000);
    atomic_store(&node.flip_times, INT32_MAX);
    fixture_ask_window(&fixture, "damaged", begin_ns, begin_ns + 590 * UNITS_NS_PER_MS, "");
    struct heard *ready = fixture_await(&fixture, "ready", "damaged", 0);
    atomic_store(&node.flip_times, 0);
    atomic_store(&node.flip_at, 0);
    assert_string_equal(ready->event->completeness, "partial");
    assert_non_null(strstr(ready->event->reason, "does not match its hash"));
    assert_int_equal(ready->event->packets, 591 - FAKE_BLOCK_PACKETS);
    assert_int_equal(ready->event->nodes[0]->n_gaps, 1);
    assert_string_equal(ready->event->nodes[0]->gaps[0]->reason, "damaged");
    assert_intact("damaged");
}

/* Where no block of a segment is what its index says, nothing of it goes into the snapshot, not even a file that the manifest does not know. */
static void a_segment_without_a_sound_block_is_left_out(void **state)
{
    (void)state;
    atomic_store(&node.flip_at, 60); /* in the first block, which all others need */
    atomic_store(&node.flip_times, INT32_MAX);
    fixture_ask_window(&fixture, "headless", begin_ns, begin_ns + UNITS_NS_PER_S, "");
    struct heard *failed = fixture_await(&fixture, "failed", "headless", 0);
    assert_non_null(strstr(failed->event->reason, "does not match its hash"));
    atomic_store(&node.flip_at, 5000);
    struct segment_index *index = NULL;
    assert_int_equal(segment_index_parse(node.segments[0].index, node.segments[0].index_size, &index), 0);
    int64_t from_ns = 0; /* in the middle of the very block that has the wrong byte */
    for (size_t i = 0; i < index->blocks_count; i++)
        if (index->blocks[i].offset <= 5000 && 5000 < index->blocks[i].offset + index->blocks[i].size)
            from_ns = index->blocks[i].first_ns + 45 * UNITS_NS_PER_MS;
    segment_index_free(index);
    fixture_ask_window(&fixture, "bodyless", from_ns, from_ns + UNITS_NS_PER_MS, "");
    failed = fixture_await(&fixture, "failed", "bodyless", 0);
    assert_non_null(strstr(failed->event->reason, "was left out"));
    atomic_store(&node.flip_times, 0);
    atomic_store(&node.flip_at, 0);
    assert_int_equal(work_left(), 0);
}

static void a_recycled_segment_is_named(void **state)
{
    (void)state;
    atomic_store(&node.gone, 2); /* sequence 1 */
    fixture_ask_window(&fixture, "recycled", begin_ns, begin_ns + 4 * UNITS_NS_PER_S, "");
    struct heard *ready = fixture_await(&fixture, "ready", "recycled", 0);
    atomic_store(&node.gone, 0);
    assert_string_equal(ready->event->completeness, "partial");
    assert_non_null(strstr(ready->event->reason, "/0/1: the node does not have it any more"));
    assert_int_equal(ready->event->segments, 4);
    assert_intact("recycled");
}

/* A node that can hold two segments at once gives all five, one after the other. */
static void more_than_a_pin_holds_comes_in_parts(void **state)
{
    (void)state;
    atomic_store(&node.pin_room, 2);
    fixture_ask_window(&fixture, "parts", begin_ns, begin_ns + 4 * UNITS_NS_PER_S, "");
    struct heard *ready = fixture_await(&fixture, "ready", "parts", 0);
    atomic_store(&node.pin_room, 0);
    assert_string_equal(ready->event->reason, "");
    assert_int_equal(ready->event->segments, 5);
    support_wait(held_by_lease() == 0);
}

static void a_clock_ahead_widens_the_choice(void **state)
{
    (void)state;
    node.clock_ns = 500 * UNITS_NS_PER_MS; /* its stamps of the window's last moment are 500 ms later */
    int pins = atomic_load(&node.pins);
    fixture_ask_window(&fixture, "skewed", begin_ns, begin_ns + 750 * UNITS_NS_PER_MS, "");
    struct heard *ready = fixture_await(&fixture, "ready", "skewed", 0);
    node.clock_ns = 0;
    assert_true(atomic_load(&node.pins) >= pins + 2);
    assert_int_equal(ready->event->packets, 751);   /* by the stamps as they are */
    assert_int_equal(ready->event->segments, 2);    /* but the blocks reach further */
    int64_t offset_ns = ready->event->nodes[0]->clock_offset_ns;
    assert_true(offset_ns > 400 * UNITS_NS_PER_MS && offset_ns < 600 * UNITS_NS_PER_MS);
}

static void a_node_that_answers_nonsense_is_named(void **state)
{
    (void)state;
    struct fake_node second;
    fake_node_start(&second, fixture.bus, "node-b");
    atomic_store(&second.broken_pin, 1);
    fixture_ask_window(&fixture, "nonsense", begin_ns, begin_ns + UNITS_NS_PER_S, "");
    struct heard *ready = fixture_await(&fixture, "ready", "nonsense", 0);
    assert_non_null(strstr(ready->event->reason, "node-b: its answer to pin cannot be read"));
    fake_heartbeat(&second, units_now_wall_ns() - 31 * 24 * 3600 * UNITS_NS_PER_S, NULL, NULL);
    fake_node_stop(&second);
}

static void cancel_ends_a_slow_pull(void **state)
{
    (void)state;
    atomic_store(&node.slow_us, 1000000);
    fixture_ask_window(&fixture, "slow", begin_ns, begin_ns + 4 * UNITS_NS_PER_S, "");
    fixture_await(&fixture, "accepted", "slow", 0);
    support_wait(atomic_load(&fixture.progress) > 0);
    Tapeloop__V1__SnapshotCancelReply *reply = fixture_question(&fixture, "snapshot.cancel", "{\"name\":\"slow\"}", &tapeloop__v1__snapshot_cancel_reply__descriptor);
    assert_null(reply->error);
    wire_free(reply);
    struct heard *failed = fixture_await(&fixture, "failed", "slow", 0);
    atomic_store(&node.slow_us, 0);
    assert_non_null(strstr(failed->event->reason, "cancelled"));
    assert_false(in_store("slow", ""));
    assert_int_equal(work_left(), 0);
    support_wait(held_by_lease() == 0);
    fixture_ask_window(&fixture, "slow", begin_ns, begin_ns + UNITS_NS_PER_S, ""); /* the name is free again */
    fixture_await(&fixture, "ready", "slow", 0);
}

static void a_window_that_ends_later_is_waited_for(void **state)
{
    (void)state;
    int64_t to_ns = units_now_wall_ns() + 2 * UNITS_NS_PER_S;
    fixture_ask_window(&fixture, "later", begin_ns, to_ns, "");
    fixture_ask_window(&fixture, "never", begin_ns, to_ns + 1000 * UNITS_NS_PER_S, "");
    struct heard *ready = fixture_await(&fixture, "ready", "later", 0);
    assert_true(units_now_wall_ns() >= to_ns);
    assert_string_equal(ready->event->completeness, "complete");
    Tapeloop__V1__SnapshotCancelReply *reply = fixture_question(&fixture, "snapshot.cancel", "{\"name\":\"never\"}", &tapeloop__v1__snapshot_cancel_reply__descriptor);
    assert_null(reply->error);
    wire_free(reply);
    fixture_await(&fixture, "failed", "never", 0);
}

/* The server is killed while the nodes are asked, and comes back: no node is missing for it, no attempt counted. */
static void a_bus_that_restarts_costs_nothing(void **state)
{
    (void)state;
    atomic_store(&node.slow_pin_us, 700 * 1000);
    int pins = atomic_load(&node.pins);
    fixture_ask_window(&fixture, "restarted", begin_ns, begin_ns + 4 * UNITS_NS_PER_S, "");
    fixture_await(&fixture, "accepted", "restarted", 0);
    usleep(200 * 1000);
    nats_server_kill(&fixture.nats, SIGKILL);
    usleep(1000 * 1000);
    atomic_store(&node.slow_pin_us, 0);
    nats_server_run(&fixture.nats);
    struct heard *ready = fixture_await(&fixture, "ready", "restarted", 0);
    assert_true(atomic_load(&node.pins) > pins);
    assert_string_equal(ready->event->completeness, "complete");
    assert_int_equal(ready->event->attempts, 1);
    assert_int_equal(ready->event->packets, 5 * BLOCKS * FAKE_BLOCK_PACKETS);
}

/* A capturer that is killed and comes back on another port, with other tokens, two seconds later. */
static void a_node_that_restarts_is_waited_for(void **state)
{
    (void)state;
    atomic_store(&node.slow_us, 300 * 1000);
    fixture_ask_window(&fixture, "revenant", begin_ns, begin_ns + 4 * UNITS_NS_PER_S, "");
    fixture_await(&fixture, "accepted", "revenant", 0);
    int gets = atomic_load(&node.gets);
    support_wait(atomic_load(&node.gets) > gets);
    bus_unsubscribe(node.pin);
    http_server_stop(node.server);
    usleep(2000 * 1000);
    atomic_store(&node.slow_us, 0);
    assert_int_equal(http_server_start("127.0.0.1", 0, 16, true, fake_serve, &node, &node.server), 0);
    assert_int_equal(bus_subscribe(fixture.bus, "node.node-a_example.pin", NULL, fake_pin, &node, &node.pin), 0);
    struct heard *ready = fixture_await(&fixture, "ready", "revenant", 0);
    assert_string_equal(ready->event->reason, "");
    assert_int_equal(ready->event->segments, 5);
    assert_int_equal(ready->event->attempts, 1);
    assert_intact("revenant");
}

/* What fails its worker five times is failed with a dead letter, and the queue goes on. Here nobody can tell which nodes there are. */
static void five_failures_are_the_end(void **state)
{
    (void)state;
    void *answer = NULL, *dead = NULL;
    size_t size = 0;
    uint64_t sequence = 0;
    char error[256], id[512];
    assert_int_equal(bus_request(fixture.bus, "$JS.API.STREAM.DELETE.KV_nodes", "", 0, false, 5000, &answer, &size), 0);
    free(answer);
    fixture_ask(&fixture, "{\"name\":\"hopeless\",\"last\":\"30s\"}");
    struct heard *failed = fixture_await(&fixture, "failed", "hopeless", 0);
    assert_int_equal(failed->event->attempts, 5);
    assert_non_null(strstr(failed->event->reason, "given up after 5 attempts"));
    assert_int_equal(bus_stream_last(fixture.bus, "DEAD", "dead.snapshot.request", &sequence, &dead, &size, id), 0);
    assert_non_null(strstr(dead, "hopeless"));
    free(dead);
    assert_int_equal(bus_apply_definitions(fixture.bus, NULL, NULL, NULL, error), 0);
    fake_heartbeat(&node, units_now_wall_ns(), NULL, NULL);
    fixture_ask_window(&fixture, "hopeful", begin_ns, begin_ns + UNITS_NS_PER_S, "");
    fixture_await(&fixture, "ready", "hopeful", 0);
}

/* Stopped in the middle: nothing is left, and the next one goes on without losing an attempt. */
static void a_stopped_snapshotter_hands_over(void **state)
{
    (void)state;
    atomic_store(&node.slow_us, 1000000);
    fixture_ask_window(&fixture, "handed-over", begin_ns, begin_ns + 4 * UNITS_NS_PER_S, "");
    fixture_await(&fixture, "accepted", "handed-over", 0);
    fixture_halt(&fixture);
    atomic_store(&node.slow_us, 0);
    assert_int_equal(work_left(), 0);
    fixture_run(&fixture, "test-2");
    struct heard *ready = fixture_await(&fixture, "ready", "handed-over", 0);
    assert_int_equal(ready->event->attempts, 1);
    assert_intact("handed-over");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_becomes_a_snapshot), cmocka_unit_test(a_narrow_window_is_cut), cmocka_unit_test(the_same_request_is_one_snapshot),
        cmocka_unit_test(bad_requests_fail_with_a_sentence), cmocka_unit_test(a_missing_node_makes_it_partial), cmocka_unit_test(a_window_before_the_tape_is_partial),
        cmocka_unit_test(broken_transfers_are_tried_again), cmocka_unit_test(a_damaged_block_is_left_out_and_named), cmocka_unit_test(a_segment_without_a_sound_block_is_left_out), cmocka_unit_test(a_recycled_segment_is_named),
        cmocka_unit_test(more_than_a_pin_holds_comes_in_parts), cmocka_unit_test(a_clock_ahead_widens_the_choice), cmocka_unit_test(a_node_that_answers_nonsense_is_named),
        cmocka_unit_test(a_bus_that_restarts_costs_nothing), cmocka_unit_test(a_node_that_restarts_is_waited_for), cmocka_unit_test(five_failures_are_the_end),
        cmocka_unit_test(cancel_ends_a_slow_pull), cmocka_unit_test(a_window_that_ends_later_is_waited_for), cmocka_unit_test(a_stopped_snapshotter_hands_over),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
