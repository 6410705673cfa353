/* gRPC calls made of any bytes, in HTTP/2 frames that are whole, so that the bytes reach what reads gRPC and not what looks for frames. Without option 8 only what a peer may send is sent, and what comes out must be what went in.
 *
 *   input = options u8 | piece u8 | cut u8 | step ...
 *     options  1 another port than a known one, 2 no handshake and no preface, 4 fields stay out of the dynamic table, 8 anything goes
 *     piece    DATA frames of at most so many bytes, cut: segments of so many; 0: as they come
 *   step = what u8 | stream u8 | size u8 | bytes
 *     what     & 7 enum step, & 16 END_STREAM, & 32 compressed, & 64 padded, & 128 the server's
 *     stream   & 15 which of sixteen, the rest chooses among a few words
 *   SEND with END_STREAM and option 8: `size` of the bytes that wait are lost, behind which `stream` of them are not. */
#include "bytes/cursor.h"
#include "services/dissector/protocols/http2/grpc.h"
#include "tests/unit/services/dissector/protocols/http2/http2_builder.h"

#define PORT 50051u
#define STREAMS 16u
#define FIELDS_MAX 8u                   /* beside those that the step is for: a block stays in one frame */
#define QUEUED_MAX 16384u               /* bytes, and frames, before they are sent */
#define QUEUED_FRAMES_MAX 1000u
#define SENT_MAX (256u * 1024)          /* bytes of both sides: more say nothing more */
#define CUT_MAX (16u * 1024)            /* how many of them are cut into small segments, likewise */
#define PATH_TIMES 8u                   /* a padded request's path is as long: longer than is kept of a method */
#define ZEROS_TIMES 257u                /* up to 64 KiB: more than is kept of a body, and a length of two bytes */

enum { OTHER_PORT = 1, MIDDLE = 2, UNINDEXED = 4, ANYTHING = 8 };
enum step { HEADERS, MESSAGE, ZEROS, TRAILERS, FIELD, DATA, FRAME, SEND };
enum { END = 16, COMPRESSED = 32, PADDED = 64, SERVER = 128 };

struct call { bool headers[2], ended[2], over, status; uint32_t messages[2]; };
struct fuzz {
    struct rig *rig;
    struct h2 queue[2];                 /* what each side has not sent yet */
    nghttp2_nv fields[2][FIELDS_MAX]; size_t fields_count[2]; /* of its next block */
    uint8_t options, piece, cut;
    size_t sent;
    struct call calls[STREAMS];
};
struct totals { uint64_t calls, statuses, status_sum, messages[2]; };

static void send_queue(struct fuzz *f, enum side side)
{
    struct h2 *b = &f->queue[side];
    size_t piece = f->cut && f->sent < CUT_MAX ? f->cut : b->size;
    if (b->size)
        rig_say_cut(f->rig, side, b->data, b->size, piece);
    f->sent += b->size;
    b->size = 0;
    b->count = 0;
}

/* What waits is sent, but for some bytes near its end. */
static void lose_some(struct fuzz *f, enum side side, size_t size, size_t behind)
{
    struct h2 *b = &f->queue[side];
    behind = behind < b->size ? behind : b->size;
    size_t rest = b->size - behind, lost = size < rest ? size : rest;
    if (rest > lost)
        rig_say(f->rig, side, b->data, (ssize_t)(rest - lost));
    rig_lose(f->rig, side, (uint32_t)size);
    if (b->size)
        memmove(b->data, b->data + rest, behind);
    b->size = behind;
    send_queue(f, side);
}

static void put_frame(struct fuzz *f, enum side side, uint8_t type, uint8_t flags, uint32_t id, const void *payload, size_t size)
{
    struct h2 *b = &f->queue[side];
    send_queue(f, side_other(side)); /* what it said before this was sent before this */
    h2_frame(b, type, flags, id, payload, size);
    if (b->size > QUEUED_MAX || b->count > QUEUED_FRAMES_MAX)
        send_queue(f, side);
}

/* The content in DATA frames; the flags END and PADDED of the step hold for the last. */
static void put_data(struct fuzz *f, enum side side, uint8_t what, uint32_t id, const uint8_t *data, size_t size)
{
    size_t most = f->piece ? f->piece : HTTP2_FRAME_LENGTH_LEAST - 8, at = 0;
    do {
        uint8_t frame[HTTP2_FRAME_LENGTH_LEAST] = { 3 };
        size_t n = size - at < most ? size - at : most, padded = (what & PADDED) != 0;
        if (n)
            memcpy(frame + padded, data + at, n);
        memset(frame + padded + n, 0, 3);
        at += n;
        put_frame(f, side, HTTP2_DATA, (uint8_t)((padded ? HTTP2_PADDED : 0) | (at == size && (what & END) ? HTTP2_END_STREAM : 0)), id, frame, n + (padded ? 4 : 0));
    } while (at < size && f->sent < SENT_MAX);
}

static void put_message(struct fuzz *f, enum side side, uint8_t what, uint32_t id, const uint8_t *data, size_t size)
{
    uint8_t *message = calloc(1, size + GRPC_PREFIX);
    if (!message)
        abort();
    message[0] = (what & COMPRESSED) != 0;
    message[1] = (uint8_t)(size >> 24);
    message[2] = (uint8_t)(size >> 16);
    message[3] = (uint8_t)(size >> 8);
    message[4] = (uint8_t)size;
    if (data)
        memcpy(message + GRPC_PREFIX, data, size);
    put_data(f, side, what, id, message, size + GRPC_PREFIX);
    free(message);
}

static nghttp2_nv field_of(const struct fuzz *f, const void *name, size_t name_size, const void *value, size_t size)
{
    return (nghttp2_nv){ (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, name_size, size, f->options & UNINDEXED ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE };
}
#define FIELD_OF(f, name, value, size) field_of(f, name, sizeof(name) - 1, value, size)

/* The block with the fields that its side has added since the last one, behind its own: of two of a name the first counts. */
static void put_block(struct fuzz *f, enum side side, uint8_t what, uint32_t id, nghttp2_nv *fields, size_t count)
{
    static const uint8_t none = 0;
    uint8_t block[HTTP2_FRAME_LENGTH_LEAST];
    for (size_t i = 0; i < f->fields_count[side]; i++)
        fields[count++] = f->fields[side][i];
    f->fields_count[side] = 0;
    for (size_t i = 0; i < count; i++)
        fields[i].value = fields[i].value ? fields[i].value : (uint8_t *)(uintptr_t)&none;
    ssize_t size = nghttp2_hd_deflate_hd(f->queue[side].deflater, block, sizeof block, fields, count);
    if (size < 0)
        abort();
    put_frame(f, side, HTTP2_HEADERS, (uint8_t)(HTTP2_END_HEADERS | (what & END ? HTTP2_END_STREAM : 0)), id, block, (size_t)size);
}

static const struct { const char *text; size_t size; } types[] = {
#define TYPE(text) { text, sizeof(text) - 1 }
    TYPE("application/grpc"), TYPE("application/grpc+proto"), TYPE("application/grpc+json"), TYPE("application/grpc;charset=utf-8"), TYPE("APPLICATION/gRPC"), TYPE("application/grpc-web"), TYPE("text/html"), TYPE(""),
};
#define TYPES_HONEST 6u

static void put_headers(struct fuzz *f, enum side side, uint8_t what, uint8_t stream, uint32_t id, const uint8_t *data, size_t size)
{
    nghttp2_nv fields[5 + FIELDS_MAX];
    char path[PATH_TIMES * UINT8_MAX + 14] = "/shop.v1.Cart/";
    size_t n = 0, type = (stream >> 4) % (f->options & ANYTHING ? sizeof types / sizeof *types : TYPES_HONEST), used = f->options & ANYTHING && stream & 128 ? 0 : strlen(path);
    for (unsigned i = 0; i < (what & PADDED ? PATH_TIMES : 1) && size; i++, used += size)
        memcpy(path + used, data, size);
    if (side == SIDE_CLIENT) {
        fields[n++] = FIELD_OF(f, ":method", "POST", 4);
        fields[n++] = FIELD_OF(f, ":path", path, used);
        fields[n++] = FIELD_OF(f, ":authority", "shop:50051", 10);
    } else {
        bool any = (f->options & ANYTHING) && size >= 3;
        fields[n++] = FIELD_OF(f, ":status", any ? (const char *)data : "200", 3);
    }
    if (types[type].size)
        fields[n++] = FIELD_OF(f, "content-type", types[type].text, types[type].size);
    put_block(f, side, what, id, fields, n);
}

/* Trailers, or, where nothing stands before them, all that the response is. data: the status, a line feed, the message. */
static void put_trailers(struct fuzz *f, enum side side, uint8_t what, uint32_t id, const uint8_t *data, size_t size, bool alone)
{
    nghttp2_nv fields[4 + FIELDS_MAX];
    const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
    size_t n = 0, status = line ? (size_t)(line - data) : size;
    if (alone) {
        fields[n++] = FIELD_OF(f, ":status", "200", 3);
        fields[n++] = FIELD_OF(f, "content-type", types[0].text, types[0].size);
    }
    fields[n++] = FIELD_OF(f, "grpc-status", data, status);
    if (line)
        fields[n++] = FIELD_OF(f, "grpc-message", line + 1, size - status - 1);
    put_block(f, side, what, id, fields, n);
}

/* data: name, line feed, value. */
static void add_field(struct fuzz *f, enum side side, const uint8_t *data, size_t size)
{
    const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
    size_t name = line ? (size_t)(line - data) : size;
    bool honest = name > 0 && data[0] >= 'a' && data[0] <= 'z' && !(name == 11 && strncasecmp((const char *)data, "grpc-status", 11) == 0);
    if (f->fields_count[side] == FIELDS_MAX || !(honest || (f->options & ANYTHING)))
        return;
    f->fields[side][f->fields_count[side]++] = field_of(f, data, name, line ? line + 1 : NULL, line ? size - name - 1 : 0);
}

/* Whether a peer may send this now. */
static bool may(const struct call *call, enum step step, enum side side)
{
    bool asked = call->headers[SIDE_CLIENT], open = !call->over && !call->ended[side];
    switch (step) {
    case HEADERS: return open && !call->headers[side] && (side == SIDE_CLIENT || asked);
    case MESSAGE:
    case ZEROS: return open && call->headers[side];
    case TRAILERS: return open && asked && side == SIDE_SERVER;
    default: return false;
    }
}

/* Up to nine digits. */
static bool is_status(const uint8_t *data, size_t size, uint64_t *ret)
{
    size_t n = 0;
    *ret = 0;
    for (; n < size && data[n] >= '0' && data[n] <= '9'; n++)
        *ret = n < 9 ? *ret * 10 + (data[n] - '0') : *ret;
    return n > 0 && n <= 9 && (n == size || data[n] == '\n');
}

static void note(struct call *call, struct totals *totals, enum step step, enum side side, uint8_t what, const uint8_t *data, size_t size)
{
    uint64_t status;
    if (step == HEADERS) {
        totals->calls += side == SIDE_CLIENT;
        call->headers[side] = true;
    } else if (step == TRAILERS && is_status(data, size, &status)) {
        totals->statuses++;
        totals->status_sum += status;
    } else if ((step == MESSAGE || step == ZEROS) && call->messages[side] < GRPC_MESSAGES_MAX) {
        call->messages[side]++;
        totals->messages[side]++;
    }
    call->ended[side] = (what & END) || step == TRAILERS;
    call->over = call->ended[SIDE_CLIENT] && call->ended[SIDE_SERVER];
}

static void put_step(struct fuzz *f, struct totals *totals, uint8_t what, uint8_t stream, const uint8_t *data, size_t size)
{
    enum step step = what & 7;
    enum side side = what & SERVER ? SIDE_SERVER : SIDE_CLIENT;
    struct call *call = &f->calls[stream % STREAMS];
    uint32_t id = 1 + 2 * (stream % STREAMS);
    bool alone = !call->headers[SIDE_SERVER];
    if (!(f->options & ANYTHING) && step != FIELD && step != SEND) {
        if (!may(call, step, side))
            return;
        what |= step == TRAILERS ? END : 0;
        note(call, totals, step, side, what, data, size);
    } else if (step == HEADERS) {
        call->headers[side] = true;
    }
    switch (step) {
    case HEADERS: put_headers(f, side, what, stream, id, data, size); break;
    case MESSAGE: put_message(f, side, what, id, data, size); break;
    case ZEROS: put_message(f, side, what, id, NULL, size * ZEROS_TIMES); break;
    case TRAILERS: put_trailers(f, side, what, id, data, size, alone && !(what & PADDED)); break;
    case FIELD: add_field(f, side, data, size); break;
    case DATA: put_data(f, side, what, id, data, size); break;
    case FRAME:
        if (size >= 2)
            put_frame(f, side, data[0] % HTTP2_TYPES, data[1], stream & 128 ? 0 : id, data + 2, size - 2);
        break;
    case SEND:
        if (f->options & ANYTHING && what & END)
            lose_some(f, side, size, stream);
        else
            send_queue(f, side);
        break;
    }
}

static uint64_t count_items(const struct values *values, unsigned field)
{
    uint32_t at = 0;
    uint64_t count = 0;
    struct text text;
    if (!(values->present & UINT64_C(1) << field))
        return 0;
    for (; value_next_item(&values->at[field], &at, &text); count++)
        if (text.size == 0 || text.size > 10)
            abort();
    return count;
}

static void check(const struct fuzz *f, const struct totals *expected)
{
    struct totals found = { 0 };
    for (size_t i = 0; i < f->rig->count; i++) {
        const struct record *r = f->rig->records[i];
        struct values v;
        if (record_read_values(r, protocols[r->protocol]->detail, &v) < 0)
            abort();
        bool status = v.present & UINT64_C(1) << HTTP_GRPC_STATUS;
        if (status && (v.at[HTTP_GRPC_STATUS].number < 0 || v.at[HTTP_GRPC_STATUS].number > 999999999 || protocols[r->protocol] != &protocol_grpc))
            abort();
        found.calls += protocols[r->protocol] == &protocol_grpc;
        found.statuses += status;
        found.status_sum += status ? (uint64_t)v.at[HTTP_GRPC_STATUS].number : 0;
        found.messages[SIDE_CLIENT] += count_items(&v, HTTP_GRPC_REQUEST_MESSAGES);
        found.messages[SIDE_SERVER] += count_items(&v, HTTP_GRPC_RESPONSE_MESSAGES);
    }
    if (!(f->options & (ANYTHING | MIDDLE)) && f->sent < SENT_MAX && memcmp(&found, expected, sizeof found) != 0) {
        fprintf(stderr, "%" PRIu64 " of %" PRIu64 " calls, %" PRIu64 " of %" PRIu64 " statuses, %" PRIu64 " of %" PRIu64 " and %" PRIu64 " of %" PRIu64 " messages\n", found.calls, expected->calls, found.statuses,
                expected->statuses, found.messages[0], expected->messages[0], found.messages[1], expected->messages[1]);
        abort();
    }
}

static void begin(struct fuzz *f)
{
    uint16_t port = f->options & OTHER_PORT ? 9999 : PORT;
    f->rig = f->options & MIDDLE ? rig_new_without_handshake(port, REDACT_ON, 6) : rig_new(port, REDACT_ON);
    f->queue[SIDE_CLIENT] = h2_new();
    f->queue[SIDE_SERVER] = h2_new();
    if (!(f->options & MIDDLE))
        h2_preface(&f->queue[SIDE_CLIENT]);
    for (unsigned i = 0; i < 3; i++) /* frames enough to be found by */
        put_frame(f, SIDE_CLIENT, HTTP2_SETTINGS, i ? HTTP2_ACK : 0, 0, NULL, 0);
    for (unsigned i = 0; i < 3; i++)
        put_frame(f, SIDE_SERVER, HTTP2_SETTINGS, i ? HTTP2_ACK : 0, 0, NULL, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_over(data, size);
    struct totals expected = { 0 };
    static struct fuzz f;
    f = (struct fuzz){ .options = cursor_u8(&c) };
    f.piece = cursor_u8(&c);
    f.cut = cursor_u8(&c);
    begin(&f);
    while (cursor_left(&c) >= 3 && f.sent < SENT_MAX) {
        uint8_t what = cursor_u8(&c), stream = cursor_u8(&c), bytes = cursor_u8(&c);
        if ((what & 7) == ZEROS || (what & 7) == SEND) {
            put_step(&f, &expected, what, stream, NULL, bytes);
            continue;
        }
        if (bytes > cursor_left(&c))
            bytes = (uint8_t)cursor_left(&c);
        put_step(&f, &expected, what, stream, cursor_take(&c, bytes), bytes);
    }
    send_queue(&f, SIDE_CLIENT);
    send_queue(&f, SIDE_SERVER);
    rig_finish(f.rig);
    check(&f, &expected);
    rig_free(f.rig);
    h2_free(&f.queue[SIDE_CLIENT]);
    h2_free(&f.queue[SIDE_SERVER]);
    return 0;
}
