/* DTLS up to the server's hello.
 *
 *   record:     type 1 | version 2 | epoch 2 | sequence 6 | length 2 | fragment              several in a datagram
 *   handshake:  type 1 | length 3 | message 2 | offset 3 | length 3 | body                   the second length is of the part that is here
 *
 * A client hello is a request; the server hello, or the request for another client hello (a cookie), its response. A hello in several datagrams is told by its first part (TRUNCATED). Behind the server's hello nothing is read:
 * certificates come in fragments, or encrypted. Sources: RFC 6347 section 4, 9147 section 4. */
#include "services/dissector/protocols/tls/dtls.h"
#include <errno.h>
#include "services/dissector/protocols/tls/tls_fields.h"
#include "services/dissector/protocols/tls/tls_message.h"
#include "services/dissector/protocols/tls/tls_names.h"

enum { RECORD_HANDSHAKE = 22 };
enum { HELLO_CLIENT = 1, HELLO_SERVER = 2, HELLO_VERIFY_REQUEST = 3 };
#define RECORD_HEADER_BYTES 13u
#define HANDSHAKE_HEADER_BYTES 12u
#define HELLO_BYTES_LEAST 38u
#define HELLO_BYTES_MAX (64u * 1024)

struct dtls_state { uint32_t asked_next; uint32_t request_size; }; /* asked_next: 1 + number of the last client hello's message, of which copies may come */

struct part { uint8_t type; uint32_t length, offset, here; uint16_t number; const uint8_t *data; };

/* The record at the front, of epoch 0, and the handshake message in it. 0: bytes of another record; -EBADMSG. */
static int64_t read_record(const uint8_t *data, size_t size, struct part *ret)
{
    struct cursor c = cursor_over(data, size);
    uint8_t type = cursor_u8(&c);
    uint16_t version = cursor_be16(&c), epoch = cursor_be16(&c);
    cursor_skip(&c, 6);
    uint16_t length = cursor_be16(&c);
    const uint8_t *fragment = cursor_take(&c, length);
    if (!fragment || (version >> 8 != 0xfe && version != 0x0100))
        return -EBADMSG;
    *ret = (struct part){ 0 };
    if (type == RECORD_HANDSHAKE && epoch == 0 && length >= HANDSHAKE_HEADER_BYTES) {
        struct cursor h = cursor_over(fragment, length);
        ret->type = cursor_u8(&h);
        ret->length = (uint32_t)cursor_u8(&h) << 16;
        ret->length |= cursor_be16(&h);
        ret->number = cursor_be16(&h);
        ret->offset = (uint32_t)cursor_u8(&h) << 16;
        ret->offset |= cursor_be16(&h);
        ret->here = (uint32_t)cursor_u8(&h) << 16;
        ret->here |= cursor_be16(&h);
        ret->data = cursor_take(&h, ret->here);
        if (!ret->data || ret->offset + ret->here > ret->length)
            return -EBADMSG;
    }
    return (int64_t)(RECORD_HEADER_BYTES + length);
}

static enum detected detect(const struct sniff *sniff)
{
    struct part part;
    struct tls_hello hello;
    if (!sniff->datagram || sniff->size < RECORD_HEADER_BYTES + HANDSHAKE_HEADER_BYTES || sniff->data[0] != RECORD_HANDSHAKE || read_record(sniff->data, sniff->size, &part) < 0)
        return DETECT_NO;
    if ((part.type != HELLO_CLIENT && part.type != HELLO_SERVER) || part.offset > 0 || part.length < HELLO_BYTES_LEAST || part.length > HELLO_BYTES_MAX)
        return DETECT_NO;
    if (!tls_hello_read(part.data, part.here, part.type == HELLO_CLIENT, &hello) || !tls_is_datagram(hello.version))
        return DETECT_NO;
    return part.type == HELLO_CLIENT ? DETECT_CLIENT : DETECT_SERVER;
}

static struct message *begin(struct conversation *c, enum side side, const struct part *part)
{
    struct message *m = conversation_message(c, side, part->data);
    conversation_last(c, side, m, part->data + part->here - 1);
    return m;
}

static void take_client_hello(struct conversation *c, struct dtls_state *state, const struct part *part)
{
    struct tls_hello hello;
    if (state->asked_next == part->number + 1u || !tls_hello_read(part->data, part->here, true, &hello))
        return; /* sent again, or none */
    state->asked_next = part->number + 1u;
    state->request_size = part->length + HANDSHAKE_HEADER_BYTES;
    struct message *m = begin(c, SIDE_CLIENT, part);
    tls_write_client_hello(m, &hello, state->request_size);
    if (!hello.whole)
        message_incomplete(m, TRUNCATED);
    conversation_request(c, m, KEY_IN_ORDER);
}

static void write_agreed(struct message *m, const struct tls_hello *hello)
{
    char room[256], alpn_room[TLS_ALPN_TEXT_MAX];
    struct text_buffer alpn = text_buffer_over(alpn_room, sizeof alpn_room), t = text_buffer_over(room, sizeof room);
    tls_write_server_hello(m, hello, &alpn);
    tls_version_text(tls_hello_server_version(hello), &t);
    if (hello->ciphers.size == 2) {
        text_buffer_string(&t, ", ");
        tls_cipher_text(tls_number_at(&hello->ciphers, 0), &t);
    }
    if (alpn.size) {
        text_buffer_string(&t, ", ");
        text_buffer_put(&t, alpn.data, alpn.size);
    }
    message_text(m, TLS_INFO, t.data, t.size);
    if (!hello->whole)
        message_incomplete(m, TRUNCATED);
}

/* True: it was the last that is of interest. */
static bool take_answer(struct conversation *c, struct dtls_state *state, const struct part *part)
{
    struct tls_hello hello;
    bool verify = part->type == HELLO_VERIFY_REQUEST, asked = conversation_oldest(c, KEY_IN_ORDER) != NULL;
    if ((verify && !asked) || (!verify && !tls_hello_read(part->data, part->here, false, &hello)))
        return false;
    struct message *m = begin(c, SIDE_SERVER, part);
    uint32_t size = part->length + HANDSHAKE_HEADER_BYTES;
    if (verify)
        message_bool(m, TLS_HELLO_RETRY, true);
    else
        write_agreed(m, &hello);
    message_int(m, TLS_RESPONSE_SIZE, size);
    message_int(m, TLS_TOTAL_SIZE, (int64_t)size + (asked ? state->request_size : 0));
    if (!asked)
        message_summary(m, "ServerHello", 11);
    conversation_response(c, m, KEY_IN_ORDER);
    if (verify || tls_hello_is_retry(&hello))
        return false;
    conversation_ignore(c);
    return true;
}

static int datagram(struct conversation *c, enum side side, const uint8_t *data, size_t size)
{
    struct dtls_state *state = conversation_state(c);
    for (size_t at = 0; at < size;) {
        struct part part;
        int64_t n = read_record(data + at, size - at, &part);
        if (n < 0)
            return at ? 0 : -EBADMSG;
        if (part.here > 0 && part.offset == 0 && side == SIDE_CLIENT && part.type == HELLO_CLIENT)
            take_client_hello(c, state, &part);
        else if (part.here > 0 && part.offset == 0 && side == SIDE_SERVER && (part.type == HELLO_SERVER || part.type == HELLO_VERIFY_REQUEST) && take_answer(c, state, &part))
            return 0; /* a further hello behind it would be another response */
        at += (size_t)n;
    }
    return 0;
}

const struct protocol protocol_dtls = {
    .name = "TLS",
    .flags = { "tls" },
    .detail = &tls_detail,
    .ports = { 443, 4433, 5684, 5349 },
    .state_size = sizeof(struct dtls_state),
    .detect = detect,
    .datagram = datagram,
};
