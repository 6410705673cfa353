/* See http1_head.h. */
#include "services/dissector/protocols/http/http1_head.h"

#include <errno.h>
#include <string.h>

#define EMPTY_LINES_MAX 16u         /* before a start line; servers skip some, an endless row of them is something else */
#define LENGTH_MAX UINT64_C(1000000000000000000) /* a longer body ends with the connection at the latest */
#define CHUNK_LINE_BYTES_MAX 4096u  /* extensions are short where there are any */

static const bool is_token[256] = {
    ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['0' ... '9'] = true, ['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true, ['\''] = true, ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true,
    ['^'] = true, ['_'] = true, ['`'] = true, ['|'] = true, ['~'] = true,
};

size_t http1_empty_lines(const uint8_t *data, size_t size)
{
    size_t at = 0;
    for (unsigned lines = 0; lines <= EMPTY_LINES_MAX; lines++) {
        if (at < size && data[at] == '\n')
            at++;
        else if (size - at >= 2 && data[at] == '\r' && data[at + 1] == '\n')
            at += 2;
        else
            return at;
    }
    return SIZE_MAX;
}

static bool is_known_method(const uint8_t *data, size_t size, bool whole)
{
    static const char *const methods[] = { "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH",
                                           "SUBSCRIBE", "UNSUBSCRIBE", "NOTIFY", "M-SEARCH", "PURGE", "MKCALENDAR", "LINK", "UNLINK", "BIND", "REBIND", "UNBIND", "ACL", "CHECKOUT", "CHECKIN", "MERGE", "MKACTIVITY",
                                           "RPC_IN_DATA", "RPC_OUT_DATA", "CCM_POST", "BPROPFIND", "POLL", "SUPDATE", "QUERY" };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (methods[i][0] == (char)data[0] && strncmp(methods[i], (const char *)data, size) == 0 && (!whole || methods[i][size] == '\0'))
            return true;
    return false;
}

/* " HTTP/1.x" and the line's end. end: at the LF. */
static bool ends_with_version(const uint8_t *data, const uint8_t *end)
{
    if (end > data && end[-1] == '\r')
        end--;
    return end - data >= 9 && memcmp(end - 9, " HTTP/1.", 8) == 0 && end[-1] >= '0' && end[-1] <= '9';
}

/* A method in capitals and a target without blanks: prose that ends with a version is none. */
static bool is_strict_line(const uint8_t *data, size_t method, const uint8_t *end)
{
    for (size_t i = 0; i < method; i++)
        if (data[i] >= 'a' && data[i] <= 'z')
            return false;
    const uint8_t *second = memchr(data + method + 1, ' ', (size_t)(end - data) - method - 1);
    return second && second > data + method + 1 && !memchr(second + 1, ' ', (size_t)(end - second) - 1);
}

enum http1_start http1_is_request(const uint8_t *data, size_t size, bool strict)
{
    size_t at = http1_empty_lines(data, size), method = 0;
    if (at == SIZE_MAX)
        return HTTP1_START_NO;
    data += at;
    size -= at;
    while (method < size && method < HTTP1_METHOD_BYTES_MAX && is_token[data[method]])
        method++;
    if (method == size || (size == 1 && data[0] == '\r'))
        return size == 0 || data[0] == '\r' || !strict || is_known_method(data, size, false) ? HTTP1_START_MORE : HTTP1_START_NO;
    if (method == 0 || data[method] != ' ')
        return HTTP1_START_NO;
    size_t look = size < HTTP1_LINE_BYTES_MAX ? size : HTTP1_LINE_BYTES_MAX;
    const uint8_t *end = memchr(data + method, '\n', look - method);
    if (end && !strict)
        return ends_with_version(data + method, end) || is_known_method(data, method, true) ? HTTP1_START_YES : HTTP1_START_NO;
    if (end)
        return ends_with_version(data + method, end) && is_strict_line(data, method, end) ? HTTP1_START_YES : HTTP1_START_NO;
    return look < HTTP1_LINE_BYTES_MAX && (!strict || is_known_method(data, method, true)) ? HTTP1_START_MORE : HTTP1_START_NO;
}

enum http1_start http1_is_response(const uint8_t *data, size_t size)
{
    static const char version[] = "HTTP/1.";
    size_t at = http1_empty_lines(data, size);
    if (at == SIZE_MAX)
        return HTTP1_START_NO;
    data += at;
    size -= at;
    if (size == 1 && data[0] == '\r')
        return HTTP1_START_MORE;
    size_t n = size < sizeof version - 1 ? size : sizeof version - 1;
    if (n && memcmp(data, version, n) != 0)
        return HTTP1_START_NO;
    static const char *const classes[] = { "0123456789", " ", "12345", "0123456789", "0123456789", " \r\n" };
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (n + i >= size)
            return HTTP1_START_MORE;
        const char *class = classes[i];
        while (*class && (uint8_t)*class != data[n + i])
            class++;
        if (!*class)
            return HTTP1_START_NO;
    }
    return HTTP1_START_YES;
}

/* The head's size where its last, empty line is in the data, looking from `from` on (0: from its start line on). */
static size_t find_end(const uint8_t *data, size_t size, size_t from)
{
    const uint8_t *end = data + size;
    for (const uint8_t *p = data + from; (p = memchr(p, '\n', (size_t)(end - p)));) {
        p++;
        if (p < end && *p == '\n')
            return (size_t)(p - data) + 1;
        if (end - p >= 2 && p[0] == '\r' && p[1] == '\n')
            return (size_t)(p - data) + 2;
    }
    return 0;
}

static const char *trim_left(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

static const char *trim_right(const char *p, const char *end)
{
    while (end > p && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    return end;
}

/* A value over several lines: each line break becomes a blank. Returns behind its last line's LF. */
static __attribute__((noinline)) const char *add_folded(struct http_headers *h, const char *name, size_t name_size, const char *value, const char *line_end, const char *end)
{
    char room[4096];
    size_t size = 0;
    for (;;) {
        const char *stop = trim_right(value, line_end);
        size_t n = (size_t)(stop - value);
        if (n + 1 > sizeof room - size) {
            h->full = true;
            n = 0;
        }
        if (size && n)
            room[size++] = ' ';
        memcpy(room + size, value, n);
        size += n;
        value = line_end + 1;
        if (value >= end || (*value != ' ' && *value != '\t'))
            break;
        line_end = memchr(value, '\n', (size_t)(end - value));
        if (!line_end)
            line_end = end - 1;
        value = trim_left(value, line_end);
    }
    http_headers_add_copy(h, name, name_size, room, size);
    return value;
}

/* What a message's framing needs is read wherever it stands. */
static bool frames(size_t name_size) { return name_size == sizeof "content-length" - 1 || name_size == sizeof "transfer-encoding" - 1; }

/* Lines behind the start line, to the empty one, behind which it returns; NULL where the data ends first. */
static const char *read_lines(const char *p, const char *end, struct http_headers *h)
{
    const char *kept_end = (size_t)(end - p) > CONVERSATION_HEADERS_MAX ? p + CONVERSATION_HEADERS_MAX : end;
    while (p < end) {
        const char *next = p < kept_end ? http_headers_add_line(h, p, kept_end) : NULL;
        if (next) {
            p = next;
            continue;
        }
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        if (!line_end)
            return NULL;
        if (line_end == p || (line_end == p + 1 && *p == '\r'))
            return line_end + 1;
        const char *colon = memchr(p, ':', (size_t)(line_end - p)), *name_end;
        if (!colon || *p == ' ' || *p == '\t' || (name_end = trim_right(p, colon)) == p) {
            p = line_end + 1; /* a line that is no header */
            continue;
        }
        const char *value = trim_left(colon + 1, line_end);
        if (line_end >= kept_end && !frames((size_t)(name_end - p))) {
            h->full = true;
            p = line_end + 1;
            continue;
        }
        if (line_end + 1 < end && (line_end[1] == ' ' || line_end[1] == '\t')) {
            p = add_folded(h, p, (size_t)(name_end - p), value, line_end, end);
            continue;
        }
        const char *stop = trim_right(value, line_end);
        http_headers_add(h, p, (size_t)(name_end - p), value, (size_t)(stop - value));
        p = line_end + 1;
    }
    return NULL;
}

static bool read_start(const char *p, const char *line_end, bool response, struct http1_head *ret)
{
    const char *end = trim_right(p, line_end);
    if (response) {
        ret->version = (uint8_t)(p[7] - '0');
        ret->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
        return true;
    }
    const char *space = memchr(p, ' ', (size_t)(end - p)), *target_end = end - 9;
    if (!space)
        return false;
    bool versioned = ends_with_version((const uint8_t *)p, (const uint8_t *)line_end) && target_end > space, connect = space - p == 7 && memcmp(p, "CONNECT", 7) == 0;
    ret->method = (struct http_text){ p, (size_t)(space - p) };
    ret->version = versioned ? (uint8_t)(end[-1] - '0') : HTTP1_NO_VERSION;
    p = trim_left(space, versioned ? target_end : end);
    if (!versioned || connect) { /* a word; otherwise what stands before the version, blanks in it as well, which careless clients send */
        const char *stop = versioned ? target_end : end, *blank = p < stop ? memchr(p, ' ', (size_t)(stop - p)) : NULL;
        target_end = blank ? blank : stop;
    }
    ret->target = (struct http_text){ p, (size_t)(trim_right(p, target_end) - p) };
    return true;
}

int64_t http1_read_head(const uint8_t *data, size_t size, bool response, uint32_t *scanned, struct http1_head *ret, struct http_headers *ret_headers)
{
    size_t before = http1_empty_lines(data, size), look = size < HTTP1_HEAD_BYTES_MAX ? size : HTTP1_HEAD_BYTES_MAX;
    enum http1_start start = before == SIZE_MAX ? HTTP1_START_NO : *scanned ? HTTP1_START_YES : response ? http1_is_response(data, size) : http1_is_request(data, size, false);
    if (start == HTTP1_START_NO)
        return -EBADMSG;
    if (start == HTTP1_START_MORE)
        return 0;
    *ret = (struct http1_head){ 0 };
    if (*scanned) { /* it did not end before: not read again until its end is here */
        size_t end = find_end(data, look, *scanned > before ? *scanned : before);
        ret->cut = !end && size >= HTTP1_HEAD_BYTES_MAX;
        if (!end && !ret->cut) {
            *scanned = (uint32_t)size - 2; /* the end may be half here */
            return 0;
        }
    }
    const char *p = (const char *)data + before, *end = (const char *)data + look, *line_end = memchr(p, '\n', (size_t)(end - p));
    if (line_end && !read_start(p, line_end, response, ret))
        return -EBADMSG;
    http_headers_begin(ret_headers);
    p = line_end ? read_lines(line_end + 1, end, ret_headers) : NULL;
    if (!p && size < HTTP1_HEAD_BYTES_MAX) {
        *scanned = size > 2 ? (uint32_t)size - 2 : 0;
        return 0;
    }
    if (!line_end)
        return -EBADMSG;
    *scanned = 0;
    ret->cut = !p;
    ret_headers->full = ret_headers->full || ret->cut;
    return p ? p - (const char *)data : (int64_t)look;
}

/* "5", or "5, 5", digits alone. */
static bool read_length(const char *p, size_t size, bool *known, uint64_t *length)
{
    const char *end = p + size;
    do {
        const char *comma = p < end ? memchr(p, ',', (size_t)(end - p)) : NULL, *stop = comma ? comma : end;
        const char *digit = trim_left(p, stop), *last = trim_right(digit, stop);
        uint64_t value = 0;
        if (digit == last)
            return false;
        for (; digit < last; digit++) {
            if (*digit < '0' || *digit > '9')
                return false;
            value = value < LENGTH_MAX / 10 ? value * 10 + (uint64_t)(*digit - '0') : LENGTH_MAX;
        }
        if (*known && *length != value)
            return false;
        *known = true;
        *length = value;
        p = comma ? comma + 1 : NULL;
    } while (p);
    return true;
}

/* Whether the last coding of all Transfer-Encoding lines is chunked. */
static bool ends_chunked(const struct http_headers *h)
{
    const struct http_header *last = http_headers_get(h, HTTP_KNOWN_TRANSFER_ENCODING);
    while (last->next)
        last = &h->at[last->next - 1];
    const char *end = trim_right(last->value, last->value + last->value_size), *comma = last->value_size ? memrchr(last->value, ',', (size_t)(end - last->value)) : NULL;
    const char *p = trim_left(comma ? comma + 1 : last->value, end);
    return end - p == 7 && strncasecmp(p, "chunked", 7) == 0;
}

/* RFC 2616 had a name for no coding at all, and some still say it beside a length. */
static bool is_identity(const struct http_headers *h)
{
    const struct http_header *only = http_headers_get(h, HTTP_KNOWN_TRANSFER_ENCODING);
    return !only->next && only->value_size == 8 && strncasecmp(only->value, "identity", 8) == 0;
}

enum http1_framing http1_body_framing(const struct http_headers *h, bool response, uint64_t *ret_length)
{
    if (h->first[HTTP_KNOWN_TRANSFER_ENCODING] && !is_identity(h)) /* outweighs a length; where chunked is not the last coding of a request, a server that reads it at all reads chunks */
        return ends_chunked(h) || (!response && http_headers_has_token(h, HTTP_KNOWN_TRANSFER_ENCODING, "chunked")) ? HTTP1_CHUNKED : response ? HTTP1_UNTIL_CLOSE : HTTP1_UNKNOWN;
    bool known = false;
    uint64_t length = 0;
    for (uint16_t i = h->first[HTTP_KNOWN_CONTENT_LENGTH]; i; i = h->at[i - 1].next)
        if (!read_length(h->at[i - 1].value, h->at[i - 1].value_size, &known, &length))
            return HTTP1_UNKNOWN;
    if (length == LENGTH_MAX && !response) /* no server reads that: what follows may be its next request */
        return HTTP1_UNKNOWN;
    if (known) {
        *ret_length = length;
        return length ? HTTP1_LENGTH : HTTP1_NO_BODY;
    }
    if (h->full) /* it may have said so in what was left out */
        return HTTP1_UNKNOWN;
    return response ? HTTP1_UNTIL_CLOSE : HTTP1_NO_BODY;
}

int64_t http1_read_chunk_size(const uint8_t *data, size_t size, uint64_t *ret)
{
    uint64_t value = 0;
    size_t at = 0, look = size < CHUNK_LINE_BYTES_MAX ? size : CHUNK_LINE_BYTES_MAX;
    for (; at < look; at++) {
        uint8_t c = data[at] | 32;
        unsigned digit = c >= '0' && c <= '9' && data[at] != c - 32 ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
        if (digit == 16)
            break;
        if (value >> 56)
            return -EBADMSG;
        value = value << 4 | digit;
    }
    if (at == look)
        return look < CHUNK_LINE_BYTES_MAX ? 0 : -EBADMSG;
    if (at == 0 || (data[at] != '\r' && data[at] != '\n' && data[at] != ';' && data[at] != ' ' && data[at] != '\t'))
        return -EBADMSG;
    const uint8_t *end = memchr(data + at, '\n', look - at);
    if (!end)
        return look < CHUNK_LINE_BYTES_MAX ? 0 : -EBADMSG;
    *ret = value;
    return end - data + 1;
}

int64_t http1_read_trailers(const uint8_t *data, size_t size, uint32_t *scanned, struct http_headers *ret)
{
    size_t look = size < CONVERSATION_HEADERS_MAX ? size : CONVERSATION_HEADERS_MAX, end = find_end(data, look, *scanned < look ? *scanned : look);
    if (!end) {
        *scanned = size > 2 ? (uint32_t)look - 2 : 0; /* the end may be half here */
        return size >= CONVERSATION_HEADERS_MAX ? -EBADMSG : 0;
    }
    *scanned = 0;
    http_headers_begin(ret);
    (void)read_lines((const char *)data, (const char *)data + end, ret);
    return (int64_t)end;
}
