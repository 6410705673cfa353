/* What a protocol's parser sees of a connection: two streams of bytes without holes (or datagrams), places and times of every byte, messages, and pairing.
 *
 * Borrowed: data is valid during the call. One thread. The engine delivers the two sides in causal order: a packet's bytes come after everything that their sender had acknowledged. */
#ifndef DISSECTOR_ENGINE_CONVERSATION_H
#define DISSECTOR_ENGINE_CONVERSATION_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "services/dissector/entry/message.h"

#define CONVERSATION_UNPARSED_MAX (1024u * 1024)  /* bytes of one side kept for a parser that needs more */
#define CONVERSATION_UNANSWERED_MAX 4096u         /* requests of one conversation; beyond it the oldest goes out as EVICTED */
#define CONVERSATION_UNANSWERED_BYTES_MAX (4u * 1024 * 1024) /* of them; likewise */
#define CONVERSATION_DESYNCS_MAX 8u
#define CONVERSATION_BODY_MAX (64u * 1024)        /* of a body, as kept; sizes count all of it */
#define CONVERSATION_HEADERS_MAX (64u * 1024)     /* of a header list */

enum side { SIDE_CLIENT, SIDE_SERVER };
static inline enum side side_other(enum side side) { return side == SIDE_CLIENT ? SIDE_SERVER : SIDE_CLIENT; }

enum conversation_end { END_NOT_YET, END_CLOSED /* FIN, RST or a quiet datagram exchange */, END_IDLE, END_INPUT /* the capture ended first */, END_EVICTED };

struct conversation;
struct protocol;
void *conversation_state(struct conversation *c);
enum conversation_end conversation_end(const struct conversation *c);
bool conversation_started_before(const struct conversation *c);   /* nothing of a handshake was seen */
bool conversation_on_port(const struct conversation *c, uint16_t port); /* the server's (or, where it is not known who that is, either) port */
bool conversation_to_group(const struct conversation *c);          /* the server is a group of hosts (IP multicast) */
enum redact_level conversation_redact(const struct conversation *c);

/* A new message whose first byte is at `first`, a pointer into the data of this very call. Never NULL: without memory it is a shared one that takes nothing and is dropped. */
struct message *conversation_message(struct conversation *c, enum side side, const uint8_t *first);
/* The message's last byte is at `last`, in the data of this very call. May be said again later: the last word counts. */
void conversation_last(struct conversation *c, enum side side, struct message *m, const uint8_t *last);

/* When the byte at `at`, in the data of this very call, was captured. */
int64_t conversation_time(const struct conversation *c, enum side side, const uint8_t *at);

/* For bytes that are not in the call's data, but come out of it (decompressed): until it is said again, or the call ends, every `first` and `last` of this side stands for these two, which are in the data. NULL: as before. */
void conversation_pin(struct conversation *c, enum side side, const uint8_t *first, const uint8_t *last);

/* These take the message over. The engine emits one entry for a request with its response, for a push, and for what stays alone (NO_RESPONSE or what the reason was, NO_REQUEST).
 * In order (KEY_IN_ORDER): a response answers the oldest unanswered request that it can answer: the request's last byte had been received when the response began; with another key: the oldest with that key.
 * After a gap nothing is paired that might be another's. */
#define KEY_IN_ORDER UINT64_MAX
void conversation_request(struct conversation *c, struct message *m, uint64_t key);
void conversation_response(struct conversation *c, struct message *m, uint64_t key);
/* One-way: an announcement, an alert, a published message. `side` sent it. */
void conversation_push(struct conversation *c, enum side side, struct message *m);
/* A pair that the parser has matched itself; either may be NULL. */
void conversation_pair(struct conversation *c, struct message *request, struct message *response);
void conversation_drop(struct conversation *c, struct message *m); /* NULL is fine */

/* From gap() alone, before it hands anything over: all that is lost lies inside the message under way (its length says so). No other message is missing, and pairing goes on as if there were no gap. */
void conversation_gap_inside(struct conversation *c, enum side side);

/* The request that a response beginning now would answer, in order or by key; NULL: none. Borrowed until the next call here. Parsers read its tag, and may write values into it. */
struct message *conversation_oldest(struct conversation *c, uint64_t key);
/* How many requests wait. */
uint32_t conversation_unanswered(const struct conversation *c);

/* From the bytes behind those that this call consumes (of this side; of the other, from its next byte on), the conversation is `next`'s. The old state is closed after this call returns; what it left unanswered is emitted. */
/* Returns next's state, zeroed, for what it must know from the start (its header says which); NULL where it has none or there is no memory. */
void *conversation_switch(struct conversation *c, const struct protocol *next);
/* The same with whatever the next bytes look like (CONNECT, STARTTLS). */
void conversation_detect_again(struct conversation *c);
/* The rest cannot be read (encrypted): nothing more is kept of it. */
void conversation_ignore(struct conversation *c);
#endif
