/* Reads a block, checks it, and makes a source of what the export wants of it. */
#ifndef SNAPSHOTTER_EXPORT_LOAD_H
#define SNAPSHOTTER_EXPORT_LOAD_H
#include "packet/bpf.h"
#include "services/snapshotter/export/plan.h"
#include "services/snapshotter/export/source.h"

struct load {
    struct inputs *inputs;
    const struct plan *plan;
    int64_t from_ns, to_ns;
    bool events;                          /* take journal blocks */
    struct bpf_expression **filters;      /* by output interface; NULL: no filter */
    uint8_t *raw;                         /* LZ4FRAME_BLOCK_BYTES_MAX, shared by all blocks */
    uint64_t left_out_filter, left_out_link_type;
    char *error;                          /* EXPORT_ERROR_TEXT_MAX */
};
/* The source of one planned block; one without entries has count 0. -EBADMSG with a sentence that names object and block; -errno, -ENOMEM. */
int load_block(struct load *load, uint32_t ordinal, struct source **ret);
#endif
