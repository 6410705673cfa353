/* Any pair of segment and index as the part of an export, plain, filtered, cut and as pcap. What comes out is pcapng in the order of
 * time. */
#include <errno.h>
#include "services/snapshotter/export/export.h"
#include "tests/fuzz/segment_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void remove_folder(void)
{
    rmdir(segment_pair_folder());
}

static void check_pcapng(const uint8_t *data, size_t size)
{
    struct pcapng_reader *reader = pcapng_reader_new();
    struct pcapng_block block;
    size_t needed = 0;
    int64_t last_ns = INT64_MIN, n = 1;
    for (size_t at = 0; reader && at < size; at += (size_t)n) {
        n = pcapng_next(reader, data + at, size - at, &block, &needed);
        if (n == -EBADMSG && strstr(pcapng_reader_error(reader), "options"))
            break; /* options of packets go through as they are */
        if (n <= 0)
            abort();
        int64_t time_ns = block.has_packet ? block.packet.time_ns : block.has_event ? block.event_ns : last_ns;
        if (time_ns < last_ns)
            abort();
        last_ns = time_ns;
    }
    pcapng_reader_free(reader);
}

static void run(const struct export_options *options)
{
    static uint8_t out[1 << 22];
    char error[EXPORT_ERROR_TEXT_MAX];
    struct export *export = NULL;
    int r = export_open(options, &export, error);
    if (r < 0) {
        if (!*error)
            abort();
        return;
    }
    size_t size = 0;
    ssize_t n = 1;
    while (n > 0 && size < sizeof out) {
        n = export_read(export, out + size, sizeof out - size < 5000 ? sizeof out - size : 5000);
        size += n > 0 ? (size_t)n : 0;
    }
    if (n < 0 && !*export_error(export))
        abort();
    if (n == 0 && options->format == EXPORT_PCAPNG)
        check_pcapng(out, size);
    export_close(export);
}

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
    snprintf(path, sizeof path, "%s/y", segment_pair_folder());
    struct export_part parts[2] = { { .object = "first", .node = "a", .path = path }, { .object = "second", .node = "b", .path = path } };
    struct export_options options = { .parts = parts, .parts_count = 1, .from_ns = INT64_MIN, .to_ns = INT64_MAX,
                                      .work_folder = segment_pair_folder() };
    if (segment_pair_write(&pair, path)) {
        run(&options);
        options.parts_count = 2; /* the same twice: everything ties, and is a copy */
        options.dedup = true;
        options.memory_bytes_max = 1;
        run(&options);
        options.bpf = "udp or tcp port 80";
        options.from_ns = 1000000;
        options.to_ns = 2000500;
        options.format = EXPORT_PCAP;
        options.link_type = "EN10MB";
        run(&options);
    }
    segment_pair_remove(path);
    segment_pair_free(&pair);
    return 0;
}
