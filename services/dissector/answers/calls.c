#include "services/dissector/answers/answers.h"

void answer_calls_query(struct question *question, ProtobufCMessage *base)
{
    (void)question;
    answer_fail(base, "unavailable", "this dissector does not answer queries");
}
