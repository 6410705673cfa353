/* snapshot.list, .show, .verify, .delete, .cancel and .export: request and reply.
 *
 * libnats' threads only copy the question into a bounded queue. Two small pools answer: one for what takes milliseconds, one for what
 * reads whole snapshots, so that a verify never keeps a list waiting. A full queue is answered with the error `busy` at once. */
#ifndef SNAPSHOTTER_ANSWERS_ANSWERS_H
#define SNAPSHOTTER_ANSWERS_ANSWERS_H
#include "services/snapshotter/service.h"
#include "wire/wire.h"

#define ANSWERS_QUICK_THREADS 2
#define ANSWERS_SLOW_THREADS 2
#define ANSWERS_QUEUE_MAX 64    /* of each pool: questions wait at most for the answers of 64 others */

struct answers;
struct exports;
/* Subscribes. error: 256. */
int answers_start(struct service *service, struct exports *exports, struct answers **ret, char *error);
/* Questions in the queues are answered with `unavailable`. NULL is fine. */
void answers_stop(struct answers *answers);

/* Sets the error of any reply (its field `error`). */
void answer_fail(ProtobufCMessage *reply, const char *code, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool answer_failed(const ProtobufCMessage *reply);

/* Each fills its reply. Pool threads. */
struct question { struct service *service; struct exports *exports; const ProtobufCMessage *request; bool silent /* out: somebody else answers */; };
void answer_list(struct question *question, ProtobufCMessage *reply);
void answer_show(struct question *question, ProtobufCMessage *reply);
void answer_verify(struct question *question, ProtobufCMessage *reply);
void answer_delete(struct question *question, ProtobufCMessage *reply);
void answer_cancel(struct question *question, ProtobufCMessage *reply);
void answer_export(struct question *question, ProtobufCMessage *reply);
#endif
