/* A tape with fake lanes in a folder of its own, for the tape's tests. */
#ifndef TESTS_SUPPORT_TAPE_RIG_H
#define TESTS_SUPPORT_TAPE_RIG_H
#include "services/capturer/tape/internal.h"
#include "tests/support/fake_lane.h"
#include "tests/support/tape_folder.h"

struct tape_rig { struct tape *tape; struct lane *lane; struct fake_lane fake; uint32_t seals; char folder[TAPE_FOLDER_MAX]; };

/* folder is made where it is "" (in the rig). Lane 0 only. */
static inline void tape_rig_open(struct tape_rig *rig, const struct tape_options *options)
{
    char error[256] = "";
    struct tape_options o = *options;
    if (rig->folder[0] == 0)
        tape_folder_make(rig->folder);
    o.folder = rig->folder;
    o.node = "node-1";
    o.lanes = o.lanes ? o.lanes : 1;
    o.storage_size = o.storage_size ? o.storage_size : UINT64_C(128) << 20;
    if (tape_open(&o, NULL, NULL, &rig->tape, error) != 0) {
        fprintf(stderr, "%s\n", error);
        abort();
    }
}
static inline void tape_rig_start(struct tape_rig *rig)
{
    if (lane_new(0, &rig->lane) < 0 || tape_writer_start(rig->tape, rig->lane) < 0)
        abort();
    fake_lane_init(&rig->fake, rig->lane);
    rig->seals = 0;
}
/* Ends recording; the tape stays open. */
static inline void tape_rig_stop(struct tape_rig *rig)
{
    fake_lane_stop(&rig->fake);
    tape_writer_join(rig->tape, rig->lane);
    lane_free(rig->lane);
    rig->lane = NULL;
}
static inline void tape_rig_close(struct tape_rig *rig)
{
    if (rig->lane)
        tape_rig_stop(rig);
    tape_close(rig->tape);
    rig->tape = NULL;
}
/* A sealed segment of about so many bytes, in the catalogue when this returns. */
static inline void tape_rig_segment(struct tape_rig *rig, uint64_t bytes)
{
    struct tape_boundaries b;
    tape_boundaries(rig->tape, &b);
    uint64_t until = rig->fake.bytes + bytes;
    uint64_t sequence = rig->fake.sequence;
    fake_lane_begin(&rig->fake);
    while (rig->fake.bytes < until && fake_lane_data(&rig->fake, bytes < 200000 ? (uint32_t)bytes : 200000, 1000, 0, false, 0))
        continue;
    fake_lane_end(&rig->fake, SEGMENT_SEAL_AGE);
    for (bool there = false; !there;) {
        struct tape_segment last[1];
        uint64_t after = 0;
        while (tape_list(rig->tape, after, last, 1) == 1) {
            after = last[0].ordinal;
            there |= last[0].sequence == sequence;
        }
        struct timespec pause = { 0, 200000 };
        nanosleep(&pause, NULL);
    }
}
#endif
