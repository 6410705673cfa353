#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "services/dissector/output/ndjson.h"
#include "services/dissector/output/ndjson_plan.h"
#include "tests/support/entry_maker.h"

enum { METHOD, REQUEST_HEADERS, SIZE, RESPONSE_BODY, REQUEST_BODY, PARTS, STATUS, FINE };
static const struct field fields[] = {
    [METHOD] = { .name = "method", .column = "method" },
    [REQUEST_HEADERS] = { .name = "request.headers", .type = FIELD_MAP, .column = "request_headers" },
    [SIZE] = { .name = "size", .type = FIELD_INT, .column = "size" },
    [RESPONSE_BODY] = { .name = "response.body", .column = "response_body" },
    [REQUEST_BODY] = { .name = "request.body", .column = "request_body" }, /* its object stands before size */
    [PARTS] = { .name = "parts", .type = FIELD_LIST, .column = "parts" },
    [STATUS] = { .name = "grpc_status", .type = FIELD_INT, .fallback = -1, .column = "grpc_status" },
    [FINE] = { .name = "fine", .type = FIELD_BOOL, .column = "fine" },
};
static const struct detail detail = { "web", fields, sizeof fields / sizeof *fields };
static const struct protocol web = { .name = "HTTP", .detail = &detail };

static void expect_line(const struct entry *entry, const char *expected)
{
    struct ndjson_lines *lines;
    struct ndjson_buffer buffer = { 0 };
    assert_int_equal(ndjson_lines_new(NULL, &lines), 0);
    assert_int_equal(ndjson_lines_put(lines, entry, &buffer), 0);
    assert_int_equal(buffer.data[buffer.size - 1], '\n');
    buffer.data[buffer.size - 1] = '\0';
    assert_string_equal(buffer.data, expected);
    free(buffer.data);
    ndjson_lines_free(lines);
}

static void defaults_are_left_out(void **state)
{
    (void)state;
    struct entry_maker m = { 0 };
    maker_begin(&m, &web, 0, 5);
    maker_string(&m, METHOD, "");
    maker_int(&m, SIZE, 0);
    maker_int(&m, STATUS, -1);
    maker_bool(&m, FINE, false);
    maker_texts(&m, PARTS, NULL, 0);
    m.entry.connection = 0;
    expect_line(maker_end(&m), "{\"id\":5,\"protocol\":\"HTTP\",\"timestamp\":\"2023-11-14T22:13:20.000000005Z\",\"src\":{\"ip\":\"10.0.0.1\",\"port\":0},\"dst\":{\"ip\":\"10.0.0.2\",\"port\":0}}");
    maker_free(&m);
}

static void everything_has_its_place(void **state)
{
    (void)state;
    struct entry_maker m = { 0 };
    maker_begin(&m, &web, 0, 6);
    m.head.elapsed_ns = 1999;
    m.head.duration_ns = 3000000;
    m.head.status = 404;
    m.head.flags = RECORD_ONE_WAY | RECORD_MAYBE_COPY;
    m.head.incomplete = GAP;
    m.head.tuple.source_port = 40000;
    m.head.tuple.destination_port = 80;
    m.head.request_at = (struct place){ 0, 7 };
    m.head.response_at = (struct place){ 0, 9 };
    m.entry.request_segment = "n/1/0/2";
    m.entry.node = "n";
    m.entry.connection = 3;
    m.source = (struct peer){ 9, "::1", "web", "shop", "web-1", "shop", "", "shop", "web.example", "curl" };
    maker_summary(&m, "GET /", 5);
    maker_string(&m, METHOD, "GET");
    maker_texts(&m, REQUEST_HEADERS, (const char *const[]){ "host", "a\"b" }, 2);
    maker_int(&m, SIZE, -12);
    maker_string(&m, RESPONSE_BODY, "no");
    maker_string(&m, REQUEST_BODY, "yes");
    maker_texts(&m, PARTS, (const char *const[]){ "x", "y" }, 2);
    maker_int(&m, STATUS, 0);
    maker_bool(&m, FINE, true);
    expect_line(maker_end(&m), "{\"id\":6,\"protocol\":\"HTTP\",\"timestamp\":\"2023-11-14T22:13:20.000000006Z\",\"elapsed_time\":1,\"duration\":3000,"
                               "\"src\":{\"ip\":\"::1\",\"port\":40000,\"name\":\"web\",\"namespace\":\"shop\",\"pod\":{\"name\":\"web-1\",\"namespace\":\"shop\"},\"service\":{\"namespace\":\"shop\"},\"dns\":\"web.example\","
                               "\"process\":\"curl\"},\"dst\":{\"ip\":\"10.0.0.2\",\"port\":80},\"node_name\":\"n\",\"conn_id\":3,\"status_code\":404,\"summary\":\"GET /\",\"one_way\":true,\"maybe_copy\":true,\"incomplete\":\"gap\","
                               "\"request_at\":{\"segment\":\"n/1/0/2\",\"frame\":7},\"response_at\":{\"frame\":9},"
                               "\"method\":\"GET\",\"request\":{\"headers\":{\"host\":\"a\\\"b\"},\"body\":\"yes\"},\"size\":-12,\"response\":{\"body\":\"no\"},\"parts\":[\"x\",\"y\"],\"grpc_status\":0,\"fine\":true}");
    maker_free(&m);
}

/* Another comma, brace or object depending on what is there. */
static void fields_are_chosen(void **state)
{
    (void)state;
    static const struct { const char *names, *expected; } cases[] = {
        { "id", "{\"id\":6}" },
        { "src.port", "{\"src\":{\"port\":40000}}" },
        { "dst.ip,status_code", "{\"dst\":{\"ip\":\"10.0.0.2\"},\"status_code\":404}" },
        { "src.dns,src.service", "{\"src\":{\"service\":{\"namespace\":\"shop\"},\"dns\":\"web.example\"}}" },
        { "dst.dns", "{}" },
        { "request_at", "{\"request_at\":{\"frame\":7}}" },
        { "protocol,src.pod.name,src.port,summary", "{\"protocol\":\"HTTP\",\"src\":{\"port\":40000,\"pod\":{\"name\":\"web-1\"}},\"summary\":\"GET /\"}" },
    };
    struct entry_maker m = { 0 };
    maker_begin(&m, &web, 0, 6);
    m.head.status = 404;
    m.head.tuple.source_port = 40000;
    m.head.request_at = (struct place){ 0, 7 };
    m.source = (struct peer){ 9, "::1", "web", "shop", "web-1", "shop", "", "shop", "web.example", "curl" };
    maker_summary(&m, "GET /", 5);
    const struct entry *entry = maker_end(&m);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct selection selection;
        struct ndjson_lines *lines;
        struct ndjson_buffer buffer = { 0 };
        char error[200];
        assert_int_equal(selection_parse(&cases[i].names, 1, &selection, error, sizeof error), 0);
        assert_int_equal(ndjson_lines_new(&selection, &lines), 0);
        assert_int_equal(ndjson_lines_put(lines, entry, &buffer), 0);
        buffer.data[buffer.size - 1] = '\0';
        assert_string_equal(buffer.data, cases[i].expected);
        free(buffer.data);
        ndjson_lines_free(lines);
    }
    maker_free(&m);
}

/* Peers whose numbers share a place in the cache. */
static void peers_are_not_mixed_up(void **state)
{
    (void)state;
    struct ndjson_lines *lines;
    struct ndjson_buffer buffer = { 0 };
    struct entry_maker m = { 0 };
    assert_int_equal(ndjson_lines_new(NULL, &lines), 0);
    for (unsigned i = 0; i < 4; i++) {
        char from[16], to[16], expected[128];
        snprintf(from, sizeof from, "1.0.0.%u", i);
        snprintf(to, sizeof to, "2.0.0.%u", i);
        maker_begin(&m, &web, 0, 1);
        m.source.number = 1 + 4096 * i;
        m.destination.number = 1 + 4096 * (i + 1);
        m.source.ip = from;
        m.destination.ip = to;
        buffer.size = 0;
        assert_int_equal(ndjson_lines_put(lines, maker_end(&m), &buffer), 0);
        buffer.data[buffer.size - 1] = '\0';
        snprintf(expected, sizeof expected, "\"src\":{\"ip\":\"%s\",\"port\":0},\"dst\":{\"ip\":\"%s\",\"port\":0}", from, to);
        assert_non_null(strstr(buffer.data, expected));
    }
    free(buffer.data);
    ndjson_lines_free(lines);
    maker_free(&m);
}

static void bad_names_are_refused(void **state)
{
    (void)state;
    static const struct field deep[] = { { .name = "a.b.c", .column = "a" } };
    const struct detail bad = { "bad", deep, 1 };
    struct ndjson_plan *plan = malloc(sizeof *plan);
    assert_int_equal(ndjson_plan_make(&bad, UINT64_MAX, plan), -EINVAL);
    assert_int_equal(ndjson_plan_make(&detail, UINT64_MAX, plan), 0);
    assert_int_equal(plan->count, 8);
    free(plan);
}

/* A megabyte of quotes: the line grows the buffer to what it may need. */
static void large_and_hostile_values(void **state)
{
    (void)state;
    struct entry_maker m = { 0 };
    size_t size = 1000000;
    char *body = malloc(size);
    memset(body, '\x01', size);
    maker_begin(&m, &web, 0, 1);
    maker_text(&m, REQUEST_BODY, body, size);
    struct ndjson_lines *lines;
    struct ndjson_buffer buffer = { 0 };
    assert_int_equal(ndjson_lines_new(NULL, &lines), 0);
    assert_int_equal(ndjson_lines_put(lines, maker_end(&m), &buffer), 0);
    assert_true(buffer.size > 6 * size);
    free(body);
    free(buffer.data);
    ndjson_lines_free(lines);
    maker_free(&m);
}

/* A value that is not the record's own, as conn_views is, of bytes that take six each: the first line's buffer is small. */
static void added_values_have_room(void **state)
{
    (void)state;
    struct entry_maker m = { 0 };
    maker_begin(&m, &web, 0, 1);
    struct entry entry = *maker_end(&m);
    uint32_t size = 7000;
    uint8_t *list = malloc(4 + size);
    memcpy(list, &size, 4);
    memset(list + 4, 1, size);
    entry.values.at[PARTS] = (struct value){ .data = list, .size = 4 + size };
    entry.values.present |= UINT64_C(1) << PARTS;
    entry.added = 4 + size;
    struct ndjson_lines *lines;
    struct ndjson_buffer buffer = { 0 };
    assert_int_equal(ndjson_lines_new(NULL, &lines), 0);
    assert_int_equal(ndjson_lines_put(lines, &entry, &buffer), 0);
    assert_true(buffer.size > 6 * size && buffer.room >= buffer.size);
    free(list);
    free(buffer.data);
    ndjson_lines_free(lines);
    maker_free(&m);
}

static unsigned files_in(const char *folder)
{
    DIR *dir = opendir(folder);
    unsigned count = 0;
    for (struct dirent *d; (d = readdir(dir));)
        count += strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
    closedir(dir);
    return count;
}

static void files_appear_whole(void **state)
{
    (void)state;
    char folder[] = "/tmp/tapeloop-ndjson.XXXXXX", path[64], error[OUTPUT_ERROR_TEXT_MAX];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/out.ndjson", folder);
    struct entry_maker m = { 0 };
    void *output;
    assert_int_equal(output_ndjson.open(path, NULL, &output, error), 0);
    for (uint64_t id = 1; id <= 20000; id++) {
        maker_begin(&m, &web, 0, id);
        assert_int_equal(output_ndjson.entry(output, maker_end(&m), error), 0);
    }
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(output_ndjson.close(output, NULL, 0, error), 0);
    FILE *file = fopen(path, "r");
    unsigned lines = 0;
    for (int c; (c = fgetc(file)) != EOF;)
        lines += c == '\n';
    fclose(file);
    assert_int_equal(lines, 20000);
    assert_int_equal(files_in(folder), 1);

    assert_int_equal(output_ndjson.open(path, NULL, &output, error), 0);
    assert_int_equal(output_ndjson.entry(output, maker_end(&m), error), 0);
    assert_int_equal(files_in(folder), 2);
    output_ndjson.abandon(output);
    assert_int_equal(files_in(folder), 1);
    output_ndjson.abandon(NULL);
    maker_free(&m);
    unlink(path);
    rmdir(folder);
}

static void what_goes_wrong_is_said(void **state)
{
    (void)state;
    char error[OUTPUT_ERROR_TEXT_MAX];
    void *output;
    assert_int_equal(output_ndjson.open("/nowhere/at/all", NULL, &output, error), -ENOENT);
    assert_string_equal(error, "/nowhere/at/all: opening: No such file or directory");
    assert_int_equal(output_ndjson.open("/tmp/", NULL, &output, error), -EISDIR);
}

/* A reader that has gone is an error; the process lives. */
static void a_broken_pipe_is_an_error(void **state)
{
    (void)state;
    int ends[2], before = dup(STDOUT_FILENO);
    char error[OUTPUT_ERROR_TEXT_MAX];
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    struct entry_maker m = { 0 };
    void *output;
    int opened = output_ndjson.open("-", NULL, &output, error);
    maker_begin(&m, &web, 0, 1);
    int entered = output_ndjson.entry(output, maker_end(&m), error), closed = output_ndjson.close(output, NULL, 0, error);
    dup2(before, STDOUT_FILENO);
    close(before);
    maker_free(&m);
    assert_int_equal(opened, 0);
    assert_int_equal(entered, 0);
    assert_int_equal(closed, -EPIPE);
    assert_string_equal(error, "standard output: writing: Broken pipe");
}

/* Nothing may take the place of a device or a pipe. */
static void what_is_no_file_stays_what_it_is(void **state)
{
    (void)state;
    char folder[] = "/tmp/tapeloop-output-XXXXXX", path[64], error[OUTPUT_ERROR_TEXT_MAX], line[8] = "";
    struct entry_maker m = { 0 };
    struct stat status;
    void *output;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    assert_int_equal(output_ndjson.open(path, NULL, &output, error), 0);
    maker_begin(&m, &web, 0, 1);
    assert_int_equal(output_ndjson.entry(output, maker_end(&m), error), 0);
    assert_int_equal(output_ndjson.close(output, NULL, 0, error), 0);
    assert_int_equal(read(reader, line, 1), 1);
    assert_string_equal(line, "{");
    close(reader);
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISFIFO(status.st_mode));
    maker_free(&m);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(defaults_are_left_out), cmocka_unit_test(everything_has_its_place), cmocka_unit_test(fields_are_chosen), cmocka_unit_test(peers_are_not_mixed_up), cmocka_unit_test(bad_names_are_refused),
                                        cmocka_unit_test(large_and_hostile_values), cmocka_unit_test(added_values_have_room), cmocka_unit_test(files_appear_whole), cmocka_unit_test(what_goes_wrong_is_said), cmocka_unit_test(a_broken_pipe_is_an_error),
                                        cmocka_unit_test(what_is_no_file_stays_what_it_is) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
