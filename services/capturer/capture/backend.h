/* The table of capture back ends: where frames come from. One `const struct` each; a half-filled one is refused.
 *
 * A source belongs to one lane. open and start run on the opening thread, everything else on the lane's capture thread. */
#ifndef CAPTURER_CAPTURE_BACKEND_H
#define CAPTURER_CAPTURE_BACKEND_H
#include <stddef.h>
#include "services/capturer/capture/capture.h"
#include "services/capturer/capture/filter.h"
#include "services/capturer/capture/recorder.h"

#define BACKEND_ERROR_TEXT 256
#define BACKEND_NOTE_TEXT 160

struct backend_options {
    uint64_t ring_bytes;
    uint32_t lane, lanes;
    int program_fd;                              /* the lane's kernel filter, closed */
    int *group;                                  /* shared by the lanes of one capture: -1 before the first has joined (0 is a group like any) */
};
struct backend_source;
struct capture_backend {
    const char *name;                            /* as tap.packetCapture names it */
    /* Takes memory and asks for frames; the closed filter keeps them out. error (256). note (160): what had to be done worse than asked, "" otherwise. */
    int (*open)(const struct backend_options *options, struct backend_source **ret, char *error, char *note);
    void (*close)(struct backend_source *source);
    int (*fd)(const struct backend_source *source);          /* readable when a batch waits */
    bool (*ready)(struct backend_source *source);            /* a batch waits */
    /* Hands the batch's frames and the drops seen with it to the recorder, then the batch's memory back to the kernel. Frames are borrowed until then. */
    void (*walk)(struct backend_source *source, struct recorder *recorder);
    /* Drops that no later batch will tell of: at the end, behind the last batch. */
    void (*finish)(struct backend_source *source, struct recorder *recorder);
    /* After poll said that the descriptor has an error: takes it away. -errno: what it was; recording goes on. */
    int (*mend)(struct backend_source *source);
    int64_t (*settle_ns)(void);                  /* what the kernel has got by now is in a batch that waits after this time */
};

extern const struct capture_backend capture_backend_af_packet;

/* name NULL or "best": the first that there is. NULL: no such. *ret_missing is set to a slot's name where a back end is half-filled. */
const struct capture_backend *backend_find(const char *name, const char **ret_missing);
#endif
