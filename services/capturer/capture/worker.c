#include "services/capturer/capture/worker.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "units/units.h"

#define SLEEP_MS_MAX 1000                        /* so that the lane's loop time stays young while nothing comes */
#define SETTLE_NS_MAX INT64_C(2000000000)        /* a seal waits this long at most for frames of before it was asked */
#define ERROR_PAUSE_MS 10                        /* a descriptor that only reports errors must not take a whole core */

struct worker {
    struct worker_options options;
    struct recorder *recorder;
    pthread_t thread;
    bool started;
    uint32_t seals_seen;
    int64_t seal_due_ns, seal_last_ns, seal_asked_wall_ns; /* due 0: none asked */
    bool open;                                   /* the kernel's filter lets packets in */
    int64_t closed_wall_ns, closed_mono_ns;      /* since when, while not open */
    int64_t stop_due_ns;                         /* 0: not asked */
};

int worker_new(const struct worker_options *options, struct worker **ret)
{
    struct worker *worker = calloc(1, sizeof *worker);
    struct recorder *recorder = calloc(1, sizeof *recorder);
    if (!worker || !recorder) {
        free(worker);
        free(recorder);
        return -ENOMEM;
    }
    worker->options = *options;
    worker->recorder = recorder;
    *ret = worker;
    return 0;
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    assert(!worker->started);
    free(worker->recorder);
    free(worker);
}

/* Everything that the kernel got before the request is on the segment: a frame of after it has come, or nothing waits any more. */
static void serve_seals(struct worker *worker, bool walked)
{
    struct lane *lane = worker->options.recorder.lane;
    struct recorder *recorder = worker->recorder;
    uint32_t asked = atomic_load_explicit(&lane->seal_request, memory_order_acquire);
    if (asked == worker->seals_seen)
        return;
    if (worker->seal_due_ns == 0) {
        worker->seal_due_ns = recorder->now_mono_ns + worker->options.backend->settle_ns();
        worker->seal_last_ns = recorder->now_mono_ns + SETTLE_NS_MAX;
        worker->seal_asked_wall_ns = recorder->now_wall_ns;
    }
    bool settled = recorder->last_ns > worker->seal_asked_wall_ns || (!walked && recorder->now_mono_ns >= worker->seal_due_ns) || recorder->now_mono_ns >= worker->seal_last_ns;
    if (!settled)
        return;
    recorder_seal(recorder, (enum segment_seal_reason)atomic_load_explicit(&lane->seal_reason, memory_order_relaxed));
    worker->seals_seen = asked;
    worker->seal_due_ns = 0;
    atomic_store_explicit(&lane->seals_done, asked, memory_order_release);
}

/* tap.capture.raw.enabled: closes and opens the kernel's filter; the stretch between is told in the next segment. */
static void serve_switch(struct worker *worker, bool walked)
{
    struct lane *lane = worker->options.recorder.lane;
    struct recorder *recorder = worker->recorder;
    bool wanted = atomic_load_explicit(&lane->enabled, memory_order_relaxed) != 0 && worker->stop_due_ns == 0;
    if (wanted && !worker->open) {
        recorder_not_recording(recorder, worker->closed_wall_ns, recorder->now_wall_ns);
        filter_set_open(worker->options.filter, true);
        worker->open = true;
    } else if (!wanted && worker->open) {
        filter_set_open(worker->options.filter, false);
        worker->open = false;
        worker->closed_wall_ns = recorder->now_wall_ns;
        worker->closed_mono_ns = recorder->now_mono_ns;
    } else if (!wanted && !walked && recorder->now_mono_ns - worker->closed_mono_ns > worker->options.backend->settle_ns()) {
        recorder_seal(recorder, SEGMENT_SEAL_STOP);
    }
}

/* True: everything that was in the ring is on the tape, the thread may end. */
static bool serve_stop(struct worker *worker, bool walked)
{
    struct recorder *recorder = worker->recorder;
    if (!atomic_load_explicit(&worker->options.recorder.lane->stop, memory_order_acquire))
        return false;
    if (worker->stop_due_ns == 0)
        worker->stop_due_ns = recorder->now_mono_ns + worker->options.backend->settle_ns();
    if (walked || recorder->now_mono_ns < worker->stop_due_ns)
        return false;
    worker->options.backend->finish(worker->options.source, recorder);
    recorder_seal(recorder, SEGMENT_SEAL_STOP);
    return true;
}

static int sleep_ms(const struct worker *worker)
{
    int64_t due = recorder_due_ns(worker->recorder), now = worker->recorder->now_mono_ns;
    if (worker->seal_due_ns && worker->seal_due_ns < due)
        due = worker->seal_due_ns;
    if (worker->stop_due_ns && worker->stop_due_ns < due)
        due = worker->stop_due_ns;
    if (due <= now)
        return 0;
    int64_t ms = due - now > (int64_t)SLEEP_MS_MAX * UNITS_NS_PER_MS ? SLEEP_MS_MAX : (due - now + UNITS_NS_PER_MS - 1) / UNITS_NS_PER_MS;
    return (int)ms;
}

static void sleep_until_due(struct worker *worker)
{
    struct lane *lane = worker->options.recorder.lane;
    struct pollfd sources[] = {
        { .fd = worker->options.backend->fd(worker->options.source), .events = POLLIN },
        { .fd = lane->capture_wake, .events = POLLIN },
    };
    if (poll(sources, 2, sleep_ms(worker)) <= 0)
        return;
    if (sources[1].revents)
        lane_capture_awake(lane);
    if (sources[0].revents & (POLLERR | POLLHUP | POLLNVAL)) {
        (void)worker->options.backend->mend(worker->options.source); /* an interface that went down; the others go on */
        (void)poll(NULL, 0, ERROR_PAUSE_MS);
    }
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    struct lane *lane = worker->options.recorder.lane;
    struct recorder *recorder = worker->recorder;
    const struct capture_backend *backend = worker->options.backend;
    for (;;) {
        recorder_turn(recorder, units_now_wall_ns(), units_now_mono_ns());
        atomic_store_explicit(&lane->loop_ns, recorder->now_mono_ns, memory_order_relaxed);
        bool walked = backend->ready(worker->options.source);
        if (walked)
            backend->walk(worker->options.source, recorder);
        recorder_tick(recorder);
        serve_switch(worker, walked);
        serve_seals(worker, walked);
        if (serve_stop(worker, walked))
            break;
        if (!walked)
            sleep_until_due(worker);
    }
    lane_end_capture(lane);
    return NULL;
}

int worker_start(struct worker *worker)
{
    assert(!worker->started);
    recorder_init(worker->recorder, &worker->options.recorder);
    worker->open = atomic_load(&worker->options.recorder.lane->enabled) != 0;
    worker->closed_wall_ns = units_now_wall_ns();
    filter_set_open(worker->options.filter, worker->open); /* from here on packets enter the ring, whenever the thread gets to run */
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int done = pthread_create(&worker->thread, NULL, run, worker);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (done != 0)
        return -done;
    worker->started = true;
    char name[16];                               /* the kernel's limit */
    (void)snprintf(name, sizeof name, "capture-%u", worker->options.recorder.lane->number % LANES_MAX);
    (void)pthread_setname_np(worker->thread, name);
    return 0;
}

void worker_join(struct worker *worker)
{
    if (!worker->started)
        return;
    (void)pthread_join(worker->thread, NULL);
    worker->started = false;
}
