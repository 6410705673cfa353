#include "services/dissector/jobs/dissection.h"
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/jobs/events.h"
#include "units/units.h"

/* The ticker's thread, twice a second: as often as progress may be told. */
static void tell_progress(struct lease *lease, int64_t now_ns)
{
    struct dissection *dissection = (struct dissection *)(void *)((char *)lease - offsetof(struct dissection, lease));
    (void)now_ns;
    (void)events_progress(dissection); /* live only: nobody waits for it */
}

struct dissection *dissection_new(struct service *service, struct bus_job *message)
{
    struct dissection *dissection = calloc(1, sizeof *dissection);
    if (!dissection)
        return NULL;
    dissection->service = service;
    dissection->lease.message = *message;
    dissection->lease.tick = tell_progress;
    memset(message, 0, sizeof *message);
    return dissection;
}

void dissection_free(struct dissection *dissection)
{
    if (!dissection)
        return;
    lease_release(&dissection->lease);
    wire_free(dissection->request);
    wire_free(dissection->snapshot);
    wire_free(dissection->plan);
    wire_free(dissection->event);
    free(dissection);
}

enum dissection_verdict dissection_fail(struct dissection *dissection, enum dissection_verdict verdict, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(dissection->reason, sizeof dissection->reason, format, arguments);
    va_end(arguments);
    return verdict;
}

enum dissection_verdict dissection_judge(struct dissection *dissection, int r, const char *what)
{
    return dissection_fail(dissection, dissection_is_bus_failure(r) ? DISSECTION_AWAY : DISSECTION_RETRY, "%s: %s", what, strerror(-r));
}

enum dissection_verdict dissection_interrupted(struct dissection *dissection)
{
    struct claim *claim = dissection->lease.claim;
    if (atomic_load(&dissection->lease.cancelled) || claim_cancelled(claim))
        return dissection_fail(dissection, DISSECTION_FAILED, "cancelled: somebody asked for it with dissect.cancel");
    if (claim_lost(claim))
        return dissection_fail(dissection, DISSECTION_LOST, "another dissector took it over");
    if (atomic_load(&dissection->service->stopping))
        return dissection_fail(dissection, DISSECTION_STOPPED, "the dissector was stopped");
    return DISSECTION_GOES_ON;
}
