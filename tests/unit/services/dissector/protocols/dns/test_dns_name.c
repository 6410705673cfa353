#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "services/dissector/protocols/dns/dns_name.h"

/* The name at `at`; NULL where it is refused. *ret_next: where the cursor is then. */
static const char *name_at(const uint8_t *data, size_t size, size_t at, size_t *ret_next)
{
    static char text[DNS_NAME_TEXT_MAX + 1];
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    struct cursor c = { .data = copy, .size = size, .at = at };
    struct text_buffer t = text_buffer_over(text, DNS_NAME_TEXT_MAX);
    int r = dns_name_text(&c, &t);
    free(copy);
    assert_true(r == 0 ? cursor_ok(&c) : r == -EBADMSG && !cursor_ok(&c));
    if (ret_next)
        *ret_next = c.at;
    text[t.size] = '\0';
    return r < 0 ? NULL : text;
}

static void labels_and_pointers(void **state)
{
    (void)state;
    static const uint8_t m[] = "\3www\7example\3org\0\4mail\xc0\x04\xc0\x11\0";
    size_t next;
    assert_string_equal(name_at(m, sizeof m - 1, 0, &next), "www.example.org");
    assert_int_equal(next, 17);
    assert_string_equal(name_at(m, sizeof m - 1, 17, &next), "mail.example.org");
    assert_int_equal(next, 24);
    assert_string_equal(name_at(m, sizeof m - 1, 24, &next), "mail.example.org");
    assert_int_equal(next, 26);
    assert_string_equal(name_at(m, sizeof m - 1, 26, &next), ".");
    assert_int_equal(next, 27);
    for (size_t cut = 0; cut < 17; cut++)
        assert_null(name_at(m, cut, 0, NULL));
    assert_null(name_at(m, 25, 24, NULL));
}

static void what_is_not_a_name(void **state)
{
    (void)state;
    assert_null(name_at((const uint8_t *)"\xc0\x00", 2, 0, NULL));               /* to itself */
    assert_null(name_at((const uint8_t *)"\1a\xc0\x00", 4, 0, NULL));            /* to its own beginning */
    assert_null(name_at((const uint8_t *)"\1a\xc0\x04\xc0\x00", 6, 4, NULL));    /* back, and then forward */
    assert_null(name_at((const uint8_t *)"\xc0\x02\1a\0", 5, 0, NULL));          /* forward */
    assert_null(name_at((const uint8_t *)"\x41" "a\0", 3, 0, NULL));
    assert_null(name_at((const uint8_t *)"\x81" "a\0", 3, 0, NULL));
    /* A chain of pointers, each to the one before it, ends, and is not endlessly long; 255 bytes are the most. */
    uint8_t chain[600];
    chain[0] = 0;
    for (size_t i = 1; i + 1 < sizeof chain; i += 2) {
        size_t to = i == 1 ? 0 : i - 2;
        chain[i] = (uint8_t)(0xc0 | to >> 8);
        chain[i + 1] = (uint8_t)to;
    }
    assert_string_equal(name_at(chain, sizeof chain, 1 + 2 * 126, NULL), ".");
    assert_null(name_at(chain, sizeof chain, 1 + 2 * 127, NULL));
    uint8_t longest[300];
    memset(longest, 'x', sizeof longest);
    longest[0] = longest[64] = longest[128] = 63;
    longest[192] = 61;
    longest[254] = 0;
    assert_int_equal(strlen(name_at(longest, sizeof longest, 0, NULL)), 253);
    longest[192] = 62;
    longest[255] = 0;
    assert_null(name_at(longest, sizeof longest, 0, NULL));
}

static void odd_bytes_are_escaped(void **state)
{
    (void)state;
    assert_string_equal(name_at((const uint8_t *)"\4a.\\b\2\x01\xff\0", 9, 0, NULL), "a\\.\\\\b.\\001\\255");
    assert_string_equal(name_at((const uint8_t *)"\7Bob\xe2\x80\x99s\0", 9, 0, NULL), "Bob\xe2\x80\x99s");
    assert_string_equal(name_at((const uint8_t *)"\2\xc0\x80\0", 4, 0, NULL), "\\192\\128");
    assert_string_equal(name_at((const uint8_t *)"\3\xed\xa0\x80\0", 5, 0, NULL), "\\237\\160\\128");
    uint8_t worst[257];
    memset(worst, 1, sizeof worst);
    worst[0] = worst[64] = worst[128] = 63;
    worst[192] = 61;
    worst[254] = 0;
    assert_int_equal(strlen(name_at(worst, sizeof worst, 0, NULL)), 4 * (3 * 63 + 61) + 3);
}

static void passing_over(void **state)
{
    (void)state;
    static const struct { const char *data; size_t size, at; enum dns_look look; } cases[] = {
        { "\3www\7example\3org", 17, 0, DNS_LOOK_WHOLE }, { "\3www", 4, 0, DNS_LOOK_SHORT }, { "\3w w", 5, 0, DNS_LOOK_ODD }, { "\3www", 3, 0, DNS_LOOK_SHORT }, { "\3w ", 3, 0, DNS_LOOK_BAD },
        { "aaaaaaaaaaaaa\xc0\x0c", 15, 13, DNS_LOOK_WHOLE }, { "\xc0\x0c", 2, 0, DNS_LOOK_BAD }, { "aaaaaaaaaaaaa\xc0\x0b", 15, 13, DNS_LOOK_BAD }, { "\x40", 1, 0, DNS_LOOK_BAD }, { "", 0, 0, DNS_LOOK_SHORT },
        { "\xc0", 1, 0, DNS_LOOK_SHORT },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cursor c = { .data = (const uint8_t *)cases[i].data, .size = cases[i].size, .at = cases[i].at };
        assert_int_equal(dns_name_pass(&c), cases[i].look);
    }
}

static void hashes_without_case(void **state)
{
    (void)state;
    assert_true(dns_name_hash("WwW.Example.ORG", 15) == dns_name_hash("www.example.org", 15));
    assert_true(dns_name_hash("www.example.org", 15) != dns_name_hash("www.example.or", 14));
    assert_true(dns_name_hash("ab", 2) != dns_name_hash("ba", 2));
    assert_true(dns_name_hash("[", 1) != dns_name_hash("{", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_and_pointers), cmocka_unit_test(what_is_not_a_name), cmocka_unit_test(odd_bytes_are_escaped), cmocka_unit_test(passing_over), cmocka_unit_test(hashes_without_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
