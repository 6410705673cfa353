/* Sends the canaries: one UDP packet per lane and second over lo, which only a lane that works brings back (recorder.c). Used by the loop thread.
 *
 * Where several lanes share the traffic, the kernel chooses a packet's lane by a hash of its addresses and ports. So every lane is found by trying source ports: a probe goes out from each that is not known yet, the
 * lane that gets it says so in lane_of_port, and a lane's canary goes out from a port that came to it. */
#ifndef CAPTURER_CAPTURE_CANARY_H
#define CAPTURER_CAPTURE_CANARY_H
#include <stdint.h>

#define CANARY_SOCKETS_MAX 64u                   /* four tries a lane and second; a lane without a port gets new ones each second */
#define CANARY_PROBE UINT32_MAX                  /* for no lane: only to learn the port's lane */

struct canary;
/* lane_of_port is borrowed: RECORDER_PORTS_MAX bytes, lane + 1 or 0. -errno. */
int canary_new(uint64_t tape_id, uint32_t lanes, _Atomic uint8_t *lane_of_port, struct canary **ret);
void canary_free(struct canary *canary);
/* One for each lane whose port is known. Returns how many lanes got none yet (0: all did), or -errno of the first packet that could not be sent. */
int canary_send(struct canary *canary, int64_t now_wall_ns);
#endif
