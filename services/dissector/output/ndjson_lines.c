#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/output/json_text.h"
#include "services/dissector/output/ndjson.h"
#include "services/dissector/output/ndjson_plan.h"

#define PLANS_MAX 48u       /* details of one build; there are fewer than protocols */
#define PEERS_CACHED 4096u  /* of each side: about as many as talk at the same time; 1 MB or so with their texts */
#define FIXED_ROOM 1024u    /* all keys that every entry has (under 400 bytes), numbers and the time */

/* An end's object with its key, `,"src":{...}`: what stands before and behind the port; empty where nobody wants any of it. */
struct peer_text { uint64_t number; uint32_t before, behind; char *text; };
struct ndjson_lines {
    const struct selection *selection;
    uint64_t always;            /* of the selection, or all bits */
    struct json_clock clock;
    uint32_t plans_count;
    struct ndjson_plan *plans[PLANS_MAX];
    struct peer_text peers[2][PEERS_CACHED]; /* sources, destinations: an entry's two never push each other out */
};

int ndjson_lines_new(const struct selection *fields, struct ndjson_lines **ret)
{
    struct ndjson_lines *lines = calloc(1, sizeof *lines);
    if (!lines)
        return -ENOMEM;
    lines->selection = fields;
    lines->always = fields ? fields->always : UINT64_MAX;
    *ret = lines;
    return 0;
}

void ndjson_lines_free(struct ndjson_lines *lines)
{
    if (!lines)
        return;
    for (uint32_t i = 0; i < lines->plans_count; i++)
        free(lines->plans[i]);
    for (uint32_t i = 0; i < PEERS_CACHED; i++) {
        free(lines->peers[0][i].text);
        free(lines->peers[1][i].text);
    }
    free(lines);
}

static int plan_of(struct ndjson_lines *lines, const struct protocol *protocol, const struct ndjson_plan **ret)
{
    const struct detail *detail = protocol->detail;
    for (uint32_t i = 0; i < lines->plans_count; i++)
        if (lines->plans[i]->detail == detail) {
            *ret = lines->plans[i];
            return 0;
        }
    if (lines->plans_count == PLANS_MAX)
        return -EINVAL;
    mem_auto_free struct ndjson_plan *plan = malloc(sizeof *plan);
    if (!plan)
        return -ENOMEM;
    int number = lines->selection ? protocol_number(protocol) : -1;
    int r = ndjson_plan_make(detail, number < 0 ? UINT64_MAX : lines->selection->fields[number], plan);
    if (r < 0)
        return r;
    *ret = lines->plans[lines->plans_count++] = mem_take(plan);
    return 0;
}

#define PUT_KEY(p, text) (memcpy((p), (text), sizeof(text) - 1), (p) + sizeof(text) - 1)

static char *put_string_pair(char *p, const char *key, const char *text)
{
    if (!*text)
        return p;
    size_t size = strlen(key);
    memcpy(p, key, size);
    return json_put_string(p + size, text, strlen(text));
}

static char *put_object(char *p, const char *key, const char *name, const char *namespace)
{
    if (!*name && !*namespace)
        return p;
    size_t size = strlen(key);
    memcpy(p, key, size);
    char *start = p + size;
    p = put_string_pair(start, ",\"name\":", name);
    p = put_string_pair(p, ",\"namespace\":", namespace);
    *start = '{';
    *p++ = '}';
    return p;
}

/* An end's texts in the order of enum selected_end; "" where nobody wants it. */
static size_t select_texts(const struct peer *peer, uint64_t wanted, const char *ret[END_FIELDS])
{
    const char *const all[END_FIELDS] = { [END_IP] = peer->ip, [END_PORT] = "", [END_NAME] = peer->name, [END_NAMESPACE] = peer->namespace, [END_POD_NAME] = peer->pod_name, [END_POD_NAMESPACE] = peer->pod_namespace,
                                          [END_SERVICE_NAME] = peer->service_name, [END_SERVICE_NAMESPACE] = peer->service_namespace, [END_DNS] = peer->dns, [END_PROCESS] = peer->process };
    size_t room = 256; /* the keys */
    for (unsigned i = 0; i < END_FIELDS; i++) {
        ret[i] = wanted >> i & 1 ? all[i] : "";
        room += JSON_STRING_ROOM(strlen(ret[i]));
    }
    return room;
}

static int peer_render(struct peer_text *slot, const struct peer *peer, const char *key, uint64_t wanted)
{
    const char *texts[END_FIELDS];
    size_t room = select_texts(peer, wanted, texts);
    if (room > UINT32_MAX)
        return -EINVAL;
    char *text = realloc(slot->text, room), *p = text;
    if (!text)
        return -ENOMEM;
    *slot = (struct peer_text){ .number = peer->number, .text = text };
    size_t key_size = strlen(key);
    memcpy(p, key, key_size);
    p += key_size;
    char *start = p;
    p = put_string_pair(p, ",\"ip\":", texts[END_IP]);
    if (wanted >> END_PORT & 1)
        p = PUT_KEY(p, ",\"port\":");
    slot->before = (uint32_t)(p - text);
    p = put_string_pair(p, ",\"name\":", texts[END_NAME]);
    p = put_string_pair(p, ",\"namespace\":", texts[END_NAMESPACE]);
    p = put_object(p, ",\"pod\":", texts[END_POD_NAME], texts[END_POD_NAMESPACE]);
    p = put_object(p, ",\"service\":", texts[END_SERVICE_NAME], texts[END_SERVICE_NAMESPACE]);
    p = put_string_pair(p, ",\"dns\":", texts[END_DNS]);
    p = put_string_pair(p, ",\"process\":", texts[END_PROCESS]);
    if (p == start) {
        slot->before = 0;
        return 0;
    }
    *start = '{';
    *p++ = '}';
    slot->behind = (uint32_t)(p - text) - slot->before;
    return 0;
}

static int peer_text_of(struct ndjson_lines *lines, enum selected end, const struct peer *peer, const struct peer_text **ret)
{
    struct peer_text *slot = &lines->peers[end == SELECT_DST][peer->number % PEERS_CACHED];
    *ret = slot;
    return slot->text && slot->number == peer->number ? 0 : peer_render(slot, peer, end == SELECT_DST ? ",\"dst\":" : ",\"src\":", lines->always >> end);
}

static char *put_peer(char *p, const struct peer_text *peer, bool with_port, uint16_t port)
{
    memcpy(p, peer->text, peer->before);
    p += peer->before;
    if (with_port)
        p = json_put_unsigned(p, port);
    memcpy(p, peer->text + peer->before, peer->behind);
    return p + peer->behind;
}

static char *put_place(char *p, const char *segment, uint32_t frame)
{
    if (*segment) {
        p = PUT_KEY(p, "{\"segment\":");
        p = json_put_string(p, segment, strlen(segment));
        p = PUT_KEY(p, ",\"frame\":");
    } else {
        p = PUT_KEY(p, "{\"frame\":");
    }
    p = json_put_unsigned(p, frame);
    *p++ = '}';
    return p;
}

#define PUT_UNLESS_ZERO(p, key, value, writer) ((value) ? writer(PUT_KEY(p, key), (value)) : (p))
#define WANTS(what) (wanted >> (what) & 1)

/* Each with a comma before it: the line's first becomes its brace. */
static char *put_always(char *p, struct ndjson_lines *lines, const struct entry *e, const struct peer_text *source, const struct peer_text *destination)
{
    const struct record *r = e->record;
    uint64_t wanted = lines->always;
    if (WANTS(SELECT_ID))
        p = json_put_unsigned(PUT_KEY(p, ",\"id\":"), e->id);
    if (WANTS(SELECT_PROTOCOL))
        p = json_put_string(PUT_KEY(p, ",\"protocol\":"), e->protocol->name, strlen(e->protocol->name));
    if (WANTS(SELECT_TIMESTAMP)) {
        p = json_put_time(PUT_KEY(p, ",\"timestamp\":\""), &lines->clock, r->timestamp_ns);
        *p++ = '"';
    }
    if (WANTS(SELECT_ELAPSED_TIME))
        p = PUT_UNLESS_ZERO(p, ",\"elapsed_time\":", r->elapsed_ns / 1000, json_put_signed);
    if (WANTS(SELECT_DURATION))
        p = PUT_UNLESS_ZERO(p, ",\"duration\":", r->duration_ns / 1000, json_put_signed);
    p = put_peer(p, source, WANTS(SELECT_SRC + END_PORT), r->tuple.source_port);
    p = put_peer(p, destination, WANTS(SELECT_DST + END_PORT), r->tuple.destination_port);
    if (WANTS(SELECT_NODE_NAME))
        p = put_string_pair(p, ",\"node_name\":", e->node);
    if (WANTS(SELECT_CONN_ID))
        p = PUT_UNLESS_ZERO(p, ",\"conn_id\":", e->connection, json_put_unsigned);
    if (WANTS(SELECT_STATUS_CODE))
        p = PUT_UNLESS_ZERO(p, ",\"status_code\":", r->status, json_put_signed);
    if (WANTS(SELECT_SUMMARY) && r->summary_size)
        p = json_put_string(PUT_KEY(p, ",\"summary\":"), record_summary(r), r->summary_size);
    if (WANTS(SELECT_ONE_WAY) && r->flags & RECORD_ONE_WAY)
        p = PUT_KEY(p, ",\"one_way\":true");
    if (WANTS(SELECT_MAYBE_COPY) && r->flags & RECORD_MAYBE_COPY)
        p = PUT_KEY(p, ",\"maybe_copy\":true");
    if (WANTS(SELECT_INCOMPLETE) && r->incomplete && r->incomplete < INCOMPLETE_COUNT)
        p = put_string_pair(p, ",\"incomplete\":", incomplete_names[r->incomplete]);
    if (WANTS(SELECT_REQUEST_AT) && r->request_at.frame)
        p = put_place(PUT_KEY(p, ",\"request_at\":"), e->request_segment, r->request_at.frame);
    if (WANTS(SELECT_RESPONSE_AT) && r->response_at.frame)
        p = put_place(PUT_KEY(p, ",\"response_at\":"), e->response_segment, r->response_at.frame);
    return p;
}

static bool is_default(const struct field *field, const struct value *value)
{
    return field->type == FIELD_INT || field->type == FIELD_BOOL ? value->number == field->fallback : value->size == 0;
}

static char *put_value(char *p, enum field_type type, const struct value *value)
{
    switch (type) {
    case FIELD_INT: return json_put_signed(p, value->number);
    case FIELD_BOOL: return value->number ? PUT_KEY(p, "true") : PUT_KEY(p, "false");
    case FIELD_LIST: return json_put_list(p, value);
    case FIELD_MAP: return json_put_map(p, value);
    default: return json_put_string(p, value->data, value->size);
    }
}

static char *put_fields(char *p, const struct ndjson_plan *plan, const struct values *values)
{
    uint8_t open = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct ndjson_key *key = &plan->keys[i];
        const struct field *field = &plan->detail->fields[key->field];
        const struct value *value = &values->at[key->field];
        if (!(values->present >> key->field & 1) || is_default(field, value))
            continue;
        if (key->group == open) {
            memcpy(p, key->next, key->next_size);
            p += key->next_size;
        } else {
            if (open)
                *p++ = '}';
            open = key->group;
            memcpy(p, key->open, key->open_size);
            p += key->open_size;
        }
        p = put_value(p, field->type, value);
    }
    if (open)
        *p++ = '}';
    return p;
}

static int reserve(struct ndjson_buffer *out, size_t more)
{
    if (out->room - out->size >= more)
        return 0;
    size_t room = out->room ? out->room : 4096;
    while (room - out->size < more)
        room *= 2;
    char *data = realloc(out->data, room);
    if (!data)
        return -ENOMEM;
    out->data = data;
    out->room = room;
    return 0;
}

int ndjson_lines_put(struct ndjson_lines *lines, const struct entry *e, struct ndjson_buffer *out)
{
    const struct ndjson_plan *plan;
    const struct peer_text *source = NULL, *destination = NULL;
    int r = plan_of(lines, e->protocol, &plan);
    if (r == 0)
        r = peer_text_of(lines, SELECT_SRC, e->source, &source);
    if (r == 0)
        r = peer_text_of(lines, SELECT_DST, e->destination, &destination);
    if (r < 0)
        return r;
    size_t texts = e->record->summary_size + (size_t)e->record->values_size + e->added + strlen(e->node) + strlen(e->request_segment) + strlen(e->response_segment) + strlen(e->protocol->name);
    r = reserve(out, FIXED_ROOM + JSON_STRING_ROOM(texts) + source->before + source->behind + destination->before + destination->behind + plan->bytes);
    if (r < 0)
        return r;
    char *start = out->data + out->size, *p = put_always(start, lines, e, source, destination);
    p = put_fields(p, plan, &e->values);
    if (p == start)
        p++;
    *start = '{';
    *p++ = '}';
    *p++ = '\n';
    out->size = (size_t)(p - out->data);
    return 0;
}
