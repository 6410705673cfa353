#include <errno.h>
#include <strings.h>

#include "services/dissector/protocols/mysql/mysql_state.h"
#include "services/dissector/protocols/protocol.h"

#define SSL_REQUEST_LENGTH 32u
#define SSL_REQUEST_OLD_LENGTH 5u /* without CLIENT_PROTOCOL_41 */
#define LAST_PREPARED UINT32_MAX  /* MariaDB: of the statement that is being prepared */

static bool starts_with(const char *text, size_t size, const char *word)
{
    size_t n = strlen(word);
    while (size > 0 && (*text == ' ' || *text == '\n' || *text == '\t' || *text == '\r')) {
        text++;
        size--;
    }
    return size > n && strncasecmp(text, word, n) == 0 && (text[n] == ' ' || text[n] == '\n' || text[n] == '\t' || text[n] == '`');
}

/* USE's name, without quotes. */
static void read_use(struct mysql_client *client, const char *text, size_t size)
{
    const char *end = text + size;
    while (text < end && strchr(" \n\t\r", *text))
        text++;
    text += 3;
    while (text < end && strchr(" \n\t\r`", *text))
        text++;
    const char *name = text;
    while (text < end && *text != '`' && *text != ';' && *text != ' ' && *text != '\n' && *text != '\r' && *text != '\t')
        text++;
    mysql_name_set(&client->next_database, name, (size_t)(text - name));
}

static void write_summary(struct message *m, const char *name)
{
    size_t size = 0;
    const char *query = message_get_text(m, MYSQL_QUERY, &size);
    if (query)
        message_summary(m, query, size);
    else
        message_summary(m, name, strlen(name));
}

/* The last packet of a command has passed. */
static void end_command(struct conversation *c, struct mysql_client *client)
{
    struct message *m = client->message;
    client->message = NULL;
    if (!(m->tag & MYSQL_TAG_LATE))
        message_int(m, MYSQL_REQUEST_SIZE, (int64_t)client->size);
    client->late_bytes = 0;
    client->last_size = client->size;
    if (!client->one_way) {
        client->last_tag = m->tag;
        client->awaiting = true;
        conversation_request(c, m, KEY_IN_ORDER);
        return;
    }
    message_int(m, MYSQL_TOTAL_SIZE, (int64_t)client->size);
    message_bool(m, MYSQL_SUCCESS, true);
    conversation_push(c, SIDE_CLIENT, m);
}

static struct message *begin_command(struct conversation *c, struct mysql_client *client, const uint8_t *first, uint8_t command)
{
    struct message *m = conversation_message(c, SIDE_CLIENT, first);
    client->message = m;
    client->begun.count++;
    client->one_way = false;
    m->tag = command;
    message_string(m, MYSQL_COMMAND, mysql_command_name(command));
    return m;
}

static void write_session(struct message *m, const struct mysql_client *client, const struct mysql_name *database)
{
    message_text(m, MYSQL_USER, client->user.text, client->user.size);
    message_text(m, MYSQL_DATABASE, database->text, database->size);
}

/* Some clients send the end of their string, too, which the server passes over. */
static size_t without_zeros(const char *text, size_t size)
{
    while (size > 0 && text[size - 1] == '\0')
        size--;
    return size;
}

static void write_query(struct message *m, const char *text, size_t size, bool cut)
{
    message_text(m, MYSQL_QUERY, text, size < CONVERSATION_BODY_MAX ? size : CONVERSATION_BODY_MAX);
    if (cut || size > CONVERSATION_BODY_MAX)
        message_incomplete(m, TRUNCATED);
}

static void query(struct message *m, struct mysql_client *client, struct cursor payload, bool cut)
{
    struct mysql_text text = mysql_query_text(payload, client);
    text.size = without_zeros(text.data, text.size);
    write_query(m, text.data, text.size, cut);
    if (text.size > 0 && starts_with(text.data, text.size, "load"))
        m->tag |= MYSQL_TAG_LATE;
    if (text.size > 0 && starts_with(text.data, text.size, "use")) {
        m->tag |= MYSQL_TAG_DATABASE;
        read_use(client, text.data, text.size);
    }
}

static void prepare(struct message *m, struct mysql_client *client, struct cursor payload, bool cut)
{
    const char *text = (const char *)payload.data + payload.at + 1;
    size_t size = without_zeros(text, cursor_left(&payload) - 1);
    write_query(m, text, size, cut);
    sql_text_drop(client->last_prepared);
    client->last_prepared = sql_text_new(NULL, 0, text, size);
}

/* Those that begin with a statement's id. */
static void with_statement(struct message *m, struct mysql_client *client, uint8_t command, struct cursor payload)
{
    cursor_skip(&payload, 1);
    uint32_t id = cursor_le32(&payload);
    if (!cursor_ok(&payload))
        return;
    const struct sql_text *text = id == LAST_PREPARED ? client->last_prepared : sql_statements_get(&client->statements, &id, sizeof id);
    message_int(m, MYSQL_STATEMENT_ID, id);
    if (text)
        message_text(m, MYSQL_QUERY, text->data, text->size);
    if (command == COM_STMT_CLOSE)
        sql_statements_put(&client->statements, &id, sizeof id, NULL);
    client->one_way = command == COM_STMT_CLOSE || command == COM_STMT_SEND_LONG_DATA;
}

/* user, authentication data, database */
static void change_user(struct message *m, struct mysql_client *client, struct cursor payload)
{
    cursor_skip(&payload, 1);
    const uint8_t *user = payload.data + payload.at, *end = memchr(user, 0, cursor_left(&payload));
    if (end) {
        cursor_skip(&payload, (size_t)(end - user) + 1);
        mysql_name_set(&client->user, user, (size_t)(end - user));
        cursor_skip(&payload, cursor_u8(&payload));
        const uint8_t *database = payload.data + payload.at;
        end = cursor_ok(&payload) ? memchr(database, 0, cursor_left(&payload)) : NULL;
        mysql_name_set(&client->next_database, database, end ? (size_t)(end - database) : 0);
    }
    m->tag |= MYSQL_TAG_LATE | MYSQL_TAG_DATABASE;
    client->phase = MYSQL_AUTHENTICATING;
}

static void command(struct conversation *c, struct mysql_client *client, const uint8_t *first, struct cursor payload, bool cut)
{
    uint8_t code = payload.data[payload.at];
    struct message *m = begin_command(c, client, first, code);
    client->next_database = client->database;
    switch (code) {
    case COM_QUERY: query(m, client, payload, cut); break;
    case COM_STMT_PREPARE: prepare(m, client, payload, cut); break;
    case COM_STMT_EXECUTE: case COM_STMT_SEND_LONG_DATA: case COM_STMT_CLOSE: case COM_STMT_RESET: case COM_STMT_FETCH: case COM_STMT_BULK_EXECUTE:
        with_statement(m, client, code, payload);
        break;
    case COM_INIT_DB:
        mysql_name_set(&client->next_database, payload.data + payload.at + 1, cursor_left(&payload) - 1);
        m->tag |= MYSQL_TAG_DATABASE;
        break;
    case COM_CHANGE_USER: change_user(m, client, payload); break;
    case COM_QUIT: client->one_way = true; break;
    default: break;
    }
    write_session(m, client, code == COM_INIT_DB || code == COM_CHANGE_USER ? &client->next_database : &client->database);
    write_summary(m, mysql_command_name(code));
}

static void skip_secret(struct cursor *at, uint32_t capabilities)
{
    if (capabilities & CLIENT_PLUGIN_AUTH_LENENC) {
        cursor_skip(at, (size_t)mysql_take_integer(at));
    } else if (capabilities & CLIENT_SECURE_CONNECTION) {
        cursor_skip(at, cursor_u8(at));
    } else {
        const uint8_t *begin = at->data + at->at, *end = cursor_ok(at) ? memchr(begin, 0, cursor_left(at)) : NULL;
        cursor_skip(at, end ? (size_t)(end - begin) + 1 : cursor_left(at));
    }
}

/* The client's answer to the greeting: capabilities u32, greatest packet u32, character set u8, zeros, user, secret, database (with CLIENT_PROTOCOL_41; before it u16, u24, user, secret, database). */
static void log_in(struct conversation *c, struct mysql_client *client, const struct mysql_server *server, const uint8_t *first, struct cursor payload, uint32_t length)
{
    struct cursor at = payload;
    uint32_t capabilities = cursor_le16(&at);
    bool modern = capabilities & CLIENT_PROTOCOL_41;
    capabilities |= modern ? (uint32_t)cursor_le16(&at) << 16 : 0;
    cursor_skip(&at, modern ? 4 + 1 + 19 : 3);
    uint32_t mariadb = modern ? cursor_le32(&at) : 0;
    client->capabilities = capabilities & server->capabilities;
    client->mariadb = mariadb & server->mariadb;
    client->capabilities_known = true;
    if ((capabilities & CLIENT_SSL) && (length == SSL_REQUEST_LENGTH || length == SSL_REQUEST_OLD_LENGTH)) {
        struct message *m = begin_command(c, client, first, MYSQL_SSL_REQUEST);
        client->one_way = client->over = true;
        message_text(m, MYSQL_SERVER_VERSION, server->version, server->version_size); /* what follows is encrypted: nothing else will tell it */
        write_summary(m, "SSL_REQUEST");
        return;
    }
    const uint8_t *user = at.data + at.at, *end = cursor_ok(&at) ? memchr(user, 0, cursor_left(&at)) : NULL;
    mysql_name_set(&client->user, user, end ? (size_t)(end - user) : 0);
    cursor_skip(&at, end ? (size_t)(end - user) + 1 : cursor_left(&at));
    skip_secret(&at, capabilities);
    const uint8_t *database = at.data + at.at;
    end = cursor_ok(&at) && (capabilities & CLIENT_CONNECT_WITH_DB) ? memchr(database, 0, cursor_left(&at)) : NULL;
    mysql_name_set(&client->next_database, database, end ? (size_t)(end - database) : 0);
    struct message *m = begin_command(c, client, first, MYSQL_HANDSHAKE);
    m->tag |= MYSQL_TAG_LATE | MYSQL_TAG_DATABASE;
    write_session(m, client, &client->next_database);
    write_summary(m, "HANDSHAKE");
    client->phase = MYSQL_AUTHENTICATING;
}

static size_t window_of(const struct mysql_client *client, uint8_t code)
{
    if (client->phase == MYSQL_CONNECTING)
        return MYSQL_LOGIN_WINDOW;
    switch (code) {
    case COM_STMT_EXECUTE: case COM_STMT_SEND_LONG_DATA: case COM_STMT_CLOSE: case COM_STMT_RESET: case COM_STMT_FETCH: case COM_STMT_BULK_EXECUTE:
        return MYSQL_ID_WINDOW;
    case COM_QUERY: case COM_STMT_PREPARE: return MYSQL_QUERY_WINDOW;
    default: return MYSQL_LOGIN_WINDOW;
    }
}

/* Bytes of the packet under way have come, up to `last`. */
static void passed(struct conversation *c, struct mysql_client *client, const uint8_t *last)
{
    if (!client->message)
        return;
    conversation_last(c, SIDE_CLIENT, client->message, last);
    if (client->skip > 0 || client->continues)
        return;
    end_command(c, client);
    const struct protocol *tls = client->over ? protocol_find("TLS", 3) : NULL;
    if (tls)
        (void)conversation_switch(c, tls);
    else if (client->over)
        conversation_ignore(c);
}

/* Of a command under way, or of what a request brings behind it: counted, not read. */
static bool is_counted_only(struct mysql_client *client, struct mysql_header header)
{
    if (client->continues) {
        *(client->message ? &client->size : &client->late_bytes) += MYSQL_HEADER + header.length;
        return true;
    }
    if (client->phase == MYSQL_AUTHENTICATING || client->infile || header.sequence != 0) {
        if (client->phase == MYSQL_CONNECTING)
            return false;
        client->infile &= header.length > 0;
        client->late_bytes += MYSQL_HEADER + header.length;
        return true;
    }
    return false;
}

static int64_t parse_one(struct conversation *c, struct mysql_client *client, struct mysql_server *server, const uint8_t *data, size_t size)
{
    if (client->skip > 0) {
        size_t n = size < client->skip ? size : (size_t)client->skip;
        client->skip -= n;
        passed(c, client, data + n - 1);
        return (int64_t)n;
    }
    if (size < MYSQL_HEADER)
        return 0;
    struct mysql_header header = mysql_header_read(data);
    uint64_t total = (uint64_t)header.length + MYSQL_HEADER;
    if (!is_counted_only(client, header)) {
        if (header.length == 0 || (client->phase == MYSQL_CONNECTING && !server->greeted))
            return -EBADMSG;
        if (size == MYSQL_HEADER)
            return 0;
        if (client->phase == MYSQL_COMMANDS && !mysql_command_name(data[MYSQL_HEADER]))
            return -EBADMSG;
        size_t want = header.length < window_of(client, data[MYSQL_HEADER]) ? header.length : window_of(client, data[MYSQL_HEADER]);
        if (size - MYSQL_HEADER < want)
            return 0;
        struct cursor payload = cursor_over(data + MYSQL_HEADER, want);
        client->size = total;
        if (client->phase == MYSQL_CONNECTING)
            log_in(c, client, server, data, payload, header.length);
        else
            command(c, client, data, payload, want < header.length);
    }
    client->continues = header.length == MYSQL_PACKET_MAX;
    size_t n = size < total ? size : (size_t)total;
    client->skip = total - n;
    passed(c, client, data + n - 1);
    return (int64_t)n;
}

int64_t mysql_client_parse(struct conversation *c, struct mysql_client *client, struct mysql_server *server, const uint8_t *data, size_t size)
{
    if (client->lost && mysql_command_begins(data, size) <= 0)
        return (int64_t)size;
    client->lost = false;
    size_t at = 0;
    while (at < size && !client->over && !client->compress && !mysql_begun_all(&client->begun)) {
        int64_t used = parse_one(c, client, server, data + at, size - at);
        if (used < 0 && at == 0)
            return used;
        if (used <= 0)
            break;
        client->ever = true;
        at += (size_t)used;
    }
    return (int64_t)at;
}

void mysql_client_gap(struct conversation *c, struct mysql_client *client, uint64_t lost)
{
    if (lost > 0 && lost <= client->skip) { /* inside one packet */
        conversation_gap_inside(c, SIDE_CLIENT);
        client->skip -= lost;
        if (!client->message)
            return;
        message_incomplete(client->message, GAP);
        if (client->skip == 0 && !client->continues)
            end_command(c, client);
        return;
    }
    mysql_client_close(c, client, GAP);
    client->skip = 0;
    client->continues = client->infile = false;
    client->lost = true;
    client->phase = MYSQL_COMMANDS;
}

void mysql_client_close(struct conversation *c, struct mysql_client *client, enum incomplete reason)
{
    if (!client->message)
        return;
    message_incomplete(client->message, reason);
    end_command(c, client);
}
