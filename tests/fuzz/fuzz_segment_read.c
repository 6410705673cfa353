/* Any pair of segment and index through the dissector's reader: nothing outside of a block is read, frames rise, and it is the same in large batches and small, and where blocks are given back
 * and read again, as a merge of many does. */
#include "services/dissector/input/reader.h"
#include "tests/fuzz/segment_pair.h"

struct seen { uint64_t packets, sum; uint32_t frame; };

static struct seen read_segment(const char *path, uint32_t batch, int64_t to_ns, bool rests)
{
    struct seen seen = { 0 };
    const struct input input = { .path = path, .segment_id = "", .node_name = "node", .previous = INPUT_NONE, .to_ns = to_ns };
    char error[INPUT_ERROR_TEXT_MAX];
    struct input_packet packets[INPUT_BATCH_MAX];
    struct input_reader *reader = NULL;
    if (input_open(&input, 0, &reader, error) < 0)
        return seen;
    int n = 0;
    while ((n = input_next(reader, packets, batch)) > 0) {
        if (rests && input_holds_block(reader)) {
            input_rest(reader);
            if (input_wake(reader, packets, (uint32_t)n) < 0)
                abort();
        }
        for (int i = 0; i < n; i++) {
            if (packets[i].frame <= seen.frame || (to_ns && packets[i].time_ns > to_ns))
                abort();
            seen.frame = packets[i].frame;
            seen.packets++;
            for (uint32_t k = 0; k < packets[i].captured; k++)
                seen.sum += packets[i].data[k];
        }
    }
    if (input_counters(reader)->packets != seen.packets)
        abort();
    input_close(reader);
    return seen;
}

static void remove_folder(void)
{
    rmdir(segment_pair_folder());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool registered;
    struct segment_pair pair;
    char path[128];
    if (!segment_pair_take(data, size, &pair))
        return 0;
    if (!registered)
        atexit(remove_folder);
    registered = true;
    snprintf(path, sizeof path, "%s/x", segment_pair_folder());
    if (segment_pair_write(&pair, path)) {
        struct seen large = read_segment(path, INPUT_BATCH_MAX, 0, false), small = read_segment(path, 1, 0, false), rested = read_segment(path, 3, 0, true);
        if (large.packets != small.packets || large.sum != small.sum || large.frame != small.frame)
            abort();
        if (large.packets != rested.packets || large.sum != rested.sum || large.frame != rested.frame)
            abort();
        (void)read_segment(path, 7, 1500000, true);
    }
    segment_pair_remove(path);
    segment_pair_free(&pair);
    return 0;
}
