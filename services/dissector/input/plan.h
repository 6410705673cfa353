/* What a dissection reads: capture files in an order that does not depend on how they were named. An input's number, place.input, is its index here.
 *
 *   a file              pcap, pcapng, a segment, any LZ4 frame of those: one input
 *   a snapshot          its segments, by the manifest; packets outside of its window are left out
 *   a tape, or its      its sealed segments; hidden ones are still being written
 *   "segments" folder
 *   -                   standard input, pcap or pcapng, also in an LZ4 frame
 *
 * Files stay in the order given; segments are sorted by node, tape, lane and sequence. Not shared between threads while it is made; read-only, and shared freely, afterwards. */
#ifndef DISSECTOR_INPUT_PLAN_H
#define DISSECTOR_INPUT_PLAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INPUT_PLAN_MAX 60000u           /* inputs of one plan; each open one is a mapping, of which Linux allows 65530 */
#define INPUT_ERROR_TEXT_MAX 512
#define INPUT_NONE UINT32_MAX

/* One capture file. A stage that knows its inputs already fills one by itself: zeros are right for what is not known, but for previous, first_ns and last_ns. */
struct input {
    const char *path;                   /* "-": standard input */
    const char *segment_id;             /* "<node>/<tape>/<lane>/<sequence>"; "" for a file that is no segment */
    const char *node_name;              /* "" where it is not known */
    uint32_t node;                      /* in the sorted list of node names */
    uint32_t previous;                  /* input that holds the same lane's packets before this one; INPUT_NONE */
    uint32_t lane;                      /* the first input of the chain that `previous` makes: its packets are one recording, whose fragments belong together. 0 for files that are no segments: one may go on where another ends */
    uint64_t bytes;                     /* of the file; 0: unknown */
    int64_t from_ns, to_ns;             /* the snapshot's window, both ends inside; 0, 0: all */
    int64_t first_ns, last_ns;          /* of its packets, as its index or the manifest says; INT64_MIN, INT64_MAX: unknown */
};

struct input_plan {
    struct input *inputs;
    uint32_t count;
    const char **nodes;                 /* sorted; "" is first where there are inputs without a node */
    uint32_t nodes_count;
    int64_t from_ns, to_ns;             /* the snapshot's window where all inputs have the same; else 0, 0 */
};
/* names: as the command line has them. -EINVAL (no input, too many), -EBADMSG (a manifest or an index is none), -ENOMEM, -errno of the files, with a sentence in error (INPUT_ERROR_TEXT_MAX). */
int input_plan_new(const char *const *names, size_t count, struct input_plan **ret, char *error);
/* Whether all inputs are segments, of which each lane's follow each other. Other files may overlap: what they say together is known only in the order of all their packets. */
bool input_plan_is_segments(const struct input_plan *plan);
/* Whether everything is regular files, which can be read again, or by several at once; pipes and standard input cannot. */
bool input_plan_is_files(const struct input_plan *plan);
/* NULL is fine. */
void input_plan_free(struct input_plan *plan);
static inline void input_plan_free_p(struct input_plan **plan) { input_plan_free(*plan); }
#endif
