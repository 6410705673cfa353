#include "services/dissector/protocols/http2/grpc.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/protocols/http2/http2.h"

#define METHOD_MAX 1024u            /* bytes of a method's name; real ones have 10 to 60 */
#define SIZES_ROOM_LEAST 16u

bool grpc_is(const struct http_headers *h)
{
    static const char type[] = "application/grpc";
    const struct http_header *content = http_headers_get(h, HTTP_KNOWN_CONTENT_TYPE);
    if (content)
        return content->value_size >= sizeof type - 1 && strncasecmp(content->value, type, sizeof type - 1) == 0;
    return http_headers_get(h, HTTP_KNOWN_GRPC_STATUS) != NULL;
}

static void add_size(struct grpc_sizes *s, uint32_t size)
{
    if (s->count == GRPC_MESSAGES_MAX) {
        s->more = true;
        return;
    }
    if (s->count == s->room) {
        uint32_t room = s->room ? s->room * 2 : SIZES_ROOM_LEAST;
        uint32_t *sizes = realloc(s->sizes, room * sizeof *sizes);
        if (!sizes) {
            s->more = true;
            return;
        }
        s->sizes = sizes;
        s->room = room;
    }
    s->sizes[s->count++] = size;
}

void grpc_sizes_take(struct grpc_sizes *s, const uint8_t *data, size_t size)
{
    while (size > 0 && !s->lost) {
        if (s->left > 0) {
            uint32_t n = size < s->left ? (uint32_t)size : s->left;
            s->left -= n;
            data += n;
            size -= n;
            continue;
        }
        size_t n = GRPC_PREFIX - s->prefix_size;
        n = size < n ? size : n;
        memcpy(s->prefix + s->prefix_size, data, n);
        s->prefix_size = (uint8_t)(s->prefix_size + n);
        data += n;
        size -= n;
        if (s->prefix_size < GRPC_PREFIX)
            return;
        uint32_t be;
        memcpy(&be, s->prefix + 1, sizeof be);
        s->left = be32toh(be);
        s->prefix_size = 0;
        if (s->prefix[0] > 1) /* neither plain nor compressed: no message of gRPC begins here */
            s->lost = true;
        else
            add_size(s, s->left);
    }
}

void grpc_sizes_lost(struct grpc_sizes *s, uint64_t size)
{
    if (size > s->left || s->prefix_size)
        s->lost = true;
    else
        s->left -= (uint32_t)size;
}

static size_t format_size(uint32_t size, char *text)
{
    char digits[10];
    size_t n = 0, at = sizeof digits;
    do {
        digits[--at] = (char)('0' + size % 10);
        n++;
    } while ((size /= 10) != 0);
    memcpy(text, digits + at, n);
    return n;
}

void grpc_sizes_write(const struct grpc_sizes *s, struct message *m, uint8_t field)
{
    if (s->more)
        message_incomplete(m, TRUNCATED);
    if (s->count == 0)
        return;
    message_open(m, field);
    for (uint32_t i = 0; i < s->count; i++) {
        char text[10];
        message_item(m, text, format_size(s->sizes[i], text));
    }
    message_close(m);
}

void grpc_sizes_free(struct grpc_sizes *s)
{
    free(s->sizes);
    *s = (struct grpc_sizes){ 0 };
}

void grpc_write_method(struct message *request)
{
    char method[METHOD_MAX]; /* the path is borrowed until the next write */
    size_t size;
    const char *path = message_get_text(request, HTTP_PATH, &size), *slash = path ? memrchr(path, '/', size) : NULL;
    if (!slash)
        return;
    size -= (size_t)(slash + 1 - path);
    if (size > sizeof method) {
        message_incomplete(request, TRUNCATED);
        return;
    }
    memcpy(method, slash + 1, size);
    message_text(request, HTTP_GRPC_METHOD, method, size);
}

static int hex(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

/* What is not a byte in percent-encoding stays as it is. Returns the bytes written, at most size. */
static size_t percent_decode(const char *text, size_t size, char *dst)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        int high = text[i] == '%' && size - i > 2 ? hex(text[i + 1]) : -1, low = high >= 0 ? hex(text[i + 2]) : -1;
        if (low < 0) {
            dst[n++] = text[i];
        } else {
            dst[n++] = (char)(high << 4 | low);
            i += 2;
        }
    }
    return n;
}

static bool read_status(const struct http_header *header, int64_t *ret)
{
    int64_t status = 0;
    if (header->value_size == 0 || header->value_size > 9)
        return false;
    for (uint32_t i = 0; i < header->value_size; i++) {
        if (header->value[i] < '0' || header->value[i] > '9')
            return false;
        status = status * 10 + (header->value[i] - '0');
    }
    *ret = status;
    return true;
}

bool grpc_write_status(struct message *response, const struct http_headers *h)
{
    const struct http_header *status = http_headers_get(h, HTTP_KNOWN_GRPC_STATUS), *text = http_headers_get(h, HTTP_KNOWN_GRPC_MESSAGE);
    int64_t number;
    if (!status || !read_status(status, &number))
        return false;
    message_int(response, HTTP_GRPC_STATUS, number);
    if (text && text->value_size <= CONVERSATION_HEADERS_MAX) {
        char decoded[CONVERSATION_HEADERS_MAX];
        message_text(response, HTTP_GRPC_MESSAGE, decoded, percent_decode(text->value, text->value_size, decoded));
    }
    return true;
}

const struct protocol protocol_grpc = {
    .name = "GRPC",
    .flags = { "grpc", "http" },
    .detail = &http_detail,
    .carrier = &protocol_http2,
};
