#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "services/dissector/protocols/dns/dns_records.h"
#include "services/dissector/protocols/dns/dns_types.h"
#include "tests/unit/services/dissector/protocols/dns/dns_builder.h"

/* The data of a record that stands alone in a message. */
static const char *data_text(unsigned type, const void *data, size_t size)
{
    static char text[DNS_DATA_TEXT_MAX + 1];
    struct dns_builder b = { .size = 0 };
    dns_put_header(&b, 1, 0x8180, 0, 1, 0, 0);
    dns_put_record(&b, "x.test", type, 60, data, size);
    uint8_t *copy = malloc(b.size);
    memcpy(copy, b.data, b.size);
    struct cursor c = { .data = copy, .size = b.size, .at = 12 + 8 };
    struct dns_record record;
    assert_true(dns_record_head(&c, &record));
    assert_int_equal(record.ttl, 60);
    assert_int_equal(record.type, type);
    struct text_buffer t = text_buffer_over(text, DNS_DATA_TEXT_MAX);
    dns_record_text(&c, &record, &t);
    free(copy);
    text[t.size] = '\0';
    return text;
}
#define CHECK(type, literal, text) assert_string_equal(data_text(type, literal, sizeof literal - 1), text)

static void common_types(void **state)
{
    (void)state;
    CHECK(1, "\xc0\x00\x02\x01", "192.0.2.1");
    CHECK(28, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", "2001:db8::1");
    CHECK(5, "\3www\4test\0", "www.test");
    CHECK(2, "\2ns\xc0\x0c", "ns.x.test");
    CHECK(15, "\0\12\4mail\xc0\x0c", "10 mail.x.test");
    CHECK(16, "\6v=spf1", "v=spf1");
    CHECK(16, "\3one\3two", "one two");
    CHECK(16, "\4a\"\n\xff", "a\"\\010\\255");
    CHECK(6, "\2ns\xc0\x0c\4root\xc0\x0c\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\xff\xff\xff\xff", "ns.x.test root.x.test 1 2 3 4 4294967295");
    CHECK(33, "\0\1\0\2\x13\xc4\3sip\xc0\x0c", "1 2 5060 sip.x.test");
    CHECK(257, "\0\5issueca.test; x=\"1\"", "0 issue \"ca.test; x=\\\"1\\\"\"");
    CHECK(13, "\3PDP\4UNIX", "\"PDP\" \"UNIX\"");
    CHECK(35, "\0\1\0\2\1u\7E2U+sip\4!^.*\0", "1 2 \"u\" \"E2U+sip\" \"!^.*\" .");
    CHECK(256, "\0\1\0\2http://x/", "1 2 \"http://x/\"");
    CHECK(108, "\1\2\3\4\5\xff", "01-02-03-04-05-ff");
}

static void security_types(void **state)
{
    (void)state;
    CHECK(43, "\x12\x34\10\2\xab\xcd", "4660 8 2 abcd");
    CHECK(48, "\1\1\3\10abcd", "257 3 8 YWJjZA==");
    CHECK(46, "\0\1\10\2\0\0\1\x2c\x69\x55\xb9\0\x69\x55\xb9\0\x12\x34\4test\0abc", "A 8 2 300 20260101000000 20260101000000 4660 test YWJj");
    CHECK(47, "\1a\xc0\x0c\0\1\x40\1\1\x40", "a.x.test A CAA");
    CHECK(50, "\1\0\0\12\2\xaa\xbb\5abcde\0\1\x40", "1 0 10 aabb C5H66P35 A");
    CHECK(50, "\1\1\0\0\0\1a", "1 1 0 - C4");
    CHECK(52, "\3\1\1\xde\xad", "3 1 1 dead");
    CHECK(44, "\4\2\xde\xad", "4 2 dead");
}

static void service_bindings(void **state)
{
    (void)state;
    CHECK(65, "\0\1\0\0\1\0\6\2h2\2h3\0\4\0\4\xc0\0\2\1", "1 . alpn=h2,h3 ipv4hint=192.0.2.1");
    CHECK(64, "\0\2\3svc\xc0\x0c\0\2\0\0\0\3\0\2\x1f\x90\0\5\0\3abc\0\6\0\20\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", "2 svc.x.test no-default-alpn port=8080 ech=YWJj ipv6hint=2001:db8::1");
    CHECK(65, "\0\0\4test\0", "0 test");
    CHECK(65, "\0\1\0\0\0\0\4\0\1\0\x63\x02\x9a\0\2hi", "1 . mandatory=alpn,key99 key666=hi");
    CHECK(65, "\0\1\0\0\3\0\3\0\1\2", "00010000030003000102"); /* a port of three bytes */
    CHECK(65, "\0\1\0\0\1\0\6\2h2", "000100000100060268" "32"); /* longer than the data */
}

static void what_does_not_fit_its_type(void **state)
{
    (void)state;
    CHECK(1, "\1\2\3", "010203");
    CHECK(1, "\1\2\3\4\5", "0102030405");
    CHECK(1, "", "");
    CHECK(28, "\1", "01");
    CHECK(15, "\0\1", "0001");
    CHECK(5, "\xc0\xff", "c0ff");
    CHECK(5, "\1a\0\1", "01610001");
    CHECK(16, "\5abc", "05616263");
    CHECK(65280, "\xca\xfe", "cafe");
    CHECK(47, "\0\0\x21\1", "00002101");
    /* Every type with every short run of zeros and of ones: nothing is read outside. */
    uint8_t bytes[40];
    for (unsigned fill = 0; fill < 256; fill += 51) {
        memset(bytes, (int)fill, sizeof bytes);
        for (unsigned type = 0; type < 300; type++)
            for (size_t size = 0; size <= sizeof bytes; size++)
                (void)data_text(type, bytes, size);
    }
}

static void long_data_is_cut(void **state)
{
    (void)state;
    static uint8_t bytes[3000];
    struct dns_builder b = { .size = 0 };
    dns_put_record(&b, "x", 65280, 0, bytes, sizeof bytes);
    struct cursor c = { .data = b.data, .size = b.size, .at = 3 };
    struct dns_record record;
    char text[DNS_DATA_TEXT_MAX];
    struct text_buffer t = text_buffer_over(text, sizeof text);
    assert_true(dns_record_head(&c, &record));
    dns_record_text(&c, &record, &t);
    assert_true(t.cut);
    assert_int_equal(t.size, sizeof text);
}

static void ipv6(void **state)
{
    (void)state;
    static const struct { uint8_t address[16]; const char *text; } cases[] = {
        { { 0 }, "::" }, { { [15] = 1 }, "::1" }, { { 0x20, 1, [15] = 1 }, "2001::1" }, { { 0xfe, 0x80 }, "fe80::" }, { { [10] = 0xff, 0xff, 192, 0, 2, 1 }, "::ffff:192.0.2.1" },
        { { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1 }, "2001:db8:0:1:1:1:1:1" }, { { 0x20, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1 }, "2001:0:0:1::1" },
        { { 0x20, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1 }, "2001::1:1:0:0:1" }, { { 0xab, 0xcd, 0xab, 0xcd, 0xab, 0xcd, 0xab, 0xcd, 0xab, 0xcd, 0xab, 0xcd, 0xab, 0xcd, 0, 0xf }, "abcd:abcd:abcd:abcd:abcd:abcd:abcd:f" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[48];
        struct text_buffer t = text_buffer_over(text, sizeof text - 1);
        dns_ipv6_text(cases[i].address, &t);
        text[t.size] = '\0';
        assert_string_equal(text, cases[i].text);
    }
}

static void names_of_numbers(void **state)
{
    (void)state;
    assert_string_equal(dns_type_find(1)->name, "A");
    assert_string_equal(dns_type_find(65)->name, "HTTPS");
    assert_string_equal(dns_type_find(255)->name, "ANY");
    assert_null(dns_type_find(54)->name);
    assert_null(dns_type_find(65535)->name);
    assert_string_equal(dns_opcode_name(5), "UPDATE");
    assert_null(dns_opcode_name(3));
    assert_null(dns_opcode_name(15));
    assert_string_equal(dns_rcode_name(3), "NXDOMAIN");
    assert_string_equal(dns_rcode_name(23), "BADCOOKIE");
    assert_null(dns_rcode_name(12));
    char text[16];
    struct text_buffer t = text_buffer_over(text, sizeof text);
    dns_type_text(65280, &t);
    assert_memory_equal(text, "TYPE65280", t.size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(common_types), cmocka_unit_test(security_types), cmocka_unit_test(service_bindings), cmocka_unit_test(what_does_not_fit_its_type), cmocka_unit_test(long_data_is_cut),
        cmocka_unit_test(ipv6), cmocka_unit_test(names_of_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
