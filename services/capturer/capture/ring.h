/* The AF_PACKET back end: one TPACKET_V3 ring of 1 MiB blocks over all interfaces of the network namespace, shared by fanout hash where there are several lanes.
 *
 * The kernel fills a block until it is full or RING_RETIRE_MS old and hands it over; it is walked where it lies and given back. When every block is ours the kernel counts what it drops.
 * Where a loss lies: with the ring full, the next block that the kernel can fill is the one held now. So drops first read (PACKET_STATISTICS) while holding a block lie before the same block's next filling,
 * and are told to the recorder when that comes.
 * Source: packet(7), kernel Documentation/networking/packet_mmap.rst. */
#ifndef CAPTURER_CAPTURE_RING_H
#define CAPTURER_CAPTURE_RING_H
#include <stdint.h>

#define RING_RETIRE_MS 100u                      /* with a flush of half a second and its write: within a second on the disk */
#define RING_BLOCKS_MIN 4u                       /* fewer, and the kernel waits while one is walked */
#define RING_BYTES_MAX (UINT64_C(2) << 30)       /* what a 32-bit block count times 1 MiB still maps on any node; far above use */
#endif
