/* An L7 protocol is one `const struct protocol`: its file exports exactly that one symbol, protocols/registry.c lists it, tests/golden/ holds its capture and tests/fuzz/fuzz_<name>.c its fuzz target. */
#ifndef DISSECTOR_PROTOCOLS_PROTOCOL_H
#define DISSECTOR_PROTOCOLS_PROTOCOL_H
#include <stdbool.h>
#include <sys/types.h>
#include "services/dissector/engine/conversation.h"
#include "services/dissector/entry/field.h"

/* What the first bytes of one side say. By content first; `port` (one of the protocol's own ports is on the server's, or unknown, side) may tip the scale where the content alone could be something else. */
enum detected {
    DETECT_NO,
    DETECT_MORE,     /* cannot say before there are more bytes than these */
    DETECT_CLIENT,   /* it is the protocol, and a client sent this */
    DETECT_SERVER,
    DETECT_EITHER,   /* it is the protocol; who is the client, the handshake or the ports say */
};
struct sniff {
    const uint8_t *data; size_t size;   /* from the start of a stream, or (started_before) of some packet in it; a whole datagram */
    bool port, datagram;
    bool started_before;                /* no handshake was seen: this may be the middle of something */
};

#define PROTOCOL_PORTS_MAX 8
#define PROTOCOL_FLAGS_MAX 4
struct protocol {
    const char *name;                   /* entry's `protocol`: KFL's upper case */
    const char *flags[PROTOCOL_FLAGS_MAX]; /* query variables that are true for its entries ("http") */
    const struct detail *detail;
    uint16_t ports[PROTOCOL_PORTS_MAX]; /* of servers; hints */
    const struct protocol *carrier;     /* not NULL: found only inside this one, by conversation_switch or message_protocol; then detect (and where it has no stream of its own, parse) may be NULL */
    bool follows;                       /* connections that begin as something unknown go over to it (STARTTLS, SOCKS): its client is looked for at the beginning of later packets */
    bool connection;                    /* its entries tell of whole connections (TCP, UDP): the engine makes them, and no slot below is filled */
    size_t state_size;                  /* conversation_state(): zeroed, one per conversation */
    int64_t idle_ns;                    /* unanswered requests, of streams those with a key, are given up after this; 0: when the conversation is over */

    enum detected (*detect)(const struct sniff *sniff);
    /* A stream protocol: deals with bytes at the front of what one side has sent, in order, without holes. data[0] is the first byte not yet consumed. Returns bytes consumed (1..size); 0: needs more than `size` bytes to
     * go on (called again with more; asking for more than CONVERSATION_UNPARSED_MAX ends in gap()); -EBADMSG: these bytes are not the protocol (the feeder drops what it holds of this side, calls gap() and goes on
     * with the next packet; after CONVERSATION_DESYNCS_MAX of them without a message between, the rest of the conversation is not looked at). */
    int64_t (*parse)(struct conversation *c, enum side side, const uint8_t *data, size_t size);
    /* A datagram protocol: one whole datagram. -EBADMSG: it is not one. NULL: streams only (parse is then needed; both may be there). */
    int (*datagram)(struct conversation *c, enum side side, const uint8_t *data, size_t size);
    /* `lost` bytes of this side are missing before the next parse (0: unknown, see -EBADMSG). Drop or emit (GAP) what was half read, and look for the next whole message from the next call on. Needed with parse. */
    void (*gap)(struct conversation *c, enum side side, uint64_t lost);
    /* This side has said all (FIN): a body that ends with the connection ends here. May be NULL. */
    void (*finish)(struct conversation *c, enum side side);
    /* Bytes that the state holds beside itself: buffers, tables, messages that have not been handed over. Asked after each packet, for the shard's budget; the same for the same packets. NULL: none, ever. */
    size_t (*memory)(const void *state);
    /* The last call: emit what is half done (conversation_end() says why), free what state holds. Unanswered requests are the engine's. May be NULL. */
    void (*close)(struct conversation *c);
};

extern const struct protocol protocol_tcp, protocol_udp; /* connection_fields.c */
extern const struct protocol protocol_dns, protocol_tls;

extern const struct protocol *const protocols[];
extern const size_t protocols_count;
/* -1: not in the registry. The number is what records carry; it is stable within one build alone. */
int protocol_number(const struct protocol *protocol);
/* All that go by this name (HTTP is two parsers), without case: a bit per protocol_number(). 0: none. */
uint64_t protocol_set(const char *name, size_t size);
/* The first of them. NULL: none. */
const struct protocol *protocol_find(const char *name, size_t size);
/* The first thing wrong with the table ("REDIS: no gap"), or NULL. */
const char *protocol_check(void);
#endif
