/* The blocks of a segment, by its index: each checked against its hash before anything of it is read. Belongs to one thread. */
#ifndef DISSECTOR_INPUT_BLOCKS_H
#define DISSECTOR_INPUT_BLOCKS_H
#include <stdbool.h>
#include "capfile/segment_index.h"

struct input_blocks;
/* -ENODATA: there is no index beside it, or the file is no segment; -EBADMSG: the index is damaged (both: read it as a plain frame); -ENOMEM, -errno. */
int input_blocks_open(const char *path, struct input_blocks **ret);
void input_blocks_close(struct input_blocks *blocks);
const struct segment_index *input_blocks_index(const struct input_blocks *blocks);
/* The next block's record, or NULL; and past it without decoding. */
const struct segment_block *input_blocks_peek(const struct input_blocks *blocks);
void input_blocks_skip(struct input_blocks *blocks);
/* The next block of packets or headers: 1, its record and its content, borrowed until the next call. 0: there is none. -EBADMSG: it is damaged (record and what is wrong are set); the one behind it may be whole. -ENOMEM. */
int input_blocks_next(struct input_blocks *blocks, const struct segment_block **ret_block, const uint8_t **ret_content, const char **ret_problem);
/* The same block again, after input_blocks_rest. -ENOMEM. */
int input_blocks_again(struct input_blocks *blocks, const uint8_t **ret_content);
/* Gives the memory of the content back. */
void input_blocks_rest(struct input_blocks *blocks);
uint64_t input_blocks_position(const struct input_blocks *blocks);
#endif
