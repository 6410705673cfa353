/* One PostgreSQL conversation, as its two sides share it; all zero at its beginning.
 *
 *   message  = type u8 | length u32, of itself and the body | body          integers in network order
 *   start-up = length u32, of itself and the body | code u32 | body         without a type: its first byte is 0
 *
 * What is answered together is a unit: one Query; or one Execute with the Parse, Bind and Describe before it and the Sync behind it. The server acknowledges each message of a unit (ParseComplete, BindComplete,
 * RowDescription, CommandComplete...) and each Sync by ReadyForQuery; after an error it skips all units up to the next Sync: those form a group. */
#ifndef DISSECTOR_PROTOCOLS_POSTGRESQL_STATE_H
#define DISSECTOR_PROTOCOLS_POSTGRESQL_STATE_H
#include "services/dissector/engine/conversation.h"
#include "services/dissector/protocols/sql_statements.h"

enum {
    POSTGRESQL_COMMAND, POSTGRESQL_QUERY, POSTGRESQL_DATABASE, POSTGRESQL_USER, POSTGRESQL_STATEMENT_ID, POSTGRESQL_REQUEST_SIZE, POSTGRESQL_RESPONSE_SIZE, POSTGRESQL_TOTAL_SIZE,
    POSTGRESQL_SUCCESS, POSTGRESQL_ERROR_CODE, POSTGRESQL_ERROR_MESSAGE, POSTGRESQL_ROWS, POSTGRESQL_COMMAND_TAG,
    POSTGRESQL_FIELDS_COUNT
};

#define POSTGRESQL_NAME_MAX 63          /* NAMEDATALEN - 1 */
#define POSTGRESQL_HEADER 5u
#define POSTGRESQL_MESSAGE_MAX (1u << 30) /* the server's own limit of a message */
#define POSTGRESQL_QUERY_WINDOW (64u * 1024 + 256) /* of a message with SQL, waited for; the rest is only counted */
#define POSTGRESQL_NAMES_WINDOW 512u    /* of a message whose names alone matter */
#define POSTGRESQL_ERROR_WINDOW 8192u   /* of an error or a notice: severity, code and text come first */
#define POSTGRESQL_TEXT_MAX 512         /* of an error's text */
#define POSTGRESQL_TAGS_MAX 256         /* of the joined command tags */

/* Of a unit: the greatest that is in it. */
enum postgresql_kind {
    POSTGRESQL_UNKNOWN, POSTGRESQL_SYNC, POSTGRESQL_CLOSE, POSTGRESQL_DESCRIBE, POSTGRESQL_BIND, POSTGRESQL_PARSE, POSTGRESQL_EXECUTE, POSTGRESQL_SIMPLE_QUERY, POSTGRESQL_FUNCTION_CALL, POSTGRESQL_STARTUP,
    POSTGRESQL_SSL_REQUEST, POSTGRESQL_GSS_REQUEST,
    POSTGRESQL_KINDS
};

/* message->tag of a request. */
#define POSTGRESQL_TAG_KIND(tag) ((enum postgresql_kind)((tag) & 15u))
#define POSTGRESQL_TAG_SYNCED 0x10u     /* ReadyForQuery ends its answer */
#define POSTGRESQL_TAG_LATE 0x20u       /* more of the request comes behind it (COPY's data, a password): the response writes the request's size */
#define POSTGRESQL_TAG_ACKS(tag) ((tag) >> 6 & 0x3ffu)
#define POSTGRESQL_ACKS_MAX 0x3ffu      /* as many or more: not counted, ReadyForQuery ends it */
#define POSTGRESQL_TAG_GROUP(tag) ((uint16_t)((tag) >> 16))

struct postgresql_unit {
    struct message *message;            /* NULL: none is open */
    uint64_t size;
    enum postgresql_kind kind;
    uint32_t acks;
    bool executed;                      /* nothing but Close, Flush and Sync may follow in it */
    bool synced, late, ends;            /* ends: with the message that is being passed */
    struct sql_text *text;
};
struct postgresql_client {
    uint64_t skip;                      /* of the message under way, bytes that are still to come */
    struct postgresql_unit unit;
    uint16_t group;
    bool copying;                       /* an Execute reads COPY's data: its Sync is not heard before the end */
    bool pass_sync;
    bool lost;
    uint8_t database_size, user_size;
    char database[POSTGRESQL_NAME_MAX], user[POSTGRESQL_NAME_MAX];
    struct sql_statements statements, portals;
    uint64_t late_bytes;                /* of COPY's data and passwords, since the last answer that took them */
};
struct postgresql_server {
    uint64_t skip;
    struct message *message;            /* the answer under way */
    enum postgresql_kind kind;
    bool synced, late, ends;
    uint32_t acks;
    uint16_t group;
    uint64_t request_size, size, rows, tag_rows;
    bool error;
    uint8_t code_size;
    uint16_t text_size, tags_size;
    char code[5], text[POSTGRESQL_TEXT_MAX], tags[POSTGRESQL_TAGS_MAX];
    bool failed;                        /* an error: the rest of `group` is skipped */
    bool lost, discarding;              /* discarding: the rest of an answer whose beginning went out before a gap */
    bool replicating;                   /* CopyBoth has begun */
    bool over;                          /* what follows is another protocol's, or nobody's */
};
struct postgresql_state { struct postgresql_client client; struct postgresql_server server; bool begun; };

extern const char *const postgresql_kinds[POSTGRESQL_KINDS]; /* as postgresql_command tells them */

int64_t postgresql_client_parse(struct conversation *c, struct postgresql_client *client, const uint8_t *data, size_t size);
void postgresql_client_gap(struct conversation *c, struct postgresql_client *client, uint64_t lost);
/* The unit goes out as it is. NULL-safe in that without a unit nothing happens. */
void postgresql_unit_close(struct conversation *c, struct postgresql_client *client, enum incomplete reason);
int64_t postgresql_server_parse(struct conversation *c, struct postgresql_server *server, struct postgresql_client *client, const uint8_t *data, size_t size);
void postgresql_server_gap(struct conversation *c, struct postgresql_server *server, struct postgresql_client *client, uint64_t lost);
void postgresql_answer_close(struct conversation *c, struct postgresql_server *server, struct postgresql_client *client, enum incomplete reason);

/* postgresql_chain.c: where messages follow each other. */
#define POSTGRESQL_NOWHERE SIZE_MAX
/* The first place in data from which whole messages of this side follow each other up to its end, or at least three. */
size_t postgresql_find_messages(enum side side, const uint8_t *data, size_t size);
/* The same at the front of data: how many headers follow each other; 0: none, or not up to the end. *ret_telling: one of them is of a type that only this side sends. */
unsigned postgresql_count_messages(enum side side, const uint8_t *data, size_t size, bool *ret_telling);
/* Whether a type and a length can stand together. */
bool postgresql_plausible(enum side side, uint8_t type, uint32_t length);
#endif
