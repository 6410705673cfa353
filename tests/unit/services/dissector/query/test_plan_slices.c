/* Any conjunction, disjunction or negation of filters, over databases whose columns hang together in random ways: the planner's answer is what asking every entry gives. The expressions are made from seeds, together with what
 * each says of every entry, worked out here without any database. Then what a file may not say: slices that are missing, or are not whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "services/dissector/database/sqlite_output.h"
#include "services/dissector/query/check.h"
#include "services/dissector/query/plan_sets.h"
#include "services/dissector/query/plan_slices.h"
#include "services/dissector/query/query.h"
#include "small_database.h"
#include "tests/support/entry_maker.h"

#define ROWS 20000u
#define PART_ROWS 13000u                /* two parts; neither is a whole number of zones */
#define PEERS 40u
#define NAMESPACES 6u
#define DATABASES 3u
#define EXPRESSIONS 120u
#define TEXT_MAX 4096
#define FIRST_NS INT64_C(1700000000000000000)
#define STEP_NS 1000000

struct row { uint8_t protocol, src, dst; bool get; int32_t status; int64_t elapsed_us; char path[24]; };
struct answer { uint32_t ids[ROWS], count; };
/* What a filter says of an entry: an error is neither, and makes an error of what needs it to be decided. */
enum { NO, YES, ERROR };
struct fixture {
    struct vocabulary vocabulary;
    char folder[64], path[96];
    uint64_t random;
    struct row rows[ROWS + 1];          /* by id */
    bool there[ROWS + 1];
    struct answer expected, given;
};

static uint32_t pick(struct fixture *f, uint32_t below)
{
    f->random = f->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(f->random >> 33) % below;
}

static bool has_number(uint8_t peer) { return peer % 3 == 1; }

static void peer_set(struct peer *peer, unsigned number, char texts[4][24])
{
    snprintf(texts[0], 24, "10.0.0.%u", number);
    snprintf(texts[1], 24, number % 7 ? "pod-%u" : "", number);
    snprintf(texts[2], 24, number % 7 ? "ns-%u" : "", number % NAMESPACES);
    snprintf(texts[3], 24, has_number((uint8_t)number) ? "%u" : number % 3 ? "web-%u" : "", number);
    *peer = (struct peer){ number, texts[0], texts[1], texts[2], texts[1], texts[2], texts[3], "", "", "" };
}

/* Values go together for a while, then others do: what is common here is missing there, and some never meet. */
static struct row next_row(struct fixture *f, unsigned mood)
{
    static const int32_t statuses[] = { 200, 404, 503, 201, 0, 302 };
    struct row row = { .protocol = (uint8_t)(pick(f, 100) < 97 ? mood % 3 : pick(f, 4)), .get = pick(f, 3) == 0, .elapsed_us = pick(f, 1000000) };
    row.status = statuses[pick(f, 50) ? mood % 4 : pick(f, 6)];
    row.src = (uint8_t)(1 + (pick(f, 20) ? mood * 5 + pick(f, 4) : pick(f, PEERS)) % PEERS);
    row.dst = (uint8_t)(1 + (pick(f, 200) ? mood * 3 : pick(f, PEERS)) % PEERS);
    if (row.protocol < 2)
        snprintf(row.path, sizeof row.path, "/%c/%u", 'a' + (int)(mood % 4), pick(f, mood % 5 ? 30 : 70000));
    return row;
}

static void make_database(struct fixture *f, bool holes)
{
    char error[OUTPUT_ERROR_TEXT_MAX], texts[2][4][24];
    struct sqlite_output *output;
    struct entry_maker m = { 0 };
    unsigned mood = 0;
    assert_int_equal(sqlite_output_open(f->path, small_protocols, SMALL_PROTOCOLS, PART_ROWS, &output, error), 0);
    memset(f->there, 0, sizeof f->there);
    for (uint32_t id = 1; id <= ROWS; id++) {
        if (pick(f, 700) == 0)
            mood = pick(f, 60);
        if (holes && (id < 3000 || (id > 9000 && id < 15000) || id > 19000) && pick(f, 5) == 0)
            continue;
        struct row *row = &f->rows[id];
        *row = next_row(f, mood);
        f->there[id] = true;
        maker_begin(&m, small_protocols[row->protocol], row->protocol, id);
        m.head.timestamp_ns = FIRST_NS + (int64_t)id * STEP_NS;
        m.head.elapsed_ns = row->elapsed_us * 1000;
        m.head.status = row->status;
        peer_set(&m.source, row->src, texts[0]);
        peer_set(&m.destination, row->dst, texts[1]);
        if (row->protocol < 2) {
            maker_string(&m, HTTP_METHOD, row->get ? "GET" : "POST");
            maker_string(&m, HTTP_PATH, row->path);
        }
        assert_int_equal(sqlite_output_entry(output, maker_end(&m), error), 0);
    }
    assert_int_equal(sqlite_output_close(output, NULL, 0, error), 0);
    maker_free(&m);
}

static bool in_namespace(uint8_t peer, unsigned namespace) { return peer % 7 && peer % NAMESPACES == namespace; }

/* One filter: its text, and in ret what it says of every entry. A number under 9 in `kind` is one that slices know. */
enum { KINDS = 17 };
static void leaf(struct fixture *f, unsigned kind, char *text, uint8_t *ret)
{
    static const char *const flags[] = { "http", "grpc", "dns", "tcp" };
    static const char *const named[] = { "HTTP", "grpc", "Dns", "TCP" };
    static const char *const signs[] = { "==", "!=", "<", "<=", ">", ">=" };
    static const int32_t statuses[] = { 200, 404, 503, 201, 0, 302, 777, -3, 199 };
    unsigned which = pick(f, 4), sign = pick(f, 6), namespace = pick(f, NAMESPACES + 1), pod = pick(f, PEERS + 2);
    int32_t status = statuses[pick(f, 9)], other = statuses[pick(f, 9)];
    uint32_t number = pick(f, 60), id = pick(f, ROWS);
    char letter = (char)('a' + (int)pick(f, 5));
    switch (kind) {
    case 0: snprintf(text, TEXT_MAX, "%s", flags[which]); break;
    case 1: snprintf(text, TEXT_MAX, "protocol %s \"%s\"", signs[sign % 2], named[which]); break;
    case 2: snprintf(text, TEXT_MAX, "status_code %s %d", signs[sign], status); break;
    case 3: snprintf(text, TEXT_MAX, "status_code in [%d, %d]", status, other); break;
    case 4: snprintf(text, TEXT_MAX, "%s.pod.namespace %s \"ns-%u\"", which % 2 ? "src" : "dst", signs[sign % 2], namespace); break;
    case 5: snprintf(text, TEXT_MAX, "%s.pod.name == \"pod-%u\"", which % 2 ? "src" : "dst", pod); break;
    case 6: snprintf(text, TEXT_MAX, "\"ns-%u\" in namespaces", namespace); break;
    case 7: snprintf(text, TEXT_MAX, "path.startsWith(\"/%c/%s\")", letter, which ? "" : "1"); break;
    case 8: snprintf(text, TEXT_MAX, "path %s \"/%c/%u\"", signs[sign % 2], letter, number); break;
    case 9: snprintf(text, TEXT_MAX, "path.contains(\"%u\")", number); break;
    case 10: snprintf(text, TEXT_MAX, "timestamp_ns %s %lld", signs[sign], (long long)(FIRST_NS + (int64_t)id * STEP_NS)); break;
    case 11: snprintf(text, TEXT_MAX, "method == \"GET\""); break;
    case 12: snprintf(text, TEXT_MAX, "elapsed_time %s %u", signs[sign], id * 50); break;
    case 13: snprintf(text, TEXT_MAX, "protocol in [\"%s\", \"none\"]", named[which]); break;
    case 15: snprintf(text, TEXT_MAX, which % 2 ? "src.pod.namespace %s dst.pod.namespace" : "dst.pod.name %s src.namespace", signs[sign % 2]); break;
    case 16: snprintf(text, TEXT_MAX, "int(%s.service.name) %s %u", which % 2 ? "src" : "dst", signs[sign], pod); break; /* an error where that is no number */
    case 14: snprintf(text, TEXT_MAX, "(src.ip == \"10.0.0.%u\" || src.pod.name.endsWith(\"%u\"))", pod, pod % 10); break;
    }
    char part[24], digits[12];
    snprintf(digits, sizeof digits, "%u", number);
    snprintf(part, sizeof part, kind == 8 ? "/%c/%u" : which ? "/%c/" : "/%c/1", letter, number);
    for (uint32_t i = 1; i <= ROWS; i++) {
        const struct row *row = &f->rows[i];
        const bool ordered[] = { row->status == status, row->status != status, row->status < status, row->status <= status, row->status > status, row->status >= status };
        const int64_t at = i, elapsed = row->elapsed_us - (int64_t)id * 50;
        const bool times[] = { at == id, at != id, at < id, at <= id, at > id, at >= id };
        const bool spans[] = { elapsed == 0, elapsed != 0, elapsed < 0, elapsed <= 0, elapsed > 0, elapsed >= 0 };
        const uint8_t peer = which % 2 ? row->src : row->dst;
        switch (kind) {
        case 0: ret[i] = row->protocol == which || (which == 0 && row->protocol == 1); break;
        case 1: ret[i] = (row->protocol == which) == (sign % 2 == 0); break;
        case 2: ret[i] = ordered[sign]; break;
        case 3: ret[i] = row->status == status || row->status == other; break;
        case 4: ret[i] = in_namespace(peer, namespace) == (sign % 2 == 0); break;
        case 5: ret[i] = peer % 7 && peer == pod; break;
        case 6: ret[i] = in_namespace(row->src, namespace) || in_namespace(row->dst, namespace); break;
        case 7: ret[i] = strncmp(row->path, part, strlen(part)) == 0; break;
        case 8: ret[i] = (strcmp(row->path, part) == 0) == (sign % 2 == 0); break;
        case 9: ret[i] = strstr(row->path, digits) != NULL; break;
        case 10: ret[i] = times[sign]; break;
        case 11: ret[i] = row->protocol < 2 && row->get; break;
        case 12: ret[i] = spans[sign]; break;
        case 13: ret[i] = row->protocol == which; break;
        case 15: ret[i] = ((row->src % 7 == 0 && row->dst % 7 == 0) || (which % 2 && row->src % 7 && row->dst % 7 && row->src % NAMESPACES == row->dst % NAMESPACES)) == (sign % 2 == 0); break;
        case 16: {
            const bool numbers[] = { peer == pod, peer != pod, peer < pod, peer <= pod, peer > pod, peer >= pod };
            ret[i] = !has_number(peer) ? ERROR : numbers[sign] ? YES : NO;
            break;
        }
        case 14: ret[i] = row->src == pod || (row->src % 7 && row->src % 10 == pod % 10); break;
        }
    }
}

static uint8_t not(uint8_t a) { return a == ERROR ? ERROR : !a; }
static uint8_t and(uint8_t a, uint8_t b) { return a == NO || b == NO ? NO : a == YES && b == YES ? YES : ERROR; }

/* depth 0: one filter. Mostly &&. */
static void expression(struct fixture *f, unsigned depth, char *text, uint8_t *ret)
{
    uint8_t *second = test_calloc(1, ROWS + 1);
    char *a = test_malloc(TEXT_MAX), *b = test_malloc(TEXT_MAX);
    unsigned how = depth ? pick(f, 10) : 9;
    if (how == 9)
        leaf(f, pick(f, KINDS), text, ret);
    else if (how == 8) {
        expression(f, depth - 1, a, ret);
        snprintf(text, TEXT_MAX, "!(%.*s)", TEXT_MAX / 2, a);
        for (uint32_t i = 1; i <= ROWS; i++)
            ret[i] = not(ret[i]);
    } else {
        expression(f, depth - 1, a, ret);
        expression(f, depth - 1, b, second);
        snprintf(text, TEXT_MAX, "(%.*s %s %.*s)", TEXT_MAX / 2 - 8, a, how < 6 ? "&&" : "||", TEXT_MAX / 2 - 8, b);
        for (uint32_t i = 1; i <= ROWS; i++)
            ret[i] = how < 6 ? and(ret[i], second[i]) : not(and(not(ret[i]), not(second[i])));
    }
    test_free(a);
    test_free(b);
    test_free(second);
}

static bool note_id(void *context, const struct query_value *values, size_t count)
{
    struct answer *a = context;
    assert_true(count == 1 && a->count < ROWS);
    a->ids[a->count++] = (uint32_t)values[0].number;
    return true;
}

/* Page by page, each of its own length and budget, to the end. */
static void ask(struct fixture *f, const char *text)
{
    static const char *const fields[] = { "id" };
    struct query_request request = { .vocabulary = &f->vocabulary, .path = f->path, .expression = text, .fields = fields, .fields_count = 1 };
    struct query_result result;
    f->given.count = 0;
    do {
        struct query_error error;
        request.limit = pick(f, 2) ? 1 + pick(f, 300) : 10000;
        request.budget = pick(f, 2) ? 500 + pick(f, 5000) : 0;
        if (query_run(&request, note_id, &f->given, &result, &error) < 0)
            fail_msg("%s: %s", text, error.text);
        assert_true(!result.more || result.cursor > request.after);
        request.after = result.cursor;
    } while (result.more);
}

static void compare(struct fixture *f, const char *text, const uint8_t *truth)
{
    f->expected.count = 0;
    for (uint32_t id = 1; id <= ROWS; id++)
        if (f->there[id] && truth[id] == YES)
            f->expected.ids[f->expected.count++] = id;
    ask(f, text);
    if (f->given.count != f->expected.count || memcmp(f->given.ids, f->expected.ids, f->expected.count * sizeof *f->given.ids) != 0)
        fail_msg("%u entries instead of %u: %s", f->given.count, f->expected.count, text);
}

static void the_planner_gives_what_asking_all_gives(void **state)
{
    struct fixture *f = *state;
    uint8_t *truth = test_calloc(1, ROWS + 1);
    char *text = test_malloc(TEXT_MAX);
    for (unsigned database = 0; database < DATABASES; database++) {
        f->random = database * 977 + 5;
        make_database(f, database == 1);
        for (unsigned i = 0; i < EXPRESSIONS; i++) {
            expression(f, 1 + i % 4, text, truth);
            compare(f, text, truth);
        }
    }
    test_free(text);
    test_free(truth);
}

/* Every two kinds of filter, joined. */
static void every_pair_of_filters(void **state)
{
    struct fixture *f = *state;
    uint8_t *truth = test_calloc(1, ROWS + 1), *second = test_calloc(1, ROWS + 1);
    char *text = test_malloc(TEXT_MAX), *a = test_malloc(TEXT_MAX), *b = test_malloc(TEXT_MAX);
    f->random = 99;
    make_database(f, false);
    for (unsigned i = 0; i < KINDS; i++)
        for (unsigned k = 0; k < KINDS; k++) {
            leaf(f, i, a, truth);
            leaf(f, k, b, second);
            for (uint32_t id = 1; id <= ROWS; id++)
                truth[id] = and(truth[id], second[id]);
            snprintf(text, TEXT_MAX, "%.1000s && %.1000s", a, b);
            compare(f, text, truth);
        }
    test_free(b);
    test_free(a);
    test_free(text);
    test_free(second);
    test_free(truth);
}

/* Filters that err below each of !, && and ||, so that none of them hangs on what the seeds give. */
static void filters_that_err(void **state)
{
    static const struct { const char *text; bool negated, or; } forms[] = {
        { "(%.1000s) && (%.1000s)", false, false }, { "(%.1000s) || (%.1000s)", false, true }, { "!((%.1000s) && (%.1000s))", true, false }, { "!((%.1000s) || (%.1000s))", true, true },
    };
    struct fixture *f = *state;
    uint8_t *truth = test_calloc(1, ROWS + 1), *second = test_calloc(1, ROWS + 1);
    char *text = test_malloc(TEXT_MAX), *a = test_malloc(TEXT_MAX), *b = test_malloc(TEXT_MAX);
    f->random = 1234;
    make_database(f, false);
    for (unsigned kind = 0; kind < KINDS; kind++)
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
            leaf(f, KINDS - 1, a, truth);
            leaf(f, kind, b, second);
            for (uint32_t id = 1; id <= ROWS; id++) {
                uint8_t both = forms[i].or ? not(and(not(truth[id]), not(second[id]))) : and(truth[id], second[id]);
                truth[id] = forms[i].negated ? not(both) : both;
            }
            snprintf(text, TEXT_MAX, forms[i].text, a, b);
            compare(f, text, truth);
        }
    test_free(b);
    test_free(a);
    test_free(text);
    test_free(second);
    test_free(truth);
}

static void change(const struct fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    char *why = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    sqlite3_close(db);
}

static void change_and_ask(struct fixture *f, bool holes, const char *sql)
{
    uint8_t *truth = test_calloc(1, ROWS + 1);
    f->random = 4711;
    make_database(f, holes);
    change(f, sql);
    for (uint32_t id = 1; id <= ROWS; id++)
        truth[id] = f->rows[id].status == 404 && f->rows[id].protocol == 2 && in_namespace(f->rows[id].src, 3);
    compare(f, "status_code == 404 && dns && src.pod.namespace == \"ns-3\"", truth);
    test_free(truth);
}

/* Slices that say nothing, or nothing that can be, cost time and no answers. */
static void slices_that_are_not_whole(void **state)
{
    static const char *const changes[] = {
        "DELETE FROM slice WHERE id % 8 = 1", "UPDATE slice SET width = 3", "UPDATE slice SET width = -1, packed = x''", "UPDATE slice SET packed = substr(packed, 2)", "UPDATE slice SET width = 9223372036854775807",
        "UPDATE slice SET packed = 'text'", "UPDATE slice SET least = 9223372036854775807", "UPDATE slice SET least = -9223372036854775807", "UPDATE zone SET id = id + 1000000000000000000", "DELETE FROM slice", "DROP TABLE slice",
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        change_and_ask(*state, false, changes[i]);
        change_and_ask(*state, true, changes[i]);
    }
    change_and_ask(*state, false, "UPDATE zone SET last = 9223372036854775807 WHERE id = 3");
    change_and_ask(*state, true, "DELETE FROM slice WHERE id % 8 = 5");
    change_and_ask(*state, true, "UPDATE slice SET packed = packed || packed WHERE id % 8 = 5");
}

static uint32_t candidates(const struct fixture *f, const struct query_file *file, const char *text, bool *ret_made)
{
    struct expression e;
    struct query_error error;
    struct slices *slices;
    int64_t ids[DATABASE_ZONE_ROWS];
    uint32_t count = 0;
    bool known;
    assert_int_equal(expression_parse(text, strlen(text), &e, &error), 0);
    assert_int_equal(expression_check(&e, &f->vocabulary, 0, &error), 0);
    struct query_plan_context context = { file, &f->vocabulary, calloc(1, sizeof *context.sets) };
    assert_int_equal(slices_make(&context, e.root, &slices), 0);
    *ret_made = slices != NULL;
    if (slices) {
        const struct query_plan_range range = { .first = 4097 + 10, .last = 8192 - 20, .zone = 2, .zone_first = 4097, .zone_rows = 4096 };
        assert_int_equal(slices_candidates(slices, &range, ids, &count, &known), 0);
        assert_true(known);
        for (uint32_t i = 0; i < count; i++)
            assert_in_range(ids[i], i ? ids[i - 1] + 1 : range.first, range.last);
    }
    slices_free(slices);
    plan_sets_free(context.sets);
    expression_free(&e);
    return count;
}

/* No candidate that need not be one: what slices know, they say to the entry. */
static void what_slices_know(void **state)
{
    struct fixture *f = *state;
    uint8_t *truth = test_calloc(1, ROWS + 1);
    char *text = test_malloc(TEXT_MAX);
    struct query_file file;
    struct query_error error;
    bool made;
    f->random = 31;
    make_database(f, false);
    assert_int_equal(query_file_open(f->path, 0, &file, &error), 0);
    for (unsigned kind = 0; kind < KINDS; kind++)
        for (unsigned repeat = 0; repeat < 10; repeat++) {
            uint32_t expected = 0;
            leaf(f, kind, text, truth);
            for (uint32_t id = 4097 + 10; id <= 8192 - 20; id++)
                expected += truth[id] == YES;
            uint32_t count = candidates(f, &file, text, &made);
            assert_int_equal(made, kind < 10 || kind > 12);
            if (made && count != expected)
                fail_msg("%u candidates instead of %u: %s", count, expected, text);
        }
    (void)candidates(f, &file, "method == \"GET\" || dns", &made);
    assert_false(made);
    query_file_close(&file);
    test_free(text);
    test_free(truth);
}

/* A name with an enormous number makes each set that it is in large: all together keep their bound, and answers are the same. */
static void sets_are_bounded(void **state)
{
    static const char *const changes[] = { "INSERT INTO peer SELECT 2000000, '10.9.9.9', '', '', '', '', '', '', '', ''", "UPDATE peer SET id = 16777215 WHERE id = 2000000" };
    struct fixture *f = *state;
    uint8_t *truth = test_calloc(1, ROWS + 1);
    char *text = test_calloc(1, TEXT_MAX);
    f->random = 77;
    make_database(f, false);
    for (unsigned i = 0; i < 60; i++)
        snprintf(text + strlen(text), TEXT_MAX - strlen(text), "%s.pod.name != \"x-%u\" && ", i % 2 ? "src" : "dst", i);
    snprintf(text + strlen(text), TEXT_MAX - strlen(text), "status_code == 404");
    for (uint32_t id = 1; id <= ROWS; id++)
        truth[id] = f->rows[id].status == 404;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct query_file file;
        struct query_error error;
        struct expression e;
        struct slices *slices;
        int64_t bytes = 0;
        change(f, changes[i]);
        assert_int_equal(query_file_open(f->path, 0, &file, &error), 0);
        assert_int_equal(expression_parse(text, strlen(text), &e, &error), 0);
        assert_int_equal(expression_check(&e, &f->vocabulary, 0, &error), 0);
        struct query_plan_context context = { &file, &f->vocabulary, calloc(1, sizeof *context.sets) };
        assert_int_equal(slices_make(&context, e.root, &slices), 0);
        assert_true(context.sets->count > 40);
        for (uint32_t k = 0; k < context.sets->count; k++)
            bytes += context.sets->sets[k].table_size;
        assert_int_equal(bytes, context.sets->bytes);
        assert_in_range(bytes, i ? 0 : PLAN_SETS_BYTES_MAX / 2, i ? 0 : PLAN_SETS_BYTES_MAX);
        slices_free(slices);
        plan_sets_free(context.sets);
        expression_free(&e);
        query_file_close(&file);
        compare(f, text, truth);
    }
    test_free(text);
    test_free(truth);
}

static int open_fixture(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/test_plan_slices.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/calls.sqlite", f->folder);
    assert_int_equal(vocabulary_make(small_protocols, SMALL_PROTOCOLS, &f->vocabulary), 0);
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", f->folder);
    assert_int_equal(system(command), 0);
    vocabulary_free(&f->vocabulary);
    test_free(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_planner_gives_what_asking_all_gives), cmocka_unit_test(every_pair_of_filters), cmocka_unit_test(filters_that_err), cmocka_unit_test(slices_that_are_not_whole), cmocka_unit_test(what_slices_know), cmocka_unit_test(sets_are_bounded),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
