/* The compressed protocol, which both sides speak behind a log-in that agreed on it: ordinary packets as a stream, cut into pieces that are compressed one by one, by zlib or zstd.
 *
 *   compressed packet = length u24 | sequence u8 | length before compression u24 (0: this piece is not compressed) | bytes
 *
 * A piece of more than MYSQL_PIECE_MAX bytes is passed over; so is what cannot be decompressed. Messages stand where the pieces do that they begin and end in. Source: dev.mysql.com, "Compressed Packet". */
#ifndef DISSECTOR_PROTOCOLS_MYSQL_COMPRESSED_H
#define DISSECTOR_PROTOCOLS_MYSQL_COMPRESSED_H
#include "services/dissector/protocols/mysql/mysql_state.h"

#define MYSQL_COMPRESSED_HEADER 7u
#define MYSQL_PIECE_MAX (1024u * 1024)  /* compressed, and as much before it: servers send results in pieces of 16 KiB, and what is larger is data that is not kept anyhow */

/* As protocol.parse and protocol.gap. */
int64_t mysql_compressed_parse(struct conversation *c, struct mysql_state *state, enum side side, const uint8_t *data, size_t size);
void mysql_compressed_gap(struct conversation *c, struct mysql_state *state, enum side side, uint64_t lost);
#endif
