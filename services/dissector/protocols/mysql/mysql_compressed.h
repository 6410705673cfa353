/* The compressed protocol, which both sides speak behind a log-in that agreed on it: ordinary packets as a stream, cut into pieces that are compressed one by one, by zlib or zstd.
 *
 *   compressed packet = length u24 | sequence u8 | length before compression u24 (0: this piece is not compressed) | bytes
 *
 * Of a piece of more than MYSQL_PIECE_MAX bytes the front is read; what is behind it passes uncompressed as the rest of the packet that the front ends in (a long statement or value). Where more packets than that one are in
 * it, it is passed over; so is what cannot be decompressed, and what is beyond the connection's budget: each is a gap to the engine, and the next message is looked for behind it. Messages stand where the pieces do that
 * they begin and end in. Source: dev.mysql.com, "Compressed Packet". */
#ifndef DISSECTOR_PROTOCOLS_MYSQL_COMPRESSED_H
#define DISSECTOR_PROTOCOLS_MYSQL_COMPRESSED_H
#include "services/dissector/protocols/mysql/mysql_state.h"

#define MYSQL_COMPRESSED_HEADER 7u
#define MYSQL_PIECE_MAX (1024u * 1024)  /* compressed, and as much before it: clients and servers send pieces of 16 KiB, unless one value or statement is longer */
#define MYSQL_PIECE_FRONT (192u * 1024) /* of a longer one, with its header: has MYSQL_QUERY_WINDOW in it, and a whole block of zstd */

/* What a few bytes may turn into. Plain bytes of a connection: some for free, and a ratio to the compressed ones beyond. zlib's best is 1032:1, which only data that says next to nothing comes near: that is read for
 * 64 MiB. Messages of each side: some for free (a batch of equal commands in one piece), and one for each compressed byte, as a piece's header alone has seven. */
#define MYSQL_UNPACKED_FREE (UINT64_C(64) * 1024 * 1024)
#define MYSQL_UNPACKED_RATIO 200u
#define MYSQL_MESSAGES_FREE 4096u

/* As protocol.parse and protocol.gap. */
int64_t mysql_compressed_parse(struct conversation *c, struct mysql_state *state, enum side side, const uint8_t *data, size_t size);
void mysql_compressed_gap(struct conversation *c, struct mysql_state *state, enum side side, uint64_t lost);
#endif
