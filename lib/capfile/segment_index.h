/* The index beside a segment (.idx): an append-only log of checked records, so that a torn segment can be verified and cut.
 *
 *   file    = header record record ...
 *   header  = magic "TLSEGIDX" | version le32 = 1 | reserved le32 = 0                                  (16 bytes)
 *   record  = type le16 | size le16 (whole record, multiple of 8) | check le32 | payload | zero padding
 *   check   = low 32 bits of XXH3-64 over the record with check taken as 0
 *
 * A block's record is appended only after the block's bytes are written, so every block that has a record is whole.
 * A reader stops at the first record that does not check: what is behind it was never flushed. Little-endian.
 * Encoders write into the caller's memory and never allocate; decoders borrow. Thread-safe. */
#ifndef CAPFILE_SEGMENT_INDEX_H
#define CAPFILE_SEGMENT_INDEX_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_INDEX_HEADER_BYTES 16
#define SEGMENT_INDEX_RECORD_BYTES_MAX 1024
#define SEGMENT_NODE_NAME_MAX 253            /* a DNS name (RFC 1035) */
#define SEGMENT_ID_TEXT_MAX 320
#define SEGMENT_BLOCK_CONTENT_MAX (1024 * 1024) /* RULES: over 4 MiB nothing reads it, 1 MiB compresses as well */

enum segment_block_kind { SEGMENT_BLOCK_HEADER = 1, SEGMENT_BLOCK_DATA = 2, SEGMENT_BLOCK_STATISTICS = 3 };
enum segment_seal_reason {
    SEGMENT_SEAL_SIZE = 1, SEGMENT_SEAL_AGE, SEGMENT_SEAL_PIN, SEGMENT_SEAL_CLOCK, SEGMENT_SEAL_STOP, SEGMENT_SEAL_SALVAGE,
    SEGMENT_SEAL_CUT /* a snapshot's part */
};
enum segment_gap_reason { SEGMENT_GAP_RING = 1, SEGMENT_GAP_DISK = 2, SEGMENT_GAP_NOT_RECORDING = 3 };

enum segment_record_type {
    SEGMENT_RECORD_IDENTITY = 1, SEGMENT_RECORD_BLOCK = 2, SEGMENT_RECORD_INTERFACE = 3, SEGMENT_RECORD_CLOCK = 4,
    SEGMENT_RECORD_GAP = 5, SEGMENT_RECORD_INTERFACE_LEDGER = 6, SEGMENT_RECORD_LEDGER = 7, SEGMENT_RECORD_SEAL = 8,
};

struct segment_identity { uint64_t tape_id, sequence; uint32_t lane; int64_t opened_ns; char node[SEGMENT_NODE_NAME_MAX + 1]; };
struct segment_block {
    uint64_t offset;          /* in the segment file, of the LZ4 block's 4-byte size word */
    uint32_t size;            /* on disk, with the size word */
    uint32_t content_size;    /* pcapng bytes */
    uint64_t hash;            /* XXH3-64 of the `size` bytes on disk */
    int64_t first_ns, last_ns;/* least and greatest timestamp; both 0 where the block has no packet and no event */
    uint64_t disorder_ns;     /* the furthest that a timestamp steps back inside the block */
    uint32_t packets;         /* without canaries */
    uint32_t events, canaries;
    uint8_t kind;             /* enum segment_block_kind */
    bool compressed;
};
struct segment_interface { uint32_t id /* pcapng's, from 0 */, ifindex, link_type /* LINKTYPE_ */; bool canary; char name[32]; };
struct segment_clock { int64_t wall_ns, mono_ns; };
struct segment_gap { int64_t from_ns, to_ns; uint64_t packets; bool count_unknown; uint8_t reason; };
struct segment_interface_ledger {
    uint32_t id;
    uint64_t offered_packets, offered_bytes, written_packets, written_bytes, dropped_packets, filtered_packets;
};
struct segment_ledger {
    uint64_t offered_packets, offered_bytes, written_packets, written_bytes;
    uint64_t dropped_kernel_packets, dropped_disk_packets, filtered_packets, truncated_packets, canaries, events;
};
struct segment_seal {
    uint64_t ordinal, size /* of the segment file */, blocks;
    int64_t first_ns, last_ns, sealed_ns;
    uint64_t hash; /* XXH3-64 over all block hashes in order, le64 each */
    uint8_t reason;
};

struct segment_record {
    enum segment_record_type type;
    union {
        struct segment_identity identity; struct segment_block block; struct segment_interface interface; struct segment_clock clock;
        struct segment_gap gap; struct segment_interface_ledger interface_ledger; struct segment_ledger ledger; struct segment_seal seal;
    };
};

size_t segment_index_put_header(uint8_t *dst);
bool segment_index_is_header(const uint8_t *bytes); /* SEGMENT_INDEX_HEADER_BYTES */
/* XXH3-64 of a block as it is on disk, size word included. 30 GB/s where the processor has AVX-512, 5 GB/s with SSE2 (measured, 1 MiB,
 * cold). */
uint64_t segment_block_hash(const void *data, size_t size);
/* Bytes written, at most SEGMENT_INDEX_RECORD_BYTES_MAX, a multiple of 8. */
size_t segment_index_put(uint8_t *dst, const struct segment_record *record);
/* Reads the record at data. Returns its bytes; 0 at the end or at a torn record (fewer bytes than it says, or a false check); -EBADMSG for
 * a record that checks but whose payload is not of its type (a bug or another version). Unknown types are returned with their number. */
int segment_index_get(const uint8_t *data, size_t size, struct segment_record *ret);

/* A whole index in memory. */
struct segment_index {
    struct segment_identity identity;
    struct segment_block *blocks; size_t blocks_count;
    struct segment_interface *interfaces; size_t interfaces_count;
    struct segment_clock *clocks; size_t clocks_count;
    struct segment_gap *gaps; size_t gaps_count;
    struct segment_interface_ledger *interface_ledgers; size_t interface_ledgers_count;
    struct segment_ledger ledger; bool has_ledger;
    struct segment_seal seal; bool sealed; /* a seal is the last record; what is behind it does not count */
    size_t valid_size;        /* bytes that checked */
};
/* -EBADMSG: no header of ours or no identity record first; -ENOMEM; -E2BIG over SEGMENT_INDEX_BYTES_MAX. */
#define SEGMENT_INDEX_BYTES_MAX (64u * 1024 * 1024)
int segment_index_parse(const void *data, size_t size, struct segment_index **ret);
int segment_index_load(const char *path, struct segment_index **ret);    /* and -errno of open and read */
int segment_index_read(int fd, struct segment_index **ret);              /* from its start; fd stays the caller's */
void segment_index_free(struct segment_index *index);
static inline void segment_index_free_p(struct segment_index **p) { segment_index_free(*p); }

/* "<node>/<16 hex>/<lane>/<sequence>" and back; -EBADMSG. */
void segment_id_format(const struct segment_identity *identity, char *text);
int segment_id_parse(const char *text, struct segment_identity *ret);
/* File names "<lane>-<sequence>.pcapng.lz4"; hidden while written: "." before it. The index has ".idx" behind the whole name. */
#define SEGMENT_FILE_NAME_MAX 64
void segment_file_name(uint32_t lane, uint64_t sequence, char *name);
int segment_file_name_parse(const char *name, uint32_t *ret_lane, uint64_t *ret_sequence); /* -EBADMSG */
#endif
