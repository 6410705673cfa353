/* Counts the packets in files of stenotype: each is a row of the kernel's own 1 MiB ring blocks, whose head holds how many packets follow.
 *
 *   block: version 4 | offset of private part 4 | status 4 | packets 4 | offset of first packet 4 | ...
 *
 * Source: linux/if_packet.h, struct tpacket_block_desc and tpacket_hdr_v1. usage: steno_count FILE... */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_BYTES (1024 * 1024)

int main(int argc, char **argv)
{
    static uint8_t block[BLOCK_BYTES];
    uint64_t packets = 0;
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (!file) {
            fprintf(stderr, "steno_count: %s cannot be opened\n", argv[i]);
            return 1;
        }
        while (fread(block, 1, sizeof block, file) == sizeof block) {
            uint32_t here;
            memcpy(&here, block + 12, sizeof here);
            packets += here;
        }
        fclose(file);
    }
    printf("%llu\n", (unsigned long long)packets);
    return 0;
}
