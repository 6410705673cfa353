#include "services/capturer/capturer.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/log.h"
#include "loop/loop.h"
#include "services/capturer/heartbeat.h"
#include "services/capturer/pin.h"
#include "services/capturer/privilege.h"
#include "services/capturer/publisher.h"
#include "services/capturer/server.h"
#include "services/capturer/settings.h"
#include "units/units.h"

#define TICK_MS 1000                 /* canaries and heartbeat */
#define KEYS_EVERY_TICKS 3600
#define PUBLISH_PATIENCE_MS 2000     /* at the end, for what is still owed */
#define ERROR_MAX 256
#define NAMES_MAX 400                /* of interfaces in one log line; the heartbeat names all */

struct capturer {
    const struct capturer_options *options;
    struct lifecycle *lifecycle;
    struct tape *tape;
    struct lane *lanes[LANES_MAX];
    uint32_t lanes_count, writers_count;
    struct capture *capture;
    bool capturing;
    struct bus *bus;
    struct server *server;
    struct heartbeat *heartbeat;
    struct publisher *publisher;
    struct pin *pin;
    struct live_switch *settings;
    pthread_mutex_t told_lock;       /* held while heartbeat, publisher and pin are told of tape events; none of them waits */
    bool listening;                  /* they are there */
    uv_timer_t tick;
    uv_poll_t watch;
    uv_work_t ending;
    bool ticking, watching, ready, stopping;
    unsigned ticks;
};

static int failed(const char *what, int r, const char *error)
{
    log_error("cannot start", "step=%s reason=%s", log_quote(what), log_quote(*error ? error : strerror(-r)));
    return r;
}

static void on_salvage(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)context;
    log_info("mending the tape", "what=%s done=%" PRIu64 " total=%" PRIu64, log_quote(what), done, total);
}

static void tell(struct capturer *capturer, const struct tape_event *event)
{
    switch (event->kind) {
    case TAPE_EVENT_SEALED:
        pin_note_sealed(capturer->pin, event->lane, event->sequence);
        publisher_wake(capturer->publisher);
        return;
    case TAPE_EVENT_RECYCLED:
        publisher_note_recycled(capturer->publisher);
        return;
    case TAPE_EVENT_DISK_FULL:
    case TAPE_EVENT_DISK_ERROR:
    case TAPE_EVENT_DISK_WELL:
        heartbeat_note_disk(capturer->heartbeat, event->kind, event->error);
        return;
    }
}

/* The tape's threads. */
static void on_tape_event(void *context, const struct tape_event *event)
{
    struct capturer *capturer = context;
    (void)pthread_mutex_lock(&capturer->told_lock);
    if (capturer->listening)
        tell(capturer, event);
    (void)pthread_mutex_unlock(&capturer->told_lock);
}

static void set_listening(struct capturer *capturer, bool listening)
{
    (void)pthread_mutex_lock(&capturer->told_lock);
    capturer->listening = listening;
    (void)pthread_mutex_unlock(&capturer->told_lock);
}

/* A libnats thread. The publisher finds out by itself within its second. */
static void on_bus_change(void *context, bool connected)
{
    (void)context;
    if (connected)
        log_info("connected to the bus", "%s", "");
    else
        log_warning("the bus is gone, recording goes on", "%s", "");
}

static int open_tape(struct capturer *capturer)
{
    const struct capturer_options *options = capturer->options;
    const struct tape_options tape = { .folder = options->data, .node = options->node, .storage_size = options->storage_size, .segment_size = options->segment_size,
                                       .lanes = (uint32_t)options->lanes, .compress = (enum tape_compress)options->compress, .sync = options->sync };
    char error[ERROR_MAX] = "";
    int r = tape_open(&tape, on_salvage, NULL, &capturer->tape, error);
    if (r < 0)
        return failed("tape", r, error);
    tape_on_event(capturer->tape, on_tape_event, capturer);
    for (uint32_t i = 0; i < options->lanes; i++) {
        r = lane_new(i, &capturer->lanes[i]);
        if (r < 0)
            return failed("lane memory", r, "");
        capturer->lanes_count++;
        capturer->lanes[i]->segment_age_ns = options->segment_age_ns;
        capturer->lanes[i]->flush_ns = options->flush_ns;
        atomic_store(&capturer->lanes[i]->enabled, 1);
    }
    return 0;
}

static int open_capture(struct capturer *capturer)
{
    const struct capturer_options *options = capturer->options;
    const struct capture_options capture = { .interfaces = options->interfaces.values, .interfaces_count = options->interfaces.count, .bpf = options->bpf,
                                             .ring_bytes = options->ring_size, .tape_id = tape_id(capturer->tape), .node = options->node,
                                             .lanes = (uint32_t)options->lanes };
    char error[ERROR_MAX] = "";
    int r = capture_open(&capture, capturer->lanes, &capturer->capture, error);
    if (r < 0)
        return failed("capture", r, error);
    r = privilege_drop(options->data);
    return r < 0 ? failed("dropping privileges", r, "") : 0;
}

static int start_recording(struct capturer *capturer)
{
    for (uint32_t i = 0; i < capturer->lanes_count; i++) {
        int r = tape_writer_start(capturer->tape, capturer->lanes[i]);
        if (r < 0)
            return failed("writer", r, "");
        capturer->writers_count++;
    }
    int r = capture_start(capturer->capture);
    if (r < 0)
        return failed("capture threads", r, "");
    capturer->capturing = true;
    return 0;
}

static int open_bus(struct capturer *capturer)
{
    const struct capturer_options *options = capturer->options;
    struct bus_options bus;
    char name[SEGMENT_NODE_NAME_MAX + 16], error[ERROR_MAX] = "";
    (void)snprintf(name, sizeof name, "capturer %s", options->node);
    lifecycle_bus_options(&options->lifecycle, name, &bus);
    int r = server_start(capturer->tape, options->node, options->data, options->listen, options->advertise, &capturer->server, error);
    if (r < 0)
        return failed("segment server", r, error);
    r = bus_open(&bus, false, &capturer->bus, error);
    if (r < 0)
        return failed("bus", r, error);
    if (bus_connected(capturer->bus))
        log_info("connected to the bus", "%s", "");
    bus_on_change(capturer->bus, on_bus_change, NULL);
    return 0;
}

/* The settings' thread. The heartbeat first: a lane that is off gives no proof. */
static void on_switch(void *context, bool enabled)
{
    struct capturer *capturer = context;
    if (enabled)
        log_info("recording is switched on", "by=%s", SETTINGS_RAW_ENABLED);
    else
        log_warning("recording is switched off", "by=%s", SETTINGS_RAW_ENABLED);
    heartbeat_note_switch(capturer->heartbeat, enabled);
    for (uint32_t i = 0; i < capturer->lanes_count; i++)
        atomic_store(&capturer->lanes[i]->enabled, enabled);
}

static int start_talking(struct capturer *capturer)
{
    const struct capturer_options *options = capturer->options;
    const struct heartbeat_options heartbeat = { .bus = capturer->bus, .tape = capturer->tape, .capture = capturer->capture, .lanes = capturer->lanes,
                                                 .lanes_count = capturer->lanes_count, .ring_bytes = options->ring_size, .node = options->node,
                                                 .segment_server = server_address(capturer->server), .labels = &options->labels };
    int r = heartbeat_start(&heartbeat, &capturer->heartbeat);
    if (r < 0)
        return failed("heartbeat", r, "");
    r = publisher_start(capturer->bus, capturer->tape, options->node, &capturer->publisher);
    if (r < 0)
        return failed("publisher", r, "");
    const struct pin_options pin = { .bus = capturer->bus, .tape = capturer->tape, .server = capturer->server, .heartbeat = capturer->heartbeat, .lanes = capturer->lanes,
                                     .lanes_count = capturer->lanes_count, .node = options->node, .labels = &options->labels };
    r = pin_start(&pin, &capturer->pin);
    if (r < 0)
        return failed("answers on the bus", r, "");
    set_listening(capturer, true);
    r = settings_start(capturer->bus, on_switch, capturer, &capturer->settings);
    if (r < 0)
        return failed("settings", r, "");
    return 0;
}

static void on_tick(uv_timer_t *timer)
{
    struct capturer *capturer = timer->data;
    if (!capturer->stopping) {
        int r = capture_send_canaries(capturer->capture, units_now_wall_ns());
        if (r < 0)
            log_debug("cannot send a canary", "reason=%s", log_quote(strerror(-r))); /* the heartbeat tells when the proof is missing */
    }
    enum heartbeat_state state = heartbeat_tick(capturer->heartbeat);
    if ((state == HEARTBEAT_RECORDING || state == HEARTBEAT_STOPPED) && !capturer->ready) { /* stopped: switched off already */
        capturer->ready = true;
        (void)puts("ready");
        (void)fflush(stdout);
    }
    if (++capturer->ticks % KEYS_EVERY_TICKS == 0) {
        int r = server_rotate_keys(capturer->server);
        if (r < 0)
            log_warning("cannot rotate the token key, the old one stays", "reason=%s", log_quote(strerror(-r)));
    }
}

/* What is recorded now; a person who mistyped a name finds out here. */
static void log_interfaces(struct capturer *capturer)
{
    struct capture_interface *interfaces = calloc(HEARTBEAT_INTERFACES_MAX, sizeof *interfaces);
    size_t count = interfaces ? capture_interfaces(capturer->capture, interfaces, HEARTBEAT_INTERFACES_MAX) : 0, recorded = 0, n = 0;
    char names[NAMES_MAX] = "";
    for (size_t i = 0; i < count; i++) {
        if (!interfaces[i].recorded)
            continue;
        if (n + sizeof interfaces[i].name + 2 < sizeof names)
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", recorded ? "," : "", interfaces[i].name);
        recorded++;
    }
    free(interfaces);
    if (recorded)
        log_info("interfaces", "recorded=%zu names=%s", recorded, log_quote(names));
    else
        log_warning("no interface to record", "hint=%s", log_quote("none has a name that --interface gives; recording begins when one comes"));
}

static void on_interfaces(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    struct capturer *capturer = poll->data;
    int changes = capture_watch(capturer->capture);
    if (changes < 0)
        log_warning("cannot follow the interfaces", "reason=%s", log_quote(strerror(-changes)));
    else if (changes > 0)
        log_interfaces(capturer);
}

static int start_loop(struct capturer *capturer)
{
    uv_loop_t *loop = lifecycle_loop(capturer->lifecycle);
    int r = uv_timer_init(loop, &capturer->tick);
    if (r < 0)
        return failed("loop", r, "");
    capturer->ticking = true;
    capturer->tick.data = capturer;
    r = uv_timer_start(&capturer->tick, on_tick, 0, TICK_MS);
    if (r == 0)
        r = uv_poll_init(loop, &capturer->watch, capture_watch_fd(capturer->capture));
    if (r < 0)
        return failed("loop", r, "");
    capturer->watching = true;
    capturer->watch.data = capturer;
    r = uv_poll_start(&capturer->watch, UV_READABLE, on_interfaces);
    return r < 0 ? failed("interface watcher", r, "") : 0;
}

int capturer_start(const struct capturer_options *options, struct lifecycle *lifecycle, struct capturer **ret)
{
    struct capturer *capturer = calloc(1, sizeof *capturer);
    if (!capturer)
        return -ENOMEM;
    capturer->options = options;
    capturer->lifecycle = lifecycle;
    (void)pthread_mutex_init(&capturer->told_lock, NULL);
    int r = privilege_begin(options->data);
    if (r < 0)
        (void)failed("dropping privileges", r, "");
    if (r == 0)
        r = open_tape(capturer);
    if (r == 0)
        r = open_capture(capturer);
    if (r == 0)
        r = start_recording(capturer);
    if (r == 0)
        r = open_bus(capturer);
    if (r == 0)
        r = start_talking(capturer);
    if (r == 0)
        r = start_loop(capturer);
    if (r < 0) {
        capturer_free(capturer);
        return r;
    }
    char size[UNITS_SIZE_TEXT_MAX], segment[UNITS_SIZE_TEXT_MAX];
    log_info("started", "node=%s data=%s storage_size=%s segment_size=%s lanes=%" PRIu32 " writer=%s segment_server=%s", options->node, log_quote(options->data),
             units_format_size(options->storage_size, size, sizeof size), units_format_size(tape_segment_size(capturer->tape), segment, sizeof segment),
             capturer->lanes_count, tape_writer_kind(capturer->tape), server_address(capturer->server));
    log_interfaces(capturer);
    *ret = capturer;
    return 0;
}

/* Ends the lanes: what the ring holds is written, the segments are sealed. */
static void end_recording(struct capturer *capturer)
{
    for (uint32_t i = 0; capturer->capturing && i < capturer->lanes_count; i++)
        lane_request_stop(capturer->lanes[i]);
    if (capturer->capturing)
        capture_join(capturer->capture);
    capturer->capturing = false;
    for (uint32_t i = 0; i < capturer->writers_count; i++) {
        lane_end_capture(capturer->lanes[i]); /* again, or at last where no capture thread ever ran */
        tape_writer_join(capturer->tape, capturer->lanes[i]);
    }
    capturer->writers_count = 0;
}

/* A worker: the loop goes on ticking. */
static void on_ending(uv_work_t *work)
{
    struct capturer *capturer = work->data;
    live_switch_stop(capturer->settings);
    end_recording(capturer);
    set_listening(capturer, false);
    pin_stop(capturer->pin);
    publisher_stop(capturer->publisher, PUBLISH_PATIENCE_MS);
}

static void on_ended(uv_work_t *work, int status)
{
    (void)status;
    struct capturer *capturer = work->data;
    capturer->publisher = NULL;
    capturer->pin = NULL;
    capturer->settings = NULL;
    heartbeat_stop(capturer->heartbeat, "stopped as asked");
    log_info("stopped", "%s", "");
    capturer->heartbeat = NULL;
    lifecycle_finish(capturer->lifecycle, 0);
}

void capturer_stop(void *context)
{
    struct capturer *capturer = context;
    if (capturer->stopping)
        return;
    capturer->stopping = true;
    (void)uv_timer_stop(&capturer->tick);
    (void)uv_poll_stop(&capturer->watch);
    capturer->ending.data = capturer;
    int r = uv_queue_work(lifecycle_loop(capturer->lifecycle), &capturer->ending, on_ending, on_ended);
    if (r < 0) {
        log_error("cannot stop in order", "reason=%s", log_quote(strerror(-r)));
        lifecycle_finish(capturer->lifecycle, 1);
    }
}

void capturer_free(struct capturer *capturer)
{
    if (!capturer)
        return;
    if (capturer->ticking)
        uv_close((uv_handle_t *)&capturer->tick, NULL);
    if (capturer->watching)
        uv_close((uv_handle_t *)&capturer->watch, NULL);
    if (capturer->ticking || capturer->watching)
        (void)uv_run(lifecycle_loop(capturer->lifecycle), UV_RUN_NOWAIT); /* so that the loop forgets the handles */
    live_switch_stop(capturer->settings);
    end_recording(capturer);
    set_listening(capturer, false);
    publisher_stop(capturer->publisher, 0);
    pin_stop(capturer->pin);
    heartbeat_stop(capturer->heartbeat, "could not go on");
    server_stop(capturer->server);
    bus_close(capturer->bus);
    capture_close(capturer->capture);
    for (uint32_t i = 0; i < capturer->lanes_count; i++)
        lane_free(capturer->lanes[i]);
    tape_close(capturer->tape);
    (void)pthread_mutex_destroy(&capturer->told_lock);
    free(capturer);
}
