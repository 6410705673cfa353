/* The snapshotter: windows of the nodes' tapes become immutable snapshots. See options.c for what it is told, service.h for what its parts share. */
#include "lifecycle/serve.h"
#include "log/log.h"
#include "mem/cleanup.h"
#include "services/snapshotter/answers/answers.h"
#include "services/snapshotter/answers/export.h"
#include "jobs/claim.h"
#include "jobs/store_proof.h"
#include "services/snapshotter/jobs/job.h"
#include "services/snapshotter/jobs/worker.h"
#include "units/units.h"
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define STOP_DEADLINE_MS 20000      /* a pull notices within a block, a bus call within 5 s, an unpin within 2 s */
#define MALLOC_ARENAS_MAX 2         /* pull and export threads come and go; with an arena for each, what they freed would stay resident */
_Static_assert(SERVE_ERROR_TEXT_MAX >= STORE_ERROR_TEXT_MAX, "the sentences of the parts have room");

struct program {
    struct service service;
    struct workers *workers;
    struct answers *answers;
};

static void name_instance(struct service *service)
{
    char host[65] = "snapshotter";
    (void)gethostname(host, sizeof host - 1);
    if (service->options.instance)
        snprintf(service->instance, sizeof service->instance, "%s", service->options.instance);
    else
        snprintf(service->instance, sizeof service->instance, "%s.%ld", host, (long)getpid());
}

/* libnats' thread. */
static void on_bus_change(void *context, bool connected)
{
    struct service *service = context;
    if (connected)
        atomic_store(&service->reconnected_ns, units_now_mono_ns());
}

static int connect_bus(struct program *program, char *error)
{
    struct service *service = &program->service;
    struct bus_options options;
    lifecycle_bus_options(&service->options.lifecycle, "snapshotter", &options);
    int r = bus_open(&options, true, &service->bus, error);
    if (r < 0)
        return r;
    bus_on_change(service->bus, on_bus_change, service);
    r = bus_check_definitions(service->bus, error);
    if (r < 0)
        return r;
    r = bus_service_start(service->bus, "snapshotter", TAPELOOP_VERSION, "makes, keeps and exports snapshots", &service->discovery);
    if (r < 0) {
        snprintf(error, SERVE_ERROR_TEXT_MAX, "cannot answer service discovery: %s", strerror(-r));
        return r;
    }
    bus_service_endpoint(service->discovery, "request", "snapshot.request");
    return 0;
}

static int start(void *context, char *error)
{
    struct program *program = context;
    struct service *service = &program->service;
    name_instance(service);
    int r = store_open(service->options.store, service->instance, &service->store, error);
    if (r < 0)
        return r;
    service->store->driver->id(service->store->state, service->store_id);
    r = jobs_new(&service->jobs);
    if (r == 0)
        r = connect_bus(program, error);
    if (r == 0)
        r = store_prove(service->bus, service->store_id, service->store->location, service->options.adopt_store, error);
    if (r == 0)
        r = exports_start(service, &service->exports, error);
    if (r == 0)
        r = snapshot_answers_start(service, &program->answers, error);
    if (r == 0)
        r = workers_start(service, &program->workers, error);
    return r;
}

static void stop(void *context)
{
    struct program *program = context;
    struct service *service = &program->service;
    atomic_store(&service->stopping, true);
    workers_stop(program->workers);
    answers_stop(program->answers);
    exports_stop(service->exports);
    if (service->discovery)
        bus_service_stop(service->discovery);
    bus_close(service->bus);
    jobs_free(service->jobs);
    store_close(service->store);
}

static void ready(void *context)
{
    const struct service *service = &((struct program *)context)->service;
    log_info("ready", "instance=%s store=%s store_id=%s exports=%s", log_quote(service->instance), log_quote(service->store->location), service->store_id, exports_address(service->exports));
}

int main(int argc, char **argv)
{
    static struct program program; /* static: too much for a stack, and threads see it to the end */
    (void)mallopt(M_ARENA_MAX, MALLOC_ARENAS_MAX);
    int r = snapshotter_options_parse(argc, argv, &program.service.options, stdout, stderr);
    if (r != 0)
        return r > 0 ? 0 : 2;
    static const struct serve_program serving = { .name = "snapshotter", .options = &program.service.options.lifecycle, .start = start, .stop = stop, .ready = ready, .context = &program,
                                                  .stop_deadline_ms = STOP_DEADLINE_MS };
    return serve(&serving);
}
