/* What the files of the engine share. Nobody else includes this.
 *
 *   shard.c       connections by tuple and point, their timers and their eviction
 *   segments.c    TCP: in order, without holes, cause before effect (the copies of packets that wait)
 *   filling.c     bytes of other views where a hole would be; strip.c keeps them
 *   feed.c        bytes to parsers, what they leave over, gaps
 *   detect.c      whose parser
 *   pairing.c     requests and responses
 *   emit.c        messages to records
 *   connection.c  the entry of the connection itself */
#ifndef DISSECTOR_ENGINE_INTERNAL_H
#define DISSECTOR_ENGINE_INTERNAL_H
#include "services/dissector/engine/conversation.h"
#include "services/dissector/engine/shard.h"
#include "services/dissector/protocols/protocol.h"

/* Packet times, see the shared limits: a connection that says nothing for this long is over. */
#define IDLE_TCP_NS INT64_C(300000000000)
#define IDLE_HALF_OPEN_NS INT64_C(60000000000)
#define IDLE_CLOSED_NS INT64_C(5000000000)
#define IDLE_UDP_NS INT64_C(60000000000)
#define STREAM_START (UINT64_C(1) << 20) /* offset of a stream's first byte: a stream known by acknowledgements alone may turn out to begin a little before */
#define DETECT_BYTES_MAX 8192u      /* of one side, before a stream is taken for unknown */
#define DETECT_TRIES_MAX 64u        /* packets of a stream without a beginning that are looked at */
#define SWITCHES_MAX 16u            /* from one parser to the next: a proxy, STARTTLS, an upgrade; a tunnel in a tunnel in a ... is no traffic, and each is looked at inside of the call for the one around it */
#define PATIENCE_PACKETS 24u        /* that pass while a hole which the receiver has acknowledged, or a cause, is waited for */
#define JUMP_MAX (1 << 30)          /* RFC 7323: no window is larger; a sequence number further away is not of this connection */
#define WAITING_BYTES_MAX (1024u * 1024) /* held of one side behind a hole: a receive window's order */
#define WAITING_PACKETS_MAX 2048u   /* and in so many packets at most: each that comes in no order looks for its place among them */
#define MARKS_MAX 32768u            /* packets whose bytes are held of one side: a MiB of them in packets of 32 bytes */
#define DETECTED_MAX 4u             /* protocols of one connection that its entry names */

/* Bytes from `offset` on came with this packet. */
struct mark { uint64_t offset, acked; int64_t time_ns; struct place place; };

/* A packet that waits: for those before it, or for what its sender had seen of the other side. */
struct waiting { struct waiting *next; uint64_t offset, acked; uint32_t captured, payload; int64_t time_ns; struct place place; uint8_t data[]; };

/* One direction. Direction 0 is that of the SYN, or of the first packet seen. */
struct stream {
    /* feed.c: what the parser has left over */
    uint8_t *held; uint32_t held_size, held_room;
    struct mark *marks; uint32_t marks_count, marks_room; /* of the held bytes, in order */
    uint32_t looked;                /* of them, those at which nothing begins that follows what is nobody's (detect.c) */
    struct mark now;                /* of the packet being fed */
    const uint8_t *base; uint64_t base_offset; /* of the data in the call under way */
    const uint8_t *pin_first, *pin_last; /* places in it that stand for all others; NULL: none */
    uint64_t fed;                   /* offset behind the last byte given to the feeder */
    uint64_t gap_end;               /* offset behind the last gap, and behind what the parser skipped to find its way; 0: none */
    bool gap_open;                  /* no message has begun since */
    bool finished;
    /* segments.c */
    bool known, soft;               /* seq is known; only from the other side's acknowledgements */
    bool syn, fin, fin_fed, isn_known;
    uint32_t isn, seq;              /* seq: that of the byte at `fed` */
    uint64_t acked;                 /* greatest offset that the other side has acknowledged */
    uint64_t fin_offset;
    struct waiting *waiting;        /* by offset */
    struct waiting *waiting_last;   /* the one that came last, behind which the next most often belongs; NULL: it is gone */
    uint32_t waiting_bytes, waiting_count;
    uint8_t window_scale;
    /* the connection's entry */
    uint64_t packets, bytes, payload, retransmitted, out_of_order, zero_windows, keep_alives, missing;
};

enum timer { TIMER_TCP, TIMER_HALF_OPEN, TIMER_CLOSED, TIMER_UDP, TIMERS };

/* What a gap changes, as it was, for the parser that knows the gap to lie inside one message. */
struct before_gap { uint64_t gap_end, answered_acked; bool gap_open, unsure; };

struct conversation {
    struct shard *shard;
    struct conversation *next_in_bucket;
    struct conversation *older, *newer; /* in the timer's list */
    uint64_t hash, point;
    struct tuple tuple;             /* source: direction 0's sender */
    uint32_t node, view;
    int64_t joined_ns;              /* last_ns when it came to its place in the timer's list, which is in this order */
    uint8_t timer;
    bool tcp;
    bool swapped;                   /* the client is direction 1 */
    bool side_known;                /* by handshake or by content */
    bool handshake;                 /* direction 0 sent a SYN */
    bool from_start;                /* one of its two packets was seen: nothing was said before */
    bool ignored;                   /* nothing more is parsed */
    bool parsing;                   /* a call into the protocol is under way */
    bool detect_again;
    bool strange;                   /* its beginning is nobody's: only what may follow that is looked for */
    bool unsure;                    /* pairing after a gap of the client's side: a lost request may be answered still */
    bool watched;                   /* its point was recorded for a second when its first payload came, and nothing was forgotten */
    struct before_gap before_gap;
    uint8_t end;                    /* enum conversation_end */
    uint8_t reset;                  /* 1 + direction that sent RST */
    uint8_t switches, desyncs, detect_tries, detect_no; /* detect_no: bit per direction that is nobody's */
    uint8_t detected_count;
    const struct protocol *detected[DETECTED_MAX];
    const struct protocol *protocol, *switch_to;
    uint64_t skip;                  /* of the protocol's fields: message.skip */
    void *state, *switch_state;
    struct stream streams[2];
    uint32_t stalled;               /* packets since something has been waiting and nothing went on */
    uint64_t stalled_fed;
    int64_t first_ns, last_ns, synack_ns, established_ns;
    struct place first_at, last_at;
    uint32_t entries;
    uint64_t answered_acked;        /* what the last response since the gap had acknowledged */
    struct message *pending_first, *pending_last;
    uint32_t pending_count;
    uint64_t pending_bytes;         /* of those messages */
    uint64_t parser_bytes;          /* its state, and what that held after the last packet */
    struct filling *filling;        /* NULL: its view is all there is */
};

struct shard {
    uint8_t number;
    struct shard_options options;
    struct shard_sink sink;
    int failed;                     /* the sink's word; ends everything */
    struct shard_counters counters;
    struct conversation **buckets; uint32_t buckets_count, connections;
    struct { struct conversation *oldest, *newest; } timers[TIMERS];
    int64_t now_ns;                 /* greatest packet time */
    int64_t looked_ns;              /* timers were looked at */
    uint64_t held_bytes;            /* of all connections: themselves, their parsers' memory, requests without an answer, packets that wait, bytes that are not parsed yet */
    uint32_t views;
    struct message_pool *pool, own;
    struct message nothing;         /* where there is no memory for one */
};

static inline unsigned direction_of(const struct conversation *c, enum side side) { return (unsigned)side ^ c->swapped; }
static inline enum side side_of(const struct conversation *c, unsigned direction) { return (enum side)(direction ^ c->swapped); }

/* feed.c. In order and without holes: bytes, a gap, the end of a direction, the end of all. */
void feed_bytes(struct conversation *c, unsigned direction, const uint8_t *data, uint32_t size, const struct mark *mark);
void feed_datagram(struct conversation *c, unsigned direction, const uint8_t *data, uint32_t size, const struct mark *mark);
void feed_gap(struct conversation *c, unsigned direction, uint64_t lost);
void feed_finish(struct conversation *c, unsigned direction);
/* What its parser holds now goes into the shard's budget. */
void feed_count(struct conversation *c);
void feed_close(struct conversation *c, enum conversation_end end);
/* Keeps bytes (those at offset mark->offset on) behind what is held. False: no memory, or too many. */
bool feed_hold(struct conversation *c, unsigned direction, const uint8_t *data, uint32_t size, const struct mark *mark);
void feed_drop_held(struct conversation *c, unsigned direction, uint32_t size);
/* Hands what is held to the parser. */
void feed_held(struct conversation *c, unsigned direction);
/* state: zeroed or filled already, taken over; NULL: made here. */
void feed_open(struct conversation *c, const struct protocol *protocol, void *state);

/* detect.c: no protocol yet. The bytes are held already. */
void detect_stream(struct conversation *c, unsigned direction);
/* False: nobody's. */
bool detect_datagram(struct conversation *c, unsigned direction, const uint8_t *data, uint32_t size);

/* segments.c */
void segments_packet(struct conversation *c, unsigned direction, const struct shard_packet *packet);
/* Everything that waits goes out, with gaps where something is missing. */
void segments_flush(struct conversation *c);
void segments_free(struct conversation *c);
/* Bytes of another view, at an offset where none are and none wait: they take the way of those that wait. ack: what their packet acknowledged; NULL: nothing. False: no memory. */
bool segments_supply(struct conversation *c, unsigned direction, uint64_t offset, const uint32_t *ack, const uint8_t *data, uint32_t size, int64_t time_ns, struct place place);

/* The stream begins behind this number, before any packet of it. */
void segments_begin(struct stream *s, uint32_t isn);

/* filling.c, for a conversation that has a filling. `lost` bytes from stream->fed on are not there: how many of them, from the first on, others had; they are supplied now. */
uint64_t filling_fill(struct conversation *c, unsigned direction, uint64_t lost);
/* Whether a view that is not over may have some of them still. */
bool filling_may_come(const struct conversation *c, unsigned direction, uint64_t lost);
/* How many of them nobody has, from the first on. */
uint64_t filling_gap(const struct conversation *c, unsigned direction, uint64_t lost);
/* Behind the last byte that others have, where one of them saw the connection's end; 0: none. */
uint64_t filling_end(const struct conversation *c, unsigned direction);
/* Whether another view saw bytes of this direction at all. */
bool filling_saw(const struct conversation *c, unsigned direction);
/* Bytes supplied so far. */
uint64_t filling_given(const struct conversation *c);

/* pairing.c */
void pairing_gap(struct conversation *c, unsigned direction);
void pairing_close(struct conversation *c);

/* emit.c: takes the messages. reason: for an entry whose messages have none of their own. */
void emit_entry(struct conversation *c, struct message *request, struct message *response, enum incomplete reason, uint8_t flags);
/* Whether its entries go out. */
bool emit_wants(const struct shard *shard, const struct protocol *protocol);
struct message *message_take(struct shard *shard);
void message_give_back(struct shard *shard, struct message *m);

/* connection.c: after feed_close. Gives out the connection's entry and its view. */
void connection_emit(struct conversation *c);
/* The view as it is so far. */
void connection_give_out_view(struct conversation *c);

/* shard.c */
void shard_evict_for(struct shard *shard, const struct conversation *but);
#endif
