#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "capfile/segment_index.h"
#include "mem/cleanup.h"

#define RECORD_TYPES (SEGMENT_RECORD_SEAL + 1)

/* Walks the records that check and counts them by type, so that every table is allocated once. Ends behind the seal. */
static int count_records(const uint8_t *data, size_t size, size_t counts[RECORD_TYPES], size_t *ret_valid)
{
    size_t at = SEGMENT_INDEX_HEADER_BYTES;
    for (bool sealed = false; !sealed;) {
        struct segment_record record;
        int bytes = segment_index_get(data + at, size - at, &record);
        if (bytes < 0)
            return bytes;
        if (bytes == 0)
            break;
        if ((at == SEGMENT_INDEX_HEADER_BYTES) != (record.type == SEGMENT_RECORD_IDENTITY))
            return -EBADMSG;
        if (record.type < RECORD_TYPES)
            counts[record.type]++;
        sealed = record.type == SEGMENT_RECORD_SEAL;
        at += (size_t)bytes;
    }
    *ret_valid = at;
    return counts[SEGMENT_RECORD_IDENTITY] == 1 ? 0 : -EBADMSG;
}

static int allocate_tables(struct segment_index *index, const size_t counts[RECORD_TYPES])
{
    /* One more than needed, so that an empty table is not NULL. */
    index->blocks = calloc(counts[SEGMENT_RECORD_BLOCK] + 1, sizeof *index->blocks);
    index->interfaces = calloc(counts[SEGMENT_RECORD_INTERFACE] + 1, sizeof *index->interfaces);
    index->clocks = calloc(counts[SEGMENT_RECORD_CLOCK] + 1, sizeof *index->clocks);
    index->gaps = calloc(counts[SEGMENT_RECORD_GAP] + 1, sizeof *index->gaps);
    index->interface_ledgers = calloc(counts[SEGMENT_RECORD_INTERFACE_LEDGER] + 1, sizeof *index->interface_ledgers);
    return index->blocks && index->interfaces && index->clocks && index->gaps && index->interface_ledgers ? 0 : -ENOMEM;
}

static void fill_tables(struct segment_index *index, const uint8_t *data)
{
    struct segment_record record;
    for (size_t at = SEGMENT_INDEX_HEADER_BYTES; at < index->valid_size;) {
        int bytes = segment_index_get(data + at, index->valid_size - at, &record);
        assert(bytes > 0); /* counted a moment ago */
        at += (size_t)bytes;
        switch (record.type) {
        case SEGMENT_RECORD_IDENTITY: index->identity = record.identity; break;
        case SEGMENT_RECORD_BLOCK: index->blocks[index->blocks_count++] = record.block; break;
        case SEGMENT_RECORD_INTERFACE: index->interfaces[index->interfaces_count++] = record.interface; break;
        case SEGMENT_RECORD_CLOCK: index->clocks[index->clocks_count++] = record.clock; break;
        case SEGMENT_RECORD_GAP: index->gaps[index->gaps_count++] = record.gap; break;
        case SEGMENT_RECORD_INTERFACE_LEDGER: index->interface_ledgers[index->interface_ledgers_count++] = record.interface_ledger; break;
        case SEGMENT_RECORD_LEDGER:
            index->ledger = record.ledger;
            index->has_ledger = true;
            break;
        case SEGMENT_RECORD_SEAL:
            index->seal = record.seal;
            index->sealed = true;
            break;
        }
    }
}

int segment_index_parse(const void *data, size_t size, struct segment_index **ret)
{
    if (size > SEGMENT_INDEX_BYTES_MAX)
        return -E2BIG;
    if (size < SEGMENT_INDEX_HEADER_BYTES || !segment_index_is_header(data))
        return -EBADMSG;
    size_t counts[RECORD_TYPES] = { 0 }, valid = 0;
    int r = count_records(data, size, counts, &valid);
    if (r < 0)
        return r;
    MEM_CLEANUP(segment_index_free_p) struct segment_index *index = calloc(1, sizeof *index);
    if (!index)
        return -ENOMEM;
    r = allocate_tables(index, counts);
    if (r < 0)
        return r;
    index->valid_size = valid;
    fill_tables(index, data);
    *ret = mem_take(index);
    return 0;
}

static int read_whole(int fd, void *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = pread(fd, (uint8_t *)data + at, size - at, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO; /* shorter than a moment ago */
        at += (size_t)n;
    }
    return 0;
}

int segment_index_read(int fd, struct segment_index **ret)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (status.st_size > (off_t)SEGMENT_INDEX_BYTES_MAX)
        return -E2BIG;
    size_t size = (size_t)status.st_size;
    mem_auto_free uint8_t *data = malloc(size + 1);
    if (!data)
        return -ENOMEM;
    int r = read_whole(fd, data, size);
    return r < 0 ? r : segment_index_parse(data, size, ret);
}

int segment_index_load(const char *path, struct segment_index **ret)
{
    mem_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : segment_index_read(fd, ret);
}

void segment_index_free(struct segment_index *index)
{
    if (!index)
        return;
    free(index->blocks);
    free(index->interfaces);
    free(index->clocks);
    free(index->gaps);
    free(index->interface_ledgers);
    free(index);
}

void segment_id_format(const struct segment_identity *identity, char *text)
{
    snprintf(text, SEGMENT_ID_TEXT_MAX, "%s/%016" PRIx64 "/%" PRIu32 "/%" PRIu64, identity->node, identity->tape_id, identity->lane,
             identity->sequence);
}

/* A plain decimal number that ends at `end`, as printf writes it: no sign, no leading zeros. */
static bool parse_number(const char **at, char end, uint64_t most, uint64_t *ret)
{
    const char *p = *at;
    uint64_t value = 0;
    if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9'))
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
            return false;
    if (*p != end || value > most)
        return false;
    *at = end ? p + 1 : p;
    *ret = value;
    return true;
}

static bool parse_tape_id(const char *p, uint64_t *ret)
{
    uint64_t value = 0;
    for (int i = 0; i < 16; i++) {
        const char *digit = p[i] ? strchr("0123456789abcdef", p[i]) : NULL;
        if (!digit)
            return false;
        value = value << 4 | (uint64_t)(digit - "0123456789abcdef");
    }
    *ret = value;
    return true;
}

int segment_id_parse(const char *text, struct segment_identity *ret)
{
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t)(slash - text) : 0;
    struct segment_identity identity = { 0 };
    if (length == 0 || length > SEGMENT_NODE_NAME_MAX || strnlen(slash, 18) < 18 || slash[17] != '/' ||
        !parse_tape_id(slash + 1, &identity.tape_id))
        return -EBADMSG;
    const char *p = slash + 18;
    uint64_t lane = 0;
    if (!parse_number(&p, '/', UINT32_MAX, &lane) || !parse_number(&p, 0, UINT64_MAX, &identity.sequence))
        return -EBADMSG;
    identity.lane = (uint32_t)lane;
    memcpy(identity.node, text, length);
    *ret = identity;
    return 0;
}

#define FILE_SUFFIX ".pcapng.lz4"

void segment_file_name(uint32_t lane, uint64_t sequence, char *name)
{
    snprintf(name, SEGMENT_FILE_NAME_MAX, "%" PRIu32 "-%" PRIu64 FILE_SUFFIX, lane, sequence);
}

int segment_file_name_parse(const char *name, uint32_t *ret_lane, uint64_t *ret_sequence)
{
    uint64_t lane = 0, sequence = 0;
    if (!parse_number(&name, '-', UINT32_MAX, &lane) || !parse_number(&name, '.', UINT64_MAX, &sequence) ||
        strcmp(name, &FILE_SUFFIX[1]) != 0)
        return -EBADMSG;
    *ret_lane = (uint32_t)lane;
    *ret_sequence = sequence;
    return 0;
}
