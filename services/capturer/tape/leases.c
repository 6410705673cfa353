#include "services/capturer/tape/leases.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "services/capturer/tape/persist.h"

#define LEASES_NAME "leases"
#define LEASES_VERSION 1
#define ROOM_LEAST 16u

void lease_free(struct lease *lease)
{
    if (!lease)
        return;
    free(lease->ordinals);
    free(lease);
}

void leases_free(struct leases *leases)
{
    for (size_t i = 0; i < leases->count; i++)
        lease_free(leases->items[i]);
    leases->count = 0;
}

struct lease *leases_find(const struct leases *leases, const char *id)
{
    for (size_t i = 0; i < leases->count; i++)
        if (strcmp(leases->items[i]->id, id) == 0)
            return leases->items[i];
    return NULL;
}

int leases_add(struct leases *leases, const char *id, struct lease **ret)
{
    size_t size = strlen(id);
    if (size == 0 || size > LEASE_ID_BYTES_MAX)
        return -EINVAL;
    if (leases->count == LEASES_MAX)
        return -EMFILE;
    struct lease *lease = calloc(1, sizeof *lease);
    if (!lease)
        return -ENOMEM;
    memcpy(lease->id, id, size + 1);
    leases->items[leases->count++] = lease;
    *ret = lease;
    return 0;
}

void leases_remove(struct leases *leases, struct lease *lease)
{
    for (size_t i = 0; i < leases->count; i++)
        if (leases->items[i] == lease) {
            leases->items[i] = leases->items[--leases->count];
            lease_free(lease);
            return;
        }
}

void leases_expire(struct leases *leases, int64_t now_ns)
{
    for (size_t i = leases->count; i > 0; i--)
        if (leases->items[i - 1]->until_ns <= now_ns)
            leases_remove(leases, leases->items[i - 1]);
}

int lease_copy(const struct lease *lease, struct lease **ret)
{
    struct lease *copy = malloc(sizeof *copy);
    if (!copy)
        return -ENOMEM;
    *copy = *lease;
    copy->room = lease->count;
    copy->ordinals = calloc(lease->count + 1, sizeof *copy->ordinals);
    if (!copy->ordinals) {
        free(copy);
        return -ENOMEM;
    }
    if (lease->count > 0)
        memcpy(copy->ordinals, lease->ordinals, lease->count * sizeof *copy->ordinals);
    *ret = copy;
    return 0;
}

/* Where ordinal is or would stand. */
static size_t lease_place(const struct lease *lease, uint64_t ordinal)
{
    size_t low = 0, high = lease->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lease->ordinals[middle] >= ordinal)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

int lease_add(struct lease *lease, uint64_t ordinal)
{
    size_t place = lease_place(lease, ordinal);
    if (place < lease->count && lease->ordinals[place] == ordinal)
        return 0;
    if (lease->count == lease->room) {
        size_t room = lease->room < ROOM_LEAST ? ROOM_LEAST : lease->room * 2;
        uint64_t *ordinals = realloc(lease->ordinals, room * sizeof *ordinals);
        if (!ordinals)
            return -ENOMEM;
        lease->ordinals = ordinals;
        lease->room = room;
    }
    memmove(lease->ordinals + place + 1, lease->ordinals + place, (lease->count - place) * sizeof *lease->ordinals);
    lease->ordinals[place] = ordinal;
    lease->count++;
    return 0;
}

bool lease_drop(struct lease *lease, uint64_t ordinal)
{
    size_t place = lease_place(lease, ordinal);
    if (place == lease->count || lease->ordinals[place] != ordinal)
        return false;
    lease->count--;
    memmove(lease->ordinals + place, lease->ordinals + place + 1, (lease->count - place) * sizeof *lease->ordinals);
    return true;
}

void leases_apply(const struct leases *leases, struct catalogue *catalogue)
{
    for (size_t i = 0; i < catalogue->count; i++)
        catalogue_at(catalogue, i)->segment.leased_until_ns = 0;
    for (size_t i = 0; i < leases->count; i++) {
        const struct lease *lease = leases->items[i];
        /* Both are in the order of ordinals: one walk. */
        for (size_t at = 0, of = 0; at < lease->count && of < catalogue->count;) {
            struct tape_segment *segment = &catalogue_at(catalogue, of)->segment;
            if (segment->ordinal == lease->ordinals[at] && segment->leased_until_ns < lease->until_ns)
                segment->leased_until_ns = lease->until_ns;
            if (segment->ordinal <= lease->ordinals[at])
                of++;
            else
                at++;
        }
    }
}

/* Ordinals as runs: [first, last], .... */
static json_t *ordinals_to_json(const struct lease *lease)
{
    json_t *runs = json_array();
    for (size_t i = 0; i < lease->count;) {
        size_t end = i + 1;
        while (end < lease->count && lease->ordinals[end] == lease->ordinals[end - 1] + 1)
            end++;
        (void)json_array_append_new(runs, json_pack("[I, I]", (json_int_t)lease->ordinals[i], (json_int_t)lease->ordinals[end - 1]));
        i = end;
    }
    return runs;
}

int leases_save(int folder_fd, const struct leases *leases)
{
    json_t *items = json_array();
    for (size_t i = 0; i < leases->count; i++) {
        const struct lease *lease = leases->items[i];
        (void)json_array_append_new(items, json_pack("{s:s, s:I, s:o}", "lease", lease->id, "until_ns", (json_int_t)lease->until_ns, "ordinals", ordinals_to_json(lease)));
    }
    json_auto json_t *json = json_pack("{s:i, s:o}", "version", LEASES_VERSION, "leases", items);
    return json ? persist_write(folder_fd, LEASES_NAME, json, true) : -ENOMEM;
}

static int lease_from_json(struct leases *leases, json_t *json)
{
    const char *id;
    json_int_t until;
    json_t *runs;
    struct lease *lease;
    if (json_unpack(json, "{s:s, s:I, s:o}", "lease", &id, "until_ns", &until, "ordinals", &runs) != 0 || leases_find(leases, id))
        return -EBADMSG;
    int rc = leases_add(leases, id, &lease);
    if (rc < 0)
        return rc;
    lease->until_ns = until;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        json_int_t first = json_integer_value(json_array_get(json_array_get(runs, i), 0)), last = json_integer_value(json_array_get(json_array_get(runs, i), 1));
        if (first <= 0 || last < first || last - first >= (json_int_t)(CATALOGUE_SEGMENTS_MAX - lease->count))
            return -EBADMSG;                     /* more than a tape has: not written by a tape */
        for (json_int_t ordinal = first; ordinal <= last && rc == 0; ordinal++)
            rc = lease_add(lease, (uint64_t)ordinal);
    }
    return rc;
}

int leases_load(int folder_fd, struct leases *ret)
{
    json_auto json_t *json = NULL;
    int rc = persist_read(folder_fd, LEASES_NAME, &json);
    if (rc < 0)
        return rc;
    json_t *items;
    int version;
    if (json_unpack(json, "{s:i, s:o}", "version", &version, "leases", &items) != 0 || version != LEASES_VERSION)
        return -EBADMSG;
    struct leases leases = { 0 };
    for (size_t i = 0; i < json_array_size(items) && rc == 0; i++)
        rc = lease_from_json(&leases, json_array_get(items, i));
    if (rc < 0) {
        leases_free(&leases);
        return rc;
    }
    *ret = leases;
    return 0;
}
