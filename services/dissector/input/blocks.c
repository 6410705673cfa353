#include "services/dissector/input/blocks.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "capfile/segment_file.h"
#include "mem/cleanup.h"

struct input_blocks {
    struct segment_index *index;
    uint8_t *map; size_t map_size;
    uint8_t *content;                   /* LZ4FRAME_CONTENT_BYTES_MAX; NULL: not needed yet, or given back */
    size_t next;
    const struct segment_block *current;
};

static int map_segment(const char *path, struct input_blocks *blocks)
{
    mem_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size < LZ4FRAME_HEADER_BYTES)
        return -ENODATA;
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    (void)madvise(map, (size_t)st.st_size, MADV_SEQUENTIAL); /* a hint */
    blocks->map = map;
    blocks->map_size = (size_t)st.st_size;
    return lz4frame_is_header(blocks->map) ? 0 : -ENODATA;
}

/* Statistics hold no packet. */
static void pass_statistics(struct input_blocks *blocks)
{
    const struct segment_index *index = blocks->index;
    while (blocks->next < index->blocks_count && index->blocks[blocks->next].kind == SEGMENT_BLOCK_STATISTICS)
        blocks->next++;
}

int input_blocks_open(const char *path, struct input_blocks **ret)
{
    char index_path[PATH_MAX];
    if ((size_t)snprintf(index_path, sizeof index_path, "%s.idx", path) >= sizeof index_path)
        return -ENAMETOOLONG;
    if (access(index_path, F_OK) < 0)
        return -ENODATA;
    struct input_blocks *blocks = calloc(1, sizeof *blocks);
    if (!blocks)
        return -ENOMEM;
    int r = map_segment(path, blocks);
    if (r == 0)
        r = segment_index_load(index_path, &blocks->index);
    if (r < 0) {
        input_blocks_close(blocks);
        return r == -E2BIG ? -EBADMSG : r;
    }
    pass_statistics(blocks);
    *ret = blocks;
    return 0;
}

void input_blocks_close(struct input_blocks *blocks)
{
    if (!blocks)
        return;
    input_blocks_rest(blocks);
    if (blocks->map)
        munmap(blocks->map, blocks->map_size);
    segment_index_free(blocks->index);
    free(blocks);
}

const struct segment_index *input_blocks_index(const struct input_blocks *blocks)
{
    return blocks->index;
}

static int decode(struct input_blocks *blocks, const struct segment_block *block, const uint8_t **ret_content, const char **ret_problem)
{
    if (block->size <= LZ4FRAME_BLOCK_WORD_BYTES || block->size > LZ4FRAME_BLOCK_BYTES_MAX || block->content_size > LZ4FRAME_CONTENT_BYTES_MAX) {
        *ret_problem = "its index gives it an impossible size";
        return -EBADMSG;
    }
    if (block->offset > blocks->map_size || block->size > blocks->map_size - block->offset) {
        *ret_problem = "the file ends before it";
        return -EBADMSG;
    }
    if (block->compressed && !blocks->content) {
        void *content = mmap(NULL, LZ4FRAME_CONTENT_BYTES_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (content == MAP_FAILED)
            return -ENOMEM;
        blocks->content = content;
    }
    return segment_block_decode(block, blocks->map + block->offset, blocks->content, ret_content, ret_problem);
}

const struct segment_block *input_blocks_peek(const struct input_blocks *blocks)
{
    return blocks->next < blocks->index->blocks_count ? &blocks->index->blocks[blocks->next] : NULL;
}

void input_blocks_skip(struct input_blocks *blocks)
{
    blocks->next++;
    pass_statistics(blocks);
}

int input_blocks_next(struct input_blocks *blocks, const struct segment_block **ret_block, const uint8_t **ret_content, const char **ret_problem)
{
    const struct segment_block *block = input_blocks_peek(blocks);
    if (!block)
        return 0;
    *ret_block = blocks->current = block;
    input_blocks_skip(blocks);
    int r = decode(blocks, block, ret_content, ret_problem);
    return r < 0 ? r : 1;
}

int input_blocks_again(struct input_blocks *blocks, const uint8_t **ret_content)
{
    const char *problem = NULL;
    return decode(blocks, blocks->current, ret_content, &problem);
}

void input_blocks_rest(struct input_blocks *blocks)
{
    if (blocks->content)
        munmap(blocks->content, LZ4FRAME_CONTENT_BYTES_MAX);
    blocks->content = NULL;
}

uint64_t input_blocks_position(const struct input_blocks *blocks)
{
    const struct segment_block *block = input_blocks_peek(blocks);
    return block ? block->offset : blocks->map_size;
}
