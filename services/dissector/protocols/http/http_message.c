/* Method, target and headers into the fields of an entry. See http_message.h. */
#include "services/dissector/protocols/http/http_message.h"

#include <string.h>

#include "services/dissector/protocols/http/http_pairs.h"
#include "services/dissector/redact/redact.h"

#define PAIRS_MAX 256u      /* of a query or of cookies; browsers keep 180 cookies per site */
#define SUMMARY_METHOD_MAX 32u

/* RFC 9112 section 3.2: "/path?query", "http://authority/path?query", "authority", "*". */
struct target { struct http_text path, query, authority; };

static struct target split_target(struct http_text method, struct http_text text)
{
    struct target t = { .path = text };
    const char *end = text.data + text.size;
    if (text.size == 0)
        return t;
    if (method.size == 7 && memcmp(method.data, "CONNECT", 7) == 0) {
        t.authority = text;
        t.path.size = 0;
        return t;
    }
    if (text.data[0] != '/') {
        const char *scheme = memmem(text.data, text.size, "://", 3);
        if (scheme && !memchr(text.data, '?', (size_t)(scheme - text.data))) {
            const char *p = scheme + 3, *slash = p;
            while (slash < end && *slash != '/' && *slash != '?' && *slash != '#')
                slash++;
            const char *at = memrchr(p, '@', (size_t)(slash - p));
            p = at ? at + 1 : p;
            t.authority = (struct http_text){ p, (size_t)(slash - p) };
            t.path = (struct http_text){ slash, (size_t)(end - slash) };
        }
    }
    if (t.path.size == 0)
        return t;
    const char *hash = memchr(t.path.data, '#', t.path.size); /* not allowed in a request, and seen */
    if (hash)
        t.path.size = (size_t)(hash - t.path.data);
    const char *mark = t.path.size ? memchr(t.path.data, '?', t.path.size) : NULL;
    if (mark) {
        t.query = (struct http_text){ mark + 1, t.path.size - (size_t)(mark - t.path.data) - 1 };
        t.path.size = (size_t)(mark - t.path.data);
    }
    return t;
}

static void write_segments(struct message *m, struct http_text path)
{
    if (path.size < 2 || !message_wants(m, HTTP_PATH_SEGMENTS))
        return;
    message_open(m, HTTP_PATH_SEGMENTS);
    for (const char *p = path.data, *end = p + path.size; p < end;) {
        const char *slash = memchr(p, '/', (size_t)(end - p)), *stop = slash ? slash : end;
        if (stop > p)
            message_item(m, p, (size_t)(stop - p));
        p = stop + 1;
    }
    message_close(m);
}

/* A path may have parameters of its own ("/a;token=b/c"), or hold what was meant for a query; their values go the way of a query's. */
static __attribute__((noinline)) void write_path_with_parameters(struct message *m, struct http_text path)
{
    char room[CONVERSATION_HEADERS_MAX];
    ssize_t size = m->redact == REDACT_OFF ? REDACT_SAME : redact_url(path.data, path.size, room, sizeof room);
    if (size != REDACT_SAME)
        path = (struct http_text){ room, (size_t)size };
    message_text(m, HTTP_PATH, path.data, path.size);
    write_segments(m, path);
}

static void write_path(struct message *m, struct http_text path)
{
    if (path.size == 0)
        return;
    if (memchr(path.data, ';', path.size) || memchr(path.data, '@', path.size) || memchr(path.data, '=', path.size)) {
        write_path_with_parameters(m, path);
        return;
    }
    message_text(m, HTTP_PATH, path.data, path.size);
    write_segments(m, path);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent signs and, for a blank, plus signs. Where there are none, text stays what it is; else it is written to *scratch, which moves on. The result is never longer. */
static struct http_text decode(struct http_text text, char **scratch)
{
    if (text.size == 0 || (!memchr(text.data, '%', text.size) && !memchr(text.data, '+', text.size)))
        return text;
    char *start = *scratch, *dst = start;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        int high, low;
        if (c == '%' && text.size - i > 2 && (high = hex_digit(text.data[i + 1])) >= 0 && (low = hex_digit(text.data[i + 2])) >= 0) {
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+')
            c = ' ';
        *dst++ = c;
    }
    *scratch = dst;
    return (struct http_text){ start, (size_t)(dst - start) };
}

struct pairs { uint32_t count; uint64_t names; struct http_header at[PAIRS_MAX]; };

static void add_pair(struct pairs *pairs, struct http_text name, struct http_text value)
{
    if (pairs->count == PAIRS_MAX || name.size > UINT16_MAX || value.size > CONVERSATION_HEADERS_MAX)
        return;
    pairs->at[pairs->count] = (struct http_header){ .name = name.data, .name_size = (uint16_t)name.size, .value = value.data, .value_size = (uint32_t)value.size,
                                                    .hash = http_pairs_hash(name.data, name.size) };
    http_pairs_link(pairs->at, pairs->count, &pairs->names);
    pairs->count++;
}

/* "name=value" or "name" up to stop. */
static void split_pair(const char *p, const char *stop, struct http_text *ret_name, struct http_text *ret_value)
{
    const char *equals = memchr(p, '=', (size_t)(stop - p));
    *ret_name = (struct http_text){ p, (size_t)((equals ? equals : stop) - p) };
    *ret_value = equals ? (struct http_text){ equals + 1, (size_t)(stop - equals) - 1 } : (struct http_text){ stop, 0 };
}

/* The same of a cookie, where what has no name is a value (and hidden as one). */
static void split_cookie(const char *p, const char *stop, struct http_text *ret_name, struct http_text *ret_value)
{
    split_pair(p, stop, ret_name, ret_value);
    if (ret_name->data + ret_name->size == stop) {
        *ret_value = *ret_name;
        ret_name->size = 0;
    }
}

static __attribute__((noinline)) void write_query(struct message *m, struct http_text query)
{
    struct pairs pairs;
    char room[CONVERSATION_HEADERS_MAX], *scratch = room;
    pairs.count = 0;
    pairs.names = 0;
    if (query.size > sizeof room)
        query.size = sizeof room;
    for (const char *p = query.data, *end = p + query.size; p < end;) {
        const char *ampersand = memchr(p, '&', (size_t)(end - p)), *stop = ampersand ? ampersand : end;
        struct http_text name, value;
        if (stop > p) {
            split_pair(p, stop, &name, &value);
            name = decode(name, &scratch);
            value = decode(value, &scratch);
            add_pair(&pairs, name, value);
        }
        p = stop + 1;
    }
    http_pairs_write(m, HTTP_QUERY_STRING, pairs.at, pairs.count, HTTP_OTHER, ", ");
}

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

static __attribute__((noinline)) void write_request_cookies(struct message *m, const struct http_headers *h)
{
    struct pairs pairs;
    pairs.count = 0;
    pairs.names = 0;
    for (uint16_t i = h->first[HTTP_KNOWN_COOKIE]; i; i = h->at[i - 1].next) {
        const char *p = h->at[i - 1].value, *end = p + h->at[i - 1].value_size;
        while ((p = skip_blanks(p, end)) < end) {
            const char *semicolon = memchr(p, ';', (size_t)(end - p)), *stop = semicolon ? semicolon : end;
            struct http_text name, value;
            split_cookie(p, stop, &name, &value);
            if (stop > p)
                add_pair(&pairs, name, value);
            p = stop < end ? stop + 1 : end;
        }
    }
    http_pairs_write(m, HTTP_REQUEST_COOKIES, pairs.at, pairs.count, HTTP_OTHER, ", ");
}

/* The first pair of each Set-Cookie; its attributes stand in the list. */
static __attribute__((noinline)) void write_response_cookies(struct message *m, const struct http_headers *h)
{
    struct pairs pairs;
    pairs.count = 0;
    pairs.names = 0;
    message_open(m, HTTP_RESPONSE_SET_COOKIES);
    for (uint16_t i = h->first[HTTP_KNOWN_SET_COOKIE]; i; i = h->at[i - 1].next)
        message_item(m, h->at[i - 1].value, h->at[i - 1].value_size);
    message_close(m);
    for (uint16_t i = h->first[HTTP_KNOWN_SET_COOKIE]; i; i = h->at[i - 1].next) {
        const char *p = h->at[i - 1].value, *end = p + h->at[i - 1].value_size, *semicolon = h->at[i - 1].value_size ? memchr(p, ';', (size_t)(end - p)) : NULL;
        struct http_text name, value;
        p = skip_blanks(p, semicolon ? semicolon : end);
        split_cookie(p, semicolon ? semicolon : end, &name, &value);
        if (name.size + value.size)
            add_pair(&pairs, name, value);
    }
    http_pairs_write(m, HTTP_RESPONSE_COOKIES, pairs.at, pairs.count, HTTP_OTHER, ", ");
}

static void write_request_summary(struct message *m, struct http_text method)
{
    char text[SUMMARY_METHOD_MAX + 1 + MESSAGE_SUMMARY_MAX];
    size_t size = method.size < SUMMARY_METHOD_MAX ? method.size : SUMMARY_METHOD_MAX, url_size = 0;
    if (m->skip_summary)
        return;
    const char *url = message_get_text(m, HTTP_URL, &url_size);
    memcpy(text, method.data, size);
    if (url && url_size) {
        text[size++] = ' ';
        url_size = url_size < MESSAGE_SUMMARY_MAX ? url_size : MESSAGE_SUMMARY_MAX;
        memcpy(text + size, url, url_size);
        size += url_size;
    }
    message_summary(m, text, size);
}

void http_write_request(struct message *m, struct http_text method, struct http_text target, struct http_text authority, const char *version, const struct http_headers *h, uint64_t headers_size)
{
    struct target parts = split_target(method, target);
    const struct http_header *host = http_headers_get(h, HTTP_KNOWN_HOST);
    message_text(m, HTTP_METHOD, method.data, method.size);
    message_text(m, HTTP_URL, target.data, target.size);
    write_path(m, parts.path);
    if (authority.size)
        message_text(m, HTTP_HOST, authority.data, authority.size);
    else if (host && host->value_size)
        message_text(m, HTTP_HOST, host->value, host->value_size);
    else if (parts.authority.size)
        message_text(m, HTTP_HOST, parts.authority.data, parts.authority.size);
    if (parts.query.size)
        message_text(m, HTTP_QUERY, parts.query.data, parts.query.size);
    if (parts.query.size && message_wants(m, HTTP_QUERY_STRING))
        write_query(m, parts.query);
    message_string(m, HTTP_VERSION, version);
    http_pairs_write(m, HTTP_REQUEST_HEADERS, h->at, h->count, HTTP_OTHER, ", ");
    if (h->first[HTTP_KNOWN_COOKIE] && message_wants(m, HTTP_REQUEST_COOKIES))
        write_request_cookies(m, h);
    message_int(m, HTTP_REQUEST_HEADERS_SIZE, (int64_t)headers_size);
    if (h->full)
        message_incomplete(m, TRUNCATED);
    write_request_summary(m, method);
}

void http_write_response(struct message *m, const char *version, const struct http_headers *h, uint64_t headers_size)
{
    char summary[] = "HTTP 000";
    if (version)
        message_string(m, HTTP_VERSION, version);
    http_pairs_write(m, HTTP_RESPONSE_HEADERS, h->at, h->count, HTTP_KNOWN_SET_COOKIE, ", ");
    if (h->first[HTTP_KNOWN_SET_COOKIE] && (message_wants(m, HTTP_RESPONSE_COOKIES) || message_wants(m, HTTP_RESPONSE_SET_COOKIES)))
        write_response_cookies(m, h);
    message_int(m, HTTP_RESPONSE_HEADERS_SIZE, (int64_t)headers_size);
    if (h->full)
        message_incomplete(m, TRUNCATED);
    if (!m->skip_summary && m->status >= 0 && m->status <= 999) {
        for (int32_t i = 7, status = m->status; i > 4; i--, status /= 10)
            summary[i] = (char)('0' + status % 10);
        message_summary(m, summary, sizeof summary - 1);
    }
}

void http_write_trailers(struct message *m, bool response, const struct http_headers *h)
{
    http_pairs_write(m, response ? HTTP_RESPONSE_TRAILERS : HTTP_REQUEST_TRAILERS, h->at, h->count, HTTP_OTHER, ", ");
    if (h->full)
        message_incomplete(m, TRUNCATED);
}
