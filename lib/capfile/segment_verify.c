#include "capfile/segment_verify.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "capfile/segment_file.h"
#include "mem/cleanup.h"

#define LOOK_AHEAD_BLOCKS 64 /* how many blocks taken out in a row are still named; more are a run of bad ones */

struct verify {
    void (*found)(void *context, const struct segment_damage *damage);
    void *context;
    int damages;
    int fd;
    uint64_t size;                     /* of the segment file */
    const struct segment_index *index;
    struct pcapng_reader *reader;
    uint8_t *raw, *content;
    uint64_t at;                       /* where the next block stands in the file */
    bool ended;                        /* nothing further can be read */
    bool blind;                        /* a header block is lost: later packets cannot be told to interfaces */
    uint64_t packets, events, canaries;
};

__attribute__((format(printf, 3, 4))) static void damage(struct verify *v, uint64_t offset, const char *format, ...)
{
    struct segment_damage damage = { .offset = (int64_t)offset };
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(damage.problem, sizeof damage.problem, format, arguments);
    va_end(arguments);
    if (v->damages < INT_MAX)
        v->damages++;
    if (v->found && v->damages <= SEGMENT_DAMAGES_MAX)
        v->found(v->context, &damage);
}

/* Whether block j stands whole at the current place. */
static bool stands_here(struct verify *v, const struct segment_block *block)
{
    uint8_t word[LZ4FRAME_BLOCK_WORD_BYTES];
    uint32_t want = htole32((block->size - LZ4FRAME_BLOCK_WORD_BYTES) | (block->compressed ? 0 : LZ4FRAME_STORED));
    if (segment_pread(v->fd, word, sizeof word, v->at) < 0 || memcmp(word, &want, sizeof word) != 0)
        return false;
    return segment_pread(v->fd, v->raw, block->size, v->at) == 0 && segment_block_hash(v->raw, block->size) == block->hash;
}

/* Block i is not what stands here: says why, and how many blocks to go on after. 0: the block is bad but in its place. */
static size_t blocks_missing(struct verify *v, size_t i)
{
    const struct segment_index *index = v->index;
    uint32_t word = 1;
    if (v->size == v->at + LZ4FRAME_END_BYTES && segment_pread(v->fd, &word, sizeof word, v->at) == 0 && word == 0) {
        damage(v, v->at, "blocks %zu to %zu are missing before the end mark", i, index->blocks_count - 1);
        return index->blocks_count - i;
    }
    for (size_t j = i + 1; j < index->blocks_count && j - i <= LOOK_AHEAD_BLOCKS; j++) {
        if (!stands_here(v, &index->blocks[j]))
            continue;
        if (j - i == 1)
            damage(v, v->at, "block %zu is missing: block %zu stands in its place", i, j);
        else
            damage(v, v->at, "blocks %zu to %zu are missing: block %zu stands in their place", i, j - 1, j);
        return j - i;
    }
    return 0;
}

static void compare_count(struct verify *v, size_t i, const char *what, uint64_t said, uint64_t true_count)
{
    if (said != true_count)
        damage(v, v->at, "block %zu holds %" PRIu64 " %s, the index says %" PRIu64, i, true_count, what, said);
}

static void check_truth(struct verify *v, size_t i, const struct segment_block *truth)
{
    const struct segment_block *said = &v->index->blocks[i];
    compare_count(v, i, "packets", said->packets, truth->packets);
    compare_count(v, i, "events", said->events, truth->events);
    compare_count(v, i, "canaries", said->canaries, truth->canaries);
    if (said->kind != truth->kind)
        damage(v, v->at, "block %zu is of kind %u, the index says %u", i, truth->kind, said->kind);
    if (said->first_ns != truth->first_ns || said->last_ns != truth->last_ns)
        damage(v, v->at, "block %zu spans %" PRId64 " to %" PRId64 " ns, the index says %" PRId64 " to %" PRId64, i, truth->first_ns,
               truth->last_ns, said->first_ns, said->last_ns);
    if (said->disorder_ns != truth->disorder_ns)
        damage(v, v->at, "block %zu has %" PRIu64 " ns of disorder, the index says %" PRIu64, i, truth->disorder_ns, said->disorder_ns);
    v->packets += truth->packets;
    v->events += truth->events;
    v->canaries += truth->canaries;
}

/* Checks the interface blocks of a header block as they come. */
static void check_interface(void *context, const struct pcapng_block *block, const struct pcapng_interface *unused)
{
    struct verify *v = context;
    (void)unused;
    if (block->type != PCAPNG_IDB)
        return;
    uint32_t id = pcapng_reader_interfaces(v->reader) - 1;
    const struct pcapng_interface *interface = pcapng_reader_interface(v->reader, id);
    for (size_t k = 0; k < v->index->interfaces_count; k++) {
        const struct segment_interface *said = &v->index->interfaces[k];
        if (said->id != id)
            continue;
        if (said->link_type != interface->link_type || said->canary != interface->canary ||
            strncmp(said->name, interface->name, sizeof said->name - 1) != 0)
            damage(v, v->at, "interface %u is %.63s of link type %u, the index says %s of link type %u", id, interface->name,
                   interface->link_type, said->name, said->link_type);
        return;
    }
    if (v->index->sealed)
        damage(v, v->at, "interface %u (%.63s) is not in the index", id, interface->name);
}

static int check_content(struct verify *v, size_t i, const uint8_t *content)
{
    const struct segment_block *block = &v->index->blocks[i];
    struct segment_block truth;
    struct segment_visit visit = { .block = check_interface, .context = v };
    int r = segment_block_walk(v->reader, content, block->content_size, &visit, &truth);
    if (r == -EBADMSG) {
        const char *why = pcapng_reader_error(v->reader);
        damage(v, v->at, "block %zu does not hold whole pcapng blocks: %s", i, *why ? why : "one goes on behind it");
        v->blind = true;
        return 0;
    }
    if (r == 0)
        check_truth(v, i, &truth);
    return r;
}

/* Checks block i at the current place. Returns how many blocks are done with (0: look at the same place again), or -errno. */
static int check_block(struct verify *v, size_t i)
{
    const struct segment_block *block = &v->index->blocks[i];
    const uint8_t *content = NULL;
    const char *problem = NULL;
    int r = segment_pread(v->fd, v->raw, block->size, v->at);
    if (r < 0 && r != -ENODATA)
        return r;
    bool cut = r == -ENODATA;
    if (!cut && segment_block_decode(block, v->raw, v->content, &content, &problem) == 0) {
        r = v->blind ? 0 : check_content(v, i, content);
        v->at += block->size;
        return r < 0 ? r : 1;
    }
    v->blind |= block->kind == SEGMENT_BLOCK_HEADER;
    size_t missing = blocks_missing(v, i);
    if (missing > 0)
        return (int)missing;
    if (cut) {
        damage(v, v->size, "the file ends inside block %zu of %zu, at byte %" PRIu64, i, v->index->blocks_count, v->size);
        v->ended = true;
    } else {
        damage(v, v->at, "block %zu of %zu: %s", i, v->index->blocks_count, problem);
    }
    v->at += block->size;
    return 1;
}

static int check_blocks(struct verify *v)
{
    const struct segment_index *index = v->index;
    uint64_t said = LZ4FRAME_HEADER_BYTES;
    for (size_t i = 0; i < index->blocks_count && !v->ended;) {
        uint64_t offset = index->blocks[i].offset;
        if (offset != said) {
            damage(v, said, "block %zu begins at byte %" PRIu64 " by its index, but the one before it ends at %" PRIu64, i, offset, said);
            v->at += offset - said; /* wraps back below where it is smaller */
            if (v->at > v->size)
                v->at = v->size;
        }
        int done = check_block(v, i);
        if (done < 0)
            return done;
        for (int k = 0; k < done; k++, i++)
            said = index->blocks[i].offset + index->blocks[i].size;
    }
    return 0;
}

static void check_frame_header(struct verify *v)
{
    uint8_t header[LZ4FRAME_HEADER_BYTES];
    if (segment_pread(v->fd, header, sizeof header, 0) < 0) {
        damage(v, 0, "the file ends inside its frame header");
        v->ended = true;
    } else if (!lz4frame_is_header(header)) {
        damage(v, 0, "the LZ4 frame header is not the one of a segment");
    }
    v->at = sizeof header;
}

static void check_end(struct verify *v)
{
    uint8_t end[LZ4FRAME_END_BYTES];
    if (v->ended)
        return;
    if (segment_pread(v->fd, end, sizeof end, v->at) < 0) {
        damage(v, v->size, "the file ends before its end mark");
        return;
    }
    if (memcmp(end, "\0\0\0\0", sizeof end) != 0)
        damage(v, v->at, "there is no end mark behind the last block");
    if (v->size > v->at + sizeof end)
        damage(v, v->at + sizeof end, "%" PRIu64 " bytes stand behind the end mark", v->size - v->at - sizeof end);
}

static int check_seal(struct verify *v)
{
    const struct segment_index *index = v->index;
    const struct segment_seal *seal = &index->seal;
    uint64_t hash = 0;
    int r = segment_blocks_hash(index->blocks, index->blocks_count, &hash);
    if (r < 0)
        return r;
    if (seal->blocks != index->blocks_count)
        damage(v, index->valid_size, "index: the seal counts %" PRIu64 " blocks, there are records of %zu", seal->blocks,
               index->blocks_count);
    else if (seal->hash != hash)
        damage(v, index->valid_size, "index: the seal's hash is not that of the blocks");
    if (seal->size != v->size && v->damages == 0)
        damage(v, v->size, "the file has %" PRIu64 " bytes, its seal says %" PRIu64, v->size, seal->size);
    int64_t first_ns = 0, last_ns = 0;
    bool spans = false;
    for (size_t i = 0; i < index->blocks_count; i++) {
        const struct segment_block *block = &index->blocks[i];
        if (!block->packets && !block->events)
            continue;
        first_ns = !spans || block->first_ns < first_ns ? block->first_ns : first_ns;
        last_ns = !spans || block->last_ns > last_ns ? block->last_ns : last_ns;
        spans = true;
    }
    if (seal->first_ns != first_ns || seal->last_ns != last_ns)
        damage(v, index->valid_size, "index: the seal's span is not that of the blocks");
    return 0;
}

/* Counts of a whole segment; a cut has a ledger only where all packets are in it, and may have left out blocks of canaries. */
static void check_ledger(struct verify *v)
{
    const struct segment_index *index = v->index;
    const struct segment_ledger *ledger = &index->ledger;
    bool cut = index->seal.reason == SEGMENT_SEAL_CUT;
    if (cut && !index->has_ledger)
        return;
    if (!index->has_ledger) {
        damage(v, index->valid_size, "index: there is no ledger");
        return;
    }
    if (v->damages > 0)
        return; /* the blocks' counts are not all known */
    if (ledger->written_packets != v->packets)
        damage(v, index->valid_size, "index: the ledger counts %" PRIu64 " packets written, the blocks hold %" PRIu64,
               ledger->written_packets, v->packets);
    if (ledger->events != v->events)
        damage(v, index->valid_size, "index: the ledger counts %" PRIu64 " events, the blocks hold %" PRIu64, ledger->events, v->events);
    if (ledger->canaries != v->canaries && !cut)
        damage(v, index->valid_size, "index: the ledger counts %" PRIu64 " canaries, the blocks hold %" PRIu64, ledger->canaries,
               v->canaries);
}

static int check_all(struct verify *v)
{
    check_frame_header(v);
    int r = check_blocks(v);
    if (r < 0)
        return r;
    if (v->index->sealed) {
        check_end(v);
        r = check_seal(v);
        check_ledger(v);
    }
    return r < 0 ? r : v->damages;
}

/* Opens and parses the index; a damaged one is told and leaves *ret NULL. */
static int load_index(struct verify *v, const char *path, struct segment_index **ret)
{
    char index_path[PATH_MAX];
    if ((size_t)snprintf(index_path, sizeof index_path, "%s.idx", path) >= sizeof index_path)
        return -ENAMETOOLONG;
    mem_auto_close int fd = open(index_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    int r = segment_index_read(fd, ret);
    if (r == -EBADMSG || r == -E2BIG) {
        damage(v, 0, "index: it is not a segment's index, or a record in it cannot be");
        return 0;
    }
    if (r < 0)
        return r;
    if ((*ret)->valid_size != (uint64_t)status.st_size)
        damage(v, (*ret)->valid_size,
               (*ret)->sealed ? "index: bytes stand behind the seal" : "index: the record at this byte is damaged or torn");
    else if (!(*ret)->sealed)
        damage(v, (*ret)->valid_size, "index: it ends without a seal");
    return 0;
}

static void check_name(struct verify *v, const char *path)
{
    const char *slash = strrchr(path, '/');
    uint32_t lane = 0;
    uint64_t sequence = 0;
    if (segment_file_name_parse(slash ? slash + 1 : path, &lane, &sequence) < 0)
        return; /* a copy with a name of its own */
    const struct segment_identity *identity = &v->index->identity;
    if (identity->lane != lane || identity->sequence != sequence)
        damage(v, 0, "index: it belongs to %" PRIu32 "-%" PRIu64 ", not to the file of this name", identity->lane, identity->sequence);
}

int segment_file_verify(const char *path, void (*found)(void *context, const struct segment_damage *damage), void *context)
{
    struct verify v = { .found = found, .context = context, .fd = -1 };
    struct stat status;
    mem_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    MEM_CLEANUP(segment_index_free_p) struct segment_index *index = NULL;
    int r = load_index(&v, path, &index);
    if (r < 0 || !index)
        return r < 0 ? r : v.damages;
    MEM_CLEANUP(pcapng_reader_free_p) struct pcapng_reader *reader = pcapng_reader_new();
    MEM_CLEANUP(segment_buffers_free) struct segment_buffers buffers = { 0 };
    if (!reader || segment_buffers_take(&buffers) < 0)
        return -ENOMEM;
    v.fd = fd;
    v.size = (uint64_t)status.st_size;
    v.index = index;
    v.reader = reader;
    v.raw = buffers.raw;
    v.content = buffers.content;
    check_name(&v, path);
    return check_all(&v);
}
