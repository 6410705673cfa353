/* A connection's second dissection, with any packets of up to three views of it, whatever they claim: no crash, no leak, every record holds what it says, and bytes given are bytes filled.
 *
 *   views | packet = control | view and size | seq step | bytes     control: 1 other side, 2 SYN, 4 FIN, 8 RST, 16 of the stream (else any bytes), 32 the sender's next number is as if it had not been sent, 64 out of order, 128 cut */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "services/dissector/engine/filling.h"
#include "services/dissector/protocols/protocol.h"

#define VIEWS 3u
static const char stream[] = "GET /a HTTP/1.1\r\nHost: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
struct state { uint32_t seq[VIEWS][2]; int64_t now_ns; uint32_t number; };

static int take_entry(void *context, const struct record *r)
{
    struct values values;
    (void)context;
    if (r->protocol >= protocols_count || record_read_values(r, protocols[r->protocol]->detail, &values) < 0 || !(r->flags & RECORD_FILLED) || r->shard != 9)
        abort();
    return 0;
}

static int feed(struct filling *f, struct state *s, unsigned view, const uint8_t *head, const uint8_t *bytes, uint32_t size, bool last)
{
    unsigned control = head[0], side = control & 1;
    uint32_t *seq = s->seq[view];
    struct shard_packet p = { .tuple = { .source = { 10, 0, 0, 1 }, .destination = { 10, 0, 0, 2 }, .source_port = 1000, .destination_port = 80, .version = 4, .transport = 6 }, .point = view, .place = { 0, ++s->number },
                              .time_ns = s->now_ns += 1000, .window = 100, .window_scale = 255, .captured = control & 128 ? size / 2 : size, .payload = size, .data = bytes };
    if (side) {
        struct tuple t = p.tuple;
        memcpy(p.tuple.source, t.destination, 16);
        memcpy(p.tuple.destination, t.source, 16);
        p.tuple.source_port = t.destination_port;
        p.tuple.destination_port = t.source_port;
    }
    p.hash = shard_hash(&p.tuple);
    p.flags = (uint8_t)((control & 2 ? 2u : 0) | (control & 4 ? 1u : 0) | (control & 8 ? 4u : 0) | (control & 2 && !side ? 0u : 16u));
    p.seq = seq[side] + (control & 64 ? (uint32_t)(int8_t)head[2] * 16 : 0);
    p.ack = seq[!side];
    if (!(control & 32))
        seq[side] += p.payload + ((control & 6) != 0);
    return filling_packet(f, view, &p, last);
}

static void run(struct filler *filler, uint8_t kinds, const uint8_t *data, size_t size)
{
    struct state s = { .now_ns = INT64_C(1767225600000000000) };
    struct view views[VIEWS];
    struct filling *f;
    memset(s.seq, 0xff, sizeof s.seq);
    for (unsigned i = 0; i < VIEWS; i++)
        views[i] = (struct view){ .tuple = { .source = { 10, 0, 0, 1 }, .destination = { 10, 0, 0, 2 }, .source_port = 1000, .destination_port = 80, .version = 4, .transport = 6 }, .point = i, .payload_bytes = 100, .client_payload = 50,
                                  .client_isn = 0xffffffff, .server_isn = 0xffffffff, .flags = kinds >> (2 * i) & 3, .node = i % 2, .end = kinds >> 6 ? 1 : 3 };
    if (filling_new(filler, views, VIEWS, 9, 1, &f) < 0)
        return;
    while (size >= 3) {
        unsigned view = data[1] >> 6 > 2 ? 0 : data[1] >> 6;
        uint32_t n = data[1] & 63;
        uint8_t *copy = malloc(n ? n : 1);
        if (!copy)
            break;
        bool known = data[0] & 16;
        uint32_t from = s.seq[view][data[0] & 1] % (sizeof stream - 64);
        n = known || n < size - 3 ? n : (uint32_t)(size - 3);
        memcpy(copy, known ? (const uint8_t *)stream + from : data + 3, n);
        (void)feed(f, &s, view, data, copy, n, false);
        free(copy);
        data += known ? 3 : 3 + n;
        size -= known ? 3 : 3 + n;
    }
    static const uint8_t end[3] = { 0 };
    for (unsigned i = 0; i < VIEWS; i++)
        (void)feed(f, &s, i, end, end, 0, true);
    if (filling_outcome(f) == FILLING_GOES_ON || filling_from(f, 0) != 0)
        abort();
    filling_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct shard_options options = { .redact = REDACT_ON };
    struct shard_sink sink = { .entry = take_entry };
    struct filler *filler;
    if (size < 1 || filler_new(&options, &sink, &filler) < 0)
        return 0;
    run(filler, data[0], data + 1, size - 1);
    filler_free(filler);
    return 0;
}
