/* TLS 1.0 to 1.3 (and SSL 3.0) over streams, up to where encryption begins.
 *
 *   record:     type 1 | version 2 | length 2 | fragment                  type: 20 change cipher spec, 21 alert, 22 handshake, 23 application data, 24 heartbeat
 *   handshake:  type 1 | length 3 | body                                  messages lie in the fragments of handshake records as in a stream: several in one, one in several
 *
 * A client hello is a request, the server hello its response, to which the certificate that follows in clear belongs; so it waits until the handshake is over. A hello retry request is a response, the second client
 * hello a request of its own. An alert goes into the entry as long as the response waits, and is its response where the server sends one in place of a hello; otherwise it is one-way.
 * Sources: RFC 8446 sections 4, 5 and 6, 5246 sections 6 and 7. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/protocols/protocol.h"
#include "services/dissector/protocols/tls/tls_fields.h"
#include "services/dissector/protocols/tls/tls_message.h"
#include "services/dissector/protocols/tls/tls_names.h"

enum { RECORD_CHANGE_CIPHER = 20, RECORD_ALERT, RECORD_HANDSHAKE, RECORD_APPLICATION_DATA, RECORD_HEARTBEAT };
enum { HANDSHAKE_CLIENT_HELLO = 1, HANDSHAKE_SERVER_HELLO = 2, HANDSHAKE_CERTIFICATE = 11, HANDSHAKE_SERVER_DONE = 14 };
enum { ALERT_WARNING = 1, ALERT_FATAL = 2 };

#define RECORD_HEADER_BYTES 5u
#define RECORD_BYTES_MAX (16384u + 2048)    /* RFC 5246 section 6.2.3 */
#define HANDSHAKE_HEADER_BYTES 4u
#define HELLO_BYTES_LEAST 38u               /* version, random, session, cipher suite, compression */
#define HELLO_BYTES_MAX (64u * 1024)        /* extensions have a length of two bytes */
#define CERTIFICATES_BYTES_MAX (256u * 1024) /* a chain of a few with all their names; longer ones are passed over */
#define OPAQUE_RECORDS_MAX 64u              /* encrypted records after which nothing in clear is waited for any more: early data, or a side that was not captured */

struct tls_side {
    uint8_t record_type; uint32_t record_left;  /* of the record under way whose bytes are dealt with as they come */
    uint8_t header[HANDSHAKE_HEADER_BYTES]; uint8_t header_size; /* of the handshake message under way */
    uint32_t need, have, skip;                  /* its body; skip: bytes of one that says nothing */
    uint8_t *body;
    struct message *hello;                      /* the entry's half, from the message's first byte on */
    bool answering;                             /* the response began in the record under way */
    bool encrypted;
    bool unsure;                                /* something is missing: the next record may begin inside a message */
    bool lost;                                  /* ... or the next bytes inside a record */
};
struct tls_state {
    struct tls_side sides[2];
    struct message *response;                   /* the server hello's, until the handshake is over */
    struct message *warning;                    /* an alert that came before it */
    uint16_t version;                           /* 0: no server hello yet */
    bool asked;                                 /* a client hello waits for what the server says */
    bool resumed, certificate, server_done, alert_written, client_certificate;
    char alpn_room[TLS_ALPN_TEXT_MAX]; uint8_t alpn_size;
    uint16_t cipher;
    uint8_t session[TLS_SESSION_ID_BYTES_MAX]; uint8_t session_size;
    uint32_t request_size, response_size, opaque;
};

static bool is_1_3(const struct tls_state *state) { return state->version == TLS_VERSION_1_3 || state->version >> 8 == 0x7f || state->version >> 8 == 0xfb; /* drafts */ }

/* ---- The response ---- */

static void write_info(struct message *m, const struct tls_state *state)
{
    char room[TLS_ALPN_TEXT_MAX + 128];
    struct text_buffer t = text_buffer_over(room, sizeof room);
    tls_version_text(state->version, &t);
    text_buffer_string(&t, ", ");
    tls_cipher_text(state->cipher, &t);
    if (state->alpn_size) {
        text_buffer_string(&t, ", ");
        text_buffer_put(&t, state->alpn_room, state->alpn_size);
    }
    if (state->resumed)
        text_buffer_string(&t, ", resumed");
    message_text(m, TLS_INFO, t.data, t.size);
}

/* Where no request is there to say what the entry is about. */
static void write_lone_summary(struct message *m, const char *what, const struct text_buffer *text)
{
    char room[128];
    struct text_buffer t = text_buffer_over(room, sizeof room);
    text_buffer_string(&t, what);
    text_buffer_put(&t, text->data, text->size);
    message_summary(m, t.data, t.size);
    message_text(m, TLS_SUMMARY, t.data, t.size);
}

static void emit_response(struct conversation *c, struct tls_state *state)
{
    struct message *m = state->response;
    if (!m)
        return;
    state->response = NULL;
    if (state->resumed)
        message_bool(m, TLS_RESUMED, true);
    write_info(m, state);
    message_int(m, TLS_RESPONSE_SIZE, state->response_size);
    bool asked = conversation_oldest(c, KEY_IN_ORDER) != NULL;
    message_int(m, TLS_TOTAL_SIZE, (int64_t)state->response_size + (asked ? state->request_size : 0));
    if (!asked) {
        char room[32];
        struct text_buffer version = text_buffer_over(room, sizeof room);
        tls_version_text(state->version, &version);
        write_lone_summary(m, "ServerHello ", &version);
    }
    conversation_response(c, m, KEY_IN_ORDER);
}

static void emit_warning(struct conversation *c, struct tls_state *state)
{
    struct message *m = state->warning;
    state->warning = NULL;
    if (m)
        conversation_response(c, m, KEY_IN_ORDER);
}

/* ---- Handshake messages ---- */

static void take_client_hello(struct conversation *c, struct message *m, const uint8_t *data, size_t size)
{
    struct tls_state *state = conversation_state(c);
    struct tls_hello hello;
    emit_response(c, state);
    if (!tls_hello_read(data, size, true, &hello)) {
        conversation_drop(c, m);
        return;
    }
    state->session_size = (uint8_t)hello.session.size;
    if (hello.session.size > 0)
        memcpy(state->session, hello.session.data, hello.session.size);
    state->request_size = (uint32_t)size + HANDSHAKE_HEADER_BYTES;
    hello.whole = hello.whole && m->incomplete == WHOLE;
    tls_write_client_hello(m, &hello, state->request_size);
    if (!hello.whole)
        message_incomplete(m, TRUNCATED);
    state->asked = true;
    conversation_request(c, m, KEY_IN_ORDER);
}

/* Up to TLS 1.2 the server repeats the session's identifier; TLS 1.3 repeats it always, and says so with a key. */
static bool is_resumption(const struct tls_state *state, const struct tls_hello *hello)
{
    if (is_1_3(state))
        return hello->psk;
    return hello->session.size > 0 && hello->session.size == state->session_size && memcmp(hello->session.data, state->session, state->session_size) == 0;
}

static void take_server_hello(struct conversation *c, struct message *m, const uint8_t *data, size_t size)
{
    struct tls_state *state = conversation_state(c);
    struct tls_hello hello;
    emit_response(c, state);
    if (!tls_hello_read(data, size, false, &hello)) {
        conversation_drop(c, m);
        return;
    }
    struct text_buffer alpn = text_buffer_over(state->alpn_room, sizeof state->alpn_room);
    state->version = tls_hello_server_version(&hello);
    state->cipher = hello.ciphers.size == 2 ? tls_number_at(&hello.ciphers, 0) : 0;
    state->resumed = is_resumption(state, &hello);
    state->asked = false;
    state->certificate = state->client_certificate = state->server_done = state->alert_written = false;
    state->response_size = (uint32_t)size + HANDSHAKE_HEADER_BYTES;
    hello.whole = hello.whole && m->incomplete == WHOLE;
    tls_write_server_hello(m, &hello, &alpn);
    state->alpn_size = (uint8_t)alpn.size;
    if (!hello.whole)
        message_incomplete(m, TRUNCATED);
    if (state->warning) {
        size_t text_size;
        const char *text = message_get_text(state->warning, TLS_ALERT, &text_size);
        if (text)
            message_text(m, TLS_ALERT, text, text_size);
        state->alert_written = true;
        conversation_drop(c, state->warning);
        state->warning = NULL;
    }
    state->response = m;
    if (tls_hello_is_retry(&hello))
        emit_response(c, state);
}

static void take_certificates(struct tls_state *state, enum side side, const uint8_t *data, size_t size)
{
    bool client = side == SIDE_CLIENT, *written = client ? &state->client_certificate : &state->certificate;
    if (!state->response || *written)
        return;
    *written = true;
    tls_write_certificates(state->response, data, size, client);
    state->resumed = state->resumed && client;
}

/* A whole message, or (a hello) its beginning; last: its last byte, NULL where it is not in this call. */
static void take_handshake(struct conversation *c, enum side side, const uint8_t *data, size_t size, const uint8_t *last)
{
    struct tls_state *state = conversation_state(c);
    struct tls_side *s = &state->sides[side];
    struct message *m = s->hello;
    unsigned type = s->header[0];
    s->hello = NULL;
    s->header_size = 0;
    if (m && last)
        conversation_last(c, side, m, last);
    if (side == SIDE_SERVER && type != HANDSHAKE_SERVER_HELLO && state->response)
        state->response_size += (uint32_t)size + HANDSHAKE_HEADER_BYTES;
    switch (type) {
    case HANDSHAKE_CLIENT_HELLO:
        if (m) /* not from the server's side */
            take_client_hello(c, m, data, size);
        break;
    case HANDSHAKE_SERVER_HELLO:
        if (m)
            take_server_hello(c, m, data, size);
        break;
    case HANDSHAKE_CERTIFICATE: take_certificates(state, side, data, size); break;
    case HANDSHAKE_SERVER_DONE: state->server_done = true; break;
    default: break;
    }
}

/* How long a message may be that is worth keeping; 0: it says nothing. */
static uint32_t worth(enum side side, unsigned type)
{
    if (type == (side == SIDE_CLIENT ? HANDSHAKE_CLIENT_HELLO : HANDSHAKE_SERVER_HELLO))
        return HELLO_BYTES_MAX;
    return type == HANDSHAKE_CERTIFICATE ? CERTIFICATES_BYTES_MAX : 0;
}

/* The message's header is there. */
static void begin_handshake(struct conversation *c, enum side side)
{
    struct tls_state *state = conversation_state(c);
    struct tls_side *s = &state->sides[side];
    uint32_t size = (uint32_t)s->header[1] << 16 | (uint32_t)s->header[2] << 8 | s->header[3];
    s->need = s->have = s->skip = 0;
    if (size > 0 && size <= worth(side, s->header[0])) {
        s->need = size;
        return;
    }
    conversation_drop(c, s->hello);
    s->hello = NULL;
    s->skip = size;
    if (worth(side, s->header[0]))
        s->header_size = 0;
    else
        take_handshake(c, side, NULL, size, NULL);
}

/* Some of the body; the rest comes in another call. Returns bytes taken, 0 without memory. */
static size_t keep_body(struct conversation *c, struct tls_side *s, enum side side, const uint8_t *data, size_t size)
{
    size_t n = s->need - s->have < size ? s->need - s->have : size;
    if (!s->body && !(s->body = malloc(s->need))) {
        conversation_drop(c, s->hello);
        s->hello = NULL;
        s->header_size = 0;
        s->skip = s->need;
        return 0;
    }
    memcpy(s->body + s->have, data, n);
    s->have += (uint32_t)n;
    if (s->hello)
        conversation_last(c, side, s->hello, data + n - 1);
    return n;
}

static size_t take_body(struct conversation *c, struct tls_side *s, enum side side, const uint8_t *data, size_t size)
{
    if (s->have == 0 && size >= s->need) {
        take_handshake(c, side, data, s->need, data + s->need - 1);
        return s->need;
    }
    size_t n = keep_body(c, s, side, data, size);
    if (n > 0 && s->have == s->need) {
        uint8_t *body = s->body;
        s->body = NULL;
        take_handshake(c, side, body, s->need, data + n - 1);
        free(body);
    }
    return n;
}

static void take_fragment(struct conversation *c, enum side side, const uint8_t *data, size_t size)
{
    struct tls_side *s = &((struct tls_state *)conversation_state(c))->sides[side];
    for (size_t at = 0; at < size;) {
        if (s->skip) {
            size_t n = s->skip < size - at ? s->skip : size - at;
            s->skip -= (uint32_t)n;
            at += n;
        } else if (s->header_size < HANDSHAKE_HEADER_BYTES) {
            if (s->header_size == 0 && worth(side, data[at]) == HELLO_BYTES_MAX)
                s->hello = conversation_message(c, side, data + at);
            s->header[s->header_size++] = data[at++];
            if (s->header_size == HANDSHAKE_HEADER_BYTES)
                begin_handshake(c, side);
        } else {
            at += take_body(c, s, side, data + at, size - at);
        }
    }
}

/* What was half read when the rest got lost: a hello is told as far as it goes, anything else is forgotten. */
static void break_off(struct conversation *c, enum side side, enum incomplete reason)
{
    struct tls_state *state = conversation_state(c);
    struct tls_side *s = &state->sides[side];
    uint8_t *body = s->body;
    s->body = NULL;
    if (s->hello && s->header_size == HANDSHAKE_HEADER_BYTES && s->have > 0) {
        message_incomplete(s->hello, reason);
        take_handshake(c, side, body, s->have, NULL);
    }
    conversation_drop(c, s->hello);
    free(body);
    s->hello = NULL;
    s->header_size = 0;
    s->need = s->have = s->skip = 0;
}

/* ---- Records ---- */

static void take_alert(struct conversation *c, enum side side, const uint8_t *record)
{
    struct tls_state *state = conversation_state(c);
    const uint8_t *alert = record + RECORD_HEADER_BYTES;
    char room[64];
    struct text_buffer t = text_buffer_over(room, sizeof room);
    tls_alert_text(alert[0], alert[1], &t);
    if (state->response && !state->alert_written) {
        message_text(state->response, TLS_ALERT, t.data, t.size);
        state->alert_written = true;
        emit_response(c, state);
        return;
    }
    struct message *m = conversation_message(c, side, record);
    conversation_last(c, side, m, alert + 1);
    message_text(m, TLS_ALERT, t.data, t.size);
    if (side == SIDE_SERVER && state->asked && conversation_oldest(c, KEY_IN_ORDER)) {
        if (alert[0] == ALERT_FATAL) {
            conversation_drop(c, state->warning);
            state->warning = NULL;
            conversation_response(c, m, KEY_IN_ORDER);
            return;
        }
        if (!state->warning) {
            state->warning = m;
            return;
        }
    }
    write_lone_summary(m, "Alert ", &t);
    conversation_push(c, side, m);
}

static void take_change_cipher(struct conversation *c, enum side side)
{
    struct tls_state *state = conversation_state(c);
    struct tls_side *s = &state->sides[side];
    if (state->version == 0) { /* nobody has said what follows; a second client hello may */
        s->unsure = true;
        return;
    }
    if (is_1_3(state))
        return; /* for show only */
    state->resumed = state->resumed || (side == SIDE_SERVER && state->response && !state->certificate && !state->server_done);
    s->encrypted = true;
    if (state->sides[SIDE_CLIENT].encrypted && state->sides[SIDE_SERVER].encrypted) {
        emit_response(c, state);
        conversation_ignore(c);
    }
}

/* A record that cannot be read. */
static void take_opaque(struct conversation *c, enum side side, unsigned type)
{
    struct tls_state *state = conversation_state(c);
    bool over = ++state->opaque > OPAQUE_RECORDS_MAX;
    if (type == RECORD_APPLICATION_DATA && state->version != 0)
        over = over || (is_1_3(state) ? side == SIDE_CLIENT : state->sides[side].encrypted);
    if (over) {
        emit_response(c, state);
        conversation_ignore(c);
    }
}

static bool is_record(const uint8_t *header)
{
    unsigned length = (unsigned)header[3] << 8 | header[4];
    return header[0] >= RECORD_CHANGE_CIPHER && header[0] <= RECORD_HEARTBEAT && header[1] == 3 && length <= RECORD_BYTES_MAX && (length > 0 || header[0] == RECORD_APPLICATION_DATA);
}

/* The first bytes of the handshake messages that these records hold, up to `wanted`: how many there are so far; SIZE_MAX: these are no handshake records. A record may hold as little as one byte of them. */
static size_t look_into(const uint8_t *data, size_t size, size_t wanted, uint8_t *ret)
{
    static const uint8_t start[] = { RECORD_HANDSHAKE, 3 };
    size_t have = 0;
    for (size_t at = 0; have < wanted && at < size;) {
        size_t left = size - at;
        if (memcmp(data + at, start, left < sizeof start ? left : sizeof start) != 0 || (left > 2 && data[at + 2] > 4))
            return SIZE_MAX;
        if (left < RECORD_HEADER_BYTES)
            break;
        size_t length = (size_t)data[at + 3] << 8 | data[at + 4];
        if (length == 0 || length > RECORD_BYTES_MAX)
            return SIZE_MAX;
        at += RECORD_HEADER_BYTES;
        for (size_t i = 0; i < length && at + i < size && have < wanted; i++)
            ret[have++] = data[at + i];
        at += length;
    }
    return have;
}

/* Handshake records that begin with a hello; whole: all of it is in the first. */
static enum detected look(const uint8_t *data, size_t size, bool whole)
{
    uint8_t hello[HANDSHAKE_HEADER_BYTES + 1];
    size_t have = look_into(data, size, sizeof hello, hello);
    uint32_t record = size < RECORD_HEADER_BYTES ? RECORD_BYTES_MAX : (uint32_t)data[3] << 8 | data[4];
    if (have == SIZE_MAX || (whole && record < sizeof hello) || (have > 0 && hello[0] != HANDSHAKE_CLIENT_HELLO && hello[0] != HANDSHAKE_SERVER_HELLO))
        return DETECT_NO;
    if (have < sizeof hello)
        return DETECT_MORE;
    uint32_t message = (uint32_t)hello[1] << 16 | (uint32_t)hello[2] << 8 | hello[3];
    bool version = hello[4] == 3 || (hello[4] == 0x7f && hello[0] == HANDSHAKE_SERVER_HELLO);
    if (message < HELLO_BYTES_LEAST - 3 || message > HELLO_BYTES_MAX || !version || (whole && message + HANDSHAKE_HEADER_BYTES > record))
        return DETECT_NO;
    return hello[0] == HANDSHAKE_CLIENT_HELLO ? DETECT_CLIENT : DETECT_SERVER;
}

static enum detected tls_detect(const struct sniff *sniff)
{
    return look(sniff->data, sniff->size, false);
}

/* The record's beginning. Bytes of handshakes and of what is opaque are dealt with as they come, the others as a whole. */
static int64_t take_record(struct conversation *c, enum side side, const uint8_t *data, size_t size)
{
    struct tls_state *state = conversation_state(c);
    struct tls_side *s = &state->sides[side];
    unsigned type = data[0], length = (unsigned)data[3] << 8 | data[4];
    if (type == RECORD_HANDSHAKE && s->unsure && !s->encrypted) {
        enum detected hello = look(data, size, true);
        if (hello == DETECT_MORE)
            return 0;
        s->unsure = hello == DETECT_NO;
    }
    bool opaque = type >= RECORD_APPLICATION_DATA || s->encrypted || (type == RECORD_HANDSHAKE && s->unsure);
    if (opaque || type == RECORD_HANDSHAKE) {
        s->record_type = opaque ? RECORD_APPLICATION_DATA : RECORD_HANDSHAKE;
        s->record_left = length;
        if (opaque)
            take_opaque(c, side, type);
        return RECORD_HEADER_BYTES;
    }
    if (size < RECORD_HEADER_BYTES + length)
        return 0;
    if (type == RECORD_CHANGE_CIPHER)
        take_change_cipher(c, side);
    else if (length == 2 && (data[5] == ALERT_WARNING || data[5] == ALERT_FATAL))
        take_alert(c, side, data);
    return RECORD_HEADER_BYTES + length;
}

static int64_t tls_parse(struct conversation *c, enum side side, const uint8_t *data, size_t size)
{
    struct tls_side *s = &((struct tls_state *)conversation_state(c))->sides[side];
    if (s->record_left > 0) {
        size_t n = s->record_left < size ? s->record_left : size;
        s->record_left -= (uint32_t)n;
        if (s->record_type == RECORD_HANDSHAKE) {
            struct tls_state *state = conversation_state(c);
            const struct message *before = state->response;
            take_fragment(c, side, data, n);
            s->answering = s->answering || (state->response && state->response != before);
            if (s->answering && state->response && s->record_left == 0) /* as stock Wireshark has it: the hello is known when its record is */
                conversation_last(c, side, state->response, data + n - 1);
            s->answering = s->answering && s->record_left > 0;
        }
        return (int64_t)n;
    }
    if (s->lost) {
        enum detected hello = look(data, size, true);
        if (hello == DETECT_MORE)
            return 0;
        if (hello == DETECT_NO)
            return -EBADMSG;
        s->lost = s->unsure = false;
    }
    if (size < RECORD_HEADER_BYTES)
        return is_record((const uint8_t[]){ data[0], size > 1 ? data[1] : 3, 0, 0, 1 }) ? 0 : -EBADMSG;
    return is_record(data) ? take_record(c, side, data, size) : -EBADMSG;
}

static void tls_gap(struct conversation *c, enum side side, uint64_t lost)
{
    struct tls_state *state = conversation_state(c);
    struct tls_side *s = &state->sides[side];
    bool inside = lost > 0 && lost <= s->record_left && !s->lost;
    if (inside && side == SIDE_CLIENT) /* of the server, what is lost may be the answer itself */
        conversation_gap_inside(c, side);
    if (inside && s->record_type == RECORD_APPLICATION_DATA) {
        s->record_left -= (uint32_t)lost;
        return;
    }
    break_off(c, side, GAP);
    if (side == SIDE_SERVER && state->response && !is_1_3(state) && !state->server_done) {
        message_incomplete(state->response, GAP);
        emit_response(c, state);
    }
    s->unsure = true;
    s->record_type = RECORD_APPLICATION_DATA; /* the rest of this one cannot be read */
    s->record_left = inside ? s->record_left - (uint32_t)lost : 0;
    s->lost = s->lost || !inside;
}

static void tls_close(struct conversation *c)
{
    struct tls_state *state = conversation_state(c);
    enum incomplete reason = conversation_end(c) == END_INPUT ? ENDS_AFTER : TRUNCATED;
    break_off(c, SIDE_CLIENT, reason);
    break_off(c, SIDE_SERVER, reason);
    emit_warning(c, state);
    emit_response(c, state);
}

static size_t tls_memory(const void *state)
{
    const struct tls_state *s = state;
    size_t size = message_memory(s->response) + message_memory(s->warning);
    for (enum side side = SIDE_CLIENT; side <= SIDE_SERVER; side++)
        size += message_memory(s->sides[side].hello) + (s->sides[side].body ? s->sides[side].need : 0);
    return size;
}

const struct protocol protocol_tls = {
    .name = "TLS",
    .flags = { "tls" },
    .detail = &tls_detail,
    .ports = { 443, 8443, 6443, 853, 465, 993, 995, 636 },
    .follows = true,
    .state_size = sizeof(struct tls_state),
    .detect = tls_detect,
    .parse = tls_parse,
    .gap = tls_gap,
    .memory = tls_memory,
    .close = tls_close,
};
