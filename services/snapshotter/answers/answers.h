/* snapshot.list, .show, .verify, .delete, .cancel and .export: request and reply. */
#ifndef SNAPSHOTTER_ANSWERS_ANSWERS_H
#define SNAPSHOTTER_ANSWERS_ANSWERS_H
#include "jobs/answers.h"
#include "services/snapshotter/service.h"

/* service->exports has been started. error: 256. Ends with answers_stop. */
int snapshot_answers_start(struct service *service, struct answers **ret, char *error);

/* Each fills its reply; question->service is the struct service. Pool threads. */
void answer_list(struct question *question, ProtobufCMessage *reply);
void answer_show(struct question *question, ProtobufCMessage *reply);
void answer_verify(struct question *question, ProtobufCMessage *reply);
void answer_delete(struct question *question, ProtobufCMessage *reply);
void answer_cancel(struct question *question, ProtobufCMessage *reply);
void answer_export(struct question *question, ProtobufCMessage *reply);
#endif
