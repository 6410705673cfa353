/* An entry on its way from the engine to an output, in memory and in run files. Little-endian machines only; the runs of one job meet only machines of one build.
 *
 *   record = struct record | summary bytes | the request's values | the response's values | zeros up to a multiple of 8 */
#ifndef DISSECTOR_ENTRY_RECORD_H
#define DISSECTOR_ENTRY_RECORD_H
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "services/dissector/entry/message.h"

/* The innermost addresses of a connection. IPv4 in the first four bytes, zeros behind. */
struct tuple {
    uint8_t source[16], destination[16];    /* source: the client */
    uint16_t source_port, destination_port;
    uint8_t version, transport;             /* 4 or 6; 6 or 17 */
    uint16_t zero;
    uint32_t vni;                           /* of VXLAN or Geneve; 0: none */
    uint32_t zero2;
};
static_assert(sizeof(struct tuple) == 48, "no holes: tuples are compared and hashed as bytes");

#define RECORD_ONE_WAY 1u
#define RECORD_FROM_SERVER 2u               /* one-way, and the server sent it */
#define RECORD_MAYBE_COPY 4u
#define RECORD_HAS_REQUEST 8u
#define RECORD_HAS_RESPONSE 16u
#define RECORD_FILLED 32u                   /* of the connection's second dissection, in which other views filled its gaps (engine/filling.h) */
struct record {
    uint32_t size;                          /* all of it, a multiple of 8 */
    uint32_t view;                          /* the observation that it comes from (struct view), numbered within its shard */
    int64_t timestamp_ns;                   /* first byte of the request, or of what there is */
    int64_t elapsed_ns, duration_ns;        /* to the first and to the last byte of the response; 0 without one */
    int64_t connection_ns;                  /* start of the connection */
    struct tuple tuple;
    uint32_t node;                          /* in the plan's list, which is sorted by name */
    uint32_t index;                         /* in the connection */
    uint8_t protocol;                       /* protocol_number() */
    uint8_t flags, incomplete;              /* RECORD_..., enum incomplete */
    uint8_t shard;
    int32_t status;
    struct place request_at, response_at;
    uint32_t summary_size, values_size;
};
static_assert(sizeof(struct record) == 128, "no holes");
#define RECORD_BYTES_MAX (sizeof(struct record) + MESSAGE_SUMMARY_MAX + 2 * MESSAGE_BYTES_MAX + 8)

static inline const char *record_summary(const struct record *r) { return (const char *)(r + 1); }
static inline const uint8_t *record_values(const struct record *r) { return (const uint8_t *)(r + 1) + r->summary_size; }
/* The order of entries: time, node, tuple, connection, index, protocol; and, so that it is one for all, the bytes. */
int record_compare(const struct record *a, const struct record *b);

/* Values by field, borrowed from the record. */
struct value { const uint8_t *data; uint32_t size; int64_t number; };
struct values { uint64_t present; struct value at[DETAIL_FIELDS_MAX]; };
/* -EBADMSG: the record does not hold what it says (it came from a file). */
int record_read_values(const struct record *r, const struct detail *detail, struct values *ret);
/* The same of a record that the engine has made in this process, and that nobody needs to doubt. */
void record_take_values(const struct record *r, const struct detail *detail, struct values *ret);
/* The next text of a LIST, or name and text of a MAP: *at counts from 0; false at the end. */
struct text { const char *data; uint32_t size; };
static inline bool value_next_item(const struct value *value, uint32_t *at, struct text *ret)
{
    uint32_t size;
    if (*at >= value->size)
        return false;
    memcpy(&size, value->data + *at, sizeof size);
    *ret = (struct text){ (const char *)value->data + *at + 4, size };
    *at += 4 + size;
    return true;
}
static inline bool value_next_pair(const struct value *value, uint32_t *at, struct text *ret_name, struct text *ret)
{
    return value_next_item(value, at, ret_name) && value_next_item(value, at, ret);
}

/* One observation of a connection: (node, interface). Finalising chooses among the views of one connection; see work/views.h. */
#define VIEW_CLIENT_ISN 1u
#define VIEW_SERVER_ISN 2u
#define VIEW_WATCHED 4u                     /* its point was recorded for a second before its first payload: see engine/pairing.c */
struct view {
    struct tuple tuple;
    uint64_t point;                         /* hash of node and interface name */
    int64_t first_ns, last_ns;
    uint64_t payload_bytes;                 /* in order, without what was sent again */
    uint64_t client_payload;                /* of that, the client's */
    uint64_t missing_bytes;                 /* gaps */
    uint32_t client_isn, server_isn;        /* where flags say that they were seen */
    uint32_t flags, node;
    struct place first_at, last_at;         /* its first and its last packet, in the order in which they were read */
    uint32_t end, zero;                     /* enum conversation_end */
};
#endif
