/* Names of commands and what they resolve to; every table is fit to be parsed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/command.h"

static const struct cli_command *find(int *words, const char *a, const char *b, const char *c)
{
    char *argv[] = { (char *)a, (char *)b, (char *)c, NULL };
    int argc = 0;
    while (argv[argc])
        argc++;
    return cli_find(argc, argv, words);
}

static void longest_name_wins(void **state)
{
    (void)state;
    int words = 0;
    assert_ptr_equal(find(&words, "nodes", NULL, NULL), &cli_nodes);
    assert_int_equal(words, 1);
    assert_ptr_equal(find(&words, "nodes", "forget", "x"), &cli_nodes_forget);
    assert_int_equal(words, 2);
    assert_ptr_equal(find(&words, "nodes", "--json", NULL), &cli_nodes);
    assert_int_equal(words, 1);
    assert_ptr_equal(find(&words, "snapshot", "create", "create"), &cli_snapshot_create);
    assert_int_equal(words, 2);
    assert_null(find(&words, "snapshot", NULL, NULL));
    assert_null(find(&words, "node", NULL, NULL));
    assert_null(find(&words, "snapshot create", NULL, NULL));
}

static void every_table_parses(void **state)
{
    (void)state;
    const struct cli_command *const *commands;
    size_t count = cli_commands(&commands);
    assert_true(count >= 14);
    for (size_t i = 0; i < count; i++) {
        struct option_command table = cli_option_command(commands[i]);
        char program[] = "tapeloop", word[] = "word", *argv[] = { program, table.arguments_least ? word : NULL, NULL }, **arguments;
        void *fields = calloc(1, commands[i]->fields_size);
        size_t given = 0;
        assert_non_null(fields);
        assert_int_equal(options_parse(&table, table.arguments_least ? 2 : 1, argv, fields, &arguments, &given, stdout, stderr), 0);
        assert_int_equal(given, table.arguments_least);
        assert_false(((const struct cli_options *)fields)->json);
        free(fields);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(longest_name_wins), cmocka_unit_test(every_table_parses) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
