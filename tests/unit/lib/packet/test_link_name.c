#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "packet/link_name.h"

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(packet_link_name(1), "ETHERNET");
    assert_string_equal(packet_link_name(105), "IEEE802_11");
    assert_string_equal(packet_link_name(162), "USER15");
    assert_string_equal(packet_link_name(60000), "unknown");
}

static void test_known(void **state)
{
    (void)state;
    char text[PACKET_LINKS_TEXT_MAX], small[8];
    packet_links_known(text, sizeof text);
    assert_string_equal(text, "NULL, ETHERNET, PPP, PPP_HDLC, PPP_ETHER, RAW, C_HDLC, IEEE802_11, LOOP, LINUX_SLL, IEEE802_11_RADIOTAP, IPV4, IPV6, NFLOG, LINUX_SLL2");
    packet_links_known(small, sizeof small);
    assert_string_equal(small, "NULL, E");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_names), cmocka_unit_test(test_known) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
