/* What the map stage leaves of one input, and what the reduce stage reads of many: packets decoded, by shard.
 *
 *   file    = head | chunk ... | table | tail
 *   head    = "TLPART1\0" | input u32 | node u32                                                    16 bytes
 *   chunk   = rows of one shard, in the order of the input; as they are, or one LZ4 block           64 KiB of rows, or one that is longer
 *   table   = (first u32, count u32) of each shard's entries in the list behind, 257 times | entry ...
 *   entry   = offset u64 | size u32 | bytes of its rows u32, 0 where it is no LZ4 block | XXH3-64 of the chunk u64 | order_ns of its first row i64 | rows u32 | 0 u32
 *   tail    = offset of the table u64 | entries u32 | 0 u32 | XXH3-64 of the table u64 | rows u64 | "TLPARTE\0"
 *
 * Little-endian; both ends are of one build. Written under a hidden name and renamed when whole, so that it may be made again at any time. LZ4 costs about as much as decoding,
 * so it is for inputs that are packed themselves: their traffic packs well, and the work folder must hold all of it at once.
 *
 * Shard 256 is of the fragments whose datagrams were not made whole here: those that still waited at the input's end, and those of its first FRAGMENTS_TIMEOUT_NS (which the input before may have begun). The reduce stage puts the
 * fragments of all inputs together, by (order_ns, input), in a decoder of its own, whose key knows the place of observation: so a lane's datagrams go on from segment to segment. What comes out takes its place among
 * the packets by the fragment that made it whole. Each reduce item does so for itself and keeps what is its shards'.
 *
 * A reader checks every hash and every length before it uses anything. Not shared between threads. */
#ifndef DISSECTOR_WORK_PARTITION_H
#define DISSECTOR_WORK_PARTITION_H
#include "services/dissector/engine/shard.h"
#include "services/dissector/flow/decode.h"
#include "services/dissector/work/stages.h"

#define PARTITION_CHUNK_BYTES (64u * 1024)          /* 256 of them are the writer's memory */
#define PARTITION_LEFT_BYTES_MAX (64u * 1024 * 1024)/* of fragments left, in the writer's memory; further ones are dropped and counted */
#define PARTITION_CARRIED_BYTES_MAX (256u * 1024 * 1024) /* of datagrams that several inputs together made whole, in the reader's */
#define PARTITION_MAPPED_MAX 512u                   /* of one reader, for longer than they are read: Linux allows a process 65530 mappings, which up to 64 workers share */
#define PARTITION_ROW_BYTES_MAX (17u * 1024 * 1024) /* a packet is at most a pcapng block of 16 MiB */

struct partition_writer;
/* hidden_path is removed where the writer is freed before it has finished. packed: with LZ4. -errno, -ENOMEM. */
int partition_writer_new(const char *path, const char *hidden_path, uint32_t input, uint32_t node, bool packed, struct partition_writer **ret);
/* order_ns: of the input packet that the packet came from; never less than the one before. */
int partition_write(struct partition_writer *writer, const struct shard_packet *packet, int64_t order_ns);
/* Its data is copied. */
int partition_write_left(struct partition_writer *writer, const struct fragment *fragment);
int partition_writer_finish(struct partition_writer *writer);
uint64_t partition_writer_dropped(const struct partition_writer *writer);
void partition_writer_free(struct partition_writer *writer); /* NULL is fine */

struct partition_map_counts { struct input_counters input; struct decode_counters decode; struct fragment_counters fragments; uint64_t left_dropped; struct input_names names; /* the caller's to free */ };
/* The map stage of one input: reads, decodes, writes. problem (INPUT_ERROR_TEXT_MAX, may be NULL): what is not whole in the input, or "". progress may be NULL, and counts packets' bytes of the input's.
 * leave_out: an input that cannot be opened gives an empty file and a problem. -ECANCELED; -errno with a sentence in error (STAGE_ERROR_TEXT_MAX) where the input cannot be opened or the file cannot be written. */
int partition_map(const struct input *input, uint32_t number, bool leave_out, const char *path, const char *hidden_path, const struct stage_progress *progress, struct partition_map_counts *ret, char *problem, char *error);

/* Partitions read together. */
struct partition_set;
/* paths: in any order, of different inputs. first .. first + count - 1: the shards that will be read. -EBADMSG: one is damaged (ret_bad, which may be NULL, says which path); -errno, -ENOMEM. */
int partition_set_open(const char *const *paths, uint32_t paths_count, uint32_t first, uint32_t count, struct partition_set **ret, uint32_t *ret_bad);
/* Begins with a shard, of those; the one before ends. -ENOMEM. */
int partition_set_begin(struct partition_set *set, uint32_t shard);
/* The shard's next packet, by (order_ns, input): 1, borrowed until the next call; 0: there is none; -EBADMSG: a chunk is damaged. */
int partition_set_next(struct partition_set *set, struct shard_packet *ret);
/* Of the shards: rows in all (for progress), and TCP and UDP packets that fragments of several inputs made whole. */
uint64_t partition_set_rows(const struct partition_set *set);
void partition_set_carried(const struct partition_set *set, uint64_t *ret_tcp, uint64_t *ret_udp);
void partition_set_free(struct partition_set *set);
#endif
