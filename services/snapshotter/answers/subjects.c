#include "services/snapshotter/answers/answers.h"
#include "log/log.h"
#include <string.h>

static const struct answers_subject subjects[] = {
    { .endpoint = "list", .subject = "snapshot.list", .request = &tapeloop__v1__snapshot_list_request__descriptor, .reply = &tapeloop__v1__snapshot_list_reply__descriptor, .answer = answer_list },
    { .endpoint = "show", .subject = "snapshot.show", .request = &tapeloop__v1__snapshot_selector__descriptor, .reply = &tapeloop__v1__snapshot_show_reply__descriptor, .answer = answer_show },
    { .endpoint = "verify", .subject = "snapshot.verify", .slow = true, .request = &tapeloop__v1__snapshot_selector__descriptor, .reply = &tapeloop__v1__snapshot_verify_reply__descriptor, .answer = answer_verify },
    { .endpoint = "delete", .subject = "snapshot.delete", .slow = true, .request = &tapeloop__v1__snapshot_selector__descriptor, .reply = &tapeloop__v1__snapshot_delete_reply__descriptor, .answer = answer_delete },
    { .endpoint = "cancel", .subject = "snapshot.cancel", .everybody = true, .request = &tapeloop__v1__snapshot_selector__descriptor, .reply = &tapeloop__v1__snapshot_cancel_reply__descriptor, .answer = answer_cancel },
    { .endpoint = "export", .subject = "snapshot.export", .request = &tapeloop__v1__export_request__descriptor, .reply = &tapeloop__v1__export_reply__descriptor, .answer = answer_export },
};

static void answer_unsent(const char *subject, int error)
{
    log_warning("cannot answer", "subject=%s error=%s", subject, log_quote(strerror(-error)));
}

int snapshot_answers_start(struct service *service, struct answers **ret, char *error)
{
    struct answers_table table = {
        .subjects = subjects, .count = sizeof subjects / sizeof *subjects, .group = SERVICE_QUEUE_GROUP, .service = service, .bus = service->bus, .discovery = service->discovery,
        .unsent = answer_unsent,
    };
    return answers_start(&table, ret, error);
}
