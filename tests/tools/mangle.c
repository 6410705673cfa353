/* Captures as bad luck makes them, for the checks that nothing breaks over them.
 *
 *   mangle SEED IN PREFIX      writes PREFIX.drop, .swap, .double and .short, all pcapng with nanoseconds:
 *     drop     every tenth packet is missing (the seed says which of the first ten)
 *     swap     about every fourth packet changes places with the next one; the times stay in order
 *     double   about every eighth packet is there twice
 *     short    of each packet the first 64 bytes alone
 *
 * The same seed makes the same files. A capture that ends early is taken as far as it goes; one that is none at all ends this with 1. */
#include "capture_reader.h"

#define SHORT_BYTES 64
#define LINK_TYPES_MAX 64

struct out { FILE *file; uint32_t link_type[LINK_TYPES_MAX], link_types; };
struct kept { uint8_t *data; struct capture_packet packet; };
enum kind { DROP, SWAP, DOUBLE, SHORT, KINDS };
static const char *const names[KINDS] = { "drop", "swap", "double", "short" };

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void put(FILE *file, const void *data, size_t size)
{
    if (fwrite(data, 1, size, file) != size) {
        perror("mangle: write");
        exit(1);
    }
}

static void out_open(struct out *out, const char *prefix, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s.%s", prefix, name);
    *out = (struct out){ .file = fopen(path, "wb") };
    if (!out->file) {
        perror(path);
        exit(1);
    }
    const uint32_t section[7] = { 0x0a0d0d0a, 28, 0x1a2b3c4d, 1, UINT32_MAX, UINT32_MAX, 28 };
    put(out->file, section, sizeof section);
}

/* An interface for each link type, with nanoseconds. */
static uint32_t out_interface(struct out *out, uint32_t link_type)
{
    for (uint32_t i = 0; i < out->link_types; i++)
        if (out->link_type[i] == link_type)
            return i;
    if (out->link_types == LINK_TYPES_MAX) {
        fprintf(stderr, "mangle: more than %d link types\n", LINK_TYPES_MAX);
        exit(1);
    }
    const uint32_t block[8] = { 1, 32, link_type, 0, 9 | 1 << 16, 9, 0, 32 };
    put(out->file, block, sizeof block);
    out->link_type[out->link_types] = link_type;
    return out->link_types++;
}

static void out_packet(struct out *out, const struct capture_packet *packet, int64_t time_ns, uint32_t captured)
{
    uint32_t padding = -captured & 3, size = 32 + captured + padding, zero = 0;
    const uint64_t time = (uint64_t)time_ns;
    const uint32_t head[7] = { 6, size, out_interface(out, packet->link_type), (uint32_t)(time >> 32), (uint32_t)time, captured, packet->length };
    put(out->file, head, sizeof head);
    put(out->file, packet->data, captured);
    put(out->file, &zero, padding);
    put(out->file, &size, 4);
}

/* What waits to change places goes behind this packet, each at the other's time. */
static void swap(struct out *out, struct kept *waiting, const struct capture_packet *packet, uint64_t *random)
{
    if (waiting->data) {
        out_packet(out, packet, waiting->packet.time_ns, packet->captured);
        out_packet(out, &waiting->packet, packet->time_ns, waiting->packet.captured);
        free(waiting->data);
        waiting->data = NULL;
        return;
    }
    if (next_random(random) % 4 != 0) {
        out_packet(out, packet, packet->time_ns, packet->captured);
        return;
    }
    waiting->data = malloc(packet->captured + 1u);
    if (!waiting->data)
        exit(1);
    memcpy(waiting->data, packet->data, packet->captured);
    waiting->packet = *packet;
    waiting->packet.data = waiting->data;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: mangle SEED IN PREFIX\n", stderr);
        return 2;
    }
    uint64_t random = strtoull(argv[1], NULL, 10) * 2654435761u + 1, count = 0;
    static struct capture_reader reader;
    if (!capture_open(&reader, argv[2])) {
        fprintf(stderr, "mangle: %s %s\n", argv[2], reader.problem);
        return 1;
    }
    struct out out[KINDS];
    for (int i = 0; i < KINDS; i++)
        out_open(&out[i], argv[3], names[i]);
    struct kept waiting = { 0 };
    uint64_t missing = next_random(&random) % 10;
    for (struct capture_packet packet; capture_next(&reader, &packet); count++) {
        if (count % 10 != missing)
            out_packet(&out[DROP], &packet, packet.time_ns, packet.captured);
        swap(&out[SWAP], &waiting, &packet, &random);
        for (unsigned times = next_random(&random) % 8 == 0 ? 2 : 1; times > 0; times--)
            out_packet(&out[DOUBLE], &packet, packet.time_ns, packet.captured);
        out_packet(&out[SHORT], &packet, packet.time_ns, packet.captured < SHORT_BYTES ? packet.captured : SHORT_BYTES);
    }
    if (waiting.data)
        out_packet(&out[SWAP], &waiting.packet, waiting.packet.time_ns, waiting.packet.captured);
    free(waiting.data);
    for (int i = 0; i < KINDS; i++)
        if (fclose(out[i].file) != 0)
            return 1;
    capture_close(&reader);
}
