/* dissect.list and .show over a real bus. */
#include "tests/unit/services/dissector/service_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct rig_bus on;
static struct rig rig;

static int setup(void **state)
{
    (void)state;
    static const char *const made[] = { "{\"snapshot\":\"a\",\"name\":\"one\"}", "{\"snapshot\":\"a\",\"name\":\"two\"}", "{\"snapshot\":\"b\",\"name\":\"three\"}" };
    rig_bus_start(&on);
    rig_snapshot(&on, "a", 1);
    rig_snapshot(&on, "b", 1);
    rig_start(&rig, &on, "only", 1);
    for (size_t i = 0; i < 3; i++)
        rig_ask(&on, made[i]);
    rig_ask(&on, "{\"snapshot\":\"b\",\"name\":\"bad\",\"where\":\"wrong\"}"); /* refused before it was claimed: it is not listed */
    rig_await(&on, "ready", "one", 0);
    rig_await(&on, "ready", "two", 0);
    rig_await(&on, "ready", "three", 0);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    rig_stop(&rig);
    rig_bus_stop(&on);
    return 0;
}

static void list_is(const char *json, const char *expected, const char *more)
{
    Tapeloop__V1__DissectListReply *reply = rig_question(&on, "dissect.list", json, &tapeloop__v1__dissect_list_reply__descriptor);
    char names[256] = "";
    assert_null(reply->error);
    for (size_t i = 0; i < reply->n_dissections; i++) {
        size_t at = strlen(names);
        snprintf(names + at, sizeof names - at, "%s/%s:%s ", reply->dissections[i]->snapshot, reply->dissections[i]->name, reply->dissections[i]->state);
    }
    assert_string_equal(names, expected);
    assert_string_equal(reply->more, more);
    wire_free(reply);
}

static void the_list_has_pages(void **state)
{
    (void)state;
    list_is("", "a/one:ready a/two:ready b/three:ready ", "");
    list_is("{\"limit\":2}", "a/one:ready a/two:ready ", "a/two");
    list_is("{\"after\":\"a/two\"}", "b/three:ready ", "");
    list_is("{\"snapshot\":\"b\"}", "b/three:ready ", "");
    assert_int_equal(bus_kv_delete(on.bus, SERVICE_BUCKET, "a/two"), 0); /* what the bus forgot is in the store */
    list_is("{\"snapshot\":\"a\"}", "a/one:ready a/two:ready ", "");
}

static void show_gives_the_manifest(void **state)
{
    (void)state;
    Tapeloop__V1__DissectShowReply *reply = rig_question(&on, "dissect.show", "{\"snapshot\":\"b\",\"name\":\"three\"}", &tapeloop__v1__dissect_show_reply__descriptor);
    assert_null(reply->error);
    assert_int_equal(reply->manifest->n_files, 1);
    assert_string_equal(reply->manifest->files[0]->path, "calls.sqlite");
    assert_string_equal(reply->manifest->request->redact, "on");
    wire_free(reply);
    static const struct { const char *json, *code; } cases[] = {
        { "{\"snapshot\":\"b\"}", "not_found" }, { "{}", "invalid" }, { "{\"snapshot\":\"../b\"}", "invalid" }, { "{\"snapshot\":\"nowhere\"}", "not_found" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reply = rig_question(&on, "dissect.show", cases[i].json, &tapeloop__v1__dissect_show_reply__descriptor);
        assert_string_equal(reply->error->code, cases[i].code);
        wire_free(reply);
    }
}

static int delete_claim(void **state)
{
    (void)state;
    return bus_kv_delete(on.bus, SERVICE_BUCKET, "a/last");
}

/* Also where the shorter one would be the longer one. */
static void long_reasons_are_cut(void **state)
{
    static const struct { size_t size, listed; } cases[] = { { 400, 400 }, { 401, 400 }, { 402, 400 }, { 403, 400 }, { 2000, 400 } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char reason[2048] = "", name[] = "a/last", state_text[] = "accepted";
        memset(reason, 'x', cases[i].size);
        Tapeloop__V1__Claim claim = TAPELOOP__V1__CLAIM__INIT;
        claim.name = name;
        claim.state = state_text;
        claim.last_error = reason;
        (void)bus_kv_delete(on.bus, SERVICE_BUCKET, name);
        assert_int_equal(claim_write(on.bus, SERVICE_BUCKET, &claim, 0), 0);
        Tapeloop__V1__DissectListReply *reply = rig_question(&on, "dissect.list", "{\"snapshot\":\"a\",\"limit\":1}", &tapeloop__v1__dissect_list_reply__descriptor);
        assert_int_equal(reply->n_dissections, 1);
        assert_string_equal(reply->dissections[0]->name, "last");
        assert_int_equal(strlen(reply->dissections[0]->reason), cases[i].listed);
        assert_string_equal(reply->dissections[0]->reason + cases[i].listed - 3, cases[i].size > cases[i].listed ? "..." : "xxx");
        wire_free(reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_list_has_pages), cmocka_unit_test(show_gives_the_manifest), cmocka_unit_test_teardown(long_reasons_are_cut, delete_claim) };
    return cmocka_run_group_tests(tests, setup, teardown);
}
