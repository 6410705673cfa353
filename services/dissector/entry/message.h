/* One half of an entry: a request, a response, or something pushed, as a protocol's parser fills it. Both halves of a pair write fields of the same detail; where both write one, the response's counts (a total).
 *
 *   values = field u8 | value ...        value: INT i64 le | BOOL u8 | TEXT u32 le, bytes | LIST u32 le size, (u32 le, bytes)... | MAP u32 le size, (u32 le, name, u32 le, bytes)...
 *
 * A message belongs to the engine's thread; one comes from conversation_message() and goes to conversation_request(), _response(), _push() or _drop(). Redaction happens here, so that no parser can forget it.
 * Out of memory: the value is left out and message->failed set; the engine counts it. */
#ifndef DISSECTOR_ENTRY_MESSAGE_H
#define DISSECTOR_ENTRY_MESSAGE_H
#include <stdbool.h>
#include "services/dissector/entry/field.h"

enum incomplete { WHOLE, NO_REQUEST, NO_RESPONSE, GAP, TRUNCATED, HPACK, EVICTED, STARTED_BEFORE, ENDS_AFTER, INCOMPLETE_COUNT };
extern const char *const incomplete_names[INCOMPLETE_COUNT]; /* "", "no_request", ... */

enum redact_level { REDACT_OFF, REDACT_ON, REDACT_STRICT };

/* Where stock Wireshark finds a byte: the number of the input and of the frame in that very file, from 1; frame 0: nowhere. */
struct place { uint32_t input, frame; };

struct protocol;
#define MESSAGE_BYTES_MAX (1024u * 1024)    /* values of one message; what does not fit is left out and the message TRUNCATED */
#define MESSAGE_SUMMARY_MAX 256
struct message {
    uint8_t *values;
    uint32_t size, room;
    struct message *next;
    const struct protocol *protocol;        /* the conversation's, unless message_protocol said another (gRPC inside HTTP/2) */
    int64_t first_ns, last_ns;              /* of the first and the last byte */
    struct place at;                        /* of the last byte */
    uint64_t from, to, acked;               /* offsets in its own stream; and how far the other side's stream had been received when it began */
    uint64_t gap_end;                       /* behind the last gap of its own stream before it; 0: none */
    uint64_t key;                           /* pairing */
    uint64_t skip;                          /* bit per field that is not taken: nobody wants it (selection_skipped) */
    int32_t status;                         /* status_code; 0: none */
    uint32_t body_max;                      /* bytes kept of a body; 0: as many as the parser gives */
    uint32_t counted;                       /* the engine's own: bytes of it in the shard's budget while it waits for its response */
    uint32_t tag;                           /* the parser's own (HTTP keeps the method's kind for the response) */
    uint8_t incomplete;                     /* enum incomplete: the first reason wins */
    uint8_t redact;                         /* enum redact_level */
    bool skip_summary;                      /* nobody wants it */
    bool failed;
    uint8_t open_field;
    uint16_t summary_size;
    uint32_t open_at;                       /* of the list or map being written */
    char summary[MESSAGE_SUMMARY_MAX];      /* last: what is read of every message stands together */
};

/* What it takes of a memory budget; 0 for NULL. Not its room, which depends on who used it before. */
static inline size_t message_memory(const struct message *m) { return m ? sizeof *m + m->size : 0; }
/* Before it waits for more packets: room that it has from whoever used it before, and does not need, is given back, so that message_memory() is about the truth. */
void message_fit(struct message *m);

/* Whether a value of the field would be kept: for a parser that would have to work for it. */
static inline bool message_wants(const struct message *m, uint8_t field) { return !(m->skip >> field & 1); }

void message_text(struct message *m, uint8_t field, const void *text, size_t size);
void message_string(struct message *m, uint8_t field, const char *text);
void message_int(struct message *m, uint8_t field, int64_t value);
void message_bool(struct message *m, uint8_t field, bool value);
/* Between open and close only the values of this list or map. An empty one leaves nothing behind. */
void message_open(struct message *m, uint8_t field);
void message_item(struct message *m, const void *text, size_t size);
/* The same name again is joined by ", " only where the caller does so first. */
void message_pair(struct message *m, const void *name, size_t name_size, const void *text, size_t size);
void message_close(struct message *m);
/* A body: UTF-8 as it is, else base64 with "base64" in encoding_field. content_type (may be empty) tells redaction what it reads. */
void message_body(struct message *m, uint8_t field, uint8_t encoding_field, const void *data, size_t size, const char *content_type, size_t content_type_size);
/* The one-line summary; what is already there is replaced, what is too long is cut at a character. Not redacted: give it what was. */
void message_summary(struct message *m, const void *text, size_t size);
void message_incomplete(struct message *m, enum incomplete reason);
void message_protocol(struct message *m, const struct protocol *protocol);
/* Values, summary, times and places of another of the same detail, which stays as it is; protocol and pairing are m's own. */
void message_copy(struct message *m, const struct message *from);
/* Borrowed until the next write; NULL where the field has not been written (TEXT alone). As it was written, redacted. */
const char *message_get_text(const struct message *m, uint8_t field, size_t *ret_size);
#endif
