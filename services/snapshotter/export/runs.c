#include "services/snapshotter/export/runs.h"
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bytes/cursor.h"
#include "bytes/put.h"
#include "capfile/segment_file.h"
#include "files/unnamed.h"

#define CHUNK_HEAD_BYTES 16u
#define CHUNK_BYTES_MAX (SEGMENT_BLOCK_CONTENT_MAX + RUN_RECORD_BYTES) /* one record of a whole block */

struct run_writer { int fd; uint8_t *chunk; size_t used, room; uint32_t records; uint64_t size; };
struct run_reader {
    int fd;
    uint64_t at, size;
    uint8_t *chunk;
    size_t chunk_room;
    struct entry *entries;
    uint32_t *ordinals;
    uint32_t entries_room;
};

int run_writer_new(const char *folder, struct run_writer **ret)
{
    struct run_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return -ENOMEM;
    writer->room = CHUNK_HEAD_BYTES + RUN_CHUNK_BYTES;
    writer->used = CHUNK_HEAD_BYTES;
    writer->chunk = malloc(writer->room);
    writer->fd = writer->chunk ? unnamed_open(folder) : -ENOMEM;
    if (writer->fd < 0) {
        int r = writer->fd;
        run_writer_free(writer);
        return r;
    }
    *ret = writer;
    return 0;
}

void run_writer_free(struct run_writer *writer)
{
    if (!writer)
        return;
    if (writer->fd >= 0)
        close(writer->fd);
    free(writer->chunk);
    free(writer);
}

static int flush_chunk(struct run_writer *writer)
{
    if (writer->records == 0)
        return 0;
    size_t payload = writer->used - CHUNK_HEAD_BYTES;
    uint8_t *p = put_le32(writer->chunk, (uint32_t)payload);
    p = put_le32(p, writer->records);
    (void)put_le64(p, segment_block_hash(writer->chunk + CHUNK_HEAD_BYTES, payload));
    for (size_t done = 0; done < writer->used;) {
        ssize_t n = pwrite(writer->fd, writer->chunk + done, writer->used - done, (off_t)(writer->size + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENOSPC;
        done += (size_t)n;
    }
    writer->size += writer->used;
    writer->used = CHUNK_HEAD_BYTES;
    writer->records = 0;
    return 0;
}

static int put_record(struct run_writer *writer, const struct source *source, uint32_t i)
{
    const struct entry *entry = &source->entries[i];
    size_t need = RUN_RECORD_BYTES + (size_t)entry->size;
    if (writer->records > 0 && writer->used + need > CHUNK_HEAD_BYTES + RUN_CHUNK_BYTES) {
        int r = flush_chunk(writer);
        if (r < 0)
            return r;
    }
    if (writer->used + need > writer->room) { /* one record longer than a chunk */
        uint8_t *grown = realloc(writer->chunk, writer->used + need);
        if (!grown)
            return -ENOMEM;
        writer->chunk = grown;
        writer->room = writer->used + need;
    }
    uint8_t *p = put_le64(writer->chunk + writer->used, (uint64_t)entry->time_ns);
    p = put_le32(p, source_ordinal(source, i));
    p = put_le32(p, entry->size);
    memcpy(p, source->content + entry->offset, entry->size);
    writer->used += need;
    writer->records++;
    return 0;
}

int run_put(struct run_writer *writer, const struct span *span)
{
    for (uint32_t i = span->from; i < span->to; i++) {
        int r = put_record(writer, span->source, i);
        if (r < 0)
            return r;
    }
    return 0;
}

int run_writer_finish(struct run_writer *writer, struct source **ret)
{
    int r = flush_chunk(writer);
    struct source *source = r == 0 ? calloc(1, sizeof *source) : NULL;
    struct run_reader *reader = source ? calloc(1, sizeof *reader) : NULL;
    if (r == 0 && !reader)
        r = -ENOMEM;
    if (r == 0) {
        *reader = (struct run_reader){ .fd = writer->fd, .size = writer->size };
        writer->fd = -1;
        source->run = reader;
        r = run_next(source);
    } else {
        free(reader);
    }
    run_writer_free(writer);
    if (r < 0) {
        source_free(source);
        return r;
    }
    *ret = source;
    return 0;
}

static int make_room(struct run_reader *reader, size_t bytes, uint32_t records)
{
    if (bytes > reader->chunk_room) {
        uint8_t *grown = realloc(reader->chunk, bytes);
        if (!grown)
            return -ENOMEM;
        reader->chunk = grown;
        reader->chunk_room = bytes;
    }
    if (records > reader->entries_room) {
        struct entry *entries = reallocarray(reader->entries, records, sizeof *entries);
        reader->entries = entries ? entries : reader->entries;
        uint32_t *ordinals = entries ? reallocarray(reader->ordinals, records, sizeof *ordinals) : NULL;
        if (!ordinals)
            return -ENOMEM;
        reader->ordinals = ordinals;
        reader->entries_room = records;
    }
    return 0;
}

static bool is_event(const uint8_t *block, uint32_t size)
{
    struct cursor c = cursor_over(block, size);
    return cursor_le32(&c) == PCAPNG_JOURNAL;
}

static int parse_records(struct run_reader *reader, size_t bytes, uint32_t records, uint32_t *ret_events)
{
    struct cursor c = cursor_over(reader->chunk, bytes);
    *ret_events = 0;
    for (uint32_t i = 0; i < records; i++) {
        struct entry *entry = &reader->entries[i];
        entry->time_ns = (int64_t)cursor_le64(&c);
        reader->ordinals[i] = cursor_le32(&c);
        entry->size = cursor_le32(&c);
        entry->offset = (uint32_t)c.at;
        const uint8_t *block = cursor_take(&c, entry->size);
        *ret_events += block && is_event(block, entry->size);
    }
    return cursor_ok(&c) && cursor_left(&c) == 0 ? 0 : -EBADMSG;
}

int run_next(struct source *source)
{
    struct run_reader *reader = source->run;
    uint8_t bytes[CHUNK_HEAD_BYTES];
    source->at = source->count = 0;
    if (reader->at == reader->size)
        return 0;
    int r = segment_pread(reader->fd, bytes, sizeof bytes, reader->at);
    if (r < 0)
        return r == -ENODATA ? -EBADMSG : r;
    struct cursor head = cursor_over(bytes, sizeof bytes);
    uint32_t size = cursor_le32(&head), records = cursor_le32(&head);
    uint64_t hash = cursor_le64(&head);
    if (size > CHUNK_BYTES_MAX || records == 0 || records > size / RUN_RECORD_BYTES)
        return -EBADMSG;
    r = make_room(reader, size, records);
    if (r == 0)
        r = segment_pread(reader->fd, reader->chunk, size, reader->at + sizeof bytes);
    if (r == 0 && segment_block_hash(reader->chunk, size) != hash)
        r = -EBADMSG;
    if (r == 0)
        r = parse_records(reader, size, records, &source->events);
    if (r < 0)
        return r == -ENODATA ? -EBADMSG : r;
    reader->at += sizeof bytes + size;
    source->content = reader->chunk;
    source->entries = reader->entries;
    source->ordinals = reader->ordinals;
    source->count = records;
    return 1;
}

void run_reader_free(struct run_reader *reader)
{
    if (!reader)
        return;
    if (reader->fd >= 0)
        close(reader->fd);
    free(reader->chunk);
    free(reader->entries);
    free(reader->ordinals);
    free(reader);
}

uint64_t run_bytes(const struct source *source)
{
    return source->run->size;
}
