#include "services/dissector/work/views.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/engine/conversation.h"
#include "services/dissector/engine/filling.h"

enum { TRANSPORT_TCP = 6 };
#define SEEN_TEXT_MAX 500u /* a node's name has at most 253 bytes, an interface's 63, two addresses with ports 110, what it gave 35 */
#define SKEW_NS_MAX UINT64_C(60000000000) /* between clocks of nodes whose views have the same addresses and initial sequence numbers */
#define NEIGHBOURS_MAX 64u /* views compared with each one of its kind: more copies of a packet than any path makes */

struct node { uint32_t parent, next, last, count; bool maybe_copy; }; /* a set of views: the chain from its root, which knows how many they are */
struct fate { uint64_t connection; bool tells, maybe_copy, filled; uint32_t first_seen, seen_count; /* in seen[]: 0 for a view that is alone */ };
struct seen { struct tuple tuple; uint32_t node, zero; uint64_t point, given; };
struct filling { uint32_t first, count; };                          /* in members[] */
struct views {
    const struct run_view *list; size_t count;                       /* while deciding */
    struct node *nodes;
    struct fate *fates;
    uint32_t *first[SHARDS], counts[SHARDS];                          /* shard, number: index of list; UINT32_MAX: none */
    struct seen *seen; uint32_t seen_count;                           /* the views of connections that have several */
    struct run_view *members; struct filling *fillings; uint32_t members_count, fillings_count;
    uint8_t *list_text; size_t list_room;
    uint64_t connections, left_out;
};

static uint32_t root_of(struct views *v, uint32_t i)
{
    while (v->nodes[i].parent != i) {
        v->nodes[i].parent = v->nodes[v->nodes[i].parent].parent;
        i = v->nodes[i].parent;
    }
    return i;
}

static bool overlap(const struct view *a, const struct view *b) { return a->first_ns <= b->last_ns && b->first_ns <= a->last_ns; }

/* One member of each point, and no more of them than are dissected together: else the time grew with the square of what a capture makes up. */
static bool may_join(const struct views *v, uint32_t a, uint32_t b)
{
    if (v->nodes[a].count + v->nodes[b].count > FILLING_VIEWS_MAX)
        return false;
    for (uint32_t i = a; i != UINT32_MAX; i = v->nodes[i].next)
        for (uint32_t k = b; k != UINT32_MAX; k = v->nodes[k].next)
            if (v->list[i].view.point == v->list[k].view.point)
                return false;
    return true;
}

static void join(struct views *v, uint32_t i, uint32_t k)
{
    uint32_t a = root_of(v, i), b = root_of(v, k);
    if (a == b || !may_join(v, a, b))
        return;
    v->nodes[v->nodes[a].last].next = b;
    v->nodes[a].last = v->nodes[b].last;
    v->nodes[b].parent = a;
    v->nodes[a].count += v->nodes[b].count;
}

/* The two ends in one order, whoever the client is. */
static int compare_ends(const struct tuple *a, const struct tuple *b)
{
    struct tuple both[2] = { *a, *b };
    for (unsigned i = 0; i < 2; i++) {
        struct tuple *t = &both[i];
        int r = memcmp(t->source, t->destination, sizeof t->source);
        if (r > 0 || (r == 0 && t->source_port > t->destination_port)) {
            struct tuple swapped = *t;
            memcpy(swapped.source, t->destination, sizeof swapped.source);
            memcpy(swapped.destination, t->source, sizeof swapped.destination);
            swapped.source_port = t->destination_port;
            swapped.destination_port = t->source_port;
            *t = swapped;
        }
    }
    return memcmp(&both[0], &both[1], sizeof both[0]);
}

#define ORDER(x, y) \
    if ((x) != (y)) \
        return (x) < (y) ? -1 : 1
static int compare_time(const struct run_view *a, const struct run_view *b)
{
    ORDER(a->view.first_ns, b->view.first_ns);
    ORDER(a->shard, b->shard);
    ORDER(a->number, b->number);
    return 0;
}

static int by_ends(const void *a, const void *b, void *context)
{
    const struct run_view *list = context, *x = &list[*(const uint32_t *)a], *y = &list[*(const uint32_t *)b];
    int r = compare_ends(&x->view.tuple, &y->view.tuple);
    return r ? r : compare_time(x, y);
}

static int by_client_isn(const void *a, const void *b, void *context)
{
    const struct run_view *list = context, *x = &list[*(const uint32_t *)a], *y = &list[*(const uint32_t *)b];
    ORDER(x->view.client_isn, y->view.client_isn);
    return compare_time(x, y);
}

static bool isn_differ(const struct view *a, const struct view *b)
{
    uint32_t both = a->flags & b->flags;
    return ((both & VIEW_CLIENT_ISN) && a->client_isn != b->client_isn) || ((both & VIEW_SERVER_ISN) && a->server_isn != b->server_isn);
}

/* The same handshake, seen by clocks that differ by more than the connection lasted. */
static bool same_handshake(const struct view *a, const struct view *b)
{
    uint64_t apart = a->first_ns > b->first_ns ? (uint64_t)a->first_ns - (uint64_t)b->first_ns : (uint64_t)b->first_ns - (uint64_t)a->first_ns; /* times may be any */
    return (a->flags & b->flags & VIEW_CLIENT_ISN) && (a->flags & b->flags & VIEW_SERVER_ISN) && !isn_differ(a, b) && apart <= SKEW_NS_MAX;
}

static void join_same_ends(struct views *v, uint32_t *order)
{
    for (size_t i = 0; i < v->count; i++)
        for (size_t k = i + 1; k < v->count && k <= i + NEIGHBOURS_MAX; k++) {
            const struct view *a = &v->list[order[i]].view, *b = &v->list[order[k]].view;
            if (compare_ends(&a->tuple, &b->tuple) != 0)
                break;
            bool turned = memcmp(a->tuple.source, b->tuple.source, 16) != 0 || a->tuple.source_port != b->tuple.source_port; /* one took the other end for the client: numbers cannot be compared */
            if (overlap(a, b) ? turned || !isn_differ(a, b) : !turned && same_handshake(a, b))
                join(v, order[i], order[k]);
        }
}

static void join_translated(struct views *v, const uint32_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = i + 1; k < count && k <= i + NEIGHBOURS_MAX; k++) {
            const struct view *a = &v->list[order[i]].view, *b = &v->list[order[k]].view;
            if (a->client_isn != b->client_isn)
                break;
            if (!overlap(a, b) || compare_ends(&a->tuple, &b->tuple) == 0)
                continue;
            if (!(a->flags & b->flags & VIEW_SERVER_ISN))
                v->nodes[order[i]].maybe_copy = v->nodes[order[k]].maybe_copy = true;
            else if (a->server_isn == b->server_isn)
                join(v, order[i], order[k]);
        }
}

static bool tells_more(const struct run_view *a, const struct run_view *b)
{
    if (a->view.payload_bytes != b->view.payload_bytes)
        return a->view.payload_bytes > b->view.payload_bytes;
    int r = compare_time(a, b);
    return r != 0 ? r < 0 : a->view.point < b->view.point;
}

static void remember_seen(struct views *v, uint32_t root, struct fate *best)
{
    best->first_seen = v->seen_count;
    for (uint32_t k = root; k != UINT32_MAX; k = v->nodes[k].next) {
        struct seen seen = { .tuple = v->list[k].view.tuple, .node = v->list[k].view.node, .point = v->list[k].view.point };
        uint32_t at = v->seen_count++;
        while (at > best->first_seen && memcmp(&v->seen[at - 1], &seen, sizeof seen) > 0) { /* in the order of their bytes: the result must not depend on the list's */
            v->seen[at] = v->seen[at - 1];
            at--;
        }
        v->seen[at] = seen;
    }
    best->seen_count = v->seen_count - best->first_seen;
}

/* Whether another view may have what the teller lacks: a hole, the beginning, the end, a whole direction. */
static bool may_fill(const struct view *teller, const struct view *other)
{
    bool turned = memcmp(teller->tuple.source, other->tuple.source, 16) == 0 ? teller->tuple.source_port != other->tuple.source_port : memcmp(teller->tuple.source, other->tuple.destination, 16) == 0;
    uint64_t client = turned ? other->payload_bytes - other->client_payload : other->client_payload, server = other->payload_bytes - client;
    uint32_t handshake = VIEW_CLIENT_ISN | VIEW_SERVER_ISN, known = teller->flags & handshake, also = other->flags & handshake;
    if (teller->tuple.transport != TRANSPORT_TCP || other->payload_bytes == 0)
        return false;
    bool began = turned ? also && !known : (also & ~known) != 0, ended = other->end == END_CLOSED && teller->end != END_CLOSED;
    uint64_t teller_server = teller->payload_bytes - teller->client_payload;
    bool more = client > teller->client_payload || server > teller_server; /* otherwise it is a packet without payload that the teller lacks */
    return teller->missing_bytes > 0 || (more && (began || ended)) || (client > 0 && teller->client_payload == 0) || (server > 0 && teller_server == 0);
}

/* The set's members, the teller first, the others by time: the result must not depend on the list's order. */
static void note_filling(struct views *v, uint32_t root, uint32_t teller)
{
    struct filling filling = { .first = v->members_count, .count = 1 };
    bool wanted = false;
    v->members[filling.first] = v->list[teller];
    for (uint32_t k = root; k != UINT32_MAX; k = v->nodes[k].next) {
        if (k == teller)
            continue;
        wanted = wanted || may_fill(&v->list[teller].view, &v->list[k].view);
        uint32_t at = filling.first + filling.count++;
        while (at > filling.first + 1 && compare_time(&v->list[k], &v->members[at - 1]) < 0) {
            v->members[at] = v->members[at - 1];
            at--;
        }
        v->members[at] = v->list[k];
    }
    if (!wanted)
        return;
    v->members_count = filling.first + filling.count;
    v->fillings[v->fillings_count++] = filling;
}

static void decide(struct views *v)
{
    for (uint32_t i = 0; i < v->count; i++) {
        if (root_of(v, i) != i)
            continue;
        uint32_t best = i;
        bool maybe_copy = false;
        for (uint32_t k = i; k != UINT32_MAX; k = v->nodes[k].next) {
            if (tells_more(&v->list[k], &v->list[best]))
                best = k;
            maybe_copy = maybe_copy || v->nodes[k].maybe_copy;
        }
        for (uint32_t k = i; k != UINT32_MAX; k = v->nodes[k].next) {
            v->fates[k] = (struct fate){ .tells = k == best, .maybe_copy = maybe_copy };
            v->left_out += k != best;
        }
        if (v->nodes[i].next != UINT32_MAX) {
            remember_seen(v, i, &v->fates[best]);
            note_filling(v, i, best);
        }
    }
}

static int place_numbers(struct views *v)
{
    for (size_t i = 0; i < v->count; i++) {
        const struct run_view *view = &v->list[i];
        if (view->shard >= SHARDS || view->number >= v->count)
            return -EBADMSG;
        if (view->number >= v->counts[view->shard])
            v->counts[view->shard] = view->number + 1;
    }
    for (unsigned s = 0; s < SHARDS; s++) {
        v->first[s] = v->counts[s] ? malloc(v->counts[s] * sizeof(uint32_t)) : NULL;
        if (v->counts[s] && !v->first[s])
            return -ENOMEM;
        for (uint32_t i = 0; i < v->counts[s]; i++)
            v->first[s][i] = UINT32_MAX;
    }
    for (uint32_t i = 0; i < v->count; i++)
        v->first[v->list[i].shard][v->list[i].number] = i;
    return 0;
}

/* Views of one point are never one connection: where there is no other point, there is nothing to compare. */
static bool have_several_points(const struct views *v)
{
    for (size_t i = 1; i < v->count; i++)
        if (v->list[i].view.point != v->list[0].view.point)
            return true;
    return false;
}

static int join_all(struct views *v)
{
    uint32_t *order = malloc((v->count ? v->count : 1) * sizeof *order);
    if (!order)
        return -ENOMEM;
    for (uint32_t i = 0; i < v->count; i++) {
        order[i] = i;
        v->nodes[i] = (struct node){ .parent = i, .next = UINT32_MAX, .last = i, .count = 1 };
    }
    if (have_several_points(v)) {
        qsort_r(order, v->count, sizeof *order, by_ends, (void *)(uintptr_t)v->list);
        join_same_ends(v, order);
    }
    size_t known = 0;
    for (uint32_t i = 0; i < v->count; i++)
        if (v->list[i].view.flags & VIEW_CLIENT_ISN)
            order[known++] = i;
    qsort_r(order, known, sizeof *order, by_client_isn, (void *)(uintptr_t)v->list);
    join_translated(v, order, known);
    free(order);
    return 0;
}

int views_new(const struct run_view *list, size_t count, struct views **ret)
{
    if (count >= UINT32_MAX)
        return -E2BIG;
    struct views *v = calloc(1, sizeof *v);
    if (!v)
        return -ENOMEM;
    v->list = list;
    v->count = count;
    v->nodes = calloc(count ? count : 1, sizeof *v->nodes);
    v->fates = calloc(count ? count : 1, sizeof *v->fates);
    v->seen = calloc(count ? count : 1, sizeof *v->seen);
    v->members = calloc(count ? count : 1, sizeof *v->members); /* memory that is never touched where no view lacks anything */
    v->fillings = calloc(count ? count : 1, sizeof *v->fillings);
    int r = v->nodes && v->fates && v->seen && v->members && v->fillings ? place_numbers(v) : -ENOMEM;
    if (r == 0)
        r = join_all(v);
    if (r < 0) {
        views_free(v);
        return r;
    }
    decide(v);
    free(v->nodes);
    v->nodes = NULL;
    v->list = NULL;
    struct seen *fewer = realloc(v->seen, (v->seen_count ? v->seen_count : 1) * sizeof *v->seen);
    v->seen = fewer ? fewer : v->seen;
    *ret = v;
    return 0;
}

static struct fate *fate_of(const struct views *v, const struct record *r)
{
    uint32_t i = r->view < v->counts[r->shard] ? v->first[r->shard][r->view] : UINT32_MAX;
    return i == UINT32_MAX ? NULL : &v->fates[i];
}

int views_fate(const struct views *v, const struct record *record, struct view_fate *ret)
{
    const struct fate *fate = fate_of(v, record);
    if (!fate)
        return -EBADMSG;
    *ret = (struct view_fate){ fate->tells, fate->maybe_copy, fate->filled };
    return 0;
}

uint32_t views_fillings(const struct views *v) { return v->fillings_count; }

const struct run_view *views_filling(const struct views *v, uint32_t filling, uint32_t *ret_count)
{
    *ret_count = v->fillings[filling].count;
    return v->members + v->fillings[filling].first;
}

void views_set_filled(struct views *v, uint32_t number, const uint64_t *given)
{
    const struct filling *filling = &v->fillings[number];
    const struct run_view *members = v->members + filling->first;
    struct fate *fate = &v->fates[v->first[members->shard][members->number]];
    fate->filled = true;
    for (uint32_t i = 0; i < filling->count; i++)
        for (uint32_t k = fate->first_seen; k < fate->first_seen + fate->seen_count; k++)
            if (v->seen[k].point == members[i].view.point) /* of which a connection has one view */
                v->seen[k].given = given[i];
}

uint64_t views_connection(struct views *v, const struct record *record)
{
    struct fate *fate = fate_of(v, record);
    if (fate && fate->connection == 0)
        fate->connection = ++v->connections;
    return fate ? fate->connection : 0;
}

static int put_seen(char *text, size_t room, const struct seen *seen, const char *node, const char *interface)
{
    char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN], gave[48] = "";
    int family = seen->tuple.version == 4 ? AF_INET : AF_INET6;
    const char *open = family == AF_INET ? "" : "[", *close = family == AF_INET ? "" : "]";
    (void)inet_ntop(family, seen->tuple.source, source, sizeof source);
    (void)inet_ntop(family, seen->tuple.destination, destination, sizeof destination);
    if (seen->given)
        snprintf(gave, sizeof gave, " (gave %llu bytes)", (unsigned long long)seen->given);
    return snprintf(text, room, "%s%s%s%s%s%s%s:%u > %s%s%s:%u%s", node, node[0] ? " " : "", interface, interface[0] ? " " : "", open, source, close, seen->tuple.source_port, open, destination, close,
                    seen->tuple.destination_port, gave);
}

bool views_list(struct views *v, const struct record *record, const char *const *nodes, uint32_t nodes_count, const struct input_names *names, struct value *ret)
{
    const struct fate *fate = fate_of(v, record);
    size_t used = 0;
    if (!fate || fate->seen_count < 2)
        return false;
    if (v->list_room < (size_t)fate->seen_count * SEEN_TEXT_MAX) {
        uint8_t *grown = realloc(v->list_text, (size_t)fate->seen_count * SEEN_TEXT_MAX);
        if (!grown)
            return false;
        v->list_text = grown;
        v->list_room = (size_t)fate->seen_count * SEEN_TEXT_MAX;
    }
    for (uint32_t i = 0; i < fate->seen_count; i++) {
        const struct seen *seen = &v->seen[fate->first_seen + i];
        int n = put_seen((char *)v->list_text + used + 4, SEEN_TEXT_MAX - 4, seen, seen->node < nodes_count ? nodes[seen->node] : "", input_names_find(names, seen->point));
        uint32_t size = (uint32_t)(n < (int)SEEN_TEXT_MAX - 4 ? n : (int)SEEN_TEXT_MAX - 5);
        memcpy(v->list_text + used, &size, sizeof size);
        used += 4 + size;
    }
    *ret = (struct value){ .data = v->list_text, .size = (uint32_t)used };
    return true;
}

uint64_t views_left_out(const struct views *v) { return v->left_out; }
uint64_t views_connections(const struct views *v) { return v->connections; }

void views_free(struct views *v)
{
    if (!v)
        return;
    for (unsigned s = 0; s < SHARDS; s++)
        free(v->first[s]);
    free(v->nodes);
    free(v->fates);
    free(v->seen);
    free(v->members);
    free(v->fillings);
    free(v->list_text);
    free(v);
}
