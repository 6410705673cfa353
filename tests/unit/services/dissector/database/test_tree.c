/* B-trees as SQLite itself reads them: its integrity check and its queries are the oracle. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "services/dissector/database/part_tables.h"
#include "services/dissector/output/output.h"

struct file { char path[64]; int fd; struct part_tables tables; struct part_table *table, *index; };

static void file_open(struct file *f)
{
    char error[OUTPUT_ERROR_TEXT_MAX];
    *f = (struct file){ .path = "/tmp/tapeloop-tree.XXXXXX" };
    f->fd = mkstemp(f->path);
    assert_true(f->fd >= 0);
    if (part_tables_open(&f->tables, f->path, f->fd, "CREATE TABLE t(id INTEGER PRIMARY KEY, number INTEGER NOT NULL, text TEXT NOT NULL); CREATE INDEX t_number ON t(number);", error) < 0)
        fail_msg("%s", error);
    f->table = part_tables_find(&f->tables, "t");
    f->index = part_tables_find(&f->tables, "t_number");
    assert_non_null(f->table);
    assert_non_null(f->index);
    assert_null(part_tables_find(&f->tables, "u"));
}

static sqlite3 *file_finish(struct file *f)
{
    uint8_t digest[DIGEST_BYTES];
    sqlite3 *db;
    assert_int_equal(part_tables_finish(&f->tables, digest), 0);
    part_tables_close(&f->tables);
    close(f->fd);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    return db;
}

static void file_close(struct file *f, sqlite3 *db)
{
    sqlite3_close(db);
    unlink(f->path);
}

static void expect(sqlite3 *db, const char *sql, const char *expected)
{
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), expected);
    sqlite3_finalize(statement);
}

static void add(struct file *f, int64_t id, int64_t number, const char *text, size_t size)
{
    const struct column columns[] = { ROW_ID(), ROW_NUMBER(number), ROW_TEXT(text, (uint32_t)size) };
    assert_int_equal(part_table_add(f->table, id, columns, 3), 0);
    assert_int_equal(tree_add_entry(&f->index->tree, number, id), 0);
}

static void an_empty_table(void **state)
{
    (void)state;
    struct file f;
    file_open(&f);
    sqlite3 *db = file_finish(&f);
    expect(db, "PRAGMA integrity_check", "ok");
    expect(db, "SELECT count(*) FROM t", "0");
    file_close(&f, db);
}

/* One leaf, several leaves, three levels; every count around the places where a page fills. */
static void trees_of_any_height(void **state)
{
    (void)state;
    static char text[6000];
    memset(text, 'x', sizeof text);
    static const struct { int rows; size_t size; } cases[] = { { 1, 10 }, { 2, 6000 }, { 3, 6000 }, { 5, 6000 }, { 1300, 1 }, { 1301, 3 }, { 3000, 20 }, { 7000, 6000 }, { 60000, 2 } };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct file f;
        char expected[32];
        file_open(&f);
        for (int i = 1; i <= cases[k].rows; i++)
            add(&f, i * 3, i / 2, text, cases[k].size);
        sqlite3 *db = file_finish(&f);
        expect(db, "PRAGMA integrity_check", "ok");
        snprintf(expected, sizeof expected, "%d", cases[k].rows);
        expect(db, "SELECT count(*) FROM t NOT INDEXED", expected);
        expect(db, "SELECT count(*) FROM t INDEXED BY t_number WHERE number >= 0", expected);
        snprintf(expected, sizeof expected, "%d", cases[k].rows * 3);
        expect(db, "SELECT max(id) FROM t", expected);
        file_close(&f, db);
    }
}

/* SQLite goes on writing where we stopped. */
static void sqlite_can_write_on(void **state)
{
    (void)state;
    struct file f;
    file_open(&f);
    for (int i = 1; i <= 20000; i++)
        add(&f, i, i, "some text", 9);
    sqlite3 *db = file_finish(&f);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM t WHERE id % 3 = 0; INSERT INTO t(number, text) SELECT number, text FROM t; UPDATE t SET number = -number, text = text || text", NULL, NULL, NULL), SQLITE_OK);
    expect(db, "PRAGMA integrity_check", "ok");
    expect(db, "SELECT count(*) FROM t WHERE text = 'some textsome text' AND number < 0", "26668");
    file_close(&f, db);
}

/* Rows around every boundary between leaf and overflow pages. */
static void rows_larger_than_a_page(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 16300, 16330, 16340, 16341, 16342, 16343, 16344, 16345, 16346, 16347, 16348, 16349, 16350, 16400, 18300, 18400, 18410, 18420, 18430, 32700, 32760, 34700, 34780, 34790, 65536, 131072, 3000000 };
    char *text = malloc(3000000);
    for (size_t i = 0; i < 3000000; i++)
        text[i] = (char)('a' + i % 26);
    struct file f;
    file_open(&f);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        add(&f, (int64_t)i + 1, (int64_t)i, text, sizes[i]);
    sqlite3 *db = file_finish(&f);
    expect(db, "PRAGMA integrity_check", "ok");
    sqlite3_stmt *rows;
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT text FROM t ORDER BY id", -1, &rows, NULL), SQLITE_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(sqlite3_step(rows), SQLITE_ROW);
        assert_int_equal(sqlite3_column_bytes(rows, 0), sizes[i]);
        if (sizes[i])
            assert_memory_equal(sqlite3_column_blob(rows, 0), text, sizes[i]);
    }
    sqlite3_finalize(rows);
    file_close(&f, db);
    free(text);
}

static void numbers_of_every_width(void **state)
{
    (void)state;
    struct file f;
    int64_t numbers[200], count = 0, id = 0;
    file_open(&f);
    for (int bits = 62; bits >= 0; bits--)
        numbers[count++] = -(INT64_C(1) << bits) - (bits == 62 ? 0 : 1);
    numbers[count++] = 0;
    for (int bits = 1; bits <= 62; bits++)
        numbers[count++] = (INT64_C(1) << bits) - 1;
    numbers[count++] = INT64_MAX;
    for (int i = 0; i < count; i++)
        add(&f, id = id * 2 + 1 > (INT64_C(1) << 60) ? id + 1 : id * 2 + 1, numbers[i], "", 0);
    sqlite3 *db = file_finish(&f);
    expect(db, "PRAGMA integrity_check", "ok");
    sqlite3_stmt *rows;
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT number FROM t ORDER BY id", -1, &rows, NULL), SQLITE_OK);
    for (int i = 0; i < count; i++) {
        assert_int_equal(sqlite3_step(rows), SQLITE_ROW);
        assert_true(sqlite3_column_int64(rows, 0) == numbers[i]);
    }
    sqlite3_finalize(rows);
    file_close(&f, db);
}

static void ids_must_ascend(void **state)
{
    (void)state;
    struct file f;
    file_open(&f);
    const struct column columns[] = { ROW_ID(), ROW_NUMBER(1), ROW_TEXT("", 0) };
    assert_int_equal(part_table_add(f.table, 5, columns, 3), 0);
    assert_int_equal(part_table_add(f.table, 5, columns, 3), -EINVAL);
    assert_int_equal(part_table_add(f.table, 4, columns, 3), -EINVAL);
    part_tables_close(&f.tables);
    close(f.fd);
    unlink(f.path);
}

/* At one GiB SQLite keeps a page for its locks: numbers step over it, and overflow pages point over it. */
static void the_lock_page_is_left_out(void **state)
{
    (void)state;
    char path[] = "/tmp/tapeloop-pages.XXXXXX";
    int fd = mkstemp(path);
    const uint32_t lock = (1u << 30) / DATABASE_PAGE_BYTES + 1;
    struct pages pages;
    static uint8_t page[DATABASE_PAGE_BYTES];
    uint32_t number;
    assert_int_equal(pages_open(&pages, fd, lock - 1), 0);
    assert_int_equal(pages_after(lock - 2), lock - 1);
    assert_int_equal(pages_after(lock - 1), lock + 1);
    memset(page, 1, sizeof page);
    assert_int_equal(pages_write(&pages, page, &number), 0);
    assert_int_equal(number, lock - 1);
    assert_int_equal(pages_write(&pages, page, &number), 0);
    assert_int_equal(number, lock + 1);
    assert_int_equal(pages_finish(&pages), 0);
    assert_int_equal(pread(fd, page, sizeof page, (off_t)1 << 30), sizeof page);
    assert_int_equal(page[0], 0);
    assert_int_equal(pread(fd, page, 4, 28), 4);
    assert_int_equal(page[1] << 16 | page[2] << 8 | page[3], lock + 1);
    assert_int_equal(lseek(fd, 0, SEEK_END), (off_t)(lock + 1) * DATABASE_PAGE_BYTES);
    pages_close(&pages);
    close(fd);
    unlink(path);
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    int fd = open("/dev/full", O_RDWR);
    if (fd < 0)
        skip();
    struct pages pages;
    static uint8_t page[DATABASE_PAGE_BYTES];
    assert_int_equal(pages_open(&pages, fd, 2), 0);
    assert_int_equal(pages_write(&pages, page, NULL), 0); /* held */
    assert_int_equal(pages_finish(&pages), -ENOSPC);
    pages_close(&pages);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(an_empty_table), cmocka_unit_test(trees_of_any_height), cmocka_unit_test(sqlite_can_write_on), cmocka_unit_test(rows_larger_than_a_page),
                                        cmocka_unit_test(numbers_of_every_width), cmocka_unit_test(ids_must_ascend), cmocka_unit_test(the_lock_page_is_left_out), cmocka_unit_test(a_full_disk_is_an_error) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
