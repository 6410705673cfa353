/* An export between its two halves: opening (open.c) and reading (export.c). */
#ifndef SNAPSHOTTER_EXPORT_STATE_H
#define SNAPSHOTTER_EXPORT_STATE_H
#include "services/snapshotter/export/connection.h"
#include "services/snapshotter/export/copies.h"
#include "services/snapshotter/export/export.h"
#include "services/snapshotter/export/merge.h"

struct export_filter { uint32_t link_type; struct bpf_expression *expression; };
enum export_stage { EXPORT_HEADER, EXPORT_BODY, EXPORT_TRAILER, EXPORT_DONE };

struct export {
    enum export_format format;
    enum export_stage stage;
    struct inputs inputs;
    struct plan plan;
    struct load load;
    struct merge merge;
    struct copies *copies;                /* NULL: copies are kept */
    struct connection connection;         /* load.connection points to it, where there is one */
    struct bpf_expression **filters;      /* by output interface, borrowed from compiled; NULL: every packet */
    struct export_filter *compiled;       /* one for each link type */
    size_t compiled_count;
    char *work_folder;
    uint32_t fan_in;                      /* runs merged at once */
    struct source **runs;                 /* made, not yet merged */
    uint32_t runs_count;

    struct span span;                     /* being given out; next entry is span.from */
    uint8_t *pending;                     /* header or trailer, owned */
    size_t pending_size, pending_at;
    const uint8_t *stretch;               /* bytes of the span that go out as they are */
    size_t stretch_left;
    uint8_t packet_head[16];              /* of a pcap packet that did not fit */
    size_t packet_head_left;

    struct export_counts counts;
    int failed;
    char error[EXPORT_ERROR_TEXT_MAX];
};

/* open.c: the interface statistics behind the packets, as pending bytes; nothing where the counts of whole segments do not describe what
 * was exported. -ENOMEM. */
int export_make_trailer(struct export *export);
#endif
