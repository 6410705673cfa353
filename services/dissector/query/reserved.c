#include "services/dissector/query/reserved.h"

#define LIST (TYPE_LIST | TYPE_STRING << 4)
#define MAP (TYPE_MAP | TYPE_STRING << 4 | TYPE_STRING << 8)

/* KFL's list but for what every entry has. Most of these are filled by a protocol's field table, and then this row only says which type the name must have. */
const struct reserved reserved_names[] = {
    /* what every entry may have some day */
    { "node_id", TYPE_STRING, 0 }, { "node_ip", TYPE_STRING, 0 }, { "local_node_name", TYPE_STRING, 0 }, { "remote_node_name", TYPE_STRING, 0 }, { "index", TYPE_INT, 0 },
    { "stream", TYPE_STRING, 0 }, { "worker", TYPE_STRING, 0 }, { "flow_id", TYPE_INT, 0 }, { "capture", MAP, 0 }, { "capture_source", TYPE_STRING, 0 },
    { "capture_backend", TYPE_STRING, 0 }, { "capture_source_code", TYPE_INT, 0 }, { "local_labels", MAP, 0 }, { "local_annotations", MAP, 0 },
    { "remote_labels", MAP, 0 }, { "remote_annotations", MAP, 0 }, { "local_resolution_status", TYPE_STRING, 0 }, { "remote_resolution_status", TYPE_STRING, 0 },
    /* flags of protocols */
    { "http", TYPE_BOOL, 0 }, { "dns", TYPE_BOOL, 0 }, { "tls", TYPE_BOOL, 0 }, { "tcp", TYPE_BOOL, 0 }, { "udp", TYPE_BOOL, 0 }, { "sctp", TYPE_BOOL, 0 },
    { "icmp", TYPE_BOOL, 0 }, { "grpc", TYPE_BOOL, 0 }, { "radius", TYPE_BOOL, 0 }, { "diameter", TYPE_BOOL, 0 }, { "mongodb", TYPE_BOOL, 0 }, { "mysql", TYPE_BOOL, 0 },
    { "postgresql", TYPE_BOOL, 0 }, { "redis", TYPE_BOOL, 0 }, { "kafka", TYPE_BOOL, 0 }, { "amqp", TYPE_BOOL, 0 }, { "ldap", TYPE_BOOL, 0 }, { "ws", TYPE_BOOL, 0 },
    { "gql", TYPE_BOOL, 0 }, { "gqlv1", TYPE_BOOL, 0 }, { "gqlv2", TYPE_BOOL, 0 }, { "conn", TYPE_BOOL, 0 }, { "flow", TYPE_BOOL, 0 }, { "tcp_conn", TYPE_BOOL, 0 },
    { "udp_conn", TYPE_BOOL, 0 }, { "tcp_flow", TYPE_BOOL, 0 }, { "udp_flow", TYPE_BOOL, 0 },
    /* HTTP and gRPC */
    { "method", TYPE_STRING, 0 }, { "url", TYPE_STRING, 0 }, { "path", TYPE_STRING, 0 }, { "http_version", TYPE_STRING, 0 }, { "query_string", MAP, 0 },
    { "request.headers", MAP, 0 }, { "response.headers", MAP, 0 }, { "request.cookies", MAP, 0 }, { "response.cookies", MAP, 0 }, { "request_headers_size", TYPE_INT, 0 },
    { "request_body_size", TYPE_INT, 0 }, { "response_headers_size", TYPE_INT, 0 }, { "response_body_size", TYPE_INT, 0 }, { "grpc_method", TYPE_STRING, 0 },
    { "grpc_status", TYPE_INT, -1 },
    /* DNS */
    { "dns_questions", LIST, 0 }, { "dns_answers", LIST, 0 }, { "dns_question_types", LIST, 0 }, { "dns_request", TYPE_BOOL, 0 }, { "dns_response", TYPE_BOOL, 0 },
    { "dns_request_length", TYPE_INT, 0 }, { "dns_response_length", TYPE_INT, 0 }, { "dns_total_size", TYPE_INT, 0 },
    /* TLS */
    { "tls_summary", TYPE_STRING, 0 }, { "tls_info", TYPE_STRING, 0 }, { "tls_request_size", TYPE_INT, 0 }, { "tls_response_size", TYPE_INT, 0 },
    { "tls_total_size", TYPE_INT, 0 },
    /* transports */
    { "tcp_method", TYPE_STRING, 0 }, { "tcp_payload", TYPE_BYTES, 0 }, { "tcp_error_type", TYPE_STRING, 0 }, { "tcp_error_message", TYPE_STRING, 0 },
    { "udp_length", TYPE_INT, 0 }, { "udp_checksum", TYPE_INT, 0 }, { "udp_payload", TYPE_BYTES, 0 }, { "sctp_checksum", TYPE_INT, 0 },
    { "sctp_chunk_type", TYPE_STRING, 0 }, { "sctp_length", TYPE_INT, 0 }, { "icmp_type", TYPE_STRING, 0 }, { "icmp_version", TYPE_INT, 0 },
    { "icmp_length", TYPE_INT, 0 },
    /* WebSocket */
    { "ws_opcode", TYPE_STRING, 0 }, { "ws_request", TYPE_BOOL, 0 }, { "ws_response", TYPE_BOOL, 0 }, { "ws_request_payload_data", TYPE_STRING, 0 },
    { "ws_request_payload_length", TYPE_INT, 0 }, { "ws_response_payload_length", TYPE_INT, 0 },
    /* Redis */
    { "redis_type", TYPE_STRING, 0 }, { "redis_command", TYPE_STRING, 0 }, { "redis_key", TYPE_STRING, 0 }, { "redis_request_size", TYPE_INT, 0 },
    { "redis_response_size", TYPE_INT, 0 }, { "redis_total_size", TYPE_INT, 0 },
    /* Kafka */
    { "kafka_api_key", TYPE_INT, 0 }, { "kafka_api_key_name", TYPE_STRING, 0 }, { "kafka_client_id", TYPE_STRING, 0 }, { "kafka_size", TYPE_INT, 0 },
    { "kafka_request", TYPE_BOOL, 0 }, { "kafka_response", TYPE_BOOL, 0 }, { "kafka_request_summary", TYPE_STRING, 0 }, { "kafka_request_size", TYPE_INT, 0 },
    { "kafka_response_size", TYPE_INT, 0 },
    /* AMQP */
    { "amqp_method", TYPE_STRING, 0 }, { "amqp_summary", TYPE_STRING, 0 }, { "amqp_request", TYPE_BOOL, 0 }, { "amqp_response", TYPE_BOOL, 0 },
    { "amqp_request_length", TYPE_INT, 0 }, { "amqp_response_length", TYPE_INT, 0 }, { "amqp_total_size", TYPE_INT, 0 },
    /* LDAP */
    { "ldap_type", TYPE_STRING, 0 }, { "ldap_summary", TYPE_STRING, 0 }, { "ldap_request", TYPE_BOOL, 0 }, { "ldap_response", TYPE_BOOL, 0 },
    { "ldap_request_length", TYPE_INT, 0 }, { "ldap_response_length", TYPE_INT, 0 }, { "ldap_total_size", TYPE_INT, 0 },
    /* RADIUS */
    { "radius_code", TYPE_INT, 0 }, { "radius_code_name", TYPE_STRING, 0 }, { "radius_request", TYPE_BOOL, 0 }, { "radius_response", TYPE_BOOL, 0 },
    { "radius_request_authenticator", TYPE_STRING, 0 }, { "radius_request_length", TYPE_INT, 0 }, { "radius_response_length", TYPE_INT, 0 },
    { "radius_total_size", TYPE_INT, 0 },
    /* Diameter */
    { "diameter_method", TYPE_STRING, 0 }, { "diameter_summary", TYPE_STRING, 0 }, { "diameter_request", TYPE_BOOL, 0 }, { "diameter_response", TYPE_BOOL, 0 },
    { "diameter_request_length", TYPE_INT, 0 }, { "diameter_response_length", TYPE_INT, 0 }, { "diameter_total_size", TYPE_INT, 0 },
    /* MongoDB */
    { "mongodb_command", TYPE_STRING, 0 }, { "mongodb_database", TYPE_STRING, 0 }, { "mongodb_collection", TYPE_STRING, 0 }, { "mongodb_opcode", TYPE_STRING, 0 },
    { "mongodb_request_size", TYPE_INT, 0 }, { "mongodb_response_size", TYPE_INT, 0 }, { "mongodb_total_size", TYPE_INT, 0 }, { "mongodb_success", TYPE_BOOL, 0 },
    { "mongodb_error_code", TYPE_INT, 0 }, { "mongodb_error_message", TYPE_STRING, 0 }, { "mongodb_error_code_name", TYPE_STRING, 0 },
    /* MySQL */
    { "mysql_command", TYPE_STRING, 0 }, { "mysql_query", TYPE_STRING, 0 }, { "mysql_database", TYPE_STRING, 0 }, { "mysql_statement_id", TYPE_INT, 0 },
    { "mysql_request_size", TYPE_INT, 0 }, { "mysql_response_size", TYPE_INT, 0 }, { "mysql_total_size", TYPE_INT, 0 }, { "mysql_success", TYPE_BOOL, 0 },
    { "mysql_error_code", TYPE_INT, 0 }, { "mysql_error_message", TYPE_STRING, 0 },
    /* PostgreSQL */
    { "postgresql_command", TYPE_STRING, 0 }, { "postgresql_query", TYPE_STRING, 0 }, { "postgresql_database", TYPE_STRING, 0 }, { "postgresql_user", TYPE_STRING, 0 },
    { "postgresql_request_size", TYPE_INT, 0 }, { "postgresql_response_size", TYPE_INT, 0 }, { "postgresql_total_size", TYPE_INT, 0 },
    { "postgresql_success", TYPE_BOOL, 0 }, { "postgresql_error_code", TYPE_STRING, 0 }, { "postgresql_error_message", TYPE_STRING, 0 },
    /* connections and flows */
    { "conn_state", TYPE_STRING, 0 }, { "conn_local_pkts", TYPE_INT, 0 }, { "conn_local_bytes", TYPE_INT, 0 }, { "conn_remote_pkts", TYPE_INT, 0 },
    { "conn_remote_bytes", TYPE_INT, 0 }, { "conn_l7_detected", LIST, 0 }, { "conn_group_id", TYPE_INT, 0 }, { "flow_state", TYPE_STRING, 0 },
    { "flow_local_pkts", TYPE_INT, 0 }, { "flow_local_bytes", TYPE_INT, 0 }, { "flow_remote_pkts", TYPE_INT, 0 }, { "flow_remote_bytes", TYPE_INT, 0 },
    { "flow_local_pps", TYPE_INT, 0 }, { "flow_local_bps", TYPE_INT, 0 }, { "flow_remote_pps", TYPE_INT, 0 }, { "flow_remote_bps", TYPE_INT, 0 },
    { "flow_l7_detected", LIST, 0 }, { "flow_group_id", TYPE_INT, 0 },
};
const size_t reserved_names_count = sizeof reserved_names / sizeof *reserved_names;
