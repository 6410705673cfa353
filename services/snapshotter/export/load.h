/* Reads a block, checks it, and makes a source of what the export wants of it. */
#ifndef SNAPSHOTTER_EXPORT_LOAD_H
#define SNAPSHOTTER_EXPORT_LOAD_H
#include "packet/bpf.h"
#include "services/snapshotter/export/plan.h"
#include "services/snapshotter/export/source.h"

/* Memory of large blocks is kept for the next one: giving it back to the system and taking it again costs more than the rest of an
 * interleaved merge (0.6 of 1.0 CPU-seconds per GB, measured). */
#define LOAD_SPARE_MAX 32
#define LOAD_SPARE_CONTENT_MIN (256u * 1024)

struct load {
    struct inputs *inputs;
    const struct plan *plan;
    int64_t from_ns, to_ns;
    bool events;                          /* take journal blocks */
    struct bpf_expression **filters;      /* by output interface; NULL: no filter */
    const struct connection *connection;  /* NULL: no filter */
    struct connection_fragments *fragments; /* with a connection */
    uint8_t *raw;                         /* LZ4FRAME_BLOCK_BYTES_MAX, shared by all blocks */
    uint8_t *spare[LOAD_SPARE_MAX];       /* of LZ4FRAME_BLOCK_BYTES_MAX each */
    unsigned spare_count, spare_most;
    uint64_t left_out_filter, left_out_link_type;
    char *error;                          /* EXPORT_ERROR_TEXT_MAX */
};
/* Takes the memory for raw and fragments. -ENOMEM. */
int load_init(struct load *load);
/* The source of one planned block; one without entries has count 0. -EBADMSG with a sentence that names object and block; -errno,
 * -ENOMEM. */
int load_block(struct load *load, uint32_t ordinal, struct source **ret);
/* Takes the memory of such a source back. */
void load_take_back(struct load *load, uint8_t *memory);
void load_free(struct load *load);
#endif
