#include "services/dissector/protocols/dns/dns_fields.h"

static const struct field fields[DNS_FIELDS_COUNT] = {
    [DNS_ID] = { .name = "dns_id", .type = FIELD_INT, .column = "message_id", .oracle = "dns.id", .help = "identifier that request and response share" },
    [DNS_OPCODE] = { .name = "dns_opcode", .column = "opcode", .oracle = "dns.flags.opcode", .help = "QUERY, NOTIFY, UPDATE and so on" },
    [DNS_QUESTIONS] = { .name = "dns_questions", .type = FIELD_LIST, .column = "questions", .oracle = "dns.qry.name", .read_back = true, .help = "names asked for, as they were sent, without a dot at the end" },
    [DNS_QUESTION_TYPES] = { .name = "dns_question_types", .type = FIELD_LIST, .column = "question_types", .oracle = "dns.qry.type", .help = "types asked for, one per question" },
    [DNS_ANSWERS] = { .name = "dns_answers", .type = FIELD_LIST, .column = "answers", .read_back = true, .help = "data of the answers as text, as in a zone file without dots at the end of names" },
    [DNS_ANSWER_TYPES] = { .name = "dns_answer_types", .type = FIELD_LIST, .column = "answer_types", .help = "types of the answers, one per answer" },
    [DNS_ANSWER_NAMES] = { .name = "dns_answer_names", .type = FIELD_LIST, .column = "answer_names", .help = "names that the answers belong to, one per answer" },
    [DNS_TTL] = { .name = "dns_ttl", .type = FIELD_INT, .column = "ttl", .read_back = true, .help = "least time to live of the answers, in seconds" },
    [DNS_RESPONSE_CODE] = { .name = "dns_response_code", .column = "response_code", .oracle = "dns.flags.rcode", .help = "name of the response code, such as NXDOMAIN" },
    [DNS_REQUEST] = { .name = "dns_request", .type = FIELD_BOOL, .column = "request", .help = "whether the entry has a request" },
    [DNS_RESPONSE] = { .name = "dns_response", .type = FIELD_BOOL, .column = "response", .help = "whether the entry has a response" },
    [DNS_REQUEST_LENGTH] = { .name = "dns_request_length", .type = FIELD_INT, .column = "request_length", .help = "bytes of the request's message" },
    [DNS_RESPONSE_LENGTH] = { .name = "dns_response_length", .type = FIELD_INT, .column = "response_length", .help = "bytes of the response's message" },
    [DNS_TOTAL_SIZE] = { .name = "dns_total_size", .type = FIELD_INT, .column = "total_size", .help = "bytes of both messages" },
    [DNS_RECURSION_DESIRED] = { .name = "dns_recursion_desired", .type = FIELD_BOOL, .column = "recursion_desired", .oracle = "dns.flags.recdesired", .help = "whether recursion was asked for" },
    [DNS_RECURSION_AVAILABLE] = { .name = "dns_recursion_available", .type = FIELD_BOOL, .column = "recursion_available", .oracle = "dns.flags.recavail", .help = "whether the server offers recursion" },
    [DNS_AUTHORITATIVE] = { .name = "dns_authoritative", .type = FIELD_BOOL, .column = "authoritative", .oracle = "dns.flags.authoritative", .help = "whether the answer is authoritative" },
    [DNS_TRUNCATED] = { .name = "dns_truncated", .type = FIELD_BOOL, .column = "truncated", .oracle = "dns.flags.truncated", .help = "whether the server left something out (TC)" },
    [DNS_AUTHENTICATED] = { .name = "dns_authenticated", .type = FIELD_BOOL, .column = "authenticated", .oracle = "dns.flags.authenticated", .help = "whether the server says that it checked signatures" },
    [DNS_EDNS] = { .name = "dns_edns", .type = FIELD_BOOL, .column = "edns", .help = "whether either side sent an OPT record" },
    [DNS_DNSSEC_OK] = { .name = "dns_dnssec_ok", .type = FIELD_BOOL, .column = "dnssec_ok", .oracle = "dns.resp.z.do", .help = "whether either side set the bit DO" },
    [DNS_CLIENT_SUBNET] = { .name = "dns_client_subnet", .column = "client_subnet", .help = "EDNS client subnet of the request, as 192.0.2.0/24" },
    [DNS_EXTENDED_ERROR] = { .name = "dns_extended_error", .column = "extended_error", .help = "extended DNS error: its number, and its text if there is one" },
};
const struct detail dns_detail = { .table = "dns", .fields = fields, .count = DNS_FIELDS_COUNT };
