/* The engine of one virtual shard: packets in, entries and views out. A flow always meets the same shard (symmetric hash), a shard has its own memory budget, its own clock (packet time) and its own order of eviction, so that
 * what comes out depends on the shard's packets alone, however the shards are spread over workers. One thread at a time. */
#ifndef DISSECTOR_ENGINE_SHARD_H
#define DISSECTOR_ENGINE_SHARD_H
#include "services/dissector/entry/record.h"
#include "services/dissector/entry/selection.h"

#define SHARDS 256u

/* A TCP segment or UDP datagram, innermost, as its sender sent it. */
struct shard_packet {
    struct tuple tuple;             /* source: the sender */
    uint64_t hash;                  /* symmetric, of the tuple: its low 8 bits are the shard */
    uint64_t point;                 /* hash of node and interface name */
    int64_t time_ns;                /* shard_time() */
    struct place place;
    uint32_t node;                  /* rank of the node's name */
    uint32_t seq, ack;              /* TCP */
    uint16_t window;                /* TCP, not scaled */
    uint8_t flags;                  /* TCP's byte of flags */
    uint8_t window_scale;           /* of a SYN's option; 255: none */
    bool watched;                   /* its point was recorded for a second before it (input/input.h): what did not come since then was not sent */
    uint32_t captured, payload;     /* payload bytes at data; payload bytes on the wire (more where the capture cut them) */
    const uint8_t *data;            /* borrowed for the call */
};
/* A capture may say any time; the engine tells how far times lie apart. What is further from 1970 than a century and a half is cut to that. */
#define SHARD_TIME_MAX (INT64_MAX / 2)
static inline int64_t shard_time(int64_t ns)
{
    return ns > SHARD_TIME_MAX ? SHARD_TIME_MAX : ns < -SHARD_TIME_MAX ? -SHARD_TIME_MAX : ns;
}
/* The same for both directions; not 0. */
uint64_t shard_hash(const struct tuple *tuple);

struct shard_limits {
    uint64_t bytes;                 /* of all connections, with all that is kept of them; exceeded by no more than what one connection may hold by its own limits */
    uint32_t connections;
};
#define SHARD_BYTES_DEFAULT (16u * 1024 * 1024) /* more than the most that one connection may hold: two MiB unparsed, two that wait, and four unanswered or HTTP/2's nine */
#define SHARD_CONNECTIONS_DEFAULT 16384u

/* Messages for use again, and room for the record that goes out. Shards of one thread share one, so that it stays in the processor's cache. Zeroed is empty; message_pool_free() frees what is in it. */
#define MESSAGE_POOL_BYTES_MAX (16u * 1024 * 1024) /* of spare ones; what is more goes back to the system */
struct message_pool { struct message *spare; uint64_t spare_bytes; uint8_t *record; uint32_t record_room; };
void message_pool_free(struct message_pool *pool);

struct shard_options {
    struct message_pool *pool;      /* outlives the shard; NULL: one of its own */
    enum redact_level redact;
    struct shard_limits limits;     /* zeros: the defaults */
    uint32_t body_max;              /* bytes kept of a body; 0: CONVERSATION_BODY_MAX */
    const struct selection *fields; /* of entries; outlives the shard; NULL: all */
    uint64_t protocols;             /* bit per protocol_number(): whose entries go out; all others are dissected no further than they must. 0: all */
};

/* What was read and what was given up. */
struct shard_counters {
    uint64_t packets, payload_bytes, connections, entries;
    uint64_t evicted_connections, evicted_bytes;    /* budget or number exceeded */
    uint64_t gaps, gap_bytes;                       /* missing from the capture, or given up waiting for */
    uint64_t desyncs, unparsed_dropped;             /* a parser lost its way; a message longer than the limit */
    uint64_t requests_evicted;                      /* unanswered ones beyond the limit */
    uint64_t failed;                                /* no memory */
};

/* Takes entries and views; nonzero stops the engine with that (from shard_packet or shard_finish). */
struct shard_sink {
    int (*entry)(void *context, const struct record *record); /* borrowed for the call */
    int (*view)(void *context, uint32_t number, const struct view *view);
    void *context;
};

struct shard;
int shard_new(uint8_t number, const struct shard_options *options, const struct shard_sink *sink, struct shard **ret);
int shard_packet(struct shard *shard, const struct shard_packet *packet);
/* Hints that a packet with this hash is some packets away, so that its memory is in the cache when it comes: the place of its connection, a few packets later the connection, then what its parser knows of it and the request that waits, then that one's values. */
void shard_expect(const struct shard *shard, uint64_t hash);
void shard_expect_soon(const struct shard *shard, uint64_t hash);
void shard_expect_next(const struct shard *shard, uint64_t hash);
void shard_expect_now(const struct shard *shard, uint64_t hash);
/* Gives out the views of all connections that are open, as they are so far: for whoever writes down entries while the input goes on. */
int shard_tell_views(struct shard *shard);
/* The input is over: everything open comes out (ENDS_AFTER). */
int shard_finish(struct shard *shard);
const struct shard_counters *shard_counters(const struct shard *shard);
void shard_free(struct shard *shard);
#endif
