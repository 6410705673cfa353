/* A capture file of any kind through the reader and the decoder: nothing outside of the file is read, frames rise, reading ends, and it is the same whether the file is mapped or comes through standard input, in large batches or small.
 * The input is the file. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "services/dissector/flow/decode.h"
#include "services/dissector/input/input.h"

struct seen { uint64_t packets, bytes, found, sum, frame; }; /* no holes: compared as bytes */

static void check(const struct input_packet *packet, struct seen *seen)
{
    if (packet->frame <= seen->frame)
        abort();
    seen->frame = packet->frame;
    seen->packets++;
    seen->bytes += packet->captured;
    for (uint32_t i = 0; i < packet->captured; i++)
        seen->sum += packet->data[i];
}

static struct seen read_file(const char *path, uint32_t batch)
{
    struct seen seen = { 0 };
    const struct input input = { .path = path, .segment_id = "", .node_name = "", .previous = INPUT_NONE };
    char error[INPUT_ERROR_TEXT_MAX];
    struct input_packet packets[INPUT_BATCH_MAX];
    struct input_reader *reader = NULL;
    struct decoder *decoder = NULL;
    int n = 0;
    if (decoder_new(&decoder) < 0 || input_open(&input, 0, &reader, error) < 0)
        abort();
    while ((n = input_next(reader, packets, batch)) > 0)
        for (int i = 0; i < n; i++) {
            struct shard_packet found;
            check(&packets[i], &seen);
            if (!decode_packet(decoder, &packets[i], &found))
                continue;
            seen.found++;
            if (found.captured > found.payload || found.time_ns != shard_time(packets[i].time_ns))
                abort();
            for (uint32_t k = 0; k < found.captured; k++)
                seen.sum += found.data[k];
        }
    if (n < 0 || input_counters(reader)->packets != seen.packets || input_counters(reader)->bytes != seen.bytes)
        abort();
    decoder_free(decoder);
    input_close(reader);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("capture", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct seen mapped = read_file(path, INPUT_BATCH_MAX), small = read_file(path, 3);
    if (memcmp(&mapped, &small, sizeof mapped) != 0 || lseek(fd, 0, SEEK_SET) != 0 || dup2(fd, STDIN_FILENO) < 0)
        abort();
    struct seen piped = read_file("-", INPUT_BATCH_MAX);
    if (memcmp(&mapped, &piped, sizeof mapped) != 0)
        abort();
    close(fd);
    return 0;
}
