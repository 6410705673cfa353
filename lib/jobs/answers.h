/* Request and reply for a service: a table of subjects, and who answers each.
 *
 * libnats' threads only copy the question into a bounded queue. Two small pools answer: one for what takes milliseconds, one for what
 * reads much, so that a long answer never keeps a short one waiting. A full queue is answered with the error `busy` at once. */
#ifndef JOBS_ANSWERS_H
#define JOBS_ANSWERS_H
#include "bus/bus.h"
#include "wire/wire.h"

#define ANSWERS_QUICK_THREADS 2
#define ANSWERS_SLOW_THREADS 2
#define ANSWERS_QUEUE_MAX 64    /* of each pool: questions wait at most for the answers of 64 others */
#define ANSWERS_SUBJECTS_MAX 16 /* twice what the largest service has */

/* Of one question; service is the table's. */
struct question { void *service; const ProtobufCMessage *request; bool silent /* out: somebody else answers */; };
/* One subject: who answers, in which pool, with which messages. Every reply has a field `error`. */
struct answers_subject {
    const char *endpoint, *subject;
    bool everybody;             /* a broadcast instead of a queue group */
    bool slow;
    const ProtobufCMessageDescriptor *request, *reply;
    void (*answer)(struct question *question, ProtobufCMessage *reply); /* a pool's thread; fills its reply */
};
/* Stays the caller's, as long as the answers run. */
struct answers_table {
    const struct answers_subject *subjects;
    size_t count;               /* at most ANSWERS_SUBJECTS_MAX */
    const char *group;          /* queue group; also what the service is called in sentences */
    void *service;
    struct bus *bus;
    struct bus_service *discovery; /* counts each answer; NULL in tests */
    void (*unsent)(const char *subject, int error); /* an answer could not be sent: for the log; may be NULL */
};

struct answers;
/* Subscribes. error: 256. */
int answers_start(const struct answers_table *table, struct answers **ret, char *error);
/* Questions in the queues are answered with `unavailable`. NULL is fine. */
void answers_stop(struct answers *answers);

/* Sets the error of any reply (its field `error`). */
void answer_fail(ProtobufCMessage *reply, const char *code, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool answer_failed(const ProtobufCMessage *reply);
#endif
