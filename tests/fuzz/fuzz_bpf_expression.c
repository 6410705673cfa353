/* Filter expressions, as an export's request brings them: any text compiles or is refused with words, and what compiled runs over a packet of any length without reading behind it.
 * The first byte chooses the link type, the second how much of a packet there is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "packet/bpf.h"
#include "packet/packet.h"

static const uint32_t link_types[] = { PACKET_LINK_ETHERNET, PACKET_LINK_RAW, PACKET_LINK_LINUX_SLL, PACKET_LINK_LINUX_SLL2 };

#define TEXT_MAX 512 /* the compiler's time grows faster than the text */

/* A name is looked up in the machine's files and in its DNS: not from here. Words of letters that libpcap's language has are no names; the rest is left out, except addresses. */
static int may_look_up(const char *text)
{
    static const char *const words[] = { "ip", "ip6", "tcp", "udp", "icmp", "icmp6", "sctp", "arp", "rarp", "ether", "vlan", "mpls", "port", "portrange", "host", "net", "mask", "src", "dst", "and", "or",
                                         "not", "proto", "len", "less", "greater", "inbound", "outbound", "broadcast", "multicast", "protochain", "gateway", "geneve", "pppoes", "link", "wlan", "type",
                                         "llc", "radio", "lat", "moprc", "mopdl", "iso", "clnp", "esis", "isis", "stp", "ipx", "netbeui", "ah", "esp", "pim", "igmp", "vrrp", "carp", "on", "x" };
    for (const char *p = text; *p;) {
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (unsigned char)*p >= 0x80 || *p == '\\' || *p == '_')) {
            p++;
            continue;
        }
        size_t length = strcspn(p, " \t\r\n()[]:&|<>=!+-*/0123456789.,;%^~{}");
        int known = 0;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            known |= strlen(words[i]) == length && strncmp(p, words[i], length) == 0;
        int hexadecimal = strspn(p, "abcdefABCDEF") == length && p > text && strchr("0123456789:x", p[-1]);
        if (!known && !hexadecimal)
            return 1;
        p += length ? length : 1;
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX + 1], error[BPF_ERROR_TEXT_MAX] = "";
    if (size < 2 || size - 2 > TEXT_MAX)
        return 0;
    memcpy(text, data + 2, size - 2);
    text[size - 2] = '\0';
    if (may_look_up(text))
        return 0;
    struct bpf_expression *expression = NULL;
    if (bpf_expression_compile(text, link_types[data[0] % 4], 262144, &expression, error) < 0) {
        if (!error[0])
            abort();
        return 0;
    }
    uint32_t captured = data[1];
    uint8_t *packet = malloc(captured ? captured : 1);
    if (packet) {
        for (uint32_t i = 0; i < captured; i++)
            packet[i] = (uint8_t)(i * 37u);
        (void)bpf_expression_match(expression, packet, captured, captured + 100);
        free(packet);
    }
    bpf_expression_free(expression);
    return 0;
}
