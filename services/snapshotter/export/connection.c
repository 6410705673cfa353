#include "services/snapshotter/export/connection.h"
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include "packet/packet.h"

enum { PROTO_TCP = 6, PROTO_UDP = 17 };

int connection_parse(const char *source, const char *destination, uint32_t source_port, uint32_t destination_port, struct connection *ret)
{
    const char *const texts[2] = { source, destination };
    struct connection c = { .version = strchr(source, ':') ? 6 : 4, .ports = { (uint16_t)source_port, (uint16_t)destination_port } };
    if (source_port > UINT16_MAX || destination_port > UINT16_MAX)
        return -EINVAL;
    for (int i = 0; i < 2; i++)
        if (inet_pton(c.version == 4 ? AF_INET : AF_INET6, texts[i], c.addresses[i]) != 1)
            return -EINVAL;
    *ret = c;
    return 0;
}

static bool matches(const struct connection *c, const struct packet_view *view, int from)
{
    if (memcmp(view->source, c->addresses[from], sizeof view->source) != 0 || memcmp(view->destination, c->addresses[!from], sizeof view->destination) != 0)
        return false;
    return !view->first_fragment || (view->source_port == c->ports[from] && view->destination_port == c->ports[!from]);
}

bool connection_match(const struct connection *c, uint32_t link_type, const uint8_t *data, uint32_t captured)
{
    struct packet_view view, inner;
    if (!packet_parse(link_type, data, captured, &view))
        return false;
    for (int i = 0; i < CONNECTION_TUNNELS_MAX && packet_parse_inner(&view, data, &inner); i++)
        view = inner;
    if (view.version != c->version || (view.protocol != PROTO_TCP && view.protocol != PROTO_UDP))
        return false;
    return matches(c, &view, 0) || matches(c, &view, 1);
}
