#include "services/dissector/protocols/tls/tls_fingerprint.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include "digest/digest.h"

#define TEXT_ROOM (4 * TLS_FINGERPRINT_LIST_MAX * 6)    /* four lists, each number with what joins it */
#define HASH_DIGITS 12u

/* Numbers without GREASE, in the order sent. */
struct numbers { size_t count; uint16_t at[TLS_FINGERPRINT_LIST_MAX]; };

static bool collect(const struct tls_bytes *list, struct numbers *ret)
{
    ret->count = 0;
    for (size_t i = 0; i < list->size / 2; i++) {
        uint16_t number = tls_number_at(list, i);
        if (tls_is_grease(number))
            continue;
        if (ret->count == TLS_FINGERPRINT_LIST_MAX)
            return false;
        ret->at[ret->count++] = number;
    }
    return true;
}

static bool collect_extensions(const struct tls_hello *h, struct numbers *ret)
{
    struct cursor c = cursor_over(h->extensions.data, h->extensions.size);
    ret->count = 0;
    while (cursor_left(&c) > 0) {
        uint16_t type = cursor_be16(&c);
        cursor_skip(&c, cursor_be16(&c));
        if (tls_is_grease(type))
            continue;
        if (!cursor_ok(&c) || ret->count == TLS_FINGERPRINT_LIST_MAX)
            return false;
        ret->at[ret->count++] = type;
    }
    return true;
}

static void put_decimal(struct text_buffer *t, const struct numbers *numbers)
{
    for (size_t i = 0; i < numbers->count; i++) {
        if (i > 0)
            text_buffer_char(t, '-');
        text_buffer_number(t, numbers->at[i]);
    }
}

static void put_hex(struct text_buffer *t, const struct numbers *numbers)
{
    for (size_t i = 0; i < numbers->count; i++) {
        if (i > 0)
            text_buffer_char(t, ',');
        text_buffer_hex16(t, numbers->at[i]);
    }
}

static void md5(const struct text_buffer *t, char text[static TLS_JA3_TEXT_MAX])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    size_t size;
    if (t->cut || EVP_Q_digest(NULL, "MD5", NULL, t->data, t->size, digest, &size) != 1)
        return;
    struct text_buffer hex = text_buffer_over(text, TLS_JA3_TEXT_MAX - 1);
    text_buffer_hex(&hex, digest, size);
    text[hex.size] = '\0';
}

void tls_ja3(const struct tls_hello *client, char text[static TLS_JA3_TEXT_MAX])
{
    struct numbers numbers;
    char room[TEXT_ROOM];
    struct text_buffer t = text_buffer_over(room, sizeof room);
    text[0] = '\0';
    text_buffer_number(&t, client->version);
    text_buffer_char(&t, ',');
    if (!client->whole || !collect(&client->ciphers, &numbers))
        return;
    put_decimal(&t, &numbers);
    text_buffer_char(&t, ',');
    if (!collect_extensions(client, &numbers))
        return;
    put_decimal(&t, &numbers);
    text_buffer_char(&t, ',');
    if (!collect(&client->groups, &numbers))
        return;
    put_decimal(&t, &numbers);
    text_buffer_char(&t, ',');
    for (size_t i = 0; i < client->point_formats.size; i++) {
        if (i > 0)
            text_buffer_char(&t, '-');
        text_buffer_number(&t, client->point_formats.data[i]);
    }
    md5(&t, text);
}

void tls_ja3s(const struct tls_hello *server, char text[static TLS_JA3_TEXT_MAX])
{
    struct numbers numbers;
    char room[TEXT_ROOM];
    struct text_buffer t = text_buffer_over(room, sizeof room);
    text[0] = '\0';
    if (!server->whole || server->ciphers.size != 2 || !collect_extensions(server, &numbers))
        return;
    text_buffer_number(&t, server->version);
    text_buffer_char(&t, ',');
    text_buffer_number(&t, tls_number_at(&server->ciphers, 0));
    text_buffer_char(&t, ',');
    put_decimal(&t, &numbers);
    md5(&t, text);
}

/* ---- JA4 ---- */

static const char *datagram_version_digits(const struct tls_hello *client)
{
    unsigned version = client->version;
    for (size_t i = 0; i < client->versions.size / 2; i++) {
        unsigned offered = tls_number_at(&client->versions, i);
        if (tls_is_datagram(offered) && offered < version)
            version = offered;
    }
    return version == DTLS_VERSION_1_0 ? "d1" : version == DTLS_VERSION_1_2 ? "d2" : version == DTLS_VERSION_1_3 ? "d3" : "00";
}

static const char *version_digits(const struct tls_hello *client)
{
    unsigned version = client->versions.size ? 0 : client->version;
    if (tls_is_datagram(client->version))
        return datagram_version_digits(client);
    for (size_t i = 0; i < client->versions.size / 2; i++) {
        unsigned offered = tls_number_at(&client->versions, i);
        if (!tls_is_grease(offered) && offered > version)
            version = offered;
    }
    static const char *const digits[] = { "s3", "10", "11", "12", "13" };
    return version >= 0x0300 && version <= 0x0304 ? digits[version - 0x0300] : "00";
}

static void put_count(struct text_buffer *t, size_t count)
{
    count = count > 99 ? 99 : count;
    text_buffer_char(t, (char)('0' + count / 10));
    text_buffer_char(t, (char)('0' + count % 10));
}

static bool is_alphanumeric(uint8_t c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

static void put_alpn(struct text_buffer *t, const struct tls_hello *client)
{
    struct cursor list = cursor_over(client->alpn.data, client->alpn.size);
    struct tls_bytes first;
    if (!tls_alpn_next(&list, &first) || first.size == 0) {
        text_buffer_string(t, "00");
        return;
    }
    uint8_t head = first.data[0], tail = first.data[first.size - 1];
    bool plain = is_alphanumeric(head) && is_alphanumeric(tail);
    text_buffer_char(t, plain ? (char)head : "0123456789abcdef"[head >> 4]);
    text_buffer_char(t, plain ? (char)tail : "0123456789abcdef"[tail & 15]);
}

static int compare(const void *a, const void *b) { return *(const uint16_t *)a - *(const uint16_t *)b; }

static void put_hash(struct text_buffer *t, const struct text_buffer *list)
{
    char digest[DIGEST_TEXT_MAX];
    if (list->size == 0) {
        text_buffer_string(t, "000000000000");
        return;
    }
    digest_of(list->data, list->size, digest);
    text_buffer_put(t, digest, HASH_DIGITS);
}

static void put_ciphers(struct text_buffer *t, struct numbers *ciphers)
{
    char room[TEXT_ROOM];
    struct text_buffer list = text_buffer_over(room, sizeof room);
    qsort(ciphers->at, ciphers->count, sizeof *ciphers->at, compare);
    put_hex(&list, ciphers);
    put_hash(t, &list);
}

/* Server name and ALPN are told in the first part, and depend on where the client goes. */
static void put_extensions(struct text_buffer *t, struct numbers *extensions, const struct numbers *signatures)
{
    char room[TEXT_ROOM];
    struct text_buffer list = text_buffer_over(room, sizeof room);
    size_t kept = 0;
    for (size_t i = 0; i < extensions->count; i++)
        if (extensions->at[i] != TLS_EXTENSION_SERVER_NAME && extensions->at[i] != TLS_EXTENSION_ALPN)
            extensions->at[kept++] = extensions->at[i];
    extensions->count = kept;
    qsort(extensions->at, extensions->count, sizeof *extensions->at, compare);
    put_hex(&list, extensions);
    if (kept > 0 && signatures->count > 0) {
        text_buffer_char(&list, '_');
        put_hex(&list, signatures);
    }
    put_hash(t, &list);
}

void tls_ja4(const struct tls_hello *client, char text[static TLS_JA4_TEXT_MAX])
{
    struct numbers ciphers, extensions, signatures;
    text[0] = '\0';
    if (!client->whole || !collect(&client->ciphers, &ciphers) || !collect_extensions(client, &extensions) || !collect(&client->signatures, &signatures))
        return;
    struct text_buffer t = text_buffer_over(text, TLS_JA4_TEXT_MAX - 1);
    text_buffer_char(&t, tls_is_datagram(client->version) ? 'd' : 't');
    text_buffer_string(&t, version_digits(client));
    text_buffer_char(&t, client->has_server_name ? 'd' : 'i');
    put_count(&t, ciphers.count);
    put_count(&t, extensions.count);
    put_alpn(&t, client);
    text_buffer_char(&t, '_');
    put_ciphers(&t, &ciphers);
    text_buffer_char(&t, '_');
    put_extensions(&t, &extensions, &signatures);
    text[t.size] = '\0';
}
