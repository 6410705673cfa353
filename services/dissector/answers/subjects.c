#include "services/dissector/answers/answers.h"
#include <string.h>
#include "log/log.h"
#include "services/dissector/jobs/request.h"
#include "services/dissector/jobs/workplace.h"
#include "store/name.h"

static const struct answers_subject subjects[] = {
    { .endpoint = "list", .subject = "dissect.list", .request = &tapeloop__v1__dissect_list_request__descriptor, .reply = &tapeloop__v1__dissect_list_reply__descriptor, .answer = answer_dissect_list },
    { .endpoint = "show", .subject = "dissect.show", .request = &tapeloop__v1__dissect_selector__descriptor, .reply = &tapeloop__v1__dissect_show_reply__descriptor, .answer = answer_dissect_show },
    { .endpoint = "delete", .subject = "dissect.delete", .slow = true, .request = &tapeloop__v1__dissect_selector__descriptor, .reply = &tapeloop__v1__dissect_delete_reply__descriptor,
      .answer = answer_dissect_delete },
    { .endpoint = "cancel", .subject = "dissect.cancel", .everybody = true, .request = &tapeloop__v1__dissect_selector__descriptor, .reply = &tapeloop__v1__dissect_cancel_reply__descriptor,
      .answer = answer_dissect_cancel },
    { .endpoint = "calls", .subject = "calls.query", .slow = true, .request = &tapeloop__v1__calls_query__descriptor, .reply = &tapeloop__v1__calls_reply__descriptor, .answer = answer_calls_query },
};

static void answer_unsent(const char *subject, int error)
{
    log_warning("cannot answer", "subject=%s error=%s", subject, log_quote(strerror(-error)));
}

int dissect_answers_start(struct service *service, struct answers **ret, char *error)
{
    struct answers_table table = {
        .subjects = subjects, .count = sizeof subjects / sizeof *subjects, .group = SERVICE_QUEUE_GROUP, .service = service, .bus = service->bus, .discovery = service->discovery,
        .unsent = answer_unsent,
    };
    return answers_start(&table, ret, error);
}

bool answer_find(struct service *service, const char *snapshot, const char *name, ProtobufCMessage *reply, struct workplace *ret)
{
    char error[STORE_NAME_ERROR_TEXT_MAX];
    if (!snapshot[0]) {
        answer_fail(reply, "invalid", "the request names no snapshot: say which one, such as \"snapshot\": \"checkout-outage\"");
        return false;
    }
    if (!name[0])
        name = REQUEST_NAME_DEFAULT;
    if (store_name_check(snapshot, error) < 0 || store_name_check(name, error) < 0) {
        answer_fail(reply, "invalid", "%s", error);
        return false;
    }
    (void)workplace_find(service->store, snapshot, name, 0, false, ret); /* nothing may have been made of it yet */
    return true;
}
