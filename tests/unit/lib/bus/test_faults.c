/* The bus when the server dies, freezes, comes late or refuses the login. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bus/bus.h"
#include "tests/support/nats_server.h"
#include "units/units.h"

static struct nats_server server;

static int set_up(void **state)
{
    (void)state;
    nats_server_start(&server, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nats_server_stop(&server);
    return 0;
}

static struct bus *open_bus(bool wait, const char *token)
{
    struct bus *bus = NULL;
    char error[256] = "";
    const struct bus_options options = { .server = server.url, .name = "test", .token = token };
    int r = bus_open(&options, wait, &bus, error);
    if (r < 0)
        fail_msg("%s", error);
    return bus;
}

static void apply(struct bus *bus)
{
    char error[256] = "";
    support_wait(bus_apply_definitions(bus, NULL, NULL, NULL, error) == 0);
}

static void count_message(void *context, const struct bus_message *message)
{
    (void)message;
    atomic_fetch_add((_Atomic unsigned *)context, 1);
}

static void count_change(void *context, bool connected)
{
    atomic_fetch_add(&((_Atomic unsigned *)context)[connected], 1);
}

/* Subscription, queue and an acknowledgement live through kill -9 of the server. */
static void test_killed_server(void **state)
{
    (void)state;
    struct bus *bus = open_bus(true, NULL);
    apply(bus);
    _Atomic unsigned changes[2] = { 0 }, heard = 0;
    bus_on_change(bus, count_change, changes);
    struct bus_subscription *subscription = NULL;
    struct bus_queue *queue = NULL;
    struct bus_job job, later;
    assert_int_equal(0, bus_subscribe(bus, "x", NULL, count_message, &heard, &subscription));
    assert_int_equal(0, bus_queue_open(bus, "REQUESTS", "snapshotter", &queue));
    assert_int_equal(0, bus_publish_stream(bus, "snapshot.request", "{}", 2, NULL, 0, NULL, BUS_ANY, NULL, NULL));
    support_wait(bus_queue_next(queue, 1000, &job) == 0);
    uint64_t generation = bus_generation(bus);
    for (unsigned round = 1; round <= 3; round++) {
        nats_server_kill(&server, SIGKILL);
        support_wait(!bus_connected(bus));
        assert_int_equal(-ENOTCONN, bus_publish(bus, "x", "1", 1, NULL, 0));
        assert_int_equal(-EAGAIN, bus_queue_next(queue, 100, &later));
        nats_server_run(&server);
        support_wait(bus_connected(bus));
        unsigned before = atomic_load(&heard);
        support_wait(bus_publish(bus, "x", "1", 1, NULL, 0) == 0 && (support_sleep_ms(50), atomic_load(&heard) > before));
    }
    assert_true(bus_generation(bus) >= generation + 3);
    assert_true(changes[0] >= 3 && changes[1] >= 3);
    support_wait(bus_job_done(&job) == 0);
    bus_job_free(&job);
    support_wait(bus_publish_stream(bus, "snapshot.request", "{\"name\":\"b\"}", 12, NULL, 0, NULL, BUS_ANY, NULL, NULL) == 0);
    bool found = false;
    support_wait(found || (bus_queue_next(queue, 1000, &later) == 0 &&
                           ((found = strcmp(later.data, "{\"name\":\"b\"}") == 0), bus_job_done(&later), bus_job_free(&later), found)));
    bus_queue_close(queue);
    bus_unsubscribe(subscription);
    bus_close(bus);
}

/* A reader that waits in bus_queue_next while the server dies and comes back gets what is published afterwards. */
static void test_pull_forgotten(void **state)
{
    (void)state;
    struct bus *bus = open_bus(true, NULL);
    apply(bus);
    struct bus_queue *queue = NULL;
    struct bus_job job;
    assert_int_equal(0, bus_queue_open(bus, "REQUESTS", "snapshotter", &queue));
    pid_t child = fork(); /* the server is killed from another process while this thread waits */
    if (child == 0) {
        support_sleep_ms(500);
        (void)kill(server.pid, SIGKILL);
        _exit(0);
    }
    assert_int_equal(-EAGAIN, bus_queue_next(queue, 2500, &job));
    assert_int_equal(child, waitpid(child, NULL, 0));
    nats_server_kill(&server, SIGKILL);
    nats_server_run(&server);
    support_wait(bus_connected(bus));
    support_wait(bus_publish_stream(bus, "snapshot.request", "{}", 2, NULL, 0, NULL, BUS_ANY, NULL, NULL) == 0);
    support_wait(bus_queue_next(queue, 5000, &job) == 0);
    assert_int_equal(0, bus_job_done(&job));
    bus_job_free(&job);
    bus_queue_close(queue);
    bus_close(bus);
}

/* No call waits longer than its timeout on a frozen server, however much it is given to send; afterwards all is well. */
static void test_frozen_server(void **state)
{
    (void)state;
    struct bus *bus = open_bus(true, NULL);
    apply(bus);
    size_t size = 512 * 1024;
    char *data = calloc(1, size);
    assert_int_equal(0, kill(server.pid, SIGSTOP));
    int64_t longest_ns = 0;
    for (unsigned i = 0; i < 40; i++) {
        int64_t started_ns = units_now_mono_ns();
        (void)bus_publish(bus, "x", data, size, NULL, 0);
        int64_t took_ns = units_now_mono_ns() - started_ns;
        longest_ns = took_ns > longest_ns ? took_ns : longest_ns;
        if (took_ns > UNITS_NS_PER_S)
            break; /* the socket was full */
    }
    int64_t started_ns = units_now_mono_ns();
    assert_true(bus_publish_stream(bus, "segment.sealed.n", "x", 1, NULL, 0, NULL, BUS_ANY, NULL, NULL) < 0);
    int64_t took_ns = units_now_mono_ns() - started_ns;
    assert_int_equal(0, kill(server.pid, SIGCONT));
    assert_true(longest_ns < (BUS_TIMEOUT_MS + 1000) * UNITS_NS_PER_MS);
    assert_true(took_ns < (BUS_TIMEOUT_MS + 3000) * UNITS_NS_PER_MS);
    support_wait(bus_publish_stream(bus, "segment.sealed.n", "x", 1, NULL, 0, NULL, BUS_ANY, NULL, NULL) == 0);
    free(data);
    bus_close(bus);
}

/* Closing does not wait for a frozen server either. */
static void test_close_frozen(void **state)
{
    (void)state;
    struct bus *bus = open_bus(true, NULL);
    _Atomic unsigned heard = 0;
    struct bus_subscription *subscription = NULL;
    assert_int_equal(0, bus_subscribe(bus, "x", NULL, count_message, &heard, &subscription));
    assert_int_equal(0, kill(server.pid, SIGSTOP));
    int64_t started_ns = units_now_mono_ns();
    bus_unsubscribe(subscription);
    bus_close(bus);
    int64_t took_ns = units_now_mono_ns() - started_ns;
    assert_int_equal(0, kill(server.pid, SIGCONT));
    assert_true(took_ns < 10 * UNITS_NS_PER_S);
}

static void test_late_server(void **state)
{
    (void)state;
    nats_server_kill(&server, SIGKILL);
    char error[256] = "";
    struct bus *bus = NULL;
    char url[96];
    (void)snprintf(url, sizeof url, "nats://me:secret@127.0.0.1:%u", server.port);
    const struct bus_options options = { .server = url };
    assert_int_equal(-ENOTCONN, bus_open(&options, true, &bus, error));
    assert_non_null(strstr(error, "cannot connect to the NATS server at nats://127.0.0.1:"));
    assert_null(strstr(error, "secret"));
    bus = open_bus(false, NULL);
    _Atomic unsigned heard = 0;
    struct bus_subscription *subscription = NULL;
    struct bus_queue *queue = NULL;
    struct bus_job job;
    assert_int_equal(0, bus_subscribe(bus, "x", NULL, count_message, &heard, &subscription));
    assert_int_equal(0, bus_queue_open(bus, "REQUESTS", "snapshotter", &queue));
    assert_false(bus_connected(bus));
    assert_int_equal(-EAGAIN, bus_queue_next(queue, 100, &job));
    nats_server_run(&server);
    support_wait(bus_connected(bus));
    support_wait(bus_publish(bus, "x", "1", 1, NULL, 0) == 0 && (support_sleep_ms(50), atomic_load(&heard) > 0));
    apply(bus);
    assert_int_equal(0, bus_publish_stream(bus, "snapshot.request", "{}", 2, NULL, 0, NULL, BUS_ANY, NULL, NULL));
    support_wait(bus_queue_next(queue, 1000, &job) == 0);
    bus_job_free(&job);
    bus_queue_close(queue);
    bus_unsubscribe(subscription);
    bus_close(bus);
}

/* The server refuses the login until libnats gives up; when it takes it again, the connection has been rebuilt. */
static void test_refused_login(void **state)
{
    (void)state;
    struct bus *bus = open_bus(true, "secret"); /* a server without logins takes any */
    _Atomic unsigned heard = 0;
    struct bus_subscription *subscription = NULL;
    assert_int_equal(0, bus_subscribe(bus, "x", NULL, count_message, &heard, &subscription));
    nats_server_kill(&server, SIGKILL);
    server.extra = "authorization { token: \"other\" }";
    nats_server_run(&server);
    support_sleep_ms(3000);
    assert_false(bus_connected(bus));
    nats_server_kill(&server, SIGKILL);
    server.extra = "authorization { token: \"secret\" }";
    nats_server_run(&server);
    support_wait(bus_connected(bus));
    support_wait(bus_publish(bus, "x", "1", 1, NULL, 0) == 0 && (support_sleep_ms(50), atomic_load(&heard) > 0));
    bus_unsubscribe(subscription);
    bus_close(bus);
    /* Refused from the start. */
    struct bus *refused = NULL;
    char error[256] = "";
    const struct bus_options options = { .server = server.url, .token = "wrong" };
    assert_true(bus_open(&options, true, &refused, error) < 0);
    refused = open_bus(false, "wrong");
    support_sleep_ms(1500);
    assert_false(bus_connected(refused));
    bus_close(refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_killed_server, set_up, tear_down), cmocka_unit_test_setup_teardown(test_pull_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_frozen_server, set_up, tear_down), cmocka_unit_test_setup_teardown(test_close_frozen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_server, set_up, tear_down),   cmocka_unit_test_setup_teardown(test_refused_login, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
