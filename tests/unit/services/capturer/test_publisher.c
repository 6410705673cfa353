/* What the tape holds is said once and in order, whatever happens to the bus. A real nats-server, a real tape. */
#include "rig.h"

#include "services/capturer/publisher.h"

#define BOX (UINT64_C(64) * 1024 * 1024)
#define MESSAGES_MAX 4096

static struct nats_server server;
static struct rig rig;
static struct bus *bus;
static struct publisher *publisher;

static void on_event(const struct tape_event *event)
{
    if (event->kind == TAPE_EVENT_SEALED)
        publisher_wake(publisher);
    else if (event->kind == TAPE_EVENT_RECYCLED)
        publisher_note_recycled(publisher);
}

static void start_publisher(void)
{
    assert_int_equal(0, publisher_start(bus, rig.tape, "node.1", &publisher));
    rig_listen(&rig, on_event);
}

static void end_publisher(void)
{
    rig_listen(&rig, NULL);
    publisher_stop(publisher, 0);
    publisher = NULL;
}

static int set_up(void **state)
{
    (void)state;
    nats_server_start(&server, NULL);
    rig_make_folder(&rig);
    rig_start(&rig, BOX);
    bus = rig_open_bus(&server);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_stop(&rig);
    end_publisher();
    bus_close(bus);
    rig_close(&rig);
    support_remove_folder(rig.folder);
    nats_server_stop(&server);
    return 0;
}

static uint64_t owed(void)
{
    struct tape_boundaries boundaries;
    tape_boundaries(rig.tape, &boundaries);
    return boundaries.owed;
}

struct said { uint64_t sealed, first_ordinal, last_ordinal, lost_first, lost_last, packets, lost_packets, recycled; };

/* Reads the whole stream; sealed messages must rise by one in their ordinals, but for what was told as lost. */
static struct said read_stream(void)
{
    struct said said = { 0 };
    unsigned missing = 0;
    for (unsigned sequence = 1; sequence < MESSAGES_MAX && missing < 3; sequence++) {
        char request[64], error[WIRE_ERROR_TEXT_MAX];
        void *data = NULL;
        size_t size = 0;
        (void)snprintf(request, sizeof request, "{\"seq\":%u}", sequence);
        support_wait(bus_request(bus, "$JS.API.DIRECT.GET.SEGMENTS", request, strlen(request), false, 2000, &data, &size) == 0);
        wire_auto ProtobufCMessage *message = NULL, *other = NULL;
        missing = size ? 0 : missing + 1;
        if (size && wire_decode(&tapeloop__v1__segment_sealed__descriptor, data, size, "application/protobuf", &message, NULL, error) == 0 &&
            strchr(((Tapeloop__V1__SegmentSealed *)message)->segment_id, '/')) {
            const Tapeloop__V1__SegmentSealed *sealed = (const Tapeloop__V1__SegmentSealed *)message;
            if (said.last_ordinal && said.lost_first != said.last_ordinal + 1)
                assert_true(sealed->ordinal == said.last_ordinal + 1);
            said.first_ordinal = said.first_ordinal ? said.first_ordinal : sealed->ordinal;
            said.last_ordinal = sealed->ordinal;
            said.sealed++;
            said.packets += sealed->ledger->written_packets;
        } else if (size && wire_decode(&tapeloop__v1__segment_recycled__descriptor, data, size, "application/protobuf", &other, NULL, error) == 0) {
            const Tapeloop__V1__SegmentRecycled *recycled = (const Tapeloop__V1__SegmentRecycled *)other;
            assert_int_equal(recycled->n_low_water, 1);
            said.recycled++;
            if (recycled->owed_last_ordinal) {
                said.lost_first = said.lost_first ? said.lost_first : recycled->owed_first_ordinal;
                said.lost_last = recycled->owed_last_ordinal;
                said.lost_packets += recycled->owed_ledger->written_packets;
            }
        }
        free(data);
    }
    return said;
}

static void test_in_order(void **state)
{
    (void)state;
    rig_apply(bus);
    rig_seal(&rig); /* owed from before */
    start_publisher();
    for (int i = 0; i < 5; i++)
        rig_seal(&rig);
    support_wait(owed() == 0);
    struct said said = read_stream();
    assert_int_equal(said.sealed, 6);
    assert_int_equal(said.first_ordinal, 1);
    assert_true(said.packets > 0);
    char id[BUS_SUBJECT_MAX];
    void *data = NULL;
    size_t size = 0;
    uint64_t last = 0;
    assert_int_equal(0, bus_stream_last(bus, "SEGMENTS", "segment.sealed.node_1", &last, &data, &size, id));
    assert_non_null(strstr(id, "node.1/"));
    assert_true(last == tape_cursor_stream_sequence(rig.tape));
    free(data);
}

static void test_no_streams_yet(void **state)
{
    (void)state;
    start_publisher();
    rig_seal(&rig);
    support_sleep_ms(1500);
    assert_int_equal(owed(), 1);
    rig_apply(bus);
    support_wait(owed() == 0);
    assert_int_equal(read_stream().sealed, 1);
}

static void test_bus_gone(void **state)
{
    (void)state;
    rig_apply(bus);
    start_publisher();
    rig_seal(&rig);
    support_wait(owed() == 0);
    nats_server_kill(&server, SIGKILL);
    for (int i = 0; i < 6; i++)
        rig_seal(&rig);
    assert_int_equal(owed(), 6);
    nats_server_run(&server);
    support_wait(owed() == 0);
    assert_int_equal(read_stream().sealed, 7);
}

static void test_server_killed_often(void **state)
{
    (void)state;
    rig_apply(bus);
    start_publisher();
    for (int i = 0; i < 4; i++) {
        rig_seal(&rig);
        rig_seal(&rig);
        nats_server_kill(&server, SIGKILL);
        rig_seal(&rig);
        nats_server_run(&server);
    }
    support_wait(owed() == 0);
    assert_int_equal(read_stream().sealed, 12);
}

static void test_frozen_server(void **state)
{
    (void)state;
    rig_apply(bus);
    start_publisher();
    rig_seal(&rig);
    support_wait(owed() == 0);
    assert_int_equal(0, kill(server.pid, SIGSTOP));
    rig_seal(&rig);
    support_sleep_ms(BUS_TIMEOUT_MS + 1500); /* so that the publish is given up, sent again, and then both arrive */
    rig_seal(&rig);
    assert_int_equal(0, kill(server.pid, SIGCONT));
    support_wait(owed() == 0);
    assert_int_equal(read_stream().sealed, 3);
}

static void test_wiped_stream(void **state)
{
    (void)state;
    rig_apply(bus);
    start_publisher();
    rig_seal(&rig);
    rig_seal(&rig);
    support_wait(owed() == 0);
    nats_server_kill(&server, SIGKILL);
    nats_server_wipe(&server);
    nats_server_run(&server);
    rig_seal(&rig);
    rig_apply(bus);
    rig_seal(&rig);
    support_wait(owed() == 0);
    struct said said = read_stream();
    assert_int_equal(said.sealed, 2);
    assert_int_equal(said.first_ordinal, 3);
}

/* Somebody else has published on the own subject. */
static void test_foreign_message(void **state)
{
    (void)state;
    rig_apply(bus);
    start_publisher();
    rig_seal(&rig);
    support_wait(owed() == 0);
    assert_int_equal(0, bus_publish_stream(bus, "segment.sealed.node_1", "?", 1, NULL, 0, NULL, BUS_ANY, NULL, NULL));
    rig_seal(&rig);
    rig_seal(&rig);
    support_wait(owed() == 0);
    assert_int_equal(read_stream().sealed, 3);
}

/* The cursor is lost with the segments still there: what the stream has is not published again. */
static void test_lost_cursor(void **state)
{
    (void)state;
    rig_apply(bus);
    start_publisher();
    for (int i = 0; i < 3; i++)
        rig_seal(&rig);
    rig_stop(&rig);
    support_wait(owed() == 0);
    end_publisher();
    uint64_t sealed = read_stream().sealed;
    rig_close(&rig);
    char path[96];
    (void)snprintf(path, sizeof path, "%s/cursor", rig.folder);
    assert_int_equal(0, unlink(path));
    rig_start(&rig, BOX);
    start_publisher();
    rig_seal(&rig);
    support_wait(owed() == 0);
    assert_int_equal(read_stream().sealed, sealed + 1);
}

/* With the bus gone the tape runs over its end three times: what went unsaid is told with its sums, and every packet is accounted for. */
static void test_recycled_while_owed(void **state)
{
    (void)state;
    rig_apply(bus);
    nats_server_kill(&server, SIGKILL);
    start_publisher();
    atomic_store(&rig.frame_bytes, RIG_FRAME_BYTES);
    atomic_store(&rig.pause_ms, 0);
    support_wait(atomic_load(&rig.fed) * RIG_FRAME_BYTES > 2 * BOX);
    atomic_store(&rig.frame_bytes, 200);
    atomic_store(&rig.pause_ms, 2);
    nats_server_run(&server);
    rig_stop(&rig);
    support_wait(owed() == 0);
    struct tape_lost lost;
    support_wait((tape_lost(rig.tape, &lost), lost.last_ordinal == 0));
    struct said said = read_stream();
    assert_true(said.lost_first == 1 && said.lost_last > 5);
    assert_true(said.packets + said.lost_packets <= atomic_load(&rig.fed));
    uint64_t disk = atomic_load(&rig.lane->disk_dropped_packets);
    assert_true(said.packets + said.lost_packets + disk == atomic_load(&rig.fed));
    assert_true(said.recycled >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_in_order, set_up, tear_down),        cmocka_unit_test_setup_teardown(test_no_streams_yet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bus_gone, set_up, tear_down),        cmocka_unit_test_setup_teardown(test_server_killed_often, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_frozen_server, set_up, tear_down),   cmocka_unit_test_setup_teardown(test_wiped_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_foreign_message, set_up, tear_down), cmocka_unit_test_setup_teardown(test_lost_cursor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_recycled_while_owed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
