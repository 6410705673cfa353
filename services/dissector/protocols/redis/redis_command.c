#include "services/dissector/protocols/redis/redis_command.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "services/dissector/protocols/redis/redis_fields.h"

/* Where a verb's first key stands, among the arguments. */
#define KEY_NONE 0
#define KEY_NUMKEYS 20       /* of the argument before it says 0, there is none */
#define KEY_AFTER_STREAMS 40 /* behind the word STREAMS */
struct verb { const char *name; uint8_t key; };
/* Sorted; every verb of Redis 7.2. */
static const struct verb verbs[] = {
    { "ACL", KEY_NONE }, { "APPEND", 1 }, { "ASKING", KEY_NONE }, { "AUTH", KEY_NONE }, { "BGREWRITEAOF", KEY_NONE }, { "BGSAVE", KEY_NONE }, { "BITCOUNT", 1 }, { "BITFIELD", 1 },
    { "BITFIELD_RO", 1 }, { "BITOP", 2 }, { "BITPOS", 1 }, { "BLMOVE", 1 }, { "BLMPOP", KEY_NUMKEYS + 3 }, { "BLPOP", 1 }, { "BRPOP", 1 }, { "BRPOPLPUSH", 1 }, { "BZMPOP", KEY_NUMKEYS + 3 },
    { "BZPOPMAX", 1 }, { "BZPOPMIN", 1 }, { "CLIENT", KEY_NONE }, { "CLUSTER", KEY_NONE }, { "COMMAND", KEY_NONE }, { "CONFIG", KEY_NONE }, { "COPY", 1 }, { "DBSIZE", KEY_NONE },
    { "DEBUG", KEY_NONE }, { "DECR", 1 }, { "DECRBY", 1 }, { "DEL", 1 }, { "DISCARD", KEY_NONE }, { "DUMP", 1 }, { "ECHO", KEY_NONE }, { "EVAL", KEY_NUMKEYS + 3 }, { "EVALSHA", KEY_NUMKEYS + 3 },
    { "EVALSHA_RO", KEY_NUMKEYS + 3 }, { "EVAL_RO", KEY_NUMKEYS + 3 }, { "EXEC", KEY_NONE }, { "EXISTS", 1 }, { "EXPIRE", 1 }, { "EXPIREAT", 1 }, { "EXPIRETIME", 1 }, { "FAILOVER", KEY_NONE },
    { "FCALL", KEY_NUMKEYS + 3 }, { "FCALL_RO", KEY_NUMKEYS + 3 }, { "FLUSHALL", KEY_NONE }, { "FLUSHDB", KEY_NONE }, { "FUNCTION", KEY_NONE }, { "GEOADD", 1 }, { "GEODIST", 1 }, { "GEOHASH", 1 },
    { "GEOPOS", 1 }, { "GEORADIUS", 1 }, { "GEORADIUSBYMEMBER", 1 }, { "GEORADIUSBYMEMBER_RO", 1 }, { "GEORADIUS_RO", 1 }, { "GEOSEARCH", 1 }, { "GEOSEARCHSTORE", 1 }, { "GET", 1 },
    { "GETBIT", 1 }, { "GETDEL", 1 }, { "GETEX", 1 }, { "GETRANGE", 1 }, { "GETSET", 1 }, { "HDEL", 1 }, { "HELLO", KEY_NONE }, { "HEXISTS", 1 }, { "HGET", 1 }, { "HGETALL", 1 }, { "HINCRBY", 1 },
    { "HINCRBYFLOAT", 1 }, { "HKEYS", 1 }, { "HLEN", 1 }, { "HMGET", 1 }, { "HMSET", 1 }, { "HRANDFIELD", 1 }, { "HSCAN", 1 }, { "HSET", 1 }, { "HSETNX", 1 }, { "HSTRLEN", 1 }, { "HVALS", 1 },
    { "INCR", 1 }, { "INCRBY", 1 }, { "INCRBYFLOAT", 1 }, { "INFO", KEY_NONE }, { "KEYS", KEY_NONE }, { "LASTSAVE", KEY_NONE }, { "LATENCY", KEY_NONE }, { "LCS", 1 }, { "LINDEX", 1 },
    { "LINSERT", 1 }, { "LLEN", 1 }, { "LMOVE", 1 }, { "LMPOP", KEY_NUMKEYS + 2 }, { "LOLWUT", KEY_NONE }, { "LPOP", 1 }, { "LPOS", 1 }, { "LPUSH", 1 }, { "LPUSHX", 1 }, { "LRANGE", 1 }, { "LREM", 1 },
    { "LSET", 1 }, { "LTRIM", 1 }, { "MEMORY", 2 }, { "MGET", 1 }, { "MIGRATE", 3 }, { "MODULE", KEY_NONE }, { "MONITOR", KEY_NONE }, { "MOVE", 1 }, { "MSET", 1 }, { "MSETNX", 1 },
    { "MULTI", KEY_NONE }, { "OBJECT", 2 }, { "PERSIST", 1 }, { "PEXPIRE", 1 }, { "PEXPIREAT", 1 }, { "PEXPIRETIME", 1 }, { "PFADD", 1 }, { "PFCOUNT", 1 }, { "PFDEBUG", 2 }, { "PFMERGE", 1 },
    { "PFSELFTEST", KEY_NONE }, { "PING", KEY_NONE }, { "PSETEX", 1 }, { "PSUBSCRIBE", KEY_NONE }, { "PSYNC", KEY_NONE }, { "PTTL", 1 }, { "PUBLISH", KEY_NONE }, { "PUBSUB", KEY_NONE },
    { "PUNSUBSCRIBE", KEY_NONE }, { "QUIT", KEY_NONE }, { "RANDOMKEY", KEY_NONE }, { "READONLY", KEY_NONE }, { "READWRITE", KEY_NONE }, { "RENAME", 1 }, { "RENAMENX", 1 }, { "REPLCONF", KEY_NONE },
    { "REPLICAOF", KEY_NONE }, { "RESET", KEY_NONE }, { "RESTORE", 1 }, { "RESTORE-ASKING", 1 }, { "ROLE", KEY_NONE }, { "RPOP", 1 }, { "RPOPLPUSH", 1 }, { "RPUSH", 1 }, { "RPUSHX", 1 },
    { "SADD", 1 }, { "SAVE", KEY_NONE }, { "SCAN", KEY_NONE }, { "SCARD", 1 }, { "SCRIPT", KEY_NONE }, { "SDIFF", 1 }, { "SDIFFSTORE", 1 }, { "SELECT", KEY_NONE }, { "SENTINEL", KEY_NONE },
    { "SET", 1 }, { "SETBIT", 1 }, { "SETEX", 1 }, { "SETNX", 1 }, { "SETRANGE", 1 }, { "SHUTDOWN", KEY_NONE }, { "SINTER", 1 }, { "SINTERCARD", KEY_NUMKEYS + 2 }, { "SINTERSTORE", 1 },
    { "SISMEMBER", 1 }, { "SLAVEOF", KEY_NONE }, { "SLOWLOG", KEY_NONE }, { "SMEMBERS", 1 }, { "SMISMEMBER", 1 }, { "SMOVE", 1 }, { "SORT", 1 }, { "SORT_RO", 1 }, { "SPOP", 1 },
    { "SPUBLISH", KEY_NONE }, { "SRANDMEMBER", 1 }, { "SREM", 1 }, { "SSCAN", 1 }, { "SSUBSCRIBE", KEY_NONE }, { "STRLEN", 1 }, { "SUBSCRIBE", KEY_NONE }, { "SUBSTR", 1 }, { "SUNION", 1 },
    { "SUNIONSTORE", 1 }, { "SUNSUBSCRIBE", KEY_NONE }, { "SWAPDB", KEY_NONE }, { "SYNC", KEY_NONE }, { "TIME", KEY_NONE }, { "TOUCH", 1 }, { "TTL", 1 }, { "TYPE", 1 }, { "UNLINK", 1 },
    { "UNSUBSCRIBE", KEY_NONE }, { "UNWATCH", KEY_NONE }, { "WAIT", KEY_NONE }, { "WAITAOF", KEY_NONE }, { "WATCH", 1 }, { "XACK", 1 }, { "XADD", 1 }, { "XAUTOCLAIM", 1 }, { "XCLAIM", 1 },
    { "XDEL", 1 }, { "XGROUP", 2 }, { "XINFO", 2 }, { "XLEN", 1 }, { "XPENDING", 1 }, { "XRANGE", 1 }, { "XREAD", KEY_AFTER_STREAMS }, { "XREADGROUP", KEY_AFTER_STREAMS }, { "XREVRANGE", 1 },
    { "XSETID", 1 }, { "XTRIM", 1 }, { "ZADD", 1 }, { "ZCARD", 1 }, { "ZCOUNT", 1 }, { "ZDIFF", KEY_NUMKEYS + 2 }, { "ZDIFFSTORE", 1 }, { "ZINCRBY", 1 }, { "ZINTER", KEY_NUMKEYS + 2 },
    { "ZINTERCARD", KEY_NUMKEYS + 2 }, { "ZINTERSTORE", 1 }, { "ZLEXCOUNT", 1 }, { "ZMPOP", KEY_NUMKEYS + 2 }, { "ZMSCORE", 1 }, { "ZPOPMAX", 1 }, { "ZPOPMIN", 1 }, { "ZRANDMEMBER", 1 },
    { "ZRANGE", 1 }, { "ZRANGEBYLEX", 1 }, { "ZRANGEBYSCORE", 1 }, { "ZRANGESTORE", 1 }, { "ZRANK", 1 }, { "ZREM", 1 }, { "ZREMRANGEBYLEX", 1 }, { "ZREMRANGEBYRANK", 1 },
    { "ZREMRANGEBYSCORE", 1 }, { "ZREVRANGE", 1 }, { "ZREVRANGEBYLEX", 1 }, { "ZREVRANGEBYSCORE", 1 }, { "ZREVRANK", 1 }, { "ZSCAN", 1 }, { "ZSCORE", 1 }, { "ZUNION", KEY_NUMKEYS + 2 },
    { "ZUNIONSTORE", 1 },
};

static size_t upper(char dst[REDIS_VERB_MAX], const char *data, size_t size)
{
    size_t n = size < REDIS_VERB_MAX - 1 ? size : REDIS_VERB_MAX - 1;
    for (size_t i = 0; i < n; i++)
        dst[i] = (char)(data[i] >= 'a' && data[i] <= 'z' ? data[i] - 32 : data[i]);
    dst[n] = 0;
    return n;
}

static int verb_compare(const void *name, const void *verb)
{
    return strcmp(name, ((const struct verb *)verb)->name);
}

static const struct verb *verb_find(const char *name)
{
    return bsearch(name, verbs, sizeof verbs / sizeof *verbs, sizeof *verbs, verb_compare);
}

bool redis_verb_known(const char *data, size_t size)
{
    char name[REDIS_VERB_MAX];
    return size < REDIS_VERB_MAX && upper(name, data, size) && verb_find(name);
}

static bool argument_is(const struct redis_command *command, size_t which, const char *word)
{
    size_t size = strlen(word);
    return which < command->count && command->arguments[which].size == size && strncasecmp(command->arguments[which].data, word, size) == 0;
}

static size_t key_of(const struct redis_command *command)
{
    const struct verb *verb = verb_find(command->verb);
    size_t at = verb ? verb->key : 1; /* a module's command: nearly all begin with their key */
    if (at == KEY_AFTER_STREAMS) {
        for (at = 1; at < command->count && !argument_is(command, at, "STREAMS"); at++)
            ;
        at++;
    } else if (at > KEY_NUMKEYS) {
        at -= KEY_NUMKEYS;
        if (argument_is(command, at - 1, "0"))
            return 0;
    }
    return at < command->count ? at : 0;
}

static enum redis_kind client_reply_kind(const struct redis_command *command)
{
    if (!argument_is(command, 1, "REPLY"))
        return REDIS_ORDINARY;
    return argument_is(command, 2, "OFF") ? REDIS_REPLY_OFF : argument_is(command, 2, "SKIP") ? REDIS_REPLY_SKIP : argument_is(command, 2, "ON") ? REDIS_REPLY_ON : REDIS_ORDINARY;
}

static enum redis_kind kind_of(const struct redis_command *command)
{
    static const struct { const char *verb; enum redis_kind kind; } kinds[] = {
        { "MULTI", REDIS_MULTI }, { "EXEC", REDIS_MULTI_END }, { "DISCARD", REDIS_MULTI_END }, { "MONITOR", REDIS_MONITOR }, { "PSYNC", REDIS_REPLICATION }, { "SYNC", REDIS_REPLICATION },
        { "RESET", REDIS_RESET }, { "SUBSCRIBE", REDIS_SUBSCRIBE }, { "PSUBSCRIBE", REDIS_SUBSCRIBE }, { "SSUBSCRIBE", REDIS_SUBSCRIBE }, { "UNSUBSCRIBE", REDIS_UNSUBSCRIBE_ALL },
        { "PUNSUBSCRIBE", REDIS_UNSUBSCRIBE_ALL }, { "SUNSUBSCRIBE", REDIS_UNSUBSCRIBE_ALL },
    };
    if (strcmp(command->verb, "CLIENT") == 0)
        return client_reply_kind(command);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(command->verb, kinds[i].verb) == 0)
            return kinds[i].kind == REDIS_UNSUBSCRIBE_ALL && command->count > 1 ? REDIS_SUBSCRIBE : kinds[i].kind;
    return REDIS_ORDINARY;
}

void redis_command_read(struct redis_command *command)
{
    command->verb_size = upper(command->verb, command->arguments[0].data, command->arguments[0].size);
    command->key = key_of(command);
    command->kind = kind_of(command);
    command->secret_answer = strcmp(command->verb, "ACL") == 0 || (strcmp(command->verb, "CONFIG") == 0 && argument_is(command, 1, "GET")) ||
                             (strcmp(command->verb, "SENTINEL") == 0 && argument_is(command, 1, "CONFIG"));
}

/* Bytes of the UTF-8 character that begins here; 0: it is none. */
static size_t character_size(const uint8_t *p, size_t left)
{
    size_t n = *p >= 0xc2 && *p < 0xe0 ? 2 : *p >= 0xe0 && *p < 0xf0 ? 3 : *p >= 0xf0 && *p < 0xf5 ? 4 : 0;
    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

size_t redis_text_trim(const char *text, size_t size)
{
    size_t begin = size;
    for (unsigned i = 0; i < 3 && begin > 0 && ((uint8_t)text[begin - 1] & 0xc0) == 0x80; i++)
        begin--;
    if (begin == 0 || (uint8_t)text[begin - 1] < 0xc0)
        return size;
    return character_size((const uint8_t *)text + begin - 1, size - begin + 1) ? size : begin - 1;
}

struct line { char text[REDIS_LINE_MAX]; size_t size; bool full; };

static void line_put(struct line *line, const void *data, size_t size)
{
    if (line->full || size > sizeof line->text - line->size) {
        line->full = true;
        return;
    }
    memcpy(line->text + line->size, data, size);
    line->size += size;
}

/* A byte that stands for itself outside quotes. */
static bool plain(uint8_t byte)
{
    return byte > ' ' && byte < 0x7f && byte != '"' && byte != '\'' && byte != '\\';
}

static void put_quoted_byte(struct line *line, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    const char *name = byte == '"' ? "\\\"" : byte == '\\' ? "\\\\" : byte == '\n' ? "\\n" : byte == '\r' ? "\\r" : byte == '\t' ? "\\t" : NULL;
    if (name)
        line_put(line, name, 2);
    else if (byte >= ' ' && byte < 0x7f)
        line_put(line, &byte, 1);
    else
        line_put(line, (const char[]){ '\\', 'x', digits[byte >> 4], digits[byte & 15] }, 4);
}

/* As it is where it can stand so, in double quotes where not. */
static void put_argument(struct line *line, const uint8_t *data, size_t size)
{
    size_t n = 0;
    while (n < size && plain(data[n]))
        n++;
    if (n == size && size > 0) {
        size_t room = sizeof line->text - line->size;
        line_put(line, data, size < room ? size : room);
        line->full |= size > room;
        return;
    }
    line_put(line, "\"", 1);
    for (size_t i = 0; i < size && !line->full;) {
        size_t character = data[i] >= 0x80 ? character_size(data + i, size - i) : 0;
        if (character)
            line_put(line, data + i, character);
        else
            put_quoted_byte(line, data[i]);
        i += character ? character : 1;
    }
    line_put(line, "\"", 1);
}

static bool hidden(const struct redis_command *command, enum redact_level redact, size_t which)
{
    if (redact == REDACT_OFF || which == 0)
        return false;
    if (redact == REDACT_STRICT && which != command->key)
        return true;
    return redact_redis_argument(command->arguments, command->count, which);
}

void redis_command_write(const struct redis_command *command, enum redact_level redact, struct message *m)
{
    struct line line;
    line.size = 0;
    line.full = false;
    for (size_t i = 0; i < command->count && !line.full; i++) {
        const struct redact_argument *argument = &command->arguments[i];
        if (i > 0)
            line_put(&line, " ", 1);
        if (hidden(command, redact, i))
            line_put(&line, REDACT_TEXT, sizeof REDACT_TEXT - 1);
        else
            put_argument(&line, (const uint8_t *)argument->data, argument->size);
    }
    if (line.full || command->cut)
        message_incomplete(m, TRUNCATED);
    message_text(m, REDIS_TYPE, command->verb, command->verb_size);
    message_text(m, REDIS_COMMAND, line.text, line.size);
    message_summary(m, line.text, line.size);
    if (command->key && !hidden(command, redact, command->key)) {
        const struct redact_argument *key = &command->arguments[command->key];
        message_text(m, REDIS_KEY, key->data, key->size <= REDIS_KEY_MAX ? key->size : redis_text_trim(key->data, REDIS_KEY_MAX));
    }
}
