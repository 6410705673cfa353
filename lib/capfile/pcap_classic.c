#include "capfile/pcap_classic.h"

#define MAGIC_US 0xa1b2c3d4u
#define MAGIC_NS 0xa1b23c4du
#define MAGIC_KUZNETZOV 0xa1b2cd34u
#define KUZNETZOV_BYTES 8u             /* interface index u32, protocol u16, packet type u8, padding u8 */
#define LINK_TYPE_BITS 0x03ffffffu     /* above: whether and how much of a checksum ends each packet */

static uint32_t word(const uint8_t *bytes, bool swapped)
{
    uint32_t v;
    memcpy(&v, bytes, sizeof v);
    return swapped ? be32toh(v) : le32toh(v);
}

static bool known(uint32_t magic)
{
    return magic == MAGIC_US || magic == MAGIC_NS || magic == MAGIC_KUZNETZOV;
}

bool pcap_classic_is_magic(const uint8_t *bytes)
{
    return known(word(bytes, false)) || known(word(bytes, true));
}

int pcap_classic_get_header(const uint8_t *bytes, struct pcap_classic_file *ret)
{
    if (!pcap_classic_is_magic(bytes))
        return -EBADMSG;
    bool swapped = !known(word(bytes, false));
    uint32_t magic = word(bytes, swapped), version = word(bytes + 4, swapped);
    uint16_t major = (uint16_t)(swapped ? version >> 16 : version), minor = (uint16_t)(swapped ? version : version >> 16);
    if (major != 2)
        return -EBADMSG;
    *ret = (struct pcap_classic_file){ .link_type = word(bytes + 20, swapped) & LINK_TYPE_BITS, .snap_length = word(bytes + 16, swapped),
                                       .head_bytes = PCAP_CLASSIC_PACKET_BYTES + (magic == MAGIC_KUZNETZOV ? KUZNETZOV_BYTES : 0), .tick_ns = magic == MAGIC_NS ? 1 : 1000,
                                       .swapped = swapped, .minor = minor };
    return 0;
}
