/* The files of a segment on its way: made, ended, dropped. See output.h. */
#include "services/capturer/tape/output_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "capfile/lz4frame.h"
#include "services/capturer/tape/box.h"

#define RETRIES_MAX 64u /* of one write, each after a recycled segment: more is a disk that somebody else fills faster */
#define ERROR_RETRIES_MAX 3u

/* Asks the tape whether to try again what failed with error. */
int output_refused(struct output *output, int error, uint32_t *tries)
{
    bool full = error == -ENOSPC || error == -EDQUOT;
    if (++*tries > (full ? RETRIES_MAX : ERROR_RETRIES_MAX))
        return error;
    return tape_disk_refused(output->tape, output->lane->number, error);
}

static void hidden_names(const struct output *output, char *name, char *index_name, size_t index_name_bytes)
{
    char plain[SEGMENT_FILE_NAME_MAX];
    segment_file_name(output->lane->number, output->sequence, plain);
    (void)snprintf(name, SEGMENT_FILE_NAME_MAX + 1, ".%s", plain);
    (void)snprintf(index_name, index_name_bytes, ".%s.idx", plain);
}

/* The index's blocks are taken in advance too, behind its end, so that the records of written blocks never lack room. */
static int create_files(struct output *output)
{
    char name[SEGMENT_FILE_NAME_MAX + 1], index_name[SEGMENT_FILE_NAME_MAX + 8];
    hidden_names(output, name, index_name, sizeof index_name);
    const struct tape *tape = output->tape;
    int rc = disk_create(tape->disk_kind, tape->segments_fd, name, (tape->segment_size + DISK_ALIGN - 1) / DISK_ALIGN * DISK_ALIGN, &output->fd);
    if (rc < 0)
        return rc;
    output->index_fd = openat(tape->segments_fd, index_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (output->index_fd < 0)
        rc = -errno;
    else if (fallocate(output->index_fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)tape->index_size) < 0 && errno != EOPNOTSUPP && errno != ENOSYS)
        rc = -errno;
    if (rc < 0)
        output_discard(output);
    return rc;
}

int output_open(struct output *output, const struct lane_segment *segment, bool packed)
{
    assert(!output->open && disk_room(output->disk) == DISK_WRITES_MAX);
    output->sequence = segment->sequence;
    uint32_t tries = 0;
    int rc;
    do
        rc = create_files(output);
    while (rc < 0 && output_refused(output, rc, &tries) == 0);
    if (rc < 0)
        return rc;
    output->packed = packed;
    output->failed = false;
    output->end = output->sent = output->tail_sent = output->proved = output->base = output->saved = 0;
    output->record_end = LZ4FRAME_HEADER_BYTES;
    output->memory = NULL;
    output->pending_head = output->pending_count = output->interfaces_logged = 0;
    output->retries = 0;
    output->index_at = 0;
    output->records_size = 0;
    output->seal = (struct segment_seal){ 0 };
    if (packed) {
        output->region = LANE_CHUNKS;
        output->region_base[LANE_CHUNKS] = 0;
        output->memory = output->packs;
        output->end = lz4frame_put_header(output->packs);
    }
    output->open = true;
    rc = output_put_head(output, segment);
    if (rc < 0) {
        output_discard(output);
        return rc;
    }
    tape_segment_files(output->tape, output->lane->number, output->fd, output->index_fd);
    atomic_store_explicit(&output->lane->saved_bytes, 0, memory_order_release);
    atomic_store_explicit(&output->lane->saved_for_sequence, output->sequence, memory_order_release);
    if (tries == 0)
        tape_disk_well(output->tape, output->lane->number);
    return 0;
}

void output_discard(struct output *output)
{
    if (output->open)
        output_fail(output);
    (void)output_drain(output);
    char name[SEGMENT_FILE_NAME_MAX + 1], index_name[SEGMENT_FILE_NAME_MAX + 8];
    hidden_names(output, name, index_name, sizeof index_name);
    tape_segment_files(output->tape, output->lane->number, -1, -1);
    if (output->fd >= 0)
        (void)close(output->fd);
    if (output->index_fd >= 0)
        (void)close(output->index_fd);
    output->fd = output->index_fd = -1;
    (void)unlinkat(output->tape->segments_fd, name, 0);
    (void)unlinkat(output->tape->segments_fd, index_name, 0);
    output->open = false;
}

/* The file ends after the last block that has its record. Through the page cache, since that is no place for a direct write. */
static int cut_failed(struct output *output)
{
    uint8_t mark[LZ4FRAME_END_BYTES];
    size_t size = lz4frame_put_end(mark);
    int rc = disk_buffer(output->fd);
    if (rc == 0 && ftruncate(output->fd, (off_t)output->record_end) < 0)
        rc = -errno;
    uint32_t tries = 0;
    if (rc == 0)
        do
            rc = disk_write_all(output->fd, mark, size, output->record_end);
        while (rc < 0 && output_refused(output, rc, &tries) == 0);
    output->end = output->record_end;
    output->records_size = 0;                    /* of blocks that were not appended */
    return rc;
}

int output_end(struct output *output)
{
    assert(output->open);
    int rc = output->failed ? -EIO : output_push_pages(output);
    if (rc == 0)
        rc = output_push_tail(output, true);
    if (rc < 0)
        output_fail(output);
    (void)output_drain(output);
    if (output->failed)
        return cut_failed(output);
    assert(output->pending_count == 0);
    return ftruncate(output->fd, (off_t)(output->end + LZ4FRAME_END_BYTES)) < 0 ? -errno : 0;
}
