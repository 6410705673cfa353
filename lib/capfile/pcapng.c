#include "capfile/pcapng.h"
#include <assert.h>
#include "bytes/put.h"

#define COMMENT_BYTES_MAX 400 /* a segment id of 320 bytes and its words */
#define TEXT_BYTES_MAX 160    /* three of these and a comment fit PCAPNG_HEADER_BLOCK_BYTES_MAX */
#define DESCRIPTION_BYTES_MAX 400

enum { OPTION_END = 0, OPTION_COMMENT = 1 };
enum { SHB_HARDWARE = 2, SHB_OS = 3, SHB_APPLICATION = 4 };
enum { IDB_NAME = 2, IDB_DESCRIPTION = 3, IDB_TSRESOL = 9 };
enum { ISB_START = 2, ISB_END = 3, ISB_RECEIVED = 4, ISB_DROPPED = 5, ISB_ACCEPTED = 6, ISB_OS_DROPPED = 7, ISB_DELIVERED = 8 };

static uint8_t *put_option(uint8_t *p, uint16_t code, const void *value, size_t size)
{
    size_t pad = (4 - (size & 3)) & 3;
    p = put_le16(p, code);
    p = put_le16(p, (uint16_t)size);
    memcpy(p, value, size);
    memset(p + size, 0, pad);
    return p + size + pad;
}

static uint8_t *put_text(uint8_t *p, uint16_t code, const char *text, size_t most)
{
    return text ? put_option(p, code, text, strnlen(text, most)) : p;
}

/* A time in an option is two words, the high one first, whatever the byte order. */
static uint8_t *put_time(uint8_t *p, uint16_t code, int64_t time_ns)
{
    uint8_t value[8];
    (void)put_le32(put_le32(value, (uint32_t)((uint64_t)time_ns >> 32)), (uint32_t)(uint64_t)time_ns);
    return put_option(p, code, value, sizeof value);
}

static uint8_t *put_count(uint8_t *p, uint16_t code, uint64_t count)
{
    uint8_t value[8];
    (void)put_le64(value, count);
    return put_option(p, code, value, sizeof value);
}

/* Ends the options (even where there are none: a reader may expect the end) and writes both lengths. */
static size_t finish(uint8_t *block, uint8_t *p)
{
    p = put_le32(p, OPTION_END);
    size_t total = (size_t)(p - block) + 4;
    (void)put_le32(p, (uint32_t)total);
    (void)put_le32(block + 4, (uint32_t)total);
    assert(total <= PCAPNG_HEADER_BLOCK_BYTES_MAX && total % 4 == 0);
    return total;
}

size_t pcapng_put_section(uint8_t *dst, const char *comment, const char *hardware, const char *os, const char *application)
{
    uint8_t *p = put_le32(dst, PCAPNG_SHB) + 4;
    p = put_le32(p, 0x1a2b3c4d);
    p = put_le16(p, 1);
    p = put_le16(p, 0);
    p = put_le64(p, UINT64_MAX); /* section length: not said, so that a torn file is whole */
    p = put_text(p, OPTION_COMMENT, comment, COMMENT_BYTES_MAX);
    p = put_text(p, SHB_HARDWARE, hardware, TEXT_BYTES_MAX);
    p = put_text(p, SHB_OS, os, TEXT_BYTES_MAX);
    p = put_text(p, SHB_APPLICATION, application, TEXT_BYTES_MAX);
    return finish(dst, p);
}

size_t pcapng_put_interface(uint8_t *dst, uint16_t link_type, const char *name, const char *description)
{
    uint8_t nanoseconds = 9;
    uint8_t *p = put_le32(dst, PCAPNG_IDB) + 4;
    p = put_le16(p, link_type);
    p = put_le16(p, 0);
    p = put_le32(p, PCAPNG_SNAP_LENGTH);
    p = put_text(p, IDB_NAME, name, TEXT_BYTES_MAX);
    p = put_text(p, IDB_DESCRIPTION, description, DESCRIPTION_BYTES_MAX);
    p = put_option(p, IDB_TSRESOL, &nanoseconds, sizeof nanoseconds);
    return finish(dst, p);
}

size_t pcapng_put_statistics(uint8_t *dst, uint32_t interface, const struct pcapng_statistics *statistics, const char *comment)
{
    uint8_t *p = put_le32(dst, PCAPNG_ISB) + 4;
    p = put_le32(p, interface);
    p = put_le32(p, (uint32_t)((uint64_t)statistics->time_ns >> 32));
    p = put_le32(p, (uint32_t)(uint64_t)statistics->time_ns);
    p = put_text(p, OPTION_COMMENT, comment, COMMENT_BYTES_MAX);
    p = put_time(p, ISB_START, statistics->start_ns);
    p = put_time(p, ISB_END, statistics->end_ns);
    p = put_count(p, ISB_RECEIVED, statistics->received);
    p = put_count(p, ISB_DROPPED, statistics->dropped_interface);
    p = put_count(p, ISB_ACCEPTED, statistics->accepted_filter);
    p = put_count(p, ISB_OS_DROPPED, statistics->dropped_os);
    p = put_count(p, ISB_DELIVERED, statistics->delivered);
    return finish(dst, p);
}

size_t pcapng_put_journal(uint8_t *dst, const char *fields, size_t size)
{
    size_t total = pcapng_journal_bytes(size);
    assert(total <= PCAPNG_BLOCK_BYTES_MAX);
    uint8_t *p = put_le32(put_le32(dst, PCAPNG_JOURNAL), (uint32_t)total);
    memcpy(p, fields, size);
    memset(p + size, 0, total - PCAPNG_BLOCK_BYTES_MIN - size);
    (void)put_le32(dst + total - 4, (uint32_t)total);
    return total;
}
