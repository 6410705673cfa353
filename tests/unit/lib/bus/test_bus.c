/* The bus against a real nats-server: publish, request, streams, queue, buckets, definitions, service. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bus/bus.h"
#include "json/json.h"
#include "tests/support/nats_server.h"

static struct nats_server server;
static struct bus *bus;

static struct bus *open_bus(void)
{
    struct bus *opened = NULL;
    char error[256] = "";
    const struct bus_options options = { .server = server.url, .name = "test" };
    int r = bus_open(&options, true, &opened, error);
    if (r < 0)
        fail_msg("%s", error);
    return opened;
}

static int set_up(void **state)
{
    (void)state;
    nats_server_start(&server, NULL);
    bus = open_bus();
    char error[256] = "";
    /* JetStream is up a little after the port. */
    support_wait(bus_apply_definitions(bus, NULL, NULL, NULL, error) == 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bus_close(bus);
    nats_server_stop(&server);
    return 0;
}

struct changes { unsigned created, updated, unchanged; };

static void count_change(void *context, const char *what, const char *change)
{
    struct changes *changes = context;
    assert_true(*what);
    changes->created += strcmp(change, "created") == 0;
    changes->updated += strcmp(change, "updated") == 0;
    changes->unchanged += strcmp(change, "unchanged") == 0;
}

static void test_definitions(void **state)
{
    (void)state;
    char error[256] = "";
    struct changes changes = { 0 };
    assert_int_equal(0, bus_check_definitions(bus, error));
    assert_int_equal(0, bus_apply_definitions(bus, NULL, count_change, &changes, error));
    assert_int_equal(changes.created + changes.updated, 0);
    assert_int_equal(changes.unchanged, 13);
    static const char own[] = "{\"streams\":[{\"name\":\"T\",\"subjects\":[\"t.a\"],\"storage\":\"file\",\"retention\":\"limits\",\"max_bytes\":%s}]}";
    char text[256];
    (void)snprintf(text, sizeof text, own, "1000000");
    assert_int_equal(0, bus_apply_definitions(bus, text, count_change, &changes, error));
    (void)snprintf(text, sizeof text, own, "2000000");
    assert_int_equal(0, bus_apply_definitions(bus, text, count_change, &changes, error));
    assert_int_equal(changes.created, 1);
    assert_int_equal(changes.updated, 1);
    /* What cannot be changed is named. */
    assert_int_equal(-EIO, bus_apply_definitions(bus, "{\"streams\":[{\"name\":\"T\",\"storage\":\"memory\"}]}", NULL, NULL, error));
    assert_non_null(strstr(error, "cannot update stream T"));
    assert_int_equal(-EBADMSG, bus_apply_definitions(bus, "{", NULL, NULL, error));
}

struct heard { _Atomic unsigned count; char text[64], header[64]; };

static void hear(void *context, const struct bus_message *message)
{
    struct heard *heard = context;
    (void)snprintf(heard->text, sizeof heard->text, "%.*s", (int)message->size, (const char *)message->data);
    const char *id = message->header(message, "ce-id");
    (void)snprintf(heard->header, sizeof heard->header, "%s", id ? id : "");
    atomic_fetch_add(&heard->count, 1);
}

static void test_publish_and_hear(void **state)
{
    (void)state;
    struct heard heard = { 0 };
    struct bus_subscription *subscription = NULL;
    assert_int_equal(0, bus_subscribe(bus, "a.*", NULL, hear, &heard, &subscription));
    struct bus_event event = { .id = "7", .source = "s", .type = "t", .time = "now", .subject = "x" };
    struct bus_header headers[BUS_HEADERS_MAX];
    size_t count = bus_event_headers(&event, headers);
    assert_int_equal(count, 6);
    assert_int_equal(0, bus_publish(bus, "a.b", "hello", 5, headers, count));
    support_wait(atomic_load(&heard.count) == 1);
    assert_string_equal(heard.text, "hello");
    assert_string_equal(heard.header, "7");
    bus_unsubscribe(subscription);
    assert_int_equal(0, bus_publish(bus, "a.b", "again", 5, NULL, 0));
    support_sleep_ms(100);
    assert_int_equal(atomic_load(&heard.count), 1);
}

static void answer(void *context, const struct bus_message *message)
{
    bool protobuf = message->content_type && strcmp(message->content_type, "application/protobuf") == 0;
    assert_int_equal(0, bus_reply(context, message, protobuf ? "P" : "J", 1, protobuf));
}

static void test_request(void **state)
{
    (void)state;
    struct bus_subscription *subscription = NULL;
    void *data = NULL;
    size_t size = 0;
    assert_int_equal(-ENOENT, bus_request(bus, "q.a", "x", 1, false, 1000, &data, &size));
    assert_int_equal(0, bus_subscribe(bus, "q.a", "group", answer, bus, &subscription));
    assert_int_equal(0, bus_request(bus, "q.a", "x", 1, false, 1000, &data, &size));
    assert_string_equal(data, "J");
    free(data);
    assert_int_equal(0, bus_request(bus, "q.a", "x", 1, true, 1000, &data, &size));
    assert_string_equal(data, "P");
    assert_int_equal(size, 1);
    free(data);
    bus_unsubscribe(subscription);
}

static void test_stream(void **state)
{
    (void)state;
    uint64_t first = 0, second = 0, last = 0;
    bool duplicate = true;
    char id[BUS_SUBJECT_MAX];
    void *data = NULL;
    size_t size = 0;
    assert_int_equal(-ENOENT, bus_stream_last(bus, "SEGMENTS", "segment.sealed.n", &last, &data, &size, id));
    assert_int_equal(-ENOENT, bus_publish_stream(bus, "no.stream", "x", 1, NULL, 0, NULL, BUS_ANY, NULL, NULL));
    assert_int_equal(0, bus_publish_stream(bus, "segment.sealed.n", "one", 3, NULL, 0, "id-1", 0, &first, &duplicate));
    assert_false(duplicate);
    assert_int_equal(0, bus_publish_stream(bus, "segment.sealed.n", "one", 3, NULL, 0, "id-1", BUS_ANY, &second, &duplicate));
    assert_true(duplicate && second == first);
    assert_int_equal(-EEXIST, bus_publish_stream(bus, "segment.sealed.n", "two", 3, NULL, 0, "id-2", 0, &second, &duplicate));
    assert_int_equal(0, bus_publish_stream(bus, "segment.sealed.n", "two", 3, NULL, 0, "id-2", first, &second, &duplicate));
    assert_int_equal(0, bus_stream_last(bus, "SEGMENTS", "segment.sealed.n", &last, &data, &size, id));
    assert_true(last == second && size == 3);
    assert_string_equal(data, "two");
    assert_string_equal(id, "id-2");
    free(data);
}

static void test_queue(void **state)
{
    (void)state;
    struct bus_queue *queue = NULL;
    struct bus_job job;
    assert_int_equal(0, bus_queue_open(bus, "REQUESTS", "snapshotter", &queue));
    assert_int_equal(-EAGAIN, bus_queue_next(queue, 100, &job));
    const struct bus_header type = { "Content-Type", "application/json" };
    assert_int_equal(0, bus_publish_stream(bus, "snapshot.request", "{}", 2, &type, 1, "m", BUS_ANY, NULL, NULL));
    support_wait(bus_queue_next(queue, 1000, &job) == 0);
    assert_string_equal(job.data, "{}");
    assert_string_equal(job.subject, "snapshot.request");
    assert_string_equal(job.content_type, "application/json");
    assert_string_equal(job.message_id, "m");
    assert_int_equal(job.deliveries, 1);
    assert_true(job.time_ns > INT64_C(1700000000000000000));
    assert_int_equal(0, bus_job_working(&job));
    assert_int_equal(0, bus_job_again(&job, 0));
    bus_job_free(&job);
    support_wait(bus_queue_next(queue, 1000, &job) == 0);
    assert_int_equal(job.deliveries, 2);
    assert_int_equal(0, bus_job_done(&job));
    bus_job_free(&job);
    assert_int_equal(-EAGAIN, bus_queue_next(queue, 300, &job));
    bus_queue_close(queue);
}

/* Two readers share the queue; each message goes to one of them. */
static void test_queue_shared(void **state)
{
    (void)state;
    struct bus_queue *queues[2];
    struct bus_job job;
    unsigned got[2] = { 0 };
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(0, bus_queue_open(bus, "REQUESTS", "snapshotter", &queues[i]));
    for (int i = 0; i < 20; i++)
        assert_int_equal(0, bus_publish_stream(bus, "snapshot.request", "{}", 2, NULL, 0, NULL, BUS_ANY, NULL, NULL));
    for (unsigned turn = 0; turn < 200 && got[0] + got[1] < 20; turn++) {
        if (bus_queue_next(queues[turn % 2], 100, &job) < 0)
            continue;
        got[turn % 2]++;
        assert_int_equal(0, bus_job_done(&job));
        bus_job_free(&job);
    }
    assert_int_equal(got[0] + got[1], 20);
    assert_true(got[0] > 0 && got[1] > 0);
    for (unsigned i = 0; i < 2; i++)
        bus_queue_close(queues[i]);
}

struct keys { unsigned count; char text[256]; };

static int note_key(void *context, const char *key, const struct bus_value *value)
{
    struct keys *keys = context;
    size_t n = strlen(keys->text);
    (void)snprintf(keys->text + n, sizeof keys->text - n, "%s=%.*s;", key, (int)value->size, (const char *)value->data);
    return ++keys->count == 1000 ? 7 : 0;
}

static void test_buckets(void **state)
{
    (void)state;
    struct bus_value value;
    uint64_t revision = 0, later = 0;
    assert_int_equal(-ENOENT, bus_kv_get(bus, "snapshots", "a", &value));
    assert_int_equal(-EINVAL, bus_kv_get(bus, "snapshots", "*", &value));
    assert_int_equal(0, bus_kv_create(bus, "snapshots", "a", "1", 1, &revision));
    assert_int_equal(-EEXIST, bus_kv_create(bus, "snapshots", "a", "2", 1, &later));
    assert_int_equal(0, bus_kv_update(bus, "snapshots", "a", "3", 1, revision, &later));
    assert_int_equal(-EEXIST, bus_kv_update(bus, "snapshots", "a", "4", 1, revision, &revision));
    assert_int_equal(0, bus_kv_get(bus, "snapshots", "a", &value));
    assert_string_equal(value.data, "3");
    assert_true(value.revision == later && value.time_ns > INT64_C(1700000000000000000));
    bus_value_free(&value);
    assert_int_equal(0, bus_kv_put(bus, "snapshots", "b", "x", 1, NULL));
    struct keys keys = { 0 };
    assert_int_equal(0, bus_kv_each(bus, "snapshots", note_key, &keys));
    assert_string_equal(keys.text, "a=3;b=x;");
    assert_int_equal(0, bus_kv_delete(bus, "snapshots", "a"));
    assert_int_equal(-ENOENT, bus_kv_get(bus, "snapshots", "a", &value));
    keys = (struct keys){ 0 };
    assert_int_equal(0, bus_kv_each(bus, "snapshots", note_key, &keys));
    assert_string_equal(keys.text, "b=x;");
    assert_int_equal(0, bus_kv_create(bus, "snapshots", "a", "5", 1, &revision));
    keys = (struct keys){ .count = 999 };
    assert_int_equal(7, bus_kv_each(bus, "snapshots", note_key, &keys));
    keys = (struct keys){ 0 };
    assert_int_equal(0, bus_kv_each(bus, "settings", note_key, &keys));
    assert_int_equal(keys.count, 0);
    assert_int_equal(-ENOENT, bus_kv_each(bus, "nobucket", note_key, &keys));
}

static void count_answer(void *context, const struct bus_message *message)
{
    assert_non_null(strstr(message->data, "ping_response"));
    ++*(unsigned *)context;
}

static void test_request_many(void **state)
{
    (void)state;
    struct bus_service *services[3];
    unsigned answers = 0;
    assert_int_equal(-ENOENT, bus_request_many(bus, "nobody.here", NULL, 0, 2000, count_answer, &answers));
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(0, bus_service_start(bus, "snapshotter", "0.1.0", "x", &services[i]));
    assert_int_equal(0, bus_request_many(bus, "$SRV.PING.snapshotter", NULL, 0, 1000, count_answer, &answers));
    assert_int_equal(answers, 3);
    for (unsigned i = 0; i < 3; i++)
        bus_service_stop(services[i]);
}

static void test_service(void **state)
{
    (void)state;
    struct bus_service *service = NULL;
    assert_int_equal(0, bus_service_start(bus, "capturer", "0.1.0", "Records", &service));
    bus_service_endpoint(service, "pin", "node.n.pin");
    bus_service_count(service, "pin", false, 100);
    bus_service_count(service, "pin", true, 300);
    void *data = NULL;
    size_t size = 0;
    assert_int_equal(0, bus_request(bus, "$SRV.STATS.capturer", NULL, 0, false, 1000, &data, &size));
    json_auto json_t *statistics = json_loadb(data, size, 0, NULL);
    free(data);
    const json_t *endpoint = json_array_get(json_object_get(statistics, "endpoints"), 0);
    assert_string_equal(json_string_value(json_object_get(statistics, "type")), "io.nats.micro.v1.stats_response");
    assert_int_equal(json_integer_value(json_object_get(endpoint, "num_requests")), 2);
    assert_int_equal(json_integer_value(json_object_get(endpoint, "num_errors")), 1);
    assert_int_equal(json_integer_value(json_object_get(endpoint, "average_processing_time")), 200);
    assert_int_equal(0, bus_request(bus, "$SRV.PING", NULL, 0, false, 1000, &data, &size));
    free(data);
    assert_int_equal(0, bus_request(bus, "$SRV.INFO", NULL, 0, false, 1000, &data, &size));
    assert_non_null(strstr(data, "\"description\":\"Records\""));
    free(data);
    assert_int_equal(-ETIMEDOUT, bus_request(bus, "$SRV.PING.other", NULL, 0, false, 200, &data, &size));
    bus_service_stop(service);
}

static void test_node_token(void **state)
{
    (void)state;
    char token[BUS_SUBJECT_MAX];
    bus_node_token("a.b.example", token);
    assert_string_equal(token, "a_b_example");
    bus_node_token("x.*.>", token);
    assert_string_equal(token, "x____");
}

static void ignore(void *context, const struct bus_message *message) { (void)context, (void)message; }

/* Libnats leaves an ended subscription on a thread of its own, some time later: closing must wait for it. (The sanitizers see it when it does not.) */
static void test_close_right_after_unsubscribing(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct bus *opened = open_bus();
        struct bus_subscription *subscriptions[8];
        for (size_t i = 0; i < 8; i++) {
            char subject[32];
            (void)snprintf(subject, sizeof subject, "closing.%zu", i);
            assert_int_equal(bus_subscribe(opened, subject, NULL, ignore, NULL, &subscriptions[i]), 0);
        }
        for (size_t i = 0; i < 8; i++)
            bus_unsubscribe(subscriptions[i]);
        bus_close(opened);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definitions), cmocka_unit_test(test_publish_and_hear), cmocka_unit_test(test_request), cmocka_unit_test(test_stream),
        cmocka_unit_test(test_queue),       cmocka_unit_test(test_queue_shared),     cmocka_unit_test(test_buckets), cmocka_unit_test(test_service),
        cmocka_unit_test(test_node_token),  cmocka_unit_test(test_request_many), cmocka_unit_test(test_close_right_after_unsubscribing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
