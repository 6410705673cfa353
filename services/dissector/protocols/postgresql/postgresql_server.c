#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bytes/cursor.h"
#include "services/dissector/protocols/postgresql/postgresql_state.h"
#include "services/dissector/protocols/protocol.h"

#define TAG_WINDOW 256u /* of a command tag: the server writes at most 64 bytes */

static bool extended(enum postgresql_kind kind)
{
    return kind >= POSTGRESQL_CLOSE && kind <= POSTGRESQL_EXECUTE;
}

/* The answer to the oldest request begins. */
static void answer_begin(struct conversation *c, struct postgresql_server *server, struct postgresql_client *client, const uint8_t *first)
{
    if (!conversation_oldest(c, KEY_IN_ORDER))
        postgresql_unit_close(c, client, WHOLE); /* answered before its Sync was sent */
    const struct message *request = conversation_oldest(c, KEY_IN_ORDER);
    uint32_t tag = request ? request->tag : POSTGRESQL_TAG_SYNCED;
    server->message = conversation_message(c, SIDE_SERVER, first);
    server->kind = POSTGRESQL_TAG_KIND(tag);
    server->synced = tag & POSTGRESQL_TAG_SYNCED;
    server->late = tag & POSTGRESQL_TAG_LATE;
    server->acks = POSTGRESQL_TAG_ACKS(tag);
    server->group = POSTGRESQL_TAG_GROUP(tag);
    server->request_size = request ? request->to - request->from : 0;
    server->size = server->rows = server->tag_rows = 0;
    server->error = server->ends = false;
    server->code_size = 0;
    server->text_size = server->tags_size = 0;
}

static void write_error(struct postgresql_server *server, struct message *m)
{
    message_text(m, POSTGRESQL_ERROR_CODE, server->code, server->code_size);
    message_text(m, POSTGRESQL_ERROR_MESSAGE, server->text, server->text_size);
}

static void answer_end(struct conversation *c, struct postgresql_server *server, struct postgresql_client *client)
{
    struct message *m = server->message;
    server->message = NULL;
    uint64_t request_size = server->request_size;
    if (server->late) {
        request_size += client->late_bytes;
        client->late_bytes = 0;
        message_int(m, POSTGRESQL_REQUEST_SIZE, (int64_t)request_size);
    }
    message_int(m, POSTGRESQL_RESPONSE_SIZE, (int64_t)server->size);
    message_int(m, POSTGRESQL_TOTAL_SIZE, (int64_t)(request_size + server->size));
    message_bool(m, POSTGRESQL_SUCCESS, server->ends && !server->error); /* not where its end was not seen */
    if (server->error)
        write_error(server, m);
    uint64_t rows = server->tag_rows > server->rows ? server->tag_rows : server->rows; /* SHOW has rows without a number in its tag, INSERT a number without rows */
    if (rows)
        message_int(m, POSTGRESQL_ROWS, (int64_t)rows);
    message_text(m, POSTGRESQL_COMMAND_TAG, server->tags, server->tags_size);
    conversation_response(c, m, KEY_IN_ORDER);
}

/* ReadyForQuery behind an error: what was sent before the Sync and has no answer gets none. */
static bool skip_failed(struct conversation *c, struct postgresql_server *server, struct postgresql_client *client, const uint8_t *first)
{
    bool synced = false;
    const struct message *request;
    server->failed = false;
    uint16_t group = server->group;
    uint32_t waiting, before = UINT32_MAX; /* each turn takes one away, or is the last: what this packet did not acknowledge it cannot answer, and it stays */
    while (!synced && (waiting = conversation_unanswered(c)) < before && (request = conversation_oldest(c, KEY_IN_ORDER)) && POSTGRESQL_TAG_GROUP(request->tag) == group && extended(POSTGRESQL_TAG_KIND(request->tag))) {
        before = waiting;
        synced = request->tag & POSTGRESQL_TAG_SYNCED;
        answer_begin(c, server, client, first);
        conversation_last(c, SIDE_SERVER, server->message, first + POSTGRESQL_HEADER);
        static const char text[] = "not executed: an error before it ended the batch";
        server->error = true;
        memcpy(server->text, text, sizeof text - 1);
        server->text_size = sizeof text - 1;
        server->size = synced ? POSTGRESQL_HEADER + 1 : 0;
        answer_end(c, server, client);
    }
    return synced;
}

/* Severity, SQLSTATE, text and the rest of an error: type u8, string, ... 0. */
static void read_error(struct postgresql_server *server, struct cursor *body)
{
    server->code_size = 0;
    server->text_size = 0;
    for (uint8_t field; (field = cursor_u8(body)) != 0;) {
        const uint8_t *text = body->data + body->at, *end = memchr(text, 0, cursor_left(body));
        size_t size = end ? (size_t)(end - text) : cursor_left(body);
        if (field == 'C' && size <= sizeof server->code) {
            memcpy(server->code, text, size);
            server->code_size = (uint8_t)size;
        } else if (field == 'M') {
            server->text_size = (uint16_t)(size < sizeof server->text ? size : sizeof server->text);
            memcpy(server->text, text, server->text_size);
        }
        cursor_skip(body, size + 1);
    }
}

/* `SELECT 5`, `INSERT 0 1`, `CREATE TABLE`: joined, and the last number of each counted. */
static void read_tag(struct postgresql_server *server, struct cursor *body)
{
    size_t size = cursor_left(body);
    const uint8_t *text = cursor_take(body, size), *end = text ? memchr(text, 0, size) : NULL;
    size = end ? (size_t)(end - text) : 0;
    size_t digits = size;
    uint64_t rows = 0;
    while (digits > 0 && text[digits - 1] >= '0' && text[digits - 1] <= '9')
        digits--;
    for (size_t i = digits; i < size && rows < UINT32_MAX * UINT64_C(1000000); i++)
        rows = rows * 10 + (text[i] - '0');
    server->tag_rows += rows;
    size_t room = sizeof server->tags - server->tags_size, comma = server->tags_size > 0 ? 2 : 0;
    if (size + comma > room || size == 0)
        return;
    memcpy(server->tags + server->tags_size, ", ", comma);
    memcpy(server->tags + server->tags_size + comma, text, size);
    server->tags_size = (uint16_t)(server->tags_size + comma + size);
}

/* Something that nobody asked for. */
static void announce(struct conversation *c, struct postgresql_server *server, const uint8_t *first, struct cursor *body, uint64_t total)
{
    static const struct { uint8_t type; const char *name; } names[] = { { 'A', "NotificationResponse" }, { 'N', "NoticeResponse" }, { 'E', "ErrorResponse" }, { 'S', "ParameterStatus" } };
    const char *name = "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].type == *first)
            name = names[i].name;
    struct message *m = conversation_message(c, SIDE_SERVER, first);
    conversation_last(c, SIDE_SERVER, m, first + body->size - 1);
    message_string(m, POSTGRESQL_COMMAND, name);
    message_int(m, POSTGRESQL_RESPONSE_SIZE, (int64_t)total);
    message_int(m, POSTGRESQL_TOTAL_SIZE, (int64_t)total);
    message_bool(m, POSTGRESQL_SUCCESS, *first != 'E');
    char summary[MESSAGE_SUMMARY_MAX];
    int n = snprintf(summary, sizeof summary, "%s", name);
    if (*first == 'A' || *first == 'S') { /* the channel, or the parameter's name */
        cursor_skip(body, *first == 'A' ? 4 : 0);
        const uint8_t *text = body->data + body->at, *end = memchr(text, 0, cursor_left(body));
        if (end)
            n = snprintf(summary, sizeof summary, "%s %.*s", name, (int)(end - text < POSTGRESQL_NAME_MAX ? end - text : POSTGRESQL_NAME_MAX), (const char *)text);
    } else {
        struct postgresql_server kept = *server;
        read_error(server, body);
        write_error(server, m);
        *server = kept;
    }
    message_summary(m, summary, (size_t)n);
    conversation_push(c, SIDE_SERVER, m);
}

static void acknowledged(struct postgresql_server *server)
{
    if (extended(server->kind) && server->acks > 0 && server->acks < POSTGRESQL_ACKS_MAX && --server->acks == 0 && !server->synced)
        server->ends = true;
}

static void failed(struct postgresql_server *server, struct cursor *body)
{
    if (!server->error) /* the first of several is the cause */
        read_error(server, body);
    server->error = true;
    if (extended(server->kind))
        server->failed = true;
    server->ends = server->kind == POSTGRESQL_STARTUP || server->kind == POSTGRESQL_SSL_REQUEST || server->kind == POSTGRESQL_GSS_REQUEST || (extended(server->kind) && !server->synced);
}

/* One message of the answer under way. */
static void handle(struct postgresql_server *server, struct postgresql_client *client, uint8_t type, struct cursor *body)
{
    switch (type) {
    case 'D': server->rows++; break;
    case 'C':
        read_tag(server, body);
        acknowledged(server);
        break;
    case 'T': case 'n':
        if (server->kind != POSTGRESQL_SIMPLE_QUERY)
            acknowledged(server);
        break;
    case '1': case '2': case '3': case 'I': case 's': acknowledged(server); break;
    case 'E': failed(server, body); break;
    case 'G': client->copying = server->synced && extended(server->kind); break;
    case 'W': server->ends = server->replicating = true; break;
    case 'Z':
        server->ends = true;
        server->failed = false;
        break;
    default: break;
    }
}

static size_t window_of(uint8_t type)
{
    switch (type) {
    case 'C': return TAG_WINDOW;
    case 'E': case 'N': case 'A': return POSTGRESQL_ERROR_WINDOW;
    case 'S': return POSTGRESQL_NAMES_WINDOW;
    case 'Z': return POSTGRESQL_HEADER + 1;
    default: return POSTGRESQL_HEADER;
    }
}

/* The answer to SSLRequest and GSSENCRequest is one byte. 0: it is not that. */
static int64_t parse_encryption(struct conversation *c, struct postgresql_server *server, struct postgresql_client *client, const uint8_t *data)
{
    const struct message *request = conversation_oldest(c, KEY_IN_ORDER);
    enum postgresql_kind kind = request ? POSTGRESQL_TAG_KIND(request->tag) : POSTGRESQL_UNKNOWN;
    if ((kind != POSTGRESQL_SSL_REQUEST && kind != POSTGRESQL_GSS_REQUEST) || (*data != 'S' && *data != 'N' && *data != 'G'))
        return 0;
    answer_begin(c, server, client, data);
    server->size = 1;
    server->ends = true;
    server->tags[0] = (char)*data;
    server->tags_size = 1;
    conversation_last(c, SIDE_SERVER, server->message, data);
    answer_end(c, server, client);
    server->over = *data != 'N';
    const struct protocol *tls = *data == 'S' ? protocol_find("TLS", 3) : NULL;
    if (tls)
        (void)conversation_switch(c, tls);
    else if (server->over)
        conversation_ignore(c);
    return 1;
}

static void passed(struct conversation *c, struct postgresql_server *server, struct postgresql_client *client, const uint8_t *last)
{
    if (!server->message)
        return;
    conversation_last(c, SIDE_SERVER, server->message, last);
    if (server->skip > 0 || !server->ends)
        return;
    answer_end(c, server, client);
    if (server->replicating) {
        server->over = true;
        conversation_ignore(c);
    }
}

/* Whether the message goes to the answer under way, or begins one; what does not is dealt with here. */
static bool belongs(struct conversation *c, struct postgresql_server *server, struct postgresql_client *client, const uint8_t *first, struct cursor *body, uint64_t total)
{
    uint8_t type = *first;
    bool asked = server->message || client->unit.executed || conversation_oldest(c, KEY_IN_ORDER);
    if (server->discarding) {
        server->discarding = !asked && type != 'Z';
        if (!asked)
            return false;
    }
    if (type == 'A' || ((type == 'N' || type == 'S' || type == 'E') && !asked)) {
        announce(c, server, first, body, total);
        return false;
    }
    if (type == 'Z' && server->failed && !server->message && skip_failed(c, server, client, first))
        return false;
    if (!server->message)
        answer_begin(c, server, client, first);
    return true;
}

static int64_t parse_one(struct conversation *c, struct postgresql_server *server, struct postgresql_client *client, const uint8_t *data, size_t size)
{
    if (server->skip > 0) {
        size_t n = size < server->skip ? size : (size_t)server->skip;
        server->skip -= n;
        passed(c, server, client, data + n - 1);
        return (int64_t)n;
    }
    if (!server->message && parse_encryption(c, server, client, data))
        return 1;
    if (size < POSTGRESQL_HEADER)
        return 0;
    struct cursor at = cursor_over(data, size);
    uint8_t type = cursor_u8(&at);
    uint32_t length = cursor_be32(&at);
    if (!postgresql_plausible(SIDE_SERVER, type, length))
        return -EBADMSG;
    uint64_t total = (uint64_t)length + 1;
    size_t want = total < window_of(type) ? (size_t)total : window_of(type);
    if (size < want)
        return 0;
    at.size = want;
    size_t n = size < total ? size : (size_t)total;
    server->skip = total - n;
    if (belongs(c, server, client, data, &at, total)) {
        server->size += total;
        handle(server, client, type, &at);
        passed(c, server, client, data + n - 1);
    }
    return (int64_t)n;
}

int64_t postgresql_server_parse(struct conversation *c, struct postgresql_server *server, struct postgresql_client *client, const uint8_t *data, size_t size)
{
    size_t at = 0;
    if (server->lost) {
        at = postgresql_find_messages(SIDE_SERVER, data, size);
        if (at == POSTGRESQL_NOWHERE)
            return (int64_t)size;
    }
    server->lost = false;
    while (at < size && !server->over) {
        int64_t used = parse_one(c, server, client, data + at, size - at);
        if (used < 0 && at == 0)
            return used;
        if (used <= 0)
            break;
        at += (size_t)used;
    }
    return (int64_t)at;
}

void postgresql_server_gap(struct conversation *c, struct postgresql_server *server, struct postgresql_client *client, uint64_t lost)
{
    if (lost > 0 && lost <= server->skip) {
        conversation_gap_inside(c, SIDE_SERVER);
        server->skip -= lost;
        if (!server->message)
            return;
        message_incomplete(server->message, GAP);
        if (server->skip == 0 && server->ends)
            answer_end(c, server, client);
        return;
    }
    postgresql_answer_close(c, server, client, GAP);
    server->skip = 0;
    server->failed = false;
    server->lost = server->discarding = true;
}

void postgresql_answer_close(struct conversation *c, struct postgresql_server *server, struct postgresql_client *client, enum incomplete reason)
{
    if (!server->message)
        return;
    if (!server->error || reason == GAP) /* a fatal error is the last word */
        message_incomplete(server->message, reason);
    answer_end(c, server, client);
}
