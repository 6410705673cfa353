#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "packet/bpf.h"

/* Ethernet, IPv4, UDP 1000 -> 53. */
static const uint8_t dns[] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
                               3, 0xe8, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4 };

static bool match(const char *text, uint32_t link_type, const uint8_t *data, uint32_t captured, uint32_t length)
{
    char error[BPF_ERROR_TEXT_MAX] = "";
    struct bpf_expression *expression = NULL;
    int r = bpf_expression_compile(text, link_type, 262144, &expression, error);
    if (r < 0)
        fail_msg("%s: %s", text, error);
    bool yes = bpf_expression_match(expression, data, captured, length);
    bpf_expression_free(expression);
    return yes;
}

static void expressions_match(void **state)
{
    (void)state;
    assert_true(match("", 1, dns, sizeof dns, sizeof dns));
    assert_true(match("udp port 53", 1, dns, sizeof dns, sizeof dns));
    assert_false(match("udp port 54", 1, dns, sizeof dns, sizeof dns));
    assert_true(match("host 10.0.0.2 and not tcp", 1, dns, sizeof dns, sizeof dns));
    assert_true(match("udp port 53", 101, dns + 14, sizeof dns - 14, sizeof dns - 14)); /* RAW has another number in libpcap */
    assert_true(match("udp port 53", 228, dns + 14, sizeof dns - 14, sizeof dns - 14));
    assert_true(match("greater 1000", 1, dns, sizeof dns, 1000)); /* the length on the wire, not what was captured */
    assert_false(match("udp port 53", 1, dns, 36, sizeof dns));   /* nothing behind the captured bytes is read */
    assert_false(match("udp port 53", 1, dns, 0, sizeof dns));
}

static void bad_expressions_are_told(void **state)
{
    (void)state;
    static const struct { const char *text; uint32_t link_type; const char *words; } cases[] = {
        { "udp prot 53", 1, "syntax error" }, { "port http-nonsense", 1, "http-nonsense" },
        { "ether host 1:2:3:4:5:6", 101, "ether" }, { "tcp[", 1, "syntax error" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char error[BPF_ERROR_TEXT_MAX] = "";
        struct bpf_expression *expression = NULL;
        assert_int_equal(bpf_expression_compile(cases[i].text, cases[i].link_type, 262144, &expression, error), -EINVAL);
        if (!strstr(error, cases[i].words))
            fail_msg("%s: %s", cases[i].text, error);
        assert_null(expression);
    }
    char *text = malloc(BPF_EXPRESSION_BYTES_MAX + 2), error[BPF_ERROR_TEXT_MAX] = "";
    struct bpf_expression *expression = NULL;
    assert_non_null(text);
    memset(text, ' ', BPF_EXPRESSION_BYTES_MAX + 1);
    text[BPF_EXPRESSION_BYTES_MAX + 1] = 0;
    assert_int_equal(bpf_expression_compile(text, 1, 262144, &expression, error), -E2BIG);
    free(text);
    bpf_expression_free(NULL);
}

static void *compile_often(void *context)
{
    for (int i = 0; i < 200; i++)
        *(bool *)context &= match("tcp port 80 or udp port 53 and host 10.0.0.1", 1, dns, sizeof dns, sizeof dns);
    return NULL;
}

static void threads_may_compile_at_once(void **state)
{
    (void)state;
    pthread_t threads[4];
    bool good[4] = { true, true, true, true };
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, compile_often, &good[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(good[i]);
    }
}

static void link_types_have_names(void **state)
{
    (void)state;
    static const struct { const char *name; uint32_t link_type; } cases[] = {
        { "EN10MB", 1 }, { "en10mb", 1 }, { "ethernet", 1 }, { "DLT_EN10MB", 1 }, { "LINKTYPE_RAW", 101 }, { "RAW", 101 },
        { "LINUX_SLL", 113 }, { "LINUX_SLL2", 276 },
    };
    char text[BPF_LINK_TYPE_TEXT_MAX];
    uint32_t link_type = 77;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(bpf_link_type_parse(cases[i].name, &link_type), 0);
        assert_int_equal(link_type, cases[i].link_type);
    }
    assert_int_equal(bpf_link_type_parse("NOSUCH", &link_type), -EINVAL);
    assert_int_equal(bpf_link_type_parse("", &link_type), -EINVAL);
    assert_string_equal(bpf_link_type_format(1, text), "EN10MB");
    assert_string_equal(bpf_link_type_format(101, text), "RAW");
    assert_string_equal(bpf_link_type_format(65000, text), "65000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_match), cmocka_unit_test(bad_expressions_are_told), cmocka_unit_test(threads_may_compile_at_once), cmocka_unit_test(link_types_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
