/* One MySQL conversation, as its two sides share it; all zero at its beginning.
 *
 *   packet  = length u24 | sequence u8 | payload        little-endian; after a packet of 0xffffff bytes the next one goes on with its payload
 *   integer = u8 below 0xfb | 0xfc u16 | 0xfd u24 | 0xfe u64
 *
 * A command's first packet has sequence 0; everything that belongs to it, of either side, counts on. */
#ifndef DISSECTOR_PROTOCOLS_MYSQL_STATE_H
#define DISSECTOR_PROTOCOLS_MYSQL_STATE_H
#include "bytes/cursor.h"
#include "services/dissector/engine/conversation.h"
#include "services/dissector/protocols/sql_statements.h"

enum {
    MYSQL_COMMAND, MYSQL_QUERY, MYSQL_DATABASE, MYSQL_USER, MYSQL_STATEMENT_ID, MYSQL_REQUEST_SIZE, MYSQL_RESPONSE_SIZE, MYSQL_TOTAL_SIZE, MYSQL_SUCCESS, MYSQL_ERROR_CODE, MYSQL_ERROR_MESSAGE,
    MYSQL_ROWS, MYSQL_AFFECTED_ROWS, MYSQL_SERVER_VERSION,
    MYSQL_FIELDS_COUNT
};

#define MYSQL_HEADER 4u
#define MYSQL_PACKET_MAX 0xffffffu
#define MYSQL_NAME_MAX 128              /* of a user's or database's name: 32 and 64 characters; cut beyond */
#define MYSQL_VERSION_MAX 64
#define MYSQL_QUERY_WINDOW (64u * 1024 + 1024) /* of a command that is waited for, the text behind its attributes; the rest is only counted */
#define MYSQL_ID_WINDOW 16u             /* of one whose statement id alone matters */
#define MYSQL_LOGIN_WINDOW 1024u        /* user, authentication data and database; connection attributes follow them */
#define MYSQL_ANSWER_WINDOW 600u        /* of OK, EOF and ERR: the error's text ends there */
#define MYSQL_ERROR_TEXT_MAX 512
#define MYSQL_COLUMNS_MAX 65535u        /* the server's limit is 4,096 */

enum mysql_command {
    COM_QUIT = 0x01, COM_INIT_DB = 0x02, COM_QUERY = 0x03, COM_FIELD_LIST = 0x04, COM_STATISTICS = 0x09, COM_CHANGE_USER = 0x11, COM_BINLOG_DUMP = 0x12, COM_STMT_PREPARE = 0x16,
    COM_STMT_EXECUTE = 0x17, COM_STMT_SEND_LONG_DATA = 0x18, COM_STMT_CLOSE = 0x19, COM_STMT_RESET = 0x1a, COM_STMT_FETCH = 0x1c, COM_BINLOG_DUMP_GTID = 0x1e, COM_RESET_CONNECTION = 0x1f,
    COM_STMT_BULK_EXECUTE = 0xfa,
    MYSQL_HANDSHAKE = 0xe0, MYSQL_SSL_REQUEST = 0xe1, /* no commands: our own */
};

#define CLIENT_CONNECT_WITH_DB 0x8u
#define CLIENT_COMPRESS 0x20u
#define CLIENT_PROTOCOL_41 0x200u
#define CLIENT_SSL 0x800u
#define CLIENT_SECURE_CONNECTION 0x8000u
#define CLIENT_PLUGIN_AUTH_LENENC 0x200000u
#define CLIENT_DEPRECATE_EOF 0x1000000u
#define CLIENT_OPTIONAL_METADATA 0x2000000u
#define CLIENT_ZSTD 0x4000000u
#define CLIENT_QUERY_ATTRIBUTES 0x8000000u
#define CLIENT_MYSQL 0x1u               /* MariaDB leaves it out, and tells more capabilities where MySQL has zeros */
#define MARIADB_CACHE_METADATA 0x10u    /* of those */

/* message->tag of a request. */
#define MYSQL_TAG_COMMAND(tag) ((uint8_t)(tag))
#define MYSQL_TAG_LATE 0x100u           /* more of the request comes behind it: the response writes the request's size */
#define MYSQL_TAG_DATABASE 0x200u       /* success changes the database */

/* What has come out of one side's compressed packets, and is no whole packet yet. */
struct mysql_plain {
    uint8_t *held;
    uint32_t held_size, held_room;
    uint32_t wanted;                    /* bytes of the compressed packet at the front that has not come whole */
    uint32_t skip;                      /* bytes of one that is not read */
    uint32_t unseen;                    /* plain bytes in it, all of the ordinary packet under way, which pass when skip has */
    bool broken;                        /* what is being parsed cannot be read: the engine is to know of a gap */
    bool lost;                          /* where the next compressed packet begins is not known */
};

/* Messages that have begun on one side, and how many may have before its packets are passed over; 0: no limit (the capture itself is one, where nothing is compressed). */
struct mysql_begun { uint64_t count, max; };
static inline bool mysql_begun_all(const struct mysql_begun *begun) { return begun->max > 0 && begun->count >= begun->max; }

enum mysql_phase { MYSQL_CONNECTING, MYSQL_AUTHENTICATING, MYSQL_COMMANDS };

struct mysql_name { uint8_t size; char text[MYSQL_NAME_MAX]; };
struct mysql_client {
    uint64_t skip;                      /* of the packet under way */
    bool continues;                     /* the next packet goes on with this one's payload */
    bool one_way;                       /* what message is */
    struct mysql_begun begun;
    struct message *message;            /* the command under way */
    uint64_t size;
    enum mysql_phase phase;
    bool infile;                        /* sends a file's contents, up to an empty packet */
    bool lost, ever, over;
    bool compress;                      /* the log-in was the last that is not compressed */
    bool compressed;
    uint32_t capabilities, mariadb;     /* those of both sides; where they are known */
    bool capabilities_known;
    struct mysql_name user, database, next_database;
    struct sql_statements statements;
    struct sql_text *last_prepared;
    uint64_t last_size;                 /* of the last command */
    uint32_t last_tag;                  /* of the last command; it counts where the engine is not sure of pairs (from the middle of a connection) */
    bool awaiting;                      /* it has no answer yet */
    uint64_t late_bytes;
};

enum mysql_expect {
    MYSQL_ANY,                          /* the first packet of a result: OK, ERR, a file's name, or the number of columns */
    MYSQL_COLUMNS, MYSQL_COLUMNS_END, MYSQL_ROWS_OR_END,
    MYSQL_PREPARED,                     /* the first packet behind COM_STMT_PREPARE */
    MYSQL_PARAMETERS, MYSQL_PARAMETERS_END, MYSQL_PREPARED_COLUMNS, MYSQL_PREPARED_COLUMNS_END,
    MYSQL_ONE, MYSQL_LIST, MYSQL_AUTHENTICATION, MYSQL_STREAM,
};
enum mysql_eof { MYSQL_EOF_UNKNOWN, MYSQL_EOF_SENT, MYSQL_EOF_NOT_SENT };
struct mysql_server {
    uint64_t skip;
    bool continues;
    struct mysql_begun begun;
    struct message *message;            /* the answer under way */
    uint8_t command;
    bool late, database, ends;
    enum mysql_expect expect;
    enum mysql_eof eof;                 /* whether column definitions end with an EOF packet */
    uint64_t left;                      /* definitions to come */
    uint32_t columns;                   /* of a prepared statement */
    uint64_t request_size, size, rows, affected;
    bool error, prepared, streaming;
    uint16_t code, text_size;
    char text[MYSQL_ERROR_TEXT_MAX];
    uint32_t statement;
    uint32_t capabilities, mariadb;     /* of the greeting */
    uint64_t greeting_size;
    bool greeted, lost, over;
    uint8_t version_size;
    char version[MYSQL_VERSION_MAX];
};
struct mysql_state {
    struct mysql_client client;
    struct mysql_server server;
    struct mysql_plain plain[2];        /* by side; mysql_compressed.c */
    uint64_t packed, unpacked;          /* bytes of the pieces that were read, of both sides, and what came out of them */
    bool begun;
};

struct mysql_header { uint32_t length; uint8_t sequence; };
static inline struct mysql_header mysql_header_read(const uint8_t data[MYSQL_HEADER])
{
    return (struct mysql_header){ .length = data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16, .sequence = data[3] };
}
/* A length-encoded integer; 0 and a failed cursor where it is none. */
uint64_t mysql_take_integer(struct cursor *at);
/* NULL: no command. */
const char *mysql_command_name(uint8_t command);
/* The text of a COM_QUERY, behind its attributes if there are any. Borrowed from the cursor's bytes, all that is there. */
struct mysql_text { const char *data; size_t size; } mysql_query_text(struct cursor payload, const struct mysql_client *client);
void mysql_name_set(struct mysql_name *name, const void *data, size_t size);

int64_t mysql_client_parse(struct conversation *c, struct mysql_client *client, struct mysql_server *server, const uint8_t *data, size_t size);
void mysql_client_gap(struct conversation *c, struct mysql_client *client, uint64_t lost);
void mysql_client_close(struct conversation *c, struct mysql_client *client, enum incomplete reason);
int64_t mysql_server_parse(struct conversation *c, struct mysql_server *server, struct mysql_client *client, const uint8_t *data, size_t size);
void mysql_server_gap(struct conversation *c, struct mysql_server *server, struct mysql_client *client, uint64_t lost);
void mysql_server_close(struct conversation *c, struct mysql_server *server, struct mysql_client *client, enum incomplete reason);

/* Whether packets follow each other from data on, the first with this sequence number: how many; 0: no. */
unsigned mysql_count_packets(const uint8_t *data, size_t size, uint8_t sequence);
/* Whether a command begins at data, from the middle of a connection: 1, 0: there is not enough to say, -1. */
int mysql_command_begins(const uint8_t *data, size_t size);
#endif
