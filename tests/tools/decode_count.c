/* What the dissector's input and decoding see in captures: decode_count [--frames | --partition FILE] CAPTURE...
 * Prints one line of counts per file; with --frames instead a line "FRAME tcp|udp SOURCE-PORT DESTINATION-PORT PAYLOAD" per packet, for comparing with tshark; with --partition it leaves the map stage's file. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/flow/decode.h"
#include "services/dissector/input/input.h"
#include "services/dissector/work/partition.h"

static void print_counts(const char *name, const struct input_reader *reader, struct decoder *decoder)
{
    const struct input_counters *in = input_counters(reader);
    const struct decode_counters *out = decoder_counters(decoder);
    printf("%s frames %" PRIu64 " packets %" PRIu64 " tcp %" PRIu64 " udp %" PRIu64 " fragments %" PRIu64 " other_ip %" PRIu64 " not_ip %" PRIu64 " malformed %" PRIu64
           " unknown_link_type %" PRIu64 " tunnelled %" PRIu64 " problem %s\n",
           name, in->frames, in->packets, out->tcp, out->udp, out->fragments, out->other_ip, out->not_ip, out->malformed, out->unknown_link_type, out->tunnelled,
           input_problem(reader) ? input_problem(reader) : "none");
}

static int count_file(const char *path, bool frames)
{
    char error[INPUT_ERROR_TEXT_MAX];
    const char *names[] = { path };
    struct input_plan *plan = NULL;
    struct decoder *decoder = NULL;
    if (input_plan_new(names, 1, &plan, error) < 0) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    int failed = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        struct input_reader *reader = NULL;
        struct input_packet packets[INPUT_BATCH_MAX];
        if (input_open(&plan->inputs[i], i, &reader, error) < 0 || decoder_new(&decoder) < 0) {
            fprintf(stderr, "%s\n", error);
            input_close(reader);
            failed = 1;
            continue;
        }
        for (int n; (n = input_next(reader, packets, INPUT_BATCH_MAX)) > 0;) {
            for (int k = 0; k < n; k++) {
                struct shard_packet packet;
                if (decode_packet(decoder, &packets[k], &packet) && frames)
                    printf("%u %s %u %u %u\n", packet.place.frame, packet.tuple.transport == 6 ? "tcp" : "udp", packet.tuple.source_port, packet.tuple.destination_port, packet.payload);
            }
        }
        if (!frames)
            print_counts(plan->inputs[i].path, reader, decoder);
        decoder_free(decoder);
        input_close(reader);
    }
    input_plan_free(plan);
    return failed;
}

static int write_partition(const char *capture, const char *path)
{
    const struct input input = { .path = capture, .segment_id = "", .node_name = "", .previous = INPUT_NONE };
    char hidden[4096], error[STAGE_ERROR_TEXT_MAX];
    struct partition_map_counts counts;
    if ((size_t)snprintf(hidden, sizeof hidden, "%s.hidden", path) >= sizeof hidden || partition_map(&input, 0, false, path, hidden, NULL, &counts, NULL, error) < 0) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    printf("%s packets %" PRIu64 " tcp %" PRIu64 " udp %" PRIu64 "\n", capture, counts.input.packets, counts.decode.tcp, counts.decode.udp);
    return 0;
}

int main(int argc, char **argv)
{
    bool frames = argc > 1 && strcmp(argv[1], "--frames") == 0;
    int failed = 0;
    if (argc == 4 && strcmp(argv[1], "--partition") == 0)
        return write_partition(argv[3], argv[2]);
    for (int i = 1 + frames; i < argc; i++)
        failed |= count_file(argv[i], frames);
    return failed;
}
