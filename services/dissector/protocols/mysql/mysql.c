#include "services/dissector/protocols/mysql/mysql.h"

#include <stdlib.h>

#include "services/dissector/protocols/mysql/mysql_compressed.h"

static const struct field fields[MYSQL_FIELDS_COUNT] = {
    [MYSQL_COMMAND] = { .name = "mysql_command", .column = "command", .oracle = "mysql.command", .help = "the command's name (COM_QUERY), HANDSHAKE or SSL_REQUEST" },
    [MYSQL_QUERY] = { .name = "mysql_query", .column = "query", .redaction = REDACT_SQL, .oracle = "mysql.query", .read_back = true, .help = "SQL text, of an execute that of its statement" },
    [MYSQL_DATABASE] = { .name = "mysql_database", .column = "database", .oracle = "mysql.schema", .help = "database of the session, or the one asked for" },
    [MYSQL_USER] = { .name = "mysql_user", .column = "user", .oracle = "mysql.user", .help = "user of the session" },
    [MYSQL_STATEMENT_ID] = { .name = "mysql_statement_id", .type = FIELD_INT, .column = "statement_id", .oracle = "mysql.stmt_id", .help = "number of the prepared statement" },
    [MYSQL_REQUEST_SIZE] = { .name = "mysql_request_size", .type = FIELD_INT, .column = "request_size", .help = "bytes of the request's packets, a local file's included, before compression" },
    [MYSQL_RESPONSE_SIZE] = { .name = "mysql_response_size", .type = FIELD_INT, .column = "response_size", .help = "bytes of the response's packets, before compression" },
    [MYSQL_TOTAL_SIZE] = { .name = "mysql_total_size", .type = FIELD_INT, .column = "total_size", .help = "bytes of request and response, before compression" },
    [MYSQL_SUCCESS] = { .name = "mysql_success", .type = FIELD_BOOL, .column = "success", .help = "answered without an error" },
    [MYSQL_ERROR_CODE] = { .name = "mysql_error_code", .type = FIELD_INT, .column = "error_code", .oracle = "mysql.error_code", .help = "the error's number" },
    [MYSQL_ERROR_MESSAGE] = { .name = "mysql_error_message", .column = "error_message", .redaction = REDACT_SQL, .oracle = "mysql.error.message", .read_back = true, .help = "the error's text" },
    [MYSQL_ROWS] = { .name = "mysql_rows", .type = FIELD_INT, .column = "rows", .help = "rows of the result sets" },
    [MYSQL_AFFECTED_ROWS] = { .name = "mysql_affected_rows", .type = FIELD_INT, .column = "affected_rows", .oracle = "mysql.affected_rows", .help = "rows that the statements changed" },
    [MYSQL_SERVER_VERSION] = { .name = "mysql_server_version", .column = "server_version", .oracle = "mysql.version", .help = "of a log-in, or a request for TLS before one, the server's version" },
};
static const struct detail detail = { .table = "mysql", .fields = fields, .count = MYSQL_FIELDS_COUNT };

#define GREETING_VERSION 10
#define GREETING_LENGTH_LEAST 40u
#define GREETING_LENGTH_MAX 512u

/* The server speaks first: a packet of 40 to 512 bytes with sequence 0, then 10 and a version like "8.0.36". */
static enum detected detect_greeting(const struct sniff *sniff)
{
    static const uint8_t zeros[2];
    const uint8_t *data = sniff->data;
    size_t size = sniff->size;
    if (size < 4)
        return data[0] >= GREETING_LENGTH_LEAST && (size < 3 || data[2] == 0) && (size < 2 || data[1] < 2) ? DETECT_MORE : DETECT_NO;
    struct mysql_header header = mysql_header_read(data);
    if (header.length < GREETING_LENGTH_LEAST || header.length > GREETING_LENGTH_MAX || memcmp(data + 2, zeros, 2) != 0)
        return DETECT_NO;
    if (size == MYSQL_HEADER)
        return DETECT_MORE;
    if (data[MYSQL_HEADER] != GREETING_VERSION)
        return DETECT_NO;
    for (size_t i = MYSQL_HEADER + 1; i < size && i < MYSQL_HEADER + MYSQL_VERSION_MAX; i++) {
        if (data[i] == 0)
            return i > MYSQL_HEADER + 1 ? DETECT_SERVER : DETECT_NO;
        if (data[i] < ' ' || data[i] > '~' || (i == MYSQL_HEADER + 1 && (data[i] < '0' || data[i] > '9')))
            return DETECT_NO;
    }
    return size < MYSQL_HEADER + MYSQL_VERSION_MAX ? DETECT_MORE : DETECT_NO;
}

static enum detected detect(const struct sniff *sniff)
{
    if (sniff->size == 0)
        return DETECT_MORE;
    enum detected greeting = detect_greeting(sniff);
    if (greeting != DETECT_NO || !sniff->port)
        return greeting;
    const uint8_t *data = sniff->data;
    if (sniff->size > 9 && data[3] == 0 && data[4] == 0xff && mysql_count_packets(data, sniff->size, 0) > 0) /* refused */
        return DETECT_SERVER;
    if (!sniff->started_before)
        return DETECT_NO;
    if (mysql_command_begins(data, sniff->size) > 0)
        return DETECT_CLIENT;
    return sniff->size > MYSQL_HEADER && mysql_count_packets(data, sniff->size, 1) > 0 ? DETECT_SERVER : DETECT_NO;
}

static struct mysql_state *state_of(struct conversation *c)
{
    struct mysql_state *state = conversation_state(c);
    if (!state->begun) {
        state->begun = true;
        state->client.lost = state->server.lost = conversation_started_before(c);
        state->client.phase = state->client.lost ? MYSQL_COMMANDS : MYSQL_CONNECTING;
    }
    return state;
}

static int64_t parse(struct conversation *c, enum side side, const uint8_t *data, size_t size)
{
    struct mysql_state *state = state_of(c);
    int64_t n = state->client.compressed ? mysql_compressed_parse(c, state, side, data, size)
                : side == SIDE_CLIENT ? mysql_client_parse(c, &state->client, &state->server, data, size) : mysql_server_parse(c, &state->server, &state->client, data, size);
    state->client.compressed = state->client.compressed || state->client.compress;
    state->client.compress = false;
    return n;
}

static void gap(struct conversation *c, enum side side, uint64_t lost)
{
    struct mysql_state *state = state_of(c);
    if (state->client.compressed)
        mysql_compressed_gap(c, state, side, lost);
    else if (side == SIDE_CLIENT)
        mysql_client_gap(c, &state->client, lost);
    else
        mysql_server_gap(c, &state->server, &state->client, lost);
}

static void close_conversation(struct conversation *c)
{
    struct mysql_state *state = state_of(c);
    mysql_server_close(c, &state->server, &state->client, ENDS_AFTER);
    mysql_client_close(c, &state->client, ENDS_AFTER);
    sql_statements_free(&state->client.statements);
    sql_text_drop(state->client.last_prepared);
    free(state->plain[SIDE_CLIENT].held);
    free(state->plain[SIDE_SERVER].held);
}

static size_t memory(const void *state)
{
    const struct mysql_state *s = state;
    return sql_statements_memory(&s->client.statements) + (s->client.last_prepared ? s->client.last_prepared->size : 0) + message_memory(s->client.message) + message_memory(s->server.message) +
           s->plain[SIDE_CLIENT].held_room + s->plain[SIDE_SERVER].held_room;
}

const struct protocol protocol_mysql = {
    .name = "MYSQL",
    .flags = { "mysql" },
    .detail = &detail,
    .ports = { 3306 },
    .state_size = sizeof(struct mysql_state),
    .detect = detect,
    .parse = parse,
    .gap = gap,
    .memory = memory,
    .close = close_conversation,
};
