/* One Redis conversation, as its two sides share it; all zero at its beginning. redis_client.c and redis_server.c own the halves. */
#ifndef DISSECTOR_PROTOCOLS_REDIS_STATE_H
#define DISSECTOR_PROTOCOLS_REDIS_STATE_H
#include "services/dissector/engine/conversation.h"
#include "services/dissector/protocols/redis/redis_command.h"
#include "services/dissector/protocols/redis/redis_reply.h"

/* message->tag of a request: what the reply needs to know of it. */
#define REDIS_TAG_KIND(tag) ((enum redis_kind)((tag) & 0xff))
#define REDIS_TAG_SECRET 0x100u
#define REDIS_TAG_COUNT_SHIFT 9
#define REDIS_TAG_COUNT_MAX ((1u << 23) - 1)

struct redis_client {
    size_t at;                          /* how far into the unconsumed bytes arguments have been found whole */
    int64_t left;                       /* arguments behind them; 0: the command's header has not been read */
    struct message *message;            /* a long command on its way */
    uint64_t size, skip;                /* its bytes so far, and those of its argument that are still to come */
    enum redis_kind kind;
    bool reply_off, skip_next, multi;
    bool lost, ever;                    /* where a command begins is not known; anything was ever read */
};
struct redis_server {
    struct redis_reply reply;
    struct message *message;
    bool requested;                     /* there was a request for it: its tag and size */
    uint32_t tag;
    uint64_t request_size;
    struct message *confirmation;       /* the first of several */
    uint64_t confirmation_size, confirmation_request_size;
    uint32_t confirmations, confirmation_text_size;
    char confirmation_text[REDIS_REPLY_TEXT_MAX];
    int64_t channels, patterns, shards; /* subscribed to */
    bool monitoring;
    bool over;                          /* what follows is a replica's file and stream */
    bool lost, asked;                   /* where a reply begins is not known; the client has sent a command since */
};
struct redis_state { struct redis_client client; struct redis_server server; bool begun; };

int64_t redis_client_parse(struct conversation *c, struct redis_client *client, struct redis_server *server, const uint8_t *data, size_t size);
void redis_client_gap(struct conversation *c, struct redis_client *client, uint64_t lost);
void redis_client_close(struct conversation *c, struct redis_client *client, enum incomplete reason);
int64_t redis_server_parse(struct conversation *c, struct redis_server *server, const struct redis_client *client, const uint8_t *data, size_t size);
void redis_server_gap(struct conversation *c, struct redis_server *server, uint64_t lost);
void redis_server_close(struct conversation *c, struct redis_server *server, enum incomplete reason);

/* "*3 CRLF $3 CRLF S": 1: a command's beginning, as clients send it; 0: there is not enough to say; -1: no. */
int redis_command_begins(const uint8_t *data, size_t size);
/* The same for a line of bare words whose first is a known verb. */
int redis_inline_begins(const uint8_t *data, size_t size);
/* The same for a reply's first line. */
int redis_reply_begins_here(const uint8_t *data, size_t size);
#endif
