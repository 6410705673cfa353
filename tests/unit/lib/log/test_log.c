#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "log/log.h"

static int real_stderr = -1;
static FILE *captured;

static int redirect(void **state)
{
    (void)state;
    captured = tmpfile();
    real_stderr = dup(STDERR_FILENO);
    int file = fileno(captured);
    (void)fcntl(file, F_SETFL, O_APPEND);
    return dup2(file, STDERR_FILENO) < 0 ? -1 : 0;
}

static int restore(void **state)
{
    (void)state;
    (void)dup2(real_stderr, STDERR_FILENO);
    (void)close(real_stderr);
    return fclose(captured);
}

static char *logged(void)
{
    static char text[1 << 20];
    rewind(captured);
    text[fread(text, 1, sizeof text - 1, captured)] = '\0';
    return text;
}

static void a_line_has_its_pairs(void **state)
{
    (void)state;
    log_init("capturer", LOG_LEVEL_INFO);
    log_info("segment \"sealed\"", "id=%s bytes=%" PRIu64, log_quote("a b"), (uint64_t)7);
    log_debug("not this", "");
    log_error("plain", "");
    char *text = logged();
    assert_ptr_equal(strstr(text, "time=20"), text);
    assert_non_null(strstr(text, "Z level=info service=capturer msg=\"segment \\\"sealed\\\"\" id=\"a b\" bytes=7\n"));
    assert_non_null(strstr(text, "level=error service=capturer msg=\"plain\"\n"));
    assert_null(strstr(text, "not this"));
}

static void a_line_stays_one_line_and_keeps_errno(void **state)
{
    (void)state;
    static char huge[10000];
    memset(huge, 'x', sizeof huge - 1);
    log_init("s", LOG_LEVEL_DEBUG);
    errno = ENOSPC;
    log_warning("a\nb", "value=%s", "c\nd\re");
    assert_int_equal(errno, ENOSPC);
    log_debug("long", "value=%s", huge);
    char *text = logged(), *end = strchr(text, '\n');
    assert_non_null(strstr(text, "msg=\"a\\nb\" value=c d e\n"));
    assert_int_equal(strlen(end + 1), 4096 - 1); /* cut, but ended */
    assert_ptr_equal(strchr(end + 1, '\n'), text + strlen(text) - 1);
}

static void quotes_escape_and_cut(void **state)
{
    (void)state;
    assert_string_equal(log_quote(NULL), "\"\"");
    assert_string_equal(log_quote("a\"b\\c\t\x01\x7f"), "\"a\\\"b\\\\c\\t\\u0001\\u007f\"");
    static char huge[2000];
    memset(huge, 1, sizeof huge - 1);
    const char *cut = log_quote(huge);
    assert_in_range(strlen(cut), LOG_QUOTE_MAX - 10, LOG_QUOTE_MAX - 1);
    assert_string_equal(cut + strlen(cut) - 4, "...\"");
    const char *first = log_quote("first");
    for (int i = 0; i < 7; i++)
        (void)log_quote("other");
    assert_string_equal(first, "\"first\"");
}

static void levels_are_parsed(void **state)
{
    (void)state;
    enum log_level level = LOG_LEVEL_INFO;
    assert_int_equal(log_level_parse("warning", &level), 0);
    assert_int_equal(level, LOG_LEVEL_WARNING);
    assert_int_equal(log_level_parse("loud", &level), -EINVAL);
    assert_int_equal(level, LOG_LEVEL_WARNING);
}

static void *log_much(void *name)
{
    for (int i = 0; i < 200; i++)
        log_info("line", "from=%s tail=end", (const char *)name);
    return NULL;
}

static void threads_never_mix_lines(void **state)
{
    (void)state;
    log_init("s", LOG_LEVEL_INFO);
    pthread_t threads[4];
    static const char *const names[] = { "a", "b", "c", "d" };
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_much, (void *)names[i]), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    int lines = 0;
    for (char *p = logged(); *p; lines++) {
        char *end = strchr(p, '\n');
        assert_int_equal(strncmp(p, "time=", 5), 0);
        assert_int_equal(strncmp(end - 9, " tail=end", 9), 0);
        p = end + 1;
    }
    assert_int_equal(lines, 800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_has_its_pairs, redirect, restore), cmocka_unit_test_setup_teardown(a_line_stays_one_line_and_keeps_errno, redirect, restore),
        cmocka_unit_test(quotes_escape_and_cut), cmocka_unit_test(levels_are_parsed), cmocka_unit_test_setup_teardown(threads_never_mix_lines, redirect, restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
