#include "services/snapshotter/export/connection.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "capfile/segment_index.h"
#include "packet/packet.h"

#define WAYS 8u                         /* places for one hash: one look at a few lines of memory, and no list that somebody could make long */
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

/* What the fragments of one packet have alike. Compared byte by byte: zeroed before it is filled. */
struct key { uint8_t source[16], destination[16]; uint32_t id, vni; uint8_t version, protocol, padding[6]; };
struct first { struct key key; int64_t time_ns; bool used; };
struct connection_fragments { struct first firsts[CONNECTION_FRAGMENTS_MAX / WAYS][WAYS]; };

int connection_fragments_new(struct connection_fragments **ret)
{
    struct connection_fragments *f = calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    *ret = f;
    return 0;
}

void connection_fragments_free(struct connection_fragments *fragments) { free(fragments); }

static struct key key_of(const struct packet_view *view)
{
    struct key key = { .id = view->fragment_id, .vni = view->vni, .version = view->version, .protocol = view->version == 4 ? view->fragment_protocol : 0 };
    memcpy(key.source, view->source, sizeof key.source);
    memcpy(key.destination, view->destination, sizeof key.destination);
    return key;
}

static struct first *set_of(struct connection_fragments *f, const struct key *key)
{
    return f->firsts[segment_block_hash(key, sizeof *key) % (CONNECTION_FRAGMENTS_MAX / WAYS)];
}

static void remember(struct connection_fragments *f, const struct key *key, int64_t time_ns)
{
    struct first *set = set_of(f, key), *place = set;
    for (unsigned i = 0; i < WAYS; i++) {
        if (!set[i].used || memcmp(&set[i].key, key, sizeof *key) == 0) {
            place = &set[i];
            break;
        }
        if (set[i].time_ns < place->time_ns)
            place = &set[i];
    }
    *place = (struct first){ .key = *key, .time_ns = time_ns, .used = true };
}

/* Several processors' packets are in order only roughly, and one of another interface may be seen later that was sent before: the time may differ in either direction. */
static bool is_remembered(struct connection_fragments *f, const struct key *key, int64_t time_ns)
{
    const struct first *set = set_of(f, key);
    for (unsigned i = 0; i < WAYS; i++)
        if (set[i].used && memcmp(&set[i].key, key, sizeof *key) == 0)
            return time_ns - set[i].time_ns <= CONNECTION_FRAGMENTS_NS && set[i].time_ns - time_ns <= CONNECTION_FRAGMENTS_NS;
    return false;
}

static bool ends_match(const struct connection *c, const struct packet_view *view, int from)
{
    if (memcmp(view->source, c->addresses[from], sizeof view->source) != 0 || memcmp(view->destination, c->addresses[!from], sizeof view->destination) != 0)
        return false;
    return !view->first_fragment || (view->source_port == c->ports[from] && view->destination_port == c->ports[!from]);
}

static bool innermost_matches(const struct connection *c, const struct packet_view *view)
{
    if (view->version != c->version || (view->protocol != PROTO_TCP && view->protocol != PROTO_UDP))
        return false;
    return ends_match(c, view, 0) || ends_match(c, view, 1);
}

bool connection_match(const struct connection *c, struct connection_fragments *fragments, const struct connection_packet *packet)
{
    struct packet_view view, inner;
    struct key around[CONNECTION_TUNNELS_MAX];
    unsigned count = 0;
    bool known = false;
    if (!packet_parse(packet->link_type, packet->data, packet->captured, &view))
        return false;
    for (int i = 0; i < CONNECTION_TUNNELS_MAX && packet_parse_inner(&view, packet->data, &inner); i++) {
        if (view.fragment) /* the first one, or nothing were inside of it */
            around[count++] = key_of(&view);
        view = inner;
    }
    if (view.fragment && !view.first_fragment) {
        const struct key key = key_of(&view);
        known = is_remembered(fragments, &key, packet->time_ns);
    }
    if (!known && !innermost_matches(c, &view))
        return false;
    for (unsigned i = 0; i < count; i++)
        remember(fragments, &around[i], packet->time_ns);
    return true;
}
