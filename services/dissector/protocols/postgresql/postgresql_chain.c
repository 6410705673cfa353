/* Finding messages where the stream's beginning, or a part of it, was not seen. */
#include "bytes/cursor.h"
#include "services/dissector/protocols/postgresql/postgresql_state.h"

#define LENGTH_LEAST 4u       /* the length counts itself */
#define CHAIN_ENOUGH 3u       /* headers in a row that cannot be chance */
#define DATA_LENGTH_MAX POSTGRESQL_MESSAGE_MAX
#define SHORT_LENGTH_MAX 65536u
#define TEXT_LOOKED_AT 16u    /* bytes of a statement whose end is not there yet */

/* What each side sends: lengths that the type allows, and whether only this side sends the type. */
struct shape { uint32_t least, most; bool telling; };

static struct shape client_shape(uint8_t type)
{
    switch (type) {
    case 'Q': return (struct shape){ 5, DATA_LENGTH_MAX, true };
    case 'P': return (struct shape){ 8, DATA_LENGTH_MAX, true };
    case 'B': return (struct shape){ 12, DATA_LENGTH_MAX, true };
    case 'E': return (struct shape){ 9, SHORT_LENGTH_MAX, false };
    case 'D': case 'C': return (struct shape){ 6, SHORT_LENGTH_MAX, false };
    case 'S': case 'H': case 'X': case 'c': return (struct shape){ 4, 4, false };
    case 'F': return (struct shape){ 14, DATA_LENGTH_MAX, true };
    case 'p': return (struct shape){ 4, SHORT_LENGTH_MAX, true };
    case 'd': return (struct shape){ 4, DATA_LENGTH_MAX, false };
    case 'f': return (struct shape){ 5, SHORT_LENGTH_MAX, true };
    default: return (struct shape){ 0 };
    }
}

static struct shape server_shape(uint8_t type)
{
    switch (type) {
    case 'Z': return (struct shape){ 5, 5, true };
    case 'D': return (struct shape){ 6, DATA_LENGTH_MAX, false };
    case 'T': case 't': return (struct shape){ 6, DATA_LENGTH_MAX, true };
    case 'C': return (struct shape){ 5, 128, false };
    case '1': case '2': case '3': case 'n': case 'I': case 's': return (struct shape){ 4, 4, true };
    case 'c': return (struct shape){ 4, 4, false };
    case 'R': return (struct shape){ 8, SHORT_LENGTH_MAX, true };
    case 'K': return (struct shape){ 12, 268, true };
    case 'S': return (struct shape){ 6, SHORT_LENGTH_MAX, false };
    case 'E': case 'N': return (struct shape){ 5, SHORT_LENGTH_MAX, false };
    case 'A': return (struct shape){ 10, SHORT_LENGTH_MAX, true };
    case 'G': case 'H': case 'W': return (struct shape){ 7, SHORT_LENGTH_MAX, false };
    case 'd': return (struct shape){ 4, DATA_LENGTH_MAX, false };
    case 'V': return (struct shape){ 8, DATA_LENGTH_MAX, true };
    case 'v': return (struct shape){ 12, SHORT_LENGTH_MAX, true };
    default: return (struct shape){ 0 };
    }
}

bool postgresql_plausible(enum side side, uint8_t type, uint32_t length)
{
    struct shape shape = side == SIDE_CLIENT ? client_shape(type) : server_shape(type);
    return shape.most >= LENGTH_LEAST && length >= shape.least && length <= shape.most;
}

static bool looks_like_sql(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size && i < TEXT_LOOKED_AT; i++)
        if (data[i] < ' ' && data[i] != '\t' && data[i] != '\n' && data[i] != '\r')
            return false;
    return size >= TEXT_LOOKED_AT;
}

unsigned postgresql_count_messages(enum side side, const uint8_t *data, size_t size, bool *ret_telling)
{
    unsigned count = 0;
    struct cursor at = cursor_over(data, size);
    *ret_telling = false;
    while (cursor_left(&at) >= POSTGRESQL_HEADER) {
        uint8_t type = cursor_u8(&at);
        uint32_t length = cursor_be32(&at);
        if (!postgresql_plausible(side, type, length))
            return count >= CHAIN_ENOUGH ? count : 0;
        count++;
        *ret_telling |= (side == SIDE_CLIENT ? client_shape(type) : server_shape(type)).telling;
        if (length - LENGTH_LEAST > cursor_left(&at)) /* goes on behind this data */
            return count > 1 || (side == SIDE_CLIENT && type == 'Q' && looks_like_sql(data + at.at, cursor_left(&at))) ? count : 0;
        cursor_skip(&at, length - LENGTH_LEAST);
    }
    return cursor_left(&at) == 0 || count > 1 ? count : 0;
}

size_t postgresql_find_messages(enum side side, const uint8_t *data, size_t size)
{
    bool telling;
    for (size_t at = 0; at + POSTGRESQL_HEADER <= size; at++)
        if (postgresql_count_messages(side, data + at, size - at, &telling) > 0)
            return at;
    return POSTGRESQL_NOWHERE;
}
