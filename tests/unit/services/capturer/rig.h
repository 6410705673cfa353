/* A tape with a lane whose capture thread is played by the test: frames of a made-up interface go through the real recorder, the real writer and the real tape. */
#ifndef TESTS_CAPTURER_RIG_H
#define TESTS_CAPTURER_RIG_H
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bus/bus.h"
#include "services/capturer/capture/recorder.h"
#include "services/capturer/tape/tape.h"
#include "tests/support/nats_server.h"
#include "units/units.h"
#include "wire/wire.h"

#define RIG_IFINDEX 7
#define RIG_FRAME_BYTES 60000u
#define RIG_LINK_TYPE 1 /* LINKTYPE_ETHERNET */

struct rig {
    char folder[64];
    struct tape *tape;
    struct lane *lane;
    struct table *table;
    struct recorder *recorder;
    _Atomic uint8_t *lane_of_port;
    pthread_t thread;
    bool feeding;
    _Atomic uint32_t frame_bytes, pause_ms;  /* how the feeder feeds */
    _Atomic uint64_t fed;
    _Atomic uint64_t sealed;                 /* events */
    pthread_mutex_t lock;                    /* held while on_event runs */
    void (*on_event)(const struct tape_event *event);
};

static inline void rig_event(void *context, const struct tape_event *event)
{
    struct rig *rig = context;
    (void)pthread_mutex_lock(&rig->lock);
    if (rig->on_event)
        rig->on_event(event);
    (void)pthread_mutex_unlock(&rig->lock);
    atomic_fetch_add(&rig->sealed, event->kind == TAPE_EVENT_SEALED);
}

/* NULL: nobody; none is under way when it returns. */
static inline void rig_listen(struct rig *rig, void (*on_event)(const struct tape_event *event))
{
    (void)pthread_mutex_lock(&rig->lock);
    rig->on_event = on_event;
    (void)pthread_mutex_unlock(&rig->lock);
}

static inline void rig_feed(struct rig *rig, const uint8_t *frame)
{
    int64_t now_ns = units_now_wall_ns();
    recorder_turn(rig->recorder, now_ns, units_now_mono_ns());
    atomic_store(&rig->lane->loop_ns, units_now_mono_ns());
    uint32_t bytes = atomic_load(&rig->frame_bytes);
    if (bytes) {
        const struct recorder_frame put = { .data = frame, .captured = bytes, .length = bytes, .ifindex = RIG_IFINDEX, .time_ns = now_ns };
        recorder_put(rig->recorder, &put);
        atomic_fetch_add(&rig->fed, 1);
    }
    recorder_tick(rig->recorder);
    recorder_publish(rig->recorder);
}

static inline void *rig_run(void *context)
{
    struct rig *rig = context;
    struct lane *lane = rig->lane;
    uint8_t *frame = calloc(1, RIG_FRAME_BYTES);
    uint32_t done = 0;
    for (uint32_t i = 0; i < RIG_FRAME_BYTES; i++) /* does not compress */
        frame[i] = (uint8_t)(i * 2654435761u >> 13);
    while (!atomic_load(&lane->stop)) {
        rig_feed(rig, frame);
        uint32_t asked = atomic_load(&lane->seal_request);
        if (asked != done) {
            recorder_seal(rig->recorder, (enum segment_seal_reason)atomic_load(&lane->seal_reason));
            atomic_store(&lane->seals_done, asked);
            done = asked;
        }
        uint32_t pause = atomic_load(&rig->pause_ms);
        if (pause)
            support_sleep_ms(pause);
    }
    recorder_seal(rig->recorder, SEGMENT_SEAL_STOP);
    recorder_publish(rig->recorder);
    lane_end_capture(lane);
    free(frame);
    return NULL;
}

/* The folder must exist; a second start in it finds the tape again. */
static inline void rig_start(struct rig *rig, uint64_t storage_size)
{
    char error[256] = "";
    const struct tape_options options = { .folder = rig->folder, .node = "node.1", .storage_size = storage_size, .lanes = 1, .compress = TAPE_COMPRESS_NEVER };
    int r = tape_open(&options, NULL, NULL, &rig->tape, error);
    if (r < 0)
        fail_msg("%s", error);
    tape_on_event(rig->tape, rig_event, rig);
    assert_int_equal(0, lane_new(0, &rig->lane));
    rig->lane->segment_age_ns = 3600 * UNITS_NS_PER_S;
    rig->lane->flush_ns = 100 * UNITS_NS_PER_MS;
    assert_int_equal(0, tape_writer_start(rig->tape, rig->lane));
    assert_int_equal(0, table_new(1, &rig->table));
    struct table_list *list = calloc(1, sizeof *list + sizeof *list->interfaces);
    list->count = 1;
    list->interfaces[0] = (struct table_interface){ .serial = TABLE_SERIAL_FIRST, .ifindex = RIG_IFINDEX, .slot = FILTER_SLOTS_OWN, .link_type = RIG_LINK_TYPE, .name = "made0" };
    table_publish(rig->table, list);
    rig->recorder = calloc(1, sizeof *rig->recorder);
    rig->lane_of_port = calloc(RECORDER_PORTS_MAX, 1);
    const struct recorder_options recorder = { .lane = rig->lane, .table = rig->table, .filter = NULL, .node = "node.1", .tape_id = tape_id(rig->tape),
                                               .lane_of_port = rig->lane_of_port };
    recorder_init(rig->recorder, &recorder);
    atomic_store(&rig->frame_bytes, 200);
    atomic_store(&rig->pause_ms, 2);
    assert_int_equal(0, pthread_create(&rig->thread, NULL, rig_run, rig));
    rig->feeding = true;
}

static inline void rig_stop(struct rig *rig)
{
    if (!rig->feeding)
        return;
    rig->feeding = false;
    lane_request_stop(rig->lane);
    (void)pthread_join(rig->thread, NULL);
    tape_writer_join(rig->tape, rig->lane);
}

/* After rig_stop and after everything that asks the tape. */
static inline void rig_close(struct rig *rig)
{
    tape_close(rig->tape);
    lane_free(rig->lane);
    table_free(rig->table);
    free(rig->recorder);
    free((void *)rig->lane_of_port);
    rig->tape = NULL;
}

static inline void rig_make_folder(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    (void)pthread_mutex_init(&rig->lock, NULL);
    (void)snprintf(rig->folder, sizeof rig->folder, "/tmp/tapeloop-rig-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
}

/* One segment more, with some packets. */
static inline void rig_seal(struct rig *rig)
{
    uint64_t before = atomic_load(&rig->sealed), fed = atomic_load(&rig->fed);
    support_wait(atomic_load(&rig->fed) > fed + 5);
    lane_request_seal(rig->lane, SEGMENT_SEAL_PIN);
    support_wait(atomic_load(&rig->sealed) > before);
}

static inline struct bus *rig_open_bus(const struct nats_server *server)
{
    struct bus *bus = NULL;
    char error[256] = "";
    const struct bus_options options = { .server = server->url };
    assert_int_equal(0, bus_open(&options, false, &bus, error));
    return bus;
}

static inline void rig_apply(struct bus *bus)
{
    char error[256] = "";
    support_wait(bus_connected(bus) && bus_apply_definitions(bus, NULL, NULL, NULL, error) == 0);
}
#endif
