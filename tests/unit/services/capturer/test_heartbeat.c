/* "recording" means that canaries come back; a stall says why. */
#include "rig.h"

#include "services/capturer/heartbeat.h"

static struct nats_server server;
static struct rig rig;
static struct bus *bus;
static struct heartbeat *heartbeat;
static const struct option_list labels = { .values = { "zone=a", "role=x=y" }, .count = 2 };

static int set_up(void **state)
{
    (void)state;
    nats_server_start(&server, NULL);
    rig_make_folder(&rig);
    rig_start(&rig, UINT64_C(64) * 1024 * 1024);
    bus = rig_open_bus(&server);
    rig_apply(bus);
    const struct heartbeat_options options = { .bus = bus, .tape = rig.tape, .lanes = &rig.lane, .lanes_count = 1, .ring_bytes = 4096, .node = "node.1",
                                               .segment_server = "127.0.0.1:1", .labels = &labels };
    assert_int_equal(0, heartbeat_start(&options, &heartbeat));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_stop(&rig);
    heartbeat_stop(heartbeat, "test");
    bus_close(bus);
    rig_close(&rig);
    support_remove_folder(rig.folder);
    nats_server_stop(&server);
    return 0;
}

static Tapeloop__V1__NodeHeartbeat *read_bucket(void)
{
    struct bus_value value;
    ProtobufCMessage *message = NULL;
    char error[WIRE_ERROR_TEXT_MAX];
    if (bus_kv_get(bus, "nodes", "node_1", &value) < 0)
        return NULL;
    assert_int_equal(0, wire_decode(&tapeloop__v1__node_heartbeat__descriptor, value.data, value.size, "application/protobuf", &message, NULL, error));
    bus_value_free(&value);
    return (Tapeloop__V1__NodeHeartbeat *)message;
}

static void prove(void)
{
    atomic_store(&rig.lane->canary_proved_ns, units_now_wall_ns());
}

static void test_states(void **state)
{
    (void)state;
    assert_null(heartbeat_copy(heartbeat));
    assert_int_equal(heartbeat_tick(heartbeat), HEARTBEAT_STARTING);
    prove();
    assert_int_equal(heartbeat_tick(heartbeat), HEARTBEAT_RECORDING);
    /* No proof any more. */
    support_wait(heartbeat_tick(heartbeat) == HEARTBEAT_STALLED);
    wire_auto Tapeloop__V1__NodeHeartbeat *stalled = heartbeat_copy(heartbeat);
    assert_string_equal(stalled->state, "stalled");
    assert_non_null(strstr(stalled->reason, "no proof of recording on lane 0 for"));
    /* The likely reason, where there is a better one. */
    heartbeat_note_disk(heartbeat, TAPE_EVENT_DISK_ERROR, -ENOSPC);
    (void)heartbeat_tick(heartbeat);
    wire_auto Tapeloop__V1__NodeHeartbeat *full = heartbeat_copy(heartbeat);
    assert_non_null(strstr(full->reason, "the disk refuses writes (No space left on device)"));
    heartbeat_note_disk(heartbeat, TAPE_EVENT_DISK_WELL, 0);
    atomic_fetch_add(&rig.lane->chunks_waiting, 1);
    (void)heartbeat_tick(heartbeat);
    wire_auto Tapeloop__V1__NodeHeartbeat *slow = heartbeat_copy(heartbeat);
    assert_non_null(strstr(slow->reason, "the disk is too slow or hangs"));
    prove();
    assert_int_equal(heartbeat_tick(heartbeat), HEARTBEAT_RECORDING);
    wire_auto Tapeloop__V1__NodeHeartbeat *well = heartbeat_copy(heartbeat);
    assert_string_equal(well->reason, "");
}

static void test_bucket(void **state)
{
    (void)state;
    rig_seal(&rig);
    prove();
    (void)heartbeat_tick(heartbeat);
    wire_auto Tapeloop__V1__NodeHeartbeat *message = NULL;
    support_wait((message = read_bucket()) != NULL);
    assert_string_equal(message->node, "node.1");
    assert_string_equal(message->state, "recording");
    assert_int_equal(message->segments, 1);
    assert_int_equal(message->owed, 1);
    assert_true(message->storage_used > 0 && message->storage_used <= message->storage_size);
    assert_true(message->ledger->written_packets > 0 && message->ledger->offered_packets == message->ledger->written_packets);
    assert_int_equal(message->n_labels, 2);
    assert_string_equal(message->labels[1]->key, "role");
    assert_string_equal(message->labels[1]->value, "x=y");
    assert_int_equal(message->n_lanes, 1);
    assert_true(message->lanes[0]->canary_proved_ns > 0);
}

/* Off is not stalled; switched on again, a lane has the time of a start for its first proof. */
static void test_switch(void **state)
{
    (void)state;
    prove();
    assert_int_equal(heartbeat_tick(heartbeat), HEARTBEAT_RECORDING);
    heartbeat_note_switch(heartbeat, false);
    assert_int_equal(heartbeat_tick(heartbeat), HEARTBEAT_STOPPED);
    wire_auto Tapeloop__V1__NodeHeartbeat *off = heartbeat_copy(heartbeat);
    assert_string_equal(off->state, "stopped");
    assert_string_equal(off->reason, "switched off by tap.capture.raw.enabled");
    heartbeat_note_switch(heartbeat, true);
    assert_int_equal(heartbeat_tick(heartbeat), HEARTBEAT_STARTING);
    prove();
    assert_int_equal(heartbeat_tick(heartbeat), HEARTBEAT_RECORDING);
}

/* The bucket does not hold the sender up: what counts is the newest, also after the server was away. */
static void test_server_away(void **state)
{
    (void)state;
    nats_server_kill(&server, SIGKILL);
    for (int i = 0; i < 20; i++)
        (void)heartbeat_tick(heartbeat);
    nats_server_run(&server);
    support_wait(bus_connected(bus));
    prove();
    int64_t now_ns = units_now_wall_ns();
    wire_auto Tapeloop__V1__NodeHeartbeat *message = NULL;
    support_wait((heartbeat_tick(heartbeat), wire_free(message), message = read_bucket()) != NULL && message->time_ns >= now_ns);
    assert_string_equal(message->state, "recording");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_states, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bucket, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_switch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_server_away, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
