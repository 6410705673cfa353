/* Who an address is at a moment: its text, and the DNS name under which the asking client knew it. Names are valid from the answer for max(TTL, 60 s), for the client that asked. Entries come in the order of time. */
#ifndef DISSECTOR_WORK_PEERS_H
#define DISSECTOR_WORK_PEERS_H
#include "services/dissector/output/output.h"

#define PEERS_NAMES_MAX 262144u         /* (client, address) pairs remembered; beyond it the oldest half is forgotten */
#define PEERS_KNOWN_MAX 262144u         /* ends, each an address with a name: half a KiB */
#define PEERS_NAME_TTL_MIN_S 60

struct peers;
int peers_new(struct peers **ret);
/* A DNS entry's answers, for what comes after it. */
int peers_learn(struct peers *peers, const struct entry *dns);
/* Fills both ends of the record; texts live as long as peers. -ENOMEM. */
int peers_find(struct peers *peers, const struct record *record, const struct peer **ret_source, const struct peer **ret_destination);
/* Between entries: beyond PEERS_KNOWN_MAX ends all are forgotten, and what peers_find gave before is no more. Their numbers do not come again. */
void peers_trim(struct peers *peers);
void peers_free(struct peers *peers);
#endif
