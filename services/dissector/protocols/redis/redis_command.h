/* What a Redis command says: its verb, its key, and its line with the secrets taken out. Pure functions over arguments that are borrowed from the packet.
 * Reference: the command tables of Redis 7.2 (redis.io/commands); arguments are written as redis-cli reads them. */
#ifndef DISSECTOR_PROTOCOLS_REDIS_COMMAND_H
#define DISSECTOR_PROTOCOLS_REDIS_COMMAND_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "services/dissector/entry/message.h"
#include "services/dissector/redact/redact.h"

#define REDIS_ARGUMENTS_MAX 4096        /* looked at: 64 KiB of command hold hardly more; 64 KiB of stack */
#define REDIS_LINE_MAX (64u * 1024)     /* bytes of redis_command, and of a command that are waited for */
#define REDIS_KEY_MAX 64                /* KFL's limit of redis_key */
#define REDIS_VERB_MAX 32               /* the longest verb of a module is shorter */

/* What a command does to the order of answers. */
enum redis_kind {
    REDIS_ORDINARY,
    REDIS_SUBSCRIBE,                    /* one confirmation per channel */
    REDIS_UNSUBSCRIBE_ALL,              /* a confirmation per channel that is still subscribed, at least one */
    REDIS_MONITOR,
    REDIS_REPLICATION,                  /* what follows its answer is no longer requests and replies */
    REDIS_RESET,
    REDIS_MULTI, REDIS_MULTI_END,
    REDIS_REPLY_ON, REDIS_REPLY_OFF, REDIS_REPLY_SKIP,
};
struct redis_command {
    struct redact_argument *arguments;  /* [0] is the verb */
    size_t count;                       /* of those in arguments */
    bool cut;                           /* the last one, or those behind it, are not all there */
    char verb[REDIS_VERB_MAX];          /* upper case */
    size_t verb_size;
    size_t key;                         /* which argument; 0: none */
    enum redis_kind kind;
    bool secret_answer;                 /* the answer may hold a password */
};
/* Fills everything behind cut from what stands before it; count is at least 1. */
void redis_command_read(struct redis_command *command);
/* Writes redis_type, redis_command, redis_key and the summary. */
void redis_command_write(const struct redis_command *command, enum redact_level redact, struct message *m);
/* Whether these bytes are the verb of a command that Redis itself knows, in any case. */
bool redis_verb_known(const char *data, size_t size);
/* `size` without the part of a UTF-8 character that was cut off at its end. */
size_t redis_text_trim(const char *text, size_t size);
#endif
