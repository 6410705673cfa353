/* Pairs under loss, disorder and repetition: never a wrong one, all of them where nothing is lost. The conversations are made from a seed, their truth is in the messages' numbers. */
#include "tests/unit/services/dissector/engine/fake_registry.h"
#include "services/dissector/engine/internal.h"
#include "tests/support/protocol_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define PACKETS_MAX 4096

struct sent { enum side side; uint32_t seq, ack, size; uint8_t flags; char data[64]; };
struct script { struct sent packets[PACKETS_MAX]; size_t count; uint32_t seq[2]; uint64_t random; };

static uint32_t roll(struct script *s, uint32_t below)
{
    s->random = s->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(s->random >> 33) % below;
}

static void add(struct script *s, enum side side, uint8_t flags, const char *data, size_t size)
{
    struct sent *p = &s->packets[s->count++];
    *p = (struct sent){ .side = side, .seq = s->seq[side], .ack = flags == 2 ? 0 : s->seq[!side], .size = (uint32_t)size, .flags = flags };
    if (size)
        memcpy(p->data, data, size);
    s->seq[side] += (uint32_t)size + ((flags & 3) != 0);
}

/* `calls` calls; up to `depth` requests before their responses; each message in up to three segments. */
static void make(struct script *s, unsigned calls, unsigned depth, uint64_t seed)
{
    *s = (struct script){ .seq = { 0xffffff00u, 77 }, .random = seed };
    add(s, SIDE_CLIENT, 2, NULL, 0);
    add(s, SIDE_SERVER, 18, NULL, 0);
    add(s, SIDE_CLIENT, 16, NULL, 0);
    for (unsigned done = 0; done < calls;) {
        unsigned batch = 1 + roll(s, depth);
        if (batch > calls - done)
            batch = calls - done;
        for (unsigned turn = 0; turn < 2; turn++)
            for (unsigned i = 0; i < batch; i++) {
                char text[64];
                int n = snprintf(text, sizeof text, "%c%u:%.*s\n", turn ? 'A' : 'Q', done + i, (int)roll(s, 30), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
                for (int at = 0; at < n;) {
                    int piece = 1 + (int)roll(s, 3) * n / 2;
                    piece = piece < n - at ? piece : n - at;
                    add(s, turn ? SIDE_SERVER : SIDE_CLIENT, 24, text + at, (size_t)piece);
                    at += piece;
                }
            }
        done += batch;
    }
    add(s, SIDE_CLIENT, 17, NULL, 0);
    add(s, SIDE_SERVER, 17, NULL, 0);
    add(s, SIDE_CLIENT, 16, NULL, 0);
}

static void play(struct rig *rig, const struct sent *p)
{
    rig->seq[p->side] = p->seq;
    rig->acked[p->side] = p->ack;
    rig_packet(rig, p->side, p->flags, p->data, p->size, p->size);
}

static int64_t number_of(const struct record *r, unsigned field)
{
    struct values values;
    assert_int_equal(record_read_values(r, &fake_detail, &values), 0);
    return values.present & UINT64_C(1) << field ? values.at[field].number : -1;
}

/* Returns the pairs. */
static size_t check(const struct rig *rig, unsigned calls)
{
    size_t pairs = 0;
    bool *asked = calloc(calls, 1);
    assert_non_null(asked);
    for (size_t i = 0; i < rig->count; i++) {
        int64_t request = number_of(rig->records[i], FAKE_REQUEST), response = number_of(rig->records[i], FAKE_RESPONSE);
        if (request >= 0 && response >= 0) {
            assert_int_equal(request, response);
            assert_int_equal(rig->records[i]->incomplete, WHOLE);
            pairs++;
        } else {
            assert_int_not_equal(rig->records[i]->incomplete, WHOLE);
        }
        if (request >= 0) {
            assert_true(request < (int64_t)calls);
            assert_false(asked[request]);
            asked[request] = true;
        }
    }
    free(asked);
    return pairs;
}

static struct rig *new_rig(void) { return rig_new_without_handshake(7, REDACT_OFF, 6); }

static void whole_conversations_pair_all(void **state)
{
    (void)state;
    static struct script s;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        make(&s, 40, seed % 2 ? 1 : 6, seed);
        struct rig *rig = new_rig();
        for (size_t i = 0; i < s.count; i++)
            play(rig, &s.packets[i]);
        rig_stop(rig);
        assert_int_equal(check(rig, 40), 40);
        assert_int_equal(shard_counters(rig->shard)->gaps, 0);
        rig_free(rig);
    }
}

/* Neighbours change places and packets come twice, as captures and networks do it: still all. */
static void disorder_and_repetition_lose_nothing(void **state)
{
    (void)state;
    static struct script s;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        make(&s, 40, seed % 2 ? 1 : 6, seed);
        struct rig *rig = new_rig();
        for (size_t i = 3; i + 4 < s.count; i++) { /* neither the handshake nor the end */
            if (roll(&s, 4) == 0) {
                struct sent swap = s.packets[i];
                size_t other = i + 1 + roll(&s, 3) % (s.count - 4 - i);
                s.packets[i] = s.packets[other];
                s.packets[other] = swap;
            }
        }
        for (size_t i = 0; i < s.count; i++) {
            play(rig, &s.packets[i]);
            if (i > 3 && roll(&s, 8) == 0)
                play(rig, &s.packets[i - roll(&s, 4)]);
        }
        rig_stop(rig);
        assert_int_equal(check(rig, 40), 40);
        rig_free(rig);
    }
}

static void losses_never_make_a_wrong_pair(void **state)
{
    (void)state;
    static struct script s;
    size_t pairs = 0;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        make(&s, 40, seed % 2 ? 1 : 6, seed);
        struct rig *rig = new_rig();
        for (size_t i = 0; i < s.count; i++)
            if (roll(&s, 10) != 0)
                play(rig, &s.packets[i]);
        rig_stop(rig);
        pairs += check(rig, 40);
        rig_free(rig);
    }
    assert_true(pairs > 2000 * 40 / 4); /* and it finds its way again */
}

static void one_call_at_a_time_loses_only_what_lost_a_packet(void **state)
{
    (void)state;
    static struct script s;
    make(&s, 100, 1, 5);
    struct rig *rig = new_rig();
    for (size_t i = 0; i < s.count; i++)
        if (s.packets[i].size == 0 || strncmp(s.packets[i].data, "Q50:", 4) != 0)
            play(rig, &s.packets[i]);
    rig_stop(rig);
    assert_true(check(rig, 100) >= 98); /* call 50, and the line behind the hole that may be another's rest */
    rig_free(rig);
}

static void a_capture_from_the_middle(void **state)
{
    (void)state;
    static struct script s;
    for (uint64_t seed = 1; seed <= 500; seed++) {
        make(&s, 40, seed % 2 ? 1 : 6, seed);
        struct rig *rig = new_rig();
        for (size_t i = 3 + roll(&s, (uint32_t)s.count - 6); i < s.count; i++)
            play(rig, &s.packets[i]);
        rig_stop(rig);
        (void)check(rig, 40);
        rig_free(rig);
    }
}

/* Half of the batches come after a silence; recording begins at any moment, and knows after a second that nothing was said. */
static void silence_tells_that_nothing_is_under_way(void **state)
{
    (void)state;
    static const int64_t PAUSE_NS = INT64_C(3000000000), SECOND_NS = INT64_C(1000000000);
    static struct script s;
    size_t first = 0, broken = 0;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        static int64_t at[PACKETS_MAX];
        make(&s, 40, seed % 2 ? 1 : 6, seed);
        bool paused = false;
        int64_t now = 0;
        for (size_t i = 0; i < s.count; i++) {
            bool turns = i > 3 && s.packets[i].size && s.packets[i].side == SIDE_CLIENT && s.packets[i - 1].side == SIDE_SERVER; /* a batch begins */
            bool thinks = i > 3 && s.packets[i].size && s.packets[i].side == SIDE_SERVER && s.packets[i - 1].side == SIDE_CLIENT;
            paused = (turns || thinks) && roll(&s, 2);
            now += paused ? PAUSE_NS : RIG_STEP_NS;
            at[i] = now;
        }
        int64_t begun = at[3] + (int64_t)roll(&s, 1000) * (now - at[3]) / 1000;
        struct rig *rig = new_rig();
        size_t i = 3;
        while (i < s.count && at[i] <= begun)
            i++;
        bool silent = i < s.count && s.packets[i].size && s.packets[i].side == SIDE_CLIENT && at[i] - begun >= SECOND_NS;
        for (; i < s.count; i++) {
            rig->now_ns = RIG_START_NS + at[i];
            rig->watched = at[i] - begun >= SECOND_NS;
            play(rig, &s.packets[i]);
        }
        rig_stop(rig);
        (void)check(rig, 40);
        broken += silent;
        first += silent && rig->count > 0 && rig->records[0]->incomplete == WHOLE;
        rig_free(rig);
    }
    assert_true(broken > 500);
    assert_int_equal(first, broken); /* the very first one is a pair */
}

/* What was evicted may have said something. */
static void an_eviction_takes_the_silence_away(void **state)
{
    (void)state;
    for (unsigned evicts = 0; evicts < 2; evicts++) {
        struct rig *rig = calloc(1, sizeof *rig);
        assert_non_null(rig);
        struct shard_options options = { .limits = { .connections = 1 } };
        struct shard_sink sink = { rig_entry, rig_view, rig };
        assert_int_equal(shard_new(0, &options, &sink, &rig->shard), 0);
        rig->tuple = (struct tuple){ .source = { 10, 0, 0, 1 }, .destination = { 10, 0, 0, 2 }, .source_port = 40000, .destination_port = 7, .version = 4, .transport = 6 };
        rig->now_ns = RIG_START_NS;
        rig->watched = true;
        if (evicts) {
            rig_say(rig, SIDE_CLIENT, "Q0:\n", -1);
            rig->tuple.source_port = 40001;
        }
        rig_say(rig, SIDE_CLIENT, "Q1:\n", -1);
        rig_say(rig, SIDE_SERVER, "A1:\n", -1);
        rig_stop(rig);
        assert_int_equal(rig_count(rig), evicts ? 3 : 1);
        rig_free(rig);
    }
}

static void datagrams_pair_by_key(void **state)
{
    (void)state;
    struct rig *rig = rig_new_udp(7, REDACT_OFF);
    rig_say(rig, SIDE_CLIENT, "Q1:\n", -1);
    rig_say(rig, SIDE_CLIENT, "Q2:\n", -1);
    rig_say(rig, SIDE_CLIENT, "Q1:\n", -1);
    rig_say(rig, SIDE_SERVER, "A2:\n", -1);
    rig_say(rig, SIDE_SERVER, "A1:\n", -1);
    rig->now_ns += INT64_C(31000000000);
    rig_say(rig, SIDE_SERVER, "A1:\n", -1); /* too late for the second one */
    rig_stop(rig);
    assert_int_equal(rig_count(rig), 4);
    assert_int_equal(rig_record(rig, 0)->elapsed_ns, 2 * RIG_STEP_NS);
    assert_string_equal(rig_text(rig, 0, "answered"), "2");
    assert_int_equal(rig_record(rig, 1)->elapsed_ns, 4 * RIG_STEP_NS); /* the oldest first */
    assert_string_equal(rig_incomplete(rig, 2), "no_response");
    assert_string_equal(rig_incomplete(rig, 3), "no_request");
    rig_free(rig);
}

/* A resolver's flow never ends: requests without an answer are given up in time, not when there are too many, and not because the capture ends. */
static void old_datagrams_are_given_up(void **state)
{
    (void)state;
    enum { REQUESTS = CONVERSATION_UNANSWERED_MAX + 1000 };
    struct rig *rig = rig_new_udp(7, REDACT_OFF);
    for (unsigned i = 0; i < REQUESTS; i++) {
        char text[32];
        int n = snprintf(text, sizeof text, "Q%u:\n", i);
        rig->now_ns = RIG_START_NS + i * INT64_C(20000000); /* 50 a second, for 100 seconds */
        rig_say(rig, SIDE_CLIENT, text, n);
    }
    rig_say(rig, SIDE_SERVER, "A5000:\n", 7);
    rig_stop(rig);
    assert_int_equal(rig_count(rig), REQUESTS);
    assert_int_equal(shard_counters(rig->shard)->requests_evicted, 0);
    unsigned answered = 0, given_up = 0, open = 0;
    for (size_t i = 0; i < rig_count(rig); i++) {
        const char *incomplete = rig_incomplete(rig, i);
        answered += incomplete[0] == '\0';
        given_up += strcmp(incomplete, "no_response") == 0;
        open += strcmp(incomplete, "ends_after") == 0;
    }
    assert_int_equal(answered, 1);
    assert_in_range(open, 1490, 1510); /* of the last 30 seconds */
    assert_int_equal(given_up, REQUESTS - open - 1);
    rig_free(rig);
}

/* What one parser left unanswered is none of the next one's: their values would stand in one record. */
static void the_next_parser_answers_its_own(void **state)
{
    (void)state;
    struct rig *rig = rig_new(7, REDACT_OFF);
    rig_say(rig, SIDE_CLIENT, "Q1:\n", 4);
    rig_say(rig, SIDE_SERVER, "S\n", 2);
    rig_say(rig, SIDE_CLIENT, "Q2:\n", 4);
    rig_say(rig, SIDE_SERVER, "A2:\n", 4);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    assert_string_equal(rig_text(rig, 0, "asked"), "1");
    assert_string_equal(rig_text(rig, 0, "answered"), "-1");
    assert_string_equal(rig_incomplete(rig, 0), "no_response");
    assert_string_equal(rig_text(rig, 1, "asked"), "2");
    assert_string_equal(rig_text(rig, 1, "answered"), "2");
    rig_free(rig);
}

static struct conversation *any_conversation(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->buckets_count; i++)
        if (shard->buckets[i])
            return shard->buckets[i];
    return NULL;
}

/* Without memory all conversations share one message. */
static void no_memory_ties_no_lists_together(void **state)
{
    (void)state;
    struct rig *one = rig_new_udp(7, REDACT_OFF);
    rig_say(one, SIDE_CLIENT, "Q1:\n", 4);
    struct conversation *first = any_conversation(one->shard), *second = NULL;
    struct shard *shard = one->shard;
    one->tuple.source_port++;
    conversation_request(first, &shard->nothing, 7);
    rig_say(one, SIDE_CLIENT, "Q2:\n", 4);
    for (uint32_t i = 0; i < shard->buckets_count && !second; i++)
        for (struct conversation *c = shard->buckets[i]; c && !second; c = c->next_in_bucket)
            second = c == first ? NULL : c;
    assert_non_null(second);
    conversation_request(second, &shard->nothing, 7);
    rig_say(one, SIDE_CLIENT, "Q3:\n", 4);
    rig_stop(one);
    assert_int_equal(rig_count(one), 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(rig_record(one, i)->tuple.source_port, strcmp(rig_text(one, i, "asked"), "1") == 0 ? 40000 : 40001);
    rig_free(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_conversations_pair_all), cmocka_unit_test(disorder_and_repetition_lose_nothing), cmocka_unit_test(losses_never_make_a_wrong_pair),
        cmocka_unit_test(one_call_at_a_time_loses_only_what_lost_a_packet), cmocka_unit_test(a_capture_from_the_middle),
        cmocka_unit_test(silence_tells_that_nothing_is_under_way), cmocka_unit_test(an_eviction_takes_the_silence_away), cmocka_unit_test(datagrams_pair_by_key),
        cmocka_unit_test(old_datagrams_are_given_up), cmocka_unit_test(the_next_parser_answers_its_own), cmocka_unit_test(no_memory_ties_no_lists_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
