/* packet_parse and packet_parse_inner over any bytes of any link type: nothing outside the captured bytes is read, every offset lies inside them, and tunnels end.
 * The first byte chooses the link type; the rest is the packet, copied so that its end is the end of an allocation. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "packet/packet.h"

#define TUNNELS_MAX 4096 /* each takes some bytes of header: more than a packet of 64 KiB can hold inside each other is an endless loop */

static const uint32_t link_types[] = { PACKET_LINK_ETHERNET, PACKET_LINK_RAW, PACKET_LINK_NULL, PACKET_LINK_LINUX_SLL, PACKET_LINK_LINUX_SLL2, PACKET_LINK_IPV4, PACKET_LINK_IPV6, PACKET_LINK_WLAN,
    PACKET_LINK_WLAN_RADIOTAP, PACKET_LINK_NFLOG, 10 };

static void check_view(const struct packet_view *view, uint32_t captured)
{
    if ((view->version != 4 && view->version != 6) || view->ip_at > view->transport_at || view->transport_at > captured || view->end > captured || view->ip_at > view->end)
        abort();
    if (!view->first_fragment && (!view->fragment || view->source_port || view->destination_port))
        abort();
    if (view->protocol != 6 && view->protocol != 17 && view->protocol != 132 && (view->source_port || view->destination_port))
        abort();
    static const uint8_t zeros[12];
    if (view->version == 4 && (memcmp(view->source + 4, zeros, sizeof zeros) != 0 || memcmp(view->destination + 4, zeros, sizeof zeros) != 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > UINT16_MAX)
        return 0;
    uint32_t link_type = link_types[data[0] % (sizeof link_types / sizeof *link_types)], captured = (uint32_t)size - 1;
    uint8_t *packet = malloc(captured ? captured : 1);
    if (!packet)
        return 0;
    memcpy(packet, data + 1, captured);
    struct packet_view view, inner;
    if (packet_parse(link_type, packet, captured, &view)) {
        check_view(&view, captured);
        for (unsigned i = 0; packet_parse_inner(&view, packet, &inner); i++) {
            if (i == TUNNELS_MAX || inner.ip_at < view.transport_at || inner.end > view.end)
                abort();
            check_view(&inner, captured);
            view = inner;
        }
    }
    free(packet);
    return 0;
}
