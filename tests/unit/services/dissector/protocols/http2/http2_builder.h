/* HTTP/2 as a stock sender writes it: frames whose header blocks libnghttp2's deflater makes, one builder per direction. The places of the frames are kept, for cutting and losing them.
 *
 *   struct h2 c = h2_new();
 *   h2_preface(&c);
 *   h2_headers(&c, 1, H2_END_STREAM, "GET / www.example.com", (const char *[]){ "user-agent", "x", NULL });
 *   h2_respond(&s, 1, 0, 200, (const char *[]){ "content-type", "text/plain", NULL });
 *   h2_data(&s, 1, H2_END_STREAM, "hello", 5);
 *   h2_free(&c); */
#ifndef TESTS_UNIT_HTTP2_BUILDER_H
#define TESTS_UNIT_HTTP2_BUILDER_H
#include <nghttp2/nghttp2.h>
#include "services/dissector/protocols/http2/http2_frame.h"
#include "tests/support/protocol_rig.h"

#define H2_FRAMES_MAX 4096
#define H2_FIELDS_MAX 64
#define H2_TABLE_MAX 128
#define H2_NONE ((const char *[]){ NULL })
struct h2 {
    uint8_t *data;
    size_t size, room;
    size_t frames[H2_FRAMES_MAX]; /* where each frame begins */
    unsigned count;
    nghttp2_hd_deflater *deflater;
    bool eager;                   /* an encoder of our own, which puts every field into its table (nghttp2's never does with :path) and refers to it ever after */
    char *table[H2_TABLE_MAX];    /* "name=value", newest first */
    size_t table_count, table_bytes;
};

static RIG_UNUSED struct h2 h2_new(void)
{
    struct h2 b = { 0 };
    if (nghttp2_hd_deflate_new(&b.deflater, 4096) != 0)
        abort();
    return b;
}

static RIG_UNUSED void h2_free(struct h2 *b)
{
    nghttp2_hd_deflate_del(b->deflater);
    while (b->table_count)
        free(b->table[--b->table_count]);
    free(b->data);
}

static RIG_UNUSED void h2_bytes(struct h2 *b, const void *data, size_t size)
{
    if (b->size + size > b->room) {
        b->room = (b->size + size) * 2;
        b->data = realloc(b->data, b->room);
        if (!b->data)
            abort();
    }
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
}

static RIG_UNUSED void h2_preface(struct h2 *b) { h2_bytes(b, HTTP2_PREFACE, HTTP2_PREFACE_SIZE); }

static RIG_UNUSED void h2_frame(struct h2 *b, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t size)
{
    uint8_t header[9] = { (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size, type, flags, (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream };
    if (b->count == H2_FRAMES_MAX)
        abort();
    b->frames[b->count++] = b->size;
    h2_bytes(b, header, sizeof header);
    h2_bytes(b, payload, size);
}

static RIG_UNUSED void h2_setting(struct h2 *b, uint16_t id, uint32_t value)
{
    uint8_t p[6] = { (uint8_t)(id >> 8), (uint8_t)id, (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value };
    h2_frame(b, HTTP2_SETTINGS, 0, 0, p, sizeof p);
}
static RIG_UNUSED void h2_u32(struct h2 *b, uint8_t type, uint32_t stream, uint32_t value)
{
    uint8_t p[4] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value };
    h2_frame(b, type, 0, stream, p, sizeof p);
}
static RIG_UNUSED void h2_goaway(struct h2 *b, uint32_t last)
{
    uint8_t p[12] = { (uint8_t)(last >> 24), (uint8_t)(last >> 16), (uint8_t)(last >> 8), (uint8_t)last, [8] = 'b', 'y', 'e', '!' };
    h2_frame(b, HTTP2_GOAWAY, 0, 0, p, sizeof p);
}

/* One field by the encoder of our own: no Huffman code, texts shorter than 127, RFC 7541 sections 4.4 and 6. */
static size_t h2_eager_field(struct h2 *b, const char *name, const char *value, uint8_t *to)
{
    size_t name_size = strlen(name), value_size = strlen(value), n = 0;
    char *entry = NULL;
    if (name_size > 126 || value_size > 126 || asprintf(&entry, "%s=%s", name, value) < 0)
        abort();
    for (size_t i = 0; i < b->table_count; i++)
        if (strcmp(b->table[i], entry) == 0) {
            free(entry);
            size_t index = 62 + i;
            to[0] = (uint8_t)(0x80 | (index < 127 ? index : 127));
            if (index >= 127)
                to[1] = (uint8_t)(index - 127);
            return index < 127 ? 1 : 2;
        }
    while (b->table_count == H2_TABLE_MAX || b->table_bytes + name_size + value_size + 32 > 4096) {
        char *oldest = b->table[--b->table_count];
        b->table_bytes -= strlen(oldest) - 1 + 32;
        free(oldest);
    }
    memmove(b->table + 1, b->table, b->table_count++ * sizeof *b->table);
    b->table[0] = entry;
    b->table_bytes += name_size + value_size + 32;
    to[n++] = 0x40;
    to[n++] = (uint8_t)name_size;
    memcpy(to + n, name, name_size);
    n += name_size;
    to[n++] = (uint8_t)value_size;
    memcpy(to + n, value, value_size);
    return n + value_size;
}

/* fields: name, value, name, value, ..., NULL. The block is the caller's to free. */
static RIG_UNUSED size_t h2_block(struct h2 *b, const char *const *fields, uint8_t **ret)
{
    if (b->eager) {
        size_t size = 0;
        *ret = malloc(256 * H2_FIELDS_MAX);
        if (!*ret)
            abort();
        for (; fields[0]; fields += 2)
            size += h2_eager_field(b, fields[0], fields[1], *ret + size);
        return size;
    }
    nghttp2_nv nv[H2_FIELDS_MAX];
    size_t n = 0;
    for (; fields[0]; fields += 2, n++)
        nv[n] = (nghttp2_nv){ (uint8_t *)fields[0], (uint8_t *)fields[1], strlen(fields[0]), strlen(fields[1]), NGHTTP2_NV_FLAG_NONE };
    size_t room = nghttp2_hd_deflate_bound(b->deflater, nv, n);
    *ret = malloc(room);
    ssize_t size = *ret ? nghttp2_hd_deflate_hd(b->deflater, *ret, room, nv, n) : -1;
    if (size < 0)
        abort();
    return (size_t)size;
}

/* A block in HEADERS (or another type, behind `before`) and as many CONTINUATION frames as pieces ask for. */
static RIG_UNUSED void h2_block_frames(struct h2 *b, uint8_t type, uint8_t flags, uint32_t stream, const void *before, size_t before_size, const char *const *fields, unsigned pieces)
{
    uint8_t *block;
    size_t size = h2_block(b, fields, &block), at = 0;
    for (unsigned i = 0; i < pieces; i++) {
        size_t n = i + 1 == pieces ? size - at : size / pieces;
        uint8_t *payload = malloc(n + before_size);
        if (!payload)
            abort();
        size_t head = i == 0 ? before_size : 0;
        if (head)
            memcpy(payload, before, head);
        memcpy(payload + head, block + at, n);
        h2_frame(b, i == 0 ? type : HTTP2_CONTINUATION, (uint8_t)((i == 0 ? flags : 0) | (i + 1 == pieces ? HTTP2_END_HEADERS : 0)), stream, payload, head + n);
        free(payload);
        at += n;
    }
    free(block);
}

static RIG_UNUSED void h2_fields(struct h2 *b, uint32_t stream, uint8_t flags, const char *const *fields) { h2_block_frames(b, HTTP2_HEADERS, flags, stream, NULL, 0, fields, 1); }

/* line: "METHOD PATH AUTHORITY". */
static RIG_UNUSED size_t h2_request_fields(const char *line, const char *const *more, char *room, size_t room_size, const char **ret)
{
    size_t n = 0;
    char *save = NULL;
    if (strlen(line) >= room_size)
        abort();
    memcpy(room, line, strlen(line) + 1);
    static const char *const names[] = { ":method", ":path", ":authority" };
    for (char *word = strtok_r(room, " ", &save); word && n < 6; word = strtok_r(NULL, " ", &save)) {
        ret[n] = names[n / 2];
        ret[n + 1] = word;
        n += 2;
    }
    ret[n++] = ":scheme";
    ret[n++] = "http";
    for (; more[0] && n + 3 < 2 * H2_FIELDS_MAX; more += 2) {
        ret[n++] = more[0];
        ret[n++] = more[1];
    }
    ret[n] = NULL;
    return n;
}
static RIG_UNUSED void h2_headers(struct h2 *b, uint32_t stream, uint8_t flags, const char *line, const char *const *more)
{
    char room[512];
    const char *fields[2 * H2_FIELDS_MAX];
    h2_request_fields(line, more, room, sizeof room, fields);
    h2_fields(b, stream, flags, fields);
}

static RIG_UNUSED void h2_respond(struct h2 *b, uint32_t stream, uint8_t flags, int status, const char *const *more)
{
    char text[16];
    const char *fields[2 * H2_FIELDS_MAX] = { ":status", text };
    snprintf(text, sizeof text, "%03d", status);
    size_t n = 2;
    for (; more[0]; more += 2) {
        fields[n++] = more[0];
        fields[n++] = more[1];
    }
    fields[n] = NULL;
    h2_fields(b, stream, flags, fields);
}

static RIG_UNUSED void h2_data(struct h2 *b, uint32_t stream, uint8_t flags, const void *data, size_t size) { h2_frame(b, HTTP2_DATA, flags, stream, data, size); }

/* What has been built since `from` goes over the wire as one segment. */
static RIG_UNUSED size_t h2_send(struct rig *rig, enum side side, const struct h2 *b, size_t from)
{
    for (size_t at = from; at < b->size; at += 32768) /* a GRO super-packet's worth */
        rig_say(rig, side, b->data + at, (ssize_t)(b->size - at < 32768 ? b->size - at : 32768));
    return b->size;
}
#endif
