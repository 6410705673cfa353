#include "services/dissector/protocols/redis/redis_reply.h"

#include <errno.h>
#include <string.h>

#define INTEGER_TEXT_MAX 20 /* a sign and 19 digits */

int64_t redis_read_number(const uint8_t *data, size_t size, int64_t *ret_number)
{
    size_t at = 0;
    bool negative = size > 0 && data[0] == '-';
    if (size > 0 && (data[0] == '-' || data[0] == '+'))
        at++;
    size_t first = at;
    int64_t number = 0;
    for (; at < size && data[at] >= '0' && data[at] <= '9'; at++) {
        if (at - first == 18) /* 19 digits might not fit; no length or count is near them */
            return -EBADMSG;
        number = number * 10 + (data[at] - '0');
    }
    if (at == size)
        return 0;
    if (at == first || data[at] != '\r')
        return -EBADMSG;
    if (at + 1 == size)
        return 0;
    if (data[at + 1] != '\n')
        return -EBADMSG;
    *ret_number = negative ? -number : number;
    return (int64_t)at + 2;
}

bool redis_reply_begins(const struct redis_reply *reply, const char *word)
{
    size_t size = strlen(word);
    return reply->text_size > size + 1 && reply->text[0] == '[' && memcmp(reply->text + 1, word, size) == 0 && (reply->text[size + 1] == ',' || reply->text[size + 1] == ']');
}

static void text_put(struct redis_reply *reply, const void *data, size_t size)
{
    if (reply->attributes > 0)
        return;
    size_t room = sizeof reply->text - reply->text_size;
    size = size < room ? size : room;
    memcpy(reply->text + reply->text_size, data, size);
    reply->text_size += (uint32_t)size;
}

/* What stands between the elements of an aggregate. */
static void text_separate(struct redis_reply *reply)
{
    if (reply->depth == 0 || reply->attributes > 0 || reply->text_size == sizeof reply->text)
        return;
    const struct redis_frame *frame = &reply->frames[reply->depth - 1];
    if (reply->comma)
        text_put(reply, frame->map && (frame->left & 1) ? ": " : ", ", 2);
    reply->comma = true;
}

/* An element has ended; so do the aggregates whose last one it was. True: so does the reply. */
static bool element_ended(struct redis_reply *reply)
{
    while (reply->depth > 0) {
        struct redis_frame *frame = &reply->frames[reply->depth - 1];
        frame->left--;
        if (frame->streamed || frame->left > 0)
            return false;
        text_put(reply, &frame->close, 1);
        reply->depth--;
        if (frame->attribute) { /* no element of what it stands in */
            reply->attributes--;
            return false;
        }
        reply->comma |= reply->attributes == 0;
    }
    return true;
}

static int frame_open(struct redis_reply *reply, uint8_t type, int64_t count, bool streamed)
{
    bool map = type == '%' || type == '|';
    if (reply->depth == REDIS_DEPTH_MAX || count > INT32_MAX)
        return -EBADMSG;
    if (type == '|')
        reply->attributes++;
    else
        text_separate(reply);
    reply->frames[reply->depth++] = (struct redis_frame){ .left = map ? count * 2 : count, .streamed = streamed, .attribute = type == '|', .map = map, .close = map ? '}' : ']' };
    text_put(reply, map ? "{" : "[", 1);
    if (reply->attributes == 0)
        reply->comma = false;
    return 0;
}

/* One with no elements, or whose "." has come. */
static bool frame_close_now(struct redis_reply *reply)
{
    struct redis_frame *frame = &reply->frames[--reply->depth];
    text_put(reply, &frame->close, 1);
    if (frame->attribute) {
        reply->attributes--;
        return false;
    }
    reply->comma |= reply->attributes == 0;
    return element_ended(reply);
}

static int64_t read_aggregate(struct redis_reply *reply, const uint8_t *data, size_t size, bool *ret_done)
{
    int64_t count = 0, used;
    bool streamed = size > 1 && data[1] == '?';
    if (streamed)
        used = size < 4 ? 0 : data[2] == '\r' && data[3] == '\n' ? 3 : -EBADMSG;
    else
        used = redis_read_number(data + 1, size - 1, &count);
    if (used <= 0)
        return used;
    if (count < 0) {
        text_separate(reply);
        text_put(reply, "null", 4);
        *ret_done = element_ended(reply);
        return used + 1;
    }
    int r = frame_open(reply, data[0], count, streamed);
    if (r < 0)
        return r;
    if (count == 0 && !streamed)
        *ret_done = frame_close_now(reply);
    return used + 1;
}

static int64_t read_blob_header(struct redis_reply *reply, const uint8_t *data, size_t size, bool *ret_done)
{
    if (size > 1 && data[1] == '?' && data[0] == '$') {
        if (size < 4)
            return 0;
        text_separate(reply);
        reply->chunked = true;
        return data[2] == '\r' && data[3] == '\n' ? 4 : -EBADMSG;
    }
    int64_t length = 0, used = redis_read_number(data + 1, size - 1, &length);
    if (used <= 0)
        return used;
    if (length > REDIS_BLOB_MAX || (data[0] == ';' && length < 0))
        return -EBADMSG;
    if (data[0] != ';')
        text_separate(reply);
    if (length < 0) {
        text_put(reply, "null", 4);
        *ret_done = element_ended(reply);
    } else if (data[0] == ';' && length == 0) {
        reply->chunked = false;
        *ret_done = element_ended(reply);
    } else {
        reply->skip = (uint64_t)length + 2;
        reply->keep = (uint64_t)length;
        reply->passed = data[0] == '=' ? 4 : 0;
    }
    return used + 1;
}

/* Bytes of a blob. */
static int64_t pass_blob(struct redis_reply *reply, const uint8_t *data, size_t size, bool *ret_done)
{
    size_t n = size < reply->skip ? size : (size_t)reply->skip, text = n < reply->keep ? n : (size_t)reply->keep;
    size_t before = text < reply->passed ? text : (size_t)reply->passed;
    for (size_t i = text; i < n; i++)
        if (data[i] != (reply->skip - i == 2 ? '\r' : '\n')) {
            if (i == 0)
                return -EBADMSG;
            n = i; /* what comes next is found wrong by the next call, however the bytes were cut */
        }
    text_put(reply, data + before, text - before);
    reply->passed -= before;
    reply->keep -= text;
    reply->skip -= n;
    if (reply->skip == 0 && !reply->chunked)
        *ret_done = element_ended(reply);
    return (int64_t)n;
}

/* What stands behind a colon. One of 19 digits is none that anything is counted by, but a good one. */
static bool read_integer(struct redis_reply *reply, const uint8_t *text, size_t size)
{
    if (size == 0 || size > INTEGER_TEXT_MAX)
        return false;
    for (size_t i = text[0] == '-' || text[0] == '+'; i < size; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    int64_t number = 0;
    (void)redis_read_number(text, size + 2, &number);
    reply->number = number;
    return true;
}

static int64_t read_line(struct redis_reply *reply, const uint8_t *data, size_t size, bool *ret_done)
{
    const uint8_t *end = memchr(data, '\n', size < REDIS_REPLY_LINE_MAX ? size : REDIS_REPLY_LINE_MAX);
    if (!end)
        return size < REDIS_REPLY_LINE_MAX ? 0 : -EBADMSG;
    size_t line = (size_t)(end - data);
    if (line < 2 || end[-1] != '\r')
        return -EBADMSG;
    if (data[0] == ':' && !read_integer(reply, data + 1, line - 2))
        return -EBADMSG;
    text_separate(reply);
    if (data[0] == '_')
        text_put(reply, "null", 4);
    else if (data[0] == '#')
        text_put(reply, data[1] == 't' ? "true" : "false", data[1] == 't' ? 4 : 5);
    else
        text_put(reply, data + 1, line - 2);
    *ret_done = element_ended(reply);
    return (int64_t)line + 1;
}

static int64_t read_end_of_stream(struct redis_reply *reply, const uint8_t *data, size_t size, bool *ret_done)
{
    if (size < 3)
        return 0;
    if (data[1] != '\r' || data[2] != '\n' || reply->depth == 0 || !reply->frames[reply->depth - 1].streamed)
        return -EBADMSG;
    *ret_done = frame_close_now(reply);
    return 3;
}

static int64_t read_element(struct redis_reply *reply, const uint8_t *data, size_t size, bool *ret_done)
{
    if (reply->chunked != (data[0] == ';'))
        return -EBADMSG;
    if (reply->type == 0 && data[0] != '|' && reply->depth == 0)
        reply->type = (char)data[0];
    switch (data[0]) {
    case '+': case '-': case ':': case ',': case '#': case '(': case '_':
        return read_line(reply, data, size, ret_done);
    case '$': case '!': case '=': case ';':
        return read_blob_header(reply, data, size, ret_done);
    case '*': case '~': case '%': case '|': case '>':
        return read_aggregate(reply, data, size, ret_done);
    case '.':
        return read_end_of_stream(reply, data, size, ret_done);
    default:
        return -EBADMSG;
    }
}

int64_t redis_reply_read(struct redis_reply *reply, const uint8_t *data, size_t size, bool *ret_done)
{
    size_t at = 0;
    bool done = false;
    while (at < size && !done) {
        int64_t used = reply->skip > 0 ? pass_blob(reply, data + at, size - at, &done) : read_element(reply, data + at, size - at, &done);
        if (used < 0 && at == 0)
            return used;
        if (used <= 0)
            break;
        at += (size_t)used;
    }
    reply->size += at;
    *ret_done = done;
    return (int64_t)at;
}
