/* dissect.list, .show, .delete, .cancel and calls.query, and where there is a tape dissect.live and node.<node>.calls: request and reply. */
#ifndef DISSECTOR_ANSWERS_ANSWERS_H
#define DISSECTOR_ANSWERS_ANSWERS_H
#include "jobs/answers.h"
#include "services/dissector/service.h"

struct dissect_answers;
/* service->live has been started, if it will be. error: 256. */
int dissect_answers_start(struct service *service, struct dissect_answers **ret, char *error);
void dissect_answers_stop(struct dissect_answers *answers); /* NULL is fine */

/* Each fills its reply; question->service is the struct service. Pool threads. */
void answer_dissect_list(struct question *question, ProtobufCMessage *reply);
void answer_dissect_show(struct question *question, ProtobufCMessage *reply);
void answer_dissect_delete(struct question *question, ProtobufCMessage *reply);
void answer_dissect_cancel(struct question *question, ProtobufCMessage *reply);
void answer_calls_query(struct question *question, ProtobufCMessage *reply);

/* Names of a selector, the name's default filled in. False: they are none, and the reply says so. */
struct workplace;
bool answer_find(struct service *service, const char *snapshot, const char *name, ProtobufCMessage *reply, struct workplace *ret);
#endif
