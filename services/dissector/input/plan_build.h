/* What the files that make a plan share; plan.h is what others include.
 *
 *   plan.c          names to inputs, their order, the nodes
 *   plan_folder.c   snapshots and tapes */
#ifndef DISSECTOR_INPUT_PLAN_BUILD_H
#define DISSECTOR_INPUT_PLAN_BUILD_H
#include "capfile/segment_index.h"
#include "services/dissector/input/plan.h"

/* path and segment_id are on the heap. */
struct planned { struct input input; struct segment_identity identity; bool is_segment; uint32_t given; };
struct plan_build {
    struct planned *list;
    uint32_t count, room;
    uint32_t given;             /* names so far */
    bool standard_input;
    char *error;
};
/* A sentence into error; returns r. */
int plan_fail(struct plan_build *build, int r, const char *name, const char *problem);
struct planned *plan_add(struct plan_build *build, const char *path); /* NULL: no memory; borrowed until the next call */
int plan_identify(struct planned *planned, const struct segment_identity *identity);
/* Identity and span from the index beside the file. -EBADMSG, -ENOENT, -ENOMEM ...; nothing is changed then. */
int plan_read_index(struct planned *planned);
int plan_add_folder(struct plan_build *build, const char *path);
#endif
