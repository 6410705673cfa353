/* Pin, unpin, catalogue, status and early lease over a real bus, and the segment server behind them over real HTTP. */
#include "rig.h"

#include "http/client.h"
#include "services/capturer/heartbeat.h"
#include "services/capturer/pin.h"
#include "services/capturer/server.h"

#define BOX (UINT64_C(64) * 1024 * 1024)
#define PIN_TYPE &tapeloop__v1__pin_request__descriptor
#define SECOND UNITS_NS_PER_S

static struct nats_server server;
static struct rig rig;
static struct bus *bus;
static struct server *segments;
static struct heartbeat *heartbeat;
static struct pin *pin;
static struct option_list labels = { .values = { "zone=a" }, .count = 1 };

static void on_event(const struct tape_event *event)
{
    if (event->kind == TAPE_EVENT_SEALED)
        pin_note_sealed(pin, event->lane, event->sequence);
}

static int set_up(void **state)
{
    (void)state;
    char error[256] = "";
    nats_server_start(&server, NULL);
    rig_make_folder(&rig);
    rig_start(&rig, BOX);
    bus = rig_open_bus(&server);
    rig_apply(bus);
    assert_int_equal(0, server_start(rig.tape, "node.1", rig.folder, "127.0.0.1:0", NULL, &segments, error));
    const struct heartbeat_options beat = { .bus = bus, .tape = rig.tape, .lanes = &rig.lane, .lanes_count = 1, .node = "node.1",
                                            .segment_server = server_address(segments), .labels = &labels };
    assert_int_equal(0, heartbeat_start(&beat, &heartbeat));
    (void)heartbeat_tick(heartbeat);
    const struct pin_options options = { .bus = bus, .tape = rig.tape, .server = segments, .heartbeat = heartbeat, .lanes = &rig.lane, .lanes_count = 1,
                                         .node = "node.1", .labels = &labels };
    assert_int_equal(0, pin_start(&options, &pin));
    rig_listen(&rig, on_event);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_stop(&rig);
    rig_listen(&rig, NULL);
    pin_stop(pin);
    heartbeat_stop(heartbeat, "test");
    server_stop(segments);
    bus_close(bus);
    rig_close(&rig);
    support_remove_folder(rig.folder);
    nats_server_stop(&server);
    return 0;
}

static void *ask(const char *verb, const ProtobufCMessage *request, const ProtobufCMessageDescriptor *type)
{
    char subject[64], error[WIRE_ERROR_TEXT_MAX] = "";
    void *data = NULL, *answer = NULL;
    size_t size = 0, answer_size = 0;
    ProtobufCMessage *reply = NULL;
    (void)snprintf(subject, sizeof subject, "node.node_1.%s", verb);
    assert_int_equal(0, wire_encode(request, WIRE_PROTOBUF, &data, &size));
    assert_int_equal(0, bus_request(bus, subject, data, size, true, 10000, &answer, &answer_size));
    assert_true(answer_size < 512 * 1024);
    if (wire_decode(type, answer, answer_size, "application/protobuf", &reply, NULL, error) < 0)
        fail_msg("%s", error);
    free(data);
    free(answer);
    return reply;
}

static Tapeloop__V1__PinReply *ask_pin(const char *lease, int64_t from_ns, int64_t to_ns, bool seal, uint64_t after)
{
    Tapeloop__V1__PinRequest request = TAPELOOP__V1__PIN_REQUEST__INIT;
    request.lease = (char *)(uintptr_t)lease;
    request.from_ns = from_ns;
    request.to_ns = to_ns;
    request.lease_seconds = 60;
    request.seal = seal;
    request.after_ordinal = after;
    return ask("pin", &request.base, &tapeloop__v1__pin_reply__descriptor);
}

static uint64_t pinned(void)
{
    struct tape_boundaries boundaries;
    tape_boundaries(rig.tape, &boundaries);
    return boundaries.pinned;
}

static void test_pin_seals(void **state)
{
    (void)state;
    int64_t from_ns = units_now_wall_ns();
    support_wait(atomic_load(&rig.fed) > 20);
    int64_t to_ns = units_now_wall_ns();
    uint64_t before = atomic_load(&rig.fed);
    wire_auto Tapeloop__V1__PinReply *reply = ask_pin("s.1", from_ns, to_ns, true, 0);
    assert_null(reply->error);
    assert_string_equal(reply->node, "node.1");
    assert_int_equal(reply->n_segments, 1);
    assert_int_equal(reply->n_refused, 0);
    const Tapeloop__V1__SegmentSealed *segment = reply->segments[0]->segment;
    assert_string_equal(segment->sealed_by, "pin");
    assert_true(segment->last_ns >= to_ns && segment->ledger->written_packets >= before);
    assert_string_equal(segment->ledger->interfaces[0]->name, "made0");
    assert_true(reply->received_ns <= reply->replied_ns && reply->lease_until_ns > reply->replied_ns + 50 * SECOND);
    assert_true(pinned() > 0);
    /* The window is sealed: asking again seals nothing. */
    uint64_t sealed = atomic_load(&rig.sealed);
    wire_auto Tapeloop__V1__PinReply *again = ask_pin("s.1", from_ns, to_ns, true, 0);
    assert_int_equal(again->n_segments, 1);
    assert_int_equal(atomic_load(&rig.sealed), sealed);
    Tapeloop__V1__UnpinRequest unpin = TAPELOOP__V1__UNPIN_REQUEST__INIT;
    unpin.lease = (char *)(uintptr_t)"s.1";
    unpin.n_segment_ids = 1;
    unpin.segment_ids = &reply->segments[0]->segment->segment_id;
    wire_auto Tapeloop__V1__UnpinReply *unpinned = ask("unpin", &unpin.base, &tapeloop__v1__unpin_reply__descriptor);
    assert_int_equal(unpinned->released, 1);
    assert_int_equal(pinned(), 0);
}

/* Ten pins at once share seals: at most one a second. */
static void test_seal_rate(void **state)
{
    (void)state;
    int64_t started_ns = units_now_mono_ns();
    for (int i = 0; i < 4; i++) {
        int64_t now_ns = units_now_wall_ns();
        support_wait(atomic_load(&rig.lane->newest_ns) > now_ns);
        wire_auto Tapeloop__V1__PinReply *reply = ask_pin("s.2", now_ns - SECOND, units_now_wall_ns(), true, 0);
        assert_null(reply->error);
    }
    int64_t took_ns = units_now_mono_ns() - started_ns;
    assert_true(atomic_load(&rig.sealed) <= 1 + (uint64_t)(took_ns / SECOND) + 1);
}

static int take_bytes(void *context, const void *data, size_t size)
{
    (void)data;
    *(uint64_t *)context += size;
    return 0;
}

static int fetch(struct http_client *client, const char *url, const char *token, uint64_t from, uint64_t to, uint64_t *ret_size)
{
    char error[256] = "";
    *ret_size = 0;
    return http_client_get(client, url, token, from, to, take_bytes, ret_size, error);
}

static void test_transfer(void **state)
{
    (void)state;
    rig_seal(&rig);
    rig_seal(&rig);
    wire_auto Tapeloop__V1__PinReply *reply = ask_pin("s.3", 0, units_now_wall_ns(), false, 0);
    assert_int_equal(reply->n_segments, 2);
    const Tapeloop__V1__PinnedSegment *first = reply->segments[0], *second = reply->segments[1];
    assert_true(first->segment->ordinal < second->segment->ordinal);
    struct http_client *client = NULL;
    uint64_t got = 0;
    char url[SERVER_URL_MAX + 16];
    assert_int_equal(0, http_client_new(&client));
    assert_int_equal(0, fetch(client, first->url, first->token, 0, 0, &got));
    assert_true(got == first->segment->size);
    assert_int_equal(0, fetch(client, first->url, first->token, 10, 110, &got));
    assert_true(got == 100);
    (void)snprintf(url, sizeof url, "%s.idx", first->url);
    assert_int_equal(0, fetch(client, url, first->token, 0, first->segment->index_size, &got));
    assert_true(got == first->segment->index_size);
    assert_int_equal(-EACCES, fetch(client, first->url, NULL, 0, 10, &got));
    assert_int_equal(-EACCES, fetch(client, first->url, second->token, 0, 10, &got));
    assert_int_equal(-EACCES, fetch(client, first->url, "forged", 0, 10, &got));
    assert_int_equal(-ERANGE, fetch(client, first->url, first->token, first->segment->size, first->segment->size + 5, &got));
    /* What is not a segment's name is not looked up. */
    (void)snprintf(url, sizeof url, "http://%s/segments/../token.key", server_address(segments));
    assert_int_equal(-ENOENT, fetch(client, url, first->token, 0, 10, &got));
    (void)snprintf(url, sizeof url, "http://%s/segments/.0-9.pcapng.lz4", server_address(segments));
    assert_int_equal(-ENOENT, fetch(client, url, first->token, 0, 10, &got));
    /* A token for a segment that is gone. */
    char token[TOKEN_TEXT_MAX];
    const struct tape_segment gone = { .sequence = 99, .size = 1000 };
    assert_int_equal(0, server_make_token(segments, &gone, "s.3", units_now_wall_ns() + SECOND, token));
    server_make_url(segments, 0, 99, url);
    assert_int_equal(-ENOENT, fetch(client, url, token, 0, 10, &got));
    assert_int_equal(0, server_make_token(segments, &gone, "s.3", units_now_wall_ns() - SECOND, token));
    assert_int_equal(-EACCES, fetch(client, url, token, 0, 10, &got));
    http_client_free(client);
}

static void test_paging(void **state)
{
    (void)state;
    for (int i = 0; i < 12; i++)
        rig_seal(&rig);
    Tapeloop__V1__CatalogueRequest request = TAPELOOP__V1__CATALOGUE_REQUEST__INIT;
    request.limit = 5;
    size_t seen = 0;
    for (unsigned page = 0; page < 10; page++) {
        wire_auto Tapeloop__V1__CatalogueReply *reply = ask("catalogue", &request.base, &tapeloop__v1__catalogue_reply__descriptor);
        assert_int_equal(reply->n_low_water, 1);
        for (size_t i = 0; i < reply->n_segments; i++)
            assert_int_equal(reply->segments[i]->ordinal, ++seen);
        request.after_ordinal = reply->more_after_ordinal;
        if (!reply->more_after_ordinal)
            break;
        assert_int_equal(reply->n_segments, 5);
    }
    assert_int_equal(seen, 12);
    wire_auto Tapeloop__V1__PinReply *rest = ask_pin("s.4", 0, units_now_wall_ns(), false, 10);
    assert_int_equal(rest->n_segments, 2);
    assert_int_equal(rest->more_after_ordinal, 0);
}

/* Pins hold at most half of the box: the oldest are granted, the others named. */
static void test_half_of_the_box(void **state)
{
    (void)state;
    atomic_store(&rig.frame_bytes, RIG_FRAME_BYTES);
    atomic_store(&rig.pause_ms, 0);
    struct tape_boundaries boundaries;
    support_wait((tape_boundaries(rig.tape, &boundaries), boundaries.segments >= 10)); /* of 4 MiB each: more than half of the box */
    atomic_store(&rig.frame_bytes, 200);
    atomic_store(&rig.pause_ms, 2);
    wire_auto Tapeloop__V1__PinReply *reply = ask_pin("big.1", 0, units_now_wall_ns(), false, 0);
    assert_true(reply->n_segments > 0 && reply->n_refused > 0);
    assert_true(reply->segments[reply->n_segments - 1]->segment->last_ns <= reply->refused[0]->first_ns + SECOND);
    assert_non_null(strstr(reply->refused[0]->reason, "half of the box"));
    assert_true(pinned() <= BOX / 2);
}

static void test_early_lease(void **state)
{
    (void)state;
    rig_seal(&rig);
    static const char *const others[] = { "{\"name\":\"x\",\"last\":\"1h\",\"nodes\":[\"node.2\"]}", "{\"name\":\"x\",\"last\":\"1h\",\"labels\":{\"zone\":\"b\"}}",
                                          "{\"name\":\"x\",\"last\":\"soon\"}", "nonsense" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(0, bus_publish(bus, "snapshot.request", others[i], strlen(others[i]), NULL, 0));
    support_sleep_ms(200);
    assert_int_equal(pinned(), 0);
    static const char ours[] = "{\"name\":\"x\",\"last\":\"1h\",\"nodes\":[\"node.1\"],\"labels\":{\"zone\":\"a\"}}";
    assert_int_equal(0, bus_publish(bus, "snapshot.request", ours, strlen(ours), NULL, 0));
    support_wait(pinned() > 0);
    /* The real pin takes its place: with that released nothing is held. */
    wire_auto Tapeloop__V1__PinReply *reply = ask_pin("x.17", 0, units_now_wall_ns(), false, 0);
    assert_int_equal(reply->n_segments, 1);
    Tapeloop__V1__UnpinRequest unpin = TAPELOOP__V1__UNPIN_REQUEST__INIT;
    unpin.lease = (char *)(uintptr_t)"x.17";
    wire_auto Tapeloop__V1__UnpinReply *unpinned = ask("unpin", &unpin.base, &tapeloop__v1__unpin_reply__descriptor);
    assert_int_equal(unpinned->released, 1);
    assert_int_equal(pinned(), 0);
}

static void test_refusals(void **state)
{
    (void)state;
    wire_auto Tapeloop__V1__PinReply *nameless = ask_pin("", 0, 1, false, 0), *reversed = ask_pin("a", 2, 1, false, 0);
    assert_string_equal(nameless->error->code, "invalid");
    assert_string_equal(nameless->error->message, "lease is missing");
    assert_string_equal(reversed->error->message, "from_ns is after to_ns");
    /* A reply follows its request: JSON is answered in JSON, also when it is wrong. */
    void *data = NULL;
    size_t size = 0;
    assert_int_equal(0, bus_request(bus, "node.node_1.pin", "{\"lase\":1}", 10, false, 2000, &data, &size));
    assert_string_equal(data, "{\"error\":{\"code\":\"invalid\",\"message\":\"field lase is unknown to PinRequest\"}}");
    free(data);
    assert_int_equal(0, bus_request(bus, "node.node_1.status", "", 0, false, 2000, &data, &size));
    assert_non_null(strstr(data, "\"labels\":{\"zone\":\"a\"}"));
    free(data);
    Tapeloop__V1__UnpinRequest unpin = TAPELOOP__V1__UNPIN_REQUEST__INIT;
    wire_auto Tapeloop__V1__UnpinReply *unpinned = ask("unpin", &unpin.base, &tapeloop__v1__unpin_reply__descriptor);
    assert_string_equal(unpinned->error->code, "invalid");
}

#define LARGE (900u * 1024)

/* Requests of a megabyte fill the queue by their size, long before there are too many of them; then the asker is told, and afterwards all is as before. */
static void test_flood(void **state)
{
    (void)state;
    uint8_t *junk = calloc(1, LARGE);
    bool busy = false;
    assert_non_null(junk);
    memset(junk, 0xff, LARGE);
    for (int round = 0; round < 20 && !busy; round++) {
        Tapeloop__V1__PinRequest pin_now = TAPELOOP__V1__PIN_REQUEST__INIT;
        static const struct bus_header type = { "Content-Type", "application/protobuf" };
        void *data = NULL;
        size_t size = 0;
        pin_now.lease = (char *)(uintptr_t)"s.1";
        pin_now.from_ns = units_now_wall_ns() - SECOND;
        pin_now.to_ns = units_now_wall_ns() + SECOND;
        pin_now.seal = true; /* the thread waits for the next second's seal meanwhile */
        assert_int_equal(0, wire_encode(&pin_now.base, WIRE_PROTOBUF, &data, &size));
        assert_int_equal(0, bus_publish(bus, "node.node_1.pin", data, size, &type, 1));
        free(data);
        for (unsigned i = 0; i < 8; i++)
            assert_int_equal(0, bus_publish(bus, "node.node_1.pin", junk, LARGE, &type, 1));
        assert_int_equal(0, bus_request(bus, "node.node_1.pin", junk, LARGE, true, 10000, &data, &size));
        wire_auto ProtobufCMessage *reply = NULL;
        char error[WIRE_ERROR_TEXT_MAX] = "";
        assert_int_equal(0, wire_decode(&tapeloop__v1__pin_reply__descriptor, data, size, "application/protobuf", &reply, NULL, error));
        free(data);
        busy = strcmp(((Tapeloop__V1__PinReply *)reply)->error->code, "busy") == 0;
    }
    assert_true(busy);
    free(junk);
    wire_auto Tapeloop__V1__PinReply *well = ask_pin("s.2", 0, 1, false, 0);
    assert_null(well->error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pin_seals, set_up, tear_down),   cmocka_unit_test_setup_teardown(test_seal_rate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_transfer, set_up, tear_down),    cmocka_unit_test_setup_teardown(test_paging, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_half_of_the_box, set_up, tear_down), cmocka_unit_test_setup_teardown(test_early_lease, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),    cmocka_unit_test_setup_teardown(test_flood, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
