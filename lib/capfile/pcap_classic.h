/* The classic capture file with nanoseconds.
 *
 *   file   = magic a1b23c4d | version 2.4 | zone 0 | accuracy 0 | snap length | link type            (24 bytes, little-endian)
 *   packet = seconds le32 | nanoseconds le32 | captured le32 | length le32 | bytes                    (not padded)
 *
 * Encoders write into the caller's memory and never allocate. Thread-safe. Source: draft-ietf-opsawg-pcap. */
#ifndef CAPFILE_PCAP_CLASSIC_H
#define CAPFILE_PCAP_CLASSIC_H
#include <endian.h>
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
#endif
