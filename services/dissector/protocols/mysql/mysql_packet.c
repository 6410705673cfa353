/* Packets, commands' names, and a query's text. */
#include "services/dissector/protocols/mysql/mysql_state.h"

#define ATTRIBUTES_MAX 65535u /* the protocol's own limit of parameters */

static const char *const names[] = {
    "COM_SLEEP", "COM_QUIT", "COM_INIT_DB", "COM_QUERY", "COM_FIELD_LIST", "COM_CREATE_DB", "COM_DROP_DB", "COM_REFRESH", "COM_SHUTDOWN", "COM_STATISTICS", "COM_PROCESS_INFO", "COM_CONNECT", "COM_PROCESS_KILL",
    "COM_DEBUG", "COM_PING", "COM_TIME", "COM_DELAYED_INSERT", "COM_CHANGE_USER", "COM_BINLOG_DUMP", "COM_TABLE_DUMP", "COM_CONNECT_OUT", "COM_REGISTER_SLAVE", "COM_STMT_PREPARE", "COM_STMT_EXECUTE",
    "COM_STMT_SEND_LONG_DATA", "COM_STMT_CLOSE", "COM_STMT_RESET", "COM_SET_OPTION", "COM_STMT_FETCH", "COM_DAEMON", "COM_BINLOG_DUMP_GTID", "COM_RESET_CONNECTION", "COM_CLONE",
    "COM_SUBSCRIBE_GROUP_REPLICATION_STREAM",
};

const char *mysql_command_name(uint8_t command)
{
    if (command < sizeof names / sizeof *names)
        return names[command];
    switch (command) {
    case COM_STMT_BULK_EXECUTE: return "COM_STMT_BULK_EXECUTE";
    case 0xfe: return "COM_MULTI";
    case MYSQL_HANDSHAKE: return "HANDSHAKE";
    case MYSQL_SSL_REQUEST: return "SSL_REQUEST";
    default: return NULL;
    }
}

void mysql_name_set(struct mysql_name *name, const void *data, size_t size)
{
    name->size = (uint8_t)(size < sizeof name->text ? size : sizeof name->text);
    if (name->size)
        memcpy(name->text, data, name->size);
}

uint64_t mysql_take_integer(struct cursor *at)
{
    uint8_t first = cursor_u8(at);
    switch (first) {
    case 0xfc: return cursor_le16(at);
    case 0xfd: {
        uint32_t low = cursor_le16(at);
        return low | (uint32_t)cursor_u8(at) << 16;
    }
    case 0xfe: return cursor_le64(at);
    case 0xfb: case 0xff:
        at->failed = true;
        return 0;
    default: return first;
    }
}

/* A value of the binary protocol. */
static void skip_value(struct cursor *at, uint8_t type)
{
    switch (type) {
    case 1: cursor_skip(at, 1); break;                                   /* tiny */
    case 2: case 13: cursor_skip(at, 2); break;                          /* short, year */
    case 3: case 9: case 4: cursor_skip(at, 4); break;                   /* long, int24, float */
    case 8: case 5: cursor_skip(at, 8); break;                           /* long long, double */
    case 7: case 10: case 11: case 12: cursor_skip(at, cursor_u8(at)); break; /* times, with their length */
    case 6: break;                                                       /* null */
    default: cursor_skip(at, (size_t)mysql_take_integer(at)); break;
    }
}

/* Past the attributes of a query. */
static void skip_attributes(struct cursor *at)
{
    uint64_t count = mysql_take_integer(at);
    (void)mysql_take_integer(at); /* sets: always one */
    if (count == 0 || count > ATTRIBUTES_MAX) {
        at->failed |= count > 0;
        return;
    }
    const uint8_t *nulls = cursor_take(at, (size_t)(count + 7) / 8);
    if (cursor_u8(at) != 1)
        return;
    struct cursor types = *at;
    for (uint64_t i = 0; i < count && cursor_ok(at); i++) {
        cursor_skip(at, 2);
        cursor_skip(at, (size_t)mysql_take_integer(at));
    }
    for (uint64_t i = 0; i < count && cursor_ok(at); i++) {
        uint8_t type = cursor_u8(&types);
        cursor_skip(&types, 1);
        cursor_skip(&types, (size_t)mysql_take_integer(&types));
        if (nulls && !(nulls[i / 8] & 1u << i % 8))
            skip_value(at, type);
    }
}

struct mysql_text mysql_query_text(struct cursor payload, const struct mysql_client *client)
{
    cursor_skip(&payload, 1);
    const uint8_t *p = payload.data + payload.at;
    bool attributes = client->capabilities_known ? client->capabilities & CLIENT_QUERY_ATTRIBUTES : cursor_left(&payload) > 2 && p[0] == 0 && p[1] == 1;
    if (attributes)
        skip_attributes(&payload);
    size_t size = cursor_left(&payload);
    return (struct mysql_text){ (const char *)cursor_take(&payload, size), size };
}

unsigned mysql_count_packets(const uint8_t *data, size_t size, uint8_t sequence)
{
    unsigned count = 0;
    size_t at = 0;
    while (size - at >= MYSQL_HEADER) {
        struct mysql_header header = mysql_header_read(data + at);
        if (header.sequence != sequence || header.length == 0)
            return 0;
        count++;
        sequence++;
        if (header.length > size - at - MYSQL_HEADER)
            return count;
        at += MYSQL_HEADER + header.length;
    }
    return count;
}

int mysql_command_begins(const uint8_t *data, size_t size)
{
    if (size <= MYSQL_HEADER)
        return size > 3 && data[3] != 0 ? -1 : 0;
    struct mysql_header header = mysql_header_read(data);
    uint8_t command = data[MYSQL_HEADER];
    if (header.sequence != 0 || header.length == 0 || command == 0 || command == MYSQL_HANDSHAKE || command == MYSQL_SSL_REQUEST || !mysql_command_name(command))
        return -1;
    bool whole = size == MYSQL_HEADER + header.length, text = command == COM_QUERY || command == COM_STMT_PREPARE;
    if (whole && !text)
        return 1;
    if (!text || size > MYSQL_HEADER + header.length)
        return -1;
    for (size_t i = MYSQL_HEADER + 1; i < size && i < 32; i++) /* SQL, perhaps behind two bytes of attributes */
        if (data[i] < ' ' && data[i] != '\n' && data[i] != '\r' && data[i] != '\t' && i > MYSQL_HEADER + 2)
            return -1;
    return 1;
}
