/* The capturer's options. */
#ifndef CAPTURER_OPTIONS_H
#define CAPTURER_OPTIONS_H
#include "lifecycle/lifecycle.h"

struct capturer_options {
    const char *node;                /* never NULL after parsing: the host's name */
    const char *data;
    struct option_list interfaces;
    const char *bpf;                 /* NULL: none */
    uint64_t storage_size, segment_size /* 0: from the box's size */, ring_size, lanes;
    int64_t segment_age_ns, flush_ns;
    int compress;                    /* enum tape_compress */
    bool sync;
    const char *listen;
    const char *advertise;           /* NULL: found out */
    struct option_list labels;       /* "key=value" */
    struct lifecycle_options lifecycle;
};
extern const struct option_command capturer_command;
/* As options_parse; wrong combinations too are told on err. */
int capturer_options_parse(int argc, char **argv, struct capturer_options *ret, FILE *out, FILE *err);
#endif
