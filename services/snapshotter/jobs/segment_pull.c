#include "services/snapshotter/jobs/segment_pull.h"
#include "capfile/lz4frame.h"
#include "capfile/segment_cut.h"
#include "mem/cleanup.h"
#include "store/object.h"
#include "services/snapshotter/jobs/pull.h"
#include "services/snapshotter/jobs/trouble.h"
#include "units/units.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* A transfer under way: blocks [at, end) of the index, of which keep says which are wanted. */
struct transfer {
    struct segment_puller *puller;
    struct plan_segment *segment;
    const struct segment_index *index;
    bool *keep;
    struct object object;
    size_t at, end;
    size_t filled;          /* of the block at `at` in the buffer */
    int store_error;
    unsigned wrong;         /* times that the block at `at` did not match its hash */
    struct trouble trouble;
};

struct bytes { uint8_t *data; size_t size, room; };

static void say(struct plan_segment *segment, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct plan_segment *segment, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(segment->problem, sizeof segment->problem, format, arguments);
    va_end(arguments);
}

/* Copies of what the lease says now; another thread may renew it. */
static void address_of(const struct segment_puller *puller, const struct plan_segment *segment, const char *suffix, char *url, char *token)
{
    pthread_mutex_lock(&puller->plan->lock);
    snprintf(url, 1024, "%s%s", segment->pinned->url, suffix);
    snprintf(token, 1100, "%s", segment->pinned->token);
    pthread_mutex_unlock(&puller->plan->lock);
}

static int bytes_sink(void *context, const void *data, size_t size)
{
    struct bytes *bytes = context;
    if (size > bytes->room - bytes->size)
        return -EFBIG;
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    return 0;
}

static int index_check(struct plan_segment *segment, const struct segment_index *index)
{
    const Tapeloop__V1__SegmentSealed *sealed = segment->pinned->segment;
    char id[SEGMENT_ID_TEXT_MAX];
    segment_id_format(&index->identity, id);
    if (strcmp(id, sealed->segment_id) != 0) {
        say(segment, "the node handed out the index of %.180s instead", id);
        return -EBADMSG;
    }
    if (!index->sealed) {
        say(segment, "its index is torn: it has no seal");
        return -EBADMSG;
    }
    uint64_t before = LZ4FRAME_HEADER_BYTES;
    for (size_t i = 0; i < index->blocks_count; i++) {
        const struct segment_block *block = &index->blocks[i];
        if (block->offset < before || block->size <= LZ4FRAME_BLOCK_WORD_BYTES || block->size > LZ4FRAME_BLOCK_BYTES_MAX || block->offset + block->size > sealed->size) {
            say(segment, "its index is false: block %zu lies at %" PRIu64, i, block->offset);
            return -EBADMSG;
        }
        before = block->offset + block->size;
    }
    return 0;
}

static int index_fetch(struct segment_puller *puller, struct plan_segment *segment, struct segment_index **ret)
{
    uint64_t size = segment->pinned->segment->index_size;
    if (size < SEGMENT_INDEX_HEADER_BYTES || size > SEGMENT_INDEX_BYTES_MAX) {
        say(segment, "its index would have %" PRIu64 " bytes", size);
        return -EBADMSG;
    }
    mem_auto_free uint8_t *data = malloc(size);
    if (!data)
        return -ENOMEM;
    for (struct trouble trouble = { 0 };;) {
        struct bytes bytes = { .data = data, .room = size };
        char url[1024], token[1100], error[256] = "";
        address_of(puller, segment, ".idx", url, token);
        int r = http_client_get(puller->client, url, token, 0, size, bytes_sink, &bytes, error);
        if (r == 0) {
            r = segment_index_parse(data, bytes.size, ret);
            if (r == 0 || r == -ENOMEM)
                return r;
            snprintf(error, sizeof error, "its index cannot be read");
        }
        r = trouble_judge(&trouble, puller->plan, puller->job, segment, r, error);
        if (r < 0)
            return r;
    }
}

static int block_take(struct transfer *transfer)
{
    const struct segment_block *block = &transfer->index->blocks[transfer->at];
    struct job *job = transfer->puller->job;
    if (segment_block_hash(transfer->puller->buffer, block->size) != block->hash)
        return -EBADMSG;
    int r = object_add(&transfer->object, transfer->puller->buffer, block->size);
    if (r < 0) {
        transfer->store_error = r;
        return r;
    }
    atomic_fetch_add(&job->bytes_done, block->size);
    job_advance(job);
    transfer->at++;
    transfer->filled = 0;
    transfer->wrong = 0;
    transfer->trouble = (struct trouble){ 0 };
    return 0;
}

static int blocks_sink(void *context, const void *data, size_t size)
{
    struct transfer *transfer = context;
    if (trouble_should_stop(transfer->puller->job))
        return -ECANCELED;
    for (const uint8_t *p = data; size > 0;) {
        if (transfer->at >= transfer->end)
            return -EFBIG;
        size_t wanted = transfer->index->blocks[transfer->at].size - transfer->filled;
        size_t n = size < wanted ? size : wanted;
        memcpy(transfer->puller->buffer + transfer->filled, p, n);
        transfer->filled += n;
        p += n;
        size -= n;
        if (n == wanted) {
            int r = block_take(transfer);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* Leaves out a data block whose bytes stay wrong, and says what is lost with it. A header block cannot be left out. */
static int block_leave_out(struct transfer *transfer)
{
    const struct segment_block *block = &transfer->index->blocks[transfer->at];
    struct plan_segment *segment = transfer->segment;
    if (block->kind != SEGMENT_BLOCK_DATA) {
        say(segment, "the block at %" PRIu64 ", which the others need, does not match its hash on the node", block->offset);
        return -EBADMSG;
    }
    Tapeloop__V1__Gap *gap = WIRE_NEW(Tapeloop__V1__Gap, tapeloop__v1__gap__descriptor);
    if (!gap || wire_append(&segment->gaps_count, &segment->gaps, gap) < 0)
        return -ENOMEM;
    gap->from_ns = block->first_ns;
    gap->to_ns = block->last_ns;
    gap->packets = block->packets;
    gap->lane = segment->pinned->segment->lane;
    if (wire_set_string(&gap->reason, "damaged") < 0)
        return -ENOMEM;
    segment->lost_packets += block->packets;
    say(segment, "the block at %" PRIu64 " does not match its hash on the node and was left out, with %u packets", block->offset, block->packets);
    transfer->keep[transfer->at] = false;
    transfer->at++;
    transfer->wrong = 0;
    return 0;
}

/* One request for neighbouring blocks from `at` on. */
static int run_fetch(struct transfer *transfer, char *error)
{
    const struct segment_block *blocks = transfer->index->blocks;
    uint64_t from = blocks[transfer->at].offset, to = from;
    transfer->end = transfer->at;
    while (transfer->end < transfer->index->blocks_count && transfer->keep[transfer->end] && blocks[transfer->end].offset == to && to - from < PULL_RUN_BYTES_MAX)
        to += blocks[transfer->end++].size;
    transfer->filled = 0;
    char url[1024], token[1100];
    address_of(transfer->puller, transfer->segment, "", url, token);
    return http_client_get(transfer->puller->client, url, token, from, to, blocks_sink, transfer, error);
}

static int blocks_fetch(struct transfer *transfer)
{
    while (transfer->at < transfer->index->blocks_count) {
        if (!transfer->keep[transfer->at]) {
            transfer->at++;
            continue;
        }
        char error[256] = "";
        int r = run_fetch(transfer, error);
        if (r == 0 && transfer->at == transfer->end)
            continue;
        if (transfer->store_error)
            return transfer->store_error;
        if (r == -EBADMSG) {
            if (++transfer->wrong >= PULL_BLOCK_TRIES_MAX) {
                r = block_leave_out(transfer);
                if (r < 0)
                    return r;
            }
            continue;
        }
        r = trouble_judge(&transfer->trouble, transfer->puller->plan, transfer->puller->job, transfer->segment, r < 0 ? r : -EIO, error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int describe(Tapeloop__V1__ManifestObject **ret, const struct plan_segment *segment, const char *kind, const char *path, uint64_t bytes, const char *sha256)
{
    wire_auto Tapeloop__V1__ManifestObject *object = WIRE_NEW(Tapeloop__V1__ManifestObject, tapeloop__v1__manifest_object__descriptor);
    if (!object || wire_set_string(&object->path, path) < 0 || wire_set_string(&object->kind, kind) < 0 || wire_set_string(&object->sha256, sha256) < 0
        || wire_set_string(&object->segment_id, segment->pinned->segment->segment_id) < 0 || wire_set_string(&object->node, segment->pinned->segment->node) < 0)
        return -ENOMEM;
    object->bytes = bytes;
    *ret = mem_take(object);
    return 0;
}

/* What the kept blocks hold, whole as they are. */
static int describe_content(Tapeloop__V1__ManifestObject *object, const struct transfer *transfer)
{
    int64_t first_ns = INT64_MAX, last_ns = INT64_MIN;
    for (size_t i = 0; i < transfer->index->blocks_count; i++) {
        const struct segment_block *block = &transfer->index->blocks[i];
        if (!transfer->keep[i] || block->kind != SEGMENT_BLOCK_DATA)
            continue;
        object->packets += block->packets;
        object->canaries += block->canaries;
        object->events += block->events;
        first_ns = block->first_ns < first_ns ? block->first_ns : first_ns;
        last_ns = block->last_ns > last_ns ? block->last_ns : last_ns;
    }
    char text[UNITS_TIME_TEXT_MAX];
    if (first_ns > last_ns)
        return 0;
    int r = wire_set_string(&object->first, units_format_time(first_ns, text, sizeof text));
    return r < 0 ? r : wire_set_string(&object->last, units_format_time(last_ns, text, sizeof text));
}

/* Losses that the tape noted inside the window. */
static int gaps_note(struct plan_segment *segment, const struct segment_index *index, const struct request_window *window)
{
    static const char *const reasons[] = { [SEGMENT_GAP_RING] = "ring", [SEGMENT_GAP_DISK] = "disk", [SEGMENT_GAP_NOT_RECORDING] = "not recording" };
    for (size_t i = 0; i < index->gaps_count; i++) {
        const struct segment_gap *noted = &index->gaps[i];
        if (noted->to_ns < window->from_ns || noted->from_ns > window->to_ns)
            continue;
        Tapeloop__V1__Gap *gap = WIRE_NEW(Tapeloop__V1__Gap, tapeloop__v1__gap__descriptor);
        if (!gap || wire_append(&segment->gaps_count, &segment->gaps, gap) < 0)
            return -ENOMEM;
        const char *reason = noted->reason < sizeof reasons / sizeof *reasons ? reasons[noted->reason] : NULL;
        gap->from_ns = noted->from_ns;
        gap->to_ns = noted->to_ns;
        gap->packets = noted->packets;
        gap->count_unknown = noted->count_unknown;
        gap->lane = segment->pinned->segment->lane;
        if (wire_set_string(&gap->reason, reason ? reason : "unknown") < 0)
            return -ENOMEM;
    }
    return 0;
}

static int index_put(struct transfer *transfer, const char *path, uint64_t segment_bytes)
{
    struct segment_puller *puller = transfer->puller;
    struct plan_segment *segment = transfer->segment;
    mem_auto_free void *data = NULL;
    size_t size = 0;
    uint64_t expected = 0;
    char index_path[STORE_PATH_MAX + 8], sha256[DIGEST_TEXT_MAX];
    int r = segment_cut_index(transfer->index, transfer->keep, segment->node->select_from_ns, segment->node->select_to_ns, &data, &size, &expected);
    if (r < 0)
        return r;
    if (expected != segment_bytes)
        return -EPROTO;
    snprintf(index_path, sizeof index_path, "%s.idx", path);
    r = object_put(puller->job->service->store, puller->work, index_path, data, size, sha256);
    return r < 0 ? r : describe(&segment->index_object, segment, "index", index_path, size, sha256);
}

/* Whether a data block is left of what was wanted. */
static bool any_data_kept(const struct transfer *transfer)
{
    for (size_t i = 0; i < transfer->index->blocks_count; i++)
        if (transfer->keep[i] && transfer->index->blocks[i].kind == SEGMENT_BLOCK_DATA)
            return true;
    return false;
}

/* Takes what was written of it out of the snapshot again. */
static void withdraw(struct transfer *transfer, const char *path)
{
    const struct store *store = transfer->puller->job->service->store;
    char index_path[STORE_PATH_MAX + 8];
    snprintf(index_path, sizeof index_path, "%s.idx", path);
    (void)store->driver->drop(transfer->puller->work, path);
    (void)store->driver->drop(transfer->puller->work, index_path);
}

/* Frame head, blocks, end mark, index; then the packets are counted as an export would give them. */
static int segment_write(struct transfer *transfer, const char *path)
{
    struct segment_puller *puller = transfer->puller;
    struct plan_segment *segment = transfer->segment;
    const struct store *store = puller->job->service->store;
    uint8_t frame[16];
    char sha256[DIGEST_TEXT_MAX], local[STORE_LOCATION_MAX];
    int r = object_begin(store, puller->work, path, &transfer->object);
    if (r == -EEXIST) {
        say(segment, "another segment of this node has the same place in the snapshot");
        return -ENODATA;
    }
    transfer->store_error = r;
    if (r == 0)
        r = transfer->store_error = object_add(&transfer->object, frame, lz4frame_put_header(frame));
    if (r == 0)
        r = blocks_fetch(transfer);
    if (r == 0 && !any_data_kept(transfer))
        r = -ENODATA; /* every block was wrong, and named */
    if (r == 0)
        r = transfer->store_error = object_add(&transfer->object, frame, lz4frame_put_end(frame));
    if (r < 0) {
        object_abandon(&transfer->object);
        return r;
    }
    uint64_t bytes = transfer->object.bytes;
    r = transfer->store_error = object_end(&transfer->object, sha256);
    if (r == 0)
        r = transfer->store_error = index_put(transfer, path, bytes);
    if (r == 0)
        r = describe(&segment->object, segment, "segment", path, bytes, sha256);
    if (r == 0)
        r = describe_content(segment->object, transfer);
    if (r == 0)
        r = gaps_note(segment, transfer->index, &puller->job->window);
    if (r == 0)
        r = store->driver->reach(puller->work, path, local);
    if (r == 0)
        r = segment_window_count(local, puller->job->window.from_ns, puller->job->window.to_ns, &segment->packets);
    return r;
}

int segment_pull(struct segment_puller *puller, struct plan_segment *segment)
{
    __attribute__((cleanup(segment_index_free_p))) struct segment_index *index = NULL;
    struct segment_identity identity;
    char name[SEGMENT_FILE_NAME_MAX], path[STORE_PATH_MAX];
    if (segment_id_parse(segment->pinned->segment->segment_id, &identity) < 0) {
        say(segment, "its id is none");
        return 0;
    }
    int r = index_fetch(puller, segment, &index);
    if (r == 0)
        r = index_check(segment, index);
    if (r < 0)
        return r == -ECANCELED || r == -ENOMEM ? r : 0;
    mem_auto_free bool *keep = calloc(index->blocks_count + 1, sizeof *keep);
    if (!keep)
        return -ENOMEM;
    if (segment_cut_plan(index, segment->node->select_from_ns, segment->node->select_to_ns, keep) == 0)
        return 0;
    segment_file_name(identity.lane, identity.sequence, name);
    snprintf(path, sizeof path, "segments/%s/%s", segment->node->report->name, name);
    struct transfer transfer = { .puller = puller, .segment = segment, .index = index, .keep = keep };
    r = segment_write(&transfer, path);
    if (r == 0) {
        segment->stored = true;
        return 0;
    }
    if (r != -ENODATA)
        withdraw(&transfer, path);
    if (transfer.store_error || r == -ECANCELED || r == -ENOMEM)
        return r;
    if (!segment->problem[0])
        say(segment, "it could not be stored whole: %s", strerror(-r));
    return 0;
}
