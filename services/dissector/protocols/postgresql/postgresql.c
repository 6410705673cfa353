#include "services/dissector/protocols/postgresql/postgresql.h"

#include "bytes/cursor.h"
#include "services/dissector/protocols/postgresql/postgresql_state.h"

static const struct field fields[POSTGRESQL_FIELDS_COUNT] = {
    [POSTGRESQL_COMMAND] = { .name = "postgresql_command", .column = "command", .help = "the message that the entry is about: Query, Execute, Parse, StartupMessage, NotificationResponse and so on" },
    [POSTGRESQL_QUERY] = { .name = "postgresql_query", .column = "query", .redaction = REDACT_SQL, .oracle = "pgsql.query", .read_back = true, .help = "SQL text, of an Execute that of its statement" },
    [POSTGRESQL_DATABASE] = { .name = "postgresql_database", .column = "database", .help = "database of the connection" },
    [POSTGRESQL_USER] = { .name = "postgresql_user", .column = "user", .help = "user of the connection" },
    [POSTGRESQL_STATEMENT_ID] = { .name = "postgresql_statement_id", .column = "statement_id", .oracle = "pgsql.statement", .help = "name of the prepared statement" },
    [POSTGRESQL_REQUEST_SIZE] = { .name = "postgresql_request_size", .type = FIELD_INT, .column = "request_size", .help = "bytes of the request's messages, COPY data included" },
    [POSTGRESQL_RESPONSE_SIZE] = { .name = "postgresql_response_size", .type = FIELD_INT, .column = "response_size", .help = "bytes of the response's messages" },
    [POSTGRESQL_TOTAL_SIZE] = { .name = "postgresql_total_size", .type = FIELD_INT, .column = "total_size", .help = "bytes of request and response" },
    [POSTGRESQL_SUCCESS] = { .name = "postgresql_success", .type = FIELD_BOOL, .column = "success", .help = "answered without an error" },
    [POSTGRESQL_ERROR_CODE] = { .name = "postgresql_error_code", .column = "error_code", .oracle = "pgsql.code", .help = "SQLSTATE of the error or notice" },
    [POSTGRESQL_ERROR_MESSAGE] = { .name = "postgresql_error_message", .column = "error_message", .redaction = REDACT_SQL, .oracle = "pgsql.message", .help = "text of the error or notice" },
    [POSTGRESQL_ROWS] = { .name = "postgresql_rows", .type = FIELD_INT, .column = "rows", .help = "rows returned, or changed" },
    [POSTGRESQL_COMMAND_TAG] = { .name = "postgresql_command_tag", .column = "command_tag", .oracle = "pgsql.tag", .help = "the server's command tags, joined by comma and space" },
};
static const struct detail detail = { .table = "postgresql", .fields = fields, .count = POSTGRESQL_FIELDS_COUNT };

#define STARTUP_LENGTH_MAX 10000u
#define CODE_FIRST 80877102u /* CancelRequest, SSLRequest, GSSENCRequest */
#define CODE_LAST 80877104u
#define CANCEL_LENGTH_LEAST 16u
#define CANCEL_LENGTH_MAX 268u /* keys have four bytes, and from version 3.2 of the protocol up to 256 */

static enum detected detect_startup(const struct sniff *sniff)
{
    struct cursor at = cursor_over(sniff->data, sniff->size);
    if (sniff->size < 8)
        return sniff->size < 2 || sniff->data[1] == 0 ? DETECT_MORE : DETECT_NO;
    uint32_t length = cursor_be32(&at), code = cursor_be32(&at);
    if (code == CODE_FIRST) /* with the session's number and its key */
        return length >= CANCEL_LENGTH_LEAST && length <= CANCEL_LENGTH_MAX ? DETECT_CLIENT : DETECT_NO;
    if (code > CODE_FIRST && code <= CODE_LAST)
        return length == 8 ? DETECT_CLIENT : DETECT_NO;
    if (code >> 16 != 3 || length < 9 || length > STARTUP_LENGTH_MAX)
        return DETECT_NO;
    if (sniff->size < 9)
        return DETECT_MORE;
    uint8_t first = cursor_u8(&at);
    return (first >= 'a' && first <= 'z') || first == '_' || (first == 0 && length == 9) ? DETECT_CLIENT : DETECT_NO;
}

/* From the middle of a connection, messages are known by their types and lengths alone: that is enough on the server's port only. */
static enum detected detect(const struct sniff *sniff)
{
    if (sniff->size == 0)
        return DETECT_MORE;
    if (sniff->data[0] == 0)
        return detect_startup(sniff);
    if (!sniff->port || !sniff->started_before)
        return DETECT_NO;
    bool client_tells, server_tells;
    unsigned client = postgresql_count_messages(SIDE_CLIENT, sniff->data, sniff->size, &client_tells), server = postgresql_count_messages(SIDE_SERVER, sniff->data, sniff->size, &server_tells);
    client_tells &= client > 0;
    server_tells &= server > 0;
    if (client_tells != server_tells)
        return client_tells ? DETECT_CLIENT : DETECT_SERVER;
    return client || server ? DETECT_EITHER : DETECT_NO;
}

static struct postgresql_state *state_of(struct conversation *c)
{
    struct postgresql_state *state = conversation_state(c);
    if (!state->begun) {
        state->begun = true;
        state->client.lost = state->server.lost = conversation_started_before(c);
    }
    return state;
}

static int64_t parse(struct conversation *c, enum side side, const uint8_t *data, size_t size)
{
    struct postgresql_state *state = state_of(c);
    return side == SIDE_CLIENT ? postgresql_client_parse(c, &state->client, data, size) : postgresql_server_parse(c, &state->server, &state->client, data, size);
}

static void gap(struct conversation *c, enum side side, uint64_t lost)
{
    struct postgresql_state *state = state_of(c);
    if (side == SIDE_CLIENT)
        postgresql_client_gap(c, &state->client, lost);
    else
        postgresql_server_gap(c, &state->server, &state->client, lost);
}

static void close_conversation(struct conversation *c)
{
    struct postgresql_state *state = state_of(c);
    postgresql_answer_close(c, &state->server, &state->client, ENDS_AFTER);
    postgresql_unit_close(c, &state->client, WHOLE);
    sql_statements_free(&state->client.statements);
    sql_statements_free(&state->client.portals);
}

static size_t memory(const void *state)
{
    const struct postgresql_state *s = state;
    return sql_statements_memory(&s->client.statements) + sql_statements_memory(&s->client.portals) + (s->client.unit.text ? s->client.unit.text->size : 0) + message_memory(s->client.unit.message) +
           message_memory(s->server.message);
}

const struct protocol protocol_postgresql = {
    .name = "POSTGRESQL",
    .flags = { "postgresql" },
    .detail = &detail,
    .ports = { 5432 },
    .state_size = sizeof(struct postgresql_state),
    .detect = detect,
    .parse = parse,
    .gap = gap,
    .memory = memory,
    .close = close_conversation,
};
