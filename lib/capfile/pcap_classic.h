/* The classic capture file: written with nanoseconds, read in all its kinds.
 *
 *   file   = magic a1b23c4d | version 2.4 | zone 0 | accuracy 0 | snap length | link type            (24 bytes, little-endian)
 *   packet = seconds le32 | nanoseconds le32 | captured le32 | length le32 | bytes                    (not padded)
 *
 * Encoders write into the caller's memory and never allocate. Thread-safe. Source: draft-ietf-opsawg-pcap. */
#ifndef CAPFILE_PCAP_CLASSIC_H
#define CAPFILE_PCAP_CLASSIC_H
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PCAP_CLASSIC_HEADER_BYTES 24
#define PCAP_CLASSIC_PACKET_BYTES 16
#define PCAP_CLASSIC_TIME_NS_MAX (INT64_C(0xffffffff) * 1000000000 + 999999999) /* in the year 2106; nothing before 1970 either */

static inline size_t pcap_classic_put_header(uint8_t *dst, uint32_t link_type, uint32_t snap_length)
{
    uint32_t words[6] = { htole32(0xa1b23c4du), htole32(2u | 4u << 16), 0, 0, htole32(snap_length), htole32(link_type) };
    memcpy(dst, words, sizeof words);
    return sizeof words;
}

/* time_ns from 0 to PCAP_CLASSIC_TIME_NS_MAX. The packet's bytes follow. */
static inline size_t pcap_classic_put_packet(uint8_t *dst, int64_t time_ns, uint32_t captured, uint32_t length)
{
    uint64_t ns = (uint64_t)time_ns;
    uint32_t words[4] = { htole32((uint32_t)(ns / 1000000000u)), htole32((uint32_t)(ns % 1000000000u)), htole32(captured),
                          htole32(length) };
    memcpy(dst, words, sizeof words);
    return sizeof words;
}

/* Reading: either byte order, micro- or nanoseconds; Kuznetzov's variant (magic a1b2cd34) has 8 more bytes in each packet's head: interface, protocol, direction. */
struct pcap_classic_file {
    uint32_t link_type, snap_length;
    uint32_t head_bytes;            /* before each packet's bytes */
    uint32_t tick_ns;
    bool swapped;                   /* the writer's byte order is not little-endian */
    uint16_t minor;                 /* before 2.3 the two lengths stood the other way round, in 2.3 either way */
};
struct pcap_classic_packet { int64_t time_ns; uint32_t captured, length; const uint8_t *data; };
#define PCAP_CLASSIC_CAPTURED_MAX 262144u /* a longer one makes stock tools refuse the file: its head is not what it seems */
/* Whether a file that begins with these four bytes is one. */
bool pcap_classic_is_magic(const uint8_t *bytes);
/* bytes: PCAP_CLASSIC_HEADER_BYTES. -EBADMSG: no pcap file, or of another version than 2. */
int pcap_classic_get_header(const uint8_t *bytes, struct pcap_classic_file *ret);
/* The next packet of data. Returns its bytes with its head; -EAGAIN: it goes on behind data (it needs *ret_needed bytes); -EBADMSG: longer than PCAP_CLASSIC_CAPTURED_MAX. Borrows data. */
static inline int64_t pcap_classic_next(const struct pcap_classic_file *file, const uint8_t *data, size_t size, struct pcap_classic_packet *ret, size_t *ret_needed)
{
    uint32_t words[4];
    if (size < file->head_bytes) {
        *ret_needed = file->head_bytes;
        return -EAGAIN;
    }
    memcpy(words, data, sizeof words);
    for (int i = 0; i < 4; i++)
        words[i] = file->swapped ? be32toh(words[i]) : le32toh(words[i]);
    if (file->minor < 3 || (file->minor == 3 && words[2] > words[3])) {
        uint32_t length = words[2];
        words[2] = words[3];
        words[3] = length;
    }
    if (words[2] > PCAP_CLASSIC_CAPTURED_MAX)
        return -EBADMSG;
    if (size - file->head_bytes < words[2]) {
        *ret_needed = (size_t)file->head_bytes + words[2];
        return -EAGAIN;
    }
    *ret = (struct pcap_classic_packet){ .time_ns = (int64_t)words[0] * 1000000000 + (int64_t)words[1] * file->tick_ns, .captured = words[2], .length = words[3],
                                         .data = data + file->head_bytes };
    return (int64_t)file->head_bytes + words[2];
}
#endif
