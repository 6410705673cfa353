#include "services/dissector/answers/answers.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "log/log.h"
#include "services/dissector/answers/live_calls.h"
#include "services/dissector/jobs/request.h"
#include "services/dissector/jobs/workplace.h"
#include "services/dissector/live/live.h"
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

#define SUBJECTS_COUNT (sizeof subjects / sizeof *subjects)

struct dissect_answers { struct answers *answers; struct answers_subject subjects[SUBJECTS_COUNT + 2]; char node_calls[BUS_SUBJECT_MAX]; };

/* Of this node's tape. */
static size_t add_live(struct dissect_answers *all, const struct live *live)
{
    char token[BUS_SUBJECT_MAX];
    bus_node_token(live_node(live), token);
    (void)snprintf(all->node_calls, sizeof all->node_calls, "node.%.256s.calls", token);
    all->subjects[SUBJECTS_COUNT] = (struct answers_subject){
        .endpoint = "live", .subject = "dissect.live", .everybody = true, .request = &tapeloop__v1__live_status_request__descriptor, .reply = &tapeloop__v1__live_status__descriptor,
        .answer = answer_live_status,
    };
    all->subjects[SUBJECTS_COUNT + 1] = (struct answers_subject){
        .endpoint = "node_calls", .subject = all->node_calls, .slow = true, .request = &tapeloop__v1__calls_query__descriptor, .reply = &tapeloop__v1__calls_reply__descriptor,
        .answer = answer_node_calls,
    };
    return SUBJECTS_COUNT + 2;
}

int dissect_answers_start(struct service *service, struct dissect_answers **ret, char *error)
{
    struct dissect_answers *all = calloc(1, sizeof *all);
    if (!all) {
        (void)snprintf(error, 256, "out of memory");
        return -ENOMEM;
    }
    memcpy(all->subjects, subjects, sizeof subjects);
    const struct answers_table table = {
        .subjects = all->subjects, .count = service->live ? add_live(all, service->live) : SUBJECTS_COUNT, .group = SERVICE_QUEUE_GROUP, .service = service, .bus = service->bus,
        .discovery = service->discovery, .unsent = answer_unsent,
    };
    int r = answers_start(&table, &all->answers, error);
    if (r < 0) {
        free(all);
        return r;
    }
    *ret = all;
    return 0;
}

void dissect_answers_stop(struct dissect_answers *all)
{
    if (!all)
        return;
    answers_stop(all->answers);
    free(all);
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
