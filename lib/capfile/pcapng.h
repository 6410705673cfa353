/* pcapng blocks into and out of memory. Encoders write little-endian blocks into the caller's memory, never allocate, and return bytes
 * written (a multiple of 4); the caller has made room. Encoders are thread-safe, a reader belongs to one thread.
 *
 *   block = type le32 | total le32 | body, padded to 4 | total le32
 *   EPB   = 6 | total | interface | time high | time low | captured | length | bytes, padded | options | total
 *
 * Source: draft-ietf-opsawg-pcapng; journal blocks: pcapng "systemd Journal Export Block" (type 9). */
#ifndef CAPFILE_PCAPNG_H
#define CAPFILE_PCAPNG_H
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PCAPNG_SNAP_LENGTH 262144          /* one byte more and tshark refuses the file */
#define PCAPNG_SHB 0x0a0d0d0au
#define PCAPNG_IDB 1u
#define PCAPNG_PB 2u                       /* obsolete, still found: an EPB with a 16-bit interface and its drops before the time */
#define PCAPNG_SPB 3u
#define PCAPNG_NRB 4u
#define PCAPNG_ISB 5u
#define PCAPNG_EPB 6u
#define PCAPNG_JOURNAL 9u
#define PCAPNG_HEADER_BLOCK_BYTES_MAX 1024 /* a SHB, IDB or ISB of ours */
#define PCAPNG_EPB_OVERHEAD_MAX 64         /* block head and tail, padding, epb_flags, epb_dropcount, end of options */
#define PCAPNG_BLOCK_BYTES_MIN 12
#define PCAPNG_BLOCK_BYTES_MAX (16u * 1024 * 1024) /* the largest block that tshark takes */

#define PCAPNG_FLAG_INBOUND 1u
#define PCAPNG_FLAG_OUTBOUND 2u
#define PCAPNG_FLAG_UNICAST (1u << 2)
#define PCAPNG_FLAG_MULTICAST (2u << 2)
#define PCAPNG_FLAG_BROADCAST (3u << 2)
#define PCAPNG_FLAG_PROMISCUOUS (4u << 2)
#define PCAPNG_FLAG_CHECKSUM_NOT_READY (1u << 9)
#define PCAPNG_FLAG_CHECKSUM_VALID (1u << 10)
#define PCAPNG_FLAG_TCP_OFFLOADED (1u << 11)

/* comment: identity of the segment, "tapeloop segment <id>"; each may be NULL, and is cut where it would not fit
 * PCAPNG_HEADER_BLOCK_BYTES_MAX. */
size_t pcapng_put_section(uint8_t *dst, const char *comment, const char *hardware, const char *os, const char *application);
/* if_tsresol 9; snap length PCAPNG_SNAP_LENGTH in every IDB. description may be NULL; "tapeloop canary" marks the canaries' interface. */
#define PCAPNG_CANARY_DESCRIPTION "tapeloop canary"
size_t pcapng_put_interface(uint8_t *dst, uint16_t link_type, const char *name, const char *description);
struct pcapng_statistics {
    int64_t time_ns, start_ns, end_ns;
    uint64_t received, dropped_interface, accepted_filter, dropped_os, delivered;
};
/* comment may be NULL. */
size_t pcapng_put_statistics(uint8_t *dst, uint32_t interface, const struct pcapng_statistics *statistics, const char *comment);
static inline size_t pcapng_journal_bytes(size_t size) { return PCAPNG_BLOCK_BYTES_MIN + ((size + 3u) & ~(size_t)3u); }
size_t pcapng_put_journal(uint8_t *dst, const char *fields, size_t size); /* fields: journal export text */

/* The hot one: head, then the caller copies captured bytes to the returned place, then the tail. See pcapng_epb_bytes for the room. */
static inline size_t pcapng_epb_bytes(uint32_t captured, bool drops)
{
    return 28u + ((captured + 3u) & ~3u) + 8u + (drops ? 12u : 0u) + 4u + 4u;
}
static inline uint8_t *pcapng_epb_begin(uint8_t *dst, uint32_t total, uint32_t interface, uint64_t time_ns, uint32_t captured,
                                        uint32_t length)
{
    uint32_t head[7] = { htole32(PCAPNG_EPB), htole32(total), htole32(interface), htole32((uint32_t)(time_ns >> 32)),
                         htole32((uint32_t)time_ns), htole32(captured), htole32(length) };
    memcpy(dst, head, sizeof head);
    return dst + sizeof head;
}
/* data: where pcapng_epb_begin said. drops 0: no epb_dropcount. Returns the end of the block. */
static inline uint8_t *pcapng_epb_end(uint8_t *data, uint32_t total, uint32_t captured, uint32_t flags, uint64_t drops)
{
    uint32_t pad = (4u - (captured & 3u)) & 3u;
    uint8_t *p = data + captured;
    memset(p, 0, pad);
    p += pad;
    uint32_t option[2] = { htole32(2u | 4u << 16), htole32(flags) };
    memcpy(p, option, sizeof option);
    p += sizeof option;
    if (drops) {
        uint32_t head = htole32(4u | 8u << 16);
        uint64_t count = htole64(drops);
        memcpy(p, &head, sizeof head);
        memcpy(p + 4, &count, sizeof count);
        p += 12;
    }
    uint32_t tail[2] = { 0, htole32(total) };
    memcpy(p, tail, sizeof tail);
    return p + sizeof tail;
}

/* Reading: any section byte order, any if_tsresol; times come out as nanoseconds. */
#define PCAPNG_NAME_MAX 64
struct pcapng_interface {
    uint32_t link_type, snap_length;
    uint64_t ticks_per_s;
    int64_t offset_s;
    bool canary;
    char name[PCAPNG_NAME_MAX];
};
#define PCAPNG_INTERFACES_MAX 65536        /* of one section: 6 MiB of reader */
struct pcapng_packet { uint32_t interface; int64_t time_ns; uint32_t captured, length, flags; uint64_t drops; const uint8_t *data; };
struct pcapng_block {
    uint32_t type, size;
    const uint8_t *data; /* whole block */
    bool has_packet;
    struct pcapng_packet packet;
    bool has_event;
    int64_t event_ns;
};
/* Remembers sections and interfaces between blocks. A simple packet (SPB) has time 0; journal blocks have has_event, and event_ns from
 * their __REALTIME_TIMESTAMP (0 without one). */
struct pcapng_reader;
struct pcapng_reader *pcapng_reader_new(void);               /* NULL: no memory */
void pcapng_reader_free(struct pcapng_reader *reader);
static inline void pcapng_reader_free_p(struct pcapng_reader **p) { pcapng_reader_free(*p); }
/* The next block of data (the content of one LZ4 block, or a whole file). Returns its bytes, 0 when size is 0, -EAGAIN when the block goes
 * on behind data (it needs *ret_needed bytes), -EBADMSG (not pcapng; what is wrong: pcapng_reader_error), -ENOMEM. Borrows data. */
int64_t pcapng_next(struct pcapng_reader *reader, const uint8_t *data, size_t size, struct pcapng_block *ret, size_t *ret_needed);
const struct pcapng_interface *pcapng_reader_interface(const struct pcapng_reader *reader, uint32_t id); /* NULL: no such */
uint32_t pcapng_reader_interfaces(const struct pcapng_reader *reader);
bool pcapng_reader_swapped(const struct pcapng_reader *reader); /* the section is big-endian */
const char *pcapng_reader_error(const struct pcapng_reader *reader);
/* Whether stock Wireshark (4.0) gives a block of this type a frame number: packets, journal entries, system calls (sysdig), custom blocks. */
bool pcapng_is_frame(uint32_t type);
/* The time of a journal entry in its export format (text or binary fields), in nanoseconds; 0 where it has none. */
int64_t pcapng_journal_time_ns(const uint8_t *fields, size_t size);
#endif
