#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "services/dissector/database/memory.h"
#include "services/dissector/database/schema.h"
#include "tests/unit/services/dissector/database/web_schema.h"

static char error[OUTPUT_ERROR_TEXT_MAX];

static struct database_memory *memory_new(void)
{
    struct database_memory *memory;
    if (database_memory_open(web_protocols, WEB_PROTOCOLS, &memory, error) < 0)
        fail_msg("%s", error);
    return memory;
}

static void add(struct database_memory *memory, struct entry_maker *m, uint8_t protocol, uint64_t id, const char *path)
{
    web_begin(m, protocol, id);
    if (path)
        maker_string(m, WEB_PATH, path);
    if (database_memory_add(memory, maker_end(m), error) < 0)
        fail_msg("%s", error);
}

static void filled_asked_and_emptied(void **state)
{
    (void)state;
    struct database_memory *memory = memory_new();
    struct entry_maker m = { 0 };
    sqlite3 *db = database_memory_handle(memory);
    sqlite3_stmt *kept;
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM calls WHERE path = '/b'", -1, &kept, NULL), SQLITE_OK);
    for (int round = 0; round < 3; round++) {
        add(memory, &m, WEB_HTTP, 10, "/b");
        add(memory, &m, WEB_HTTP, 12, "/a");
        add(memory, &m, WEB_DNS, 15, NULL);
        assert_int_equal(database_memory_ready(memory, error), 0);
        web_expect(db, "SELECT id, protocol, path, grpc_status, dns_id, \"src.ip\" FROM calls", "10|HTTP|/b|-1|0|10.0.0.1\n12|HTTP|/a|-1|0|10.0.0.1\n15|DNS||-1|0|10.0.0.1");
        int64_t first, last;
        assert_int_equal(database_path_range(db, "/b", 2, false, &first, &last), 0);
        assert_int_equal(first, 2);
        assert_int_equal(last, 2);
        assert_int_equal(sqlite3_step(kept), SQLITE_ROW);
        assert_int_equal(sqlite3_column_int(kept, 0), 1);
        sqlite3_reset(kept);
        assert_int_equal(database_memory_clear(memory, error), 0);
        web_expect(db, "SELECT count(*) FROM calls", "0");
        web_expect(db, "SELECT (SELECT count(*) FROM peer) + (SELECT count(*) FROM path) + (SELECT count(*) FROM web) + (SELECT count(*) FROM protocol)", "0");
    }
    sqlite3_finalize(kept);
    database_memory_close(memory);
    maker_free(&m);
}

static void ready_or_cleared_without_entries(void **state)
{
    (void)state;
    struct database_memory *memory = memory_new();
    struct entry_maker m = { 0 };
    assert_int_equal(database_memory_ready(memory, error), 0);
    assert_int_equal(database_memory_clear(memory, error), 0);
    add(memory, &m, WEB_HTTP, 1, "/a");
    assert_int_equal(database_memory_clear(memory, error), 0); /* never ready */
    add(memory, &m, WEB_HTTP, 1, "/a");
    assert_int_equal(database_memory_ready(memory, error), 0);
    web_expect(database_memory_handle(memory), "SELECT id, path FROM calls", "1|/a");
    database_memory_close(memory);
    database_memory_close(NULL);
    maker_free(&m);
}

static void ids_ascend_and_room_has_an_end(void **state)
{
    (void)state;
    struct database_memory *memory = memory_new();
    struct entry_maker m = { 0 };
    add(memory, &m, WEB_HTTP, 5, "/a");
    web_begin(&m, WEB_HTTP, 5);
    assert_int_equal(database_memory_add(memory, maker_end(&m), error), -EINVAL);
    for (uint64_t id = 6; id < 5 + DATABASE_MEMORY_ENTRIES_MAX; id++)
        add(memory, &m, WEB_DNS, id, NULL);
    web_begin(&m, WEB_HTTP, 1000000);
    assert_int_equal(database_memory_add(memory, maker_end(&m), error), -ENOSPC);
    assert_int_equal(database_memory_ready(memory, error), 0);
    web_expect(database_memory_handle(memory), "SELECT count(*) FROM names", "65535");
    database_memory_close(memory);
    maker_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(filled_asked_and_emptied), cmocka_unit_test(ready_or_cleared_without_entries), cmocka_unit_test(ids_ascend_and_room_has_an_end) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
