#include "jobs/claim.h"
#include "tests/support/nats_server.h"
#include "units/units.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define BUCKET "dissections"
#define NOW_NS INT64_C(1767323045000000000)

static void decisions(void **state)
{
    (void)state;
    static const struct { const char *state; uint64_t sequence, last; const char *digest; int64_t age_s; uint32_t attempt; bool alive; enum claim_outcome expected; } cases[] = {
        { "claimed", 7, 7, "d", 5, 1, true, CLAIM_BUSY },        { "accepted", 7, 7, "d", 5, 1, false, CLAIM_MINE },
        { "accepted", 7, 7, "d", 61, 1, true, CLAIM_MINE },      { "accepted", 7, 7, "d", 61, 5, true, CLAIM_EXHAUSTED },
        { "accepted", 7, 7, "d", 5, 5, true, CLAIM_BUSY },       { "accepted", 6, 6, "d", 5, 1, true, CLAIM_JOINED },
        { "accepted", 6, 6, "other", 5, 1, true, CLAIM_TAKEN },  { "ready", 7, 7, "d", 5, 1, true, CLAIM_ENDED },
        { "ready", 3, 3, "d", 5, 1, true, CLAIM_ENDED },         { "ready", 3, 3, "other", 5, 1, true, CLAIM_TAKEN },
        { "ready", 3, 9, "other", 5, 1, true, CLAIM_STALE },     { "failed", 7, 7, "d", 5, 1, true, CLAIM_ENDED },
        { "failed", 3, 3, "d", 5, 1, true, CLAIM_MINE },         { "failed", 3, 9, "d", 5, 1, true, CLAIM_STALE },
        { "deleted", 7, 7, "d", 5, 1, true, CLAIM_STALE },       { "deleted", 3, 8, "d", 5, 1, true, CLAIM_STALE },
        { "deleted", 6, 6, "d", 5, 1, true, CLAIM_MINE },
    };
    const struct claim_wish wish = { .name = "x", .instance = "me", .sequence = 7, .digest = "d" };
    assert_int_equal(claim_decide(NULL, &wish, true, NOW_NS), CLAIM_MINE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Tapeloop__V1__Claim record = TAPELOOP__V1__CLAIM__INIT;
        record.state = (char *)(uintptr_t)cases[i].state;
        record.request_digest = (char *)(uintptr_t)cases[i].digest;
        record.stream_sequence = cases[i].sequence;
        record.last_sequence = cases[i].last;
        record.attempt = cases[i].attempt;
        record.renewed_ns = NOW_NS - cases[i].age_s * UNITS_NS_PER_S;
        if (claim_decide(&record, &wish, cases[i].alive, NOW_NS) != cases[i].expected)
            fail_msg("case %zu", i);
    }
}

static struct nats_server nats;
static struct bus *bus;

static int setup(void **state)
{
    (void)state;
    char error[256] = "";
    nats_server_start(&nats, NULL);
    struct bus_options options = { .server = nats.url, .name = "test" };
    return bus_open(&options, true, &bus, error) < 0 || bus_apply_definitions(bus, NULL, NULL, NULL, error) < 0;
}
static int teardown(void **state)
{
    (void)state;
    bus_close(bus);
    nats_server_stop(&nats);
    return 0;
}

static bool everybody_lives(void *context, const char *instance)
{
    (void)context, (void)instance;
    return true;
}
static bool nobody_lives(void *context, const char *instance)
{
    (void)context, (void)instance;
    return false;
}

static enum claim_outcome take(const char *name, const char *instance, uint64_t sequence, bool alive, struct claim **ret)
{
    Tapeloop__V1__Claim about = TAPELOOP__V1__CLAIM__INIT;
    about.asked_ns = NOW_NS;
    about.from_ns = 1;
    struct claim_wish wish = { .bucket = BUCKET, .name = name, .instance = instance, .sequence = sequence, .digest = "d", .about = &about };
    enum claim_outcome outcome;
    Tapeloop__V1__Claim *record = NULL;
    *ret = NULL;
    assert_int_equal(claim_take(bus, &wish, alive ? everybody_lives : nobody_lives, NULL, &outcome, ret, &record), 0);
    wire_free(record);
    return outcome;
}

static void one_of_two_has_it(void **state)
{
    (void)state;
    struct claim *first, *second;
    assert_int_equal(take("pair", "a", 4, true, &first), CLAIM_MINE);
    assert_int_equal(take("pair", "b", 4, true, &second), CLAIM_BUSY);
    assert_int_equal(claim_renew(first), 0);
    assert_int_equal(take("pair", "b", 4, false, &second), CLAIM_MINE); /* a is dead */
    assert_int_equal(claim_attempt(second), 2);
    assert_int_equal(claim_renew(first), -ESTALE);                     /* or was only slow: it learns so before it publishes */
    assert_true(claim_lost(first));
    assert_int_equal(claim_renew(second), 0);
    claim_free(first);
    claim_free(second);
}

static void attempts_run_out(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= CLAIM_ATTEMPTS_MAX; i++) {
        struct claim *claim;
        assert_int_equal(take("tired", "a", 5, false, &claim), CLAIM_MINE);
        assert_int_equal(claim_attempt(claim), i);
        assert_int_equal(claim_release(claim, "no luck", true), 0);
        claim_free(claim);
    }
    struct claim *claim;
    assert_int_equal(take("tired", "a", 5, true, &claim), CLAIM_EXHAUSTED);
    claim_free(claim);
}

static void a_stop_does_not_count(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++) {
        struct claim *claim;
        assert_int_equal(take("calm", "a", 6, true, &claim), CLAIM_MINE);
        assert_int_equal(claim_attempt(claim), 1);
        assert_int_equal(claim_release(claim, "stopped", false), 0);
        claim_free(claim);
    }
}

static void a_cancel_reaches_the_owner_with_its_next_renewal(void **state)
{
    (void)state;
    struct claim *claim;
    Tapeloop__V1__Claim *record = NULL;
    uint64_t revision = 0;
    assert_int_equal(take("unwanted", "a", 8, true, &claim), CLAIM_MINE);
    assert_int_equal(claim_read(bus, BUCKET, "unwanted", &record, &revision), 0);
    record->cancelled = true;
    record->last_sequence = 11;
    assert_int_equal(claim_write(bus, BUCKET, record, revision), 0);
    wire_free(record);
    assert_int_equal(claim_renew(claim), 0);
    assert_true(claim_cancelled(claim));
    assert_int_equal(claim_read(bus, BUCKET, "unwanted", &record, &revision), 0);
    assert_true(record->cancelled);
    assert_int_equal(record->last_sequence, 11);
    wire_free(record);
    claim_free(claim);
}

static void the_end_stays(void **state)
{
    (void)state;
    struct claim *claim, *other;
    Tapeloop__V1__SnapshotEvent event = TAPELOOP__V1__SNAPSHOT_EVENT__INIT;
    event.state = "ready";
    assert_int_equal(take("ended", "a", 9, true, &claim), CLAIM_MINE);
    assert_int_equal(claim_end(claim, "ready", &event.base, "the-id"), 0);
    claim_free(claim);
    assert_int_equal(take("ended", "b", 12, true, &other), CLAIM_ENDED);
    Tapeloop__V1__Claim *record = NULL;
    assert_int_equal(claim_read(bus, BUCKET, "ended", &record, NULL), 0);
    assert_int_equal(record->last_sequence, 12); /* what a tombstone would cover */
    assert_string_equal(record->final_event_id, "the-id");
    wire_free(record);
}

static void a_dissection_ends_with_its_own_event(void **state)
{
    (void)state;
    struct claim *claim, *other;
    Tapeloop__V1__DissectEvent event = TAPELOOP__V1__DISSECT_EVENT__INIT;
    event.entries = 7;
    assert_int_equal(take("shop/default", "a", 20, true, &claim), CLAIM_MINE);
    assert_int_equal(claim_end(claim, "ready", &event.base, "its-id"), 0);
    claim_free(claim);
    Tapeloop__V1__Claim *record = NULL;
    assert_int_equal(claim_read(bus, BUCKET, "shop/default", &record, NULL), 0);
    assert_int_equal(record->final_dissection->entries, 7);
    assert_int_equal(record->from_ns, 1);
    assert_null(record->final_event);
    wire_free(record);
    assert_int_equal(take("shop/default", "b", 21, true, &other), CLAIM_ENDED);
}

static void a_tombstone_covers_what_came_before_it(void **state)
{
    (void)state;
    struct claim *claim, *other;
    assert_int_equal(take("grave", "a", 30, true, &claim), CLAIM_MINE);
    assert_int_equal(claim_bury(bus, BUCKET, "grave", 30, "b"), -EBUSY);
    Tapeloop__V1__DissectEvent event = TAPELOOP__V1__DISSECT_EVENT__INIT;
    assert_int_equal(claim_end(claim, "failed", &event.base, "its-id"), 0);
    claim_free(claim);
    assert_int_equal(claim_bury(bus, BUCKET, "grave", 31, "b"), 0);
    assert_int_equal(take("grave", "a", 31, true, &other), CLAIM_STALE);
    assert_int_equal(take("grave", "a", 32, true, &other), CLAIM_MINE);
    claim_free(other);
    assert_int_equal(claim_bury(bus, BUCKET, "never-there", 5, "b"), 0);
    assert_int_equal(take("never-there", "a", 5, true, &other), CLAIM_STALE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions), cmocka_unit_test(one_of_two_has_it), cmocka_unit_test(attempts_run_out), cmocka_unit_test(a_stop_does_not_count),
        cmocka_unit_test(a_cancel_reaches_the_owner_with_its_next_renewal), cmocka_unit_test(the_end_stays),
        cmocka_unit_test(a_dissection_ends_with_its_own_event), cmocka_unit_test(a_tombstone_covers_what_came_before_it),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
