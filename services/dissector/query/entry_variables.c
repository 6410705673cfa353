#include "services/dissector/query/entry_variables.h"
#include "services/dissector/entry/record.h"

#define LIST (TYPE_LIST | TYPE_STRING << 4)
#define MAP (TYPE_MAP | TYPE_STRING << 4 | TYPE_STRING << 8)
#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

#define PEER(side, field, column, text)                                                                                                                                                      \
    { .name = #side "." field, .type = TYPE_STRING, .place = VARIABLE_ENTRY, .side = true, .sql = "COALESCE(" #side "_peer." column ", '')", .help = text }
#define ENDPOINT(side, who)                                                                                                                    \
    PEER(side, "ip", "ip", "address of the " who), PEER(side, "name", "name", "most telling name of the " who ": pod, service, DNS name or process"),   \
    PEER(side, "namespace", "namespace", "namespace of the " who), PEER(side, "pod.name", "pod_name", "pod of the " who),                     \
    PEER(side, "pod.namespace", "pod_namespace", "namespace of the pod of the " who), PEER(side, "service.name", "service_name", "service of the " who), \
    PEER(side, "service.namespace", "service_namespace", "namespace of the service of the " who),                                             \
    PEER(side, "dns", "dns", "DNS name of the " who), PEER(side, "process", "process", "process of the " who),                                \
    { .name = #side ".port", .type = TYPE_INT, .place = VARIABLE_ENTRY, .sql = "entry." #side "_port", .help = "port of the " who }
#define BOTH(column) "src_peer." column ", dst_peer." column

const struct variable entry_variables[] = {
    { .name = "id", .type = TYPE_INT, .place = VARIABLE_ENTRY, .sql = "entry.id", .help = "number in the order of time, from 1" },
    { .name = "protocol", .type = TYPE_STRING, .place = VARIABLE_ENTRY, .any_case = true, .sql = "COALESCE(protocol.name, '')", .help = "HTTP for every version, GRPC, DNS and so on; compared without case" },
    { .name = "timestamp", .type = TYPE_TIMESTAMP, .place = VARIABLE_ENTRY, .zone = "timestamp", .sql = "entry.timestamp", .help = "first byte of the request" },
    { .name = "timestamp_ns", .type = TYPE_INT, .place = VARIABLE_ENTRY, .zone = "timestamp", .sql = "entry.timestamp", .help = "the same in nanoseconds since 1970" },
    { .name = "elapsed_time", .type = TYPE_INT, .place = VARIABLE_ENTRY, .zone = "elapsed", .sql = "entry.elapsed", .help = "microseconds to the first byte of the final response" },
    { .name = "duration", .type = TYPE_INT, .place = VARIABLE_ENTRY, .zone = "duration", .sql = "entry.duration", .help = "microseconds to the last byte of the response" },
    ENDPOINT(src, "client"),
    ENDPOINT(dst, "server"),
    { .name = "namespaces", .type = LIST, .place = VARIABLE_SET, .sql = BOTH("namespace") ", " BOTH("pod_namespace") ", " BOTH("service_namespace"), .peer_columns = "namespace, pod_namespace, service_namespace",
      .help = "namespaces of both sides" },
    { .name = "pods", .type = LIST, .place = VARIABLE_SET, .sql = BOTH("pod_name"), .peer_columns = "pod_name", .help = "pods of both sides" },
    { .name = "services", .type = LIST, .place = VARIABLE_SET, .sql = BOTH("service_name"), .peer_columns = "service_name", .help = "services of both sides" },
    { .name = "dns_resolutions", .type = LIST, .place = VARIABLE_SET, .sql = BOTH("dns"), .peer_columns = "dns", .help = "DNS names of both sides" },
    { .name = "local_process_name", .type = TYPE_STRING, .place = VARIABLE_ENTRY, .src = true, .sql = "COALESCE(src_peer.process, '')", .help = "process of the client" },
    { .name = "remote_process_name", .type = TYPE_STRING, .place = VARIABLE_ENTRY, .dst = true, .sql = "COALESCE(dst_peer.process, '')", .help = "process of the server" },
    { .name = "node_name", .type = TYPE_STRING, .place = VARIABLE_ENTRY, .sql = "COALESCE(node.name, '')", .help = "node whose tape had the packets" },
    { .name = "node", .type = MAP, .place = VARIABLE_ENTRY, .sql = "cel_map(0, 'name', COALESCE(node.name, ''), 'ip', '')", .help = "name and ip of that node" },
    { .name = "conn_id", .type = TYPE_INT, .place = VARIABLE_ENTRY, .zone = "connection", .sql = "entry.connection", .help = "connection: equal in all its entries and in its own" },
    { .name = "status_code", .type = TYPE_INT, .place = VARIABLE_ENTRY, .zone = "status", .sql = "entry.status", .help = "HTTP status, DNS response code, or what the protocol has of the kind" },
    { .name = "summary", .type = TYPE_STRING, .place = VARIABLE_ENTRY, .sql = "entry.summary", .help = "the entry in one line" },
    { .name = "one_way", .type = TYPE_BOOL, .place = VARIABLE_ENTRY, .sql = "(entry.flags & " TEXT_OF(1) ") <> 0", .help = "an announcement, an alert, a message that nobody answers" },
    { .name = "maybe_copy", .type = TYPE_BOOL, .place = VARIABLE_ENTRY, .sql = "(entry.flags & " TEXT_OF(4) ") <> 0", .help = "perhaps seen twice, under two pairs of addresses" },
    { .name = "incomplete", .type = TYPE_STRING, .place = VARIABLE_ENTRY, .sql = "COALESCE(incomplete.name, '')",
      .help = "why something is missing: no_request, no_response, gap, truncated, hpack, evicted, started_before, ends_after" },
    { .name = "has_pcap", .type = TYPE_BOOL, .place = VARIABLE_ENTRY, .sql = "(entry.request_frame > 0 OR entry.response_frame > 0)", .help = "the packets are in a file: request_at or response_at says where" },
    { .name = "request_at.segment", .type = TYPE_STRING, .place = VARIABLE_ENTRY, .sql = "COALESCE(request_segment.name, '')", .help = "segment that holds the last byte of the request" },
    { .name = "request_at.frame", .type = TYPE_INT, .place = VARIABLE_ENTRY, .sql = "entry.request_frame", .help = "frame there, as Wireshark counts" },
    { .name = "response_at.segment", .type = TYPE_STRING, .place = VARIABLE_ENTRY, .sql = "COALESCE(response_segment.name, '')", .help = "segment that holds the last byte of the response" },
    { .name = "response_at.frame", .type = TYPE_INT, .place = VARIABLE_ENTRY, .sql = "entry.response_frame", .help = "frame there, as Wireshark counts" },
};
static_assert(RECORD_ONE_WAY == 1 && RECORD_MAYBE_COPY == 4, "the SQL above says these numbers");
const size_t entry_variables_count = sizeof entry_variables / sizeof *entry_variables;
