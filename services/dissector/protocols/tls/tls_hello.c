#include "services/dissector/protocols/tls/tls_hello.h"

#define TLS_DRAFT_MAJOR 0x7fu

static struct tls_bytes take(struct cursor *c, size_t size)
{
    const uint8_t *data = cursor_take(c, size);
    return (struct tls_bytes){ data, data ? size : 0 };
}

/* A list behind its length, in a cursor of its own; what is missing at its end fails the outer one. */
static struct tls_bytes take_list(struct cursor *c, unsigned length_bytes)
{
    size_t size = length_bytes == 1 ? cursor_u8(c) : cursor_be16(c);
    return take(c, size);
}

static struct tls_bytes even(struct tls_bytes list)
{
    list.size &= ~(size_t)1;
    return list;
}

static void read_server_name(struct cursor *c, struct tls_hello *h)
{
    h->has_server_name = true;
    struct tls_bytes list = take_list(c, 2);
    struct cursor names = cursor_over(list.data, list.size);
    while (cursor_left(&names) > 0) {
        unsigned type = cursor_u8(&names);
        struct tls_bytes name = take_list(&names, 2);
        if (type == 0 && cursor_ok(&names)) {
            h->server_name = name;
            return;
        }
    }
}

static void read_extension(unsigned type, const struct tls_bytes *data, bool client, struct tls_hello *h)
{
    struct cursor c = cursor_over(data->data, data->size);
    switch (type) {
    case TLS_EXTENSION_SERVER_NAME:
        if (client)
            read_server_name(&c, h);
        break;
    case TLS_EXTENSION_ALPN:
        h->has_alpn = true;
        h->alpn = take_list(&c, 2);
        break;
    case TLS_EXTENSION_GROUPS: h->groups = even(take_list(&c, 2)); break;
    case TLS_EXTENSION_POINT_FORMATS: h->point_formats = take_list(&c, 1); break;
    case TLS_EXTENSION_SIGNATURES: h->signatures = even(take_list(&c, 2)); break;
    case TLS_EXTENSION_VERSIONS: h->versions = even(client ? take_list(&c, 1) : take(&c, cursor_left(&c))); break;
    case TLS_EXTENSION_PSK: h->psk = true; break;
    default: break;
    }
}

/* Those that are there whole; the list's own length may go on behind what was captured. */
static void read_extensions(struct cursor *c, bool client, struct tls_hello *h)
{
    if (cursor_left(c) == 0)
        return; /* none: TLS 1.0 knew none */
    size_t size = cursor_be16(c), left = cursor_left(c);
    if (size > left)
        h->whole = false;
    h->extensions = take(c, size < left ? size : left);
    struct cursor e = cursor_over(h->extensions.data, h->extensions.size);
    while (cursor_left(&e) > 0) {
        unsigned type = cursor_be16(&e);
        struct tls_bytes data = take_list(&e, 2);
        if (!cursor_ok(&e)) {
            h->whole = false;
            return;
        }
        read_extension(type, &data, client, h);
    }
}

bool tls_hello_read(const uint8_t *data, size_t size, bool client, struct tls_hello *ret)
{
    struct cursor c = cursor_over(data, size);
    *ret = (struct tls_hello){ .whole = true };
    ret->version = cursor_be16(&c);
    ret->random = take(&c, 32);
    bool draft = !client && ret->version >> 8 == TLS_DRAFT_MAJOR; /* up to the 21st, servers left out session and compression */
    if (!cursor_ok(&c) || (ret->version >> 8 != 3 && !draft && !tls_is_datagram(ret->version)))
        return false;
    size_t session = draft ? 0 : cursor_u8(&c);
    if (session > TLS_SESSION_ID_BYTES_MAX)
        return false;
    ret->session = take(&c, session);
    if (client && tls_is_datagram(ret->version))
        (void)take_list(&c, 1);
    if (client) {
        ret->ciphers = even(take_list(&c, 2));
        (void)take_list(&c, 1);
    } else {
        ret->ciphers = take(&c, 2);
        cursor_skip(&c, draft ? 0 : 1);
    }
    if (cursor_ok(&c))
        read_extensions(&c, client, ret);
    ret->whole = ret->whole && cursor_ok(&c);
    return true;
}

uint16_t tls_hello_server_version(const struct tls_hello *server)
{
    return server->versions.size == 2 ? tls_number_at(&server->versions, 0) : server->version;
}

bool tls_hello_is_retry(const struct tls_hello *server)
{
    /* SHA-256 of "HelloRetryRequest" (RFC 8446 section 4.1.3). */
    static const uint8_t retry[32] = { 0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
                                       0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c };
    return server->random.size == sizeof retry && memcmp(server->random.data, retry, sizeof retry) == 0;
}

bool tls_alpn_next(struct cursor *list, struct tls_bytes *ret)
{
    if (cursor_left(list) == 0)
        return false;
    *ret = take_list(list, 1);
    return cursor_ok(list);
}
