/* Pages and groups over several live databases: when the answer has a cursor. The shelf is made up here, and so is what time it is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "services/dissector/answers/live_calls.h"
#include "services/dissector/database/sqlite_output.h"
#include "services/dissector/live/live.h"
#include "services/dissector/protocols/http/http_fields.h"
#include "tests/support/entry_maker.h"

#define FILES 3u
#define ENTRIES 5u                      /* of each */

static struct { char folder[64]; int64_t later_s; unsigned slow_after; uint32_t files, gone /* this one is removed once it was found */; } fake;

/* In place of libc's. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret);
    ret->tv_sec += fake.later_s;
    return r;
}

struct live;
struct shelf *live_shelf(struct live *live) { return (struct shelf *)live; }
const char *live_node(const struct live *live)
{
    (void)live;
    return "node-a";
}
int live_tell(struct live *live, Tapeloop__V1__LiveStatus *ret)
{
    (void)live, (void)ret;
    return -ENOMEM;
}

/* After so many looks, each takes a minute. */
bool shelf_find(struct shelf *shelf, uint32_t from, uint32_t *ret_number, char path[static SHELF_PATH_MAX])
{
    (void)shelf;
    if (fake.slow_after > 0 && --fake.slow_after == 0)
        fake.later_s += 60;
    if (fake.files == 0 || from > fake.files)
        return false;
    *ret_number = from ? from : 1;
    snprintf(path, SHELF_PATH_MAX, *ret_number == fake.gone ? "%s/gone-%u.sqlite" : "%s/calls-%u.sqlite", fake.folder, *ret_number);
    return true;
}

void shelf_status(struct shelf *shelf, struct shelf_status *ret)
{
    (void)shelf;
    *ret = (struct shelf_status){ .first = fake.files ? 1 : 0, .last = fake.files, .files = fake.files };
}

static int setup(void **state)
{
    (void)state;
    char error[OUTPUT_ERROR_TEXT_MAX], path[128];
    struct entry_maker m = { 0 };
    snprintf(fake.folder, sizeof fake.folder, "/tmp/test_live_calls.XXXXXX");
    assert_non_null(mkdtemp(fake.folder));
    for (unsigned file = 1; file <= FILES; file++) {
        struct sqlite_output *output;
        snprintf(path, sizeof path, "%s/calls-%u.sqlite", fake.folder, file);
        assert_int_equal(sqlite_output_open(path, protocols, protocols_count, 1000, &output, error), 0);
        for (uint64_t id = 1; id <= ENTRIES; id++) {
            maker_begin(&m, protocols[0], 0, id);
            m.head.status = id == ENTRIES ? 404 : 200;
            assert_int_equal(sqlite_output_entry(output, maker_end(&m), error), 0);
        }
        assert_int_equal(sqlite_output_close(output, NULL, 0, error), 0);
    }
    maker_free(&m);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", fake.folder);
    return system(command);
}
static int reset(void **state)
{
    (void)state;
    fake.files = FILES;
    fake.slow_after = 0;
    fake.gone = 0;
    return 0;
}

static Tapeloop__V1__CallsReply *ask_for(char *field, char *group, uint32_t limit, char *cursor, uint64_t id)
{
    static int there;
    struct service service = { .live = (struct live *)&there };
    Tapeloop__V1__CallsQuery query = TAPELOOP__V1__CALLS_QUERY__INIT;
    Tapeloop__V1__CallsReply *reply = WIRE_NEW(Tapeloop__V1__CallsReply, tapeloop__v1__calls_reply__descriptor);
    assert_non_null(reply);
    query.live = true;
    query.limit = limit;
    query.cursor = cursor;
    query.n_group_by = group ? 1 : 0;
    query.group_by = &group;
    query.n_fields = field ? 1 : 0;
    query.fields = &field;
    query.id = id;
    live_calls_forward(&service, &query, reply);
    return reply;
}
static Tapeloop__V1__CallsReply *ask(char *group, uint32_t limit, char *cursor)
{
    Tapeloop__V1__CallsReply *reply = ask_for(NULL, group, limit, cursor, 0);
    if (reply->error)
        fail_msg("%s: %s", reply->error->code, reply->error->message);
    return reply;
}
static void check(char *group, uint32_t limit, char *cursor, size_t rows, uint64_t looked, const char *expected)
{
    Tapeloop__V1__CallsReply *reply = ask(group, limit, cursor);
    assert_int_equal(reply->n_rows, rows);
    assert_int_equal(reply->looked, looked);
    assert_string_equal(reply->cursor, expected);
    wire_free(reply);
}

/* Calls go on with those that come: there is always a cursor. */
static void pages_go_on(void **state)
{
    (void)state;
    check(NULL, 7, "", 7, 7, "2.2");
    check(NULL, 7, "2.2", 7, 7, "3.4");
    check(NULL, 7, "3.4", 1, 1, "4.0");
    check(NULL, 7, "4.0", 0, 0, "4.0");
    fake.slow_after = 2;
    check(NULL, 100, "", 10, 10, "3.0");
}

/* Groups are of what is there: once they have seen all, nothing follows. */
static void groups_that_are_whole_have_no_cursor(void **state)
{
    (void)state;
    check("status_code", 0, "", 2, 15, "");
    check("status_code", 1, "", 1, 15, "");
    fake.files = 0;
    check("status_code", 0, "", 0, 0, "");
}

static void groups_of_a_part_have_one(void **state)
{
    (void)state;
    fake.slow_after = 2;
    check("status_code", 0, "", 2, 10, "3.0");
    check("status_code", 0, "3.0", 2, 5, "");
    fake.slow_after = 3; /* over with the last file: nothing is missing */
    check("status_code", 0, "", 2, 15, "");
}

/* The oldest make room while they are asked. */
static void files_may_go_meanwhile(void **state)
{
    (void)state;
    fake.gone = 1;
    check(NULL, 7, "", 7, 7, "3.2");
    check("status_code", 0, "", 2, 10, "");
    fake.gone = 2;
    check(NULL, 7, "2.2", 5, 5, "4.0");
}

/* The folder was emptied, and numbers begin anew: to wait for those of the cursor would be to miss all that comes until then. */
static void a_cursor_of_what_is_gone_is_refused(void **state)
{
    (void)state;
    check(NULL, 7, "4.0", 0, 0, "4.0");
    Tapeloop__V1__CallsReply *reply = ask_for(NULL, NULL, 7, "5.0", 0);
    assert_non_null(reply->error);
    assert_string_equal(reply->error->code, "invalid");
    wire_free(reply);
    fake.files = 0;
    check(NULL, 7, "", 0, 0, "0.0");
    check(NULL, 7, "1.0", 0, 0, "1.0");
}

/* Numbers begin at 1: the first of a file with no entry's number behind it is nobody's. */
static void no_entry_is_number_0(void **state)
{
    (void)state;
    static const uint64_t ids[] = { UINT64_C(1) << 32, UINT64_C(3) << 32, (UINT64_C(1) << 32) + ENTRIES + 1, 1 };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        Tapeloop__V1__CallsReply *reply = ask_for(NULL, NULL, 0, "", ids[i]);
        assert_non_null(reply->error);
        assert_string_equal(reply->error->code, "not_found");
        assert_int_equal(reply->n_rows, 0);
        wire_free(reply);
    }
}

/* Three entries, the middle one all quotes, which double twice: the others can be had, and so can it without its bodies. */
static void make_large(void)
{
    static char body[64 * 1024];
    char error[OUTPUT_ERROR_TEXT_MAX], path[128];
    struct entry_maker m = { 0 };
    struct sqlite_output *output;
    memset(body, '"', sizeof body - 1);
    snprintf(path, sizeof path, "%s/gone-3.sqlite", fake.folder);
    assert_int_equal(sqlite_output_open(path, protocols, protocols_count, 1000, &output, error), 0);
    for (uint64_t id = 1; id <= 3; id++) {
        maker_begin(&m, protocols[0], 0, id);
        maker_string(&m, HTTP_REQUEST_BODY, id == 2 ? body : "");
        maker_string(&m, HTTP_RESPONSE_BODY, id == 2 ? body : "");
        assert_int_equal(sqlite_output_entry(output, maker_end(&m), error), 0);
    }
    assert_int_equal(sqlite_output_close(output, NULL, 0, error), 0);
    maker_free(&m);
}

static void an_entry_larger_than_a_message(void **state)
{
    char all[] = "*", fewer[] = "id";
    (void)state;
    make_large();
    fake.gone = 3;
    Tapeloop__V1__CallsReply *reply = ask_for(all, NULL, 100, "2.4", 0); /* what stands before it comes */
    assert_null(reply->error);
    assert_int_equal(reply->n_rows, 2);
    assert_string_equal(reply->cursor, "3.1");
    wire_free(reply);
    reply = ask_for(all, NULL, 100, "3.1", 0); /* itself cannot, and what to do is said */
    assert_string_equal(reply->error->code, "invalid");
    assert_non_null(strstr(reply->error->message, "fewer fields"));
    assert_non_null(strstr(reply->error->message, "3.2"));
    wire_free(reply);
    reply = ask_for(all, NULL, 100, "3.2", 0);
    assert_null(reply->error);
    assert_int_equal(reply->n_rows, 1);
    wire_free(reply);
    reply = ask_for(fewer, NULL, 100, "3.0", 0);
    assert_int_equal(reply->n_rows, 3);
    wire_free(reply);
    reply = ask_for(NULL, NULL, 0, "", UINT64_C(3) << 32 | 2);
    assert_string_equal(reply->error->code, "invalid");
    assert_non_null(strstr(reply->error->message, "calls"));
    wire_free(reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test_setup(pages_go_on, reset), cmocka_unit_test_setup(groups_that_are_whole_have_no_cursor, reset), cmocka_unit_test_setup(groups_of_a_part_have_one, reset),
                                        cmocka_unit_test_setup(files_may_go_meanwhile, reset), cmocka_unit_test_setup(an_entry_larger_than_a_message, reset),
                                        cmocka_unit_test_setup(a_cursor_of_what_is_gone_is_refused, reset), cmocka_unit_test_setup(no_entry_is_number_0, reset) };
    return cmocka_run_group_tests(tests, setup, teardown);
}
