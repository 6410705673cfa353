/* DNS over UDP and TCP (each message behind its length, RFC 1035 section 4.2.2), mDNS (RFC 6762) and LLMNR (RFC 4795).
 *
 * Request and response belong together by identifier, first question and direction: an answer to another question is none. An answer without a question (servers refuse so what they cannot read) goes by the identifier
 * among the latest requests. mDNS speaks to groups: its announcements, and its questions with the identifier 0, are one-way. So are LLMNR's questions to its group, and their answers, which each host sends from an
 * address of its own. NetBIOS looks like DNS and is not. */
#include <errno.h>
#include "services/dissector/protocols/dns/dns_fields.h"
#include "services/dissector/protocols/dns/dns_message.h"
#include "services/dissector/protocols/dns/dns_records.h"
#include "services/dissector/protocols/dns/dns_types.h"
#include "services/dissector/protocols/protocol.h"

#define PORT_MDNS 5353u
#define PORT_LLMNR 5355u
#define LLMNR_FLAGS_OTHER (DNS_FLAG_AUTHORITATIVE | DNS_FLAG_RECURSION_DESIRED | DNS_FLAG_RECURSION_AVAILABLE | DNS_FLAG_AUTHENTICATED) /* conflict, tentative and zeros in LLMNR (section 2.1.1) */
#define IDLE_NS (30 * INT64_C(1000000000))
#define RECENT_MAX 4u               /* requests whose answer may come without a question: that is an exception, and soon */
#define STREAM_UNHINTED_MAX 8192u   /* off the usual ports a stream that begins with two letters is not the length of a message */
#define SUMMARY_ROOM (DNS_NAME_TEXT_MAX + 64)

/* A request's tag. */
#define TAG_LENGTH 0xffffu
#define TAG_TRANSFER 0x10000u

struct recent { uint64_t key; uint16_t id; uint8_t side; bool used; };
struct dns_state {
    struct recent recent[RECENT_MAX];
    uint32_t recent_next;
    uint64_t transfer;              /* key of the zone transfer whose messages may still come; 0: none */
    bool lost[2];                   /* where the next message begins is not known */
    uint32_t skip[2], wanted[2];    /* bytes that belong to a lost message; bytes of the message that has not come whole */
};

static uint64_t key_of(uint16_t id, uint64_t question, enum side asker)
{
    uint64_t key = (question ^ ((uint64_t)id << 1 | (asker == SIDE_SERVER))) * UINT64_C(0xff51afd7ed558ccd);
    key ^= key >> 32;
    return key == KEY_IN_ORDER || key == 0 ? 1 : key;
}

static uint64_t question_hash(const struct dns_message *d)
{
    uint32_t kind = (uint32_t)d->type << 16 | (d->class & 0x7fffu);
    return dns_name_hash(d->name.data, d->name.size) ^ kind * UINT64_C(0xc4ceb9fe1a85ec53);
}

static void remember(struct dns_state *state, uint64_t key, uint16_t id, enum side side)
{
    state->recent[state->recent_next++ % RECENT_MAX] = (struct recent){ .key = key, .id = id, .side = (uint8_t)side, .used = true };
}

/* The key of the latest request with this identifier; 0: none. */
static uint64_t recall(const struct dns_state *state, uint16_t id, enum side asker)
{
    for (uint32_t i = 1; i <= RECENT_MAX; i++) {
        const struct recent *r = &state->recent[(state->recent_next - i) % RECENT_MAX];
        if (r->used && r->id == id && r->side == asker)
            return r->key;
    }
    return 0;
}

/* ---- What a message says ---- */

static void put_number_name(struct text_buffer *t, const char *name, const char *otherwise, unsigned number)
{
    text_buffer_string(t, name ? name : otherwise);
    if (!name)
        text_buffer_number(t, number);
}

/* Mostly there is one: the message has read it already. */
static void write_question_names(struct message *m, const struct dns_message *d)
{
    struct cursor c = { .data = d->data, .size = d->size, .at = d->second_at };
    message_open(m, DNS_QUESTIONS);
    message_item(m, d->name.data, d->name.size);
    for (unsigned i = 1; i < d->count[DNS_SECTION_QUESTION]; i++, cursor_skip(&c, 4)) {
        char room[DNS_NAME_TEXT_MAX];
        struct text_buffer name = text_buffer_over(room, sizeof room);
        if (dns_name_text(&c, &name) < 0)
            break;
        message_item(m, name.data, name.size);
    }
    message_close(m);
}

static void write_question_type(struct message *m, uint16_t type)
{
    char room[16];
    struct text_buffer text = text_buffer_over(room, sizeof room);
    dns_type_text(type, &text);
    message_item(m, text.data, text.size);
}

static void write_question_types(struct message *m, const struct dns_message *d)
{
    struct cursor c = { .data = d->data, .size = d->size, .at = d->second_at };
    if (!message_wants(m, DNS_QUESTION_TYPES))
        return;
    message_open(m, DNS_QUESTION_TYPES);
    write_question_type(m, d->type);
    for (unsigned i = 1; i < d->count[DNS_SECTION_QUESTION]; i++) {
        (void)dns_name_pass(&c);
        uint16_t type = cursor_be16(&c);
        cursor_skip(&c, 2);
        if (!cursor_ok(&c))
            break;
        write_question_type(m, type);
    }
    message_close(m);
}

static void write_summary(struct message *m, const struct dns_message *d)
{
    if (m->skip_summary)
        return;
    char room[SUMMARY_ROOM];
    struct text_buffer t = text_buffer_over(room, sizeof room);
    unsigned opcode = dns_message_opcode(d);
    if (opcode != DNS_OPCODE_QUERY || d->count[DNS_SECTION_QUESTION] + d->count[DNS_SECTION_ANSWER] == 0) {
        put_number_name(&t, dns_opcode_name(opcode), "OPCODE", opcode);
        if (d->count[DNS_SECTION_QUESTION])
            text_buffer_char(&t, ' ');
    }
    if (d->count[DNS_SECTION_QUESTION]) {
        dns_type_text(d->type, &t);
        text_buffer_char(&t, ' ');
        text_buffer_put(&t, d->name.data, d->name.size);
    } else if (d->count[DNS_SECTION_ANSWER]) {
        struct cursor c = { .data = d->data, .size = d->size, .at = d->records_at };
        struct dns_record record;
        char name_room[DNS_NAME_TEXT_MAX];
        struct text_buffer name = text_buffer_over(name_room, sizeof name_room);
        if (dns_name_text(&c, &name) == 0 && dns_record_head(&c, &record)) {
            dns_type_text(record.type, &t);
            text_buffer_char(&t, ' ');
            text_buffer_put(&t, name.data, name.size);
        }
    }
    message_summary(m, t.data, t.size);
}

/* What both halves carry, written by the first of them. */
static void write_head(struct message *m, const struct dns_message *d)
{
    char room[16];
    struct text_buffer opcode = text_buffer_over(room, sizeof room);
    put_number_name(&opcode, dns_opcode_name(dns_message_opcode(d)), "OPCODE", dns_message_opcode(d));
    message_int(m, DNS_ID, d->id);
    message_text(m, DNS_OPCODE, opcode.data, opcode.size);
    if (d->count[DNS_SECTION_QUESTION]) {
        write_question_names(m, d);
        write_question_types(m, d);
    }
    if (d->flags & DNS_FLAG_RECURSION_DESIRED)
        message_bool(m, DNS_RECURSION_DESIRED, true);
    write_summary(m, d);
}

enum answer_part { PART_DATA, PART_TYPE, PART_NAME };
/* A list over the answers, as far as they can be read. Returns how many; *ret_ttl: the least. */
static unsigned write_answers(struct message *m, const struct dns_message *d, uint8_t field, enum answer_part part, uint32_t *ret_ttl)
{
    struct cursor c = { .data = d->data, .size = d->size, .at = d->records_at };
    unsigned done = 0;
    message_open(m, field);
    for (; done < d->count[DNS_SECTION_ANSWER]; done++) {
        char room[DNS_DATA_TEXT_MAX];
        struct text_buffer t = text_buffer_over(room, sizeof room);
        struct dns_record record;
        if (part == PART_NAME ? dns_name_text(&c, &t) < 0 : dns_name_pass(&c) < DNS_LOOK_ODD)
            break;
        if (!dns_record_head(&c, &record))
            break;
        if (part == PART_DATA)
            dns_record_text(&c, &record, &t);
        else if (part == PART_TYPE)
            dns_type_text(record.type, &t);
        if (t.cut)
            message_incomplete(m, TRUNCATED);
        message_item(m, t.data, t.size);
        *ret_ttl = done == 0 || record.ttl < *ret_ttl ? record.ttl : *ret_ttl;
    }
    message_close(m);
    return done;
}

/* Past all records, for the OPT among the last. False: they are damaged. */
static bool find_edns(const struct dns_message *d, struct dns_edns *ret)
{
    struct cursor c = { .data = d->data, .size = d->size, .at = d->records_at };
    *ret = (struct dns_edns){ .seen = false };
    for (unsigned section = DNS_SECTION_ANSWER; section < DNS_SECTIONS; section++) {
        for (unsigned i = 0; i < d->count[section]; i++) {
            struct dns_record record;
            if (dns_name_pass(&c) < DNS_LOOK_ODD || !dns_record_head(&c, &record))
                return false;
            if (record.type == DNS_TYPE_OPT && section == DNS_SECTION_ADDITIONAL && !ret->seen)
                dns_edns_read(d->data + record.data_at, record.data_size, record.ttl, ret);
        }
    }
    return true;
}

static void write_edns(struct message *m, const struct dns_edns *edns, bool response)
{
    char room[DNS_DATA_TEXT_MAX];
    struct text_buffer t = text_buffer_over(room, sizeof room);
    if (!edns->seen)
        return;
    message_bool(m, DNS_EDNS, true);
    if (edns->dnssec_ok)
        message_bool(m, DNS_DNSSEC_OK, true);
    if (edns->subnet && !response && dns_edns_subnet_text(edns, &t))
        message_text(m, DNS_CLIENT_SUBNET, t.data, t.size);
    t.size = 0;
    if (edns->error && response && dns_edns_error_text(edns, &t))
        message_text(m, DNS_EXTENDED_ERROR, t.data, t.size);
}

static void write_response(struct message *m, const struct dns_message *d)
{
    static const struct { uint16_t flag; uint8_t field; } flags[] = {
        { DNS_FLAG_RECURSION_AVAILABLE, DNS_RECURSION_AVAILABLE }, { DNS_FLAG_AUTHORITATIVE, DNS_AUTHORITATIVE }, { DNS_FLAG_TRUNCATED, DNS_TRUNCATED }, { DNS_FLAG_AUTHENTICATED, DNS_AUTHENTICATED },
    };
    struct dns_edns edns;
    if (!find_edns(d, &edns))
        message_incomplete(m, TRUNCATED);
    unsigned rcode = edns.extended_rcode << 4 | (d->flags & 15u);
    m->status = (int32_t)rcode;
    char room[16];
    struct text_buffer name = text_buffer_over(room, sizeof room);
    put_number_name(&name, dns_rcode_name(rcode), "RCODE", rcode);
    message_text(m, DNS_RESPONSE_CODE, name.data, name.size);
    message_bool(m, DNS_RESPONSE, true);
    message_int(m, DNS_RESPONSE_LENGTH, (int64_t)d->size);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (d->flags & flags[i].flag)
            message_bool(m, flags[i].field, true);
    uint32_t ttl = 0;
    if (d->count[DNS_SECTION_ANSWER] && write_answers(m, d, DNS_ANSWERS, PART_DATA, &ttl) > 0) {
        if (message_wants(m, DNS_ANSWER_TYPES))
            write_answers(m, d, DNS_ANSWER_TYPES, PART_TYPE, &ttl);
        if (message_wants(m, DNS_ANSWER_NAMES))
            write_answers(m, d, DNS_ANSWER_NAMES, PART_NAME, &ttl);
        message_int(m, DNS_TTL, ttl);
    }
    write_edns(m, &edns, true);
}

/* ---- Which message is what ---- */

static void take_request(struct conversation *c, enum side side, struct message *m, const struct dns_message *d, bool datagram)
{
    struct dns_state *state = conversation_state(c);
    struct dns_edns edns;
    write_head(m, d);
    message_bool(m, DNS_REQUEST, true);
    message_int(m, DNS_REQUEST_LENGTH, (int64_t)d->size);
    message_int(m, DNS_TOTAL_SIZE, (int64_t)d->size);
    if (!find_edns(d, &edns) && dns_message_opcode(d) != DNS_OPCODE_DSO)
        message_incomplete(m, TRUNCATED);
    write_edns(m, &edns, false);
    if (datagram && ((d->id == 0 && conversation_on_port(c, PORT_MDNS)) || (conversation_on_port(c, PORT_LLMNR) && conversation_to_group(c)))) {
        conversation_push(c, side, m);
        return;
    }
    uint64_t key = key_of(d->id, question_hash(d), side);
    m->tag = (uint32_t)(d->size & TAG_LENGTH) | (!datagram && (d->type == DNS_TYPE_AXFR || d->type == DNS_TYPE_IXFR) ? TAG_TRANSFER : 0);
    remember(state, key, d->id, side);
    conversation_request(c, m, key);
}

static void take_response(struct conversation *c, enum side side, struct message *m, const struct dns_message *d)
{
    struct dns_state *state = conversation_state(c);
    enum side asker = side_other(side);
    uint64_t key = d->count[DNS_SECTION_QUESTION] ? key_of(d->id, question_hash(d), asker) : recall(state, d->id, asker);
    const struct message *request = key ? conversation_oldest(c, key) : NULL;
    write_response(m, d);
    if (request) {
        message_int(m, DNS_TOTAL_SIZE, (int64_t)d->size + (request->tag & TAG_LENGTH));
        if (request->tag & TAG_TRANSFER)
            state->transfer = key;
        conversation_response(c, m, key);
        return;
    }
    write_head(m, d);
    message_int(m, DNS_TOTAL_SIZE, (int64_t)d->size);
    if (conversation_on_port(c, PORT_MDNS) || conversation_on_port(c, PORT_LLMNR) || (key && key == state->transfer))
        conversation_push(c, side, m);
    else
        conversation_response(c, m, key ? key : key_of(d->id, 0, asker));
}

static int take_message(struct conversation *c, enum side side, const uint8_t *first, const uint8_t *data, size_t size, bool datagram)
{
    struct dns_message d;
    if (dns_message_look(data, size, size, true) != DNS_LOOK_WHOLE || dns_message_read(data, size, &d) < 0)
        return -EBADMSG;
    if (conversation_on_port(c, PORT_LLMNR))
        d.flags &= (uint16_t)~LLMNR_FLAGS_OTHER;
    struct message *m = conversation_message(c, side, first);
    conversation_last(c, side, m, data + size - 1);
    if (dns_message_is_response(&d))
        take_response(c, side, m, &d);
    else
        take_request(c, side, m, &d, datagram);
    return 0;
}

static int dns_datagram(struct conversation *c, enum side side, const uint8_t *data, size_t size)
{
    return take_message(c, side, data, data, size, true);
}

/* ---- Streams ---- */

static enum dns_look look_stream(const uint8_t *data, size_t size, bool hint)
{
    struct cursor c = cursor_over(data, size);
    size_t length = cursor_be16(&c);
    if (!cursor_ok(&c))
        return hint ? DNS_LOOK_SHORT : DNS_LOOK_BAD;
    if (!hint && size < 2 + length && length > STREAM_UNHINTED_MAX)
        return DNS_LOOK_BAD;
    return dns_message_look(data + 2, size - 2 < length ? size - 2 : length, length, hint);
}

static enum detected dns_detect(const struct sniff *sniff)
{
    const uint8_t *data = sniff->data;
    enum dns_look look = sniff->datagram ? dns_message_look(data, sniff->size, sniff->size, sniff->port) : look_stream(data, sniff->size, sniff->port && !sniff->started_before);
    if (look == DNS_LOOK_SHORT)
        return sniff->datagram ? DETECT_NO : DETECT_MORE;
    if (look != DNS_LOOK_WHOLE)
        return DETECT_NO;
    const uint8_t *header = sniff->datagram ? data : data + 2;
    if (!(header[2] & DNS_FLAG_RESPONSE >> 8))
        return DETECT_CLIENT;
    /* An announcement of mDNS: both ports are 5353, and who sent it is the one to name. */
    bool announcement = sniff->datagram && sniff->port && header[0] == 0 && header[1] == 0 && header[4] == 0 && header[5] == 0;
    return announcement ? DETECT_EITHER : DETECT_SERVER;
}

/* Where the next message begins after a hole: a whole one anywhere, or one that begins here and goes on behind what there is. */
static int64_t find_message(const uint8_t *data, size_t size)
{
    for (size_t at = 0; size - at >= 2 + DNS_MESSAGE_BYTES_LEAST; at++) {
        enum dns_look look = look_stream(data + at, size - at, false);
        if (look == DNS_LOOK_WHOLE || (look == DNS_LOOK_SHORT && at == 0))
            return (int64_t)at;
    }
    return -EBADMSG;
}

static int64_t dns_parse(struct conversation *c, enum side side, const uint8_t *data, size_t size)
{
    struct dns_state *state = conversation_state(c);
    if (state->skip[side]) {
        size_t n = state->skip[side] < size ? state->skip[side] : size;
        state->skip[side] -= (uint32_t)n;
        return (int64_t)n;
    }
    if (state->lost[side]) {
        int64_t at = find_message(data, size);
        if (at < 0)
            return at;
        state->lost[side] = false;
        if (at > 0)
            return at;
    }
    state->wanted[side] = 0;
    if (size < 2)
        return 0;
    size_t length = (size_t)data[0] << 8 | data[1];
    if (length < DNS_HEADER_BYTES)
        return -EBADMSG;
    if (size - 2 < length) {
        state->wanted[side] = (uint32_t)(2 + length);
        return 0;
    }
    int r = take_message(c, side, data, data + 2, length, false);
    return r < 0 ? r : (int64_t)(2 + length);
}

static void dns_gap(struct conversation *c, enum side side, uint64_t lost)
{
    struct dns_state *state = conversation_state(c);
    uint32_t *skip = &state->skip[side], *wanted = &state->wanted[side], whole = *skip ? *skip : *wanted;
    *wanted = 0;
    if (lost > 0 && lost <= whole && !state->lost[side]) { /* what is missing lies inside of one message */
        *skip = whole - (uint32_t)lost;
    } else {
        *skip = 0;
        state->lost[side] = true;
    }
}

const struct protocol protocol_dns = {
    .name = "DNS",
    .flags = { "dns" },
    .detail = &dns_detail,
    .ports = { 53, PORT_MDNS, PORT_LLMNR },
    .state_size = sizeof(struct dns_state),
    .idle_ns = IDLE_NS,
    .detect = dns_detect,
    .parse = dns_parse,
    .datagram = dns_datagram,
    .gap = dns_gap,
};
