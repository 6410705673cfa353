#include "bus/nkey.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "mem/cleanup.h"

/* An nkey is base32 (RFC 4648, no padding) of: prefix | key | CRC-16/XMODEM little-endian. A seed has two prefix bytes: the top
 * five bits say seed (18), the next five bits the kind (user: 20). Source: github.com/nats-io/nkeys. */
#define SEED_TEXT_BYTES 58
#define SEED_BYTES 36
#define PREFIX_SEED (18 << 3)
#define PREFIX_USER (20 << 3)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static uint16_t crc16(const uint8_t *data, size_t size)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < size; i++) {
        crc = (uint16_t)(crc ^ data[i] << 8);
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    }
    return crc;
}

static int decode_base32(const char *text, size_t size, uint8_t *data)
{
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < size; i++) {
        const char *at = text[i] ? strchr(alphabet, text[i]) : NULL;
        if (!at)
            return -EBADMSG;
        bits = bits << 5 | (uint32_t)(at - alphabet);
        held += 5;
        if (held >= 8) {
            held -= 8;
            *data++ = (uint8_t)(bits >> held);
        }
    }
    return 0;
}

static void encode_base32(const uint8_t *data, size_t size, char *text)
{
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | data[i];
        for (held += 8; held >= 5; held -= 5)
            *text++ = alphabet[bits >> (held - 5) & 31];
    }
    if (held)
        *text++ = alphabet[bits << (5 - held) & 31];
    *text = '\0';
}

/* The line that begins with SU. */
static int read_seed(const char *path, char *seed)
{
    mem_auto_fclose FILE *file = fopen(path, "re");
    if (!file)
        return -errno;
    char line[4096];
    int r = -EBADMSG;
    while (r < 0 && fgets(line, sizeof line, file))
        if (strncmp(line, "SU", 2) == 0 && strspn(line, alphabet) == SEED_TEXT_BYTES) {
            memcpy(seed, line, SEED_TEXT_BYTES);
            r = 0;
        }
    explicit_bzero(line, sizeof line);
    return r;
}

int bus_nkey_public(const char *path, char *text)
{
    char seed[SEED_TEXT_BYTES];
    uint8_t raw[SEED_BYTES + 1] = { 0 }, named[35] = { PREFIX_USER };
    size_t key_size = 32;
    int r = read_seed(path, seed);
    if (r < 0)
        return r;
    r = decode_base32(seed, sizeof seed, raw);
    if (r == 0 && ((raw[0] & 0xF8) != PREFIX_SEED || crc16(raw, SEED_BYTES - 2) != (raw[SEED_BYTES - 2] | raw[SEED_BYTES - 1] << 8)))
        r = -EBADMSG;
    EVP_PKEY *key = r == 0 ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, raw + 2, 32) : NULL;
    if (!key || EVP_PKEY_get_raw_public_key(key, named + 1, &key_size) != 1)
        r = -EBADMSG;
    EVP_PKEY_free(key);
    explicit_bzero(seed, sizeof seed);
    explicit_bzero(raw, sizeof raw);
    if (r < 0)
        return r;
    uint16_t crc = crc16(named, 33);
    named[33] = (uint8_t)crc;
    named[34] = (uint8_t)(crc >> 8);
    encode_base32(named, sizeof named, text);
    return 0;
}
