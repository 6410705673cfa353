#include "services/dissector/protocols/mysql/mysql_compressed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem/cleanup.h"
#include "services/dissector/protocols/http/http_decode.h"

static const uint8_t zstd_magic[] = { 0x28, 0xb5, 0x2f, 0xfd };

struct piece { uint32_t length, plain; uint8_t sequence; };

static struct piece read_header(const uint8_t *data)
{
    return (struct piece){ .length = data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16, .sequence = data[3], .plain = data[4] | (uint32_t)data[5] << 8 | (uint32_t)data[6] << 16 };
}

static bool hold(struct mysql_plain *p, const uint8_t *data, size_t size)
{
    size_t wanted = p->held_size + size;
    if (wanted > CONVERSATION_UNPARSED_MAX)
        return false;
    if (wanted > p->held_room) {
        uint8_t *held = realloc(p->held, wanted);
        if (!held)
            return false;
        p->held = held;
        p->held_room = (uint32_t)wanted;
    }
    memcpy(p->held + p->held_size, data, size);
    p->held_size += (uint32_t)size;
    return true;
}

/* Nothing waits most of the time, and then nothing is kept. */
static void drop(struct mysql_plain *p, size_t size)
{
    p->held_size -= (uint32_t)size;
    if (p->held_size > 0) {
        memmove(p->held, p->held + size, p->held_size);
        return;
    }
    free(p->held);
    p->held = NULL;
    p->held_room = 0;
}

static size_t parse_plain(struct conversation *c, struct mysql_state *state, enum side side, const uint8_t *data, size_t size, bool *ret_failed)
{
    size_t at = 0;
    while (at < size && !state->client.over && !state->server.over) {
        int64_t n = side == SIDE_CLIENT ? mysql_client_parse(c, &state->client, &state->server, data + at, size - at) : mysql_server_parse(c, &state->server, &state->client, data + at, size - at);
        state->client.compress = false;
        *ret_failed = n < 0;
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    if (at < size && mysql_begun_all(side == SIDE_CLIENT ? &state->client.begun : &state->server.begun))
        *ret_failed = true;
    return at;
}

/* A piece's bytes, as they were before compression. */
static void take_plain(struct conversation *c, struct mysql_state *state, enum side side, const uint8_t *data, size_t size)
{
    struct mysql_plain *p = &state->plain[side];
    bool failed = false, held = p->held_size > 0;
    if (held && !hold(p, data, size)) {
        p->broken = true;
        return;
    }
    size_t done = held ? parse_plain(c, state, side, p->held, p->held_size, &failed) : parse_plain(c, state, side, data, size, &failed);
    if (held && !failed)
        drop(p, done);
    p->broken = failed || (!held && done < size && !hold(p, data + done, size - done));
}

static uint64_t *packet_left(struct mysql_state *state, enum side side) { return side == SIDE_CLIENT ? &state->client.skip : &state->server.skip; }

/* Counts what is here of the piece, and the plain bytes to come of it; false: more than the connection may have decompressed. */
static bool within_budget(struct mysql_state *state, size_t packed, size_t plain)
{
    state->packed += MYSQL_COMPRESSED_HEADER + packed;
    state->client.begun.max = state->server.begun.max = MYSQL_MESSAGES_FREE + state->packed;
    if (plain > MYSQL_UNPACKED_FREE + MYSQL_UNPACKED_RATIO * state->packed - state->unpacked)
        return false;
    state->unpacked += plain;
    return true;
}

/* size: how much of the piece is here; of one that is too long, its front. */
static void take_piece(struct conversation *c, struct mysql_state *state, enum side side, const struct piece *piece, const uint8_t *data, size_t size)
{
    struct mysql_plain *p = &state->plain[side];
    size_t room = piece->plain < MYSQL_PIECE_MAX ? piece->plain : MYSQL_PIECE_MAX, got = size;
    if (!within_budget(state, size, room)) { /* once it is lost, there is nothing more to lose: the engine hears of one gap, not of one for each piece */
        p->broken = p->held_size > 0 || !(side == SIDE_CLIENT ? state->client.lost : state->server.lost);
        return;
    }
    mem_auto_free uint8_t *plain = NULL;
    if (piece->plain) {
        plain = malloc(room);
        bool zstd = size >= sizeof zstd_magic && memcmp(data, zstd_magic, sizeof zstd_magic) == 0;
        ssize_t n = plain ? http_decode(zstd ? HTTP_CODING_ZSTD : HTTP_CODING_DEFLATE, data, size, plain, room) : -EBADMSG;
        p->broken = n <= 0 || (size == piece->length && (size_t)n != room);
        got = p->broken ? 0 : (size_t)n;
    }
    if (!p->broken)
        take_plain(c, state, side, plain ? plain : data, got);
    if (p->broken)
        return;
    p->unseen = (piece->plain ? piece->plain : piece->length) - (uint32_t)got;
    p->broken = p->unseen > 0 && (p->held_size > 0 || *packet_left(state, side) < p->unseen);
}

/* A piece of which only the front was read has ended, in these bytes: the packet under way has got all of it. */
static void pass_unseen(struct conversation *c, struct mysql_state *state, enum side side, const uint8_t *data, size_t size)
{
    struct mysql_plain *p = &state->plain[side];
    uint64_t *left = packet_left(state, side);
    if (p->unseen == 0)
        return;
    p->broken = *left < p->unseen; /* the conversation has begun anew meanwhile */
    if (!p->broken) {
        *left -= p->unseen - 1;
        conversation_pin(c, side, data, data + size - 1);
        (void)parse_plain(c, state, side, data, 1, &p->broken); /* inside a packet, which passes without a look at the byte */
        conversation_pin(c, side, NULL, NULL);
    }
    p->unseen = 0;
}

/* From somewhere in the middle: what stands here could be a piece whose bytes begin a packet. */
static bool begins(const uint8_t *data, size_t size)
{
    struct piece piece = read_header(data);
    if (piece.length == 0 || (piece.plain && piece.plain < piece.length))
        return false;
    if (piece.plain)
        return size < MYSQL_COMPRESSED_HEADER + 2 || data[7] == 0x78 || (size >= MYSQL_COMPRESSED_HEADER + sizeof zstd_magic && memcmp(data + 7, zstd_magic, sizeof zstd_magic) == 0);
    return piece.length > MYSQL_HEADER && size > MYSQL_COMPRESSED_HEADER + 3 && mysql_header_read(data + MYSQL_COMPRESSED_HEADER).sequence <= 1;
}

static int64_t parse_one(struct conversation *c, struct mysql_state *state, enum side side, const uint8_t *data, size_t size)
{
    struct mysql_plain *p = &state->plain[side];
    if (p->broken) /* before skip, which begins behind the bytes that the engine drops now */
        return -EBADMSG;
    if (p->skip > 0) {
        size_t n = size < p->skip ? size : p->skip;
        p->skip -= (uint32_t)n;
        if (p->skip == 0)
            pass_unseen(c, state, side, data, n);
        return (int64_t)n;
    }
    if (size < MYSQL_COMPRESSED_HEADER)
        return 0;
    if (p->lost && !begins(data, size))
        return (int64_t)size;
    p->lost = false;
    struct piece piece = read_header(data);
    size_t total = MYSQL_COMPRESSED_HEADER + (size_t)piece.length;
    p->wanted = 0;
    if (piece.length == 0)
        return -EBADMSG;
    bool longer = total > MYSQL_PIECE_MAX || piece.plain > MYSQL_PIECE_MAX;
    size_t here = longer && total > MYSQL_PIECE_FRONT ? MYSQL_PIECE_FRONT : total;
    if (size < here) {
        p->wanted = (uint32_t)total;
        return 0;
    }
    conversation_pin(c, side, data, data + here - 1);
    take_piece(c, state, side, &piece, data + MYSQL_COMPRESSED_HEADER, here - MYSQL_COMPRESSED_HEADER);
    conversation_pin(c, side, NULL, NULL);
    if (!p->broken && here == total)
        pass_unseen(c, state, side, data, here);
    if (p->broken) { /* the feeder drops what is here, and the rest is passed over */
        p->unseen = 0;
        p->skip = size < total ? (uint32_t)(total - size) : 0;
        return -EBADMSG;
    }
    p->skip = (uint32_t)(total - here);
    return (int64_t)here;
}

int64_t mysql_compressed_parse(struct conversation *c, struct mysql_state *state, enum side side, const uint8_t *data, size_t size)
{
    size_t at = 0;
    while (at < size && !state->client.over && !state->server.over) {
        int64_t n = parse_one(c, state, side, data + at, size - at);
        if (n < 0 && at == 0)
            return n;
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    return (int64_t)at;
}

void mysql_compressed_gap(struct conversation *c, struct mysql_state *state, enum side side, uint64_t lost)
{
    struct mysql_plain *p = &state->plain[side];
    uint32_t whole = p->skip ? p->skip : p->wanted;
    if (p->broken) {
        p->lost = p->skip == 0;
    } else { /* where all that is missing is of one piece, the next begins behind it */
        p->skip = lost > 0 && lost < whole ? whole - (uint32_t)lost : 0;
        p->lost = lost == 0 || lost > whole;
    }
    p->broken = false;
    p->wanted = p->unseen = 0;
    drop(p, p->held_size);
    if (side == SIDE_CLIENT)
        mysql_client_gap(c, &state->client, 0);
    else
        mysql_server_gap(c, &state->server, &state->client, 0);
}
