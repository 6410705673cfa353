/* Capability tokens. See token.h.
 *
 *   text   = base64url, unpadded, of: version 1 (1 byte) | from (le64) | to (le64) | expires (le64) | HMAC-SHA256 (32) | lease
 *   signed = "tapeloop token 1" | from | to | expires | le64 length + bytes of each of node, object, lease
 *
 * Node and object are signed but not carried: who checks a token knows which object is asked for. Lengths before the texts, so that no two
 * different triples are signed as the same bytes. Sources: RFC 2104, RFC 4648 section 5. */
#include "http/token.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "bytes/cursor.h"
#include "bytes/put.h"
#include "json/json.h"
#include "mem/cleanup.h"

#define TOKEN_VERSION 1
#define MAC_BYTES 32
#define FIXED_BYTES (1 + 3 * 8 + MAC_BYTES)
#define BINARY_BYTES_MAX (FIXED_BYTES + TOKEN_LEASE_MAX)
#define SIGNED_BYTES_MAX 4096 /* far above a node's name (253), an object (512) and a lease together */
static_assert((BINARY_BYTES_MAX * 4 + 2) / 3 < TOKEN_TEXT_MAX, "a token fits its text");

/* The key file: magic | created (le64) | key 0 | key 1. */
static const char key_file_magic[8] = "TLKEYS1";
#define KEY_FILE_BYTES (sizeof key_file_magic + 8 + 2 * TOKEN_KEY_BYTES)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode_base64url(const uint8_t *data, size_t size, char *text)
{
    for (; size >= 3; size -= 3, data += 3) {
        *text++ = alphabet[data[0] >> 2];
        *text++ = alphabet[(data[0] & 3) << 4 | data[1] >> 4];
        *text++ = alphabet[(data[1] & 15) << 2 | data[2] >> 6];
        *text++ = alphabet[data[2] & 63];
    }
    if (size) {
        *text++ = alphabet[data[0] >> 2];
        *text++ = alphabet[(data[0] & 3) << 4 | (size == 2 ? data[1] >> 4 : 0)];
        if (size == 2)
            *text++ = alphabet[(data[1] & 15) << 2];
    }
    *text = '\0';
}

/* Only the one spelling that the encoder gives. Bytes, or -EBADMSG. */
static ssize_t decode_base64url(const char *text, uint8_t *data, size_t cap)
{
    uint32_t bits = 0;
    int held = 0;
    size_t n = 0;
    for (; *text; text++) {
        const char *found = strchr(alphabet, *text);
        if (!found)
            return -EBADMSG;
        bits = (bits << 6 | (uint32_t)(found - alphabet)) & 0xffff;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        if (n == cap)
            return -EBADMSG;
        data[n++] = (uint8_t)(bits >> held);
    }
    bool left_over = held >= 6 || (bits & ((1u << held) - 1)) != 0;
    return left_over ? -EBADMSG : (ssize_t)n;
}

static bool append(uint8_t *dst, size_t *at, const void *data, size_t size)
{
    if (size > SIGNED_BYTES_MAX - *at)
        return false;
    memcpy(dst + *at, data, size);
    *at += size;
    return true;
}

static bool append_u64(uint8_t *dst, size_t *at, uint64_t value)
{
    uint8_t bytes[8];
    (void)put_le64(bytes, value);
    return append(dst, at, bytes, sizeof bytes);
}

static bool append_text(uint8_t *dst, size_t *at, const char *text)
{
    size_t size = strlen(text);
    return append_u64(dst, at, size) && append(dst, at, text, size);
}

static int sign(const uint8_t key[TOKEN_KEY_BYTES], const struct token *token, uint8_t mac[MAC_BYTES])
{
    static const char purpose[] = "tapeloop token 1";
    uint8_t text[SIGNED_BYTES_MAX];
    size_t n = 0;
    bool fits = append(text, &n, purpose, sizeof purpose - 1) && append_u64(text, &n, token->from) && append_u64(text, &n, token->to) &&
                append_u64(text, &n, (uint64_t)token->expires_ns) && append_text(text, &n, token->node) && append_text(text, &n, token->object) &&
                append_text(text, &n, token->lease);
    if (!fits)
        return -EMSGSIZE;
    unsigned size = 0;
    if (!HMAC(EVP_sha256(), key, TOKEN_KEY_BYTES, text, n, mac, &size))
        return -ENOMEM;
    assert(size == MAC_BYTES);
    return 0;
}

int token_make(const struct token_keys *keys, const struct token *token, char *text)
{
    uint8_t binary[BINARY_BYTES_MAX];
    size_t lease = strlen(token->lease);
    if (lease > TOKEN_LEASE_MAX)
        return -EMSGSIZE;
    binary[0] = TOKEN_VERSION;
    (void)put_le64(binary + 1, token->from);
    (void)put_le64(binary + 9, token->to);
    (void)put_le64(binary + 17, (uint64_t)token->expires_ns);
    int rc = sign(keys->key[0], token, binary + 25);
    if (rc < 0)
        return rc;
    memcpy(binary + FIXED_BYTES, token->lease, lease);
    encode_base64url(binary, FIXED_BYTES + lease, text);
    return 0;
}

/* Both keys are always tried and compared in constant time, so that timing says nothing of where a forgery went wrong. */
static bool signed_by_either(const struct token_keys *keys, const struct token *token, const uint8_t *mac)
{
    bool good = false;
    for (size_t i = 0; i < 2; i++) {
        uint8_t want[MAC_BYTES];
        bool signs = sign(keys->key[i], token, want) == 0 && CRYPTO_memcmp(want, mac, MAC_BYTES) == 0;
        good = good || signs;
    }
    return good;
}

int token_check(const struct token_keys *keys, const char *text, const char *node, const char *object, uint64_t from, uint64_t to, int64_t now_ns, char *ret_lease)
{
    uint8_t binary[BINARY_BYTES_MAX];
    char lease[TOKEN_LEASE_MAX + 1];
    ssize_t size = decode_base64url(text, binary, sizeof binary);
    struct cursor c = cursor_over(binary, size < 0 ? 0 : (size_t)size);
    uint8_t version = cursor_u8(&c);
    struct token token = { .node = node, .object = object, .lease = lease, .from = cursor_le64(&c), .to = cursor_le64(&c) };
    token.expires_ns = (int64_t)cursor_le64(&c);
    const uint8_t *mac = cursor_take(&c, MAC_BYTES);
    if (!cursor_ok(&c) || version != TOKEN_VERSION)
        return -EACCES;
    size_t lease_size = cursor_left(&c);
    memcpy(lease, binary + FIXED_BYTES, lease_size);
    lease[lease_size] = '\0';
    if (strlen(lease) != lease_size || !signed_by_either(keys, &token, mac))
        return -EACCES;
    if (from > to || from < token.from || to > token.to)
        return -EACCES;
    if (now_ns >= token.expires_ns)
        return -ETIME;
    if (ret_lease)
        memcpy(ret_lease, lease, lease_size + 1);
    return 0;
}

static int read_keys(const char *path, struct token_keys *keys, int64_t *created_ns)
{
    struct stat status;
    mem_auto_free char *data = NULL;
    size_t size;
    int rc = json_read_text(path, KEY_FILE_BYTES, &data, &size);
    if (rc == -EFBIG || (rc == 0 && (size != KEY_FILE_BYTES || memcmp(data, key_file_magic, sizeof key_file_magic) != 0)))
        return -EBADMSG;
    if (rc < 0)
        return rc;
    if (stat(path, &status) < 0)
        return -errno;
    if (status.st_mode & 077)
        return -EPERM; /* somebody else may have read it */
    struct cursor c = cursor_over(data + sizeof key_file_magic, size - sizeof key_file_magic);
    *created_ns = (int64_t)cursor_le64(&c);
    memcpy(keys->key, data + sizeof key_file_magic + 8, sizeof keys->key);
    OPENSSL_cleanse(data, size);
    return 0;
}

static int write_keys(const char *path, const struct token_keys *keys, int64_t now_ns)
{
    char data[KEY_FILE_BYTES];
    memcpy(data, key_file_magic, sizeof key_file_magic);
    (void)put_le64((uint8_t *)data + sizeof key_file_magic, (uint64_t)now_ns);
    memcpy(data + sizeof key_file_magic + 8, keys->key, sizeof keys->key);
    int rc = json_write_text(path, data, sizeof data, 0600);
    OPENSSL_cleanse(data, sizeof data);
    return rc;
}

int token_keys_load(const char *path, int64_t now_ns, uint64_t rotate_s, struct token_keys *ret)
{
    struct token_keys keys;
    int64_t created_ns = 0;
    int rc = read_keys(path, &keys, &created_ns);
    if (rc < 0 && rc != -ENOENT)
        return rc;
    bool made = rc == -ENOENT, old = !made && rotate_s && now_ns > created_ns && (uint64_t)(now_ns - created_ns) / 1000000000u >= rotate_s;
    if (old)
        memcpy(keys.key[1], keys.key[0], TOKEN_KEY_BYTES);
    if (made || old) {
        size_t fresh = made ? sizeof keys.key : TOKEN_KEY_BYTES; /* a new file's second key is random too: it must verify nothing */
        if (getrandom(keys.key, fresh, 0) != (ssize_t)fresh)
            return -EIO;
        rc = write_keys(path, &keys, now_ns);
        if (rc < 0)
            return rc;
    }
    *ret = keys;
    return 0;
}
