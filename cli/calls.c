/* tapeloop calls 'EXPR': a page of the calls that an expression matches, or groups of them; of a dissected snapshot or of a node's live tape, also as they come. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/call_rows.h"
#include "cli/dissection_text.h"
#include "cli/output.h"
#include "mem/cleanup.h"
#include "units/units.h"

#define FOLLOW_INTERVAL_US (1000 * 1000)
#define CALL_MEASURES 5u           /* columns of a group behind its names */

struct calls_options {
    struct cli_options cli;
    const char *snapshot, *dissection, *cursor, *node;
    struct option_list fields, group_by;
    int64_t from_ns, to_ns;
    uint64_t limit;
    bool live, follow;
};
#define FIELD(name) offsetof(struct calls_options, name)

static const struct option rows[] = {
    { .name = "snapshot", .type = OPTION_STRING, .field = FIELD(snapshot), .value_name = "NAME", .complete = "snapshot", .help = "Snapshot whose dissection is asked" },
    { .name = "dissection", .letter = 'n', .type = OPTION_STRING, .field = FIELD(dissection), .value_name = "NAME", .fallback = DISSECTION_NAME_DEFAULT, .help = "Which of its dissections" },
    { .name = "live", .type = OPTION_FLAG, .field = FIELD(live), .help = "Ask a node's live databases instead (tap.capture.stopped must be false)" },
    { .name = "node", .type = OPTION_STRING, .field = FIELD(node), .value_name = "NODE", .complete = "node", .help = "With --live: whose tape, where several nodes dissect theirs" },
    { .name = "follow", .letter = 'F', .type = OPTION_FLAG, .field = FIELD(follow), .help = "With --live: go on with the calls that come, from now or from --from; with --json a line each" },
    { .name = "from", .type = OPTION_TIME, .field = FIELD(from_ns), .value_name = "TIME", .help = "No call before this time (RFC 3339)" },
    { .name = "to", .type = OPTION_TIME, .field = FIELD(to_ns), .value_name = "TIME", .help = "No call at or after this time" },
    { .name = "fields", .letter = 'f', .type = OPTION_LIST, .field = FIELD(fields), .value_name = "NAME", .help = "Show this field (docs/vocabulary.md), or several with commas between; * is all, with --json" },
    { .name = "group-by", .letter = 'g', .type = OPTION_LIST, .field = FIELD(group_by), .value_name = "NAME", .help = "Count calls and give p50, p90 and p99 of their time for each value of this field" },
    { .name = "limit", .type = OPTION_UINT, .field = FIELD(limit), .value_name = "N", .fallback = "100", .help = "Rows of one page", .least = 1, .most = 10000 },
    { .name = "cursor", .type = OPTION_STRING, .field = FIELD(cursor), .value_name = "CURSOR", .help = "Go on behind the page that ended with it" },
    CLI_ROW_JSON,
};

/* Names with commas between count one by one. */
static int add_names(size_t *count, char ***array, const struct option_list *list)
{
    int rc = 0;
    for (size_t i = 0; i < list->count; i++) {
        for (const char *text = list->values[i]; rc == 0 && *text;) {
            size_t length = strcspn(text, ",");
            char *name = strndup(text, length);
            rc = name ? wire_append(count, array, name) : -ENOMEM;
            if (rc < 0)
                free(name);
            text += length + (text[length] == ',');
        }
    }
    return rc;
}

static int set_time(char **field, int64_t ns)
{
    char text[UNITS_TIME_TEXT_MAX];
    return ns ? wire_set_string(field, units_format_time(ns, text, sizeof text)) : 0;
}

static int fill_query(const struct calls_options *options, const char *expression, Tapeloop__V1__CallsQuery *query)
{
    const struct { char **field; const char *text; } texts[] = {
        { &query->snapshot, options->snapshot }, { &query->dissection, options->dissection }, { &query->expression, expression }, { &query->cursor, options->cursor }, { &query->node, options->node },
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof texts / sizeof *texts; i++)
        rc = wire_set_string(texts[i].field, texts[i].text);
    if (rc == 0)
        rc = set_time(&query->from, options->from_ns);
    if (rc == 0)
        rc = set_time(&query->to, options->to_ns);
    if (rc == 0)
        rc = add_names(&query->n_fields, &query->fields, &options->fields);
    if (rc == 0)
        rc = add_names(&query->n_group_by, &query->group_by, &options->group_by);
    bool table = !options->cli.json && options->fields.count == 0 && options->group_by.count == 0;
    for (size_t i = 0; rc == 0 && table && call_table_fields[i]; i++) {
        char *name = strdup(call_table_fields[i]);
        rc = name ? wire_append(&query->n_fields, &query->fields, name) : -ENOMEM;
        if (rc < 0)
            free(name);
    }
    query->limit = (uint32_t)options->limit;
    query->live = options->live;
    if (options->live && rc == 0)
        rc = wire_set_string(&query->dissection, "");
    return rc;
}

/* The columns that were asked for: groups first, then what is counted of them; or the fields. */
static size_t name_columns(const struct calls_options *options, const Tapeloop__V1__CallsQuery *query, const char *names[static CALL_FIELDS_MAX])
{
    static const char *const measures[CALL_MEASURES] = { "count", "errors", "elapsed_p50", "elapsed_p90", "elapsed_p99" };
    size_t count = 0;
    bool grouped = options->group_by.count > 0;
    for (size_t i = 0; i < (grouped ? query->n_group_by : query->n_fields) && count < CALL_FIELDS_MAX; i++)
        names[count++] = grouped ? query->group_by[i] : query->fields[i];
    for (size_t i = 0; grouped && i < CALL_MEASURES && count < CALL_FIELDS_MAX; i++)
        names[count++] = measures[i];
    return count;
}

static void add_columns(struct cli_table *table, const char *const *names, const json_t *row)
{
    for (size_t i = 0; i < table->columns; i++) {
        mem_auto_free char *text = call_value_text(call_row_value(row, names[i]));
        cli_table_add(table, text);
    }
}

static int print_table(const struct calls_options *options, const Tapeloop__V1__CallsQuery *query, const Tapeloop__V1__CallsReply *reply)
{
    struct cli_table table = { 0 };
    const char *names[CALL_FIELDS_MAX];
    bool usual = options->fields.count == 0 && options->group_by.count == 0;
    if (usual) {
        call_table_titles(&table);
    } else {
        table.columns = name_columns(options, query, names);
        for (size_t i = 0; i < table.columns; i++)
            cli_table_add(&table, names[i]);
    }
    for (size_t i = 0; i < reply->n_rows; i++) {
        json_auto json_t *row = json_loads(reply->rows[i], 0, NULL);
        if (usual)
            call_table_add(&table, row);
        else
            add_columns(&table, names, row);
    }
    if (reply->n_rows > 0)
        cli_table_print(&table, 0, stdout);
    else
        cli_table_clear(&table);
    if (fflush(stdout) != 0 && errno != EPIPE)
        return cli_fail(&options->cli, "internal", "standard output: %s", strerror(errno));
    if (reply->left_out > 0)
        fprintf(stderr, "%" PRIu64 " entries are in further groups: narrow the expression, or raise --limit\n", reply->left_out);
    if (*reply->cursor)
        fprintf(stderr, "more: --cursor %s (looked at %" PRIu64 " entries, up to %s)\n", reply->cursor, reply->looked, *reply->looked_to ? reply->looked_to : "the start");
    if (reply->n_rows == 0)
        fputs("no call matches\n", stderr);
    return CLI_OK;
}

static int print_json(const Tapeloop__V1__CallsReply *reply)
{
    json_t *calls = json_array();
    for (size_t i = 0; calls && i < reply->n_rows; i++)
        (void)json_array_append_new(calls, json_loads(reply->rows[i], 0, NULL));
    return cli_print_json(json_pack("{s:o,s:s,s:s,s:I,s:I}", "calls", calls, "cursor", reply->cursor, "lookedTo", reply->looked_to, "looked", (json_int_t)reply->looked, "leftOut",
                                    (json_int_t)reply->left_out));
}

/* The calls of one page, as they stand; titles above the first. */
static void print_page(const struct calls_options *options, const Tapeloop__V1__CallsQuery *query, const Tapeloop__V1__CallsReply *reply, bool first)
{
    struct cli_table table = { 0 };
    const char *names[CALL_FIELDS_MAX];
    bool usual = options->fields.count == 0;
    table.columns = usual ? CALL_TABLE_COLUMNS : name_columns(options, query, names);
    if (first && usual)
        call_table_titles(&table);
    for (size_t i = 0; first && !usual && i < table.columns; i++)
        cli_table_add(&table, names[i]);
    for (size_t i = 0; i < reply->n_rows; i++) {
        json_auto json_t *row = json_loads(reply->rows[i], 0, NULL);
        if (options->cli.json)
            puts(reply->rows[i]);
        else if (usual)
            call_table_add(&table, row);
        else
            add_columns(&table, names, row);
    }
    if (options->cli.json || reply->n_rows == 0)
        cli_table_clear(&table);
    else
        cli_table_print(&table, 0, stdout);
}

/* Page after page until somebody stops it, or the reader has gone. */
static int follow(const struct calls_options *options, struct bus *bus, Tapeloop__V1__CallsQuery *query)
{
    bool first = true;
    char now[UNITS_TIME_TEXT_MAX];
    if (!options->from_ns && wire_set_string(&query->from, units_format_time(units_now_wall_ns(), now, sizeof now)) < 0)
        return cli_fail(&options->cli, "internal", "out of memory");
    for (;;) {
        wire_auto Tapeloop__V1__CallsReply *reply = NULL;
        if (cli_ask(&options->cli, bus, "calls.query", &query->base, &tapeloop__v1__calls_reply__descriptor, CLI_WORK_TIMEOUT_MS, &reply) != 0)
            return CLI_FAILED;
        print_page(options, query, reply, first);
        first = first && reply->n_rows == 0;
        if (fflush(stdout) != 0)
            return errno == EPIPE ? CLI_OK : CLI_FAILED;
        if (wire_set_string(&query->cursor, reply->cursor) < 0)
            return cli_fail(&options->cli, "internal", "out of memory");
        if (reply->n_rows < options->limit)
            usleep(FOLLOW_INTERVAL_US);
    }
}

static int check_options(const struct calls_options *options)
{
    if (!options->snapshot == !options->live)
        return cli_misuse(&options->cli, "say whose calls: --snapshot NAME (it must have been dissected: tapeloop dissect NAME), or --live%s", options->live ? ", not both" : "");
    if ((options->follow || options->node) && !options->live)
        return cli_misuse(&options->cli, "--follow and --node are for --live: a snapshot does not change");
    if (options->follow && options->group_by.count > 0)
        return cli_misuse(&options->cli, "--follow shows calls as they come: groups are counted over what is there");
    if (options->fields.count > 0 && options->group_by.count > 0)
        return cli_misuse(&options->cli, "--group-by brings its own columns: it does not go with --fields");
    if (options->from_ns && options->to_ns && options->to_ns <= options->from_ns)
        return cli_misuse(&options->cli, "--to lies before --from");
    return 0;
}

/* What was asked for as columns is there, and not too much of it. */
static int check_names(const struct calls_options *options, const Tapeloop__V1__CallsQuery *query)
{
    bool fields = options->fields.count > 0, grouped = options->group_by.count > 0, wide = (fields && query->n_fields > CALL_FIELDS_MAX) || query->n_group_by + CALL_MEASURES > CALL_FIELDS_MAX;
    if ((fields && query->n_fields == 0) || (grouped && query->n_group_by == 0))
        return cli_misuse(&options->cli, "%s needs names: docs/vocabulary.md lists them", fields ? "--fields" : "--group-by");
    for (size_t i = 0; fields && i < query->n_fields; i++)
        wide = wide || strcmp(query->fields[i], "*") == 0;
    return wide && !options->cli.json ? cli_misuse(&options->cli, "so many columns do not fit a screen: ask with --json") : 0;
}

static int run(const void *fields, char **arguments, size_t count)
{
    const struct calls_options *options = fields;
    cli_bus_auto struct bus *bus = NULL;
    wire_auto Tapeloop__V1__CallsReply *reply = NULL;
    wire_auto Tapeloop__V1__CallsQuery *query = WIRE_NEW(Tapeloop__V1__CallsQuery, tapeloop__v1__calls_query__descriptor);
    int rc = check_options(options);
    if (rc != 0)
        return rc;
    if (!query || fill_query(options, count > 0 ? arguments[0] : "", query) < 0)
        return cli_fail(&options->cli, "internal", "out of memory");
    if ((rc = check_names(options, query)) != 0)
        return rc;
    if (cli_connect(&options->cli, &bus) != 0)
        return CLI_FAILED;
    if (options->follow)
        return follow(options, bus, query);
    if (cli_ask(&options->cli, bus, "calls.query", &query->base, &tapeloop__v1__calls_reply__descriptor, CLI_WORK_TIMEOUT_MS, &reply) != 0)
        return CLI_FAILED;
    return options->cli.json ? print_json(reply) : print_table(options, query, reply);
}

const struct cli_command cli_calls = {
    .command = {
        .name = "tapeloop calls", .arguments = "[EXPR]", .arguments_most = 1, .summary = "Find calls in a dissection or on the live tape, or count them in groups",
        .description = "EXPR is a CEL expression over the names of docs/vocabulary.md, the ones that Kubeshark's users know; none matches all. Every answer is bounded: it ends with a cursor where there is more, "
                       "and says how far it looked; groups with a cursor are of what it looked at, and the next answer's of what follows. The whole of one entry: tapeloop call.",
        .examples = "tapeloop calls 'http && status_code >= 500' --snapshot incident-42\n"
                    "tapeloop calls 'dns' --snapshot incident-42 --fields timestamp,summary,status_code\n"
                    "tapeloop calls 'http' --snapshot incident-42 --group-by path\n"
                    "tapeloop calls 'http && status_code >= 500' --live --follow\n"
                    "tapeloop calls 'dst.pod.namespace == \"shop\"' --snapshot incident-42 --json | jq -c '.calls[]'",
        .exit_codes = "0  answered, also where nothing matches\n1  the expression is wrong, there is no such dissection, or nobody answers\n2  wrong use",
        .options = rows, .options_count = sizeof rows / sizeof *rows,
    },
    .fields_size = sizeof(struct calls_options), .connects = true, .run = run,
};
