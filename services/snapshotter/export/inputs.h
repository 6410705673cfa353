/* The segments that an export reads, sorted by (node, lane, sequence), and the interfaces of the file that comes out of them. */
#ifndef SNAPSHOTTER_EXPORT_INPUTS_H
#define SNAPSHOTTER_EXPORT_INPUTS_H
#include "capfile/segment_index.h"
#include "services/snapshotter/export/export.h"

#define INPUTS_OPEN_MAX 256               /* files open at once; beyond it the one opened longest ago is closed */
#define INPUT_INTERFACES_MAX 65536u       /* of one segment, as of a pcapng section */

/* What becomes of a packet of a segment's interface: the number of the interface in the file, or one of these. */
enum { INPUT_UNKNOWN = -1, INPUT_CANARY = -2, INPUT_OTHER_LINK_TYPE = -3 };

struct input {
    char *object, *node, *path;
    struct segment_index *index;
    int32_t *interfaces;                  /* by pcapng id */
    uint32_t interfaces_count;
    int fd;                               /* -1: not open */
};
struct output_interface { const char *node; char name[32]; uint32_t link_type; bool ledger; uint64_t offered, dropped, filtered, written; };
struct inputs {
    struct input *list;                   /* those with something in the window */
    size_t count;
    struct output_interface *interfaces;
    size_t interfaces_count;
    struct input *opened[INPUTS_OPEN_MAX];
    size_t opened_next;
};

/* Loads the indexes. *inputs is zeroed before, and may be freed after a failure. */
int inputs_load(struct inputs *inputs, const struct export_options *options, char *error);
/* Collects the interfaces and fills the maps. only_link_type: -1, or packets of others are left out. -E2BIG. */
int inputs_map(struct inputs *inputs, int64_t only_link_type, char *error);
/* Reads one block as it is on the disk into raw. -ENODATA: the file ends before. */
int inputs_read(struct inputs *inputs, struct input *input, const struct segment_block *block, uint8_t *raw);
void inputs_free(struct inputs *inputs);
#endif
