/* Every protocol, in the order in which they are asked whether bytes are theirs: strict signatures before loose ones. */
#include <stdio.h>
#include <strings.h>
#include "services/dissector/protocols/http2/grpc.h"
#include "services/dissector/protocols/http2/http2.h"
#include "services/dissector/protocols/http/http1.h"
#include "services/dissector/protocols/mysql/mysql.h"
#include "services/dissector/protocols/postgresql/postgresql.h"
#include "services/dissector/protocols/protocol.h"
#include "services/dissector/protocols/redis/redis.h"
#include "services/dissector/protocols/tls/dtls.h"
#include "services/dissector/protocols/websocket/websocket.h"

const struct protocol *const protocols[] = {
    &protocol_http2,
    &protocol_grpc,
    &protocol_http1,
    &protocol_websocket,
    &protocol_tcp,
    &protocol_udp,
    &protocol_tls,
    &protocol_dtls,
    &protocol_dns,
    &protocol_mysql,
    &protocol_postgresql,
    &protocol_redis,
};
const size_t protocols_count = sizeof protocols / sizeof *protocols;
_Static_assert(sizeof protocols / sizeof *protocols <= 64, "sets of protocols are 64-bit words");

int protocol_number(const struct protocol *protocol)
{
    for (size_t i = 0; i < protocols_count; i++)
        if (protocols[i] == protocol)
            return (int)i;
    return -1;
}

uint64_t protocol_set(const char *name, size_t size)
{
    uint64_t set = 0;
    for (size_t i = 0; i < protocols_count; i++)
        if (strncasecmp(protocols[i]->name, name, size) == 0 && protocols[i]->name[size] == '\0')
            set |= UINT64_C(1) << i;
    return set;
}

const struct protocol *protocol_find(const char *name, size_t size)
{
    uint64_t set = protocol_set(name, size);
    return set ? protocols[__builtin_ctzll(set)] : NULL;
}

static const char *what_is_wrong(const struct protocol *p)
{
    if (!p->name || !p->name[0])
        return "no name";
    if (!p->detail || !p->detail->table || p->detail->count == 0 || p->detail->count > DETAIL_FIELDS_MAX)
        return "no fields, or too many";
    for (uint32_t i = 0; i < p->detail->count; i++)
        if (!p->detail->fields[i].name || !p->detail->fields[i].column || !p->detail->fields[i].help)
            return "a field without name, column or help";
    if (!p->flags[0])
        return "no flag";
    if (p->connection)
        return p->detect || p->parse || p->datagram || p->gap ? "a connection's own entry has no parser" : NULL;
    if (!p->carrier && !p->detect)
        return "no detect";
    if (!p->carrier && !p->parse && !p->datagram)
        return "neither parse nor datagram";
    if (p->parse && !p->gap)
        return "no gap";
    return NULL;
}

const char *protocol_check(void)
{
    static char text[128];
    for (size_t i = 0; i < protocols_count; i++) {
        const char *wrong = what_is_wrong(protocols[i]);
        if (wrong) {
            snprintf(text, sizeof text, "protocol %zu (%s): %s", i, protocols[i]->name ? protocols[i]->name : "?", wrong);
            return text;
        }
    }
    return NULL;
}
