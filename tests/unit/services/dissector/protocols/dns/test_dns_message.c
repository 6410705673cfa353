#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "services/dissector/protocols/dns/dns_message.h"
#include "tests/unit/services/dissector/protocols/dns/dns_builder.h"

static void header_and_questions(void **state)
{
    (void)state;
    struct dns_builder b = { .size = 0 };
    struct dns_message d;
    dns_put_header(&b, 0xabcd, 0x8583, 2, 0, 0, 0);
    dns_put_question(&b, "a.test", 1);
    dns_put_question(&b, "b.test", 28);
    assert_int_equal(dns_message_read(b.data, b.size, &d), 0);
    assert_int_equal(d.id, 0xabcd);
    assert_true(dns_message_is_response(&d));
    assert_int_equal(dns_message_opcode(&d), 0);
    assert_int_equal(d.type, 1);
    assert_memory_equal(d.name.data, "a.test", d.name.size);
    assert_int_equal(d.records_at, b.size);
    for (size_t cut = 0; cut < b.size; cut++) {
        uint8_t *copy = malloc(cut + !cut);
        memcpy(copy, b.data, cut);
        assert_int_equal(dns_message_read(copy, cut, &d), -EBADMSG);
        for (int hint = 0; hint < 2; hint++) {
            assert_int_equal(dns_message_look(copy, cut, cut, hint), DNS_LOOK_BAD);
            enum dns_look look = dns_message_look(copy, cut, b.size, hint); /* the rest is still to come */
            assert_int_equal(look, hint || cut < 6 ? DNS_LOOK_SHORT : look);
        }
        free(copy);
    }
}

static void options(void **state)
{
    (void)state;
    static const struct { const char *bytes; size_t size; const char *subnet, *error; } cases[] = {
        { "\0\10\0\7\0\1\30\0\xc0\0\2", 11, "192.0.2.0/24", "" }, { "\0\10\0\4\0\1\0\0", 8, "0.0.0.0/0", "" }, { "\0\10\0\13\0\2\70\0\x20\1\xd\xb8\0\0\1", 15, "2001:db8:0:100::/56", "" },
        { "\0\10\0\7\0\3\30\0\xc0\0\2", 11, "", "" }, { "\0\10\0\4\0\1\41\0", 8, "", "" }, { "\0\10\0\11\0\1\40\0\1\2\3\4\5", 13, "", "" }, { "\0\10\0\3\0\1\0", 7, "", "" },
        { "\0\17\0\2\0\26", 6, "", "22" }, { "\0\17\0\5\0\6no\n", 9, "", "6: no?" }, { "\0\17\0\1\0", 5, "", "" }, { "\0\17\0\11\0\6", 6, "", "" }, { "\0\10\0\4\0\1\0\0\0\17\0\2\0\1", 14, "0.0.0.0/0", "1" }, { "\0", 1, "", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dns_edns edns;
        char room[2][64];
        struct text_buffer subnet = text_buffer_over(room[0], 64), error = text_buffer_over(room[1], 64);
        dns_edns_read((const uint8_t *)cases[i].bytes, cases[i].size, 0x12008000, &edns);
        assert_true(edns.seen && edns.dnssec_ok);
        assert_int_equal(edns.extended_rcode, 0x12);
        if (!edns.subnet || !dns_edns_subnet_text(&edns, &subnet))
            subnet.size = 0;
        if (!edns.error || !dns_edns_error_text(&edns, &error))
            error.size = 0;
        assert_int_equal(subnet.size, strlen(cases[i].subnet));
        assert_memory_equal(room[0], cases[i].subnet, subnet.size);
        assert_int_equal(error.size, strlen(cases[i].error));
        assert_memory_equal(room[1], cases[i].error, error.size);
    }
}

/* Off its ports, one in a hundred thousand of random datagrams would be too many. */
static void noise_is_not_dns(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned i = 0; i < 200000; i++) {
        uint8_t bytes[48];
        for (size_t k = 0; k < sizeof bytes; k++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            bytes[k] = (uint8_t)(seed >> 56);
        }
        assert_int_equal(dns_message_look(bytes, sizeof bytes, sizeof bytes, false), DNS_LOOK_BAD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(header_and_questions), cmocka_unit_test(options), cmocka_unit_test(noise_is_not_dns) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
