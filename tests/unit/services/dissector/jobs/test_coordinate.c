/* Requests seen through by whole dissectors with pretending stages: items, failures, poison, cancel, stop and takeover. */
#include "tests/unit/services/dissector/service_rig.h"
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <cmocka.h>

static struct rig_bus on;
static struct rig first, second;
static bool own_disk;                   /* the store is on a small file system of its own */

static int setup(void **state)
{
    (void)state;
    own_disk = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    rig_bus_start(&on);
    (void)mkdir(on.store, 0755);
    own_disk = own_disk && mount("tmpfs", on.store, "tmpfs", 0, "size=16m") == 0;
    rig_snapshot(&on, "shop", 6);
    rig_start(&first, &on, "first", 2);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    rig_stop(&first);
    if (own_disk)
        (void)umount2(on.store, MNT_DETACH);
    rig_bus_stop(&on);
    return 0;
}
static int reset(void **state)
{
    (void)state;
    for (size_t i = 0; i < 64; i++)
        atomic_store(&fake.fail_map[i], 0);
    atomic_store(&fake.refuse_reduce, 0);
    atomic_store(&fake.hold, false);
    atomic_store(&fake.silent, false);
    atomic_store(&fake.maps, 0);
    atomic_store(&fake.reduces, 0);
    atomic_store(&fake.finals, 0);
    atomic_store(&fake.holding, 0);
    return 0;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void a_request_becomes_a_dissection(void **state)
{
    (void)state;
    char path[512];
    rig_ask(&on, "{\"snapshot\":\"shop\"}");
    rig_await(&on, "accepted", "default", 0);
    const Tapeloop__V1__DissectEvent *event = rig_await(&on, "ready", "default", 0);
    assert_int_equal(event->entries, STAGE_SHARDS);
    assert_int_equal(event->packets, 60);
    assert_int_equal(event->connections, 7);
    assert_int_equal(event->bytes, 4);
    assert_int_equal(event->n_counters, 1);
    assert_string_equal(event->counters[0]->key, "packets_cut");
    assert_int_equal(event->counters[0]->value, 6);
    assert_string_equal(event->reason, "node-a/00000000000000aa/0/3: a block is damaged");
    assert_int_equal(strlen(event->digest), 64);
    assert_true(exists(event->location));
    assert_int_equal(atomic_load(&fake.maps), 6);
    assert_int_equal(atomic_load(&fake.reduces), 4);
    snprintf(path, sizeof path, "%s/.dissections/shop/.default.1", on.store);
    support_wait(!exists(path));
    snprintf(path, sizeof path, "%s/.dissections/shop/default/calls.sqlite.dead-worker.tmp", on.store);
    assert_false(exists(path));
    struct stat status;
    assert_int_equal(stat(event->location, &status), 0);
    assert_int_equal(status.st_mode & 0222, 0);

    /* Twice the same is one dissection, and the same event once more; something else of that name is refused. */
    rig_ask(&on, "{\"snapshot\":\"shop\",\"name\":\"default\",\"redact\":\"on\"}");
    rig_await(&on, "ready", "default", 1);
    assert_string_equal(rig_heard(&on, "ready", "default", 0)->id, rig_heard(&on, "ready", "default", 1)->id);
    rig_ask(&on, "{\"snapshot\":\"shop\",\"where\":\"http\"}");
    assert_non_null(strstr(rig_await(&on, "failed", "default", 0)->reason, "taken"));
    assert_int_equal(atomic_load(&fake.finals), 1);
}

static void what_cannot_be_done_is_said_at_once(void **state)
{
    (void)state;
    static const struct { const char *json, *name, *says; } cases[] = {
        { "{\"snapshot\":\"gone\",\"name\":\"r1\"}", "r1", "there is no snapshot gone" },
        { "{\"snapshot\":\"shop\",\"name\":\"r2\",\"redact\":\"some\"}", "r2", "strict" },
        { "{\"snapshot\":\"shop\",\"name\":\"r3\",\"where\":\"wrong\"}", "r3", "column 1" },
        { "{\"snapshot\":\"shop\",\"name\":\"r4\",\"wher\":\"x\"}", "r4", "wher" },
        { "{\"name\":\"r5\"}", "r5", "names no snapshot" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rig_ask(&on, cases[i].json);
        const char *reason = rig_await(&on, "failed", cases[i].name, 0)->reason;
        if (!strstr(reason, cases[i].says))
            fail_msg("%s: %s", cases[i].json, reason);
    }
}

static void an_item_that_fails_is_tried_again(void **state)
{
    (void)state;
    atomic_store(&fake.fail_map[2], 2);
    rig_ask(&on, "{\"snapshot\":\"shop\",\"name\":\"again\"}");
    assert_int_equal(rig_await(&on, "ready", "again", 0)->packets, 60);
    assert_int_equal(atomic_load(&fake.maps), 8);
}

static void poison_ends_among_the_dead_letters(void **state)
{
    (void)state;
    uint64_t sequence;
    void *data = NULL;
    size_t size;
    char id[512];
    atomic_store(&fake.fail_map[3], 100);
    rig_ask(&on, "{\"snapshot\":\"shop\",\"name\":\"poison\"}");
    const char *reason = rig_await(&on, "failed", "poison", 0)->reason;
    assert_non_null(strstr(reason, "map item 3"));
    assert_non_null(strstr(reason, "5 attempts"));
    assert_non_null(strstr(reason, "told to fail"));
    assert_int_equal(100 - atomic_load(&fake.fail_map[3]), ITEM_ATTEMPTS_MAX);
    assert_int_equal(bus_stream_last(on.bus, "DEAD", "dead.dissect.job", &sequence, &data, &size, id), 0);
    free(data);
    Tapeloop__V1__DissectShowReply *reply = rig_question(&on, "dissect.show", "{\"snapshot\":\"shop\",\"name\":\"poison\"}", &tapeloop__v1__dissect_show_reply__descriptor);
    assert_string_equal(reply->dissection->state, "failed");
    wire_free(reply);
}

static void what_a_stage_refuses_is_not_tried_again(void **state)
{
    (void)state;
    atomic_store(&fake.refuse_reduce, 1);
    rig_ask(&on, "{\"snapshot\":\"shop\",\"name\":\"refused\"}");
    assert_non_null(strstr(rig_await(&on, "failed", "refused", 0)->reason, "1 attempt:"));
}

static void a_cancel_ends_it(void **state)
{
    (void)state;
    char path[512];
    atomic_store(&fake.hold, true);
    uint64_t sequence = rig_ask(&on, "{\"snapshot\":\"shop\",\"name\":\"unwanted\"}");
    support_wait(atomic_load(&fake.holding) > 0);
    Tapeloop__V1__DissectDeleteReply *refused = rig_question(&on, "dissect.delete", "{\"snapshot\":\"shop\",\"name\":\"unwanted\"}", &tapeloop__v1__dissect_delete_reply__descriptor);
    assert_string_equal(refused->error->code, "conflict");
    wire_free(refused);
    Tapeloop__V1__DissectCancelReply *reply = rig_question(&on, "dissect.cancel", "{\"snapshot\":\"shop\",\"name\":\"unwanted\"}", &tapeloop__v1__dissect_cancel_reply__descriptor);
    assert_null(reply->error);
    assert_string_equal(reply->name, "unwanted");
    wire_free(reply);
    assert_non_null(strstr(rig_await(&on, "failed", "unwanted", 0)->reason, "cancelled"));
    snprintf(path, sizeof path, "%s/.dissections/shop/.unwanted.%llu", on.store, (unsigned long long)sequence);
    support_wait(!exists(path));
}

static void another_one_goes_on_where_one_was_stopped(void **state)
{
    (void)state;
    atomic_store(&fake.hold, true);
    rig_ask(&on, "{\"snapshot\":\"shop\",\"name\":\"moved\"}");
    support_wait(atomic_load(&fake.holding) > 0 && atomic_load(&fake.maps) == 6);
    rig_stop(&first);
    rig_start(&second, &on, "second", 1);
    support_wait(atomic_load(&fake.holding) > 1);
    atomic_store(&fake.hold, false);
    const Tapeloop__V1__DissectEvent *event = rig_await(&on, "ready", "moved", 0);
    assert_int_equal(event->attempts, 1);
    assert_int_equal(event->packets, 60);
    assert_int_equal(atomic_load(&fake.maps), 7); /* only the one that was interrupted is done anew */
    rig_stop(&second);
    rig_start(&first, &on, "first", 2);
}

/* How far the attempt was that ended is not how far the next one is. */
static void an_attempt_begins_at_nothing(void **state)
{
    (void)state;
    struct workplace place;
    atomic_store(&fake.hold, true);
    uint64_t sequence = rig_ask(&on, "{\"snapshot\":\"shop\",\"name\":\"anew\"}");
    support_wait(atomic_load(&fake.holding) > 0 && atomic_load(&fake.maps) == 6);
    assert_int_equal(workplace_find(first.service.store, "shop", "anew", sequence, false, &place), 0);
    rig_stop(&first);
    assert_int_equal(item_tell(&place, PLAN_MAP, 0, 90, 100), 0);
    atomic_store(&fake.silent, true);
    rig_start(&second, &on, "second", 1);
    support_wait(atomic_load(&fake.holding) > 1);
    assert_int_equal(item_told(&place, PLAN_MAP, 0), 0);
    atomic_store(&fake.hold, false);
    rig_await(&on, "ready", "anew", 0);
    rig_stop(&second);
    rig_start(&first, &on, "first", 2);
}

static void a_deleted_one_can_be_made_anew(void **state)
{
    (void)state;
    rig_ask(&on, "{\"snapshot\":\"shop\",\"name\":\"brief\"}");
    char location[512];
    snprintf(location, sizeof location, "%s", rig_await(&on, "ready", "brief", 0)->location);
    Tapeloop__V1__DissectDeleteReply *reply = rig_question(&on, "dissect.delete", "{\"snapshot\":\"shop\",\"name\":\"brief\"}", &tapeloop__v1__dissect_delete_reply__descriptor);
    assert_null(reply->error);
    wire_free(reply);
    assert_false(exists(location));
    rig_await(&on, "deleted", "brief", 0);
    rig_ask(&on, "{\"snapshot\":\"shop\",\"name\":\"brief\",\"where\":\"dns\"}");
    rig_await(&on, "ready", "brief", 1);
}

static void what_went_with_its_snapshot_is_forgotten(void **state)
{
    (void)state;
    rig_snapshot(&on, "short", 1);
    rig_ask(&on, "{\"snapshot\":\"short\",\"name\":\"gone\"}");
    rig_await(&on, "ready", "gone", 0);
    assert_int_equal(first.service.store->driver->remove(first.service.store->state, "short"), 0);
    Tapeloop__V1__DissectShowReply *reply = rig_question(&on, "dissect.show", "{\"snapshot\":\"short\",\"name\":\"gone\"}", &tapeloop__v1__dissect_show_reply__descriptor);
    assert_string_equal(reply->error->code, "not_found");
    wire_free(reply);
    crew_sweep(&first.service);
    Tapeloop__V1__Claim *claim = NULL;
    assert_int_equal(claim_read(on.bus, SERVICE_BUCKET, "short/gone", &claim, NULL), 0);
    assert_string_equal(claim->state, "deleted");
    wire_free(claim);
    rig_snapshot(&on, "short", 2); /* a new one of that name */
    rig_ask(&on, "{\"snapshot\":\"short\",\"name\":\"gone\"}");
    assert_int_equal(rig_await(&on, "ready", "gone", 1)->packets, 20);
}

static void an_item_that_kills_its_workers_is_given_up(void **state)
{
    (void)state;
    struct workplace place;
    struct stat status;
    char path[WORKPLACE_PATH_MAX];
    rig_stop(&first);
    rig_start(&first, &on, "first", 0); /* deals out, and does nothing itself */
    uint64_t sequence = rig_ask(&on, "{\"snapshot\":\"shop\",\"name\":\"deadly\"}");
    support_wait(workplace_find(first.service.store, "shop", "deadly", sequence, false, &place) == 0);
    workplace_path(&place, WORKPLACE_PLAN, path);
    support_wait(stat(path, &status) == 0);
    Tapeloop__V1__DissectItem item = TAPELOOP__V1__DISSECT_ITEM__INIT;
    char running[] = ITEM_RUNNING, instance[] = "gone";
    item.attempts = ITEM_ATTEMPTS_MAX;
    item.state = running;
    item.instance = instance;
    assert_int_equal(item_write(&place, PLAN_MAP, 4, &item), 0);
    rig_start(&second, &on, "second", 1);
    assert_non_null(strstr(rig_await(&on, "failed", "deadly", 0)->reason, "workers that tried it died"));
    rig_stop(&second);
    rig_stop(&first);
    rig_start(&first, &on, "first", 2);
}

static atomic_uint greatest_percent;
static void hear_progress(void *context, const struct bus_message *message)
{
    (void)context;
    char error[WIRE_ERROR_TEXT_MAX];
    ProtobufCMessage *decoded = NULL;
    if (wire_decode(&tapeloop__v1__dissect_progress__descriptor, message->data, message->size, message->content_type, &decoded, NULL, error) < 0)
        return;
    const Tapeloop__V1__DissectProgress *progress = (const Tapeloop__V1__DissectProgress *)decoded;
    if (strcmp(progress->name, "far") == 0 && progress->percent > atomic_load(&greatest_percent))
        atomic_store(&greatest_percent, progress->percent);
    wire_free(decoded);
}

/* While a single item is at work, its own progress is that of the dissection. */
static void how_far_items_are_is_told(void **state)
{
    (void)state;
    struct workplace place;
    struct bus_subscription *subscription;
    assert_int_equal(bus_subscribe(on.bus, "dissect.progress", NULL, hear_progress, NULL, &subscription), 0);
    atomic_store(&fake.hold, true);
    uint64_t sequence = rig_ask(&on, "{\"snapshot\":\"shop\",\"name\":\"far\"}");
    support_wait(workplace_find(first.service.store, "shop", "far", sequence, false, &place) == 0);
    support_wait(item_told(&place, PLAN_MAP, 0) == 40);
    assert_int_equal(item_told(&place, PLAN_MAP, 1), -ENOENT);
    support_wait(atomic_load(&greatest_percent) == 40);
    assert_int_equal(item_tell(&place, PLAN_MAP, 1, 7, 0), 0);
    assert_int_equal(item_told(&place, PLAN_MAP, 1), 0);
    assert_int_equal(item_tell(&place, PLAN_MAP, 1, UINT64_MAX, 3), 0);
    assert_int_equal(item_told(&place, PLAN_MAP, 1), 100);
    atomic_store(&fake.hold, false);
    (void)rig_await(&on, "ready", "far", 0);
    bus_unsubscribe(subscription);
}

static void a_snapshot_that_is_deleted_meanwhile_ends_it(void **state)
{
    (void)state;
    rig_snapshot(&on, "doomed", 3);
    atomic_store(&fake.hold, true);
    rig_ask(&on, "{\"snapshot\":\"doomed\",\"name\":\"late\"}");
    support_wait(atomic_load(&fake.holding) > 0);
    assert_int_equal(first.service.store->driver->remove(first.service.store->state, "doomed"), 0);
    atomic_store(&fake.hold, false);
    assert_non_null(strstr(rig_await(&on, "failed", "late", 0)->reason, "was deleted"));
}

/* Its snapshot was deleted while nobody had the request in hand: who takes it next can only refuse it, and its claim must not stay open for ever. */
static void a_request_that_lost_its_snapshot_leaves_its_name(void **state)
{
    (void)state;
    char path[512];
    Tapeloop__V1__Claim *claim = NULL;
    rig_snapshot(&on, "orphaned", 3);
    atomic_store(&fake.hold, true);
    rig_ask(&on, "{\"snapshot\":\"orphaned\",\"name\":\"orphan\"}");
    support_wait(atomic_load(&fake.holding) > 0);
    rig_stop(&first);
    snprintf(path, sizeof path, "%s/orphaned", on.store);
    support_remove_folder(path);
    snprintf(path, sizeof path, "%s/.dissections/orphaned", on.store);
    support_remove_folder(path);
    atomic_store(&fake.hold, false);
    rig_start(&first, &on, "first", 2);
    assert_non_null(strstr(rig_await(&on, "failed", "orphan", 0)->reason, "there is no snapshot"));
    assert_int_equal(claim_read(on.bus, SERVICE_BUCKET, "orphaned/orphan", &claim, NULL), 0);
    assert_string_equal(claim->state, "failed");
    wire_free(claim);
    rig_snapshot(&on, "orphaned", 2); /* a new one of that name */
    rig_ask(&on, "{\"snapshot\":\"orphaned\",\"name\":\"orphan\"}");
    assert_int_equal(rig_await(&on, "ready", "orphan", 0)->packets, 20);
}

/* Whoever takes over a dissection deals out again what is not done: what a worker has in hand is not begun beside it. */
static void an_item_that_is_dealt_out_twice_is_done_once(void **state)
{
    (void)state;
    char type[] = "application/protobuf", snapshot[] = "shop", name[] = "twice", stage[] = "map";
    Tapeloop__V1__DissectJob wish = TAPELOOP__V1__DISSECT_JOB__INIT;
    void *data = NULL;
    size_t size = 0;
    uint64_t sequence;
    atomic_store(&fake.hold, true);
    wish.request = rig_ask(&on, "{\"snapshot\":\"shop\",\"name\":\"twice\"}");
    support_wait(atomic_load(&fake.holding) > 0 && atomic_load(&fake.maps) == 6);
    wish.snapshot = snapshot;
    wish.name = name;
    wish.stage = stage;
    assert_int_equal(wire_encode(&wish.base, WIRE_PROTOBUF, &data, &size), 0);
    const struct bus_header header = { .name = "Content-Type", .value = type };
    assert_int_equal(bus_publish_stream(on.bus, "dissect.job.shop", data, size, &header, 1, "again", BUS_ANY, &sequence, NULL), 0);
    free(data);
    support_sleep_ms(1500); /* the other worker of `first` gets it at once */
    assert_int_equal(atomic_load(&fake.holding), 1);
    atomic_store(&fake.hold, false);
    rig_await(&on, "ready", "twice", 0);
    assert_int_equal(atomic_load(&fake.maps), 6);
}

/* Somebody else's bytes: a worker can no longer write how far its item is, and goes on trying; who asked hears why nothing comes of it. */
static void a_store_that_is_full_ends_it(void **state)
{
    (void)state;
    char path[512];
    static const char block[64 * 1024];
    if (!own_disk)
        skip();
    atomic_store(&fake.hold, true);
    rig_ask(&on, "{\"snapshot\":\"shop\",\"name\":\"full\"}");
    support_wait(atomic_load(&fake.holding) > 0 && atomic_load(&fake.maps) == 6);
    snprintf(path, sizeof path, "%s/filler", on.store);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof block) > 0)
        ;
    atomic_store(&fake.hold, false);
    const char *reason = rig_await(&on, "failed", "full", 0)->reason;
    close(fd);
    unlink(path);
    assert_non_null(strstr(reason, "is full"));
    rig_ask(&on, "{\"snapshot\":\"shop\",\"name\":\"full\"}");
    rig_await(&on, "ready", "full", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_request_becomes_a_dissection, reset), cmocka_unit_test_setup(what_cannot_be_done_is_said_at_once, reset),
        cmocka_unit_test_setup(an_item_that_fails_is_tried_again, reset), cmocka_unit_test_setup(poison_ends_among_the_dead_letters, reset),
        cmocka_unit_test_setup(what_a_stage_refuses_is_not_tried_again, reset), cmocka_unit_test_setup(a_cancel_ends_it, reset),
        cmocka_unit_test_setup(another_one_goes_on_where_one_was_stopped, reset), cmocka_unit_test_setup(an_attempt_begins_at_nothing, reset),
        cmocka_unit_test_setup(a_deleted_one_can_be_made_anew, reset),
        cmocka_unit_test_setup(what_went_with_its_snapshot_is_forgotten, reset),
        cmocka_unit_test_setup(how_far_items_are_is_told, reset), cmocka_unit_test_setup(an_item_that_kills_its_workers_is_given_up, reset), cmocka_unit_test_setup(a_snapshot_that_is_deleted_meanwhile_ends_it, reset),
        cmocka_unit_test_setup(a_request_that_lost_its_snapshot_leaves_its_name, reset), cmocka_unit_test_setup(a_store_that_is_full_ends_it, reset),
        cmocka_unit_test_setup(an_item_that_is_dealt_out_twice_is_done_once, reset),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
