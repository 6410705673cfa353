/* Names of addresses: for the client that asked, while they are valid, and as often as they change. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "services/dissector/protocols/protocol.h"
#include "services/dissector/work/peers.h"

#define S INT64_C(1000000000)
static struct peers *peers;

static int set_up(void **state)
{
    (void)state;
    return peers_new(&peers);
}

static int tear_down(void **state)
{
    (void)state;
    peers_free(peers);
    return 0;
}

static struct record between(uint32_t client, uint32_t server, int64_t at_ns)
{
    struct record r = { .timestamp_ns = at_ns, .tuple = { .version = 4 } };
    memcpy(r.tuple.source, &client, sizeof client);
    memcpy(r.tuple.destination, &server, sizeof server);
    return r;
}

/* An item of a list: four bytes of size, then itself. */
static uint32_t put_item(uint8_t *at, const char *text)
{
    uint32_t size = (uint32_t)strlen(text);
    memcpy(at, &size, sizeof size);
    memcpy(at + sizeof size, text, size);
    return (uint32_t)sizeof size + size;
}

static int told(uint32_t client, const char *name, uint32_t address, int64_t ttl, int64_t at_ns)
{
    uint8_t question[512], answers[128], *bytes = (uint8_t *)&address;
    char ip[32];
    struct record r = between(client, 53, at_ns);
    struct entry entry = { .record = &r, .protocol = &protocol_dns };
    snprintf(ip, sizeof ip, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
    uint32_t alias = put_item(answers, "alias.test");   /* a CNAME is an answer, too */
    for (uint32_t i = 0; i < entry.protocol->detail->count; i++) {
        const char *field = entry.protocol->detail->fields[i].name;
        struct value v = { .number = ttl };
        if (strcmp(field, "dns_questions") == 0)
            v = (struct value){ .data = question, .size = put_item(question, name) };
        else if (strcmp(field, "dns_answers") == 0)
            v = (struct value){ .data = answers, .size = alias + put_item(answers + alias, ip) };
        else if (strcmp(field, "dns_ttl") != 0)
            continue;
        entry.values.at[i] = v;
        entry.values.present |= UINT64_C(1) << i;
    }
    return peers_learn(peers, &entry);
}

static const char *name_of(uint32_t client, uint32_t server, int64_t at_ns)
{
    const struct peer *source, *destination;
    struct record r = between(client, server, at_ns);
    assert_int_equal(peers_find(peers, &r, &source, &destination), 0);
    assert_string_equal(source->dns, "");
    return destination->dns;
}

static void test_only_who_asked(void **state)
{
    (void)state;
    assert_string_equal(name_of(1, 9, 0), "");
    assert_int_equal(told(1, "shop.test", 9, 300, 0), 0);
    assert_string_equal(name_of(1, 9, S), "shop.test");
    assert_string_equal(name_of(2, 9, S), "");
    assert_string_equal(name_of(1, 8, S), "");
    assert_int_equal(told(2, "other.test", 9, 300, S), 0);
    assert_string_equal(name_of(1, 9, S), "shop.test");
    assert_string_equal(name_of(2, 9, S), "other.test");
}

static void test_valid_for_a_minute_at_least(void **state)
{
    (void)state;
    assert_int_equal(told(1, "short.test", 9, 5, 10 * S), 0);
    assert_int_equal(told(1, "long.test", 8, 300, 10 * S), 0);
    assert_string_equal(name_of(1, 9, 9 * S), "");
    assert_string_equal(name_of(1, 9, 70 * S), "short.test");
    assert_string_equal(name_of(1, 9, 70 * S + 1), "");
    assert_string_equal(name_of(1, 8, 310 * S), "long.test");
    assert_string_equal(name_of(1, 8, 311 * S), "");
}

/* The same pair may get a longer name, a shorter one, and one that is cut. */
static void test_the_last_answer_counts(void **state)
{
    (void)state;
    char longest[400];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const char *const names[] = { "a.test", longest, "b", "a-rather-longer-name.test" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(told(1, names[i], 9, 300, (int64_t)i * S), 0);
        const char *found = name_of(1, 9, (int64_t)i * S);
        assert_int_equal(strlen(found), i == 1 ? 255 : strlen(names[i]));
        assert_memory_equal(found, names[i], strlen(found));
    }
}

/* More than the table begins with, so that it grows; then more than it may hold. */
static void test_many(void **state)
{
    (void)state;
    char name[64];
    for (uint32_t i = 1; i <= PEERS_NAMES_MAX + 1; i++) {
        snprintf(name, sizeof name, "host-%u.test", i);
        assert_int_equal(told(i % 7, name, i << 8, 300, S), 0);
        if (i % 4096 == 0)
            assert_string_equal(name_of(i % 7, i << 8, 2 * S), name);
    }
    assert_string_equal(name_of((PEERS_NAMES_MAX + 1) % 7, (PEERS_NAMES_MAX + 1) << 8, 2 * S), name);
    uint32_t known = 0;
    for (uint32_t i = 1; i <= PEERS_NAMES_MAX; i++)
        known += name_of(i % 7, i << 8, 2 * S)[0] != '\0';
    assert_in_range(known, PEERS_NAMES_MAX / 2 - 1, PEERS_NAMES_MAX / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_only_who_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_valid_for_a_minute_at_least, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_last_answer_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
