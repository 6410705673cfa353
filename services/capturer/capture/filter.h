/* The kernel filter of one lane's ring: what filter.bpf.c and user space share, and how user space holds it.
 *
 * The program admits TCP and UDP over IPv4 and IPv6 on the interfaces of its map, counts what it admits per interface and CPU before the ring can be full, drops lo's outgoing copy, and always admits the
 * canaries of its own tape. Each lane loads an instance of its own, so that drops of one ring are told from those of another. Source: kernel Documentation/bpf, linux/bpf.h; needs Linux 5.8. */
#ifndef CAPTURER_CAPTURE_FILTER_H
#define CAPTURER_CAPTURE_FILTER_H

#define FILTER_SNAP_BYTES 262144u    /* one byte more and tshark refuses the file */
#define FILTER_INTERFACES_MAX 4096u  /* recorded ones at a time: every link that is looked at (INTERFACES_LINKS_MAX) */
#define FILTER_SLOTS_MAX 1536u       /* counters: LANE_INTERFACES_MAX living interfaces and 512 that went, so that a number is not used again within a segment */
#define FILTER_SLOT_CANARY 0u
#define FILTER_SLOT_OTHER 1u         /* Ethernet interfaces past the table's end */
#define FILTER_SLOT_OTHER_IP 2u      /* the same without a link header */
#define FILTER_SLOTS_OWN 3u
#define FILTER_HEADERS_MAX 12u       /* IP headers, IPv6 extension headers and tunnels in a row; what goes on longer is admitted undecided */
#define FILTER_TAGS_MAX 4u           /* VLAN tags in the data; two are QinQ */
#define FILTER_LOOPBACK 1u           /* lo's ifindex in every network namespace (LOOPBACK_IFINDEX) */
#define FILTER_CANARY_BYTES 82u      /* Ethernet, IPv4 without options, UDP, struct capture_canary */

#define FILTER_RAW_IP 1u             /* flags: the device has no link header, a packet begins with its IP header */

#ifdef __bpf__
typedef __u32 filter_u32;
typedef __u64 filter_u64;
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
typedef uint32_t filter_u32;
typedef uint64_t filter_u64;
#endif

struct filter_interface { filter_u32 slot, flags; };
struct filter_counter { filter_u64 packets, bytes; };

#ifndef __bpf__
struct capture_filter;
/* Loads one instance, closed (nothing passes until filter_set_open). error (256) says which right is missing. Not shared between threads, except filter_count and filter_set_open. */
int filter_load(uint64_t tape_id, struct capture_filter **ret, char *error);
/* The same instructions as a classifier, whose packets begin at the link header under BPF_PROG_TEST_RUN (a socket filter's begin behind it there). For tests. */
int filter_load_for_test(uint64_t tape_id, struct capture_filter **ret, char *error);
void filter_free(struct capture_filter *filter);
int filter_program_fd(const struct capture_filter *filter);
/* Any thread; no system call. Closed, not even canaries pass. */
void filter_set_open(struct capture_filter *filter, bool open);
/* 0 or -errno; -E2BIG: FILTER_INTERFACES_MAX are in. */
int filter_add_interface(struct capture_filter *filter, uint32_t ifindex, struct filter_interface interface);
int filter_remove_interface(struct capture_filter *filter, uint32_t ifindex);
/* What was admitted for the slot since load, summed over CPUs. Any thread; reads mapped memory. */
struct filter_counter filter_count(const struct capture_filter *filter, uint32_t slot);
#endif
#endif
