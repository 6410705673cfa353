#include "services/dissector/service.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "jobs/store_proof.h"
#include "lifecycle/serve.h"
#include "log/log.h"
#include "services/dissector/answers/answers.h"
#include "services/dissector/jobs/crew.h"
#include "services/dissector/jobs/lease.h"
#include "services/dissector/live/live.h"

#define STOP_DEADLINE_MS 20000      /* a stage notices within a second, a bus call within 5 s */
_Static_assert(SERVE_ERROR_TEXT_MAX >= STORE_ERROR_TEXT_MAX, "the sentences of the parts have room");

static const struct stage_table stages = { .check = stage_check, .map = stage_map, .reduce = stage_reduce, .finalise = stage_finalise };

struct program {
    struct service service;
    struct crew *crew;
    struct dissect_answers *answers;
    char host[65];
};

static void name_instance(struct service *service)
{
    char host[65] = "dissector";
    (void)gethostname(host, sizeof host - 1);
    /* A snapshotter of the same name may have its lock in the same store. */
    if (service->options.instance)
        snprintf(service->instance, sizeof service->instance, "dissector-%s", service->options.instance);
    else
        snprintf(service->instance, sizeof service->instance, "dissector-%s.%ld", host, (long)getpid());
}

/* The ticker's thread. */
static void complain(const struct lease *lease, const char *what, int error)
{
    log_warning(what, "dissection=%s error=%s", log_quote(lease->key), log_quote(strerror(-error)));
}

static int connect_bus(struct program *program, char *error)
{
    struct service *service = &program->service;
    struct bus_options options;
    lifecycle_bus_options(&service->options.lifecycle, "dissector", &options);
    int r = bus_open(&options, true, &service->bus, error);
    if (r == 0)
        r = bus_check_definitions(service->bus, error);
    if (r < 0)
        return r;
    r = bus_service_start(service->bus, "dissector", TAPELOOP_VERSION, "dissects snapshots and answers questions about their calls", &service->discovery);
    if (r < 0) {
        snprintf(error, SERVE_ERROR_TEXT_MAX, "cannot answer service discovery: %s", strerror(-r));
        return r;
    }
    bus_service_endpoint(service->discovery, "request", "dissect.request");
    bus_service_endpoint(service->discovery, "item", "dissect.job.*");
    return 0;
}

/* Where there is a tape beside. */
static int start_live(struct program *program, char *error)
{
    const struct service_options *options = &program->service.options;
    if (!options->tape)
        return 0;
    if (gethostname(program->host, sizeof program->host - 1) < 0 && !options->node) {
        snprintf(error, SERVE_ERROR_TEXT_MAX, "this machine has no host name: give the node's name with --node");
        return -EINVAL;
    }
    const struct live_options live = {
        .tape = options->tape, .folder = options->live_data, .node = options->node ? options->node : program->host, .size = options->live_size, .cpu_percent = options->live_cpu,
        .redact = (enum redact_level)options->redact,
    };
    return live_start(program->service.bus, &live, &program->service.live, error);
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
    r = leases_new(complain, &service->leases);
    if (r == 0)
        r = connect_bus(program, error);
    if (r == 0)
        r = store_prove(service->bus, service->store_id, service->store->location, service->options.adopt_store, error);
    if (r == 0)
        r = start_live(program, error);
    if (r == 0)
        r = dissect_answers_start(service, &program->answers, error);
    if (r == 0)
        r = crew_start(service, &program->crew, error);
    return r;
}

static void stop(void *context)
{
    struct program *program = context;
    struct service *service = &program->service;
    atomic_store(&service->stopping, true);
    crew_stop(program->crew);
    dissect_answers_stop(program->answers);
    live_stop(service->live);
    if (service->discovery)
        bus_service_stop(service->discovery);
    leases_free(service->leases);
    bus_close(service->bus);
    store_close(service->store);
}

static void ready(void *context)
{
    const struct service *service = &((struct program *)context)->service;
    log_info("ready", "instance=%s store=%s store_id=%s workers=%u", log_quote(service->instance), log_quote(service->store->location), service->store_id, (unsigned)service->options.workers);
}

int service_run(const struct service_options *options)
{
    static struct program program; /* static: threads see it to the end */
    program.service.options = *options;
    program.service.stages = &stages;
    static const struct serve_program serving = { .name = "dissector", .options = &program.service.options.lifecycle, .start = start, .stop = stop, .ready = ready, .context = &program,
                                                  .stop_deadline_ms = STOP_DEADLINE_MS };
    return serve(&serving);
}
