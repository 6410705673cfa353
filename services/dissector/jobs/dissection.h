/* One dissection that this instance sees through: the request's message, its claim, its plan, how far its items are. Owned by the coordinator that runs it; the ticker sees its lease and what is atomic. */
#ifndef DISSECTOR_JOBS_DISSECTION_H
#define DISSECTOR_JOBS_DISSECTION_H
#include <errno.h>
#include "services/dissector/jobs/plan.h"
#include "services/dissector/jobs/request.h"
#include "services/dissector/service.h"

/* Where it stands; its text goes into dissect.progress. */
enum dissection_stage { DISSECTION_PLANNING, DISSECTION_MAPPING, DISSECTION_REDUCING, DISSECTION_FINALISING, DISSECTION_PUBLISHING };
/* How a run ended. */
enum dissection_verdict {
    DISSECTION_GOES_ON,     /* no end yet */
    DISSECTION_READY,       /* published; event holds what is to be said */
    DISSECTION_FAILED,      /* for good, reason says why */
    DISSECTION_RETRY,       /* this attempt failed, another may succeed */
    DISSECTION_LOST,        /* somebody else does it now */
    DISSECTION_AWAY,        /* the bus went away: another attempt, and this one does not count */
    DISSECTION_STOPPED,     /* this instance is stopping: another one goes on where this one was */
};

struct dissection {
    struct service *service;
    struct lease lease;                     /* of the request's message, with the claim */
    struct workplace place;
    Tapeloop__V1__DissectRequest *request;
    Tapeloop__V1__Manifest *snapshot;       /* of what is dissected; let go when the plan is made */
    char snapshot_sha256[DIGEST_TEXT_MAX], digest[DIGEST_TEXT_MAX];
    Tapeloop__V1__DissectPlan *plan;
    char reason[1024];                      /* of failure */
    Tapeloop__V1__DissectEvent *event;      /* with DISSECTION_READY */

    atomic_int stage;
    atomic_uint items_done, items_total, items_running, failures, percent;
    atomic_uint_fast64_t packets, entries;
};

/* Takes over message. NULL: no memory. */
struct dissection *dissection_new(struct service *service, struct bus_job *message);
void dissection_free(struct dissection *dissection);    /* its lease is in no table; NULL is fine */
/* Writes the reason and returns the verdict. */
enum dissection_verdict dissection_fail(struct dissection *dissection, enum dissection_verdict verdict, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* DISSECTION_AWAY where r is the bus's, else DISSECTION_RETRY. */
enum dissection_verdict dissection_judge(struct dissection *dissection, int r, const char *what);
/* Whether the run should end early, and how. */
enum dissection_verdict dissection_interrupted(struct dissection *dissection);
static inline int64_t dissection_asked_ns(const struct dissection *dissection) { return dissection->lease.message.time_ns; }
/* A failure of the bus itself. */
static inline bool dissection_is_bus_failure(int r) { return r == -ENOTCONN || r == -ETIMEDOUT || r == -EAGAIN; }
#endif
