#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "services/dissector/database/digest.h"
#include "services/dissector/database/schema.h"
#include "services/dissector/database/sqlite_output.h"
#include "tests/unit/services/dissector/database/web_schema.h"

#define BAD "\xef\xbf\xbd"

struct folder { char path[40], file[64], error[OUTPUT_ERROR_TEXT_MAX]; struct sqlite_output *output; struct entry_maker m; };

static int set_up(void **state)
{
    struct folder *f = calloc(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/tapeloop-database.XXXXXX");
    if (!mkdtemp(f->path))
        return -1;
    snprintf(f->file, sizeof f->file, "%s/calls.db", f->path);
    *state = f;
    return 0;
}

static unsigned files_in(const char *path, bool remove)
{
    DIR *dir = opendir(path);
    unsigned count = 0;
    for (struct dirent *d; (d = readdir(dir));)
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0) {
            count++;
            if (remove)
                unlinkat(dirfd(dir), d->d_name, 0);
        }
    closedir(dir);
    return count;
}

static int tear_down(void **state)
{
    struct folder *f = *state;
    files_in(f->path, true);
    rmdir(f->path);
    maker_free(&f->m);
    free(f);
    return 0;
}

static void start(struct folder *f, uint64_t part_rows)
{
    if (sqlite_output_open(f->file, web_protocols, WEB_PROTOCOLS, part_rows, &f->output, f->error) < 0)
        fail_msg("%s", f->error);
}

static void put(struct folder *f)
{
    if (sqlite_output_entry(f->output, maker_end(&f->m), f->error) < 0)
        fail_msg("%s", f->error);
}

static void finish(struct folder *f)
{
    if (sqlite_output_close(f->output, (const struct output_counter[]){ { "packets", 12 }, { "entries", 99 } }, 2, f->error) < 0)
        fail_msg("%s", f->error);
}

static sqlite3 *reopen(const char *path)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    web_expect(db, "PRAGMA integrity_check", "ok");
    return db;
}

static void every_type_comes_back(void **state)
{
    struct folder *f = *state;
    struct entry_maker *m = &f->m;
    start(f, 100);
    web_begin(m, WEB_HTTP, 1);
    m->head.status = 404;
    m->head.elapsed_ns = 1500;
    m->head.duration_ns = 2000;
    m->head.incomplete = GAP;
    m->head.flags = RECORD_MAYBE_COPY;
    m->head.tuple.source_port = 40000;
    m->head.tuple.destination_port = 80;
    m->head.request_at = (struct place){ 0, 3 };
    m->source = (struct peer){ 7, "::1", "web", "shop", "web-1", "shop-pods", "web-svc", "shop-svc", "web.example", "curl" };
    m->entry.request_segment = "n/1/0/2";
    m->entry.node = "node-a";
    m->entry.connection = 5;
    maker_summary(m, "GET /x", 6);
    maker_string(m, WEB_METHOD, "GET");
    maker_string(m, WEB_PATH, "/x");
    maker_texts(m, WEB_HEADERS, (const char *const[]){ "host", "a\"b", "x", "" }, 4);
    maker_string(m, WEB_BODY, "body");
    maker_int(m, WEB_SIZE, -5);
    maker_int(m, WEB_STATUS, 0);
    maker_bool(m, WEB_FINE, false);
    maker_texts(m, WEB_PARTS, (const char *const[]){ "p", "q" }, 2);
    put(f);
    web_begin(m, WEB_DNS, 2);
    maker_int(m, 0, 4711);
    put(f);
    finish(f);
    sqlite3 *db = reopen(f->file);
    web_expect(db, "SELECT id, protocol, timestamp, elapsed_time, duration, status_code, incomplete, maybe_copy, one_way, conn_id, node_name, summary, \"request_at.segment\", \"request_at.frame\", \"response_at.frame\" FROM calls WHERE id = 1",
               "1|HTTP|2023-11-14T22:13:20.000000001Z|1|2|404|gap|1|0|5|node-a|GET /x|n/1/0/2|3|0");
    web_expect(db, "SELECT \"src.ip\", \"src.port\", \"src.name\", \"src.namespace\", \"src.pod.name\", \"src.pod.namespace\", \"src.service.name\", \"src.service.namespace\", \"src.dns\", \"src.process\", \"dst.ip\", \"dst.port\" FROM calls WHERE id = 1",
               "::1|40000|web|shop|web-1|shop-pods|web-svc|shop-svc|web.example|curl|10.0.0.2|80");
    web_expect(db, "SELECT method, path, \"request.headers\", \"request.body\", request_body_size, grpc_status, fine, parts FROM calls", "GET|/x|{\"host\":\"a\\\"b\",\"x\":\"\"}|body|-5|0|0|[\"p\",\"q\"]\n||{}||0|-1|1|[]");
    web_expect(db, "SELECT dns_id, protocol FROM calls WHERE id = 2", "4711|DNS");
    web_expect(db, "SELECT name, value FROM info WHERE name NOT LIKE 'sha%' ORDER BY name", "entries|2\npackets|12\npart|1\nparts|1\nschema_version|1");
    web_expect(db, "PRAGMA user_version", "1");
    sqlite3_close(db);
    assert_int_equal(database_verify(f->file, f->error), 0);
}

static void defaults_where_nothing_was_said(void **state)
{
    struct folder *f = *state;
    start(f, 100);
    web_begin(&f->m, WEB_HTTP, 1);
    maker_texts(&f->m, WEB_PARTS, NULL, 0);
    put(f);
    finish(f);
    sqlite3 *db = reopen(f->file);
    web_expect(db, "SELECT * FROM web", "1|0|-1|1||{}|[]|");
    web_expect(db, "SELECT count(*) FROM pragma_table_info('web') WHERE \"notnull\" = 0 AND pk = 0", "0");
    web_expect(db, "SELECT count(*) FROM pragma_table_info('entry') WHERE \"notnull\" = 0 AND pk = 0", "0");
    sqlite3_close(db);
}

static void hostile_bytes_become_clean_texts(void **state)
{
    struct folder *f = *state;
    struct entry_maker *m = &f->m;
    char *large = malloc(65536);
    memset(large, '"', 65536);
    large[65535] = '\0';
    start(f, 100);
    web_begin(m, WEB_HTTP, 1);
    maker_text(m, WEB_METHOD, "G\0T", 3);
    maker_text(m, WEB_PATH, "/\xff\xc3\xa9", 4);
    maker_texts(m, WEB_HEADERS, (const char *const[]){ "\x80\x01", large }, 2);
    maker_text(m, WEB_BODY, large, 65536);
    maker_summary(m, "\xc3(", 2);
    m->source.dns = "bad\xfe" "name";
    m->entry.node = "\xff";
    put(f);
    web_begin(m, WEB_HTTP, 2);
    maker_text(m, WEB_PATH, "/\xfe\xc3\xa9", 4); /* the same once clean */
    put(f);
    finish(f);
    free(large);
    sqlite3 *db = reopen(f->file);
    web_expect(db, "SELECT method, path, summary, \"src.dns\", node_name, length(\"request.body\"), length(CAST(\"request.body\" AS BLOB)), substr(\"request.body\", 65536) FROM calls WHERE id = 1",
               "G" BAD "T|/" BAD "\xc3\xa9|" BAD "(|bad" BAD "name|" BAD "|65536|65538|" BAD);
    web_expect(db, "SELECT json_valid(\"request.headers\"), (SELECT key || length(value) FROM json_each(\"request.headers\")) FROM calls WHERE id = 1", "1|" BAD "\x01" "65535");
    web_expect(db, "SELECT count(DISTINCT path) FROM entry", "1");
    sqlite3_close(db);
    assert_int_equal(database_verify(f->file, f->error), 0);
}

/* Paths are numbered by their names, protocols by how many entries they have. */
static void numbers_that_filters_stand_on(void **state)
{
    struct folder *f = *state;
    static const char *const paths[] = { "/b", "/a", "", "/a/z", "/B", "/a" };
    start(f, 100);
    for (unsigned i = 0; i < 6; i++) {
        web_begin(&f->m, i == 2 ? WEB_DNS : i == 3 ? WEB_GRPC : WEB_HTTP, i + 1);
        f->m.head.status = i == 1 ? 500 : 200;
        f->m.entry.connection = 6 - i;
        if (i != 2)
            maker_string(&f->m, WEB_PATH, paths[i]);
        put(f);
    }
    finish(f);
    sqlite3 *db = reopen(f->file);
    web_expect(db, "SELECT id, name FROM path", "0|\n1|/B\n2|/a\n3|/a/z\n4|/b");
    web_expect(db, "SELECT id, name FROM protocol", "1|HTTP\n2|DNS\n3|GRPC");
    web_expect(db, "SELECT id, path, protocol FROM entry", "1|4|1\n2|2|1\n3|0|2\n4|3|3\n5|1|1\n6|2|1");
    web_expect(db, "SELECT group_concat(id) FROM entry INDEXED BY entry_path WHERE path BETWEEN 2 AND 3", "2,6,4");
    web_expect(db, "SELECT group_concat(id) FROM entry INDEXED BY entry_connection WHERE connection < 4", "6,5,4");
    web_expect(db, "SELECT group_concat(id) FROM entry INDEXED BY entry_error WHERE status >= 400", "2");
    web_expect(db, "SELECT group_concat(id) FROM entry INDEXED BY entry_rare WHERE protocol > 1", "3,4");
    web_expect(db, "SELECT count(*) FROM entry INDEXED BY entry_src WHERE src = 1", "6");
    web_expect(db, "SELECT count(*) FROM entry INDEXED BY entry_dst WHERE dst = 2", "6");
    web_expect(db, "SELECT id, first, last, status_least, status_greatest, path_least, path_greatest, connection_least, connection_greatest, protocols FROM zone", "1|1|6|200|500|0|4|1|6|14");
    sqlite3_close(db);
}

/* What a part has is the same whatever SQLite would count from its rows. */
static void zones_and_indexes_tell_the_truth(void **state)
{
    struct folder *f = *state;
    uint64_t random = 1;
    start(f, 100000);
    for (uint64_t id = 1; id <= 20000; id++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        char path[32];
        snprintf(path, sizeof path, "/%llu", (unsigned long long)(random >> 50));
        web_begin(&f->m, random >> 33 & 7 ? WEB_HTTP : WEB_DNS, id);
        f->m.head.status = (int32_t)(random >> 40 & 511);
        f->m.head.elapsed_ns = (int64_t)(random >> 20);
        f->m.source.number = 1 + (random >> 35 & 1023);
        f->m.destination.number = 2000 + (random >> 25 & 4095);
        f->m.entry.connection = random >> 45 & 65535;
        if (f->m.head.protocol == WEB_HTTP)
            maker_string(&f->m, WEB_PATH, path);
        put(f);
    }
    finish(f);
    sqlite3 *db = reopen(f->file); /* its check compares indexes with rows */
    web_expect(db, "SELECT count(*) FROM zone", "5");
    web_expect(db, "SELECT count(*) FROM zone z WHERE EXISTS (SELECT 1 FROM entry e WHERE e.id BETWEEN z.first AND z.last AND (e.status < status_least OR e.status > status_greatest OR e.src < src_least OR e.dst > dst_greatest"
                   " OR e.path < path_least OR e.elapsed > elapsed_greatest OR e.timestamp < timestamp_least OR NOT (z.protocols >> e.protocol & 1)))", "0");
    web_expect(db, "SELECT count(*) FROM zone z WHERE status_greatest = (SELECT max(status) FROM entry WHERE id BETWEEN first AND last) AND path_greatest = (SELECT max(path) FROM entry WHERE id BETWEEN first AND last)", "5");
    web_expect(db, "SELECT count(*) FROM path a JOIN path b ON b.id = a.id + 1 WHERE a.name >= b.name", "0");
    static const struct { int number; const char *column; } slices[] = { { SLICE_PROTOCOL, "protocol" }, { SLICE_STATUS, "status" }, { SLICE_SRC, "src" }, { SLICE_DST, "dst" }, { SLICE_PATH, "path" } };
    web_expect(db, "SELECT count(*) FROM slice", "25");
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
        char sql[512];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM entry e JOIN zone z ON e.id BETWEEN z.first AND z.last JOIN slice s ON s.id = z.id * %d + %d"
                 " WHERE hex(substr(s.packed, (e.id - z.first) * s.width + 1, s.width)) = substr(printf('%%02X%%02X', e.%s - s.least & 255, e.%s - s.least >> 8), 1, s.width * 2)",
                 DATABASE_SLICE_STEP, slices[i].number, slices[i].column, slices[i].column);
        web_expect(db, sql, "20000");
    }
    sqlite3_close(db);
}

/* With a condition on what is kept, or a limit, ids may have holes. */
static void ids_with_holes(void **state)
{
    struct folder *f = *state;
    start(f, 10000);
    for (uint64_t id = 5; id <= 30000; id += 1 + id % 4) {
        web_begin(&f->m, WEB_HTTP, id);
        f->m.entry.connection = id % 7;
        put(f);
    }
    finish(f);
    sqlite3 *db = reopen(f->file);
    web_expect(db, "SELECT count(*) = (SELECT count(*) FROM entry NOT INDEXED WHERE connection = 3) FROM entry INDEXED BY entry_connection WHERE connection = 3", "1");
    web_expect(db, "SELECT count(*) = (SELECT count(*) FROM zone) FROM slice WHERE id % 8 = 5", "1");
    web_expect(db, "SELECT count(*) FROM entry e JOIN zone z ON e.id BETWEEN z.first AND z.last JOIN slice s ON s.id = z.id * 8 + 5 WHERE instr(hex(s.packed), printf('%02X%02X', e.id - s.least & 255, e.id - s.least >> 8)) = 0", "0");
    web_expect(db, "SELECT count(*) FROM zone z WHERE (SELECT count(*) FROM entry WHERE id BETWEEN first AND last) = 4096", "1");
    sqlite3_close(db);
    assert_int_equal(database_verify(f->file, f->error), 0);
}

static void parts_of_exactly_so_many(void **state)
{
    struct folder *f = *state;
    start(f, 10);
    for (uint64_t id = 1; id <= 25; id++) {
        web_begin(&f->m, WEB_HTTP, id);
        put(f);
    }
    assert_int_equal(access(f->file, F_OK), -1);
    finish(f);
    assert_int_equal(files_in(f->path, false), 3);
    for (uint32_t part = 1; part <= 3; part++) {
        char path[128], expected[64];
        database_part_path(f->file, part, path, sizeof path);
        sqlite3 *db = reopen(path);
        snprintf(expected, sizeof expected, "%u|%u|%u", part * 10 - 9, part == 3 ? 25 : part * 10, part == 3 ? 5 : 10);
        web_expect(db, "SELECT min(id), max(id), count(*) FROM calls", expected);
        snprintf(expected, sizeof expected, "part|%u\nparts|3", part);
        web_expect(db, "SELECT name, value FROM info WHERE name LIKE 'part%' ORDER BY name", expected);
        web_expect(db, "SELECT count(*) FROM info WHERE name IN ('packets', 'sha256_all')", part == 1 ? "2" : "0");
        sqlite3_close(db);
        assert_int_equal(database_verify(path, f->error), 0);
    }
    char digest[DIGEST_HEX_MAX], again[DIGEST_HEX_MAX], second[80];
    assert_int_equal(database_all_digest(f->file, digest, f->error), 0);
    assert_int_equal(database_all_verify(f->file, f->error), 0);
    database_part_path(f->file, 2, second, sizeof second);
    assert_int_equal(database_all_digest(second, again, f->error), -EBADMSG);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(second, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM entry WHERE id = 15", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(database_all_verify(f->file, f->error), -EBADMSG);
    unlink(second);
    assert_int_equal(database_all_verify(f->file, f->error), -ENOENT);
}

static void nothing_at_all_is_a_database_too(void **state)
{
    struct folder *f = *state;
    start(f, 10);
    finish(f);
    sqlite3 *db = reopen(f->file);
    web_expect(db, "SELECT count(*) FROM calls", "0");
    sqlite3_close(db);
    assert_int_equal(database_verify(f->file, f->error), 0);
}

static void abandoned_nothing_is_left(void **state)
{
    struct folder *f = *state;
    start(f, 2);
    for (uint64_t id = 1; id <= 5; id++) {
        web_begin(&f->m, WEB_HTTP, id);
        put(f);
    }
    assert_int_equal(files_in(f->path, false), 3);
    sqlite_output_abandon(f->output);
    assert_int_equal(files_in(f->path, false), 0);
    sqlite_output_abandon(NULL);
}

static void rows(struct folder *f, int change)
{
    start(f, 1000);
    for (uint64_t id = 1; id <= 300; id++) {
        web_begin(&f->m, id % 3 ? WEB_HTTP : WEB_DNS, id);
        f->m.head.status = change == 1 && id == 200 ? 201 : 200;
        if (id % 3) {
            maker_string(&f->m, WEB_PATH, change == 2 && id == 1 ? "/other" : "/x");
            maker_string(&f->m, WEB_BODY, change == 3 && id == 299 ? "bodies" : "body");
        }
        if (change == 4)
            f->m.source.process = "curl";
        if (!(change == 5 && id == 300))
            put(f);
    }
    finish(f);
}

static void equal_rows_have_equal_digests(void **state)
{
    struct folder *f = *state;
    char first[DIGEST_HEX_MAX], other[DIGEST_HEX_MAX];
    rows(f, 0);
    assert_int_equal(database_digest(f->file, first, f->error), 0);
    rows(f, 0);
    assert_int_equal(database_digest(f->file, other, f->error), 0);
    assert_string_equal(first, other);
    /* Another layout of the same rows. */
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA page_size = 512; VACUUM", NULL, NULL, NULL), SQLITE_OK);
    web_expect(db, "PRAGMA page_size", "512");
    sqlite3_close(db);
    assert_int_equal(database_digest(f->file, other, f->error), 0);
    assert_string_equal(first, other);
    assert_int_equal(database_verify(f->file, f->error), 0);
    for (int change = 1; change <= 5; change++) {
        rows(f, change);
        assert_int_equal(database_digest(f->file, other, f->error), 0);
        assert_string_not_equal(first, other);
    }
}

static void a_changed_row_is_found(void **state)
{
    struct folder *f = *state;
    rows(f, 0);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE web SET method = 'PUT' WHERE id = 100", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(database_verify(f->file, f->error), -EBADMSG);
    assert_non_null(strstr(f->error, "its rows have SHA-256"));
    assert_int_equal(truncate(f->file, 100), 0);
    assert_int_equal(database_verify(f->file, f->error), -EBADMSG);
    assert_int_equal(database_verify("/nowhere", f->error), -ENOENT);
}

static void what_goes_wrong_is_said(void **state)
{
    struct folder *f = *state;
    assert_int_equal(sqlite_output_open("/nowhere/at/all", web_protocols, WEB_PROTOCOLS, 10, &f->output, f->error), -ENOENT);
    assert_string_equal(f->error, "/nowhere/at/all: opening: No such file or directory");
    assert_int_equal(sqlite_output_open("-", web_protocols, WEB_PROTOCOLS, 10, &f->output, f->error), -EINVAL);
    start(f, 10);
    web_begin(&f->m, WEB_HTTP, 2);
    put(f);
    web_begin(&f->m, WEB_HTTP, 2);
    assert_int_equal(sqlite_output_entry(f->output, maker_end(&f->m), f->error), -EINVAL);
    sqlite_output_abandon(f->output);
}

/* In a file system of 1 MiB, where the machine lets a test have one. 77: it does not. */
static int fill_small_disk(struct folder *f)
{
    if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return 77;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("small", f->path, "tmpfs", 0, "size=1m") < 0)
        return 77;
    char body[4096];
    memset(body, 'x', sizeof body);
    struct sqlite_output *output;
    int r = sqlite_output_open(f->file, web_protocols, WEB_PROTOCOLS, 100000, &output, f->error);
    for (uint64_t id = 1; id <= 1000 && r == 0; id++) {
        web_begin(&f->m, WEB_HTTP, id);
        maker_text(&f->m, WEB_BODY, body, sizeof body);
        r = sqlite_output_entry(output, maker_end(&f->m), f->error);
    }
    if (r != -ENOSPC || !strstr(f->error, "calls.db: writing an entry: No space left on device"))
        return 1;
    sqlite_output_abandon(output);
    return files_in(f->path, false) == 0 ? 0 : 2;
}

static void a_full_disk_is_said_and_leaves_nothing(void **state)
{
    struct folder *f = *state;
    pid_t child = fork();
    if (child == 0)
        _exit(fill_small_disk(f));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* The registry's own tables make a schema, and the driver a database of them. */
static void the_driver_with_all_protocols(void **state)
{
    struct folder *f = *state;
    void *output;
    if (output_sqlite.open(f->file, NULL, &output, f->error) < 0)
        fail_msg("%s", f->error);
    assert_int_equal(output_sqlite.close(output, NULL, 0, f->error), 0);
    sqlite3 *db = reopen(f->file);
    web_expect(db, "SELECT count(*) FROM calls", "0");
    sqlite3_close(db);
    assert_int_equal(output_sqlite.open(f->file, NULL, &output, f->error), 0);
    output_sqlite.abandon(output);
    assert_int_equal(files_in(f->path, false), 1);
}

static bool count_down(void *context)
{
    int *left = context;
    return --*left > 0;
}

/* Who watches is asked between the steps of finishing a part, and may end it. */
static void long_steps_are_watched(void **state)
{
    struct folder *f = *state;
    void *output;
    int left = 1000;
    assert_int_equal(output_sqlite.open(f->file, NULL, &output, f->error), 0);
    output_sqlite.watch(output, count_down, &left);
    assert_int_equal(output_sqlite.close(output, NULL, 0, f->error), 0);
    assert_in_range(1000 - left, 8, 20);
    assert_int_equal(unlink(f->file), 0);
    left = 5;
    assert_int_equal(output_sqlite.open(f->file, NULL, &output, f->error), 0);
    output_sqlite.watch(output, count_down, &left);
    assert_int_equal(output_sqlite.close(output, NULL, 0, f->error), -ECANCELED);
    assert_int_equal(files_in(f->path, false), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_type_comes_back), TEST(defaults_where_nothing_was_said), TEST(hostile_bytes_become_clean_texts), TEST(numbers_that_filters_stand_on), TEST(zones_and_indexes_tell_the_truth),
        TEST(ids_with_holes), TEST(parts_of_exactly_so_many), TEST(nothing_at_all_is_a_database_too), TEST(abandoned_nothing_is_left), TEST(equal_rows_have_equal_digests), TEST(a_changed_row_is_found),
        TEST(what_goes_wrong_is_said), TEST(a_full_disk_is_said_and_leaves_nothing), TEST(the_driver_with_all_protocols), TEST(long_steps_are_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
