/* The live switch: heard, read again, read at each connection; wrong values change nothing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "jobs/live_switch.h"
#include "tests/support/nats_server.h"

static _Atomic int enabled;
static _Atomic unsigned changes, ignored;

static void on_switch(void *context, bool on)
{
    (void)context;
    atomic_store(&enabled, on);
    atomic_fetch_add(&changes, 1);
}

#define KEY "tap.capture.raw.enabled"

static void ignore(void *context, const char *key)
{
    (void)context;
    assert_string_equal(key, KEY);
    atomic_fetch_add(&ignored, 1);
}

static void put(struct bus *bus, const char *value)
{
    support_wait(bus_kv_put(bus, LIVE_SWITCH_BUCKET, KEY, value, strlen(value), NULL) == 0);
}

static void test_parse(void **state)
{
    (void)state;
    bool on = false;
    assert_int_equal(0, live_switch_parse(" true\n", 6, &on));
    assert_true(on);
    assert_int_equal(0, live_switch_parse("false", 5, &on));
    assert_false(on);
    static const char *const wrong[] = { "", " ", "1", "\"true\"", "truefalse", "TRUE", "{}", "null" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(-EBADMSG, live_switch_parse(wrong[i], strlen(wrong[i]), &on));
}

static void test_switch(void **state)
{
    (void)state;
    struct nats_server server;
    struct bus *bus = NULL, *user = NULL;
    struct live_switch *settings = NULL;
    char error[256] = "";
    nats_server_start(&server, NULL);
    const struct live_switch_options wish = { .key = KEY, .fallback = true, .changed = on_switch, .ignored = ignore };
    const struct bus_options options = { .server = server.url };
    assert_int_equal(0, bus_open(&options, true, &user, error));
    support_wait(bus_apply_definitions(user, NULL, NULL, NULL, error) == 0);
    put(user, "false"); /* before the start */
    atomic_store(&enabled, true);
    assert_int_equal(0, bus_open(&options, false, &bus, error));
    assert_int_equal(0, live_switch_start(bus, &wish, &settings));
    support_wait(!atomic_load(&enabled));
    put(user, "true");
    support_wait(atomic_load(&enabled));
    put(user, "maybe");
    put(user, "[1]");
    support_sleep_ms(1500);
    assert_int_equal(atomic_load(&changes), 2);
    assert_int_equal(atomic_load(&ignored), 1);
    put(user, "false");
    support_wait(!atomic_load(&enabled));
    assert_int_equal(0, bus_kv_delete(user, LIVE_SWITCH_BUCKET, KEY)); /* the default */
    support_wait(atomic_load(&enabled));
    /* Through the server's death the value holds. */
    put(user, "false");
    support_wait(!atomic_load(&enabled));
    support_sleep_ms(1500);
    unsigned before = atomic_load(&changes);
    nats_server_kill(&server, SIGKILL);
    nats_server_run(&server);
    support_wait(bus_connected(bus));
    support_sleep_ms(2500);
    assert_int_equal(atomic_load(&changes), before);
    live_switch_stop(settings);
    bus_close(bus);
    bus_close(user);
    nats_server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_parse), cmocka_unit_test(test_switch) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
