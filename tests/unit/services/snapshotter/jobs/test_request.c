#include "services/snapshotter/jobs/request.h"
#include "services/snapshotter/jobs/pin.h"
#include "services/snapshotter/jobs/events.h"
#include "units/units.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ASKED_NS INT64_C(1767323045000000000) /* 2026-01-02T03:04:05Z */
#define HOUR_NS (3600 * UNITS_NS_PER_S)

static Tapeloop__V1__SnapshotRequest *request_of(const char *json)
{
    ProtobufCMessage *request = NULL;
    enum wire_format format;
    char error[WIRE_ERROR_TEXT_MAX];
    assert_int_equal(wire_decode(&tapeloop__v1__snapshot_request__descriptor, json, strlen(json), NULL, &request, &format, error), 0);
    return (Tapeloop__V1__SnapshotRequest *)request;
}

static int resolve(const char *json, struct request_window *window, char *error)
{
    Tapeloop__V1__SnapshotRequest *request = request_of(json);
    int r = request_resolve(request, ASKED_NS, HOUR_NS, window, error);
    wire_free(request);
    return r;
}

static void windows_are_resolved_against_the_asking(void **state)
{
    (void)state;
    struct request_window window = { 0 };
    char error[REQUEST_ERROR_TEXT_MAX] = "";
    assert_int_equal(resolve("{\"last\":\"90s\"}", &window, error), 0);
    assert_int_equal(window.from_ns, ASKED_NS - 90 * UNITS_NS_PER_S);
    assert_int_equal(window.to_ns, ASKED_NS);
    assert_int_equal(resolve("{\"from\":\"2026-01-02T03:00:00+00:00\"}", &window, error), 0);
    assert_int_equal(window.to_ns, ASKED_NS);
    assert_int_equal(resolve("{\"from\":\"2026-01-02T03:00:00Z\",\"to\":\"2026-01-02T04:04:05Z\"}", &window, error), 0);
    assert_int_equal(window.to_ns, ASKED_NS + HOUR_NS);
}

static void what_cannot_be_is_refused_with_a_sentence(void **state)
{
    (void)state;
    static const struct { const char *json, *words; } cases[] = {
        { "{\"last\":\"90\"}", "length of time" }, { "{\"last\":\"-3s\"}", "length of time" }, { "{\"last\":\"0\"}", "length of time" },
        { "{\"last\":\"5000000h\"}", "length of time" }, { "{\"last\":\"600000h\"}", "before 1970" }, { "{\"last\":\"3s\",\"to\":\"x\"}", "both" },
        { "{\"to\":\"2026-01-02T03:00:00Z\"}", "neither" }, { "{\"from\":\"yesterday\"}", "not a time" },
        { "{\"from\":\"2026-01-02T03:00:00Z\",\"to\":\"noon\"}", "not a time" }, { "{\"from\":\"1950-01-02T03:00:00Z\"}", "1970" },
        { "{\"from\":\"2026-01-02T04:00:00Z\"}", "give a to as well" }, { "{\"from\":\"2026-01-02T03:00:00Z\",\"to\":\"2026-01-02T03:00:00Z\"}", "empty" },
        { "{\"from\":\"2026-01-02T03:00:00Z\",\"to\":\"2026-01-02T04:04:05.1Z\"}", "at most 1h" }, { "{\"last\":\"3s\",\"nodes\":[\"a\",\"\"]}", "empty" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct request_window window = { 1, 2 };
        char error[REQUEST_ERROR_TEXT_MAX] = "";
        assert_int_equal(resolve(cases[i].json, &window, error), -EINVAL);
        if (!strstr(error, cases[i].words))
            fail_msg("%s: %s", cases[i].json, error);
        assert_int_equal(window.from_ns, 1);
    }
}

static void names(void **state)
{
    (void)state;
    char error[REQUEST_ERROR_TEXT_MAX], longest[STORE_NAME_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[STORE_NAME_MAX] = '\0';
    static const char *const good[] = { "a", "0", "a-b_c.d", "checkout-2026.01.02" };
    static const char *const bad[] = { "", ".", "..", "a/b", "a..b", "-a", "a-", ".a", "a.", "A", "a b", "a\n", "_store", "\xc3\xa9" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(store_name_check(good[i], error), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(store_name_check(bad[i], error), -EINVAL);
    assert_int_equal(store_name_check(longest, error), 0);
    longest[STORE_NAME_MAX] = 'a';
    longest[STORE_NAME_MAX + 1] = '\0';
    assert_int_equal(store_name_check(longest, error), -EINVAL);
}

static void digest_of_json(const char *json, char *digest)
{
    struct request_window window = { 5, 6 };
    Tapeloop__V1__SnapshotRequest *request = request_of(json);
    request_digest(request, &window, digest);
    wire_free(request);
}

static void the_digest_knows_no_order(void **state)
{
    (void)state;
    char a[REQUEST_DIGEST_TEXT_MAX], b[REQUEST_DIGEST_TEXT_MAX];
    digest_of_json("{\"name\":\"x\",\"nodes\":[\"n1\",\"n2\"],\"labels\":{\"a\":\"1\",\"b\":\"2\"}}", a);
    digest_of_json("{\"name\":\"y\",\"nodes\":[\"n2\",\"n1\"],\"labels\":{\"b\":\"2\",\"a\":\"1\"}}", b);
    assert_string_equal(a, b);
    static const char *const others[] = { "{\"nodes\":[\"n1\"]}", "{\"nodes\":[\"n1n2\"]}", "{\"nodes\":[\"n1\",\"n2\"],\"labels\":{\"a\":\"1\",\"b\":\"3\"}}",
                                          "{\"nodes\":[\"n1\",\"n2\"],\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"complete\":true}" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        digest_of_json(others[i], b);
        assert_string_not_equal(a, b);
    }
}

static void a_name_is_found_in_what_does_not_decode(void **state)
{
    (void)state;
    char name[16] = "x";
    request_guess_name("{\"name\":\"abc\",\"bad\":1}", 22, name, sizeof name);
    assert_string_equal(name, "abc");
    request_guess_name("{\"name\":3}", 10, name, sizeof name);
    assert_string_equal(name, "");
    request_guess_name("[[[", 3, name, sizeof name);
    assert_string_equal(name, "");
}

static void the_clock_is_measured_at_the_midpoint(void **state)
{
    (void)state;
    int64_t offset = 0, uncertainty = 0;
    pin_clock(1000, 5500, 5700, 2200, &offset, &uncertainty); /* 1,000 there and back, 200 at the node, which is 4,000 ahead */
    assert_int_equal(offset, 4000);
    assert_int_equal(uncertainty, 500);
}

static void events_are_bounded_and_readable(void **state)
{
    (void)state;
    Tapeloop__V1__SnapshotEvent *event = event_failed("x\xff", "a\nb\xc3", ASKED_NS, 1);
    assert_string_equal(event->name, "x?");
    assert_string_equal(event->reason, "a?b?");
    for (int i = 0; i < 20000; i++) {
        Tapeloop__V1__SnapshotNode *node = WIRE_NEW(Tapeloop__V1__SnapshotNode, tapeloop__v1__snapshot_node__descriptor);
        wire_set_string(&node->name, "a-node-with-a-name-of-some-length");
        wire_set_string(&node->state, i < 3 ? "partial" : "complete");
        node->ledger = WIRE_NEW(Tapeloop__V1__Ledger, tapeloop__v1__ledger__descriptor);
        assert_int_equal(wire_append(&event->n_nodes, &event->nodes, node), 0);
    }
    assert_int_equal(event_fit(event), 0);
    assert_int_equal(event->n_nodes, 3); /* those that a reader needs */
    wire_free(event);
    char one[EVENT_ID_TEXT_MAX], two[EVENT_ID_TEXT_MAX];
    event_id("a", 1, "ready", one);
    event_id("a", 1, "failed", two);
    assert_string_not_equal(one, two);
    event_id("a", 1, "ready", two);
    assert_string_equal(one, two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_resolved_against_the_asking), cmocka_unit_test(what_cannot_be_is_refused_with_a_sentence), cmocka_unit_test(names),
        cmocka_unit_test(the_digest_knows_no_order), cmocka_unit_test(a_name_is_found_in_what_does_not_decode), cmocka_unit_test(the_clock_is_measured_at_the_midpoint),
        cmocka_unit_test(events_are_bounded_and_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
