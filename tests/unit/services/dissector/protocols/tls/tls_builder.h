/* TLS records and handshake messages for tests, written as bytes. */
#ifndef TESTS_TLS_BUILDER_H
#define TESTS_TLS_BUILDER_H
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TLS_BUILDER_BYTES_MAX 65536
struct tls_builder { uint8_t data[TLS_BUILDER_BYTES_MAX]; size_t size; };

static inline void tls_put(struct tls_builder *b, const void *data, size_t size)
{
    if (sizeof b->data - b->size < size)
        abort();
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
}
static inline void tls_put_number(struct tls_builder *b, unsigned bytes, unsigned v)
{
    for (unsigned i = bytes; i-- > 0;)
        tls_put(b, &(uint8_t){ (uint8_t)(v >> 8 * i) }, 1);
}
static inline void tls_put_list(struct tls_builder *b, unsigned length_bytes, const void *data, size_t size)
{
    tls_put_number(b, length_bytes, (unsigned)size);
    tls_put(b, data, size);
}
/* Two bytes each, up to the first -1. */
static inline struct tls_builder tls_numbers(const int *numbers)
{
    struct tls_builder b = { .size = 0 };
    for (; *numbers >= 0; numbers++)
        tls_put_number(&b, 2, (unsigned)*numbers);
    return b;
}
#define TLS_NUMBERS(...) tls_numbers((const int[]){ __VA_ARGS__, -1 })
static inline void tls_put_extension(struct tls_builder *b, unsigned type, const void *data, size_t size)
{
    tls_put_number(b, 2, type);
    tls_put_list(b, 2, data, size);
}
static inline void tls_put_server_name(struct tls_builder *b, const char *name)
{
    struct tls_builder e = { .size = 0 };
    tls_put_number(&e, 2, (unsigned)strlen(name) + 3);
    tls_put_number(&e, 1, 0);
    tls_put_list(&e, 2, name, strlen(name));
    tls_put_extension(b, 0, e.data, e.size);
}
/* "h2,http/1.1" */
static inline void tls_put_alpn(struct tls_builder *b, const char *names)
{
    struct tls_builder list = { .size = 0 }, e = { .size = 0 };
    while (*names) {
        size_t n = strcspn(names, ",");
        tls_put_list(&list, 1, names, n);
        names += n + (names[n] == ',');
    }
    tls_put_list(&e, 2, list.data, list.size);
    tls_put_extension(b, 16, e.data, e.size);
}
/* A list of numbers behind its length. */
static inline void tls_put_number_list(struct tls_builder *b, unsigned type, unsigned length_bytes, const struct tls_builder *numbers)
{
    struct tls_builder e = { .size = 0 };
    tls_put_list(&e, length_bytes, numbers->data, numbers->size);
    tls_put_extension(b, type, e.data, e.size);
}
static inline struct tls_builder tls_handshake(unsigned type, const struct tls_builder *body)
{
    struct tls_builder b = { .size = 0 };
    tls_put_number(&b, 1, type);
    tls_put_list(&b, 3, body->data, body->size);
    return b;
}
/* extensions NULL: none at all. The random is all `random`. */
static inline struct tls_builder tls_client_hello(unsigned version, unsigned random, size_t session, const struct tls_builder *ciphers, const struct tls_builder *extensions)
{
    struct tls_builder b = { .size = 0 };
    uint8_t bytes[32];
    memset(bytes, (int)random, sizeof bytes);
    tls_put_number(&b, 2, version);
    tls_put(&b, bytes, 32);
    tls_put_list(&b, 1, bytes, session);
    tls_put_list(&b, 2, ciphers->data, ciphers->size);
    tls_put_list(&b, 1, "", 1);
    if (extensions)
        tls_put_list(&b, 2, extensions->data, extensions->size);
    return tls_handshake(1, &b);
}
static inline struct tls_builder tls_server_hello(unsigned version, const void *random, size_t session, unsigned cipher, const struct tls_builder *extensions)
{
    struct tls_builder b = { .size = 0 };
    uint8_t bytes[32];
    memset(bytes, 1, sizeof bytes);
    tls_put_number(&b, 2, version);
    tls_put(&b, random ? random : bytes, 32);
    tls_put_list(&b, 1, bytes, session);
    tls_put_number(&b, 2, cipher);
    tls_put_number(&b, 1, 0);
    if (extensions)
        tls_put_list(&b, 2, extensions->data, extensions->size);
    return tls_handshake(2, &b);
}
static inline void tls_put_record(struct tls_builder *b, unsigned type, const void *data, size_t size)
{
    tls_put_number(b, 1, type);
    tls_put_number(b, 2, 0x0301);
    tls_put_list(b, 2, data, size);
}
static inline struct tls_builder tls_record(unsigned type, const struct tls_builder *fragment)
{
    struct tls_builder b = { .size = 0 };
    tls_put_record(&b, type, fragment->data, fragment->size);
    return b;
}
#endif
