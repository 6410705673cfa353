#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/internal.h"
#include "bus/stream.h"
#include "units/units.h"

/* A bucket B is the stream KV_B over $KV.B.>; a key's value is the last message on its subject, a deleted key has one with
 * the header KV-Operation (ADR-8). */

static int key_subject(const char *bucket, const char *key, char *stream, char *subject)
{
    if (!*key || strpbrk(key, "*> \t\r\n"))
        return -EINVAL;
    if ((size_t)snprintf(stream, BUS_SUBJECT_MAX, "KV_%s", bucket) >= BUS_SUBJECT_MAX ||
        (size_t)snprintf(subject, BUS_SUBJECT_MAX, "$KV.%s.%s", bucket, key) >= BUS_SUBJECT_MAX)
        return -ENAMETOOLONG;
    return 0;
}

static bool is_deleted(natsMsg *message)
{
    const char *operation = bus_message_header(message, "KV-Operation");
    return operation && (strcmp(operation, "DEL") == 0 || strcmp(operation, "PURGE") == 0);
}

static int read_last(struct bus *bus, const char *bucket, const char *key, struct bus_value *ret)
{
    char stream[BUS_SUBJECT_MAX], subject[BUS_SUBJECT_MAX];
    int r = key_subject(bucket, key, stream, subject);
    natsMsg *message = NULL;
    if (r == 0)
        r = bus_stream_last_message(bus, stream, subject, &message);
    if (r < 0)
        return r;
    struct bus_value value = { .revision = strtoull(bus_message_header(message, "Nats-Sequence"), NULL, 10), .deleted = is_deleted(message) };
    const char *time = bus_message_header(message, "Nats-Time-Stamp");
    if (!time || units_parse_time(time, &value.time_ns) < 0)
        value.time_ns = 0;
    r = bus_copy_data(message, &value.data, &value.size);
    natsMsg_Destroy(message);
    if (r == 0)
        *ret = value;
    return r;
}

int bus_kv_get(struct bus *bus, const char *bucket, const char *key, struct bus_value *ret)
{
    struct bus_value value = { 0 };
    int r = read_last(bus, bucket, key, &value);
    if (r < 0)
        return r;
    if (value.deleted) {
        bus_value_free(&value);
        return -ENOENT;
    }
    *ret = value;
    return 0;
}

static int write_key(struct bus *bus, const char *bucket, const char *key, const void *data, size_t size, const struct bus_header *header,
                     uint64_t expected, uint64_t *ret_revision)
{
    char stream[BUS_SUBJECT_MAX], subject[BUS_SUBJECT_MAX];
    int r = key_subject(bucket, key, stream, subject);
    if (r < 0)
        return r;
    return bus_publish_stream(bus, subject, data, size, header, header ? 1 : 0, NULL, expected, ret_revision, NULL);
}

int bus_kv_put(struct bus *bus, const char *bucket, const char *key, const void *data, size_t size, uint64_t *ret_revision)
{
    return write_key(bus, bucket, key, data, size, NULL, BUS_ANY, ret_revision);
}

int bus_kv_update(struct bus *bus, const char *bucket, const char *key, const void *data, size_t size, uint64_t revision, uint64_t *ret_revision)
{
    return write_key(bus, bucket, key, data, size, NULL, revision, ret_revision);
}

int bus_kv_create(struct bus *bus, const char *bucket, const char *key, const void *data, size_t size, uint64_t *ret_revision)
{
    int r = bus_kv_update(bus, bucket, key, data, size, 0, ret_revision);
    if (r != -EEXIST)
        return r;
    struct bus_value last = { 0 }; /* a deleted key is free again */
    if (read_last(bus, bucket, key, &last) < 0)
        return -EEXIST;
    bool deleted = last.deleted;
    uint64_t revision = last.revision;
    bus_value_free(&last);
    return deleted ? bus_kv_update(bus, bucket, key, data, size, revision, ret_revision) : -EEXIST;
}

int bus_kv_delete(struct bus *bus, const char *bucket, const char *key)
{
    const struct bus_header deleted = { "KV-Operation", "DEL" };
    return write_key(bus, bucket, key, NULL, 0, &deleted, BUS_ANY, NULL);
}

/* An ephemeral consumer that sends the last message of each subject to inbox. *ret_pending: how many there are. */
static int open_reader(struct bus *bus, const char *bucket, const char *inbox, char *name, uint64_t *ret_pending)
{
    char subject[BUS_SUBJECT_MAX], stream[BUS_SUBJECT_MAX], filter[BUS_SUBJECT_MAX];
    (void)snprintf(stream, sizeof stream, "KV_%.200s", bucket);
    (void)snprintf(filter, sizeof filter, "$KV.%.200s.>", bucket);
    (void)snprintf(subject, sizeof subject, "$JS.API.CONSUMER.CREATE.%.300s", stream);
    json_auto json_t *request = json_pack("{s:s, s:{s:s, s:s, s:s, s:s, s:I, s:b, s:i}}", "stream_name", stream, "config", "deliver_subject", inbox,
                                          "deliver_policy", "last_per_subject", "ack_policy", "none", "filter_subject", filter,
                                          "inactive_threshold", (json_int_t)(10 * UNITS_NS_PER_S), "mem_storage", 1, "num_replicas", 1);
    json_auto json_t *answer = NULL;
    int code = 0;
    int r = request ? bus_api(bus, subject, request, &answer, &code, NULL) : -ENOMEM;
    if (r < 0)
        return r;
    const char *made = json_string_value(json_object_get(answer, "name"));
    if (code || !made)
        return code == BUS_API_STREAM_NOT_FOUND ? -ENOENT : -EIO;
    (void)snprintf(name, BUS_SUBJECT_MAX, "$JS.API.CONSUMER.DELETE.%.200s.%.200s", stream, made);
    *ret_pending = (uint64_t)json_integer_value(json_object_get(answer, "num_pending"));
    return 0;
}

static int hand_over(const char *bucket, natsMsg *message, int (*found)(void *, const char *, const struct bus_value *), void *context, uint64_t *ret_pending)
{
    struct bus_delivery delivery;
    const char *subject = natsMsg_GetSubject(message);
    size_t prefix = strlen("$KV.") + strlen(bucket) + 1;
    int r = bus_parse_delivery(natsMsg_GetReply(message), &delivery);
    if (r < 0 || strlen(subject) <= prefix)
        return -EBADMSG;
    *ret_pending = delivery.pending;
    if (is_deleted(message))
        return 0;
    const struct bus_value value = { .data = (void *)(uintptr_t)natsMsg_GetData(message), .size = (size_t)natsMsg_GetDataLength(message),
                                     .revision = delivery.sequence, .time_ns = delivery.time_ns };
    return found(context, subject + prefix, &value);
}

int bus_kv_each(struct bus *bus, const char *bucket, int (*found)(void *context, const char *key, const struct bus_value *value), void *context)
{
    natsSubscription *subscription = NULL;
    char consumer[BUS_SUBJECT_MAX] = "", inbox[BUS_SUBJECT_MAX];
    uint64_t pending = 0;
    if (!bus_connected(bus))
        return -ENOTCONN;
    struct bus_link *link = bus_borrow(bus);
    natsStatus s = bus_new_inbox(bus, inbox);
    if (s == NATS_OK)
        s = natsConnection_SubscribeSync(&subscription, link->connection, inbox);
    int r = s == NATS_OK ? open_reader(bus, bucket, inbox, consumer, &pending) : bus_error(s);
    while (r == 0 && pending > 0) {
        natsMsg *message = NULL;
        s = natsSubscription_NextMsg(&message, subscription, BUS_TIMEOUT_MS);
        r = s == NATS_OK ? hand_over(bucket, message, found, context, &pending) : bus_error(s);
        natsMsg_Destroy(message);
    }
    if (*consumer) { /* it would go by itself in some seconds */
        json_auto json_t *answer = NULL;
        int code = 0;
        (void)bus_api(bus, consumer, NULL, &answer, &code, NULL);
    }
    natsSubscription_Destroy(subscription);
    bus_give_back(link);
    return r;
}

void bus_value_free(struct bus_value *value)
{
    free(value->data);
    value->data = NULL;
}
