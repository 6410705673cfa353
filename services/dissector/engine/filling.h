/* A connection that several views saw, dissected once more so that the one which tells has its gaps filled from the others.
 *
 *   packets of the teller  -> segments.c as ever; what is missing there at last is asked of the others, and only what none has is a gap
 *   packets of the others  -> strips of bytes by sequence number (strip.h), compared with every byte that another view brings at the same place
 *
 * The views have the same sequence numbers (work/views.h says which are one connection). The others give bytes and what those acknowledged, nothing else: counts and times are the teller's. A filled byte's time is that of its copy, moved by
 * the difference of the two clocks at a packet that both saw, and kept between the teller's packets around it; its place is that of the copy.
 *
 * Never guessed: a view of which a byte differs from what the teller or another view has is asked no more (both, where neither is the teller). Where it has been believed already, or was the only one, or bytes were taken from a view that
 * nothing proves the same (an equal initial sequence number, an acknowledgement that ends where the other's bytes end, or equal bytes), or where of the teller's own bytes fewer came than the first dissection had, the whole filling counts
 * for nothing: whoever asked keeps what the first dissection said. Its entries carry RECORD_FILLED. */
#ifndef DISSECTOR_ENGINE_FILLING_H
#define DISSECTOR_ENGINE_FILLING_H
#include "services/dissector/engine/shard.h"

#define FILLING_VIEWS_MAX 64u                       /* of one connection: more points than any path has */
#define FILLING_AHEAD_BYTES_MAX (1024u * 1024)      /* kept of one direction of what others have before the teller is there: as much as waits behind a hole */
#define FILLING_BEHIND_BYTES_MAX (256u * 1024)      /* kept of one direction of the teller's, to be compared with others that come later */
#define FILLING_EQUAL_BYTES 16u                     /* equal ones that prove a view the same where no handshake does */
#define FILLER_BYTES_MAX (256u * 1024 * 1024)       /* held for all connections that are open at once; who asks for more is given up */
#define FILLER_CONNECTIONS_MAX 65536u               /* open at once: 256 shards of 256 */

enum filling_outcome { FILLING_GOES_ON, FILLING_DONE, FILLING_DIFFERS, FILLING_UNPROVEN, FILLING_LESS, FILLING_GIVEN_UP };

/* What all fillings share. One thread. sink.view is never called. options->limits: for all of them together; zeros: FILLER_... */
struct filler;
int filler_new(const struct shard_options *options, const struct shard_sink *sink, struct filler **ret);
void filler_free(struct filler *filler); /* its fillings are freed before it; NULL is fine */

struct filling;
/* views[0] tells; it is `number` of `shard`. At least two, at most FILLING_VIEWS_MAX. -ENOMEM; -ENOSPC: too many are open. */
int filling_new(struct filler *filler, const struct view *views, uint32_t count, uint8_t shard, uint32_t number, struct filling **ret);
/* The view's next packet, in the order in which they are read; last: there is no other. When all are over its entries have come out. What the sink said, otherwise 0. */
int filling_packet(struct filling *filling, uint32_t view, const struct shard_packet *packet, bool last);
enum filling_outcome filling_outcome(const struct filling *filling);
/* How often views contradicted each other. */
uint32_t filling_contradicted(const struct filling *filling);
/* Bytes that a view gave. */
uint64_t filling_from(const struct filling *filling, uint32_t view);
void filling_free(struct filling *filling); /* NULL is fine */
#endif
