/* Questions about live databases: a node's own dissector answers them, any other one asks that one. */
#ifndef DISSECTOR_ANSWERS_LIVE_CALLS_H
#define DISSECTOR_ANSWERS_LIVE_CALLS_H
#include "services/dissector/answers/answers.h"

/* calls.query with `live`: answered here where it is this node's, else by node.<node>.calls. */
void live_calls_forward(struct service *service, const Tapeloop__V1__CallsQuery *query, Tapeloop__V1__CallsReply *reply);
/* node.<node>.calls and dissect.live; pool threads. */
void answer_node_calls(struct question *question, ProtobufCMessage *reply);
void answer_live_status(struct question *question, ProtobufCMessage *reply);
#endif
