#include <errno.h>
#include <string.h>
#include <strings.h>

#include "bytes/cursor.h"
#include "services/dissector/protocols/postgresql/postgresql_state.h"

#define STARTUP_MAX 10000u /* the server's own limit */
#define CODE_CANCEL 80877102u
#define CODE_SSL 80877103u
#define CODE_GSS 80877104u
#define VERSION_MAJOR 3u

const char *const postgresql_kinds[POSTGRESQL_KINDS] = {
    [POSTGRESQL_UNKNOWN] = "", [POSTGRESQL_SYNC] = "Sync", [POSTGRESQL_CLOSE] = "Close", [POSTGRESQL_DESCRIBE] = "Describe", [POSTGRESQL_BIND] = "Bind", [POSTGRESQL_PARSE] = "Parse",
    [POSTGRESQL_EXECUTE] = "Execute", [POSTGRESQL_SIMPLE_QUERY] = "Query", [POSTGRESQL_FUNCTION_CALL] = "FunctionCall", [POSTGRESQL_STARTUP] = "StartupMessage", [POSTGRESQL_SSL_REQUEST] = "SSLRequest",
    [POSTGRESQL_GSS_REQUEST] = "GSSENCRequest",
};

/* A string up to its zero; without one all there is, and *ret_cut. */
static struct sql_name { const char *data; size_t size; } take_string(struct cursor *at, bool *ret_cut)
{
    const uint8_t *begin = at->data + at->at, *end = memchr(begin, 0, cursor_left(at));
    struct sql_name name = { (const char *)begin, end ? (size_t)(end - begin) : cursor_left(at) };
    *ret_cut |= !end;
    cursor_skip(at, name.size + (end != NULL));
    return name;
}

/* Whether one of its statements is a COPY: then the client's data may follow it. */
static bool is_copy(const char *text, size_t size)
{
    const char *at = text, *end = text + size;
    while (at < end) {
        while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
            at++;
        if (end - at >= 4 && strncasecmp(at, "copy", 4) == 0)
            return true;
        at = memchr(at, ';', (size_t)(end - at));
        if (!at)
            return false;
        at++;
    }
    return false;
}

void postgresql_unit_close(struct conversation *c, struct postgresql_client *client, enum incomplete reason)
{
    struct postgresql_unit *unit = &client->unit;
    struct message *m = unit->message;
    if (!m)
        return;
    if (reason != WHOLE)
        message_incomplete(m, reason);
    message_string(m, POSTGRESQL_COMMAND, postgresql_kinds[unit->kind]);
    if (unit->text) {
        message_text(m, POSTGRESQL_QUERY, unit->text->data, unit->text->size);
        message_text(m, POSTGRESQL_STATEMENT_ID, unit->text->name, unit->text->name_size);
        unit->late |= unit->kind == POSTGRESQL_EXECUTE && is_copy(unit->text->data, unit->text->size);
    }
    message_text(m, POSTGRESQL_DATABASE, client->database, client->database_size);
    message_text(m, POSTGRESQL_USER, client->user, client->user_size);
    if (!unit->late)
        message_int(m, POSTGRESQL_REQUEST_SIZE, (int64_t)unit->size);
    size_t size = 0;
    const char *query = message_get_text(m, POSTGRESQL_QUERY, &size);
    if (query)
        message_summary(m, query, size);
    else
        message_summary(m, postgresql_kinds[unit->kind], strlen(postgresql_kinds[unit->kind]));
    uint32_t acks = unit->acks < POSTGRESQL_ACKS_MAX ? unit->acks : POSTGRESQL_ACKS_MAX;
    m->tag = (uint32_t)unit->kind | (unit->synced ? POSTGRESQL_TAG_SYNCED : 0) | (unit->late ? POSTGRESQL_TAG_LATE : 0) | acks << 6 | (uint32_t)client->group << 16;
    if (unit->synced)
        client->group++;
    sql_text_drop(unit->text);
    *unit = (struct postgresql_unit){ 0 };
    conversation_request(c, m, KEY_IN_ORDER);
}

static struct postgresql_unit *unit_open(struct conversation *c, struct postgresql_client *client, enum postgresql_kind kind, const uint8_t *first)
{
    struct postgresql_unit *unit = &client->unit;
    if (!unit->message)
        unit->message = conversation_message(c, SIDE_CLIENT, first);
    if (kind > unit->kind)
        unit->kind = kind;
    return unit;
}

/* One that nothing else joins. */
static struct postgresql_unit *unit_alone(struct conversation *c, struct postgresql_client *client, enum postgresql_kind kind, const uint8_t *first)
{
    postgresql_unit_close(c, client, WHOLE);
    struct postgresql_unit *unit = unit_open(c, client, kind, first);
    unit->synced = unit->ends = true;
    return unit;
}

/* A message of the extended protocol; what was executed before it is another unit. */
static struct postgresql_unit *unit_join(struct conversation *c, struct postgresql_client *client, enum postgresql_kind kind, const uint8_t *first)
{
    if (client->unit.executed && kind != POSTGRESQL_CLOSE)
        postgresql_unit_close(c, client, WHOLE);
    struct postgresql_unit *unit = unit_open(c, client, kind, first);
    unit->acks++;
    return unit;
}

static void set_text(struct postgresql_unit *unit, struct sql_text *text)
{
    struct sql_text *before = unit->text;
    unit->text = sql_text_ref(text);
    sql_text_drop(before);
}

static void query(struct conversation *c, struct postgresql_client *client, const uint8_t *first, struct cursor *body)
{
    struct postgresql_unit *unit = unit_alone(c, client, POSTGRESQL_SIMPLE_QUERY, first);
    bool cut = false;
    struct sql_name text = take_string(body, &cut);
    if (cut)
        message_incomplete(unit->message, TRUNCATED);
    unit->late = is_copy(text.data, text.size);
    message_text(unit->message, POSTGRESQL_QUERY, text.data, text.size < CONVERSATION_BODY_MAX ? text.size : CONVERSATION_BODY_MAX);
}

static void parse_message(struct conversation *c, struct postgresql_client *client, const uint8_t *first, struct cursor *body)
{
    struct postgresql_unit *unit = unit_join(c, client, POSTGRESQL_PARSE, first);
    bool cut = false;
    struct sql_name name = take_string(body, &cut), sql = take_string(body, &cut);
    if (cut || sql.size > SQL_STATEMENT_TEXT_MAX)
        message_incomplete(unit->message, TRUNCATED);
    struct sql_text *text = sql_text_new(name.data, name.size, sql.data, sql.size);
    sql_statements_put(&client->statements, name.data, name.size, text);
    set_text(unit, text);
    sql_text_drop(text);
}

static void bind(struct conversation *c, struct postgresql_client *client, const uint8_t *first, struct cursor *body)
{
    struct postgresql_unit *unit = unit_join(c, client, POSTGRESQL_BIND, first);
    bool cut = false;
    struct sql_name portal = take_string(body, &cut), name = take_string(body, &cut);
    struct sql_text *text = sql_text_ref(sql_statements_get(&client->statements, name.data, name.size));
    if (!text) /* prepared before the capture: its name at least */
        text = sql_text_new(name.data, name.size, "", 0);
    sql_statements_put(&client->portals, portal.data, portal.size, text);
    set_text(unit, text);
    sql_text_drop(text);
}

static void describe_or_close(struct conversation *c, struct postgresql_client *client, bool close, const uint8_t *first, struct cursor *body)
{
    struct postgresql_unit *unit = unit_join(c, client, close ? POSTGRESQL_CLOSE : POSTGRESQL_DESCRIBE, first);
    bool cut = false, statement = cursor_u8(body) == 'S';
    struct sql_name name = take_string(body, &cut);
    struct sql_statements *where = statement ? &client->statements : &client->portals;
    if (!unit->text) {
        struct sql_text *text = sql_statements_get(where, name.data, name.size);
        if (text)
            set_text(unit, text);
        else if (statement)
            unit->text = sql_text_new(name.data, name.size, "", 0);
    }
    if (close)
        sql_statements_put(where, name.data, name.size, NULL);
}

static void execute(struct conversation *c, struct postgresql_client *client, const uint8_t *first, struct cursor *body)
{
    struct postgresql_unit *unit = unit_join(c, client, POSTGRESQL_EXECUTE, first);
    bool cut = false;
    struct sql_name portal = take_string(body, &cut);
    unit->executed = true;
    set_text(unit, sql_statements_get(&client->portals, portal.data, portal.size));
}

static void sync(struct conversation *c, struct postgresql_client *client, const uint8_t *first)
{
    if (client->pass_sync) {
        client->pass_sync = false;
        client->late_bytes += POSTGRESQL_HEADER;
        return;
    }
    struct postgresql_unit *unit = unit_open(c, client, POSTGRESQL_SYNC, first);
    unit->synced = unit->ends = true;
}

static void terminate(struct conversation *c, struct postgresql_client *client, const uint8_t *first)
{
    postgresql_unit_close(c, client, WHOLE);
    struct message *m = conversation_message(c, SIDE_CLIENT, first);
    conversation_last(c, SIDE_CLIENT, m, first + POSTGRESQL_HEADER - 1);
    message_string(m, POSTGRESQL_COMMAND, "Terminate");
    message_text(m, POSTGRESQL_DATABASE, client->database, client->database_size);
    message_text(m, POSTGRESQL_USER, client->user, client->user_size);
    message_int(m, POSTGRESQL_REQUEST_SIZE, POSTGRESQL_HEADER);
    message_int(m, POSTGRESQL_TOTAL_SIZE, POSTGRESQL_HEADER);
    message_bool(m, POSTGRESQL_SUCCESS, true);
    message_summary(m, "Terminate", sizeof "Terminate" - 1);
    conversation_push(c, SIDE_CLIENT, m);
}

static size_t window_of(uint8_t type)
{
    switch (type) {
    case 'Q': case 'P': return POSTGRESQL_QUERY_WINDOW;
    case 'B': case 'D': case 'C': case 'E': return POSTGRESQL_NAMES_WINDOW;
    default: return POSTGRESQL_HEADER;
    }
}

static void handle(struct conversation *c, struct postgresql_client *client, const uint8_t *first, struct cursor *body, uint64_t total)
{
    if (strchr("cdfp", *first)) { /* COPY's data, passwords: of a request that is on its way already */
        client->late_bytes += total;
        client->pass_sync |= client->copying && (*first == 'c' || *first == 'f');
        client->copying &= !client->pass_sync;
        return;
    }
    switch (*first) {
    case 'Q': query(c, client, first, body); break;
    case 'P': parse_message(c, client, first, body); break;
    case 'B': bind(c, client, first, body); break;
    case 'D': case 'C': describe_or_close(c, client, *first == 'C', first, body); break;
    case 'E': execute(c, client, first, body); break;
    case 'F': unit_alone(c, client, POSTGRESQL_FUNCTION_CALL, first); break;
    case 'S': sync(c, client, first); break;
    case 'H': client->unit.ends = client->unit.message != NULL; break;
    case 'X': terminate(c, client, first); break;
    default: break;
    }
    if (client->unit.message)
        client->unit.size += total;
}

/* Bytes of the message under way have come, up to `last`. */
static void passed(struct conversation *c, struct postgresql_client *client, const uint8_t *last)
{
    if (!client->unit.message)
        return;
    conversation_last(c, SIDE_CLIENT, client->unit.message, last);
    if (client->skip == 0 && client->unit.ends)
        postgresql_unit_close(c, client, WHOLE);
}

static void copy_name(char name[POSTGRESQL_NAME_MAX], uint8_t *ret_size, struct sql_name value)
{
    *ret_size = (uint8_t)(value.size < POSTGRESQL_NAME_MAX ? value.size : POSTGRESQL_NAME_MAX);
    memcpy(name, value.data, *ret_size);
}

static void start(struct conversation *c, struct postgresql_client *client, const uint8_t *first, struct cursor *body)
{
    bool cut = false;
    while (cursor_left(body) > 1) {
        struct sql_name name = take_string(body, &cut), value = take_string(body, &cut);
        if (name.size == 4 && memcmp(name.data, "user", 4) == 0)
            copy_name(client->user, &client->user_size, value);
        else if (name.size == 8 && memcmp(name.data, "database", 8) == 0)
            copy_name(client->database, &client->database_size, value);
    }
    if (client->database_size == 0) { /* the server's own default */
        memcpy(client->database, client->user, client->user_size);
        client->database_size = client->user_size;
    }
    struct postgresql_unit *unit = unit_alone(c, client, POSTGRESQL_STARTUP, first);
    unit->late = true;
}

static void cancel(struct conversation *c, const uint8_t *first, uint32_t length)
{
    struct message *m = conversation_message(c, SIDE_CLIENT, first);
    conversation_last(c, SIDE_CLIENT, m, first + length - 1);
    message_string(m, POSTGRESQL_COMMAND, "CancelRequest");
    message_int(m, POSTGRESQL_REQUEST_SIZE, length);
    message_int(m, POSTGRESQL_TOTAL_SIZE, length);
    message_bool(m, POSTGRESQL_SUCCESS, true);
    message_summary(m, "CancelRequest", sizeof "CancelRequest" - 1);
    conversation_push(c, SIDE_CLIENT, m);
}

/* Messages without a type. */
static int64_t parse_startup(struct conversation *c, struct postgresql_client *client, const uint8_t *data, size_t size)
{
    if (size < 8)
        return 0;
    struct cursor at = cursor_over(data, size);
    uint32_t length = cursor_be32(&at), code = cursor_be32(&at);
    if (length < 8 || length > STARTUP_MAX)
        return -EBADMSG;
    if (size < length)
        return 0;
    at.size = length;
    if (code == CODE_CANCEL) {
        cancel(c, data, length);
        return length;
    }
    if (code == CODE_SSL || code == CODE_GSS)
        unit_alone(c, client, code == CODE_SSL ? POSTGRESQL_SSL_REQUEST : POSTGRESQL_GSS_REQUEST, data);
    else if (code >> 16 == VERSION_MAJOR)
        start(c, client, data, &at);
    else
        return -EBADMSG;
    client->unit.size = length;
    passed(c, client, data + length - 1);
    return length;
}

static int64_t parse_one(struct conversation *c, struct postgresql_client *client, const uint8_t *data, size_t size)
{
    if (client->skip > 0) {
        size_t n = size < client->skip ? size : (size_t)client->skip;
        client->skip -= n;
        passed(c, client, data + n - 1);
        return (int64_t)n;
    }
    if (data[0] == 0)
        return parse_startup(c, client, data, size);
    if (size < POSTGRESQL_HEADER)
        return 0;
    struct cursor at = cursor_over(data, size);
    uint8_t type = cursor_u8(&at);
    uint32_t length = cursor_be32(&at);
    if (!postgresql_plausible(SIDE_CLIENT, type, length))
        return -EBADMSG;
    uint64_t total = (uint64_t)length + 1;
    size_t want = total < window_of(type) ? (size_t)total : window_of(type);
    if (size < want)
        return 0;
    at.size = want;
    handle(c, client, data, &at, total);
    size_t n = size < total ? size : (size_t)total;
    client->skip = total - n;
    passed(c, client, data + n - 1);
    return (int64_t)n;
}

int64_t postgresql_client_parse(struct conversation *c, struct postgresql_client *client, const uint8_t *data, size_t size)
{
    size_t at = 0;
    if (client->lost && data[0] != 0) {
        at = postgresql_find_messages(SIDE_CLIENT, data, size);
        if (at == POSTGRESQL_NOWHERE)
            return (int64_t)size;
    }
    client->lost = false;
    while (at < size) {
        int64_t used = parse_one(c, client, data + at, size - at);
        if (used < 0 && at == 0)
            return used;
        if (used <= 0)
            break;
        at += (size_t)used;
    }
    return (int64_t)at;
}

void postgresql_client_gap(struct conversation *c, struct postgresql_client *client, uint64_t lost)
{
    struct postgresql_unit *unit = &client->unit;
    if (lost > 0 && lost <= client->skip) { /* inside one message */
        conversation_gap_inside(c, SIDE_CLIENT);
        client->skip -= lost;
        if (unit->message)
            message_incomplete(unit->message, GAP);
        if (client->skip == 0 && unit->ends)
            postgresql_unit_close(c, client, GAP);
        return;
    }
    postgresql_unit_close(c, client, GAP);
    client->skip = 0;
    client->lost = true;
    client->copying = client->pass_sync = false;
}
