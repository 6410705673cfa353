#include "packet/link_name.h"
#include <stdio.h>
#include "packet/packet.h"

/* Those that are met in captures; by number. */
static const struct link { uint32_t number; const char *name; } links[] = {
    { PACKET_LINK_NULL, "NULL" }, { PACKET_LINK_ETHERNET, "ETHERNET" }, { 3, "AX25" }, { 6, "IEEE802_5" }, { 7, "ARCNET_BSD" }, { 8, "SLIP" }, { PACKET_LINK_PPP, "PPP" }, { 10, "FDDI" },
    { PACKET_LINK_RAW_BSD, "RAW" }, { PACKET_LINK_RAW_OPENBSD, "RAW" }, { PACKET_LINK_PPP_HDLC, "PPP_HDLC" }, { PACKET_LINK_PPP_ETHER, "PPP_ETHER" }, { 100, "ATM_RFC1483" },
    { PACKET_LINK_RAW, "RAW" }, { PACKET_LINK_CISCO_HDLC, "C_HDLC" }, { 105, "IEEE802_11" }, { 107, "FRELAY" }, { PACKET_LINK_LOOP, "LOOP" }, { PACKET_LINK_LINUX_SLL, "LINUX_SLL" }, { 114, "LTALK" },
    { 117, "PFLOG" }, { 119, "IEEE802_11_PRISM" }, { 122, "IP_OVER_FC" }, { 123, "SUNATM" }, { 127, "IEEE802_11_RADIOTAP" }, { 129, "ARCNET_LINUX" }, { 138, "APPLE_IP_OVER_IEEE1394" }, { 139, "MTP2_WITH_PHDR" },
    { 140, "MTP2" }, { 141, "MTP3" }, { 142, "SCCP" }, { 143, "DOCSIS" }, { 144, "LINUX_IRDA" }, { 147, "USER0" }, { 148, "USER1" }, { 149, "USER2" }, { 150, "USER3" }, { 151, "USER4" }, { 152, "USER5" },
    { 153, "USER6" }, { 154, "USER7" }, { 155, "USER8" }, { 156, "USER9" }, { 157, "USER10" }, { 158, "USER11" }, { 159, "USER12" }, { 160, "USER13" }, { 161, "USER14" }, { 162, "USER15" },
    { 163, "IEEE802_11_AVS" }, { 165, "BACNET_MS_TP" }, { 166, "PPP_PPPD" }, { 169, "GPRS_LLC" }, { 177, "LINUX_LAPD" }, { 187, "BLUETOOTH_HCI_H4" }, { 189, "USB_LINUX" }, { 192, "PPI" },
    { 195, "IEEE802_15_4_WITHFCS" }, { 196, "SITA" }, { 197, "ERF" }, { 201, "BLUETOOTH_HCI_H4_WITH_PHDR" }, { 203, "LAPD" }, { 204, "PPP_WITH_DIR" }, { 205, "C_HDLC_WITH_DIR" }, { 206, "FRELAY_WITH_DIR" },
    { 209, "IPMB_LINUX" }, { 215, "IEEE802_15_4_NONASK_PHY" }, { 220, "USB_LINUX_MMAPPED" }, { 224, "FC_2" }, { 226, "IPNET" }, { 227, "CAN_SOCKETCAN" }, { PACKET_LINK_IPV4, "IPV4" }, { PACKET_LINK_IPV6, "IPV6" },
    { 230, "IEEE802_15_4_NOFCS" }, { 231, "DBUS" }, { 239, "NFLOG" }, { 240, "NETANALYZER" }, { 242, "IPOIB" }, { 247, "INFINIBAND" }, { 248, "SCTP" }, { 249, "USBPCAP" }, { 251, "BLUETOOTH_LE_LL" },
    { 252, "WIRESHARK_UPPER_PDU" }, { 253, "NETLINK" }, { 254, "BLUETOOTH_LINUX_MONITOR" }, { 256, "BLUETOOTH_LE_LL_WITH_PHDR" }, { 258, "PKTAP" }, { 259, "EPON" }, { 264, "ISO_14443" }, { 266, "USB_DARWIN" },
    { 270, "LORATAP" }, { 271, "VSOCK" }, { 272, "NORDIC_BLE" }, { PACKET_LINK_LINUX_SLL2, "LINUX_SLL2" }, { 283, "IEEE802_15_4_TAP" },
};

const char *packet_link_name(uint32_t link_type)
{
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (links[i].number == link_type)
            return links[i].name;
    return "unknown";
}

void packet_links_known(char *text, size_t room)
{
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof links / sizeof *links && at < room; i++) {
        if (!packet_knows_link(links[i].number) || links[i].number == PACKET_LINK_RAW_BSD || links[i].number == PACKET_LINK_RAW_OPENBSD) /* RAW is named once */
            continue;
        int n = snprintf(text + at, room - at, "%s%s", at ? ", " : "", links[i].name);
        at += n > 0 ? (size_t)n : 0;
    }
}
