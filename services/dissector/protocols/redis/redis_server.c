#include <errno.h>
#include <string.h>

#include "services/dissector/protocols/redis/redis_fields.h"
#include "services/dissector/protocols/redis/redis_state.h"

#define LINE_PLAUSIBLE_MAX 512 /* of a first line that is taken for a reply's: errors are the longest, and shorter */

int redis_reply_begins_here(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == 0 || !strchr("+-:,#(_$!=*~%|>", data[0]))
        return -1;
    if (strchr("$!=*~%|>:", data[0])) {
        int64_t number = 0, used = size > 1 && data[1] == '?' ? 1 : redis_read_number(data + 1, size - 1, &number);
        return used < 0 || number < -1 ? data[0] == ':' && used >= 0 ? 1 : -1 : used > 0;
    }
    for (size_t i = 1; i < size && i < LINE_PLAUSIBLE_MAX; i++) {
        if (data[i] == '\r')
            return i + 1 == size ? 0 : data[i + 1] == '\n' ? 1 : -1;
        if (data[i] < ' ' || data[i] == 0x7f)
            return -1;
    }
    return size < LINE_PLAUSIBLE_MAX ? 0 : -1;
}

static bool subscribed(const struct redis_server *server)
{
    return server->channels > 0 || server->patterns > 0 || server->shards > 0;
}

/* `*3 $7 message` and the like, which come without having been asked for. */
static bool is_published(const struct redis_reply *reply)
{
    return redis_reply_begins(reply, "message") || redis_reply_begins(reply, "pmessage") || redis_reply_begins(reply, "smessage");
}

/* A confirmation of SUBSCRIBE and its kin; its number is what is then subscribed to. */
static bool is_confirmation(const struct redis_reply *reply)
{
    static const char *const words[] = { "subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (redis_reply_begins(reply, words[i]))
            return true;
    return false;
}

/* `1339518083.107412 [0 127.0.0.1:60866] "keys" "*"` */
static bool is_monitored(const struct redis_reply *reply)
{
    uint32_t at = 0;
    while (at < reply->text_size && ((reply->text[at] >= '0' && reply->text[at] <= '9') || reply->text[at] == '.'))
        at++;
    return reply->type == '+' && at > 0 && at + 1 < reply->text_size && reply->text[at] == ' ' && reply->text[at + 1] == '[';
}

/* A text that fills its room was cut, maybe within a character; a shorter one stays as it is, whatever its last bytes are. */
static size_t text_size(const char *text, size_t size) { return size == REDIS_REPLY_TEXT_MAX ? redis_text_trim(text, size) : size; }

static void write_text(struct conversation *c, struct message *m, bool secret, bool error, const char *text, size_t size)
{
    enum redact_level redact = conversation_redact(c);
    size = text_size(text, size);
    if (error && redact == REDACT_STRICT) {
        const char *blank = memchr(text, ' ', size); /* the code alone: the rest may quote an argument */
        size = blank ? (size_t)(blank - text) : size;
    }
    if (error)
        message_text(m, REDIS_ERROR, text, size);
    else if (redact != REDACT_OFF && (secret || redact == REDACT_STRICT))
        message_string(m, REDIS_RESPONSE, REDACT_TEXT);
    else
        message_text(m, REDIS_RESPONSE, text, size);
}

static void write_sizes(struct message *m, uint64_t size, uint64_t request_size)
{
    message_int(m, REDIS_RESPONSE_SIZE, (int64_t)size);
    message_int(m, REDIS_TOTAL_SIZE, (int64_t)(size + request_size));
}

/* The type of a push is its first word, in upper case as those of commands are. */
static void push(struct conversation *c, struct redis_server *server, struct message *m)
{
    const struct redis_reply *reply = &server->reply;
    char type[REDIS_VERB_MAX];
    uint32_t n = 0, at = reply->text_size > 0 && reply->text[0] == '[';
    for (; reply->type != '+' && at + n < reply->text_size && n < sizeof type && reply->text[at + n] >= 'a' && reply->text[at + n] <= 'z'; n++)
        type[n] = (char)(reply->text[at + n] - 32);
    if (reply->type == '+')
        message_string(m, REDIS_TYPE, "MONITOR");
    else
        message_text(m, REDIS_TYPE, type, n);
    write_text(c, m, false, false, reply->text, reply->text_size);
    if (conversation_redact(c) == REDACT_STRICT)
        message_summary(m, type, n);
    else
        message_summary(m, reply->text, text_size(reply->text, reply->text_size));
    write_sizes(m, reply->size, 0);
    conversation_push(c, SIDE_SERVER, m);
}

static void end_confirmations(struct conversation *c, struct redis_server *server)
{
    struct message *m = server->confirmation;
    server->confirmation = NULL;
    server->confirmations = 0;
    write_text(c, m, false, false, server->confirmation_text, server->confirmation_text_size);
    write_sizes(m, server->confirmation_size, server->confirmation_request_size);
    conversation_response(c, m, KEY_IN_ORDER);
}

/* What is subscribed to after this confirmation. Its number counts channels and patterns together, and shard channels apart. */
static int64_t count_subscriptions(struct redis_server *server, const struct redis_reply *reply)
{
    char kind = reply->text[1] == 'u' ? reply->text[3] : reply->text[0 + 1];
    bool of_patterns = kind == 'p', of_shards = redis_reply_begins(reply, "ssubscribe") || redis_reply_begins(reply, "sunsubscribe");
    if (of_shards)
        return server->shards = reply->number;
    int64_t *one = of_patterns ? &server->patterns : &server->channels, other = of_patterns ? server->channels : server->patterns;
    *one = reply->number > other ? reply->number - other : 0;
    return *one;
}

static void confirm(struct conversation *c, struct redis_server *server, struct message *m, const uint8_t *last)
{
    const struct redis_reply *reply = &server->reply;
    int64_t left = count_subscriptions(server, reply);
    enum redis_kind kind = REDIS_TAG_KIND(server->tag);
    if (kind != REDIS_SUBSCRIBE && kind != REDIS_UNSUBSCRIBE_ALL) {
        push(c, server, m);
        return;
    }
    if (!server->confirmation) {
        server->confirmation = m;
        server->confirmation_size = 0;
        server->confirmation_request_size = server->request_size;
        server->confirmation_text_size = 0;
    } else {
        conversation_last(c, SIDE_SERVER, server->confirmation, last);
        conversation_drop(c, m);
    }
    size_t room = sizeof server->confirmation_text - server->confirmation_text_size, size = reply->text_size < room ? reply->text_size : room;
    memcpy(server->confirmation_text + server->confirmation_text_size, reply->text, size);
    server->confirmation_text_size += (uint32_t)size;
    server->confirmation_size += reply->size;
    server->confirmations++;
    if (kind == REDIS_SUBSCRIBE ? server->confirmations >= server->tag >> REDIS_TAG_COUNT_SHIFT : left <= 0)
        end_confirmations(c, server);
}

/* Of a reply whose request is not known, or is EXEC: whether it tells what CONFIG GET or ACL GETUSER would. */
static bool may_be_secret(const struct redis_reply *reply)
{
    static const char *const words[] = { "requirepass", "masterauth", "primaryauth", "sentinel-pass", "passwords", "key-file-pass", "user default" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (memmem(reply->text, reply->text_size, words[i], strlen(words[i])))
            return true;
    return false;
}

static void answer(struct conversation *c, struct redis_server *server, struct message *m)
{
    const struct redis_reply *reply = &server->reply;
    enum redis_kind kind = REDIS_TAG_KIND(server->tag);
    bool error = redis_reply_is_error(reply), told = server->requested && kind != REDIS_MULTI_END, secret = told ? server->tag & REDIS_TAG_SECRET : may_be_secret(reply);
    if (!error && kind == REDIS_MONITOR)
        server->monitoring = true;
    if (!error && kind == REDIS_RESET) {
        server->monitoring = false;
        server->channels = server->patterns = server->shards = 0;
    }
    write_text(c, m, secret, error, reply->text, reply->text_size);
    write_sizes(m, reply->size, server->request_size);
    conversation_response(c, m, KEY_IN_ORDER);
    if (!error && kind == REDIS_REPLICATION) {
        server->over = true;
        conversation_ignore(c);
    }
}

static void dispatch(struct conversation *c, struct redis_server *server, const uint8_t *last)
{
    const struct redis_reply *reply = &server->reply;
    struct message *m = server->message;
    server->message = NULL;
    enum redis_kind kind = REDIS_TAG_KIND(server->tag);
    bool listening = subscribed(server) || !server->requested || kind == REDIS_SUBSCRIBE || kind == REDIS_UNSUBSCRIBE_ALL;
    if ((reply->type == '>' || (reply->type == '*' && listening)) && is_confirmation(reply))
        confirm(c, server, m, last);
    else if (reply->type == '>' || (reply->type == '*' && listening && is_published(reply)) || ((server->monitoring || !server->requested) && is_monitored(reply)))
        push(c, server, m);
    else
        answer(c, server, m);
}

/* A reply begins; what it would answer is asked for now, because a gap may come before its end. */
static void reply_begin(struct conversation *c, struct redis_server *server, const uint8_t *first)
{
    const struct message *request = conversation_oldest(c, KEY_IN_ORDER);
    server->message = conversation_message(c, SIDE_SERVER, first);
    server->requested = request;
    server->tag = request ? request->tag : REDIS_ORDINARY;
    server->request_size = request ? request->to - request->from : 0;
    memset(&server->reply, 0, sizeof server->reply);
}

/* SYNC is answered by a file that only looks like a reply. */
static bool replication_begins(struct conversation *c, const uint8_t *data)
{
    const struct message *request = conversation_oldest(c, KEY_IN_ORDER);
    if (data[0] != '$' || !request || REDIS_TAG_KIND(request->tag) != REDIS_REPLICATION)
        return false;
    struct message *m = conversation_message(c, SIDE_SERVER, data);
    conversation_last(c, SIDE_SERVER, m, data);
    conversation_response(c, m, KEY_IN_ORDER);
    conversation_ignore(c);
    return true;
}

/* Whether a reply may begin here, after something was missed. A piece of a large answer looks like one, too: so only behind a new command, where there are commands to see. */
static bool found_again(const struct redis_server *server, const struct redis_client *client, const uint8_t *data, size_t size)
{
    if (redis_reply_begins_here(data, size) <= 0)
        return false;
    return server->asked || !client->ever || data[0] == '>' || (data[0] == '*' && subscribed(server)) || (data[0] == '+' && server->monitoring);
}

int64_t redis_server_parse(struct conversation *c, struct redis_server *server, const struct redis_client *client, const uint8_t *data, size_t size)
{
    if (server->lost && !found_again(server, client, data, size))
        return (int64_t)size;
    server->lost = false;
    size_t at = 0;
    while (at < size && !server->over) {
        if (!server->message) {
            if (data[at] == '\n') { /* a master that is busy keeps its replica awake with these */
                at++;
                continue;
            }
            if (replication_begins(c, data + at))
                return (int64_t)size;
            reply_begin(c, server, data + at);
        }
        bool done = false;
        int64_t used = redis_reply_read(&server->reply, data + at, size - at, &done);
        if (used < 0 && at == 0) /* gap() gives out what there is of the reply */
            return used;
        if (used <= 0)
            break;
        at += (size_t)used;
        conversation_last(c, SIDE_SERVER, server->message, data + at - 1);
        if (done)
            dispatch(c, server, data + at - 1);
    }
    return (int64_t)at;
}

void redis_server_gap(struct conversation *c, struct redis_server *server, uint64_t lost)
{
    struct redis_reply *reply = &server->reply;
    if (server->message && lost > 0 && lost + 2 < reply->skip) { /* all of it inside one string */
        conversation_gap_inside(c, SIDE_SERVER);
        reply->skip -= lost;
        reply->keep = reply->keep > lost ? reply->keep - lost : 0;
        reply->size += lost;
        message_incomplete(server->message, GAP);
        return;
    }
    redis_server_close(c, server, GAP);
    server->lost = true;
    server->asked = false;
}

void redis_server_close(struct conversation *c, struct redis_server *server, enum incomplete reason)
{
    if (server->confirmation) {
        message_incomplete(server->confirmation, reason);
        end_confirmations(c, server);
    }
    struct message *m = server->message;
    server->message = NULL;
    if (!m)
        return;
    if (server->reply.size == 0 && !server->requested) {
        conversation_drop(c, m);
        return;
    }
    message_incomplete(m, reason);
    answer(c, server, m);
}
