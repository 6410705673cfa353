/* calls.query: rows of a published dissection or of the live databases, through query/query.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/answers/answers.h"
#include "services/dissector/answers/live_calls.h"
#include "services/dissector/answers/rows.h"
#include "services/dissector/jobs/publish.h"

void answer_calls_query(struct question *question, ProtobufCMessage *base)
{
    const Tapeloop__V1__CallsQuery *query = (const Tapeloop__V1__CallsQuery *)question->request;
    Tapeloop__V1__CallsReply *reply = (Tapeloop__V1__CallsReply *)base;
    struct service *service = question->service;
    struct workplace place;
    struct query_request request;
    struct query_result result;
    char path[WORKPLACE_PATH_MAX];
    if (query->live) {
        live_calls_forward(service, query, reply);
        return;
    }
    if (!answer_find(service, query->snapshot, query->dissection, base, &place))
        return;
    if (!workplace_is_published(&place)) {
        if (!place.snapshot_folder[0])
            answer_fail(base, "not_found", "there is no snapshot %s", place.snapshot);
        else
            answer_fail(base, "not_found", "snapshot %s has no dissection %s: make it with dissect.request (tapeloop dissect %s)", place.snapshot, place.name, place.snapshot);
        return;
    }
    publish_database_path(&place, path);
    struct rows rows = { .reply = reply };
    if (!rows_request(query, path, &request, base))
        return;
    errno = 0;
    char *end = NULL;
    request.after = query->cursor[0] ? strtoull(query->cursor, &end, 10) : 0;
    if (errno || (end && (*end || query->cursor[0] == '-'))) {
        answer_fail(base, "invalid", "cursor: '%.64s' is none that an answer gave", query->cursor);
        return;
    }
    if (!rows_run(&rows, query->id, &request, &result) || query->id)
        return;
    char cursor[ROWS_CURSOR_TEXT_MAX];
    rows_end(&rows, &result, result.more ? rows_cursor(&rows, result.cursor, cursor) : "");
}
