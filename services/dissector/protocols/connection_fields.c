#include "services/dissector/protocols/connection_fields.h"
#include "services/dissector/protocols/protocol.h"

static const struct field fields[CONNECTION_FIELDS_COUNT] = {
    [CONNECTION_STATE] = { .name = "conn_state", .column = "state", .help = "open (the capture ended first), in_progress (no whole handshake) or closed" },
    [CONNECTION_LOCAL_PACKETS] = { .name = "conn_local_pkts", .type = FIELD_INT, .column = "local_packets", .help = "packets from the client" },
    [CONNECTION_LOCAL_BYTES] = { .name = "conn_local_bytes", .type = FIELD_INT, .column = "local_bytes", .help = "payload bytes from the client, on the wire" },
    [CONNECTION_REMOTE_PACKETS] = { .name = "conn_remote_pkts", .type = FIELD_INT, .column = "remote_packets", .help = "packets from the server" },
    [CONNECTION_REMOTE_BYTES] = { .name = "conn_remote_bytes", .type = FIELD_INT, .column = "remote_bytes", .help = "payload bytes from the server, on the wire" },
    [CONNECTION_DETECTED] = { .name = "conn_l7_detected", .type = FIELD_LIST, .column = "l7_detected", .help = "protocols found in it" },
    [CONNECTION_ERROR_TYPE] = { .name = "tcp_error_type", .column = "error_type", .help = "refused, reset, timeout (no answer to the SYN) or empty" },
    [CONNECTION_HANDSHAKE_RTT] = { .name = "tcp_handshake_rtt", .type = FIELD_INT, .column = "handshake_rtt", .help = "from the SYN to the handshake's last packet, in microseconds" },
    [CONNECTION_LOCAL_RETRANSMITTED] = { .name = "tcp_local_retransmissions", .type = FIELD_INT, .column = "local_retransmissions", .help = "segments that the client sent again" },
    [CONNECTION_REMOTE_RETRANSMITTED] = { .name = "tcp_remote_retransmissions", .type = FIELD_INT, .column = "remote_retransmissions", .help = "segments that the server sent again" },
    [CONNECTION_OUT_OF_ORDER] = { .name = "tcp_out_of_order", .type = FIELD_INT, .column = "out_of_order", .help = "segments that came before an earlier one" },
    [CONNECTION_ZERO_WINDOWS] = { .name = "tcp_zero_windows", .type = FIELD_INT, .column = "zero_windows", .help = "packets that said that there is no room" },
    [CONNECTION_KEEP_ALIVES] = { .name = "tcp_keep_alives", .type = FIELD_INT, .column = "keep_alives", .help = "keep-alive probes" },
    [CONNECTION_RESET_BY] = { .name = "tcp_reset_by", .column = "reset_by", .help = "client or server, where one of them reset the connection" },
    [CONNECTION_MISSING_BYTES] = { .name = "conn_missing_bytes", .type = FIELD_INT, .column = "missing_bytes", .help = "bytes of its streams that are not in the capture" },
    [CONNECTION_FILLED_BYTES] = { .name = "conn_filled_bytes", .type = FIELD_INT, .column = "filled_bytes", .help = "bytes of its streams that its own view lost and another one had; conn_views says which" },
    [CONNECTION_VIEWS] = { .name = "conn_views", .type = FIELD_LIST, .column = "views",
                           .help = "where the connection was seen more than once (other interfaces or nodes, or translated addresses): each view's node, interface, client and server, and how many bytes it gave to the one that saw most, of which the entries tell" },
};
const struct detail connection_detail = { .table = "connection", .fields = fields, .count = CONNECTION_FIELDS_COUNT };

const struct protocol protocol_tcp = { .name = "TCP", .flags = { "tcp", "conn", "tcp_conn" }, .detail = &connection_detail, .connection = true };
const struct protocol protocol_udp = { .name = "UDP", .flags = { "udp", "conn", "udp_conn" }, .detail = &connection_detail, .connection = true };
