#include "services/dissector/entry/message.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/protocols/protocol.h"
#include "services/dissector/redact/redact.h"

#define ROOM_LEAST 512u
#define FIT_ROOM_LEAST 4096u    /* room that nobody asks about */
#define FIT_PART 4u             /* the part of its room that a message which waits fills at least */
#define REDACT_STACK_BYTES 4096u /* the room that most values need; larger ones take memory for the moment */

const char *const incomplete_names[INCOMPLETE_COUNT] = { "", "no_request", "no_response", "gap", "truncated", "hpack", "evicted", "started_before", "ends_after" };

static __attribute__((noinline)) uint8_t *grow_room(struct message *m, size_t bytes)
{
    if (m->failed)
        return NULL;
    size_t need = m->size + bytes;
    if (need > MESSAGE_BYTES_MAX) {
        message_incomplete(m, TRUNCATED);
        return NULL;
    }
    if (need > m->room) {
        size_t room = m->room ? m->room : ROOM_LEAST;
        while (room < need)
            room *= 2;
        uint8_t *values = realloc(m->values, room);
        if (!values) {
            m->failed = true;
            return NULL;
        }
        m->values = values;
        m->room = (uint32_t)room;
    }
    uint8_t *at = m->values + m->size;
    m->size = (uint32_t)need;
    return at;
}

void message_fit(struct message *m)
{
    if (m->room <= FIT_ROOM_LEAST || m->room / FIT_PART <= m->size)
        return;
    uint32_t room = FIT_ROOM_LEAST;
    while (room < m->size)
        room *= 2;
    uint8_t *values = realloc(m->values, room);
    if (!values)
        return;
    m->values = values;
    m->room = room;
}

/* Inlined, as all of the way of a header here: some thirty values a message, each a few bytes. Room never exceeds MESSAGE_BYTES_MAX, a power of two. */
static inline uint8_t *grow(struct message *m, size_t bytes)
{
    if (bytes > m->room - m->size || m->failed)
        return grow_room(m, bytes);
    uint8_t *at = m->values + m->size;
    m->size += (uint32_t)bytes;
    return at;
}

/* memcpy for what is mostly under 32 bytes, by halves that overlap: a call costs more than the copy. */
static inline void copy_text(uint8_t *dst, const void *text, size_t size)
{
    const uint8_t *src = text;
    if (size > 32) {
        memcpy(dst, src, size);
    } else if (size >= 16) {
        memcpy(dst, src, 16);
        memcpy(dst + size - 16, src + size - 16, 16);
    } else if (size >= 8) {
        memcpy(dst, src, 8);
        memcpy(dst + size - 8, src + size - 8, 8);
    } else if (size >= 4) {
        memcpy(dst, src, 4);
        memcpy(dst + size - 4, src + size - 4, 4);
    } else if (size) {
        dst[0] = src[0];
        dst[size / 2] = src[size / 2];
        dst[size - 1] = src[size - 1];
    }
}

static inline uint8_t *put_size(uint8_t *p, size_t size)
{
    uint32_t le = htole32((uint32_t)size);
    memcpy(p, &le, sizeof le);
    return p + sizeof le;
}

static inline void put_text(struct message *m, uint8_t field, const void *text, size_t size)
{
    uint8_t *p = grow(m, 5 + size);
    if (!p)
        return;
    *p = field;
    p = put_size(p + 1, size);
    copy_text(p, text, size);
}

static inline enum field_redaction class_of(const struct message *m, uint8_t field)
{
    return m->redact == REDACT_OFF ? REDACT_NOTHING : m->protocol->detail->fields[field].redaction;
}

/* What takes the place of the value: its bytes in *ret (in `stack`, or in *ret_heap, which is the caller's), or false where the value may stand. */
struct hidden { const char *text; size_t size; };
typedef ssize_t redactor(const void *context, const char *text, size_t size, char *dst, size_t room);
static bool hide(redactor *redact, const void *context, const char *text, size_t size, char *stack, char **ret_heap, struct hidden *ret)
{
    size_t room = REDACT_STACK_BYTES;
    char *dst = stack;
    if (REDACT_ROOM(size) > room) {
        room = REDACT_ROOM(size);
        dst = *ret_heap = malloc(room);
        if (!dst) { /* nothing of it rather than a secret */
            *ret = (struct hidden){ REDACT_TEXT, sizeof REDACT_TEXT - 1 };
            return true;
        }
    }
    ssize_t n = redact(context, text, size, dst, room);
    if (n == REDACT_SAME)
        return false;
    *ret = (struct hidden){ dst, (size_t)n };
    return true;
}

static ssize_t hide_url(const void *context, const char *text, size_t size, char *dst, size_t room)
{
    (void)context;
    return redact_url(text, size, dst, room);
}

static ssize_t hide_sql(const void *context, const char *text, size_t size, char *dst, size_t room)
{
    return redact_sql(text, size, ((const struct message *)context)->redact == REDACT_STRICT, dst, room);
}

void message_text(struct message *m, uint8_t field, const void *text, size_t size)
{
    if (size == 0 || !message_wants(m, field))
        return;
    enum field_redaction class = class_of(m, field);
    if (class == REDACT_VALUE) {
        put_text(m, field, REDACT_TEXT, sizeof REDACT_TEXT - 1);
    } else if (class == REDACT_URL || class == REDACT_SQL) {
        char stack[REDACT_STACK_BYTES];
        mem_auto_free char *heap = NULL;
        struct hidden hidden;
        if (hide(class == REDACT_URL ? hide_url : hide_sql, m, text, size, stack, &heap, &hidden))
            put_text(m, field, hidden.text, hidden.size);
        else
            put_text(m, field, text, size);
    } else {
        put_text(m, field, text, size);
    }
}

void message_string(struct message *m, uint8_t field, const char *text)
{
    message_text(m, field, text, strlen(text));
}

void message_int(struct message *m, uint8_t field, int64_t value)
{
    uint8_t *p = message_wants(m, field) ? grow(m, 9) : NULL;
    if (!p)
        return;
    *p = field;
    uint64_t le = htole64((uint64_t)value);
    memcpy(p + 1, &le, sizeof le);
}

void message_bool(struct message *m, uint8_t field, bool value)
{
    uint8_t *p = message_wants(m, field) ? grow(m, 2) : NULL;
    if (!p)
        return;
    p[0] = field;
    p[1] = value;
}

void message_open(struct message *m, uint8_t field)
{
    uint32_t at = m->size;
    uint8_t *p = message_wants(m, field) ? grow(m, 5) : NULL;
    m->open_at = p ? at : UINT32_MAX;
    m->open_field = field;
    if (p)
        *p = field;
}

static inline void put_item(struct message *m, const void *text, size_t size)
{
    uint8_t *p = grow(m, 4 + size);
    if (!p)
        return;
    p = put_size(p, size);
    copy_text(p, text, size);
}

/* A list of the class COOKIES holds whole Set-Cookie headers: the name stays. */
static ssize_t hide_set_cookie(const void *context, const char *text, size_t size, char *dst, size_t room)
{
    (void)context;
    return redact_header("set-cookie", 10, text, size, dst, room);
}

void message_item(struct message *m, const void *text, size_t size)
{
    if (m->open_at == UINT32_MAX)
        return;
    enum field_redaction class = class_of(m, m->open_field);
    char stack[REDACT_STACK_BYTES];
    mem_auto_free char *heap = NULL;
    struct hidden hidden;
    if (class == REDACT_VALUE)
        put_item(m, REDACT_TEXT, sizeof REDACT_TEXT - 1);
    else if ((class == REDACT_COOKIES && hide(hide_set_cookie, NULL, text, size, stack, &heap, &hidden)) ||
             (class == REDACT_SQL && hide(hide_sql, m, text, size, stack, &heap, &hidden)))
        put_item(m, hidden.text, hidden.size);
    else
        put_item(m, text, size);
}

static inline void put_pair(struct message *m, const void *name, size_t name_size, const void *text, size_t size)
{
    uint8_t *p = grow(m, 8 + name_size + size);
    if (!p)
        return;
    p = put_size(p, name_size);
    copy_text(p, name, name_size);
    p = put_size(p + name_size, size);
    copy_text(p, text, size);
}

/* In a map, several Set-Cookie headers are joined: what stands behind a semicolon may be an attribute, and may be the next one's secret. So all values go, as those of Cookie do. */
struct header_name { const char *data; size_t size; };
static ssize_t hide_header(const void *context, const char *text, size_t size, char *dst, size_t room)
{
    const struct header_name *name = context;
    if (name->size >= 10 && memcmp(name->data, "set-cookie", 10) == 0)
        return redact_header("cookie", 6, text, size, dst, room);
    return redact_header(name->data, name->size, text, size, dst, room);
}

/* A header that may hold a secret: few do, and the others need no room for it. */
static __attribute__((noinline)) void put_hidden_header(struct message *m, const void *name, size_t name_size, const void *text, size_t size)
{
    char stack[REDACT_STACK_BYTES];
    mem_auto_free char *heap = NULL;
    struct hidden hidden = { text, size };
    struct header_name header = { name, name_size };
    (void)hide(hide_header, &header, text, size, stack, &heap, &hidden);
    put_pair(m, name, name_size, hidden.text, hidden.size);
}

/* A value of a query that has no secret name may be a URL. */
static __attribute__((noinline)) void put_hidden_url(struct message *m, const void *name, size_t name_size, const void *text, size_t size)
{
    char stack[REDACT_STACK_BYTES];
    mem_auto_free char *heap = NULL;
    struct hidden hidden = { text, size };
    (void)hide(hide_url, NULL, text, size, stack, &heap, &hidden);
    put_pair(m, name, name_size, hidden.text, hidden.size);
}

void message_pair(struct message *m, const void *name, size_t name_size, const void *text, size_t size)
{
    if (m->open_at == UINT32_MAX)
        return;
    enum field_redaction class = class_of(m, m->open_field);
    bool whole = class == REDACT_VALUE || class == REDACT_COOKIES || (class == REDACT_QUERY && redact_is_secret_name(name, name_size));
    if (whole) {
        put_pair(m, name, name_size, REDACT_TEXT, size ? sizeof REDACT_TEXT - 1 : 0);
    } else if (class == REDACT_HEADERS && !redact_is_plain_header(name, name_size)) {
        put_hidden_header(m, name, name_size, text, size);
    } else if (class == REDACT_QUERY) {
        put_hidden_url(m, name, name_size, text, size);
    } else {
        put_pair(m, name, name_size, text, size);
    }
}

void message_close(struct message *m)
{
    if (m->open_at == UINT32_MAX)
        return;
    uint32_t size = m->size - m->open_at - 5;
    if (size == 0)
        m->size = m->open_at;
    else
        (void)put_size(m->values + m->open_at + 1, size);
    m->open_at = UINT32_MAX;
}

/* NUL is a character, but no text has it, and not every reader of entries gets past it. */
static bool is_text(const uint8_t *p, size_t size)
{
    size_t i = 0;
    while (i < size) {
        uint64_t word;
        if (size - i >= sizeof word) {
            memcpy(&word, p + i, sizeof word);
            if (!((word | (word - UINT64_C(0x0101010101010101))) & UINT64_C(0x8080808080808080))) { /* neither a high bit nor a zero */
                i += sizeof word;
                continue;
            }
        }
        uint8_t b = p[i];
        size_t more = b < 0x80 && b ? 0 : b >= 0xc2 && b <= 0xdf ? 1 : (b & 0xf0) == 0xe0 ? 2 : b >= 0xf0 && b <= 0xf4 ? 3 : SIZE_MAX;
        if (more == SIZE_MAX || more >= size - i)
            return false;
        for (size_t k = 1; k <= more; k++)
            if ((p[i + k] & 0xc0) != 0x80)
                return false;
        if ((b == 0xe0 && p[i + 1] < 0xa0) || (b == 0xed && p[i + 1] > 0x9f) || (b == 0xf0 && p[i + 1] < 0x90) || (b == 0xf4 && p[i + 1] > 0x8f))
            return false;
        i += 1 + more;
    }
    return true;
}

/* The end of the last whole character, where a text was cut in the middle of one. */
static size_t whole_characters(const uint8_t *p, size_t size)
{
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        uint8_t b = p[size - back];
        if (b < 0x80)
            break;
        if (b >= 0xc2 && b <= 0xf4)
            return (b >= 0xf0 ? 4u : b >= 0xe0 ? 3u : 2u) > back ? size - back : size;
    }
    return size;
}

static void put_base64(struct message *m, uint8_t field, const uint8_t *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t out = (size + 2) / 3 * 4;
    uint8_t *p = grow(m, 5 + out);
    if (!p)
        return;
    *p = field;
    p = put_size(p + 1, out);
    for (size_t i = 0; i < size; i += 3, p += 4) {
        uint32_t left = (uint32_t)(size - i), v = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) | (left > 2 ? data[i + 2] : 0u);
        p[0] = (uint8_t)digits[v >> 18];
        p[1] = (uint8_t)digits[v >> 12 & 63];
        p[2] = (uint8_t)(left > 1 ? digits[v >> 6 & 63] : '=');
        p[3] = (uint8_t)(left > 2 ? digits[v & 63] : '=');
    }
}

void message_body(struct message *m, uint8_t field, uint8_t encoding_field, const void *data, size_t size, const char *content_type, size_t content_type_size)
{
    if (m->body_max && size > m->body_max)
        size = m->body_max;
    if (size == 0 || (!message_wants(m, field) && !message_wants(m, encoding_field)))
        return;
    bool cut = size >= CONVERSATION_BODY_MAX || size == m->body_max || m->incomplete != WHOLE; /* perhaps in the middle of a character */
    char stack[REDACT_STACK_BYTES];
    mem_auto_free char *heap = NULL;
    if (class_of(m, field) == REDACT_BODY) {
        size_t room = REDACT_ROOM(size) <= sizeof stack ? sizeof stack : REDACT_ROOM(size);
        char *dst = room == sizeof stack ? stack : (heap = malloc(room));
        ssize_t n = dst ? redact_body(content_type, content_type_size, data, size, m->redact == REDACT_STRICT, dst, room) : (ssize_t)sizeof REDACT_TEXT - 1;
        if (n != REDACT_SAME) { /* what is left of it may be no text still */
            data = dst ? dst : REDACT_TEXT;
            size = (size_t)n;
        }
        if (size == 0)
            return;
    }
    size_t whole = cut ? whole_characters(data, size) : size;
    if (is_text(data, whole)) {
        if (message_wants(m, field))
            put_text(m, field, data, whole);
    } else {
        if (message_wants(m, field))
            put_base64(m, field, data, size);
        message_text(m, encoding_field, "base64", 6);
    }
}

void message_summary(struct message *m, const void *text, size_t size)
{
    if (m->skip_summary)
        return;
    if (size > MESSAGE_SUMMARY_MAX)
        size = whole_characters(text, MESSAGE_SUMMARY_MAX);
    memcpy(m->summary, text, size);
    m->summary_size = (uint16_t)size;
}

void message_incomplete(struct message *m, enum incomplete reason)
{
    if (m->incomplete == WHOLE)
        m->incomplete = (uint8_t)reason;
}

void message_protocol(struct message *m, const struct protocol *protocol)
{
    m->protocol = protocol;
}

void message_copy(struct message *m, const struct message *from)
{
    m->first_ns = from->first_ns;
    m->last_ns = from->last_ns;
    m->at = from->at;
    m->from = from->from;
    m->to = from->to;
    m->acked = from->acked;
    m->status = from->status;
    m->tag = from->tag;
    m->incomplete = from->incomplete;
    memcpy(m->summary, from->summary, from->summary_size);
    m->summary_size = from->summary_size;
    m->size = 0;
    uint8_t *p = grow(m, from->size);
    if (p && from->size)
        memcpy(p, from->values, from->size);
}

const char *message_get_text(const struct message *m, uint8_t field, size_t *ret_size)
{
    const struct detail *detail = m->protocol->detail;
    for (uint32_t at = 0; at < m->size;) {
        uint8_t here = m->values[at++];
        switch (detail->fields[here].type) {
        case FIELD_INT: at += 8; break;
        case FIELD_BOOL: at += 1; break;
        default: {
            uint32_t size;
            memcpy(&size, m->values + at, sizeof size);
            size = le32toh(size);
            if (here == field && detail->fields[here].type == FIELD_TEXT) {
                *ret_size = size;
                return (const char *)m->values + at + 4;
            }
            at += 4 + size;
        }
        }
    }
    return NULL;
}
