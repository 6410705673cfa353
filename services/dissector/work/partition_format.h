/* How partition files are laid out; partition.h is what others include.
 *
 *   partition_write.c   the writer
 *   partition_map.c     the map stage of one input
 *   partition_read.c    one file: its parts, checked
 *   partition_set.c     many files, merged; fragments carried over */
#ifndef DISSECTOR_WORK_PARTITION_FORMAT_H
#define DISSECTOR_WORK_PARTITION_FORMAT_H
#include <assert.h>
#include "services/dissector/work/partition.h"

#define PARTITION_MAGIC "TLPART1"
#define PARTITION_END_MAGIC "TLPARTE"
#define PARTITION_LEFT SHARDS           /* the number of the fragments' section */
#define PARTITION_SECTIONS (SHARDS + 1)
#define PARTITION_ALIGN 8u

struct partition_head { char magic[8]; uint32_t input, node; };
struct partition_section { uint32_t first, count; };
struct partition_entry { uint64_t offset; uint32_t size, content /* 0: not packed */; uint64_t hash; int64_t order_ns; uint32_t rows, zero; };
struct partition_tail { uint64_t table; uint32_t entries, zero; uint64_t hash, rows; char magic[8]; };
static_assert(sizeof(struct partition_head) == 16 && sizeof(struct partition_entry) == 40 && sizeof(struct partition_tail) == 40, "no holes");

/* Behind it: both addresses (4 or 16 bytes each), the captured payload, zeros up to a multiple of 8. */
struct partition_row {
    uint32_t size, frame;
    int64_t time_ns, order_ns;
    uint64_t point, hash;
    uint32_t seq, ack, captured, payload, vni;
    uint16_t source_port, destination_port, window;
    uint8_t version, transport, flags, window_scale;
    uint8_t watched, zero;
};
static_assert(sizeof(struct partition_row) == 72, "no holes");
/* Behind it: captured bytes, zeros up to a multiple of 8. */
struct partition_left {
    uint32_t size, frame;
    int64_t time_ns, order_ns;
    struct fragment_key key;
    uint32_t offset, length, captured;
    uint8_t protocol, more;
    uint8_t zero[2];
};
static_assert(sizeof(struct partition_left) == 96, "no holes");

/* One file, mapped. */
struct partition {
    const uint8_t *map; size_t size;
    uint32_t input, node, entries;
    uint64_t rows;
    const uint8_t *table;
};
int partition_open(const char *path, struct partition *ret);    /* -EBADMSG, -errno; *ret must not be closed then */
void partition_close(struct partition *partition);
/* data stays the caller's. */
int partition_over(const uint8_t *data, size_t size, struct partition *ret);
struct partition_section partition_section_of(const struct partition *partition, uint32_t section);
/* Entry i of a section. */
struct partition_entry partition_entry_of(const struct partition *partition, struct partition_section section, uint32_t i);
/* The entry's rows, the chunk's hash checked. room: PARTITION_CHUNK_BYTES for those of a packed one, allocated here where it is NULL and needed; the caller frees it. -EBADMSG, -ENOMEM. */
int partition_chunk(const struct partition *partition, const struct partition_entry *entry, uint8_t **room, const uint8_t **ret, uint32_t *ret_size);
/* The row at *at of a chunk of size bytes; moves *at behind it. 1; 0 at the end; -EBADMSG. */
int partition_next_row(const struct partition *partition, const uint8_t *chunk, uint32_t size, uint32_t *at, struct shard_packet *ret, int64_t *ret_order_ns);
int partition_next_left(const uint8_t *chunk, uint32_t size, uint32_t *at, struct fragment *ret);
#endif
