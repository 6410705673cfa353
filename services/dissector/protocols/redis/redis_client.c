#include <errno.h>
#include <string.h>

#include "services/dissector/protocols/redis/redis_fields.h"
#include "services/dissector/protocols/redis/redis_state.h"

#define VERB_BYTES_MAX 64 /* a longer first word is no command */

int redis_command_begins(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    int64_t count = 0, length = 0, header, verb;
    if (data[0] != '*')
        return -1;
    header = redis_read_number(data + 1, size - 1, &count);
    if (header <= 0)
        return header < 0 ? -1 : 0;
    size_t at = (size_t)header + 1;
    if (count < 1 || count > INT32_MAX || at == size)
        return count < 1 || count > INT32_MAX ? -1 : 0;
    if (data[at] != '$')
        return -1;
    verb = redis_read_number(data + at + 1, size - at - 1, &length);
    if (verb <= 0)
        return verb < 0 ? -1 : 0;
    at += (size_t)verb + 1;
    if (length < 1 || length > VERB_BYTES_MAX)
        return -1;
    return at == size ? 0 : (data[at] | 32) >= 'a' && (data[at] | 32) <= 'z' ? 1 : -1;
}

int redis_inline_begins(const uint8_t *data, size_t size)
{
    size_t n = 0;
    while (n < size && ((data[n] >= 'A' && data[n] <= 'Z') || (data[n] >= 'a' && data[n] <= 'z')))
        n++;
    if (n == 0 || n > VERB_BYTES_MAX)
        return size == 0 ? 0 : -1;
    if (n == size)
        return 0;
    if ((data[n] != ' ' && data[n] != '\r' && data[n] != '\n') || !redis_verb_known((const char *)data, n))
        return -1;
    const uint8_t *end = memchr(data, '\n', size < REDIS_LINE_MAX ? size : REDIS_LINE_MAX);
    if (!end)
        return size < REDIS_LINE_MAX ? 0 : -1;
    return memmem(data, (size_t)(end - data), " HTTP/", 6) ? -1 : 1;
}

/* Whether the command gets a reply; and what it changes for those behind it. */
static bool answered(struct redis_client *client, enum redis_kind kind)
{
    bool skipped = client->skip_next || client->reply_off;
    client->skip_next = false;
    if (kind == REDIS_MULTI)
        client->multi = true;
    else if (kind == REDIS_MULTI_END || kind == REDIS_RESET)
        client->multi = false;
    if (kind == REDIS_RESET || (kind == REDIS_REPLY_ON && !client->multi)) {
        client->reply_off = false;
        return true;
    }
    if (client->multi || (kind != REDIS_REPLY_OFF && kind != REDIS_REPLY_SKIP))
        return !skipped;
    client->skip_next = kind == REDIS_REPLY_SKIP && !client->reply_off;
    client->reply_off |= kind == REDIS_REPLY_OFF;
    return false;
}

static void send(struct conversation *c, struct redis_client *client, struct message *m, enum redis_kind kind, uint64_t size)
{
    message_int(m, REDIS_REQUEST_SIZE, (int64_t)size);
    if (answered(client, kind)) {
        conversation_request(c, m, KEY_IN_ORDER);
    } else {
        message_int(m, REDIS_TOTAL_SIZE, (int64_t)size);
        conversation_push(c, SIDE_CLIENT, m);
    }
}

static struct message *begin(struct conversation *c, const struct redis_command *command, const uint8_t *first, int64_t count)
{
    struct message *m = conversation_message(c, SIDE_CLIENT, first);
    redis_command_write(command, conversation_redact(c), m);
    uint32_t confirmations = count - 1 < REDIS_TAG_COUNT_MAX ? (uint32_t)(count - 1) : REDIS_TAG_COUNT_MAX;
    m->tag = (uint32_t)command->kind | (command->secret_answer ? REDIS_TAG_SECRET : 0) | confirmations << REDIS_TAG_COUNT_SHIFT;
    return m;
}

/* The arguments of a command of `count` whose header has been read, as far as they are in data. */
static size_t collect(const uint8_t *data, size_t size, int64_t count, struct redis_command *command)
{
    int64_t number = 0;
    size_t at = 0;
    const uint8_t *line = memchr(data, '\n', size);
    at = line ? (size_t)(line - data) + 1 : size;
    command->count = 0;
    for (int64_t i = 0; i < count && i < REDIS_ARGUMENTS_MAX && at < size; i++) {
        int64_t used = redis_read_number(data + at + 1, size - at - 1, &number);
        if (used <= 0)
            break;
        at += (size_t)used + 1;
        size_t length = (size_t)number < size - at ? (size_t)number : size - at;
        command->arguments[command->count++] = (struct redact_argument){ .data = (const char *)data + at, .size = length };
        command->cut = length < (size_t)number;
        at += length + 2;
    }
    command->cut |= command->count < (size_t)count;
    return command->count;
}

/* Finds whole arguments from where the last call stopped. 1: the command is whole, its end is client->at. 0: more is needed; *ret_argument: where the argument that is not all there ends, 0: its length is not known. */
static int scan(struct redis_client *client, const uint8_t *data, size_t size, int64_t *ret_count, size_t *ret_argument)
{
    int64_t number = 0, used = redis_read_number(data + 1, size - 1, &number);
    *ret_argument = 0;
    if (used <= 0)
        return (int)used;
    if (number > INT32_MAX)
        return -EBADMSG;
    *ret_count = number;
    if (client->at == 0) {
        client->at = (size_t)used + 1;
        client->left = number > 0 ? number : 0;
    }
    while (client->left > 0) {
        size_t at = client->at;
        if (at == size)
            return 0;
        used = data[at] == '$' ? redis_read_number(data + at + 1, size - at - 1, &number) : -EBADMSG;
        if (used <= 0)
            return (int)used;
        if (number < 0 || number > REDIS_BLOB_MAX)
            return -EBADMSG;
        at += (size_t)used + 1 + (size_t)number + 2;
        if (at > size) {
            *ret_argument = at;
            return 0;
        }
        if (data[at - 2] != '\r' || data[at - 1] != '\n')
            return -EBADMSG;
        client->at = at;
        client->left--;
    }
    return 1;
}

static void whole_command(struct conversation *c, struct redis_client *client, const uint8_t *data, int64_t count)
{
    struct redact_argument arguments[REDIS_ARGUMENTS_MAX];
    struct redis_command command = { .arguments = arguments };
    if (count > 0 && collect(data, client->at, count, &command) > 0) {
        redis_command_read(&command);
        struct message *m = begin(c, &command, data, count);
        conversation_last(c, SIDE_CLIENT, m, data + client->at - 1);
        send(c, client, m, command.kind, client->at);
    }
}

/* A command longer than what is waited for: its beginning is kept, the rest only counted. */
static int64_t long_command(struct conversation *c, struct redis_client *client, const uint8_t *data, size_t size, int64_t count, size_t argument)
{
    struct redact_argument arguments[REDIS_ARGUMENTS_MAX];
    struct redis_command command = { .arguments = arguments, .cut = true };
    size_t taken = argument ? size : client->at;
    if (collect(data, taken, count, &command) == 0)
        return -EBADMSG;
    command.cut = true;
    redis_command_read(&command);
    client->message = begin(c, &command, data, count);
    client->kind = command.kind;
    client->size = taken;
    client->skip = argument ? argument - size : 0;
    client->left -= argument ? 1 : 0;
    client->at = 0;
    conversation_last(c, SIDE_CLIENT, client->message, data + taken - 1);
    return (int64_t)taken;
}

static void end_long(struct conversation *c, struct redis_client *client)
{
    struct message *m = client->message;
    client->message = NULL;
    client->left = 0;
    send(c, client, m, client->kind, client->size);
}

static int64_t go_on_long(struct conversation *c, struct redis_client *client, const uint8_t *data, size_t size)
{
    size_t at = 0;
    while (at < size && (client->skip > 0 || client->left > 0)) {
        if (client->skip > 0) {
            size_t n = size - at < client->skip ? size - at : (size_t)client->skip;
            client->skip -= n;
            at += n;
            continue;
        }
        int64_t number = 0, used = data[at] == '$' ? redis_read_number(data + at + 1, size - at - 1, &number) : -EBADMSG;
        if (used < 0 || number < 0 || number > REDIS_BLOB_MAX)
            return -EBADMSG;
        if (used == 0)
            break;
        at += (size_t)used + 1;
        client->skip = (uint64_t)number + 2;
        client->left--;
    }
    client->size += at;
    if (at > 0)
        conversation_last(c, SIDE_CLIENT, client->message, data + at - 1);
    if (client->skip == 0 && client->left == 0)
        end_long(c, client);
    return (int64_t)at;
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 32;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Of what stands behind a backslash in double quotes, of which there is at least one byte: the byte that is meant. Returns how many bytes say it. */
static size_t escaped(const char *at, size_t size, char *ret)
{
    static const char letters[] = "nrtba", bytes[] = "\n\r\t\b\a";
    if (size >= 3 && at[0] == 'x' && hex_digit(at[1]) >= 0 && hex_digit(at[2]) >= 0) {
        *ret = (char)(hex_digit(at[1]) * 16 + hex_digit(at[2]));
        return 3;
    }
    const char *letter = memchr(letters, at[0], sizeof letters - 1);
    *ret = letter ? bytes[letter - letters] : at[0];
    return 1;
}

/* A word with quotes, as the server reads it, which goes to `room`; the line may end inside of them. Returns how many bytes of the line it has. */
static size_t quoted_word(const char *line, size_t size, char *room, size_t *ret_size)
{
    size_t at = 0, n = 0;
    char quote = 0;
    while (at < size && (quote || (line[at] != ' ' && line[at] != '\t'))) {
        if (quote ? line[at] == quote : line[at] == '"' || line[at] == '\'')
            quote = quote ? 0 : line[at];
        else if (quote == '"' && line[at] == '\\' && at + 1 < size)
            at += escaped(line + at + 1, size - at - 1, &room[n++]);
        else if (quote == '\'' && line[at] == '\\' && at + 1 < size && line[at + 1] == '\'')
            room[n++] = line[++at];
        else
            room[n++] = line[at];
        at++;
    }
    *ret_size = n;
    return at;
}

/* Words of a line. Those with quotes go to `room`, which has as many bytes as the line. */
static size_t split_line(const char *line, size_t size, char *room, struct redact_argument *arguments)
{
    bool quotes = memchr(line, '"', size) || memchr(line, '\'', size);
    size_t count = 0, at = 0;
    while (count < REDIS_ARGUMENTS_MAX) {
        while (at < size && (line[at] == ' ' || line[at] == '\t'))
            at++;
        if (at == size)
            break;
        struct redact_argument word = { .data = quotes ? room : line + at };
        size_t used = 0;
        if (quotes)
            used = quoted_word(line + at, size - at, room, &word.size);
        else
            while (at + used < size && line[at + used] != ' ' && line[at + used] != '\t')
                used++;
        word.size = quotes ? word.size : used;
        room += quotes ? word.size : 0;
        arguments[count++] = word;
        at += used;
    }
    return count;
}

static int64_t inline_command(struct conversation *c, struct redis_client *client, const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size < REDIS_LINE_MAX ? size : REDIS_LINE_MAX);
    if (!end)
        return size < REDIS_LINE_MAX && (data[0] >= ' ' || data[0] == '\r') ? 0 : -EBADMSG;
    size_t line = (size_t)(end - data), text = line > 0 && end[-1] == '\r' ? line - 1 : line;
    for (size_t i = 0; i < text; i++)
        if (data[i] < ' ' && data[i] != '\t')
            return -EBADMSG;
    struct redact_argument arguments[REDIS_ARGUMENTS_MAX];
    struct redis_command command = { .arguments = arguments };
    char room[REDIS_LINE_MAX];
    command.count = split_line((const char *)data, text, room, arguments);
    if (command.count == 0)
        return (int64_t)line + 1;
    if (arguments[0].size == 0 || arguments[0].size > VERB_BYTES_MAX || memmem(data, text, " HTTP/", 6))
        return -EBADMSG;
    redis_command_read(&command);
    struct message *m = begin(c, &command, data, (int64_t)command.count);
    conversation_last(c, SIDE_CLIENT, m, end);
    send(c, client, m, command.kind, line + 1);
    return (int64_t)line + 1;
}

/* One command, or what there is of one. */
static int64_t parse_one(struct conversation *c, struct redis_client *client, const uint8_t *data, size_t size)
{
    int64_t count = 0;
    size_t argument;
    if (client->message)
        return go_on_long(c, client, data, size);
    if (data[0] != '*')
        return inline_command(c, client, data, size);
    int r = scan(client, data, size, &count, &argument);
    if (r < 0)
        return r;
    if (r == 0)
        return size < REDIS_LINE_MAX || client->at == 0 ? 0 : long_command(c, client, data, size, count, argument);
    whole_command(c, client, data, count);
    size_t used = client->at;
    client->at = 0;
    return (int64_t)used;
}

/* Where a command may begin: at the front, or behind a line's end. Bytes in front of it; size: nowhere. */
static size_t find_command(const uint8_t *data, size_t size, bool *ret_found)
{
    *ret_found = true;
    if (redis_command_begins(data, size) >= 0 || redis_inline_begins(data, size) == 1)
        return 0;
    for (const uint8_t *p = data; (p = memchr(p, '\n', size - (size_t)(p - data))) != NULL;) {
        p++;
        if ((size_t)(p - data) < size && redis_command_begins(p, size - (size_t)(p - data)) >= 0)
            return (size_t)(p - data);
    }
    *ret_found = false;
    return size;
}

int64_t redis_client_parse(struct conversation *c, struct redis_client *client, struct redis_server *server, const uint8_t *data, size_t size)
{
    size_t at = 0;
    if (client->lost) {
        bool found;
        at = find_command(data, size, &found);
        client->lost = !found;
        client->at = 0;
    }
    while (at < size) {
        int64_t used = parse_one(c, client, data + at, size - at);
        if (used < 0 && at == 0)
            return used;
        if (used <= 0)
            break;
        client->ever = server->asked = true;
        at += (size_t)used;
    }
    return (int64_t)at;
}

void redis_client_gap(struct conversation *c, struct redis_client *client, uint64_t lost)
{
    if (client->message && lost > 0 && lost < client->skip) {
        conversation_gap_inside(c, SIDE_CLIENT);
        client->skip -= lost;
        client->size += lost;
        message_incomplete(client->message, GAP);
        return;
    }
    redis_client_close(c, client, GAP);
    client->lost = true;
    client->at = 0;
    client->left = 0;
    client->multi = false;
}

void redis_client_close(struct conversation *c, struct redis_client *client, enum incomplete reason)
{
    if (!client->message)
        return;
    message_incomplete(client->message, reason);
    end_long(c, client);
}
