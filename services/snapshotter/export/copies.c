#include "services/snapshotter/export/copies.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "capfile/segment_index.h"
#include "packet/packet.h"
#include "services/snapshotter/export/export.h"

#define WAYS 8u
#define TUNNELS_MAX 4
#define HEAD_BYTES_MAX 72

enum { PROTO_TCP = 6, PROTO_UDP = 17 };

struct seen { uint64_t key; int64_t time_ns; uint32_t interface; bool used; };
struct copies { uint64_t rows; struct seen *table; };

int copies_new(uint64_t bytes, struct copies **ret)
{
    struct copies *copies = calloc(1, sizeof *copies);
    if (!copies)
        return -ENOMEM;
    copies->rows = bytes / (WAYS * sizeof(struct seen));
    copies->rows = copies->rows ? copies->rows : 1;
    copies->table = calloc(copies->rows * WAYS, sizeof *copies->table);
    if (!copies->table) {
        free(copies);
        return -ENOMEM;
    }
    *ret = copies;
    return 0;
}

void copies_free(struct copies *copies)
{
    if (!copies)
        return;
    free(copies->table);
    free(copies);
}

/* The transport header with its checksum as 0; 0 bytes where there is none to read. */
static uint32_t copy_transport(const struct packet_view *view, const uint8_t *data, uint8_t *dst)
{
    uint32_t size = view->protocol == PROTO_TCP ? 20 : 8, checksum = view->protocol == PROTO_TCP ? 16 : 6;
    if (!view->first_fragment || (view->protocol != PROTO_TCP && view->protocol != PROTO_UDP) || view->end < view->transport_at ||
        view->end - view->transport_at < size)
        return 0;
    memcpy(dst, data + view->transport_at, size);
    memset(dst + checksum, 0, 2);
    return size;
}

static uint64_t packet_key(uint32_t link_type, const uint8_t *data, uint32_t captured)
{
    struct packet_view view, inner;
    if (!packet_parse(link_type, data, captured, &view))
        return segment_block_hash(data, captured);
    for (int i = 0; i < TUNNELS_MAX && packet_parse_inner(&view, data, &inner); i++)
        view = inner;
    uint8_t head[HEAD_BYTES_MAX] = { view.version, view.protocol };
    uint32_t size = 2;
    memcpy(head + size, view.source, 16);
    memcpy(head + size + 16, view.destination, 16);
    size += 32;
    if (view.version == 4)
        memcpy(head + size, data + view.ip_at + 4, 4); /* id, flags, fragment offset */
    size += 4;
    uint32_t transport = copy_transport(&view, data, head + size), payload = view.transport_at + transport;
    size += transport;
    uint64_t parts[2] = { segment_block_hash(head, size), payload < view.end ? segment_block_hash(data + payload, view.end - payload) : 0 };
    return segment_block_hash(parts, sizeof parts);
}

bool copies_seen(struct copies *copies, int64_t time_ns, uint32_t interface, uint32_t link_type, const uint8_t *data, uint32_t captured)
{
    uint64_t key = packet_key(link_type, data, captured);
    struct seen *row = &copies->table[key % copies->rows * WAYS], *oldest = row;
    for (uint32_t i = 0; i < WAYS; i++) {
        if (row[i].used && row[i].key == key && time_ns - row[i].time_ns < EXPORT_DEDUP_NS) {
            if (row[i].interface != interface)
                return true;
            row[i].time_ns = time_ns; /* the same place again: sent twice, not seen twice */
            return false;
        }
        if (!row[i].used || (oldest->used && row[i].time_ns < oldest->time_ns))
            oldest = &row[i];
    }
    *oldest = (struct seen){ .key = key, .time_ns = time_ns, .interface = interface, .used = true };
    return false;
}
