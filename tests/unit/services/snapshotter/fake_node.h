/* A fake node: answers pin and unpin on a real bus and serves real segments over real HTTP, with faults where a test asks for them. Not a capturer: it records nothing. */
#ifndef UNIT_SNAPSHOTTER_FAKE_NODE_H
#define UNIT_SNAPSHOTTER_FAKE_NODE_H
#include "bus/bus.h"
#include "capfile/segment_file.h"
#include "http/server.h"
#include "units/units.h"
#include "wire/wire.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FAKE_SEGMENTS_MAX 16
#define FAKE_TAPE 0x1122334455667788u
#define FAKE_BLOCK_PACKETS 100

struct fake_segment { uint8_t *data, *index; size_t size, index_size; uint64_t sequence, packets; int64_t first_ns, last_ns, opened_ns; bool pinned, unpinned; };
struct fake_node {
    struct bus *bus;
    struct http_server *server;
    struct bus_subscription *pin, *unpin;
    char name[64], token[32];
    struct fake_segment segments[FAKE_SEGMENTS_MAX];
    size_t count;
    pthread_mutex_t lock;
    /* faults */
    atomic_int flip_at;             /* offset in every segment at which one bit is wrong, 0: none */
    atomic_int flip_times;          /* so many answers, then good ones; INT_MAX: for ever */
    atomic_int cut_times;           /* so many bodies end after half */
    atomic_int refuse_times;        /* so many 403, and a new token by then */
    atomic_int gone;                /* 404 for the segment of this sequence + 1 */
    atomic_int slow_us;             /* before each answer with blocks */
    atomic_int pin_room;            /* so many segments fit a pin; 0: all */
    atomic_int slow_pin_us;         /* before a pin is answered */
    atomic_int silent;              /* does not answer pins */
    atomic_int broken_pin;          /* answers nonsense */
    int64_t clock_ns;               /* how far its clock is ahead */
    int64_t oldest_ns;
    atomic_int pins, unpins, sealed, gets;
    int tokens;
};

static inline void fake_put(uint8_t **data, size_t *size, const void *more, size_t n)
{
    *data = realloc(*data, *size + n);
    assert(*data);
    memcpy(*data + *size, more, n);
    *size += n;
}

static inline void fake_record(struct fake_segment *segment, const struct segment_record *record)
{
    uint8_t bytes[SEGMENT_INDEX_RECORD_BYTES_MAX];
    size_t n = segment_index_put(bytes, record);
    fake_put(&segment->index, &segment->index_size, bytes, n);
}

static inline void fake_block(struct fake_segment *segment, struct segment_block *block, const uint8_t *content, size_t size)
{
    static __thread uint8_t bytes[LZ4FRAME_BLOCK_BYTES_MAX];
    size_t n = lz4frame_put_block(bytes, content, size);
    block->offset = segment->size;
    block->size = (uint32_t)n;
    block->content_size = (uint32_t)size;
    block->hash = segment_block_hash(bytes, n);
    block->compressed = (bytes[3] & 0x80) == 0;
    fake_put(&segment->data, &segment->size, bytes, n);
    fake_record(segment, &(struct segment_record){ .type = SEGMENT_RECORD_BLOCK, .block = *block });
}

/* One packet with random bytes behind its number, so that blocks do not vanish under LZ4. */
static inline size_t fake_packet(uint8_t *to, int64_t time_ns, uint32_t number)
{
    uint32_t captured = 600, total = (uint32_t)pcapng_epb_bytes(captured, false);
    uint8_t *data = pcapng_epb_begin(to, total, 1, (uint64_t)time_ns, captured, captured);
    for (uint32_t i = 0; i < captured; i++)
        data[i] = (uint8_t)((number * 2654435761u + i * 40503u) >> 7);
    memcpy(data, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00", 14);
    memcpy(data + 14, &number, sizeof number);
    pcapng_epb_end(data, total, captured, PCAPNG_FLAG_INBOUND, 0);
    return total;
}

/* A whole sealed segment of `blocks` blocks with FAKE_BLOCK_PACKETS packets each, step_ns apart. */
static inline void fake_segment_make(struct fake_node *node, uint64_t sequence, int64_t first_ns, int64_t step_ns, size_t blocks)
{
    static __thread uint8_t content[SEGMENT_BLOCK_CONTENT_MAX];
    struct fake_segment *segment = &node->segments[node->count];
    memset(segment, 0, sizeof *segment);
    struct segment_record record = { .type = SEGMENT_RECORD_IDENTITY, .identity = { .tape_id = FAKE_TAPE, .sequence = sequence, .lane = 0, .opened_ns = first_ns - 1000 } };
    char id[SEGMENT_ID_TEXT_MAX], comment[SEGMENT_ID_TEXT_MAX + 32];
    uint8_t head[64];
    snprintf(record.identity.node, sizeof record.identity.node, "%s", node->name);
    segment_id_format(&record.identity, id);
    snprintf(comment, sizeof comment, "tapeloop segment %s", id);
    fake_put(&segment->index, &segment->index_size, head, segment_index_put_header(head));
    fake_record(segment, &record);
    fake_put(&segment->data, &segment->size, head, lz4frame_put_header(head));
    struct segment_block block = { .kind = SEGMENT_BLOCK_HEADER };
    size_t n = pcapng_put_section(content, comment, NULL, NULL, "test");
    n += pcapng_put_interface(content + n, 1, "lo", PCAPNG_CANARY_DESCRIPTION);
    n += pcapng_put_interface(content + n, 1, "eth0", NULL);
    fake_block(segment, &block, content, n);
    fake_record(segment, &(struct segment_record){ .type = SEGMENT_RECORD_INTERFACE, .interface = { .id = 0, .link_type = 1, .canary = true, .name = "lo" } });
    fake_record(segment, &(struct segment_record){ .type = SEGMENT_RECORD_INTERFACE, .interface = { .id = 1, .link_type = 1, .name = "eth0" } });
    struct segment_block all[64] = { block };
    assert(blocks < 62);
    int64_t time_ns = first_ns;
    for (size_t b = 0; b < blocks; b++) {
        n = 0;
        struct segment_block data = { .kind = SEGMENT_BLOCK_DATA, .first_ns = time_ns, .packets = FAKE_BLOCK_PACKETS };
        for (uint32_t i = 0; i < FAKE_BLOCK_PACKETS; i++, time_ns += step_ns) {
            n += fake_packet(content + n, time_ns, (uint32_t)(sequence * 100000 + b * FAKE_BLOCK_PACKETS + i));
            data.last_ns = time_ns;
        }
        fake_block(segment, &data, content, n);
        all[1 + b] = data;
    }
    segment->packets = blocks * FAKE_BLOCK_PACKETS;
    struct segment_seal seal = { .ordinal = sequence + 1, .blocks = blocks + 1, .first_ns = first_ns, .last_ns = time_ns - step_ns, .sealed_ns = time_ns, .reason = SEGMENT_SEAL_SIZE };
    assert(segment_blocks_hash(all, blocks + 1, &seal.hash) == 0);
    fake_put(&segment->data, &segment->size, head, lz4frame_put_end(head));
    seal.size = segment->size;
    fake_record(segment, &(struct segment_record){ .type = SEGMENT_RECORD_LEDGER, .ledger = { .offered_packets = segment->packets, .written_packets = segment->packets } });
    fake_record(segment, &(struct segment_record){ .type = SEGMENT_RECORD_SEAL, .seal = seal });
    segment->sequence = sequence;
    segment->first_ns = first_ns;
    segment->last_ns = seal.last_ns;
    segment->opened_ns = first_ns - 1000;
    if (node->count == 0)
        node->oldest_ns = first_ns - 1000;
    node->count++;
}

static inline Tapeloop__V1__SegmentSealed *fake_sealed(const struct fake_node *node, const struct fake_segment *segment)
{
    Tapeloop__V1__SegmentSealed *sealed = WIRE_NEW(Tapeloop__V1__SegmentSealed, tapeloop__v1__segment_sealed__descriptor);
    struct segment_identity identity = { .tape_id = FAKE_TAPE, .sequence = segment->sequence };
    char id[SEGMENT_ID_TEXT_MAX];
    snprintf(identity.node, sizeof identity.node, "%s", node->name);
    segment_id_format(&identity, id);
    wire_set_string(&sealed->segment_id, id);
    wire_set_string(&sealed->node, node->name);
    sealed->sequence = segment->sequence;
    sealed->ordinal = segment->sequence + 1;
    sealed->size = segment->size;
    sealed->index_size = segment->index_size;
    sealed->first_ns = segment->first_ns;
    sealed->last_ns = segment->last_ns;
    sealed->opened_ns = segment->opened_ns;
    sealed->ledger = WIRE_NEW(Tapeloop__V1__Ledger, tapeloop__v1__ledger__descriptor);
    sealed->ledger->written_packets = sealed->ledger->offered_packets = segment->packets;
    return sealed;
}

static inline void fake_list(struct fake_node *node, const Tapeloop__V1__PinRequest *request, Tapeloop__V1__PinReply *reply)
{
    int room = atomic_load(&node->pin_room), held = 0;
    for (size_t i = 0; i < node->count; i++)
        held += node->segments[i].pinned && !node->segments[i].unpinned;
    for (size_t i = 0; i < node->count; i++) {
        struct fake_segment *segment = &node->segments[i];
        if (segment->last_ns < request->from_ns || segment->first_ns > request->to_ns || segment->sequence + 1 <= request->after_ordinal)
            continue;
        bool mine = segment->pinned && !segment->unpinned;
        if (room > 0 && !mine && held >= room) {
            Tapeloop__V1__RefusedSegment *refused = WIRE_NEW(Tapeloop__V1__RefusedSegment, tapeloop__v1__refused_segment__descriptor);
            Tapeloop__V1__SegmentSealed *sealed = fake_sealed(node, segment);
            wire_set_string(&refused->segment_id, sealed->segment_id);
            wire_free(sealed);
            wire_set_string(&refused->reason, "no room in this test");
            refused->first_ns = segment->first_ns;
            refused->last_ns = segment->last_ns;
            wire_append(&reply->n_refused, &reply->refused, refused);
            continue;
        }
        if (reply->n_segments == 3) { /* pages of three */
            reply->more_after_ordinal = reply->segments[2]->segment->ordinal;
            break;
        }
        held += !mine;
        segment->pinned = true;
        segment->unpinned = false;
        Tapeloop__V1__PinnedSegment *pinned = WIRE_NEW(Tapeloop__V1__PinnedSegment, tapeloop__v1__pinned_segment__descriptor);
        char url[128];
        snprintf(url, sizeof url, "http://127.0.0.1:%u/segments/0-%llu.pcapng.lz4", http_server_port(node->server), (unsigned long long)segment->sequence);
        pinned->segment = fake_sealed(node, segment);
        wire_set_string(&pinned->url, url);
        wire_set_string(&pinned->token, node->token);
        wire_append(&reply->n_segments, &reply->segments, pinned);
    }
}

static inline void fake_pin(void *context, const struct bus_message *message)
{
    struct fake_node *node = context;
    ProtobufCMessage *decoded = NULL;
    enum wire_format format;
    char error[WIRE_ERROR_TEXT_MAX];
    usleep((useconds_t)atomic_load(&node->slow_pin_us));
    if (atomic_load(&node->silent))
        return;
    if (atomic_load(&node->broken_pin)) {
        bus_reply(node->bus, message, "\xff\xff\xff", 3, true);
        return;
    }
    assert(wire_decode(&tapeloop__v1__pin_request__descriptor, message->data, message->size, "application/protobuf", &decoded, &format, error) == 0);
    Tapeloop__V1__PinRequest *request = (Tapeloop__V1__PinRequest *)decoded;
    Tapeloop__V1__PinReply *reply = WIRE_NEW(Tapeloop__V1__PinReply, tapeloop__v1__pin_reply__descriptor);
    reply->received_ns = reply->replied_ns = units_now_wall_ns() + node->clock_ns;
    wire_set_string(&reply->node, node->name);
    pthread_mutex_lock(&node->lock);
    atomic_fetch_add(&node->pins, 1);
    atomic_fetch_add(&node->sealed, request->seal);
    fake_list(node, request, reply);
    reply->oldest_ns = node->oldest_ns;
    reply->newest_ns = units_now_wall_ns() + node->clock_ns;
    pthread_mutex_unlock(&node->lock);
    void *data = NULL;
    size_t size = 0;
    assert(wire_encode(&reply->base, WIRE_PROTOBUF, &data, &size) == 0);
    bus_reply(node->bus, message, data, size, true);
    free(data);
    wire_free(reply);
    wire_free(request);
}

static inline void fake_unpin(void *context, const struct bus_message *message)
{
    struct fake_node *node = context;
    ProtobufCMessage *decoded = NULL;
    enum wire_format format;
    char error[WIRE_ERROR_TEXT_MAX];
    assert(wire_decode(&tapeloop__v1__unpin_request__descriptor, message->data, message->size, "application/protobuf", &decoded, &format, error) == 0);
    Tapeloop__V1__UnpinRequest *request = (Tapeloop__V1__UnpinRequest *)decoded;
    pthread_mutex_lock(&node->lock);
    atomic_fetch_add(&node->unpins, 1);
    for (size_t i = 0; i < node->count; i++) {
        Tapeloop__V1__SegmentSealed *sealed = fake_sealed(node, &node->segments[i]);
        bool named = request->n_segment_ids == 0;
        for (size_t k = 0; k < request->n_segment_ids; k++)
            named = named || strcmp(request->segment_ids[k], sealed->segment_id) == 0;
        node->segments[i].unpinned |= named && node->segments[i].pinned;
        wire_free(sealed);
    }
    pthread_mutex_unlock(&node->lock);
    wire_free(request);
    bus_reply(node->bus, message, "", 0, true);
}

static inline bool fake_once(atomic_int *times)
{
    int now = atomic_load(times);
    while (now > 0)
        if (now == INT32_MAX || atomic_compare_exchange_weak(times, &now, now - 1))
            return true;
    return false;
}

static inline void fake_serve(void *context, const struct http_request *request, struct http_answer *answer)
{
    struct fake_node *node = context;
    uint32_t lane;
    uint64_t sequence;
    char name[64];
    answer->fd = -1;
    answer->status = 404;
    atomic_fetch_add(&node->gets, 1);
    bool index = strlen(request->path) > 4 && strcmp(request->path + strlen(request->path) - 4, ".idx") == 0;
    snprintf(name, sizeof name, "%.*s", (int)(strlen(request->path + 10) - (index ? 4 : 0)), request->path + 10);
    if (segment_file_name_parse(name, &lane, &sequence) < 0)
        return;
    pthread_mutex_lock(&node->lock);
    bool known = request->token && strcmp(request->token, node->token) == 0;
    const struct fake_segment *segment = NULL;
    for (size_t i = 0; i < node->count; i++)
        if (node->segments[i].sequence == sequence)
            segment = &node->segments[i];
    pthread_mutex_unlock(&node->lock);
    if (!segment || atomic_load(&node->gone) == (int)sequence + 1)
        return;
    if (known && fake_once(&node->refuse_times)) { /* the key was changed */
        pthread_mutex_lock(&node->lock);
        snprintf(node->token, sizeof node->token, "token-%d", ++node->tokens);
        pthread_mutex_unlock(&node->lock);
        known = false;
    }
    if (!known || !request->has_range) {
        answer->status = 403;
        return;
    }
    const uint8_t *from = index ? segment->index : segment->data;
    size_t total = index ? segment->index_size : segment->size;
    uint64_t to = request->to < total ? request->to : total;
    assert(request->from < to);
    size_t size = to - request->from;
    uint8_t *body = malloc(size);
    assert(body);
    memcpy(body, from + request->from, size);
    int flip = atomic_load(&node->flip_at);
    if (!index && flip && (uint64_t)flip >= request->from && (uint64_t)flip < to && fake_once(&node->flip_times))
        body[(uint64_t)flip - request->from] ^= 0x10;
    size_t there = !index && fake_once(&node->cut_times) ? size / 2 : size; /* the connection breaks behind it */
    int fd = memfd_create("segment", MFD_CLOEXEC);
    assert(fd >= 0 && pwrite(fd, body, there, (off_t)request->from) == (ssize_t)there);
    free(body);
    if (!index)
        usleep((useconds_t)atomic_load(&node->slow_us));
    answer->status = 206;
    answer->fd = fd;
    answer->offset = request->from;
    answer->size = size;
    answer->total = total;
}

static inline void fake_heartbeat(struct fake_node *node, int64_t time_ns, const char *label, const char *value)
{
    Tapeloop__V1__NodeHeartbeat *heartbeat = WIRE_NEW(Tapeloop__V1__NodeHeartbeat, tapeloop__v1__node_heartbeat__descriptor);
    char token[BUS_SUBJECT_MAX];
    wire_set_string(&heartbeat->node, node->name);
    wire_set_string(&heartbeat->state, "recording");
    heartbeat->time_ns = time_ns;
    if (label) {
        Tapeloop__V1__NodeHeartbeat__LabelsEntry *entry = WIRE_NEW(Tapeloop__V1__NodeHeartbeat__LabelsEntry, tapeloop__v1__node_heartbeat__labels_entry__descriptor);
        wire_set_string(&entry->key, label);
        wire_set_string(&entry->value, value);
        wire_append(&heartbeat->n_labels, &heartbeat->labels, entry);
    }
    void *data = NULL;
    size_t size = 0;
    uint64_t revision;
    assert(wire_encode(&heartbeat->base, WIRE_PROTOBUF, &data, &size) == 0);
    bus_node_token(node->name, token);
    assert(bus_kv_put(node->bus, "nodes", token, data, size, &revision) == 0);
    free(data);
    wire_free(heartbeat);
}

static inline void fake_node_start(struct fake_node *node, struct bus *bus, const char *name)
{
    char token[BUS_SUBJECT_MAX], subject[BUS_SUBJECT_MAX + 16];
    memset(node, 0, sizeof *node);
    pthread_mutex_init(&node->lock, NULL);
    node->bus = bus;
    snprintf(node->name, sizeof node->name, "%s", name);
    snprintf(node->token, sizeof node->token, "token-0");
    bus_node_token(name, token);
    assert(http_server_start("127.0.0.1", 0, 16, true, fake_serve, node, &node->server) == 0);
    snprintf(subject, sizeof subject, "node.%s.pin", token);
    assert(bus_subscribe(bus, subject, NULL, fake_pin, node, &node->pin) == 0);
    snprintf(subject, sizeof subject, "node.%s.unpin", token);
    assert(bus_subscribe(bus, subject, NULL, fake_unpin, node, &node->unpin) == 0);
    fake_heartbeat(node, units_now_wall_ns(), NULL, NULL);
}

static inline void fake_node_stop(struct fake_node *node)
{
    bus_unsubscribe(node->pin);
    bus_unsubscribe(node->unpin);
    http_server_stop(node->server);
    for (size_t i = 0; i < node->count; i++) {
        free(node->segments[i].data);
        free(node->segments[i].index);
    }
    pthread_mutex_destroy(&node->lock);
}
#endif
