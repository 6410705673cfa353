/* Redis and what speaks its protocol (RESP2, RESP3): one entry per command with its reply, in order; published messages, invalidations and MONITOR's lines are entries of their own, one-way from the server; commands that
 * CLIENT REPLY OFF or SKIP leaves without a reply are one-way from the client. The confirmations of a SUBSCRIBE are its reply, also where RESP3 sends them as pushes. Nothing is read behind a replica's PSYNC. */
#ifndef DISSECTOR_PROTOCOLS_REDIS_H
#define DISSECTOR_PROTOCOLS_REDIS_H
#include "services/dissector/protocols/protocol.h"
extern const struct protocol protocol_redis;
#endif
