/* DNS messages for tests, written as bytes. */
#ifndef TESTS_DNS_BUILDER_H
#define TESTS_DNS_BUILDER_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DNS_BUILDER_BYTES_MAX 4096
struct dns_builder { uint8_t data[DNS_BUILDER_BYTES_MAX]; size_t size; };

static inline void dns_put(struct dns_builder *b, const void *data, size_t size)
{
    if (sizeof b->data - b->size < size)
        abort();
    memcpy(b->data + b->size, data, size);
    b->size += size;
}
static inline void dns_put8(struct dns_builder *b, unsigned v) { dns_put(b, &(uint8_t){ (uint8_t)v }, 1); }
static inline void dns_put16(struct dns_builder *b, unsigned v)
{
    dns_put8(b, v >> 8);
    dns_put8(b, v & 255);
}
static inline void dns_put32(struct dns_builder *b, uint32_t v)
{
    dns_put16(b, v >> 16);
    dns_put16(b, v & 0xffff);
}
/* "www.example.org" or "" for the root. */
static inline void dns_put_name(struct dns_builder *b, const char *name)
{
    while (*name) {
        size_t label = strcspn(name, ".");
        dns_put8(b, (unsigned)label);
        dns_put(b, name, label);
        name += label + (name[label] == '.');
    }
    dns_put8(b, 0);
}
static inline void dns_put_header(struct dns_builder *b, unsigned id, unsigned flags, unsigned questions, unsigned answers, unsigned authority, unsigned additional)
{
    unsigned fields[] = { id, flags, questions, answers, authority, additional };
    for (unsigned i = 0; i < 6; i++)
        dns_put16(b, fields[i]);
}
static inline void dns_put_question(struct dns_builder *b, const char *name, unsigned type)
{
    dns_put_name(b, name);
    dns_put16(b, type);
    dns_put16(b, 1);
}
/* name NULL: a pointer to the first question. */
static inline void dns_put_record(struct dns_builder *b, const char *name, unsigned type, uint32_t ttl, const void *data, size_t size)
{
    if (name)
        dns_put_name(b, name);
    else
        dns_put16(b, 0xc00c);
    dns_put16(b, type);
    dns_put16(b, 1);
    dns_put32(b, ttl);
    dns_put16(b, (unsigned)size);
    dns_put(b, data, size);
}
static inline struct dns_builder dns_query(unsigned id, const char *name, unsigned type)
{
    struct dns_builder b = { .size = 0 };
    dns_put_header(&b, id, 0x0100, 1, 0, 0, 0);
    dns_put_question(&b, name, type);
    return b;
}
/* An A record for it. */
static inline struct dns_builder dns_answer(unsigned id, const char *name, unsigned type, const uint8_t address[4])
{
    struct dns_builder b = { .size = 0 };
    dns_put_header(&b, id, 0x8180, 1, 1, 0, 0);
    dns_put_question(&b, name, type);
    dns_put_record(&b, NULL, 1, 300, address, 4);
    return b;
}
#endif
