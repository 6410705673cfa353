#include "services/dissector/answers/live_calls.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/answers/rows.h"
#include "services/dissector/live/live.h"
#include "services/dissector/query/groups.h"
#include "units/units.h"

#define FORWARD_TIMEOUT_MS 30000        /* above QUERY_TIMEOUT_MS_USUAL */
#define FIND_WAIT_MS 300                /* for all that answer: the first comes within a millisecond or two */
#define NAMES_TEXT_MAX 400
#define TIME_LIMIT_NS (5 * UNITS_NS_PER_S) /* of one page over many files; then a cursor */

/* "<file>.<entry>": the answer is whole up to there. "" is the start. */
static bool read_cursor(const char *text, uint32_t *ret_file, uint64_t *ret_entry)
{
    char *end = NULL;
    errno = 0;
    *ret_file = 0;
    *ret_entry = 0;
    if (!text[0])
        return true;
    unsigned long long file = strtoull(text, &end, 10), entry = *end == '.' ? strtoull(end + 1, &end, 10) : ULLONG_MAX;
    *ret_file = (uint32_t)file;
    *ret_entry = entry;
    return !errno && !*end && file <= SHELF_NUMBER_MAX && entry <= UINT32_MAX;
}

/* A page on its way through the files. */
struct page { struct rows rows; struct query_request request; uint32_t file; uint64_t entry, limit; char path[SHELF_PATH_MAX]; };

/* One file after the other until the page is full, its time is over, or there is none that follows. Groups are gathered, and have no page. False: it failed. */
static bool walk_files(struct live *live, struct page *page)
{
    const Tapeloop__V1__CallsReply *reply = page->rows.reply;
    struct query_result result = { 0 };
    uint32_t number;
    int64_t until_ns = units_now_mono_ns() + TIME_LIMIT_NS;
    while ((page->request.gather || reply->n_rows < page->limit) && !page->rows.full && units_now_mono_ns() < until_ns && shelf_find(live_shelf(live), page->file, &number, page->path)) {
        page->request.after = number == page->file ? page->entry : 0;
        page->request.limit = (uint32_t)(page->limit - reply->n_rows);
        page->rows.base = (uint64_t)number << ROWS_ID_BITS;
        if (!rows_run(&page->rows, 0, &page->request, &result))
            return false;
        page->file = number;
        page->entry = result.cursor;
        rows_end(&page->rows, &result, "");
        if (!result.more) { /* this file is through: the next one, when it comes */
            page->file = number + 1;
            page->entry = 0;
        }
    }
    return true;
}

/* These count within one file: in another the same number is somebody else's. */
static bool is_groupable(const Tapeloop__V1__CallsQuery *query, Tapeloop__V1__CallsReply *reply)
{
    for (size_t i = 0; i < query->n_group_by; i++)
        if (strcmp(query->group_by[i], "id") == 0 || strcmp(query->group_by[i], "conn_id") == 0) {
            answer_fail(&reply->base, "invalid", "live calls are not grouped by %s: it is counted in each live database by itself", query->group_by[i]);
            return false;
        }
    return true;
}

static void groups_free_p(struct groups **groups) { groups_free(*groups); }

static void run_files(struct live *live, const Tapeloop__V1__CallsQuery *query, Tapeloop__V1__CallsReply *reply)
{
    MEM_CLEANUP(groups_free_p) struct groups *groups = NULL;
    struct page page = { .rows = { .reply = reply, .may_be_gone = true /* the oldest make room at any time */ }, .limit = query->limit ? query->limit : QUERY_LIMIT_USUAL };
    struct shelf_status shelf;
    char cursor[64];
    uint32_t number;
    if (!read_cursor(query->cursor, &page.file, &page.entry)) {
        answer_fail(&reply->base, "invalid", "cursor: '%.64s' is none that an answer gave", query->cursor);
        return;
    }
    shelf_status(live_shelf(live), &shelf);
    if (page.file > shelf.last + 1) { /* numbers began anew: none would come for a long time */
        answer_fail(&reply->base, "invalid", "cursor: '%.64s' is of live databases that are gone: begin without one", query->cursor);
        return;
    }
    if (!is_groupable(query, reply) || !rows_request(query, page.path, &page.request, &reply->base))
        return;
    if (query->n_group_by > 0 && groups_make(&groups) < 0) {
        answer_fail(&reply->base, "internal", "out of memory");
        return;
    }
    page.request.gather = groups;
    if (!walk_files(live, &page))
        return;
    page.request.limit = (uint32_t)page.limit;
    page.rows.base = 0;
    if (groups && !rows_gathered(&page.rows, &page.request))
        return;
    /* Rows go on with what comes; groups are of what is there: theirs says that time ended them before they had seen all. */
    if (groups && !shelf_find(live_shelf(live), page.file, &number, page.path))
        return;
    snprintf(cursor, sizeof cursor, "%u.%" PRIu64, page.file, page.entry);
    if (wire_set_string(&reply->cursor, cursor) < 0)
        answer_fail(&reply->base, "internal", "out of memory");
}

static void run_call(struct live *live, uint64_t id, Tapeloop__V1__CallsReply *reply)
{
    char path[SHELF_PATH_MAX];
    uint32_t wanted = (uint32_t)(id >> ROWS_ID_BITS), entry = (uint32_t)(id & UINT32_MAX), number = 0;
    struct rows rows = { .reply = reply, .base = (uint64_t)wanted << ROWS_ID_BITS };
    struct query_request request = { .path = path };
    struct query_result result;
    if (wanted == 0 || entry == 0 || !shelf_find(live_shelf(live), wanted, &number, path) || number != wanted)
        answer_fail(&reply->base, "not_found", "there is no such call any more: the oldest live databases make room for new ones");
    else
        (void)rows_run(&rows, entry, &request, &result);
}

static void run_here(struct live *live, const Tapeloop__V1__CallsQuery *query, Tapeloop__V1__CallsReply *reply)
{
    if (query->id)
        run_call(live, query->id, reply);
    else
        run_files(live, query, reply);
}

void answer_node_calls(struct question *question, ProtobufCMessage *reply)
{
    struct service *service = question->service;
    run_here(service->live, (const Tapeloop__V1__CallsQuery *)question->request, (Tapeloop__V1__CallsReply *)reply);
}

void answer_live_status(struct question *question, ProtobufCMessage *reply)
{
    struct service *service = question->service;
    if (live_tell(service->live, (Tapeloop__V1__LiveStatus *)reply) < 0)
        answer_fail(reply, "internal", "out of memory");
}

struct found { unsigned count; char node[256], names[NAMES_TEXT_MAX]; };
static void take_status(void *context, const struct bus_message *message)
{
    struct found *found = context;
    ProtobufCMessage *decoded = NULL;
    char error[WIRE_ERROR_TEXT_MAX];
    if (wire_decode(&tapeloop__v1__live_status__descriptor, message->data, message->size, message->content_type, &decoded, NULL, error) < 0)
        return;
    const char *node = ((Tapeloop__V1__LiveStatus *)decoded)->node;
    size_t at = strlen(found->names);
    snprintf(found->node, sizeof found->node, "%s", node);
    snprintf(found->names + at, sizeof found->names - at, "%s%s", at ? ", " : "", node);
    found->count++;
    wire_free(decoded);
}

/* The only node that has a live dissector. False: there are none or several, and the reply says so. */
static bool find_node(struct service *service, char node[static 256], Tapeloop__V1__CallsReply *reply)
{
    struct found found = { 0 };
    (void)bus_request_many(service->bus, "dissect.live", "", 0, FIND_WAIT_MS, take_status, &found); /* none is an answer too */
    if (found.count == 1) {
        memcpy(node, found.node, sizeof found.node);
        return true;
    }
    if (found.count == 0)
        answer_fail(&reply->base, "not_found", "no dissector reads a tape: start one on the node with --tape, and set tap.capture.stopped to false");
    else
        answer_fail(&reply->base, "invalid", "several nodes dissect their tapes: say which one with \"node\": %s", found.names);
    return false;
}

static void ask_node(struct service *service, const char *node, const Tapeloop__V1__CallsQuery *query, Tapeloop__V1__CallsReply *reply)
{
    char token[BUS_SUBJECT_MAX], subject[BUS_SUBJECT_MAX], error[WIRE_ERROR_TEXT_MAX];
    mem_auto_free void *data = NULL, *answer = NULL;
    size_t size = 0, answer_size = 0;
    ProtobufCMessage *decoded = NULL;
    bus_node_token(node, token);
    snprintf(subject, sizeof subject, "node.%.256s.calls", token);
    int r = wire_encode(&query->base, WIRE_PROTOBUF, &data, &size);
    if (r == 0)
        r = bus_request(service->bus, subject, data, size, true, FORWARD_TIMEOUT_MS, &answer, &answer_size);
    if (r == 0)
        r = wire_decode(&tapeloop__v1__calls_reply__descriptor, answer, answer_size, "application/protobuf", &decoded, NULL, error);
    if (r == -ENOENT) {
        answer_fail(&reply->base, "not_found", "no dissector reads the tape of node %.200s", node);
    } else if (r < 0) {
        answer_fail(&reply->base, "unavailable", "the dissector of node %.200s: %s", node, strerror(-r));
    } else { /* the reply takes over what the answer holds */
        Tapeloop__V1__CallsReply swapped = *reply, *there = (Tapeloop__V1__CallsReply *)decoded;
        *reply = *there;
        *there = swapped;
        wire_free(decoded);
    }
}

void live_calls_forward(struct service *service, const Tapeloop__V1__CallsQuery *query, Tapeloop__V1__CallsReply *reply)
{
    char node[256];
    if (service->live && (!query->node[0] || strcmp(query->node, live_node(service->live)) == 0)) {
        run_here(service->live, query, reply);
        return;
    }
    snprintf(node, sizeof node, "%s", query->node);
    if (node[0] || find_node(service, node, reply))
        ask_node(service, node, query, reply);
}
