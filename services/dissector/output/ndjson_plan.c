#include "services/dissector/output/ndjson_plan.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int group_size(const char *name)
{
    const char *dot = strchr(name, '.');
    return dot ? (int)(dot - name) : 0;
}

static bool same_group(const char *a, const char *b)
{
    int size = group_size(a);
    return size > 0 && size == group_size(b) && memcmp(a, b, (size_t)size) == 0;
}

static int key_make(struct ndjson_key *key, uint8_t field, uint8_t group, const char *name)
{
    int size = group_size(name);
    const char *leaf = size ? name + size + 1 : name;
    if (strchr(leaf, '.'))
        return -EINVAL;
    int open_size = size ? snprintf(key->open, sizeof key->open, ",\"%.*s\":{\"%s\":", size, name, leaf) : snprintf(key->open, sizeof key->open, ",\"%s\":", leaf);
    int next_size = snprintf(key->next, sizeof key->next, ",\"%s\":", leaf);
    if (open_size >= (int)sizeof key->open || next_size >= (int)sizeof key->next)
        return -EINVAL;
    key->field = field;
    key->group = group;
    key->open_size = (uint8_t)open_size;
    key->next_size = (uint8_t)next_size;
    return 0;
}

int ndjson_plan_make(const struct detail *detail, uint64_t wanted, struct ndjson_plan *ret)
{
    uint64_t done = 0;
    uint8_t groups = 0;
    ret->detail = detail;
    ret->count = ret->bytes = 0;
    for (uint32_t i = 0; i < detail->count && i < DETAIL_FIELDS_MAX; i++) {
        const char *first = detail->fields[i].name;
        uint8_t group = group_size(first) ? ++groups : 0;
        for (uint32_t k = i; k < detail->count && k < DETAIL_FIELDS_MAX; k++) {
            if (!(wanted >> k & 1) || done >> k & 1 || (k != i && !same_group(first, detail->fields[k].name)))
                continue;
            struct ndjson_key *key = &ret->keys[ret->count];
            int r = key_make(key, (uint8_t)k, group, detail->fields[k].name);
            if (r < 0)
                return r;
            done |= UINT64_C(1) << k;
            ret->count++;
            ret->bytes += key->open_size + 1u;
        }
    }
    return 0;
}
