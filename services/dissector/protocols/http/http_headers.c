/* The list of a message's headers. See http_message.h. */
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "services/dissector/protocols/http/http_message.h"
#include "services/dissector/protocols/http/http_pairs.h"

void http_headers_begin(struct http_headers *h)
{
    memset(h, 0, offsetof(struct http_headers, at));
}

static inline enum http_known known_of(const char *name, size_t size)
{
#define NAMED(literal, kind) (memcmp(name, literal, sizeof(literal) - 1) == 0 ? (kind) : HTTP_OTHER)
    switch (size) {
    case 4: return NAMED("host", HTTP_KNOWN_HOST);
    case 6: return NAMED("cookie", HTTP_KNOWN_COOKIE);
    case 7: return NAMED("upgrade", HTTP_KNOWN_UPGRADE);
    case 10: return name[0] == 's' ? NAMED("set-cookie", HTTP_KNOWN_SET_COOKIE) : NAMED("connection", HTTP_KNOWN_CONNECTION);
    case 11: return NAMED("grpc-status", HTTP_KNOWN_GRPC_STATUS);
    case 12: return name[0] == 'g' ? NAMED("grpc-message", HTTP_KNOWN_GRPC_MESSAGE) : NAMED("content-type", HTTP_KNOWN_CONTENT_TYPE);
    case 14: return NAMED("content-length", HTTP_KNOWN_CONTENT_LENGTH);
    case 16: return NAMED("content-encoding", HTTP_KNOWN_CONTENT_ENCODING);
    case 17: return NAMED("transfer-encoding", HTTP_KNOWN_TRANSFER_ENCODING);
    case 24: return NAMED("sec-websocket-extensions", HTTP_KNOWN_WEBSOCKET_EXTENSIONS);
    default: return HTTP_OTHER;
    }
#undef NAMED
}

/* The header whose lower-case name stands at h->store + h->used already. */
static inline void append(struct http_headers *h, size_t name_size, uint32_t hash, const char *value, size_t value_size)
{
    struct http_header *added = &h->at[h->count];
    added->name = h->store + h->used;
    added->name_size = (uint16_t)name_size;
    added->hash = hash;
    added->value = value;
    added->value_size = (uint32_t)value_size;
    added->known = (uint8_t)known_of(added->name, name_size);
    http_pairs_link(h->at, h->count, &h->names);
    h->used += (uint32_t)((name_size + 7) & ~(size_t)7);
    h->count++;
    if (added->known && !h->first[added->known])
        h->first[added->known] = (uint16_t)h->count;
}

void http_headers_add(struct http_headers *h, const char *name, size_t name_size, const char *value, size_t value_size)
{
    if (h->count == HTTP_HEADERS_MAX || name_size > CONVERSATION_HEADERS_MAX || ((name_size + 7) & ~(size_t)7) > sizeof h->store - h->used || value_size > CONVERSATION_HEADERS_MAX) {
        h->full = true;
        return;
    }
    uint32_t hash = http_pairs_lower(h->store + h->used, name, name_size);
    append(h, name_size, hash, value, value_size);
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* The LF from p on, or NULL. Most values are short: a call costs more than the search. */
static inline const char *find_feed(const char *p, const char *end)
{
#ifdef __SSE2__
    for (unsigned blocks = 0; blocks < 4 && end - p >= 16; blocks++, p += 16) {
        unsigned feeds = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), _mm_set1_epi8('\n')));
        if (feeds)
            return p + __builtin_ctz(feeds);
    }
#endif
    return memchr(p, '\n', (size_t)(end - p));
}

const char *http_headers_add_line(struct http_headers *h, const char *p, const char *end)
{
    uint32_t hash;
    size_t name_size = h->count < HTTP_HEADERS_MAX && p < end ? http_pairs_lower_name(h->store + h->used, sizeof h->store - h->used, p, end, &hash) : 0;
    if (name_size == 0 || is_blank(*p) || is_blank(p[name_size - 1]) || p[name_size - 1] == '\r')
        return NULL;
    const char *value = p + name_size + 1, *line_end = find_feed(value, end);
    if (!line_end || line_end + 1 == end || is_blank(line_end[1]))
        return NULL;
    const char *stop = line_end;
    while (value < stop && is_blank(*value))
        value++;
    while (stop > value && (is_blank(stop[-1]) || stop[-1] == '\r'))
        stop--;
    if (stop - value > CONVERSATION_HEADERS_MAX)
        return NULL;
    append(h, name_size, hash, value, (size_t)(stop - value));
    return line_end + 1;
}

void http_headers_add_copy(struct http_headers *h, const char *name, size_t name_size, const char *value, size_t value_size)
{
    if (value_size > sizeof h->store - h->used) {
        h->full = true;
        return;
    }
    char *copy = h->store + h->used;
    if (value_size)
        memcpy(copy, value, value_size);
    h->used += (uint32_t)((value_size + 7) & ~(size_t)7);
    if (h->used > sizeof h->store)
        h->used = sizeof h->store;
    http_headers_add(h, name, name_size, copy, value_size);
}

bool http_headers_has_token(const struct http_headers *h, enum http_known known, const char *token)
{
    size_t wanted = strlen(token);
    for (uint16_t i = h->first[known]; i; i = h->at[i - 1].next) {
        const char *p = h->at[i - 1].value, *end = p + h->at[i - 1].value_size;
        while (p < end) {
            const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end, *next = comma ? comma + 1 : end;
            while (p < stop && is_blank(*p))
                p++;
            while (stop > p && is_blank(stop[-1]))
                stop--;
            if ((size_t)(stop - p) == wanted && strncasecmp(p, token, wanted) == 0)
                return true;
            p = next;
        }
    }
    return false;
}
