#include <string.h>
#include "services/dissector/engine/internal.h"
#include "services/dissector/protocols/connection_fields.h"

static const char *state_of(const struct conversation *c)
{
    if (c->tcp && c->handshake && !c->established_ns && !c->streams[1].payload && !c->reset)
        return "in_progress";
    return c->end == END_INPUT || c->end == END_EVICTED ? "open" : "closed";
}

static const char *error_of(const struct conversation *c)
{
    if (c->reset)
        return c->handshake && !c->synack_ns && c->streams[0].payload + c->streams[1].payload == 0 ? "refused" : "reset";
    return c->tcp && c->handshake && !c->synack_ns && c->streams[1].packets == 0 && c->end != END_INPUT ? "timeout" : "";
}

static void add_detected(const struct conversation *c, struct message *m)
{
    message_open(m, CONNECTION_DETECTED);
    for (uint32_t i = 0; i < c->detected_count; i++)
        message_item(m, c->detected[i]->name, strlen(c->detected[i]->name));
    message_close(m);
}

static void add_int(struct message *m, uint8_t field, uint64_t value)
{
    if (value)
        message_int(m, field, (int64_t)value);
}

static void add_tcp(const struct conversation *c, struct message *m)
{
    const struct stream *client = &c->streams[direction_of(c, SIDE_CLIENT)], *server = &c->streams[direction_of(c, SIDE_SERVER)];
    message_string(m, CONNECTION_ERROR_TYPE, error_of(c));
    if (c->handshake && c->established_ns > c->first_ns)
        add_int(m, CONNECTION_HANDSHAKE_RTT, (uint64_t)(c->established_ns - c->first_ns) / 1000);
    add_int(m, CONNECTION_LOCAL_RETRANSMITTED, client->retransmitted);
    add_int(m, CONNECTION_REMOTE_RETRANSMITTED, server->retransmitted);
    add_int(m, CONNECTION_OUT_OF_ORDER, client->out_of_order + server->out_of_order);
    add_int(m, CONNECTION_ZERO_WINDOWS, client->zero_windows + server->zero_windows);
    add_int(m, CONNECTION_KEEP_ALIVES, client->keep_alives + server->keep_alives);
    if (c->reset)
        message_string(m, CONNECTION_RESET_BY, side_of(c, c->reset - 1u) == SIDE_CLIENT ? "client" : "server");
    add_int(m, CONNECTION_MISSING_BYTES, client->missing + server->missing);
    if (c->filling)
        add_int(m, CONNECTION_FILLED_BYTES, filling_given(c));
}

void connection_give_out_view(struct conversation *c)
{
    struct view view = { .point = c->point, .first_ns = c->first_ns, .last_ns = c->last_ns, .node = c->node,
                         .payload_bytes = c->streams[0].payload + c->streams[1].payload, .missing_bytes = c->streams[0].missing + c->streams[1].missing,
                         .first_at = c->first_at, .last_at = c->last_at, .end = c->end };
    unsigned client = direction_of(c, SIDE_CLIENT);
    view.client_payload = c->streams[client].payload;
    view.tuple = c->tuple;
    if (c->swapped) {
        memcpy(view.tuple.source, c->tuple.destination, sizeof view.tuple.source);
        memcpy(view.tuple.destination, c->tuple.source, sizeof view.tuple.destination);
        view.tuple.source_port = c->tuple.destination_port;
        view.tuple.destination_port = c->tuple.source_port;
    }
    view.flags = (c->streams[client].isn_known ? VIEW_CLIENT_ISN : 0u) | (c->streams[!client].isn_known ? VIEW_SERVER_ISN : 0u) | (c->watched ? VIEW_WATCHED : 0u);
    view.client_isn = c->streams[client].isn;
    view.server_isn = c->streams[!client].isn;
    int e = c->shard->failed ? 0 : c->shard->sink.view(c->shard->sink.context, c->view, &view);
    if (e != 0)
        c->shard->failed = e;
}

static void emit(struct conversation *c, const struct protocol *protocol)
{
    const struct stream *client = &c->streams[direction_of(c, SIDE_CLIENT)], *server = &c->streams[direction_of(c, SIDE_SERVER)];
    struct message *m = message_take(c->shard);
    c->protocol = protocol;
    m->protocol = protocol;
    m->skip = selection_skipped(c->shard->options.fields, protocol_number(protocol));
    m->skip_summary = !selection_has(c->shard->options.fields, SELECT_SUMMARY);
    m->first_ns = c->first_ns;
    m->last_ns = c->last_ns;
    m->at = c->last_at;
    const char *state = state_of(c);
    message_string(m, CONNECTION_STATE, state);
    add_int(m, CONNECTION_LOCAL_PACKETS, client->packets);
    add_int(m, CONNECTION_LOCAL_BYTES, client->bytes);
    add_int(m, CONNECTION_REMOTE_PACKETS, server->packets);
    add_int(m, CONNECTION_REMOTE_BYTES, server->bytes);
    add_detected(c, m);
    if (c->tcp)
        add_tcp(c, m);
    message_summary(m, state, strlen(state));
    enum incomplete reason = c->end == END_EVICTED ? EVICTED : c->end == END_INPUT && strcmp(state, "open") == 0 ? ENDS_AFTER : c->tcp && !c->from_start ? STARTED_BEFORE : WHOLE;
    emit_entry(c, m, NULL, reason, 0);
    c->protocol = NULL;
}

void connection_emit(struct conversation *c)
{
    const struct protocol *protocol = c->tcp ? &protocol_tcp : &protocol_udp;
    if (emit_wants(c->shard, protocol))
        emit(c, protocol);
    connection_give_out_view(c);
}
