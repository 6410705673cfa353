#include "services/dissector/live/live.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "jobs/live_switch.h"
#include "log/log.h"
#include "mem/cleanup.h"
#include "services/dissector/live/stream.h"
#include "services/dissector/live/tape_feed.h"
#include "services/dissector/output/output.h"
#include "services/dissector/work/finalise.h"
#include "units/units.h"

#define NICE 19
#define BATCHES_PER_LOOK 32u            /* some thousand packets between two looks at the clock */

struct live {
    struct bus *bus;
    struct live_options options;
    struct shelf *shelf;
    struct live_switch *live_switch;
    struct bus_subscription *ear;       /* segment.sealed.<node>: wakes the thread */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news;
    bool woken, running;                /* behind lock */
    atomic_bool wanted, end;
    atomic_uint_fast64_t segments, recycled, entries, failed;
    _Atomic int64_t lag_ns;
    /* the thread's own */
    struct live_stream *stream;
    struct tape_feed *feed;
    struct stage_input *inputs;         /* segments since the engines began, by input number; ids are their own */
    struct input_names names;           /* of interfaces */
    uint32_t inputs_count, group;       /* group: segments since the last cut */
    int64_t wall_ns, cpu_ns;            /* when the ceiling's account began */
};

static void wake(struct live *live)
{
    pthread_mutex_lock(&live->lock);
    live->woken = true;
    pthread_cond_signal(&live->news);
    pthread_mutex_unlock(&live->lock);
}

/* libnats' thread. */
static void on_sealed(void *context, const struct bus_message *message)
{
    (void)message;
    wake(context);
}

/* The switch's thread: "stopped". */
static void on_switch(void *context, bool stopped)
{
    struct live *live = context;
    log_info(stopped ? "live dissection is switched off" : "live dissection is switched on", "by=" LIVE_SWITCH_KEY);
    atomic_store(&live->wanted, !stopped);
    wake(live);
}

static void on_ignored(void *context, const char *key)
{
    (void)context;
    log_warning("a setting is neither true nor false, it is ignored", "bucket=" LIVE_SWITCH_BUCKET " key=%s", key);
}

static int64_t cpu_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * UNITS_NS_PER_S + now.tv_nsec;
}

/* Sleeps as long as the work since the account began was more than its share. */
static void keep_ceiling(struct live *live)
{
    int64_t used_ns = cpu_now() - live->cpu_ns, allowed_wall_ns = used_ns * 100 / (int64_t)live->options.cpu_percent, over_ns = allowed_wall_ns - (units_now_mono_ns() - live->wall_ns);
    while (over_ns > 0 && !atomic_load(&live->end)) {
        int64_t part_ns = over_ns < 200 * UNITS_NS_PER_MS ? over_ns : 200 * UNITS_NS_PER_MS;
        usleep((useconds_t)(part_ns / 1000 + 1));
        over_ns -= part_ns;
    }
}

static void begin_account(struct live *live)
{
    live->wall_ns = units_now_mono_ns();
    live->cpu_ns = cpu_now();
}

static void forget_stream(struct live *live)
{
    live_stream_free(live->stream);
    live->stream = NULL;
    for (uint32_t i = 0; i < live->inputs_count; i++)
        free((char *)(uintptr_t)live->inputs[i].segment_id);
    live->inputs_count = live->group = 0;
}

static int begin_stream(struct live *live)
{
    const struct shard_options options = { .redact = live->options.redact };
    return live_stream_new(&options, shelf_folder(live->shelf), LIVE_MEMORY, &live->stream);
}

/* What came out since the last cut becomes a database. */
static int cut(struct live *live, bool end)
{
    char path[SHELF_PATH_MAX], error[STAGE_ERROR_TEXT_MAX] = "";
    struct run_reader *reader = NULL;
    mem_auto_free struct stage_result *result = calloc(1, sizeof *result);
    if (!result)
        return -ENOMEM;
    live->group = 0;
    int r = live_stream_cut(live->stream, end, &reader);
    if (r < 0)
        return r;
    if (run_records(reader) == 0) {
        run_close(reader);
        return 0;
    }
    shelf_next(live->shelf, path);
    const struct finalise_options options = { .driver = &output_sqlite, .path = path, .nodes = &live->options.node, .nodes_count = 1, .inputs = live->inputs, .inputs_count = live->inputs_count,
                                              .names = &live->names };
    r = finalise_runs(&reader, 1, &options, NULL, result, error);
    if (r == 0)
        r = shelf_add(live->shelf);
    if (r < 0) {
        log_warning("cannot write a live database", "path=%s reason=%s", log_quote(path), log_quote(error[0] ? error : strerror(-r)));
        return r;
    }
    atomic_fetch_add(&live->entries, result->entries);
    return 0;
}

static int read_packets(struct live *live, struct input_reader *reader)
{
    static __thread struct input_packet packets[INPUT_BATCH_MAX];
    uint32_t batches = 0;
    for (int n; (n = input_next(reader, packets, INPUT_BATCH_MAX)) != 0;) {
        if (n < 0)
            return n;
        for (int i = 0; i < n; i++) {
            int r = live_stream_packet(live->stream, &packets[i]);
            if (r < 0)
                return r;
        }
        if (++batches % BATCHES_PER_LOOK == 0) {
            if (atomic_load(&live->end))
                return -ECANCELED;
            keep_ceiling(live);
        }
    }
    return 0;
}

/* One segment through the engines. It may be recycled at any moment: what is open stays readable. */
static int read_segment(struct live *live, const struct tape_segment *segment)
{
    char error[INPUT_ERROR_TEXT_MAX] = "";
    MEM_CLEANUP(input_close_p) struct input_reader *reader = NULL;
    struct stage_input *grown = reallocarray(live->inputs, live->inputs_count + 1, sizeof *grown);
    char *id = strdup(segment->id);
    if (grown)
        live->inputs = grown;
    if (!grown || !id) {
        free(id);
        return -ENOMEM;
    }
    live->inputs[live->inputs_count++] = (struct stage_input){ .path = "", .segment_id = id, .previous = UINT32_MAX };
    const struct input input = { .path = segment->path, .segment_id = id, .node_name = live->options.node, .previous = INPUT_NONE, .bytes = segment->bytes, .first_ns = INT64_MIN, .last_ns = INT64_MAX };
    int r = input_open(&input, live->inputs_count - 1, &reader, error);
    if (r == -ENOENT) {
        tape_feed_missed(live->feed);
        return 0;
    }
    if (r < 0) {
        log_warning("a segment cannot be read", "id=%s reason=%s", segment->id, log_quote(error[0] ? error : strerror(-r)));
        atomic_fetch_add(&live->failed, 1);
        return r == -ENOMEM ? r : 0;
    }
    r = read_packets(live, reader);
    if (r == 0 && input_problem(reader)) {
        log_warning("a segment is not whole", "id=%s reason=%s", segment->id, log_quote(input_problem(reader)));
        atomic_fetch_add(&live->failed, 1);
    }
    (void)input_names_add_all(&live->names, input_interface_names(reader)); /* without memory a name is missing */
    atomic_fetch_add(&live->segments, 1);
    atomic_store(&live->lag_ns, units_now_wall_ns() - segment->sealed_ns);
    live->group++;
    return r;
}

/* All that has been sealed so far. */
static int catch_up(struct live *live)
{
    struct tape_segment segment;
    int r;
    while ((r = tape_feed_next(live->feed, &segment)) == 1) {
        r = read_segment(live, &segment);
        atomic_store(&live->recycled, tape_feed_recycled(live->feed));
        if (r < 0 || atomic_load(&live->end) || !atomic_load(&live->wanted))
            break;
        if (live->group >= LIVE_GROUP_SEGMENTS || live_stream_entries(live->stream) >= LIVE_GROUP_ENTRIES)
            r = cut(live, false);
        if (r < 0)
            break;
        keep_ceiling(live);
    }
    atomic_store(&live->recycled, tape_feed_recycled(live->feed));
    if (r >= 0 && live->group > 0)
        r = cut(live, false);
    return r < 0 ? r : 0;
}

static void turn(struct live *live)
{
    int r = 0;
    if (!atomic_load(&live->wanted)) {
        if (live->stream)
            (void)cut(live, true);
        forget_stream(live);
        tape_feed_free(live->feed); /* what is sealed while it is off is not read later */
        live->feed = NULL;
        atomic_store(&live->lag_ns, 0);
        return;
    }
    if (!live->feed)
        r = tape_feed_new(live->options.tape, &live->feed);
    if (r == 0 && live->stream && live->inputs_count >= LIVE_INPUTS_MAX) {
        (void)cut(live, true);
        forget_stream(live);
    }
    if (r == 0 && !live->stream)
        r = begin_stream(live);
    begin_account(live);
    if (r == 0)
        r = catch_up(live);
    if (r < 0 && r != -ECANCELED) {
        log_warning("live dissection begins anew", "reason=%s", log_quote(strerror(-r)));
        atomic_fetch_add(&live->failed, 1);
        forget_stream(live);
    }
}

static void wait_news(struct live *live)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LIVE_LOOK_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&live->lock);
    while (!live->woken && !atomic_load(&live->end) && pthread_cond_timedwait(&live->news, &live->lock, &until) == 0)
        ;
    live->woken = false;
    pthread_mutex_unlock(&live->lock);
}

static void *live_thread(void *context)
{
    struct live *live = context;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* the node's own work comes first */
    while (!atomic_load(&live->end)) {
        turn(live);
        wait_news(live);
    }
    if (live->stream && atomic_load(&live->wanted))
        (void)cut(live, true);
    forget_stream(live);
    return NULL;
}

void live_stop(struct live *live)
{
    if (!live)
        return;
    live_switch_stop(live->live_switch);
    if (live->ear)
        bus_unsubscribe(live->ear);
    atomic_store(&live->end, true);
    wake(live);
    if (live->running)
        pthread_join(live->thread, NULL);
    tape_feed_free(live->feed);
    shelf_close(live->shelf);
    input_names_free(&live->names);
    free(live->inputs);
    pthread_cond_destroy(&live->news);
    pthread_mutex_destroy(&live->lock);
    free(live);
}

static int listen_to(struct live *live)
{
    char token[BUS_SUBJECT_MAX], subject[BUS_SUBJECT_MAX];
    const struct live_switch_options options = { .key = LIVE_SWITCH_KEY, .fallback = true, .changed = on_switch, .ignored = on_ignored, .context = live };
    bus_node_token(live->options.node, token);
    (void)snprintf(subject, sizeof subject, "segment.sealed.%.256s", token);
    int r = bus_subscribe(live->bus, subject, NULL, on_sealed, live, &live->ear);
    return r < 0 ? r : live_switch_start(live->bus, &options, &live->live_switch);
}

int live_start(struct bus *bus, const struct live_options *options, struct live **ret, char *error)
{
    struct live *live = calloc(1, sizeof *live);
    pthread_condattr_t attributes;
    if (!live) {
        (void)snprintf(error, 256, "out of memory");
        return -ENOMEM;
    }
    live->bus = bus;
    live->options = *options;
    (void)pthread_mutex_init(&live->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&live->news, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    int r = shelf_open(options->folder, options->size, &live->shelf);
    if (r == 0)
        r = -pthread_create(&live->thread, NULL, live_thread, live);
    live->running = r == 0 && live->shelf;
    if (r == 0)
        r = listen_to(live);
    if (r < 0) {
        (void)snprintf(error, 256, "cannot dissect the tape live: %.100s: %s", options->folder, strerror(-r));
        live_stop(live);
        return r;
    }
    *ret = live;
    return 0;
}

const char *live_node(const struct live *live) { return live->options.node; }
struct shelf *live_shelf(struct live *live) { return live->shelf; }

int live_tell(struct live *live, Tapeloop__V1__LiveStatus *ret)
{
    struct shelf_status status;
    shelf_status(live->shelf, &status);
    ret->lag_ns = atomic_load(&live->lag_ns);
    ret->segments = atomic_load(&live->segments);
    ret->recycled = atomic_load(&live->recycled);
    ret->entries = atomic_load(&live->entries);
    ret->failed = atomic_load(&live->failed);
    ret->databases = status.files;
    ret->bytes = status.bytes;
    int r = wire_set_string(&ret->node, live->options.node);
    return r < 0 ? r : wire_set_string(&ret->state, atomic_load(&live->wanted) ? "dissecting" : "stopped");
}
