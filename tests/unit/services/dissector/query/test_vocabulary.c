#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "services/dissector/database/schema.h"
#include "services/dissector/query/reserved.h"
#include "services/dissector/query/vocabulary.h"
#include "small_database.h"

static const struct variable *find(const struct vocabulary *v, const char *name) { return vocabulary_find(v, name, strlen(name)); }

/* A protocol whose field has KFL's name has KFL's type, too: a saved query must not become an error. */
static void names_of_kfl_have_its_types(void **state)
{
    (void)state;
    const struct vocabulary *v = vocabulary_of_registry();
    assert_non_null(v);
    for (size_t i = 0; i < reserved_names_count; i++) {
        const struct variable *variable = find(v, reserved_names[i].name);
        assert_non_null(variable);
        if (variable->type != reserved_names[i].type || variable->fallback != reserved_names[i].fallback)
            fail_msg("%s has another type or default than in KFL", reserved_names[i].name);
    }
}

/* Names of the view, of NDJSON and of queries are one list. */
static void names_of_the_schema_are_variables(void **state)
{
    (void)state;
    const struct vocabulary *v = vocabulary_of_registry();
    for (size_t i = 0; i < schema_names_count; i++) {
        const struct variable *variable = find(v, schema_names[i].name);
        if (!variable || variable->place != VARIABLE_ENTRY || (variable->type != type_of_field(schema_names[i].type) && strcmp(schema_names[i].name, "timestamp") != 0))
            fail_msg("%s is another name here, or none", schema_names[i].name);
        if (strcmp(schema_names[i].name, "timestamp") != 0)
            assert_string_equal(variable->sql, schema_names[i].sql);
    }
    for (size_t p = 0; p < protocols_count; p++)
        for (uint32_t i = 0; i < protocols[p]->detail->count; i++)
            assert_non_null(find(v, protocols[p]->detail->fields[i].name));
}

static void a_field_displaces_the_reserved_name(void **state)
{
    struct vocabulary v;
    (void)state;
    assert_int_equal(vocabulary_make(small_protocols, SMALL_PROTOCOLS, &v), 0);
    assert_int_equal(find(&v, "dns_questions")->place, VARIABLE_DETAIL);
    assert_int_equal(find(&v, "path")->place, VARIABLE_PATH);
    assert_int_equal(find(&v, "http")->place, VARIABLE_FLAG);
    assert_true(find(&v, "http")->protocols == 3 && find(&v, "grpc")->protocols == 2);
    assert_int_equal(find(&v, "redis_key")->place, VARIABLE_RESERVED);
    assert_int_equal(find(&v, "grpc_status")->fallback, -1);
    assert_null(find(&v, "dns_question"));
    for (size_t i = 1; i < v.count; i++)
        assert_true(strcmp(v.variables[i - 1].name, v.variables[i].name) < 0);
    vocabulary_free(&v);
}

static void tables_that_contradict_are_refused(void **state)
{
    static const struct field text[] = { { .name = "xyz_size", .column = "a", .help = "x" } }, number[] = { { .name = "xyz_size", .type = FIELD_INT, .column = "a", .help = "x" } }, fixed[] = { { .name = "id", .column = "a", .help = "x" } };
    static const struct detail details[] = { { "one", text, 1 }, { "two", number, 1 }, { "three", fixed, 1 }, { "four", text, 1 }, { "five", text, 1 }, { "six", text, 1 }, { "seven", text, 1 } };
    static const struct protocol p[] = { { .name = "ONE", .detail = &details[0] }, { .name = "TWO", .detail = &details[1] }, { .name = "THREE", .detail = &details[2] }, { .name = "FOUR", .detail = &details[3] },
                                         { .name = "FIVE", .detail = &details[4] }, { .name = "SIX", .detail = &details[5] }, { .name = "SEVEN", .detail = &details[6] } };
    const struct protocol *const other_type[] = { &p[0], &p[1] }, *const of_entry[] = { &p[2] }, *const many[] = { &p[0], &p[3], &p[4], &p[5], &p[6] };
    struct vocabulary v;
    (void)state;
    assert_int_equal(vocabulary_make(other_type, 2, &v), -EINVAL);
    assert_int_equal(vocabulary_make(of_entry, 1, &v), -EINVAL);
    assert_int_equal(vocabulary_make(many, 5, &v), -E2BIG);
    assert_int_equal(vocabulary_make(many, 65, &v), -E2BIG);
    assert_int_equal(vocabulary_make(many, 4, &v), 0);
    assert_int_equal(find(&v, "xyz_size")->sources_count, 4);
    vocabulary_free(&v);
}

static void the_nearest_name_is_found(void **state)
{
    static const struct { const char *name, *near; } samples[] = {
        { "methd", "method" }, { "mehtod", "method" }, { "statuscode", "status_code" }, { "src.pod.nam", "src.pod.name" }, { "id", "id" }, { "htp", "http" }, { "completely_unlike", NULL }, { "zz", NULL },
        { "a_name_that_is_longer_than_any_that_there_is_in_the_whole_vocabulary_of_all", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const struct variable *near = vocabulary_nearest(vocabulary_of_registry(), samples[i].name, strlen(samples[i].name));
        if (!samples[i].near != !near || (near && strcmp(near->name, samples[i].near) != 0))
            fail_msg("%s: %s", samples[i].name, near ? near->name : "none");
    }
    assert_true(vocabulary_is_prefix(vocabulary_of_registry(), "src.pod", 7));
    assert_false(vocabulary_is_prefix(vocabulary_of_registry(), "src.po", 6));
    assert_false(vocabulary_is_prefix(vocabulary_of_registry(), "http", 4));
}

/* docs/vocabulary.md is what the tables say: `dissector --generate-vocabulary > docs/vocabulary.md` brings it up to date. */
static void the_page_is_what_the_tables_say(void **state)
{
    char *made = NULL, *kept;
    size_t size = 0, read;
    (void)state;
    FILE *out = open_memstream(&made, &size), *page = fopen("docs/vocabulary.md", "r");
    assert_non_null(out);
    assert_int_equal(vocabulary_write_markdown(out), 0);
    assert_int_equal(fclose(out), 0);
    if (getenv("UPDATE_VOCABULARY")) { /* the same, where there is no dissector yet */
        FILE *update = fopen("docs/vocabulary.md", "w");
        assert_non_null(update);
        assert_int_equal(fwrite(made, 1, size, update), size);
        assert_int_equal(fclose(update), 0);
    } else {
        assert_non_null(page);
        kept = test_malloc(size + 2);
        read = fread(kept, 1, size + 1, page);
        if (read != size || memcmp(kept, made, size) != 0)
            fail_msg("docs/vocabulary.md is not what the tables say: make it anew");
        test_free(kept);
    }
    if (page)
        fclose(page);
    free(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_kfl_have_its_types), cmocka_unit_test(names_of_the_schema_are_variables), cmocka_unit_test(a_field_displaces_the_reserved_name), cmocka_unit_test(tables_that_contradict_are_refused),
        cmocka_unit_test(the_nearest_name_is_found), cmocka_unit_test(the_page_is_what_the_tables_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
