#include "services/dissector/protocols/tls/tls_message.h"
#include "services/dissector/protocols/tls/tls_certificate.h"
#include "services/dissector/protocols/tls/tls_fields.h"
#include "services/dissector/protocols/tls/tls_fingerprint.h"
#include "services/dissector/protocols/tls/tls_names.h"

#define SERVER_NAME_MAX 256u        /* host names have at most 253 characters */
#define SERVER_NAME_TEXT_MAX (4 * SERVER_NAME_MAX)
#define ALPN_OFFERED_MAX 64u        /* browsers offer two or three */

static void write_offered(struct message *m, const struct tls_hello *client)
{
    struct cursor list = cursor_over(client->alpn.data, client->alpn.size);
    struct tls_bytes name;
    message_open(m, TLS_ALPN_OFFERED);
    for (unsigned i = 0; i < ALPN_OFFERED_MAX && tls_alpn_next(&list, &name); i++) {
        char room[TLS_ALPN_TEXT_MAX];
        struct text_buffer t = text_buffer_over(room, sizeof room);
        text_buffer_bytes(&t, name.data, name.size, "");
        message_item(m, t.data, t.size);
    }
    message_close(m);
}

void tls_write_client_hello(struct message *m, const struct tls_hello *client, size_t message_size)
{
    char room[SERVER_NAME_TEXT_MAX + 16], ja3[TLS_JA3_TEXT_MAX], ja4[TLS_JA4_TEXT_MAX];
    struct text_buffer t = text_buffer_over(room, sizeof room);
    text_buffer_string(&t, "ClientHello");
    if (client->server_name.size > 0) {
        text_buffer_char(&t, ' ');
        size_t at = t.size, size = client->server_name.size;
        text_buffer_bytes(&t, client->server_name.data, size < SERVER_NAME_MAX ? size : SERVER_NAME_MAX, "");
        message_text(m, TLS_SNI, t.data + at, t.size - at);
    }
    message_summary(m, t.data, t.size);
    message_text(m, TLS_SUMMARY, t.data, t.size);
    if (client->has_alpn)
        write_offered(m, client);
    tls_ja3(client, ja3);
    tls_ja4(client, ja4);
    message_string(m, TLS_JA3, ja3);
    message_string(m, TLS_JA4, ja4);
    message_int(m, TLS_REQUEST_SIZE, (int64_t)message_size);
    message_int(m, TLS_TOTAL_SIZE, (int64_t)message_size);
}

void tls_write_server_hello(struct message *m, const struct tls_hello *server, struct text_buffer *alpn)
{
    char room[64], ja3s[TLS_JA3_TEXT_MAX];
    struct text_buffer t = text_buffer_over(room, sizeof room);
    tls_version_text(tls_hello_server_version(server), &t);
    message_text(m, TLS_VERSION, t.data, t.size);
    if (server->ciphers.size == 2) {
        t.size = 0;
        tls_cipher_text(tls_number_at(&server->ciphers, 0), &t);
        message_text(m, TLS_CIPHER, t.data, t.size);
    }
    struct cursor list = cursor_over(server->alpn.data, server->alpn.size);
    struct tls_bytes name;
    if (tls_alpn_next(&list, &name)) {
        text_buffer_bytes(alpn, name.data, name.size, "");
        message_text(m, TLS_ALPN, alpn->data, alpn->size);
    }
    tls_ja3s(server, ja3s);
    message_string(m, TLS_JA3S, ja3s);
    if (tls_hello_is_retry(server))
        message_bool(m, TLS_HELLO_RETRY, true);
}

/* ---- Certificates ---- */

static void write_names(struct message *m, const struct tls_certificate *certificate)
{
    bool more = true;
    message_open(m, TLS_CERTIFICATE_NAMES);
    for (unsigned i = 0; more; i++) {
        char room[TLS_CERTIFICATE_NAME_MAX];
        struct text_buffer t = text_buffer_over(room, sizeof room);
        more = tls_certificate_name(certificate, i, &t);
        if (t.size > 0)
            message_item(m, t.data, t.size);
    }
    message_close(m);
}

typedef void part(const struct tls_certificate *certificate, struct text_buffer *t);
static void write_part(struct message *m, uint8_t field, part *write, const struct tls_certificate *certificate)
{
    char room[4 * TLS_CERTIFICATE_NAME_MAX];
    struct text_buffer t = text_buffer_over(room, sizeof room);
    write(certificate, &t);
    message_text(m, field, t.data, t.size);
}

static void write_certificate(struct message *m, const struct tls_certificate *certificate, const uint8_t *data, size_t size)
{
    char digest[DIGEST_TEXT_MAX];
    write_part(m, TLS_CERTIFICATE, tls_certificate_subject, certificate);
    write_part(m, TLS_CERTIFICATE_ISSUER, tls_certificate_issuer, certificate);
    write_part(m, TLS_CERTIFICATE_NOT_BEFORE, tls_certificate_not_before, certificate);
    write_part(m, TLS_CERTIFICATE_NOT_AFTER, tls_certificate_not_after, certificate);
    write_part(m, TLS_CERTIFICATE_SERIAL, tls_certificate_serial, certificate);
    write_names(m, certificate);
    digest_of(data, size, digest);
    message_string(m, TLS_CERTIFICATE_SHA256, digest);
}

static const uint8_t *take_certificate(struct cursor *c, size_t *ret_size)
{
    *ret_size = (size_t)cursor_u8(c) << 16;
    *ret_size |= cursor_be16(c);
    return cursor_take(c, *ret_size);
}

void tls_write_certificates(struct message *m, const uint8_t *data, size_t size, bool client)
{
    struct cursor c = cursor_over(data, size);
    size_t first_size, other_size, count = 1;
    cursor_skip(&c, 3); /* the list's length: the message's says the same */
    const uint8_t *first = take_certificate(&c, &first_size);
    if (!first)
        return;
    struct tls_certificate *certificate = tls_certificate_read(first, first_size);
    if (certificate && client)
        write_part(m, TLS_CLIENT_CERTIFICATE, tls_certificate_subject, certificate);
    else if (certificate)
        write_certificate(m, certificate, first, first_size);
    tls_certificate_free(certificate);
    while (cursor_left(&c) > 0 && take_certificate(&c, &other_size))
        count++;
    if (!client)
        message_int(m, TLS_CERTIFICATES, (int64_t)count);
}

void tls_alert_text(uint8_t level, uint8_t description, struct text_buffer *t)
{
    const char *name = tls_alert_name(description);
    text_buffer_string(t, level == 2 ? "fatal " : "warning ");
    text_buffer_string(t, name ? name : "");
    if (!name)
        text_buffer_number(t, description);
}
