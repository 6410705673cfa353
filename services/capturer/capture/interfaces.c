#include "services/capturer/capture/interfaces.h"

#include <assert.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/capturer/capture/choose.h"
#include "services/capturer/capture/links.h"

#define ERROR_TEXT 256

static_assert(FILTER_INTERFACES_MAX >= INTERFACES_LINKS_MAX, "a filter has room for every link");

enum state { SLOT_UNUSED, SLOT_LIVE, SLOT_GONE };
/* An interface that is or was recorded. Its place in the array is its slot: the number of its counters. */
struct watched {
    enum state state;
    uint64_t gone_at;                            /* in the order of going; the oldest is used again first */
    struct table_interface listed;
    struct filter_counter admitted_before;       /* by earlier users of the slot */
    struct segment_interface_ledger before;
};

struct interfaces {
    struct links *links;
    const char *const *patterns; size_t patterns_count;
    struct table *table;
    struct capture_filter *const *filters;
    uint32_t lanes;
    struct choose_decision *decisions;           /* by place in links */
    struct watched watched[FILTER_SLOTS_MAX];
    uint32_t live;
    uint64_t next_serial, gone;
    uint32_t others[INTERFACES_LINKS_MAX]; size_t others_count; /* ifindexes past the table's end, counted as "other" */
};

void interfaces_close(struct interfaces *interfaces)
{
    if (!interfaces)
        return;
    links_close(interfaces->links);
    free(interfaces->decisions);
    free(interfaces);
}

int interfaces_fd(const struct interfaces *interfaces) { return links_fd(interfaces->links); }

static struct filter_counter admitted_by_all(const struct interfaces *interfaces, uint32_t slot)
{
    struct filter_counter sum = { 0 };
    for (uint32_t i = 0; i < interfaces->lanes; i++) {
        struct filter_counter part = filter_count(interfaces->filters[i], slot);
        sum.packets += part.packets;
        sum.bytes += part.bytes;
    }
    return sum;
}

static struct segment_interface_ledger counted_by_all(const struct interfaces *interfaces, uint32_t slot)
{
    struct segment_interface_ledger sum = { 0 };
    for (uint32_t i = 0; i < interfaces->lanes; i++) {
        const struct table_counts *counts = &interfaces->table->lane[i]->counts[slot];
        sum.written_packets += atomic_load_explicit(&counts->written_packets, memory_order_relaxed);
        sum.written_bytes += atomic_load_explicit(&counts->written_bytes, memory_order_relaxed);
        sum.filtered_packets += atomic_load_explicit(&counts->filtered_packets, memory_order_relaxed);
        sum.dropped_packets += atomic_load_explicit(&counts->dropped_packets, memory_order_relaxed);
    }
    return sum;
}

static struct watched *find_live(struct interfaces *interfaces, uint32_t ifindex)
{
    for (uint32_t slot = FILTER_SLOTS_OWN; slot < FILTER_SLOTS_MAX; slot++)
        if (interfaces->watched[slot].state == SLOT_LIVE && interfaces->watched[slot].listed.ifindex == ifindex)
            return &interfaces->watched[slot];
    return NULL;
}

/* An unused slot, else the one whose interface went first. */
static struct watched *free_slot(struct interfaces *interfaces)
{
    struct watched *best = NULL;
    for (uint32_t slot = FILTER_SLOTS_OWN; slot < FILTER_SLOTS_MAX; slot++) {
        struct watched *watched = &interfaces->watched[slot];
        if (watched->state == SLOT_UNUSED)
            return watched;
        if (watched->state == SLOT_GONE && (!best || watched->gone_at < best->gone_at))
            best = watched;
    }
    assert(best);                                /* live ones are at most TABLE_LIVE_MAX, see filter.c */
    return best;
}

static void let_go(struct interfaces *interfaces, struct watched *watched)
{
    watched->state = SLOT_GONE;
    watched->listed.gone = true;
    watched->gone_at = ++interfaces->gone;
    interfaces->live--;
}

static void take_up(struct interfaces *interfaces, const struct choose_link *link, const struct choose_decision *decision)
{
    struct watched *watched = free_slot(interfaces);
    uint32_t slot = (uint32_t)(watched - interfaces->watched);
    *watched = (struct watched){
        .state = SLOT_LIVE,
        .listed = { .serial = interfaces->next_serial++, .ifindex = link->ifindex, .slot = slot, .link_type = decision->link_type, .raw_ip = decision->raw_ip },
        .admitted_before = admitted_by_all(interfaces, slot),
        .before = counted_by_all(interfaces, slot),
    };
    (void)snprintf(watched->listed.name, sizeof watched->listed.name, "%s", link->name);
    interfaces->live++;
}

/* Living ones and the last that went, in the order of their serials: a newer interface of the same ifindex stands later. */
static int by_serial(const void *a, const void *b)
{
    const struct table_interface *x = a, *y = b;
    return x->serial < y->serial ? -1 : x->serial > y->serial;
}

static int publish(struct interfaces *interfaces)
{
    struct table_list *list = calloc(1, sizeof *list + (TABLE_LIVE_MAX + TABLE_GONE_MAX) * sizeof list->interfaces[0]);
    if (!list)
        return -ENOMEM;
    for (uint32_t slot = FILTER_SLOTS_OWN; slot < FILTER_SLOTS_MAX; slot++) {
        const struct watched *watched = &interfaces->watched[slot];
        bool lately = watched->state == SLOT_GONE && watched->gone_at + TABLE_GONE_MAX > interfaces->gone;
        if (watched->state == SLOT_LIVE || lately)
            list->interfaces[list->count++] = watched->listed;
    }
    qsort(list->interfaces, list->count, sizeof list->interfaces[0], by_serial);
    table_publish(interfaces->table, list);
    return 0;
}

static int tell_filters(struct interfaces *interfaces, uint32_t ifindex, const struct filter_interface *interface)
{
    for (uint32_t i = 0; i < interfaces->lanes; i++) {
        int done = interface ? filter_add_interface(interfaces->filters[i], ifindex, *interface) : filter_remove_interface(interfaces->filters[i], ifindex);
        if (done < 0)
            return done;
    }
    return 0;
}

static const struct choose_decision *decision_of(const struct interfaces *interfaces, const struct choose_link *links, size_t count, uint32_t ifindex, const struct choose_link **ret_link)
{
    for (size_t i = 0; i < count; i++)
        if (links[i].ifindex == ifindex) {
            *ret_link = &links[i];
            return &interfaces->decisions[i];
        }
    return NULL;
}

/* What went, was renamed or is not chosen any more. Its packets still in a ring find it among the gone. */
static int drop_old(struct interfaces *interfaces, const struct choose_link *links, size_t count)
{
    int changed = 0;
    for (uint32_t slot = FILTER_SLOTS_OWN; slot < FILTER_SLOTS_MAX; slot++) {
        struct watched *watched = &interfaces->watched[slot];
        const struct choose_link *link = NULL;
        if (watched->state != SLOT_LIVE)
            continue;
        const struct choose_decision *decision = decision_of(interfaces, links, count, watched->listed.ifindex, &link);
        bool stays = decision && decision->recorded;
        if (stays && strcmp(link->name, watched->listed.name) == 0 && decision->link_type == watched->listed.link_type)
            continue;
        let_go(interfaces, watched);
        changed++;
        int done = stays ? 0 : tell_filters(interfaces, watched->listed.ifindex, NULL); /* a renamed one only changes its counters */
        if (done < 0)
            return done;
    }
    for (size_t i = 0; i < interfaces->others_count; i++) {
        const struct choose_link *link = NULL;
        const struct choose_decision *decision = decision_of(interfaces, links, count, interfaces->others[i], &link);
        int done = decision && decision->recorded ? 0 : tell_filters(interfaces, interfaces->others[i], NULL);
        if (done < 0)
            return done;
    }
    interfaces->others_count = 0;                /* apply counts them anew */
    return changed;
}

static int take_new(struct interfaces *interfaces, const struct choose_link *links, size_t count)
{
    int changed = 0;
    for (size_t i = 0; i < count; i++) {
        const struct choose_decision *decision = &interfaces->decisions[i];
        if (!decision->recorded || find_live(interfaces, links[i].ifindex) || interfaces->live == TABLE_LIVE_MAX)
            continue;
        take_up(interfaces, &links[i], decision);
        changed++;
    }
    return changed;
}

/* The list goes first: a packet that a filter admits finds its interface in it. */
static int apply(struct interfaces *interfaces)
{
    size_t count;
    const struct choose_link *links = links_all(interfaces->links, &count);
    choose_interfaces(links, count, interfaces->patterns, interfaces->patterns_count, interfaces->decisions);
    int old = drop_old(interfaces, links, count);
    if (old < 0)
        return old;
    int new = take_new(interfaces, links, count);
    int done = old || new ? publish(interfaces) : 0;
    for (size_t i = 0; i < count && done == 0; i++) {
        if (!interfaces->decisions[i].recorded)
            continue;
        const struct watched *watched = find_live(interfaces, links[i].ifindex);
        struct filter_interface filtered = { .flags = interfaces->decisions[i].raw_ip ? FILTER_RAW_IP : 0 };
        filtered.slot = watched ? watched->listed.slot : filtered.flags ? FILTER_SLOT_OTHER_IP : FILTER_SLOT_OTHER;
        done = tell_filters(interfaces, links[i].ifindex, &filtered);
        if (!watched && done == 0)
            interfaces->others[interfaces->others_count++] = links[i].ifindex;
    }
    return done < 0 ? done : old + new;
}

int interfaces_open(const char *const *patterns, size_t patterns_count, struct table *table, struct capture_filter *const *filters, uint32_t lanes, struct interfaces **ret, char *error)
{
    struct interfaces *interfaces = calloc(1, sizeof *interfaces);
    if (interfaces)
        interfaces->decisions = calloc(INTERFACES_LINKS_MAX, sizeof *interfaces->decisions);
    if (!interfaces || !interfaces->decisions) {
        interfaces_close(interfaces);
        (void)snprintf(error, ERROR_TEXT, "no memory for the list of interfaces");
        return -ENOMEM;
    }
    interfaces->patterns = patterns;
    interfaces->patterns_count = patterns_count;
    interfaces->table = table;
    interfaces->filters = filters;
    interfaces->lanes = lanes;
    interfaces->next_serial = TABLE_SERIAL_FIRST;
    int done = links_open(INTERFACES_LINKS_MAX, &interfaces->links);
    if (done == 0)
        done = apply(interfaces);
    if (done < 0) {
        (void)snprintf(error, ERROR_TEXT, "cannot list the network interfaces: %s", strerror(-done));
        interfaces_close(interfaces);
        return done;
    }
    *ret = interfaces;
    return 0;
}

int interfaces_watch(struct interfaces *interfaces)
{
    int done = links_read(interfaces->links);
    return done <= 0 ? done : apply(interfaces);
}

size_t interfaces_list(struct interfaces *interfaces, struct capture_interface *list, size_t most)
{
    size_t count, listed = 0;
    const struct choose_link *links = links_all(interfaces->links, &count);
    for (size_t i = 0; i < count && listed < most; i++) {
        struct capture_interface *one = &list[listed++];
        *one = (struct capture_interface){ .ifindex = links[i].ifindex, .recorded = interfaces->decisions[i].recorded };
        (void)snprintf(one->name, sizeof one->name, "%s", links[i].name);
        (void)snprintf(one->why, sizeof one->why, "%s", interfaces->decisions[i].why);
        const struct watched *watched = find_live(interfaces, links[i].ifindex);
        if (!watched)
            continue;
        struct filter_counter admitted = admitted_by_all(interfaces, watched->listed.slot);
        struct segment_interface_ledger counted = counted_by_all(interfaces, watched->listed.slot);
        one->offered_packets = admitted.packets - watched->admitted_before.packets;
        one->offered_bytes = admitted.bytes - watched->admitted_before.bytes;
        one->written_packets = counted.written_packets - watched->before.written_packets;
        one->written_bytes = counted.written_bytes - watched->before.written_bytes;
        one->filtered_packets = counted.filtered_packets - watched->before.filtered_packets;
        one->dropped_packets = counted.dropped_packets - watched->before.dropped_packets;
    }
    return listed;
}

size_t interfaces_not_visible(struct interfaces *interfaces, char (*texts)[160], size_t most)
{
    size_t count;
    const struct choose_link *links = links_all(interfaces->links, &count);
    return choose_not_visible(links, count, texts, most);
}

size_t interfaces_notes(struct interfaces *interfaces, char (*texts)[160], size_t most)
{
    size_t count, found = 0;
    const struct choose_link *links = links_all(interfaces->links, &count);
    for (size_t p = 0; p < interfaces->patterns_count && found < most; p++) {
        bool matches = strcmp(interfaces->patterns[p], "auto") == 0;
        for (size_t i = 0; i < count && !matches; i++)
            matches = fnmatch(interfaces->patterns[p], links[i].name, 0) == 0;
        if (!matches)
            (void)snprintf(texts[found++], 160, "no interface is called %.64s yet: it will be recorded when it comes", interfaces->patterns[p]);
    }
    for (size_t i = 0; i < count && found < most; i++)
        if (links[i].ifindex == FILTER_LOOPBACK && !links[i].up)
            (void)snprintf(texts[found++], 160, "lo is down: no canary can prove that recording works (ip link set lo up)");
    if (found < most && links_left_out(interfaces->links))
        (void)snprintf(texts[found++], 160, "%zu interfaces are not looked at: more than %u", links_left_out(interfaces->links), INTERFACES_LINKS_MAX);
    return found;
}
