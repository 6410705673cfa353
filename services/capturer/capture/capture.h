/* The capture side: one ring per lane over all interfaces, a kernel filter that decides what is recorded, and the capture threads.
 *
 * The filter (capture/filter.bpf.c, a socket filter) admits TCP and UDP over IPv4 and IPv6 (VLAN, QinQ, extension headers, fragments, BIG TCP's jumbo header) on the interfaces of a map that the interface watcher keeps,
 * counts per interface what it admits, drops lo's outgoing copy, and always admits the canary. Source: packet(7), kernel Documentation/networking/packet_mmap.rst, filter.rst. */
#ifndef CAPTURER_CAPTURE_H
#define CAPTURER_CAPTURE_H
#include <stdbool.h>
#include <stdint.h>
#include "services/capturer/lane.h"

#define CAPTURE_RING_BLOCK_BYTES (1024u * 1024)
#define CAPTURE_CANARY_PORT 9                    /* discard (RFC 863), on 127.0.0.1 */
#define CAPTURE_CANARY_MAGIC "TAPELOOP-CANARY1"
/* Payload of a canary: magic (16 bytes, no NUL) | tape id le64 | lane le32 | 0 le32 | sent wall ns le64. Only canaries of the own tape id are the own proof; those of another tape on this machine are dropped by the filter. */
struct capture_canary { char magic[16]; uint64_t tape_id; uint32_t lane, zero; int64_t sent_ns; };

struct capture_options {
    const char *const *interfaces; size_t interfaces_count; /* names or globs; "auto"; none: auto */
    const char *bpf;                             /* pcap-filter(7) expression on top, or NULL */
    uint64_t ring_bytes;                         /* per lane */
    uint64_t tape_id;
    const char *node;
    uint32_t lanes;
    const char *backend;                         /* tap.packetCapture: "best" or a back end's name; NULL = best */
};
struct capture;
/* Opens rings, loads the filter, lists interfaces. Needs CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF (or root); error (256) says which is missing and what to do. */
int capture_open(const struct capture_options *options, struct lane *const *lanes, struct capture **ret, char *error);
int capture_start(struct capture *capture);      /* one thread per lane; call after tape_writer_start. Every packet from its return on is recorded */
void capture_join(struct capture *capture);      /* after lane_request_stop */
void capture_close(struct capture *capture);

/* "af_packet": the back end that `best` came to. */
const char *capture_backend_name(const struct capture *capture);
/* Loop thread: what had to be done worse than asked, and what the user should know of his choice ("no interface is called eth9 yet"); returns how many texts. To be logged at start. */
size_t capture_notes(struct capture *capture, char (*texts)[160], size_t most);

/* Interface watcher, called by the loop thread: the netlink socket to poll, and what to do when it is readable. */
int capture_watch_fd(const struct capture *capture);
int capture_watch(struct capture *capture);      /* returns how many interfaces came or went, or -errno */
struct capture_interface { uint32_t ifindex; char name[32]; bool recorded; char why[96]; /* "bridge whose members are recorded", "not named" ... */
    uint64_t offered_packets, offered_bytes, written_packets, written_bytes, filtered_packets, dropped_packets; };
/* Loop thread: every interface known, with totals since start. Returns how many (at most `most`). */
size_t capture_interfaces(struct capture *capture, struct capture_interface *interfaces, size_t most);
/* What this node cannot see ("pods on netkit devices: ..."); returns how many texts (each at most 160 bytes). */
size_t capture_not_visible(struct capture *capture, char (*texts)[160], size_t most);
/* Loop thread, once a second: sends each lane's canary so that it lands in that lane. Returns how many lanes got none (their port is still being found out, only with several lanes), or -errno (lo down). */
int capture_send_canaries(struct capture *capture, int64_t now_wall_ns);
#endif
