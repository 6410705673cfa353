#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/output/json_text.h"
#include "services/dissector/output/ndjson.h"
#include "services/dissector/output/ndjson_plan.h"

#define PLANS_MAX 48u       /* details of one build; there are fewer than protocols */
#define PEERS_CACHED 4096u  /* of each side: about as many as talk at the same time; 1 MB or so with their texts */
#define FIXED_ROOM 1024u    /* all fixed keys (under 400 bytes), numbers and the time */

/* What stands before and behind the port. */
struct peer_text { uint64_t number; uint32_t before, behind; char *text; };
struct ndjson_lines {
    struct json_clock clock;
    uint32_t plans_count;
    struct ndjson_plan *plans[PLANS_MAX];
    struct peer_text peers[2][PEERS_CACHED]; /* sources, destinations: an entry's two never push each other out */
};

int ndjson_lines_new(struct ndjson_lines **ret)
{
    struct ndjson_lines *lines = calloc(1, sizeof *lines);
    if (!lines)
        return -ENOMEM;
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

static int plan_of(struct ndjson_lines *lines, const struct detail *detail, const struct ndjson_plan **ret)
{
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
    int r = ndjson_plan_make(detail, plan);
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

static int peer_render(struct peer_text *slot, const struct peer *peer)
{
    const char *const texts[] = { peer->ip, peer->name, peer->namespace, peer->pod_name, peer->pod_namespace, peer->service_name, peer->service_namespace, peer->dns, peer->process };
    size_t room = 256; /* the keys */
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        room += JSON_STRING_ROOM(strlen(texts[i]));
    if (room > UINT32_MAX)
        return -EINVAL;
    char *text = realloc(slot->text, room), *p = text;
    if (!text)
        return -ENOMEM;
    p = PUT_KEY(p, "{\"ip\":");
    p = json_put_string(p, peer->ip, strlen(peer->ip));
    p = PUT_KEY(p, ",\"port\":");
    uint32_t before = (uint32_t)(p - text);
    p = put_string_pair(p, ",\"name\":", peer->name);
    p = put_string_pair(p, ",\"namespace\":", peer->namespace);
    p = put_object(p, ",\"pod\":", peer->pod_name, peer->pod_namespace);
    p = put_object(p, ",\"service\":", peer->service_name, peer->service_namespace);
    p = put_string_pair(p, ",\"dns\":", peer->dns);
    p = put_string_pair(p, ",\"process\":", peer->process);
    *p++ = '}';
    *slot = (struct peer_text){ .number = peer->number, .before = before, .behind = (uint32_t)(p - text) - before, .text = text };
    return 0;
}

static int peer_text_of(struct peer_text *cache, const struct peer *peer, const struct peer_text **ret)
{
    struct peer_text *slot = &cache[peer->number % PEERS_CACHED];
    *ret = slot;
    return slot->text && slot->number == peer->number ? 0 : peer_render(slot, peer);
}

static char *put_peer(char *p, const struct peer_text *peer, uint16_t port)
{
    memcpy(p, peer->text, peer->before);
    p = json_put_unsigned(p + peer->before, port);
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

static char *put_fixed(char *p, struct ndjson_lines *lines, const struct entry *e, const struct peer_text *source, const struct peer_text *destination)
{
    const struct record *r = e->record;
    p = json_put_unsigned(PUT_KEY(p, "{\"id\":"), e->id);
    p = PUT_KEY(p, ",\"protocol\":");
    p = json_put_string(p, e->protocol->name, strlen(e->protocol->name));
    p = json_put_time(PUT_KEY(p, ",\"timestamp\":\""), &lines->clock, r->timestamp_ns);
    *p++ = '"';
    p = PUT_UNLESS_ZERO(p, ",\"elapsed_time\":", r->elapsed_ns / 1000, json_put_signed);
    p = PUT_UNLESS_ZERO(p, ",\"duration\":", r->duration_ns / 1000, json_put_signed);
    p = put_peer(PUT_KEY(p, ",\"src\":"), source, r->tuple.source_port);
    p = put_peer(PUT_KEY(p, ",\"dst\":"), destination, r->tuple.destination_port);
    p = put_string_pair(p, ",\"node_name\":", e->node);
    p = PUT_UNLESS_ZERO(p, ",\"conn_id\":", e->connection, json_put_unsigned);
    p = PUT_UNLESS_ZERO(p, ",\"status_code\":", r->status, json_put_signed);
    if (r->summary_size)
        p = json_put_string(PUT_KEY(p, ",\"summary\":"), record_summary(r), r->summary_size);
    if (r->flags & RECORD_ONE_WAY)
        p = PUT_KEY(p, ",\"one_way\":true");
    if (r->flags & RECORD_MAYBE_COPY)
        p = PUT_KEY(p, ",\"maybe_copy\":true");
    if (r->incomplete && r->incomplete < INCOMPLETE_COUNT)
        p = put_string_pair(p, ",\"incomplete\":", incomplete_names[r->incomplete]);
    if (r->request_at.frame)
        p = put_place(PUT_KEY(p, ",\"request_at\":"), e->request_segment, r->request_at.frame);
    if (r->response_at.frame)
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
    int r = plan_of(lines, e->protocol->detail, &plan);
    if (r == 0)
        r = peer_text_of(lines->peers[0], e->source, &source);
    if (r == 0)
        r = peer_text_of(lines->peers[1], e->destination, &destination);
    if (r < 0)
        return r;
    size_t texts = e->record->summary_size + (size_t)e->record->values_size + strlen(e->node) + strlen(e->request_segment) + strlen(e->response_segment) + strlen(e->protocol->name);
    r = reserve(out, FIXED_ROOM + JSON_STRING_ROOM(texts) + source->before + source->behind + destination->before + destination->behind + plan->bytes);
    if (r < 0)
        return r;
    char *p = put_fixed(out->data + out->size, lines, e, source, destination);
    p = put_fields(p, plan, &e->values);
    *p++ = '}';
    *p++ = '\n';
    out->size = (size_t)(p - out->data);
    return 0;
}
