#include "capfile/segment_index.h"
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h> /* after xxhash.h: XXH3_64bits then takes the widest vectors that the processor has */
#endif
#include "bytes/cursor.h"

#define RECORD_HEAD_BYTES 8
#define FLAG_COMPRESSED 1u
#define FLAG_CANARY 1u
#define FLAG_COUNT_UNKNOWN 1u

static const uint8_t index_header[SEGMENT_INDEX_HEADER_BYTES] = { 'T', 'L', 'S', 'E', 'G', 'I', 'D', 'X', 1 };

uint64_t segment_block_hash(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}

/* Each payload is described once, in the order of its bytes; the same walk writes and reads it, so that the two cannot differ. */
struct walk { bool writes; uint8_t *out; struct cursor in; bool bad; };

#define WALK_INTEGER(bits)                                                    \
    static void walk_u##bits(struct walk *w, uint##bits##_t *value)           \
    {                                                                         \
        if (!w->writes) {                                                     \
            *value = cursor_le##bits(&w->in);                                 \
            return;                                                           \
        }                                                                     \
        uint##bits##_t little = htole##bits(*value);                          \
        memcpy(w->out, &little, sizeof little);                               \
        w->out += sizeof little;                                              \
    }
WALK_INTEGER(16)
WALK_INTEGER(32)
WALK_INTEGER(64)

static void walk_u8(struct walk *w, uint8_t *value)
{
    if (w->writes)
        *w->out++ = *value;
    else
        *value = cursor_u8(&w->in);
}

static void walk_i64(struct walk *w, int64_t *value)
{
    uint64_t bits = (uint64_t)*value;
    walk_u64(w, &bits);
    *value = (int64_t)bits;
}

/* Bytes kept for later: written as 0, and refused otherwise, so that nobody can use them unnoticed. */
static void walk_zero(struct walk *w, size_t bytes)
{
    for (uint8_t zero = 0; bytes-- > 0;) {
        walk_u8(w, &zero);
        w->bad |= zero != 0;
    }
}

static void walk_flag(struct walk *w, uint8_t bit, bool *value)
{
    uint8_t flags = *value ? bit : 0;
    walk_u8(w, &flags);
    w->bad |= (flags & ~bit) != 0;
    *value = (flags & bit) != 0;
}

/* Length le16, then the bytes without NUL. room counts the NUL. */
static void walk_text(struct walk *w, char *text, size_t room)
{
    uint16_t length = w->writes ? (uint16_t)strnlen(text, room - 1) : 0;
    walk_u16(w, &length);
    if (w->writes) {
        memcpy(w->out, text, length);
        w->out += length;
        return;
    }
    const uint8_t *bytes = length < room ? cursor_take(&w->in, length) : NULL;
    if (!bytes || memchr(bytes, 0, length)) {
        w->bad = true;
        return;
    }
    memcpy(text, bytes, length);
    text[length] = 0;
}

static void walk_identity(struct walk *w, struct segment_identity *v)
{
    walk_u64(w, &v->tape_id);
    walk_u64(w, &v->sequence);
    walk_i64(w, &v->opened_ns);
    walk_u32(w, &v->lane);
    walk_zero(w, 2);
    walk_text(w, v->node, sizeof v->node);
}

static void walk_block(struct walk *w, struct segment_block *v)
{
    walk_u64(w, &v->offset);
    walk_u64(w, &v->hash);
    walk_i64(w, &v->first_ns);
    walk_i64(w, &v->last_ns);
    walk_u64(w, &v->disorder_ns);
    walk_u32(w, &v->size);
    walk_u32(w, &v->content_size);
    walk_u32(w, &v->packets);
    walk_u32(w, &v->events);
    walk_u32(w, &v->canaries);
    walk_u8(w, &v->kind);
    walk_flag(w, FLAG_COMPRESSED, &v->compressed);
    walk_zero(w, 2);
}

static void walk_interface(struct walk *w, struct segment_interface *v)
{
    walk_u32(w, &v->id);
    walk_u32(w, &v->ifindex);
    walk_u32(w, &v->link_type);
    walk_flag(w, FLAG_CANARY, &v->canary);
    walk_zero(w, 1);
    walk_text(w, v->name, sizeof v->name);
}

static void walk_clock(struct walk *w, struct segment_clock *v)
{
    walk_i64(w, &v->wall_ns);
    walk_i64(w, &v->mono_ns);
}

static void walk_gap(struct walk *w, struct segment_gap *v)
{
    walk_i64(w, &v->from_ns);
    walk_i64(w, &v->to_ns);
    walk_u64(w, &v->packets);
    walk_u8(w, &v->reason);
    walk_flag(w, FLAG_COUNT_UNKNOWN, &v->count_unknown);
    walk_zero(w, 6);
}

static void walk_interface_ledger(struct walk *w, struct segment_interface_ledger *v)
{
    walk_u32(w, &v->id);
    walk_zero(w, 4);
    walk_u64(w, &v->offered_packets);
    walk_u64(w, &v->offered_bytes);
    walk_u64(w, &v->written_packets);
    walk_u64(w, &v->written_bytes);
    walk_u64(w, &v->dropped_packets);
    walk_u64(w, &v->filtered_packets);
}

static void walk_ledger(struct walk *w, struct segment_ledger *v)
{
    walk_u64(w, &v->offered_packets);
    walk_u64(w, &v->offered_bytes);
    walk_u64(w, &v->written_packets);
    walk_u64(w, &v->written_bytes);
    walk_u64(w, &v->dropped_kernel_packets);
    walk_u64(w, &v->dropped_disk_packets);
    walk_u64(w, &v->filtered_packets);
    walk_u64(w, &v->truncated_packets);
    walk_u64(w, &v->canaries);
    walk_u64(w, &v->events);
}

static void walk_seal(struct walk *w, struct segment_seal *v)
{
    walk_u64(w, &v->ordinal);
    walk_u64(w, &v->size);
    walk_u64(w, &v->blocks);
    walk_i64(w, &v->first_ns);
    walk_i64(w, &v->last_ns);
    walk_i64(w, &v->sealed_ns);
    walk_u64(w, &v->hash);
    walk_u8(w, &v->reason);
    walk_zero(w, 7);
}

/* False: a type that this version does not know. */
static bool walk_payload(struct walk *w, struct segment_record *record)
{
    switch (record->type) {
    case SEGMENT_RECORD_IDENTITY: walk_identity(w, &record->identity); return true;
    case SEGMENT_RECORD_BLOCK: walk_block(w, &record->block); return true;
    case SEGMENT_RECORD_INTERFACE: walk_interface(w, &record->interface); return true;
    case SEGMENT_RECORD_CLOCK: walk_clock(w, &record->clock); return true;
    case SEGMENT_RECORD_GAP: walk_gap(w, &record->gap); return true;
    case SEGMENT_RECORD_INTERFACE_LEDGER: walk_interface_ledger(w, &record->interface_ledger); return true;
    case SEGMENT_RECORD_LEDGER: walk_ledger(w, &record->ledger); return true;
    case SEGMENT_RECORD_SEAL: walk_seal(w, &record->seal); return true;
    }
    return false;
}

/* What no true record says. */
static bool record_sane(const struct segment_record *record)
{
    const struct segment_block *block = &record->block;
    switch (record->type) {
    case SEGMENT_RECORD_BLOCK:
        return block->kind >= SEGMENT_BLOCK_HEADER && block->kind <= SEGMENT_BLOCK_STATISTICS && block->size > 4 &&
               block->content_size > 0 && block->content_size <= SEGMENT_BLOCK_CONTENT_MAX && block->size - 4 <= block->content_size &&
               block->first_ns <= block->last_ns && block->offset <= INT64_MAX - UINT32_MAX;
    case SEGMENT_RECORD_GAP: return record->gap.from_ns <= record->gap.to_ns;
    case SEGMENT_RECORD_SEAL: return record->seal.reason >= SEGMENT_SEAL_SIZE && record->seal.reason <= SEGMENT_SEAL_CUT;
    default: return true;
    }
}

/* The check is taken with its own four bytes as 0. */
static uint32_t record_check(const uint8_t *record, size_t size)
{
    uint8_t copy[SEGMENT_INDEX_RECORD_BYTES_MAX];
    memcpy(copy, record, size);
    memset(copy + 4, 0, 4);
    return (uint32_t)segment_block_hash(copy, size);
}

size_t segment_index_put_header(uint8_t *dst)
{
    memcpy(dst, index_header, sizeof index_header);
    return sizeof index_header;
}

bool segment_index_is_header(const uint8_t *bytes)
{
    return memcmp(bytes, index_header, sizeof index_header) == 0;
}

size_t segment_index_put(uint8_t *dst, const struct segment_record *record)
{
    struct segment_record copy = *record;
    struct walk w = { .writes = true, .out = dst + RECORD_HEAD_BYTES };
    bool known = walk_payload(&w, &copy);
    assert(known);
    (void)known;
    while ((w.out - dst) % 8 != 0)
        *w.out++ = 0;
    size_t size = (size_t)(w.out - dst);
    assert(size <= SEGMENT_INDEX_RECORD_BYTES_MAX);
    uint16_t head[2] = { htole16((uint16_t)record->type), htole16((uint16_t)size) };
    memcpy(dst, head, sizeof head);
    uint32_t check = htole32(record_check(dst, size));
    memcpy(dst + 4, &check, sizeof check);
    return size;
}

int segment_index_get(const uint8_t *data, size_t size, struct segment_record *ret)
{
    struct cursor head = cursor_over(data, size);
    uint16_t type = cursor_le16(&head), bytes = cursor_le16(&head);
    uint32_t check = cursor_le32(&head);
    if (!cursor_ok(&head) || bytes < RECORD_HEAD_BYTES || bytes % 8 != 0 || bytes > SEGMENT_INDEX_RECORD_BYTES_MAX || bytes > size)
        return 0;
    if (check != record_check(data, bytes))
        return 0;
    struct segment_record record;
    memset(&record, 0, sizeof record);
    record.type = (enum segment_record_type)type;
    struct walk w = { .in = cursor_over(data + RECORD_HEAD_BYTES, (size_t)bytes - RECORD_HEAD_BYTES) };
    if (walk_payload(&w, &record)) {
        if (cursor_left(&w.in) < 8) /* the padding */
            walk_zero(&w, cursor_left(&w.in));
        if (w.bad || !cursor_ok(&w.in) || cursor_left(&w.in) != 0 || !record_sane(&record))
            return -EBADMSG;
    }
    *ret = record;
    return bytes;
}
