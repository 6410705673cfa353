#include "services/dissector/jobs/item.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "json/json.h"
#include "mem/cleanup.h"

static void item_path(const struct workplace *place, enum plan_stage stage, uint32_t number, char path[static WORKPLACE_PATH_MAX])
{
    char file[64];
    snprintf(file, sizeof file, "%s-%u.json", plan_stage_name(stage), number);
    workplace_path(place, file, path);
}

int item_read(const struct workplace *place, enum plan_stage stage, uint32_t number, Tapeloop__V1__DissectItem **ret)
{
    char path[WORKPLACE_PATH_MAX], error[WIRE_ERROR_TEXT_MAX];
    mem_auto_free char *text = NULL;
    size_t size = 0;
    ProtobufCMessage *message = NULL;
    item_path(place, stage, number, path);
    int r = json_read_text(path, ITEM_BYTES_MAX, &text, &size);
    if (r == 0)
        r = wire_decode_json(&tapeloop__v1__dissect_item__descriptor, text, size, ITEM_BYTES_MAX, &message, error);
    if (r < 0)
        return r;
    *ret = (Tapeloop__V1__DissectItem *)message;
    return 0;
}

int item_write(const struct workplace *place, enum plan_stage stage, uint32_t number, const Tapeloop__V1__DissectItem *item)
{
    char path[WORKPLACE_PATH_MAX];
    mem_auto_free char *text = NULL;
    int r = wire_encode_pretty(&item->base, &text);
    item_path(place, stage, number, path);
    return r < 0 ? r : json_write_text(path, text, strlen(text), 0644);
}

static void told_path(const struct workplace *place, enum plan_stage stage, uint32_t number, char path[static WORKPLACE_PATH_MAX])
{
    char file[64];
    snprintf(file, sizeof file, "%s-%u.percent.json", plan_stage_name(stage), number);
    workplace_path(place, file, path);
}

int item_tell(const struct workplace *place, enum plan_stage stage, uint32_t number, uint64_t done, uint64_t total)
{
    char path[WORKPLACE_PATH_MAX], text[8];
    uint64_t percent = total == 0 ? 0 : done >= total ? 100 : (uint64_t)((double)done * 100 / (double)total);
    told_path(place, stage, number, path);
    int size = snprintf(text, sizeof text, "%3u\n", (unsigned)percent), fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    int r = pwrite(fd, text, (size_t)size, 0) == size ? 0 : -EIO; /* always as long: nobody sees half of it */
    (void)close(fd);
    return r;
}

int item_told(const struct workplace *place, enum plan_stage stage, uint32_t number)
{
    char path[WORKPLACE_PATH_MAX];
    mem_auto_free char *text = NULL;
    size_t size = 0;
    told_path(place, stage, number, path);
    int r = json_read_text(path, ITEM_BYTES_MAX, &text, &size);
    unsigned long percent = r == 0 ? strtoul(text, NULL, 10) : 0;
    return r < 0 ? r : percent > 100 ? 100 : (int)percent;
}

bool item_is(const Tapeloop__V1__DissectItem *item, const char *state) { return strcmp(item->state, state) == 0; }

int item_add_counter(size_t *count, void *array_field, const ProtobufCMessageDescriptor *entry_type, const char *name, uint64_t value)
{
    ProtobufCMessage *entry = wire_new(entry_type);
    if (!entry)
        return -ENOMEM;
    /* protobuf-c gives the entries of every map<string, uint64> the same two members. */
    Tapeloop__V1__DissectItem__CountersEntry *counter = (Tapeloop__V1__DissectItem__CountersEntry *)entry;
    _Static_assert(sizeof(Tapeloop__V1__DissectEvent__CountersEntry) == sizeof *counter && sizeof(Tapeloop__V1__DissectManifest__CountersEntry) == sizeof *counter, "one layout");
    counter->value = value;
    int r = wire_set_string(&counter->key, name);
    if (r == 0)
        r = wire_append(count, array_field, entry);
    if (r < 0)
        wire_free(entry);
    return r;
}

int item_set_result(Tapeloop__V1__DissectItem *item, const struct stage_result *result)
{
    item->packets = result->packets;
    item->bytes = result->bytes;
    item->entries = result->entries;
    item->connections = result->connections;
    int r = wire_set_string(&item->digest, result->digest);
    for (uint32_t i = 0; r == 0 && i < result->counters_count && i < STAGE_COUNTERS_MAX; i++)
        r = item_add_counter(&item->n_counters, &item->counters, &tapeloop__v1__dissect_item__counters_entry__descriptor, result->counters[i].name, result->counters[i].value);
    return r;
}
