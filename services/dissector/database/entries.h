/* The narrow rows of a database while its entries come in. They are kept until all are there, because only then the numbers are known that make them quick to search: paths by the order of their names, protocols by how
 * often they come. 96 bytes for each and its summary: 112 to 150 MB for a million, beside the dictionary of their paths.
 *
 * Also what they refer to: nodes, segments, peers. One thread. 0 or -errno; nothing here touches a file. */
#ifndef DISSECTOR_DATABASE_ENTRIES_H
#define DISSECTOR_DATABASE_ENTRIES_H
#include "services/dissector/database/detail_row.h"
#include "services/dissector/database/dictionary.h"
#include "services/dissector/database/row.h"
#include "services/dissector/output/output.h"

struct entry_row {
    int64_t timestamp, elapsed, duration;
    uint64_t id, connection;
    uint32_t src, dst, path, node;
    uint32_t request_segment, request_frame, response_segment, response_frame;
    int32_t status;
    uint32_t summary_at;                /* in its chunk's texts */
    uint16_t src_port, dst_port, summary_size;
    uint8_t protocol, incomplete, flags;
};
#define ENTRY_COLUMNS 20u
#define ENTRIES_CHUNK_ROWS 32768u       /* memory comes in pieces of 3 MB, never moved */
#define ENTRIES_CHUNKS_MAX 64u
#define ENTRIES_MAX ((uint64_t)ENTRIES_CHUNKS_MAX * ENTRIES_CHUNK_ROWS)

struct entries_chunk { struct entry_row *rows; char *summaries; uint32_t summaries_size, summaries_room; };
struct entries_peer { uint64_t at; uint32_t number; };
#define PEER_TEXTS 9u
#define PEER_COLUMNS (PEER_TEXTS + 1)
struct entries {
    struct entries_chunk chunks[ENTRIES_CHUNKS_MAX];
    uint64_t count;
    struct dictionary paths, nodes, segments;
    uint32_t *path_order, *path_ranks;  /* after entries_number */
    uint64_t protocol_counts[256];
    uint8_t protocol_ids[256], protocol_order[256], protocols_count; /* after entries_number: the registry's number to the database's, from 1, and back */
    struct entries_peer *peers;
    uint32_t peers_count, peers_room;
    char *peer_texts;                   /* nine, each with its NUL, for each peer */
    uint64_t peer_texts_size, peer_texts_room;
    uint64_t *peer_seen, peer_seen_words; /* a bit for each number */
    struct scratch scratch;
};
/* Zeroed, it is ready. -ENOSPC: ENTRIES_MAX are there. -EOVERFLOW: a peer's number over 32 bits. -EINVAL: the id does not ascend, or the record is not of a registered protocol. */
int entries_add(struct entries *entries, const struct schema *schema, const struct entry *entry, const struct text *path);
/* All are there: the numbers become what the database says. names: protocols, as in the registry. */
int entries_number(struct entries *entries, const struct schema *schema);
/* ENTRY_COLUMNS columns of row `at` (from 0), with the numbers of entries_number. Borrowed. */
static inline struct entry_row *entries_row(const struct entries *entries, uint64_t at) { return &entries->chunks[at / ENTRIES_CHUNK_ROWS].rows[at % ENTRIES_CHUNK_ROWS]; }
void entries_columns(const struct entries *entries, uint64_t at, struct column *columns);
/* PEER_COLUMNS columns of the peer `at`; in the order of their numbers after entries_number. */
void entries_peer_columns(const struct entries *entries, uint32_t at, struct column *columns);
/* Forgets all and keeps the memory. */
void entries_clear(struct entries *entries);
void entries_close(struct entries *entries);
#endif
