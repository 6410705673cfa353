#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/protocol_rig.h"
#include "tests/unit/services/dissector/protocols/dns/dns_builder.h"

static const uint8_t address[4] = { 192, 0, 2, 1 };

#define SAY(rig, side, message) rig_say(rig, side, (message).data, (ssize_t)(message).size)
#define CHECK(i, field, text) assert_string_equal(rig_text(rig, i, field), text)

/* The same behind its length. */
static struct dns_builder framed(const struct dns_builder *m)
{
    struct dns_builder b = { .size = 0 };
    dns_put16(&b, (unsigned)m->size);
    dns_put(&b, m->data, m->size);
    return b;
}

static void a_query_and_its_answer(void **state)
{
    (void)state;
    struct rig *rig = rig_new_udp(53, REDACT_ON);
    struct dns_builder query = dns_query(0x1234, "www.Example.org", 1), answer = dns_answer(0x1234, "WWW.example.org", 1, address);
    SAY(rig, SIDE_CLIENT, query);
    SAY(rig, SIDE_SERVER, answer);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    assert_string_equal(rig_protocol(rig, 0), "DNS");
    CHECK(0, "incomplete", "");
    CHECK(0, "summary", "A www.Example.org");
    CHECK(0, "dns_id", "4660");
    CHECK(0, "dns_opcode", "QUERY");
    CHECK(0, "dns_questions", "www.Example.org");
    CHECK(0, "dns_question_types", "A");
    CHECK(0, "dns_answers", "192.0.2.1");
    CHECK(0, "dns_answer_types", "A");
    CHECK(0, "dns_answer_names", "WWW.example.org");
    CHECK(0, "dns_ttl", "300");
    CHECK(0, "status_code", "0");
    CHECK(0, "dns_response_code", "NOERROR");
    CHECK(0, "dns_request", "1");
    CHECK(0, "dns_response", "1");
    CHECK(0, "dns_request_length", "33");
    CHECK(0, "dns_response_length", "49");
    CHECK(0, "dns_total_size", "82");
    CHECK(0, "dns_recursion_desired", "1");
    CHECK(0, "dns_recursion_available", "1");
    CHECK(0, "dns_authoritative", "0");
    CHECK(0, "dns_edns", "0");
    const struct record *r = rig_record(rig, 0);
    assert_int_equal(r->elapsed_ns, RIG_STEP_NS);
    assert_int_equal(r->tuple.destination_port, 53);
    rig_free(rig);
}

static void another_question_is_no_answer(void **state)
{
    (void)state;
    struct rig *rig = rig_new_udp(53, REDACT_ON);
    struct dns_builder query = dns_query(7, "a.test", 1), other_name = dns_answer(7, "b.test", 1, address), other_type = dns_answer(7, "a.test", 28, address), other_id = dns_answer(8, "a.test", 1, address);
    SAY(rig, SIDE_CLIENT, query);
    SAY(rig, SIDE_SERVER, other_name);
    SAY(rig, SIDE_SERVER, other_type);
    SAY(rig, SIDE_SERVER, other_id);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 4);
    for (size_t i = 0; i < 3; i++) {
        CHECK(i, "incomplete", "no_request");
        CHECK(i, "dns_request", "0");
        CHECK(i, "dns_response", "1");
    }
    CHECK(0, "dns_questions", "b.test");
    CHECK(0, "dns_total_size", "40");
    CHECK(3, "dns_request", "1");
    CHECK(3, "dns_response", "0");
    CHECK(3, "dns_total_size", "24");
    CHECK(3, "incomplete", "ends_after");
    rig_free(rig);
}

static void repeated_queries_wait_in_order(void **state)
{
    (void)state;
    struct rig *rig = rig_new_udp(53, REDACT_ON);
    struct dns_builder query = dns_query(7, "a.test", 1), answer = dns_answer(7, "a.test", 1, address);
    SAY(rig, SIDE_CLIENT, query);
    SAY(rig, SIDE_CLIENT, query);
    SAY(rig, SIDE_SERVER, answer);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    CHECK(0, "incomplete", "");
    assert_int_equal(rig_record(rig, 0)->timestamp_ns, RIG_START_NS);
    CHECK(1, "incomplete", "ends_after");
    rig_free(rig);
}

static void too_late_an_answer_stays_alone(void **state)
{
    (void)state;
    struct rig *rig = rig_new_udp(53, REDACT_ON);
    struct dns_builder query = dns_query(7, "a.test", 1), answer = dns_answer(7, "a.test", 1, address);
    SAY(rig, SIDE_CLIENT, query);
    rig->now_ns += 31 * INT64_C(1000000000);
    SAY(rig, SIDE_SERVER, answer);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    CHECK(0, "incomplete", "no_response");
    CHECK(1, "dns_questions", "a.test");
    CHECK(1, "dns_request", "0");
    rig_free(rig);
}

/* The same over a stream; and where the same was asked again meanwhile, the answer is to that. */
static void the_latest_of_old_queries_is_answered(void **state)
{
    (void)state;
    struct dns_builder query = dns_query(7, "a.test", 1), answer = dns_answer(7, "a.test", 1, address);
    struct rig *rig = rig_new_udp(53, REDACT_ON);
    SAY(rig, SIDE_CLIENT, query);
    rig->now_ns += 20 * INT64_C(1000000000);
    SAY(rig, SIDE_CLIENT, query);
    rig->now_ns += 15 * INT64_C(1000000000);
    SAY(rig, SIDE_SERVER, answer);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    CHECK(0, "incomplete", "no_response");
    CHECK(1, "incomplete", "");
    CHECK(1, "dns_total_size", "64");
    rig_free(rig);
    rig = rig_new(53, REDACT_ON);
    uint8_t length[2] = { 0, (uint8_t)query.size };
    rig_say(rig, SIDE_CLIENT, length, 2);
    SAY(rig, SIDE_CLIENT, query);
    rig->now_ns += 31 * INT64_C(1000000000);
    length[1] = (uint8_t)answer.size;
    rig_say(rig, SIDE_SERVER, length, 2);
    SAY(rig, SIDE_SERVER, answer);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    CHECK(0, "incomplete", "no_response");
    CHECK(1, "incomplete", "no_request");
    CHECK(1, "dns_total_size", "40");
    rig_free(rig);
}

/* Servers that cannot read a query answer with the header alone. */
static void an_answer_without_question(void **state)
{
    (void)state;
    struct rig *rig = rig_new_udp(53, REDACT_ON);
    struct dns_builder query = dns_query(7, "a.test", 1), refused = { .size = 0 }, stray = { .size = 0 };
    dns_put_header(&refused, 7, 0x8181, 0, 0, 0, 0);
    dns_put_header(&stray, 9, 0x8185, 0, 0, 0, 0);
    SAY(rig, SIDE_CLIENT, query);
    SAY(rig, SIDE_SERVER, refused);
    SAY(rig, SIDE_SERVER, stray);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    CHECK(0, "dns_response_code", "FORMERR");
    CHECK(0, "status_code", "1");
    CHECK(0, "incomplete", "");
    CHECK(1, "dns_response_code", "REFUSED");
    CHECK(1, "incomplete", "no_request");
    CHECK(1, "summary", "QUERY");
    rig_free(rig);
}

static void many_answers(void **state)
{
    (void)state;
    struct rig *rig = rig_new_udp(53, REDACT_ON);
    struct dns_builder query = dns_query(7, "a.test", 1), b = { .size = 0 };
    dns_put_header(&b, 7, 0x8580, 1, 3, 1, 0);
    dns_put_question(&b, "a.test", 1);
    dns_put_record(&b, NULL, 5, 600, "\1b\xc0\x0e", 4);
    dns_put_record(&b, "b.test", 1, 50, address, 4);
    dns_put_record(&b, "b.test", 65280, 70, "\1\2", 2);
    dns_put_record(&b, "test", 2, 10, "\2ns\xc0\x0e", 5);
    SAY(rig, SIDE_CLIENT, query);
    SAY(rig, SIDE_SERVER, b);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    CHECK(0, "dns_answers", "b.test, 192.0.2.1, 0102");
    CHECK(0, "dns_answer_types", "CNAME, A, TYPE65280");
    CHECK(0, "dns_answer_names", "a.test, b.test, b.test");
    CHECK(0, "dns_ttl", "50");
    CHECK(0, "dns_authoritative", "1");
    rig_free(rig);
}

static void edns(void **state)
{
    (void)state;
    struct rig *rig = rig_new_udp(53, REDACT_ON);
    struct dns_builder query = { .size = 0 }, answer = { .size = 0 };
    dns_put_header(&query, 7, 0x0100, 1, 0, 0, 1);
    dns_put_question(&query, "a.test", 1);
    dns_put_record(&query, "", 41, 0x8000, "\0\12\0\10" "cookie77" "\0\10\0\7\0\1\30\0\xc0\0\2", 23);
    dns_put_header(&answer, 7, 0x8183, 1, 0, 0, 1);
    dns_put_question(&answer, "a.test", 1);
    dns_put_record(&answer, "", 41, 0x01000000, "\0\17\0\5\0\26oh!", 9);
    SAY(rig, SIDE_CLIENT, query);
    SAY(rig, SIDE_SERVER, answer);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    CHECK(0, "dns_edns", "1");
    CHECK(0, "dns_dnssec_ok", "1");
    CHECK(0, "dns_client_subnet", "192.0.2.0/24");
    CHECK(0, "dns_extended_error", "22: oh!");
    CHECK(0, "status_code", "19");
    CHECK(0, "dns_response_code", "BADMODE");
    rig_free(rig);
}

static void damaged_records(void **state)
{
    (void)state;
    struct dns_builder answer = dns_answer(7, "a.test", 1, address);
    for (size_t cut = 12; cut < answer.size; cut++) {
        struct rig *rig = rig_new_udp(53, REDACT_ON);
        struct dns_builder query = dns_query(7, "a.test", 1);
        SAY(rig, SIDE_CLIENT, query);
        rig_say(rig, SIDE_SERVER, answer.data, (ssize_t)cut);
        rig_finish(rig);
        assert_int_equal(rig_count(rig), 1);
        CHECK(0, "dns_answers", "");
        if (cut < 12 + 12)
            CHECK(0, "incomplete", "ends_after"); /* without a question it is none */
        else
            CHECK(0, "incomplete", "truncated");
        rig_free(rig);
    }
}

static void other_opcodes(void **state)
{
    (void)state;
    struct rig *rig = rig_new_udp(53, REDACT_ON);
    struct dns_builder notify = { .size = 0 }, noted = { .size = 0 }, update = { .size = 0 };
    dns_put_header(&notify, 7, 0x2400, 1, 0, 0, 0);
    dns_put_question(&notify, "zone.test", 6);
    dns_put_header(&noted, 7, 0xa400, 1, 0, 0, 0);
    dns_put_question(&noted, "zone.test", 6);
    dns_put_header(&update, 8, 0x2800, 1, 0, 1, 0);
    dns_put_question(&update, "zone.test", 6);
    dns_put_record(&update, "new.zone.test", 1, 60, address, 4);
    SAY(rig, SIDE_CLIENT, notify);
    SAY(rig, SIDE_SERVER, noted);
    SAY(rig, SIDE_CLIENT, update);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    CHECK(0, "dns_opcode", "NOTIFY");
    CHECK(0, "summary", "NOTIFY SOA zone.test");
    CHECK(1, "dns_opcode", "UPDATE");
    rig_free(rig);
}

static struct rig *say_once(uint16_t port, const struct dns_builder *m, enum side side)
{
    struct rig *rig = rig_new_udp(port, REDACT_ON);
    rig_say(rig, side, m->data, (ssize_t)m->size);
    rig_finish(rig);
    return rig;
}

static void what_is_dns_on_any_port(void **state)
{
    (void)state;
    struct dns_builder query = dns_query(7, "www.example.org", 1), answer = dns_answer(7, "www.example.org", 1, address), netbios = dns_query(7, "EKEGEEEBEEFCDJCACACACACACACACACA", 32),
                       odd = dns_query(7, "w w.example", 1), unknown = dns_query(7, "www.example", 9999), longer = query, empty = { .size = 0 }, text = { .size = 0 }, status = { .size = 0 };
    dns_put8(&longer, 0);
    dns_put_header(&status, 7, 0x8400, 0, 1, 0, 0);
    dns_put_record(&status, "CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 33, 0, "\0", 1);
    dns_put_header(&empty, 7, 0x0100, 0, 0, 0, 0);
    dns_put(&text, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    const struct { const struct dns_builder *m; size_t elsewhere, port_53; } cases[] = {
        { &query, 1, 1 }, { &answer, 1, 1 }, { &netbios, 0, 1 }, { &status, 0, 1 }, { &odd, 0, 1 }, { &unknown, 0, 1 }, { &longer, 0, 1 }, { &empty, 0, 1 }, { &text, 0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig *rig = say_once(9999, cases[i].m, SIDE_CLIENT);
        assert_int_equal(rig_count(rig), cases[i].elsewhere);
        rig_free(rig);
        rig = say_once(53, cases[i].m, SIDE_CLIENT);
        assert_int_equal(rig_count(rig), cases[i].port_53);
        rig_free(rig);
    }
    for (size_t cut = 1; cut < answer.size; cut++) { /* off its ports, cut messages are none */
        struct dns_builder part = answer;
        part.size = cut;
        struct rig *rig = say_once(9999, &part, SIDE_CLIENT);
        assert_int_equal(rig_count(rig), 0);
        rig_free(rig);
    }
}

/* A question to the group is one-way, as is the answer that a host sends from its own address; between two hosts they are a pair. */
static void link_local_names(void **state)
{
    (void)state;
    struct dns_builder query = dns_query(7, "printer", 1), answer = dns_answer(7, "printer", 1, address);
    struct rig *rig = rig_new_udp(5355, REDACT_ON);
    memcpy(rig->tuple.destination, (const uint8_t[]){ 224, 0, 0, 252 }, 4);
    SAY(rig, SIDE_CLIENT, query);
    memcpy(rig->tuple.destination, (const uint8_t[]){ 10, 0, 0, 9 }, 4);
    SAY(rig, SIDE_SERVER, answer);
    SAY(rig, SIDE_CLIENT, query);
    SAY(rig, SIDE_SERVER, answer);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 3);
    CHECK(0, "dns_questions", "printer");
    CHECK(0, "incomplete", "");
    assert_int_equal(rig_record(rig, 0)->flags & (RECORD_ONE_WAY | RECORD_FROM_SERVER), RECORD_ONE_WAY);
    CHECK(1, "dns_answers", "192.0.2.1");
    CHECK(1, "incomplete", "");
    assert_int_equal(rig_record(rig, 1)->flags & (RECORD_ONE_WAY | RECORD_FROM_SERVER), RECORD_ONE_WAY | RECORD_FROM_SERVER);
    assert_int_equal(rig_record(rig, 1)->tuple.destination_port, 5355);
    assert_int_equal(rig_record(rig, 2)->flags & (RECORD_HAS_REQUEST | RECORD_HAS_RESPONSE), RECORD_HAS_REQUEST | RECORD_HAS_RESPONSE);
    rig_free(rig);
}

static void an_answer_tells_who_the_server_is(void **state)
{
    (void)state;
    struct rig *rig = rig_new_udp(9999, REDACT_ON);
    struct dns_builder answer = dns_answer(7, "www.example.org", 1, address);
    SAY(rig, SIDE_SERVER, answer);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    assert_int_equal(rig_record(rig, 0)->tuple.destination_port, 9999);
    CHECK(0, "incomplete", "no_request");
    rig_free(rig);
}

static void multicast(void **state)
{
    (void)state;
    struct rig *rig = rig_new_udp(5353, REDACT_ON);
    rig->tuple.source_port = 5353;
    struct dns_builder announcement = { .size = 0 }, query = { .size = 0 };
    dns_put_header(&query, 0, 0, 2, 0, 0, 0);
    dns_put_question(&query, "_http._tcp.local", 12);
    dns_put_question(&query, "host.local", 28);
    dns_put_header(&announcement, 0, 0x8400, 0, 1, 0, 0);
    dns_put_record(&announcement, "_http._tcp.local", 12, 4500, "\7Bob\xe2\x80\x99s\5local\0", 15);
    SAY(rig, SIDE_CLIENT, announcement);
    SAY(rig, SIDE_CLIENT, query);
    SAY(rig, SIDE_CLIENT, announcement);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(rig_record(rig, i)->flags & RECORD_ONE_WAY);
        CHECK(i, "incomplete", "");
    }
    assert_int_equal(rig_record(rig, 0)->tuple.source[3], 1);
    CHECK(0, "dns_answers", "Bob\xe2\x80\x99s.local");
    CHECK(0, "dns_answer_names", "_http._tcp.local");
    CHECK(0, "summary", "PTR _http._tcp.local");
    CHECK(1, "dns_questions", "_http._tcp.local, host.local");
    CHECK(1, "dns_question_types", "PTR, AAAA");
    rig_free(rig);
}

static void a_resolver_that_asks_mdns_directly(void **state)
{
    (void)state;
    struct rig *rig = rig_new_udp(5353, REDACT_ON);
    struct dns_builder query = dns_query(5, "host.local", 1), answer = dns_answer(5, "host.local", 1, address);
    query.data[query.size - 2] = 0x80; /* "answer me alone" */
    SAY(rig, SIDE_CLIENT, query);
    SAY(rig, SIDE_SERVER, answer);
    SAY(rig, SIDE_SERVER, answer);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    CHECK(0, "dns_request", "1");
    CHECK(0, "dns_response", "1");
    assert_true(rig_record(rig, 1)->flags & RECORD_ONE_WAY);
    rig_free(rig);
}

/* ---- Streams ---- */

static void streams_cut_anywhere(void **state)
{
    (void)state;
    struct dns_builder q1 = dns_query(1, "a.test", 1), q2 = dns_query(2, "b.test", 28), a1 = dns_answer(1, "a.test", 1, address), a2 = dns_answer(2, "b.test", 28, address);
    struct dns_builder queries = framed(&q1), answers = framed(&a2), second = framed(&q2), last = framed(&a1); /* answered in another order */
    dns_put(&queries, second.data, second.size);
    dns_put(&answers, last.data, last.size);
    for (unsigned port = 53; port <= 9953; port += 9900) {
        char *whole = NULL;
        for (size_t cut = 0; cut < answers.size; cut++) {
            struct rig *rig = rig_new((uint16_t)port, REDACT_ON);
            rig_say_split(rig, SIDE_CLIENT, queries.data, queries.size, cut % queries.size);
            rig_say_split(rig, SIDE_SERVER, answers.data, answers.size, cut);
            rig_finish(rig);
            char *dump = rig_dump(rig);
            if (!whole) {
                assert_int_equal(rig_count(rig), 2);
                CHECK(0, "dns_questions", "b.test");
                CHECK(0, "incomplete", "");
                CHECK(1, "dns_questions", "a.test");
                CHECK(1, "dns_answers", "192.0.2.1");
                whole = dump;
            } else {
                if (port == 53 || cut != 1) /* off its port, one byte is not enough to say "it may be"; the other side tells */
                    assert_string_equal(dump, whole);
                free(dump);
            }
            rig_free(rig);
        }
        free(whole);
    }
}

static void streams_with_gaps(void **state)
{
    (void)state;
    struct dns_builder q[3], a[3];
    static const char *const names[] = { "a.test", "b.test", "c.test" };
    for (unsigned i = 0; i < 3; i++) {
        struct dns_builder query = dns_query(i + 1, names[i], 1), answer = dns_answer(i + 1, names[i], 1, address);
        q[i] = framed(&query);
        a[i] = framed(&answer);
    }
    /* Lost: the middle of the second answer, from `from` on, `bytes` long; the third is found again, in a packet of its own or behind the rest of the second. */
    for (size_t from = 0; from < a[1].size; from++) {
        for (size_t bytes = 1; from + bytes <= a[1].size; bytes++) {
            struct rig *rig = rig_new(53, REDACT_ON);
            for (unsigned i = 0; i < 3; i++)
                SAY(rig, SIDE_CLIENT, q[i]);
            SAY(rig, SIDE_SERVER, a[0]);
            if (from)
                rig_say(rig, SIDE_SERVER, a[1].data, (ssize_t)from);
            rig_lose(rig, SIDE_SERVER, (uint32_t)bytes);
            struct dns_builder rest = { .size = 0 };
            dns_put(&rest, a[1].data + from + bytes, a[1].size - from - bytes);
            if (from % 2) {
                SAY(rig, SIDE_SERVER, rest);
                rest.size = 0;
            }
            dns_put(&rest, a[2].data, a[2].size);
            SAY(rig, SIDE_SERVER, rest);
            rig_finish(rig);
            assert_int_equal(rig_count(rig), 3);
            CHECK(0, "dns_questions", "a.test");
            CHECK(1, "dns_questions", "c.test");
            CHECK(1, "dns_response", "1");
            CHECK(2, "dns_questions", "b.test");
            CHECK(2, "incomplete", "gap");
            rig_free(rig);
        }
    }
}

static void streams_from_the_middle(void **state)
{
    (void)state;
    struct dns_builder query = dns_query(1, "a.test", 1), answer = dns_answer(1, "a.test", 1, address), q = framed(&query), a = framed(&answer);
    struct rig *rig = rig_new_without_handshake(53, REDACT_ON, 6);
    rig_say(rig, SIDE_SERVER, a.data + 20, (ssize_t)a.size - 20);
    SAY(rig, SIDE_CLIENT, q);
    SAY(rig, SIDE_SERVER, a);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    CHECK(0, "dns_questions", "a.test");
    CHECK(0, "dns_answers", "192.0.2.1");
    rig_free(rig);
}

static void zone_transfer(void **state)
{
    (void)state;
    struct dns_builder query = dns_query(9, "zone.test", 252), first = dns_answer(9, "zone.test", 252, address), more = { .size = 0 };
    dns_put_header(&more, 9, 0x8400, 0, 1, 0, 0);
    dns_put_record(&more, "b.zone.test", 1, 60, address, 4);
    struct dns_builder messages[] = { framed(&first), framed(&more), framed(&more) }, q = framed(&query);
    struct rig *rig = rig_new(53, REDACT_ON);
    SAY(rig, SIDE_CLIENT, q);
    for (size_t i = 0; i < 3; i++)
        SAY(rig, SIDE_SERVER, messages[i]);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 3);
    CHECK(0, "dns_question_types", "AXFR");
    CHECK(0, "incomplete", "");
    for (size_t i = 1; i < 3; i++) {
        assert_true(rig_record(rig, i)->flags & RECORD_ONE_WAY);
        CHECK(i, "dns_answer_names", "b.zone.test");
    }
    rig_free(rig);
}

static void streams_that_are_something_else(void **state)
{
    (void)state;
    static const char *const texts[] = { "GET / HTTP/1.1\r\n\r\n", "*1\r\n$4\r\nPING\r\n", "PING\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const struct sniff sniff = { .data = (const uint8_t *)texts[i], .size = i == 3 ? 11 : strlen(texts[i]) };
        assert_int_equal(protocol_find("DNS", 3)->detect(&sniff), DETECT_NO);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_and_its_answer), cmocka_unit_test(another_question_is_no_answer), cmocka_unit_test(repeated_queries_wait_in_order), cmocka_unit_test(too_late_an_answer_stays_alone), cmocka_unit_test(the_latest_of_old_queries_is_answered),
        cmocka_unit_test(an_answer_without_question), cmocka_unit_test(many_answers), cmocka_unit_test(edns), cmocka_unit_test(damaged_records), cmocka_unit_test(other_opcodes),
        cmocka_unit_test(what_is_dns_on_any_port), cmocka_unit_test(an_answer_tells_who_the_server_is), cmocka_unit_test(link_local_names), cmocka_unit_test(multicast), cmocka_unit_test(a_resolver_that_asks_mdns_directly),
        cmocka_unit_test(streams_cut_anywhere), cmocka_unit_test(streams_with_gaps), cmocka_unit_test(streams_from_the_middle), cmocka_unit_test(zone_transfer),
        cmocka_unit_test(streams_that_are_something_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
