/* All inputs of a plan as one sequence, by (order_ns, input): what one engine reads. Inputs are opened when the sequence reaches their first packet, where an index or a manifest says when that is, and closed at their end.
 * Not shared between threads. */
#ifndef DISSECTOR_INPUT_MERGE_H
#define DISSECTOR_INPUT_MERGE_H
#include "services/dissector/input/input.h"

#define INPUT_MERGE_BUFFERS_MAX 256u    /* readers that hold decoded blocks of 1 MiB at once; beyond it, those that wait longest decode theirs again when their turn comes */
#define INPUT_MERGE_STREAMS_MAX 1024u   /* LZ4 frames without an index and pipes at once: 1 MiB each that cannot be given back */

struct input_merge;
/* told: called for each input that had a problem, when it is closed, and for each that cannot be opened (which is left out); may be NULL. plan is borrowed. -ENOMEM. */
int input_merge_new(const struct input_plan *plan, void (*told)(void *context, uint32_t input, const char *problem), void *context, struct input_merge **ret);
/* Called where reading an input that is no regular file may have to wait for more of it, with its descriptor; false: the input is over. Set before the first packet; NULL, the default: it waits. */
void input_merge_on_wait(struct input_merge *merge, bool (*wait)(void *context, int fd), void *context);
/* Up to `most` packets of one input that stand together in the sequence; 0: the end; -EMFILE: too many streams; -ENOMEM, -errno. *ret is borrowed until the next call. */
int input_merge_next(struct input_merge *merge, uint32_t most, const struct input_packet **ret);
/* Of all inputs so far. */
const struct input_counters *input_merge_counters(struct input_merge *merge);
/* Bytes of the files behind which reading stands, for showing progress: of all whose size the plan knows. */
uint64_t input_merge_position(const struct input_merge *merge);
/* Of the interfaces of all inputs that are closed: at the end, all. */
const struct input_names *input_merge_names(const struct input_merge *merge);
void input_merge_free(struct input_merge *merge);
static inline void input_merge_free_p(struct input_merge **merge) { input_merge_free(*merge); }
#endif
