/* The engine over any packets: connections that begin, overlap, lose, repeat, reset and evict each other, with any bytes in them, whoever's protocol they look like. Every record that comes out must hold what it says.
 *
 *   packet = control | port | seq step | size | bytes     control: 1 other side, 2 SYN, 4 FIN, 8 RST, 16 UDP, 32 lost (not captured), 64 out of order, 128 a minute passes
 *                                                port: & 15 which connection, 16 another point, 64 the clock jumps to the end (32: to the beginning) of time */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "services/dissector/engine/shard.h"
#include "services/dissector/protocols/protocol.h"

static const uint16_t ports[] = { 80, 53, 443, 5432, 6379, 3306, 8080, 9999 };
struct flow { uint32_t seq[2]; };

static int take_entry(void *context, const struct record *r)
{
    struct values values;
    (void)context;
    if (r->protocol >= protocols_count || record_read_values(r, protocols[r->protocol]->detail, &values) < 0 || r->size % 8 != 0 || r->summary_size > MESSAGE_SUMMARY_MAX)
        abort();
    return 0;
}

static int take_view(void *context, uint32_t number, const struct view *view)
{
    (void)context;
    (void)number;
    if (view->first_ns > view->last_ns)
        abort();
    return 0;
}

static void feed(struct shard *shard, struct flow *flows, const uint8_t *head, const uint8_t *bytes, uint32_t size, uint32_t number, int64_t *now)
{
    unsigned control = head[0], side = control & 1, which = head[1] & 15;
    struct flow *flow = &flows[which];
    struct shard_packet p = { .point = head[1] >> 4 & 1, .place = { 0, number }, .window = 100, .window_scale = 255, .captured = size, .payload = size, .data = bytes };
    *now += control & 128 ? INT64_C(60000000000) : 1000;
    if (head[1] & 64)
        *now = head[1] & 32 ? -SHARD_TIME_MAX : SHARD_TIME_MAX;
    p.time_ns = *now = shard_time(*now);
    p.tuple = (struct tuple){ .source = { 10, 0, 0, 1 }, .destination = { 10, 0, 0, 2 }, .source_port = (uint16_t)(1000 + which / 8), .destination_port = ports[which % 8], .version = 4, .transport = control & 16 ? 17 : 6 };
    if (side) {
        struct tuple t = p.tuple;
        memcpy(p.tuple.source, t.destination, 16);
        memcpy(p.tuple.destination, t.source, 16);
        p.tuple.source_port = t.destination_port;
        p.tuple.destination_port = t.source_port;
    }
    p.hash = shard_hash(&p.tuple);
    p.flags = (uint8_t)((control & 2 ? 2u : 0) | (control & 4 ? 1u : 0) | (control & 8 ? 4u : 0) | (control & 2 && !side ? 0u : 16u));
    p.seq = flow->seq[side] + (control & 64 ? (uint32_t)(int8_t)head[2] : 0);
    p.ack = flow->seq[!side];
    if (head[2] == 255) /* cut by the capture */
        p.payload += 100;
    flow->seq[side] += p.payload + ((control & 6) != 0);
    if (!(control & 32) && shard_packet(shard, &p) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct flow flows[16];
    struct shard *shard;
    struct shard_options options = { .redact = REDACT_ON, .limits = { .bytes = 256 * 1024, .connections = 12 } };
    struct shard_sink sink = { take_entry, take_view, NULL };
    int64_t now = INT64_C(1767225600000000000);
    uint32_t number = 0;
    memset(flows, 0xf0, sizeof flows); /* numbers wrap soon */
    if (shard_new(0, &options, &sink, &shard) < 0)
        return 0;
    while (size >= 4) {
        uint32_t n = data[3] < size - 4 ? data[3] : (uint32_t)(size - 4);
        uint8_t *copy = malloc(n ? n : 1);
        if (!copy)
            break;
        memcpy(copy, data + 4, n);
        feed(shard, flows, data, copy, n, ++number, &now);
        free(copy);
        data += 4 + n;
        size -= 4 + n;
    }
    if (shard_finish(shard) < 0)
        abort();
    shard_free(shard);
    return 0;
}
