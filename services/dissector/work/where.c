#include "services/dissector/work/where.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/database/memory.h"
#include "services/dissector/query/matcher.h"
#include "units/units.h"

#define BATCH_ENTRIES 4096u             /* asked at once: the question's own cost is spread over them */
#define BATCH_BYTES (32u * 1024 * 1024) /* of their records */

struct where {
    struct database_memory *database;
    struct query_matcher *matcher;
    int (*matched)(void *context, struct entry *entry);
    void *context;
    struct entry *entries; uint32_t count;
    uint8_t *records; size_t used;      /* copies: the originals are borrowed for a call alone */
    int failed;
};

int where_new(const char *expression, int (*matched)(void *context, struct entry *entry), void *context, struct where **ret, char *error)
{
    struct where *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    struct query_error wrong = { 0 };
    w->matched = matched;
    w->context = context;
    w->entries = malloc(BATCH_ENTRIES * sizeof *w->entries);
    w->records = malloc(BATCH_BYTES);
    int r = w->entries && w->records ? database_memory_open(protocols, protocols_count, &w->database, error) : -ENOMEM;
    if (r == 0)
        r = query_matcher_open(database_memory_handle(w->database), NULL, expression, units_now_wall_ns(), &w->matcher, &wrong);
    if (r < 0) {
        if (wrong.text[0] && wrong.column)
            snprintf(error, OUTPUT_ERROR_TEXT_MAX, "the expression is wrong at column %u: %s", wrong.column, wrong.text);
        else if (wrong.text[0])
            snprintf(error, OUTPUT_ERROR_TEXT_MAX, "the expression cannot be asked: %s", wrong.text);
        where_free(w);
        return r;
    }
    *ret = w;
    return 0;
}

static void on_match(void *context, int64_t id)
{
    struct where *w = context;
    if (w->failed == 0 && id >= 1 && id <= w->count)
        w->failed = w->matched(w->context, &w->entries[id - 1]);
}

static int ask(struct where *w, char *error)
{
    struct query_error wrong = { 0 };
    if (w->count == 0)
        return 0;
    int r = database_memory_ready(w->database, error);
    if (r == 0 && (r = query_matcher_run(w->matcher, on_match, w, &wrong)) < 0)
        snprintf(error, OUTPUT_ERROR_TEXT_MAX, "the expression cannot be answered: %s", wrong.text);
    if (r == 0)
        r = w->failed;
    if (r == 0)
        r = database_memory_clear(w->database, error);
    w->count = 0;
    w->used = 0;
    return r;
}

static bool is_within(const struct value *value, const struct record *r)
{
    return (uintptr_t)value->data >= (uintptr_t)r && (uintptr_t)value->data < (uintptr_t)r + r->size;
}

/* Bytes of values that are not the record's own (finalising adds some). */
static size_t extra_bytes(const struct entry *entry)
{
    size_t bytes = 0;
    for (uint64_t left = entry->values.present; left; left &= left - 1) {
        const struct value *value = &entry->values.at[__builtin_ctzll(left)];
        bytes += value->data && !is_within(value, entry->record) ? value->size : 0;
    }
    return (bytes + 7) & ~(size_t)7;
}

/* The record goes with the batch, and its values with it. */
static void keep(struct where *w, const struct entry *entry, struct entry *ret)
{
    const struct record *r = entry->record;
    uint8_t *copy = w->records + w->used, *extra = copy + r->size;
    memcpy(copy, r, r->size);
    *ret = *entry;
    ret->record = (const struct record *)copy;
    for (uint64_t left = entry->values.present; left; left &= left - 1) {
        struct value *value = &ret->values.at[__builtin_ctzll(left)];
        if (value->data && is_within(value, r)) {
            value->data = copy + (value->data - (const uint8_t *)r);
        } else if (value->data) {
            value->data = memcpy(extra, value->data, value->size);
            extra += value->size;
        }
    }
    w->used += r->size + extra_bytes(entry);
}

int where_add(struct where *w, const struct entry *entry, char *error)
{
    size_t bytes = entry->record->size + extra_bytes(entry);
    if (bytes > BATCH_BYTES)
        return -E2BIG;
    if (w->count == BATCH_ENTRIES || w->used + bytes > BATCH_BYTES) {
        int r = ask(w, error);
        if (r < 0)
            return r;
    }
    struct entry *kept = &w->entries[w->count++];
    keep(w, entry, kept);
    kept->id = w->count;
    return database_memory_add(w->database, kept, error);
}

int where_finish(struct where *w, char *error) { return ask(w, error); }

void where_free(struct where *w)
{
    if (!w)
        return;
    query_matcher_close(w->matcher);
    database_memory_close(w->database);
    free(w->entries);
    free(w->records);
    free(w);
}
