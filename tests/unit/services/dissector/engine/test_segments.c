/* TCP into streams: retransmissions, overlaps, wrapping numbers, keep-alives, cut packets, resets, ports used again, and what the connection's entry says of them. */
#include "tests/unit/services/dissector/engine/fake_registry.h"
#include "services/dissector/engine/internal.h"
#include "tests/support/protocol_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void again(struct rig *rig, enum side side, const char *text, uint32_t back)
{
    rig->seq[side] -= back;
    rig_say(rig, side, text, -1);
}

static void a_call(struct rig *rig, unsigned number)
{
    char text[32];
    snprintf(text, sizeof text, "Q%u:\n", number);
    rig_say(rig, SIDE_CLIENT, text, -1);
    text[0] = 'A';
    rig_say(rig, SIDE_SERVER, text, -1);
}

static void what_comes_again_is_dropped(void **state)
{
    (void)state;
    struct rig *rig = rig_new(7, REDACT_OFF);
    rig_say(rig, SIDE_CLIENT, "Q1:\n", -1);
    again(rig, SIDE_CLIENT, "Q1:\n", 4);
    again(rig, SIDE_CLIENT, "\nQ2:x\n", 1);      /* overlaps what is known by a byte */
    rig_say(rig, SIDE_SERVER, "A1:\nA2:\n", -1);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    assert_string_equal(rig_text(rig, 0, "answered"), "1");
    assert_string_equal(rig_text(rig, 1, "answered"), "2");
    assert_string_equal(rig_connection_text(rig, 0, "tcp_local_retransmissions"), "1");
    assert_string_equal(rig_connection_text(rig, 0, "conn_l7_detected"), "FAKE");
    assert_string_equal(rig_connection_text(rig, 0, "conn_state"), "closed");
    assert_string_equal(rig_connection_text(rig, 0, "tcp_handshake_rtt"), "2000");
    assert_string_equal(rig_connection_text(rig, 0, "incomplete"), "");
    rig_free(rig);
}

static void keep_alives_are_no_data(void **state)
{
    (void)state;
    struct rig *rig = rig_new(7, REDACT_OFF);
    a_call(rig, 1);
    again(rig, SIDE_CLIENT, "?", 1);
    rig->seq[SIDE_CLIENT]--;
    rig_packet(rig, SIDE_CLIENT, 16, NULL, 0, 0);
    rig->seq[SIDE_CLIENT]++;
    rig->acked[SIDE_SERVER] = rig->seq[SIDE_CLIENT];
    a_call(rig, 2);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    assert_string_equal(rig_connection_text(rig, 0, "tcp_keep_alives"), "2");
    rig_free(rig);
}

static void a_cut_packet_is_a_hole_of_known_size(void **state)
{
    (void)state;
    struct rig *rig = rig_new(7, REDACT_OFF);
    a_call(rig, 1);
    rig_packet(rig, SIDE_CLIENT, 24, "Q2:xxxx", 7, 100);
    rig_say(rig, SIDE_SERVER, "A2:\n", -1);
    a_call(rig, 3);
    a_call(rig, 4);
    rig_finish(rig);
    assert_string_equal(rig_connection_text(rig, 0, "conn_missing_bytes"), "93");
    assert_int_equal(shard_counters(rig->shard)->gap_bytes, 93);
    for (size_t i = 0; i < rig_count(rig); i++)
        if (rig_record(rig, i)->incomplete == WHOLE)
            assert_string_equal(rig_text(rig, i, "asked"), rig_text(rig, i, "answered"));
    assert_string_equal(rig_text(rig, rig_count(rig) - 1, "answered"), "4");
    rig_free(rig);
}

static void one_side_alone(void **state)
{
    (void)state;
    struct rig *rig = rig_new_without_handshake(7, REDACT_OFF, 6);
    for (unsigned i = 0; i < 50; i++) { /* the responses are acknowledged, and never seen */
        rig_say(rig, SIDE_CLIENT, "Q1:\n", -1);
        rig_lose(rig, SIDE_SERVER, 4);
    }
    rig_stop(rig);
    assert_int_equal(rig_count(rig), 50);
    assert_int_equal(rig_record(rig, 20)->flags & (RECORD_HAS_REQUEST | RECORD_HAS_RESPONSE), RECORD_HAS_REQUEST);
    rig_free(rig);
}

static void a_reset_and_the_same_ports_again(void **state)
{
    (void)state;
    struct rig *rig = rig_new(7, REDACT_OFF);
    a_call(rig, 1);
    rig_say(rig, SIDE_CLIENT, "Q2:\n", -1);
    rig_packet(rig, SIDE_SERVER, 20, NULL, 0, 0);
    rig->seq[SIDE_CLIENT] = 5000;
    rig_packet(rig, SIDE_CLIENT, 2, NULL, 0, 0);
    rig_packet(rig, SIDE_SERVER, 18, NULL, 0, 0);
    rig_packet(rig, SIDE_CLIENT, 16, NULL, 0, 0);
    a_call(rig, 3);
    rig_stop(rig);
    assert_int_equal(rig_count(rig), 3);
    assert_string_equal(rig_incomplete(rig, 1), "no_response");
    assert_string_equal(rig_text(rig, 2, "answered"), "3");
    assert_int_equal(rig->connections_count, 2);
    assert_string_equal(rig_connection_text(rig, 0, "tcp_error_type"), "reset");
    assert_string_equal(rig_connection_text(rig, 0, "tcp_reset_by"), "server");
    assert_string_equal(rig_connection_text(rig, 1, "conn_state"), "open");
    assert_string_equal(rig_connection_text(rig, 1, "incomplete"), "ends_after");
    rig_free(rig);
}

static void refused_and_unanswered(void **state)
{
    (void)state;
    struct rig *rig = rig_new_without_handshake(7, REDACT_OFF, 6);
    rig_packet(rig, SIDE_CLIENT, 2, NULL, 0, 0);
    rig_packet(rig, SIDE_SERVER, 20, NULL, 0, 0);
    rig_stop(rig);
    assert_string_equal(rig_connection_text(rig, 0, "tcp_error_type"), "refused");
    rig_free(rig);
    rig = rig_new_without_handshake(7, REDACT_OFF, 6);
    rig_packet(rig, SIDE_CLIENT, 2, NULL, 0, 0);
    rig->now_ns += INT64_C(61000000000);
    rig->tuple.source_port++; /* another connection's packet moves the clock */
    rig_packet(rig, SIDE_CLIENT, 2, NULL, 0, 0);
    assert_int_equal(rig->connections_count, 1);
    assert_string_equal(rig_connection_text(rig, 0, "tcp_error_type"), "timeout");
    assert_string_equal(rig_connection_text(rig, 0, "conn_state"), "in_progress");
    rig_stop(rig);
    rig_free(rig);
}

static void a_hole_waits_for_its_retransmission(void **state)
{
    (void)state;
    struct rig *rig = rig_new(7, REDACT_OFF);
    uint32_t hole = rig->seq[SIDE_CLIENT];
    rig->seq[SIDE_CLIENT] += 4;
    for (unsigned i = 2; i < 100; i++) {
        char text[32];
        snprintf(text, sizeof text, "Q%u:\n", i);
        rig_say(rig, SIDE_CLIENT, text, -1);
        rig->acked[SIDE_SERVER] = hole;
        rig_packet(rig, SIDE_SERVER, 16, NULL, 0, 0); /* the receiver says that it does not have it */
    }
    uint32_t end = rig->seq[SIDE_CLIENT];
    rig->seq[SIDE_CLIENT] = hole;
    rig_say(rig, SIDE_CLIENT, "Q1:\n", -1);
    rig->seq[SIDE_CLIENT] = rig->acked[SIDE_SERVER] = end;
    rig_say(rig, SIDE_SERVER, "A1:\nA2:\n", -1);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 99);
    assert_int_equal(shard_counters(rig->shard)->gaps, 0);
    assert_string_equal(rig_text(rig, 0, "answered"), "1");
    rig_free(rig);
}

static void the_budget_evicts_the_quietest(void **state)
{
    (void)state;
    struct rig *rig = rig_new_without_handshake(7, REDACT_OFF, 6);
    shard_free(rig->shard);
    struct shard_options options = { .limits = { .bytes = 64 * 1024, .connections = 8 } };
    struct shard_sink sink = { rig_entry, rig_view, rig };
    assert_int_equal(shard_new(0, &options, &sink, &rig->shard), 0);
    for (unsigned i = 0; i < 40; i++) {
        rig->tuple.source_port = (uint16_t)(1000 + i);
        char text[9000];
        memset(text, 'Q', sizeof text); /* a request without an end */
        rig_say(rig, SIDE_CLIENT, text, sizeof text);
    }
    assert_true(shard_counters(rig->shard)->evicted_connections >= 32);
    rig_stop(rig);
    assert_int_equal(shard_counters(rig->shard)->connections, 40);
    rig_free(rig);
}

/* Bytes that wait behind a hole go to the parser when their connection is evicted, and that must not evict the next one, and so on. */
static void an_eviction_is_no_avalanche(void **state)
{
    (void)state;
    struct rig *rig = rig_new_without_handshake(7, REDACT_OFF, 6);
    shard_free(rig->shard);
    struct shard_options options = { .limits = { .bytes = 256 * 1024, .connections = 4096 } };
    struct shard_sink sink = { rig_entry, rig_view, rig };
    char text[4096];
    uint64_t before = 0;
    memset(text, 'Q', sizeof text);
    assert_int_equal(shard_new(0, &options, &sink, &rig->shard), 0);
    for (unsigned i = 0; i < 200; i++) {
        rig->tuple.source_port = (uint16_t)(1000 + i);
        rig->seq[SIDE_CLIENT] = 100;
        rig_packet(rig, SIDE_CLIENT, 2, NULL, 0, 0);
        rig->seq[SIDE_CLIENT] += 5;
        rig_packet(rig, SIDE_CLIENT, 16, text, sizeof text, sizeof text);
        uint64_t evicted = shard_counters(rig->shard)->evicted_connections;
        assert_true(evicted - before <= 2);
        before = evicted;
    }
    assert_true(before > 100);
    assert_true(shard_counters(rig->shard)->evicted_bytes < 2u * 200 * (sizeof text + 2048));
    rig_stop(rig);
    assert_int_equal(shard_counters(rig->shard)->connections, 200);
    rig_free(rig);
}

/* An acknowledgement of what lies before the stream's beginning says nothing. */
static void numbers_from_before_the_beginning(void **state)
{
    (void)state;
    struct rig *rig = rig_new(7, REDACT_OFF);
    a_call(rig, 1);
    uint32_t acked = rig->acked[SIDE_CLIENT];
    rig->acked[SIDE_CLIENT] = acked - 32 * 1024 * 1024;
    rig_packet(rig, SIDE_CLIENT, 16, NULL, 0, 0);
    rig->acked[SIDE_CLIENT] = acked;
    uint32_t seq = rig->seq[SIDE_SERVER];
    rig->seq[SIDE_SERVER] = seq - 32 * 1024 * 1024;
    rig_packet(rig, SIDE_SERVER, 16, "A0:\n", 4, 4);
    rig->seq[SIDE_SERVER] = seq;
    a_call(rig, 2);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    assert_string_equal(rig_text(rig, 1, "answered"), "2");
    assert_int_equal(shard_counters(rig->shard)->gap_bytes, 0);
    rig_free(rig);
}

/* The first packet of a response is lost and sent again: the response is whole when that comes. */
static void a_response_is_whole_with_its_last_packet(void **state)
{
    (void)state;
    struct rig *rig = rig_new(7, REDACT_OFF);
    rig_say(rig, SIDE_CLIENT, "Q1:\n", -1);
    uint32_t seq = rig->seq[SIDE_SERVER], acked = rig->acked[SIDE_CLIENT];
    rig->seq[SIDE_SERVER] = seq + 3;
    rig_say(rig, SIDE_SERVER, "x\n", -1);
    rig->acked[SIDE_CLIENT] = acked;
    rig->seq[SIDE_SERVER] = seq;
    rig_say(rig, SIDE_SERVER, "A1:", -1);
    rig->seq[SIDE_SERVER] = seq + 5;
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    assert_int_equal(rig_record(rig, 0)->elapsed_ns, 2 * RIG_STEP_NS);
    assert_int_equal(rig_record(rig, 0)->duration_ns, 2 * RIG_STEP_NS);
    rig_free(rig);
}

static void from_port(struct rig *rig, uint16_t port, int64_t second, const char *text)
{
    rig->tuple.source_port = port;
    rig->now_ns = RIG_START_NS + second * INT64_C(1000000000);
    if (!text) {
        rig->seq[0] = rig->acked[1] = 5000;
        rig->seq[1] = rig->acked[0] = 1000;
        rig_packet(rig, SIDE_CLIENT, 2, NULL, 0, 0);
        rig_packet(rig, SIDE_SERVER, 18, NULL, 0, 0);
        rig_packet(rig, SIDE_CLIENT, 16, NULL, 0, 0);
        return;
    }
    rig->seq[0] = 5001;
    rig->acked[0] = rig->seq[1] = 1001;
    rig_say(rig, SIDE_CLIENT, text, -1);
}

/* A connection that has said nothing for 300 seconds is over, whatever the others beside it do. */
static void what_is_idle_is_over(void **state)
{
    (void)state;
    struct rig *rig = rig_new_without_handshake(7, REDACT_OFF, 6);
    from_port(rig, 1, 50, NULL);
    from_port(rig, 2, 60, NULL);
    from_port(rig, 3, 70, NULL);
    from_port(rig, 2, 100, "Q2:\n");
    from_port(rig, 3, 100, "Q3:\n");
    from_port(rig, 4, 349, NULL);
    for (int second = 350; second <= 440; second++)
        from_port(rig, 5, second, second == 350 ? NULL : "x");
    rig->tuple.source_port = 3; /* the ports again, without a handshake that the capture has */
    rig->now_ns = RIG_START_NS + INT64_C(441000000000);
    rig->seq[0] = 700000;
    rig->acked[0] = rig->seq[1] = 800000;
    rig_say(rig, SIDE_CLIENT, "Q4:\n", -1);
    rig_stop(rig);
    assert_int_equal(rig_count(rig), 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(rig_incomplete(rig, i), strcmp(rig_text(rig, i, "asked"), "4") == 0 ? "started_before" : "no_response"); /* no other is the old one's */
    for (size_t i = 0; i < rig->connections_count; i++) {
        bool old = rig->connections[i]->connection_ns < RIG_START_NS + INT64_C(200000000000);
        assert_string_equal(rig_connection_text(rig, i, "conn_state"), old ? "closed" : "open");
    }
    assert_int_equal(rig->connections_count, 6);
    rig_free(rig);
}

/* A hole that nobody has acknowledged waits for its retransmission, but not for ever: thousands of packets behind it would each have to find their place. */
static void a_crowd_waits_no_longer(void **state)
{
    (void)state;
    struct rig *rig = rig_new(7, REDACT_OFF);
    a_call(rig, 1);
    uint32_t acked = rig->acked[SIDE_SERVER];
    rig_lose(rig, SIDE_CLIENT, 4);
    for (unsigned i = 0; i < WAITING_PACKETS_MAX + 100; i++) {
        rig->acked[SIDE_SERVER] = acked;
        rig_say(rig, SIDE_CLIENT, &"Q2:\n"[i % 4], 1);
        if (i < WAITING_PACKETS_MAX)
            assert_int_equal(shard_counters(rig->shard)->gap_bytes, 0);
    }
    assert_int_equal(shard_counters(rig->shard)->gap_bytes, 4);
    rig_finish(rig);
    rig_free(rig);
}

/* The same bytes in any order behind a hole that is filled at last. */
static void what_waits_is_in_order(void **state)
{
    (void)state;
    enum { CALLS = 100 };
    char text[CALLS * 8];
    size_t size = 0, at = 0;
    for (unsigned i = 0; i < CALLS; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "Q%u:\n", i);
    struct rig *rig = rig_new(7, REDACT_OFF);
    uint32_t seq = rig->seq[SIDE_CLIENT], acked = rig->acked[SIDE_SERVER];
    for (size_t i = 0; i < size; i++) {  /* 11 has no divisor in common with the size */
        at = (at + 11) % size;
        rig->seq[SIDE_CLIENT] = seq + (uint32_t)at;
        rig->acked[SIDE_SERVER] = acked;
        rig_say(rig, SIDE_CLIENT, text + at, 1);
    }
    rig->seq[SIDE_CLIENT] = seq + (uint32_t)size;
    rig_finish(rig);
    assert_int_not_equal(size % 11, 0);
    assert_int_equal(rig_count(rig), CALLS);
    for (unsigned i = 0; i < CALLS; i++)
        assert_int_equal(strtol(rig_text(rig, i, "asked"), NULL, 10), i);
    assert_int_equal(shard_counters(rig->shard)->gap_bytes, 0);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_again_is_dropped), cmocka_unit_test(keep_alives_are_no_data), cmocka_unit_test(a_cut_packet_is_a_hole_of_known_size), cmocka_unit_test(one_side_alone),
        cmocka_unit_test(a_reset_and_the_same_ports_again), cmocka_unit_test(refused_and_unanswered), cmocka_unit_test(a_hole_waits_for_its_retransmission), cmocka_unit_test(the_budget_evicts_the_quietest),
        cmocka_unit_test(an_eviction_is_no_avalanche), cmocka_unit_test(numbers_from_before_the_beginning), cmocka_unit_test(a_response_is_whole_with_its_last_packet), cmocka_unit_test(what_is_idle_is_over), cmocka_unit_test(a_crowd_waits_no_longer), cmocka_unit_test(what_waits_is_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
