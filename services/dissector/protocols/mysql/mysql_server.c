#include <errno.h>

#include "services/dissector/protocols/mysql/mysql_state.h"
#include "services/dissector/protocols/protocol.h"

#define TYPE_OK 0x00
#define TYPE_FILE 0xfb
#define TYPE_EOF 0xfe
#define TYPE_ERROR 0xff
#define GREETING_VERSION 10
#define EOF_LENGTH 5u           /* type, warnings u16, status u16 */
#define EOF_LENGTH_MAX 9u       /* where OK packets do not end rows, one so short can only be an EOF */
#define STATUS_MORE_RESULTS 0x8u
#define STATUS_CURSOR 0x40u     /* the rows are fetched later */
#define CODE_PROGRESS 0xffffu   /* MariaDB: no error, but how far it is */
#define STREAM_NEVER_ENDS(command) ((command) == COM_BINLOG_DUMP || (command) == COM_BINLOG_DUMP_GTID)

static enum mysql_expect first_expected(uint8_t command)
{
    switch (command) {
    case MYSQL_HANDSHAKE: case COM_CHANGE_USER: return MYSQL_AUTHENTICATION;
    case COM_STMT_PREPARE: return MYSQL_PREPARED;
    case COM_STMT_FETCH: return MYSQL_ROWS_OR_END;
    case COM_FIELD_LIST: return MYSQL_LIST;
    case COM_STATISTICS: return MYSQL_ONE;
    case COM_BINLOG_DUMP: case COM_BINLOG_DUMP_GTID: return MYSQL_STREAM;
    default: return MYSQL_ANY;
    }
}

static void answer_begin(struct conversation *c, struct mysql_server *server, struct mysql_client *client, const uint8_t *first)
{
    const struct message *request = conversation_oldest(c, KEY_IN_ORDER);
    uint32_t tag = request ? request->tag : client->awaiting ? client->last_tag : 0;
    client->awaiting = false;
    server->message = conversation_message(c, SIDE_SERVER, first);
    server->begun.count++;
    server->command = MYSQL_TAG_COMMAND(tag);
    server->late = tag & MYSQL_TAG_LATE;
    server->database = tag & MYSQL_TAG_DATABASE;
    server->request_size = !request ? 0 : client->compressed ? client->last_size : request->to - request->from;
    server->expect = first_expected(server->command);
    server->size = server->command == MYSQL_HANDSHAKE ? server->greeting_size : 0;
    server->rows = server->affected = 0;
    server->columns = server->statement = 0;
    server->ends = server->error = server->prepared = server->streaming = false;
    server->code = server->text_size = 0;
}

/* What success changes for the commands behind it. */
static void take_effect(struct conversation *c, struct mysql_server *server, struct mysql_client *client)
{
    if (server->database)
        client->database = client->next_database;
    if (server->command == COM_CHANGE_USER || server->command == COM_RESET_CONNECTION)
        sql_statements_free(&client->statements);
    if (server->prepared) {
        struct message *request = conversation_oldest(c, KEY_IN_ORDER);
        size_t size = 0;
        const char *text = request ? message_get_text(request, MYSQL_QUERY, &size) : NULL;
        struct sql_text *statement = text ? sql_text_new(NULL, 0, text, size) : request ? NULL : sql_text_ref(client->last_prepared);
        sql_statements_put(&client->statements, &server->statement, sizeof server->statement, statement);
        sql_text_drop(statement);
    }
}

static void write_error(const struct mysql_server *server, struct message *m)
{
    message_int(m, MYSQL_ERROR_CODE, server->code);
    message_text(m, MYSQL_ERROR_MESSAGE, server->text, server->text_size);
}

static void answer_end(struct conversation *c, struct mysql_server *server, struct mysql_client *client)
{
    struct message *m = server->message;
    server->message = NULL;
    uint64_t request_size = server->request_size;
    if (server->late) {
        request_size += client->late_bytes;
        client->late_bytes = 0;
        message_int(m, MYSQL_REQUEST_SIZE, (int64_t)request_size);
    }
    if (!server->error && m->incomplete == WHOLE)
        take_effect(c, server, client);
    message_int(m, MYSQL_RESPONSE_SIZE, (int64_t)server->size);
    message_int(m, MYSQL_TOTAL_SIZE, (int64_t)(request_size + server->size));
    message_bool(m, MYSQL_SUCCESS, server->ends && !server->error); /* not where its end was not seen */
    if (server->error)
        write_error(server, m);
    if (server->prepared)
        message_int(m, MYSQL_STATEMENT_ID, server->statement);
    if (server->rows)
        message_int(m, MYSQL_ROWS, (int64_t)server->rows);
    if (server->affected)
        message_int(m, MYSQL_AFFECTED_ROWS, (int64_t)server->affected);
    if (server->command == MYSQL_HANDSHAKE)
        message_text(m, MYSQL_SERVER_VERSION, server->version, server->version_size);
    if (client->phase == MYSQL_AUTHENTICATING && server->expect == MYSQL_AUTHENTICATION)
        client->phase = MYSQL_COMMANDS;
    client->infile = false;
    client->compress = client->compress || (server->command == MYSQL_HANDSHAKE && !server->error && (client->capabilities & (CLIENT_COMPRESS | CLIENT_ZSTD)));
    conversation_response(c, m, KEY_IN_ORDER);
    if (server->streaming) {
        server->over = client->over = true;
        conversation_ignore(c);
    }
}

/* type, code u16, with CLIENT_PROTOCOL_41 '#' and five characters of state, text */
static void read_error(struct mysql_server *server, struct cursor payload)
{
    cursor_skip(&payload, 1);
    uint16_t code = cursor_le16(&payload);
    if (code == CODE_PROGRESS)
        return;
    if (cursor_left(&payload) >= 6 && payload.data[payload.at] == '#')
        cursor_skip(&payload, 6);
    size_t size = cursor_left(&payload) < sizeof server->text ? cursor_left(&payload) : sizeof server->text;
    const uint8_t *text = cursor_take(&payload, size);
    if (text && size)
        memcpy(server->text, text, size);
    server->text_size = (uint16_t)(text ? size : 0);
    server->code = code;
    server->error = server->ends = true;
}

/* OK (type, rows, id, status u16, warnings u16), or EOF (type, warnings u16, status u16): the result is over; another may follow it. Returns the status. */
static uint16_t read_end(struct mysql_server *server, struct cursor payload, uint32_t length)
{
    uint16_t status;
    cursor_skip(&payload, 1);
    if (length <= EOF_LENGTH) {
        (void)cursor_le16(&payload);
        status = cursor_le16(&payload);
    } else {
        server->affected += mysql_take_integer(&payload);
        (void)mysql_take_integer(&payload);
        status = cursor_le16(&payload);
    }
    server->ends = !(status & STATUS_MORE_RESULTS);
    server->expect = MYSQL_ANY;
    return status;
}

/* The number of columns; perhaps with a byte before it (MySQL) or behind it (MariaDB) that tells whether their definitions follow. Where nobody saw what was agreed on, the bytes tell. */
static int read_columns_count(struct mysql_server *server, const struct mysql_client *client, struct cursor payload, uint32_t length)
{
    bool follows = true, before = (client->capabilities & CLIENT_OPTIONAL_METADATA) && (client->capabilities & CLIENT_MYSQL), behind = client->mariadb & MARIADB_CACHE_METADATA;
    if (!client->capabilities_known && length == 2) {
        behind = payload.data[1] <= 1;
        before = !behind && payload.data[0] == 1;
    }
    if (before)
        follows = cursor_u8(&payload);
    uint64_t columns = mysql_take_integer(&payload);
    if (behind)
        follows = cursor_u8(&payload);
    if (!cursor_ok(&payload) || payload.at != length || columns == 0 || columns > MYSQL_COLUMNS_MAX)
        return -EBADMSG;
    server->left = follows ? columns : 0;
    server->expect = server->left ? MYSQL_COLUMNS : MYSQL_COLUMNS_END;
    return 0;
}

static int any(struct mysql_server *server, struct mysql_client *client, struct cursor payload, uint32_t length)
{
    switch (payload.data[0]) {
    case TYPE_OK:
        if (length < 7) /* no OK that has all its parts, and no count */
            return -EBADMSG;
        (void)read_end(server, payload, length);
        return 0;
    case TYPE_EOF: (void)read_end(server, payload, length); return 0;
    case TYPE_ERROR: read_error(server, payload); return 0;
    case TYPE_FILE: client->infile = true; return 0;
    default: return read_columns_count(server, client, payload, length);
    }
}

static bool is_eof(struct cursor payload, uint32_t length) { return length <= EOF_LENGTH && payload.data[0] == TYPE_EOF; }

/* A row, or what ends them: a row that begins with 0xfe holds 16 MiB and more. */
static void row(struct mysql_server *server, struct cursor payload, uint32_t length)
{
    uint8_t type = payload.data[0];
    if (type == TYPE_ERROR)
        read_error(server, payload);
    else if (type == TYPE_EOF && length < (server->eof == MYSQL_EOF_SENT ? EOF_LENGTH_MAX : MYSQL_PACKET_MAX))
        (void)read_end(server, payload, length);
    else
        server->rows++;
}

static void columns_end(struct mysql_server *server, struct cursor payload, uint32_t length)
{
    server->expect = MYSQL_ROWS_OR_END;
    if (server->eof == MYSQL_EOF_NOT_SENT || !is_eof(payload, length)) {
        row(server, payload, length);
        return;
    }
    server->eof = MYSQL_EOF_SENT;
    cursor_skip(&payload, 3);
    if (cursor_le16(&payload) & STATUS_CURSOR)
        server->ends = true;
}

/* OK, statement u32, columns u16, parameters u16, 0, warnings u16 */
static int prepared(struct mysql_server *server, struct cursor payload)
{
    if (payload.data[0] == TYPE_ERROR) {
        read_error(server, payload);
        return 0;
    }
    if (cursor_u8(&payload) != TYPE_OK)
        return -EBADMSG;
    server->statement = cursor_le32(&payload);
    server->columns = cursor_le16(&payload);
    server->left = cursor_le16(&payload);
    if (!cursor_ok(&payload))
        return -EBADMSG;
    server->prepared = true;
    server->expect = server->left ? MYSQL_PARAMETERS : MYSQL_PREPARED_COLUMNS;
    if (!server->left)
        server->left = server->columns;
    server->ends = server->left == 0;
    return 0;
}

static void prepared_columns_ended(struct mysql_server *server)
{
    server->expect = MYSQL_PREPARED_COLUMNS_END;
    server->ends = server->eof != MYSQL_EOF_SENT; /* unknown: a lone EOF is passed over where it comes */
}

static void definition(struct mysql_server *server)
{
    if (server->left > 0)
        server->left--;
    if (server->left > 0)
        return;
    switch (server->expect) {
    case MYSQL_COLUMNS: server->expect = MYSQL_COLUMNS_END; break;
    case MYSQL_PARAMETERS:
        if (server->eof == MYSQL_EOF_NOT_SENT || (server->eof == MYSQL_EOF_UNKNOWN && server->columns == 0)) {
            server->left = server->columns;
            server->expect = MYSQL_PREPARED_COLUMNS;
            server->ends = server->left == 0;
        } else {
            server->expect = MYSQL_PARAMETERS_END;
        }
        break;
    default: prepared_columns_ended(server); break;
    }
}

/* Behind the parameters' definitions: an EOF, or (where that is not known) already a column's. */
static void parameters_end(struct mysql_server *server, struct cursor payload, uint32_t length)
{
    bool eof = is_eof(payload, length);
    if (server->eof == MYSQL_EOF_UNKNOWN)
        server->eof = eof ? MYSQL_EOF_SENT : MYSQL_EOF_NOT_SENT;
    server->left = server->columns;
    server->expect = MYSQL_PREPARED_COLUMNS;
    if (!eof)
        definition(server);
    else
        server->ends = server->left == 0;
}

/* One packet of the answer under way; payload holds at least its first byte, unless the packet is empty. */
static int handle(struct mysql_server *server, struct mysql_client *client, struct cursor payload, uint32_t length)
{
    if (length == 0)
        return server->expect == MYSQL_ONE || server->expect == MYSQL_AUTHENTICATION || server->expect == MYSQL_STREAM ? 0 : -EBADMSG;
    uint8_t type = payload.data[0];
    switch (server->expect) {
    case MYSQL_ANY: return any(server, client, payload, length);
    case MYSQL_COLUMNS: case MYSQL_PARAMETERS: case MYSQL_PREPARED_COLUMNS: definition(server); return 0;
    case MYSQL_COLUMNS_END: columns_end(server, payload, length); return 0;
    case MYSQL_ROWS_OR_END: row(server, payload, length); return 0;
    case MYSQL_PREPARED: return prepared(server, payload);
    case MYSQL_PARAMETERS_END: parameters_end(server, payload, length); return 0;
    case MYSQL_PREPARED_COLUMNS_END: server->ends = true; return 0;
    case MYSQL_ONE:
        server->ends = true;
        if (type == TYPE_ERROR)
            read_error(server, payload);
        return 0;
    case MYSQL_LIST:
        if (type == TYPE_ERROR)
            read_error(server, payload);
        else
            server->ends = type == TYPE_EOF && length < EOF_LENGTH_MAX;
        return 0;
    case MYSQL_AUTHENTICATION:
        if (type == TYPE_ERROR)
            read_error(server, payload);
        else
            server->ends = type == TYPE_OK;
        return 0;
    case MYSQL_STREAM:
        server->ends = true;
        if (type == TYPE_ERROR)
            read_error(server, payload);
        server->streaming = type != TYPE_ERROR;
        return 0;
    }
    return -EBADMSG;
}

/* version u8, server's version, thread u32, secret 8 bytes, 0, capabilities u16, character set u8, status u16, capabilities u16, length of the secret u8, zeros (6 and, of MariaDB, capabilities u32) */
static int read_greeting(struct mysql_server *server, struct mysql_client *client, struct cursor payload, uint64_t total)
{
    cursor_skip(&payload, 1);
    const uint8_t *version = payload.data + payload.at, *end = memchr(version, 0, cursor_left(&payload));
    if (!end)
        return -EBADMSG;
    size_t size = (size_t)(end - version);
    cursor_skip(&payload, size + 1 + 4 + 8 + 1);
    server->capabilities = cursor_le16(&payload);
    cursor_skip(&payload, 3);
    server->capabilities |= (uint32_t)cursor_le16(&payload) << 16;
    cursor_skip(&payload, 1 + 6);
    uint32_t mariadb = cursor_le32(&payload);
    server->mariadb = cursor_ok(&payload) && !(server->capabilities & CLIENT_MYSQL) ? mariadb : 0;
    server->version_size = (uint8_t)(size < sizeof server->version ? size : sizeof server->version);
    memcpy(server->version, version, server->version_size);
    server->greeting_size = total;
    server->greeted = true;
    client->phase = MYSQL_CONNECTING;
    client->lost = false;
    return 0;
}

/* An error that nobody asked for: too many connections, a shutdown, a time-out. */
static void announce(struct conversation *c, struct mysql_server *server, struct mysql_client *client, const uint8_t *first, struct cursor payload, uint64_t total)
{
    struct message *m = conversation_message(c, SIDE_SERVER, first);
    server->begun.count++;
    conversation_last(c, SIDE_SERVER, m, payload.data + payload.size - 1);
    server->error = false;
    read_error(server, payload);
    if (!server->error) {
        conversation_drop(c, m);
        return;
    }
    write_error(server, m);
    message_text(m, MYSQL_USER, client->user.text, client->user.size);
    message_text(m, MYSQL_DATABASE, client->database.text, client->database.size);
    message_int(m, MYSQL_RESPONSE_SIZE, (int64_t)total);
    message_int(m, MYSQL_TOTAL_SIZE, (int64_t)total);
    size_t size = 0;
    const char *text = message_get_text(m, MYSQL_ERROR_MESSAGE, &size);
    if (text)
        message_summary(m, text, size);
    conversation_push(c, SIDE_SERVER, m);
}

static void passed(struct conversation *c, struct mysql_server *server, struct mysql_client *client, const uint8_t *last)
{
    if (!server->message)
        return;
    conversation_last(c, SIDE_SERVER, server->message, last);
    if (server->skip == 0 && server->ends && !server->continues)
        answer_end(c, server, client);
}

/* Bytes of the payload that are wanted before it is handled. */
static uint32_t wanted(const struct mysql_server *server, struct mysql_header header, uint8_t type)
{
    uint32_t window = MYSQL_ANSWER_WINDOW;
    if (!server->message && !server->greeted && type == GREETING_VERSION && header.sequence == 0)
        window = MYSQL_LOGIN_WINDOW;
    else if (server->message && (server->expect == MYSQL_COLUMNS || server->expect == MYSQL_PARAMETERS || server->expect == MYSQL_PREPARED_COLUMNS))
        window = 1;
    else if (server->message && (server->expect == MYSQL_ROWS_OR_END || server->expect == MYSQL_COLUMNS_END) && type != TYPE_EOF && type != TYPE_ERROR)
        window = 1;
    return header.length < window ? header.length : window;
}

/* A packet that is not a continuation. 1: it has been dealt with, and belongs to no answer. */
static int take_packet(struct conversation *c, struct mysql_server *server, struct mysql_client *client, const uint8_t *first, struct cursor payload, struct mysql_header header)
{
    uint64_t total = (uint64_t)header.length + MYSQL_HEADER;
    if (!server->message) {
        bool asked = client->awaiting || conversation_oldest(c, KEY_IN_ORDER);
        if (!asked && header.length && header.sequence == 0 && payload.data[0] == GREETING_VERSION && !server->greeted) {
            int r = read_greeting(server, client, payload, total);
            return r < 0 ? r : 1;
        }
        if (!asked && header.length && payload.data[0] == TYPE_ERROR) {
            announce(c, server, client, first, payload, total);
            return 1;
        }
        if (header.length && is_eof(payload, header.length) && header.sequence > 1 && server->eof == MYSQL_EOF_UNKNOWN) {
            server->eof = MYSQL_EOF_SENT; /* the end of a prepared statement's columns */
            return 1;
        }
        answer_begin(c, server, client, first);
    }
    server->size += total;
    return handle(server, client, payload, header.length);
}

static int64_t parse_one(struct conversation *c, struct mysql_server *server, struct mysql_client *client, const uint8_t *data, size_t size)
{
    if (server->skip > 0) {
        size_t n = size < server->skip ? size : (size_t)server->skip;
        server->skip -= n;
        passed(c, server, client, data + n - 1);
        return (int64_t)n;
    }
    if (size < MYSQL_HEADER)
        return 0;
    struct mysql_header header = mysql_header_read(data);
    uint64_t total = (uint64_t)header.length + MYSQL_HEADER;
    if (server->continues) {
        server->size += total;
    } else {
        if (header.length > 0 && size == MYSQL_HEADER)
            return 0;
        uint32_t want = header.length ? wanted(server, header, data[MYSQL_HEADER]) : 0;
        if (size - MYSQL_HEADER < want)
            return 0;
        int r = take_packet(c, server, client, data, cursor_over(data + MYSQL_HEADER, want), header);
        if (r < 0) /* gap() gives out what there is of the answer */
            return r;
    }
    server->continues = header.length == MYSQL_PACKET_MAX;
    size_t n = size < total ? size : (size_t)total;
    server->skip = total - n;
    passed(c, server, client, data + n - 1);
    return (int64_t)n;
}

/* After something was missed, an answer's first packet is one with sequence 1 that follows a command. */
static bool found_again(struct conversation *c, const struct mysql_server *server, const struct mysql_client *client, const uint8_t *data, size_t size)
{
    if (size > MYSQL_HEADER && data[3] == 0 && data[MYSQL_HEADER] == GREETING_VERSION && !server->greeted)
        return true;
    return (client->awaiting || conversation_oldest(c, KEY_IN_ORDER) || !client->ever) && mysql_count_packets(data, size, 1) > 0;
}

int64_t mysql_server_parse(struct conversation *c, struct mysql_server *server, struct mysql_client *client, const uint8_t *data, size_t size)
{
    if (server->lost && !found_again(c, server, client, data, size))
        return (int64_t)size;
    server->lost = false;
    if (client->capabilities_known)
        server->eof = client->capabilities & CLIENT_DEPRECATE_EOF ? MYSQL_EOF_NOT_SENT : MYSQL_EOF_SENT;
    size_t at = 0;
    while (at < size && !server->over && !client->compress && !mysql_begun_all(&server->begun)) {
        int64_t used = parse_one(c, server, client, data + at, size - at);
        if (used < 0 && at == 0)
            return used;
        if (used <= 0)
            break;
        at += (size_t)used;
    }
    return (int64_t)at;
}

void mysql_server_gap(struct conversation *c, struct mysql_server *server, struct mysql_client *client, uint64_t lost)
{
    if (lost > 0 && lost <= server->skip) { /* inside one packet */
        conversation_gap_inside(c, SIDE_SERVER);
        server->skip -= lost;
        if (!server->message)
            return;
        message_incomplete(server->message, GAP);
        if (server->skip == 0 && server->ends && !server->continues)
            answer_end(c, server, client);
        return;
    }
    mysql_server_close(c, server, client, GAP);
    server->skip = 0;
    server->continues = false;
    server->lost = true;
    client->awaiting = false;
}

void mysql_server_close(struct conversation *c, struct mysql_server *server, struct mysql_client *client, enum incomplete reason)
{
    if (!server->message)
        return;
    message_incomplete(server->message, reason);
    answer_end(c, server, client);
}
