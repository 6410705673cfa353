/* One capture file from many segments: a streaming merge by time, cut exactly to a window, with filters, in bounded memory.
 *
 *   parts -> index: which blocks reach into the window -> read, check hash, decode, cut, filter
 *         -> merge by (time, node, lane, sequence, position) -> pcapng or pcap
 *
 * The order is exact: a block is read before the first packet at or behind its least timestamp is written, so only blocks that overlap are
 * in memory, whatever the disorder inside them. Where those would need more than memory_bytes_max, groups of blocks are merged into
 * temporary runs first, and the runs then; the bytes that come out are the same.
 *
 * What comes out: packets with from_ns <= time <= to_ns (both ends belong to the window); no canaries; with pcapng one interface for each
 * (node, interface name, link type), described as "node <name>", flags and drop counts as recorded, operating-system events in their place,
 * and interface statistics behind the packets when whole sealed segments are exported without a filter. A BPF filter, a connection or a link type
 * speaks of packets: with one, events are left out. pcap (nanoseconds) has neither interfaces nor events, and holds one link type.
 *
 * An export belongs to one thread at a time; different ones are independent. Source: draft-ietf-opsawg-pcapng, draft-ietf-opsawg-pcap. */
#ifndef SNAPSHOTTER_EXPORT_EXPORT_H
#define SNAPSHOTTER_EXPORT_EXPORT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define EXPORT_ERROR_TEXT_MAX 256
#define EXPORT_MEMORY_BYTES_DEFAULT (512u * 1024 * 1024)
#define EXPORT_MEMORY_BYTES_MIN (8u * 1024 * 1024) /* less is raised to it: a few blocks, or a few runs with their greatest packet */
#define EXPORT_PARTS_MAX 1048576                   /* 256 TiB of whole segments */
#define EXPORT_INTERFACES_MAX 65536                /* of the file that comes out; choose nodes above it */

/* A segment and, at path + ".idx", its index. */
struct export_part {
    const char *object;      /* how an error names it, as "segments/node-a/0-17.pcapng.lz4" */
    const char *node;
    const char *path;
};

enum export_format { EXPORT_PCAPNG, EXPORT_PCAP };

struct connection;
/* All text, the connection and the parts are copied by export_open. */
struct export_options {
    const struct export_part *parts;   /* those of the nodes that were asked for, in any order */
    size_t parts_count;
    int64_t from_ns, to_ns;            /* INT64_MIN and INT64_MAX: open */
    const char *bpf;                   /* pcap-filter(7); NULL or empty: every packet */
    const struct connection *connection; /* its packets alone (connection.h); NULL: every packet */
    enum export_format format;
    /* "EN10MB", "RAW" ...: only packets of this link type. NULL or empty: every one; with EXPORT_PCAP there may then be but one */
    const char *link_type;
    bool dedup;                        /* leave out a packet that was seen on another interface or node less than EXPORT_DEDUP_NS before */
    /* of blocks, runs and tables; the parts' indexes (80 bytes for each 1 MiB block) come on top. 0: EXPORT_MEMORY_BYTES_DEFAULT */
    uint64_t memory_bytes_max;
    const char *work_folder;           /* for runs: unnamed files, gone with the export or the process */
};
/* Long enough for a packet's way through a host, too short for a retransmission (RTO of 200 ms and more). */
#define EXPORT_DEDUP_NS INT64_C(100000000)

struct export_counts {
    uint64_t packets, events, bytes;   /* written so far; bytes of the file */
    uint64_t left_out_filter, left_out_link_type, left_out_copies; /* inside the window */
};

struct export;
/* Reads the indexes, compiles the filter, plans, and looks whether the runs have room: no packet is read yet. -EINVAL: a filter, link type
 * or window that cannot be (several link types for pcap, too); -ENOSPC: no room for runs; -EBADMSG: an index is damaged; -E2BIG; -ENOMEM;
 * -errno of open. error (EXPORT_ERROR_TEXT_MAX) gets a sentence for the user. */
int export_open(const struct export_options *options, struct export **ret, char *error);
/* Up to cap bytes of the file; 0 at its end. -EBADMSG: a block is not what its index says (never are doubtful bytes given out); -EIO,
 * -ENOSPC and others of the file system. After an error every further read gives it again. The first read may take long when there are runs
 * to make. */
ssize_t export_read(struct export *export, void *dst, size_t cap);
/* The sentence that belongs to the last error; names the object. */
const char *export_error(const struct export *export);
void export_counts(const struct export *export, struct export_counts *ret);
bool export_uses_runs(const struct export *export);
/* NULL is fine. */
void export_close(struct export *export);
#endif
