#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "options/options.h"
#include "units/units.h"

struct shared { const char *server; bool verbose; };
struct fields {
    bool dry;
    const char *data;
    struct option_list interfaces;
    uint64_t count, size;
    int64_t last, from;
    int format;
    struct shared shared;
};

static const char *const formats[] = { "pcapng", "pcap", NULL };
static const struct option rows[] = {
    { .name = "dry-run", .letter = 'n', .type = OPTION_FLAG, .field = offsetof(struct fields, dry), .environment = "T_DRY", .help = "Do nothing" },
    { .name = "data", .type = OPTION_STRING, .field = offsetof(struct fields, data), .value_name = "DIR", .fallback = "/var/lib/x", .environment = "T_DATA", .help = "Folder" },
    { .name = "interface", .letter = 'i', .type = OPTION_LIST, .field = offsetof(struct fields, interfaces), .value_name = "NAME", .fallback = "auto", .environment = "T_INTERFACES", .help = "What to record" },
    { .name = "count", .type = OPTION_UINT, .field = offsetof(struct fields, count), .value_name = "N", .least = 2, .most = 10, .fallback = "2", .help = "How many" },
    { .name = "size", .type = OPTION_SIZE, .field = offsetof(struct fields, size), .value_name = "SIZE", .fallback = "1Gi", .environment = "T_SIZE", .help = "Box" },
    { .name = "last", .type = OPTION_DURATION, .field = offsetof(struct fields, last), .value_name = "DURATION", .most = 3600 * UINT64_C(1000000000), .help = "Window" },
    { .name = "from", .type = OPTION_TIME, .field = offsetof(struct fields, from), .value_name = "TIME", .help = "Begin" },
    { .name = "format", .type = OPTION_CHOICE, .field = offsetof(struct fields, format), .value_name = "FORMAT", .choices = formats, .fallback = "pcapng", .help = "Format" },
};
static const struct option more[] = {
    { .name = "server", .letter = 's', .type = OPTION_STRING, .field = offsetof(struct shared, server), .value_name = "URL", .environment = "T_URL", .help = "Server" },
    { .name = "verbose", .letter = 'v', .type = OPTION_FLAG, .field = offsetof(struct shared, verbose), .help = "Say more" },
};
static const struct option_command command = {
    .name = "tool make", .arguments = "NAME [OTHER]", .arguments_least = 1, .arguments_most = 2, .summary = "Make a thing",
    .options = rows, .options_count = sizeof rows / sizeof *rows,
    .more = more, .more_count = sizeof more / sizeof *more, .more_field = offsetof(struct fields, shared),
};

static struct fields fields;
static char **arguments;
static size_t arguments_count;
static char said[8192];

/* Parses words (NULL-terminated); said gets what was written to out and err. */
static int parse(const char *first, ...)
{
    static char *argv[32];
    int argc = 0;
    argv[argc++] = (char *)"make";
    va_list list;
    va_start(list, first);
    for (const char *word = first; word; word = va_arg(list, const char *))
        argv[argc++] = (char *)word;
    va_end(list);
    argv[argc] = NULL;
    memset(&fields, 0xee, sizeof fields);
    memset(said, 0, sizeof said);
    FILE *out = fmemopen(said, sizeof said - 1, "w");
    int rc = options_parse(&command, argc, argv, &fields, &arguments, &arguments_count, out, out);
    fclose(out);
    return rc;
}

static int clean_environment(void **state)
{
    (void)state;
    static const char *const names[] = { "T_DRY", "T_DATA", "T_INTERFACES", "T_SIZE", "T_URL" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    return 0;
}

static void defaults_fill_every_field(void **state)
{
    (void)state;
    assert_int_equal(parse("a", NULL), 0);
    assert_false(fields.dry);
    assert_string_equal(fields.data, "/var/lib/x");
    assert_int_equal(fields.interfaces.count, 1);
    assert_string_equal(fields.interfaces.values[0], "auto");
    assert_int_equal(fields.count, 2);
    assert_true(fields.size == UINT64_C(1) << 30);
    assert_int_equal(fields.last, 0);
    assert_int_equal(fields.from, 0);
    assert_int_equal(fields.format, 0);
    assert_null(fields.shared.server);
    assert_false(fields.shared.verbose);
    assert_int_equal(arguments_count, 1);
    assert_string_equal(arguments[0], "a");
}

static void flags_are_read_in_every_spelling(void **state)
{
    (void)state;
    assert_int_equal(parse("--dry-run", "a", "--data=/x", "--interface", "eth0", "-ieth1", "-i", "wl*", "--size=2Mi", "--last", "30s", "--from",
                           "1970-01-01T00:00:01Z", "--format", "pcap", "-vsnats://h:1", "b", NULL), 0);
    assert_true(fields.dry);
    assert_string_equal(fields.data, "/x");
    assert_int_equal(fields.interfaces.count, 3);
    assert_string_equal(fields.interfaces.values[0], "eth0");
    assert_string_equal(fields.interfaces.values[2], "wl*");
    assert_int_equal(fields.size, 2 << 20);
    assert_true(fields.last == 30 * UNITS_NS_PER_S);
    assert_true(fields.from == UNITS_NS_PER_S);
    assert_int_equal(fields.format, 1);
    assert_true(fields.shared.verbose);
    assert_string_equal(fields.shared.server, "nats://h:1");
    assert_int_equal(arguments_count, 2);
    assert_string_equal(arguments[1], "b");
    assert_null(arguments[2]);
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    assert_int_equal(parse("-n", "--", "--data", "-", NULL), 0);
    assert_true(fields.dry);
    assert_int_equal(arguments_count, 2);
    assert_string_equal(arguments[0], "--data");
    assert_string_equal(arguments[1], "-");
}

static void the_environment_stands_between_default_and_flag(void **state)
{
    (void)state;
    setenv("T_DRY", "true", 1);
    setenv("T_INTERFACES", "a,b,,c", 1);
    setenv("T_SIZE", "3Mi", 1);
    assert_int_equal(parse("x", NULL), 0);
    assert_true(fields.dry);
    assert_int_equal(fields.interfaces.count, 3);
    assert_string_equal(fields.interfaces.values[2], "c");
    assert_int_equal(fields.size, 3 << 20);
    assert_int_equal(parse("x", "--interface", "z", "--size", "1Mi", "--dry-run=false", NULL), 0);
    assert_false(fields.dry);
    assert_int_equal(fields.interfaces.count, 1);
    assert_string_equal(fields.interfaces.values[0], "z");
    assert_int_equal(fields.size, 1 << 20);
    setenv("T_SIZE", "lots", 1);
    assert_int_equal(parse("x", NULL), -EINVAL);
    assert_non_null(strstr(said, "T_SIZE: \"lots\""));
    setenv("T_SIZE", "", 1); /* empty is as good as unset */
    assert_int_equal(parse("x", NULL), 0);
    assert_true(fields.size == UINT64_C(1) << 30);
}

static void check_refused(int rc, const char *sentence)
{
    assert_int_equal(rc, -EINVAL);
    assert_non_null(strstr(said, sentence));
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1); /* one line */
}

static void wrong_use_is_named(void **state)
{
    (void)state;
    check_refused(parse("a", "--dta", "x", NULL), "there is no option --dta; did you mean --data?");
    check_refused(parse("a", "--nonsense", NULL), "there is no option --nonsense (");
    check_refused(parse("a", "-z", NULL), "there is no option -z");
    check_refused(parse("a", "--data", NULL), "--data needs a value: --data DIR");
    check_refused(parse("a", "--count", "1", NULL), "--count: \"1\" is less than 2");
    check_refused(parse("a", "--count", "11", NULL), "--count: \"11\" is more than 10");
    check_refused(parse("a", "--count", "2x", NULL), "is not a whole number");
    check_refused(parse("a", "--count", "-2", NULL), "is not a whole number");
    check_refused(parse("a", "--count", "99999999999999999999", NULL), "is too large");
    check_refused(parse("a", "--size", "big", NULL), "is not a size");
    check_refused(parse("a", "--last", "5", NULL), "is not a duration");
    check_refused(parse("a", "--last", "2h", NULL), "is more than 1h");
    check_refused(parse("a", "--from", "yesterday", NULL), "is not a time");
    check_refused(parse("a", "--format", "zip", NULL), "is none of pcapng, pcap");
    check_refused(parse("a", "--dry-run=maybe", NULL), "is neither true nor false");
    check_refused(parse(NULL, NULL), "NAME [OTHER] is missing");
    check_refused(parse("a", "b", "c", NULL), "one argument too many: \"c\"");
}

static void a_list_has_its_bound(void **state)
{
    (void)state;
    char many[2 * OPTION_LIST_MAX + 3];
    for (size_t i = 0; i < sizeof many - 1; i++)
        many[i] = i % 2 ? ',' : 'x';
    many[sizeof many - 1] = '\0';
    setenv("T_INTERFACES", many, 1);
    assert_int_equal(parse("a", NULL), -EINVAL);
    assert_non_null(strstr(said, "more than 256 values"));
}

static void questions_win(void **state)
{
    (void)state;
    assert_int_equal(parse("--nonsense", "--help", NULL), 1);
    assert_non_null(strstr(said, "Usage: tool make [OPTIONS] NAME [OTHER]"));
    assert_int_equal(parse("--version", NULL), 1);
    assert_string_equal(said, "tool " TAPELOOP_VERSION "\n");
    assert_int_equal(parse("--", "--help", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults_fill_every_field, clean_environment), cmocka_unit_test_setup(flags_are_read_in_every_spelling, clean_environment),
        cmocka_unit_test_setup(two_dashes_end_the_options, clean_environment), cmocka_unit_test_setup(the_environment_stands_between_default_and_flag, clean_environment),
        cmocka_unit_test_setup(wrong_use_is_named, clean_environment), cmocka_unit_test_setup(a_list_has_its_bound, clean_environment),
        cmocka_unit_test_setup(questions_win, clean_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
