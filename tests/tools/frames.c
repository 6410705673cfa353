/* What a set of captures holds, frame by frame, for comparing what was sent with what was recorded.
 *
 *   frames print [--kept] FILE...       one line per frame: length, two hashes of all its bytes, its first bytes; --kept: only the frames that Tapeloop must record
 *   frames merge OUT LONGEST FILE...    writes the Ethernet frames of all files, one after the other and uncut, into one pcap; longer ones and other files are left out and told by name
 *
 * Tapeloop must record: Ethernet, up to four VLAN tags (0x8100, 0x88a8, 0x9100), IPv4 or IPv6 whose header says so itself (version, least length); the transport, behind IPv6 extension headers and inside IP
 * in IP too, is TCP or UDP; every fragment as well, also the later fragments of a chain whose end only the first one shows. Frames cut behind the byte that names the transport count by that byte. */
#include <stdbool.h>
#include "capture_reader.h"

#define TAGS_MAX 4
#define EXTENSIONS_MAX 64
#define DEPTH_MAX 8

static uint64_t hash(const uint8_t *p, size_t n, uint64_t h)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(1099511628211);
    return h;
}

static uint32_t be16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }

static bool transport(uint8_t protocol) { return protocol == 6 || protocol == 17; }

static bool ip_kept(const uint8_t *p, size_t n, int depth);

static bool tunnelled(uint8_t protocol) { return protocol == 4 || protocol == 41; }

static bool inside_kept(uint8_t protocol, const uint8_t *p, size_t n, int depth)
{
    return transport(protocol) || (tunnelled(protocol) && p[0] >> 4 == (protocol == 4 ? 4 : 6) && ip_kept(p, n, depth + 1));
}

static bool ipv4_kept(const uint8_t *p, size_t n, int depth)
{
    size_t length = (p[0] & 15) * 4u;
    if (n < 10 || length < 20)
        return false;
    if ((be16(p + 6) & 0x1fff) != 0)
        return transport(p[9]) || tunnelled(p[9]);
    return n > length ? inside_kept(p[9], p + length, n - length, depth) : transport(p[9]);
}

static bool extension(uint8_t next) { return next == 0 || next == 43 || next == 51 || next == 60 || next == 135 || next == 139 || next == 140; }

static bool ipv6_kept(const uint8_t *p, size_t n, int depth)
{
    if (n < 7)
        return false;
    uint8_t next = p[6];
    size_t at = 40;
    for (int i = 0; i < EXTENSIONS_MAX && (extension(next) || next == 44); i++) {
        if (n < at + 4)
            return false;
        uint8_t after = p[at];
        /* Behind a later fragment's header come bytes from the middle of something. */
        if (next == 44 && (be16(p + at + 2) & 0xfff8u) != 0)
            return transport(after) || tunnelled(after) || extension(after);
        at += next == 44 ? 8 : next == 51 ? ((size_t)p[at + 1] + 2) * 4 : ((size_t)p[at + 1] + 1) * 8;
        next = after;
    }
    return n > at ? inside_kept(next, p + at, n - at, depth) : transport(next);
}

static bool ip_kept(const uint8_t *p, size_t n, int depth)
{
    if (n == 0 || depth > DEPTH_MAX)
        return false;
    return p[0] >> 4 == 4 ? ipv4_kept(p, n, depth) : p[0] >> 4 == 6 && ipv6_kept(p, n, depth);
}

static bool frame_kept(const uint8_t *p, size_t n)
{
    if (n < 14)
        return false;
    size_t at = 12;
    for (int tags = 0; tags <= TAGS_MAX && n >= at + 2; tags++, at += 4) {
        uint32_t type = be16(p + at);
        if (type == 0x8100 || type == 0x88a8 || type == 0x9100)
            continue;
        uint8_t version = type == 0x0800 ? 4 : 6;
        return (type == 0x0800 || type == 0x86dd) && n > at + 2 && p[at + 2] >> 4 == version && ip_kept(p + at + 2, n - at - 2, 0);
    }
    return false;
}

static int frames_print(int count, char **paths, bool kept)
{
    static struct capture_reader reader;
    int bad = 0;
    for (int i = 0; i < count; i++) {
        struct capture_packet packet;
        bool readable = capture_open(&reader, paths[i]);
        while (readable && capture_next(&reader, &packet)) {
            if (kept && !frame_kept(packet.data, packet.captured))
                continue;
            printf("%u %016llx%016llx ", packet.captured, (unsigned long long)hash(packet.data, packet.captured, UINT64_C(14695981039346656037)),
                   (unsigned long long)hash(packet.data, packet.captured, UINT64_C(88172645463325252)));
            for (uint32_t k = 12; k < packet.captured && k < 44; k++)
                printf("%02x", packet.data[k]);
            putchar('\n');
        }
        if (reader.problem) {
            fprintf(stderr, "frames: %s %s\n", paths[i], reader.problem);
            bad = 1;
        }
        capture_close(&reader);
    }
    return bad;
}

static void merge_packet(FILE *out, const struct capture_packet *packet, uint64_t number)
{
    uint32_t head[4] = { (uint32_t)(number / 1000000), (uint32_t)(number % 1000000), packet->captured, packet->captured };
    fwrite(head, sizeof head, 1, out);
    fwrite(packet->data, packet->captured, 1, out);
}

static int frames_merge(const char *path, uint32_t longest, int count, char **paths)
{
    static struct capture_reader reader;
    FILE *out = fopen(path, "wb");
    if (!out) {
        fprintf(stderr, "frames: %s cannot be written\n", path);
        return 1;
    }
    uint32_t head[6] = { 0xa1b2c3d4u, 2u | 4u << 16, 0, 0, 262144, 1 };
    fwrite(head, sizeof head, 1, out);
    uint64_t frames = 0, files = 0, skipped = 0;
    for (int i = 0; i < count; i++) {
        struct capture_packet packet;
        uint64_t before = frames, other = 0, longer = 0, shorter = 0;
        bool readable = capture_open(&reader, paths[i]);
        while (readable && capture_next(&reader, &packet)) {
            if (packet.link_type != 1)
                other++;
            else if (packet.captured > longest)
                longer++;
            else if (packet.captured < 14)
                shorter++;
            else
                merge_packet(out, &packet, ++frames);
        }
        if (other || longer || shorter || reader.problem)
            fprintf(stderr, "skipped %s: %llu not Ethernet, %llu longer than %u, %llu shorter than 14%s%s\n", paths[i], (unsigned long long)other, (unsigned long long)longer, longest,
                    (unsigned long long)shorter, reader.problem ? "; the file " : "", reader.problem ? reader.problem : "");
        skipped += other + longer + shorter;
        files += frames > before;
        capture_close(&reader);
    }
    if (fclose(out)) {
        fprintf(stderr, "frames: %s: write failed\n", path);
        return 1;
    }
    printf("{\"files\":%llu,\"frames\":%llu,\"skipped\":%llu}\n", (unsigned long long)files, (unsigned long long)frames, (unsigned long long)skipped);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "print") == 0) {
        bool kept = strcmp(argv[2], "--kept") == 0;
        return frames_print(argc - 2 - kept, argv + 2 + kept, kept);
    }
    if (argc >= 5 && strcmp(argv[1], "merge") == 0)
        return frames_merge(argv[2], (uint32_t)strtoul(argv[3], NULL, 10), argc - 4, argv + 4);
    fputs("usage: frames print [--kept] FILE... | frames merge OUT LONGEST FILE...\n", stderr);
    return 2;
}
