#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/internal.h"
#include "units/units.h"

#define PROTOBUF_TYPE "application/protobuf"
#define PATIENCE_MS 250 /* how soon a refusal is seen */

static natsStatus build_message(const char *subject, const char *reply, const void *data, size_t size, const struct bus_header *headers,
                                size_t headers_count, natsMsg **ret)
{
    natsMsg *message = NULL;
    natsStatus s = natsMsg_Create(&message, subject, reply, data, (int)size);
    for (size_t i = 0; s == NATS_OK && i < headers_count; i++)
        s = natsMsgHeader_Set(message, headers[i].name, headers[i].value);
    if (s != NATS_OK) {
        natsMsg_Destroy(message);
        return s;
    }
    *ret = message;
    return NATS_OK;
}

natsStatus bus_new_inbox(const struct bus *bus, char *text)
{
    natsInbox *inbox = NULL;
    natsStatus s = natsInbox_Create(&inbox);
    if (s == NATS_OK)
        (void)snprintf(text, BUS_SUBJECT_MAX, "%s%s", bus->inbox_prefix, strchr(inbox, '.'));
    natsInbox_Destroy(inbox);
    return s;
}

const char *bus_message_header(natsMsg *message, const char *name)
{
    const char *value = NULL;
    return natsMsgHeader_Get(message, name, &value) == NATS_OK ? value : NULL;
}

int bus_copy_data(const natsMsg *message, void **ret_data, size_t *ret_size)
{
    size_t size = (size_t)natsMsg_GetDataLength(message);
    char *data = malloc(size + 1);
    if (!data)
        return -ENOMEM;
    if (size)
        memcpy(data, natsMsg_GetData(message), size);
    data[size] = '\0';
    *ret_data = data;
    *ret_size = size;
    return 0;
}

int bus_publish(struct bus *bus, const char *subject, const void *data, size_t size, const struct bus_header *headers, size_t headers_count)
{
    if (!bus_connected(bus))
        return -ENOTCONN;
    natsMsg *message = NULL;
    natsStatus s = build_message(subject, NULL, data, size, headers, headers_count, &message);
    if (s != NATS_OK)
        return bus_error(s);
    struct bus_link *link = bus_borrow(bus);
    s = natsConnection_PublishMsg(link->connection, message);
    bus_give_back(link);
    natsMsg_Destroy(message);
    return bus_error(s);
}

int bus_reply(struct bus *bus, const struct bus_message *message, const void *data, size_t size, bool protobuf)
{
    if (!message->reply || !*message->reply)
        return 0;
    const struct bus_header type = { "Content-Type", PROTOBUF_TYPE };
    return bus_publish(bus, message->reply, data, size, &type, protobuf ? 1 : 0);
}

/* A request that may take long: whoever may not ask shall hear of it at once, and not when the time is over. */
static natsStatus ask_patiently(struct bus *bus, struct bus_link *link, natsMsg *question, const char *inbox, int timeout_ms, natsMsg **ret)
{
    natsSubscription *answers = NULL;
    uint64_t refusals = bus_refusals(bus), generation = bus_generation(bus);
    int64_t until_ns = units_now_mono_ns() + timeout_ms * UNITS_NS_PER_MS;
    natsStatus s = natsConnection_SubscribeSync(&answers, link->connection, inbox);
    if (s == NATS_OK)
        s = natsConnection_PublishMsg(link->connection, question);
    bool asked = s == NATS_OK;
    while (asked) {
        s = natsSubscription_NextMsg(ret, answers, PATIENCE_MS);
        if (s != NATS_TIMEOUT)
            break;
        if (!bus_connected(bus) || bus_generation(bus) != generation)
            s = NATS_CONNECTION_DISCONNECTED;
        else if (bus_refused(bus, natsMsg_GetSubject(question), refusals))
            s = NATS_NOT_PERMITTED;
        else if (units_now_mono_ns() < until_ns)
            continue;
        break;
    }
    natsSubscription_Destroy(answers);
    return s;
}

int bus_exchange(struct bus *bus, const char *subject, const void *data, size_t size, const struct bus_header *headers, size_t headers_count,
                 int timeout_ms, natsMsg **ret)
{
    if (!bus_connected(bus))
        return -ENOTCONN;
    char inbox[BUS_SUBJECT_MAX];
    bool patiently = timeout_ms > BUS_TIMEOUT_MS;
    natsMsg *message = NULL, *reply = NULL;
    natsStatus s = patiently ? bus_new_inbox(bus, inbox) : NATS_OK;
    if (s == NATS_OK)
        s = build_message(subject, patiently ? inbox : NULL, data, size, headers, headers_count, &message);
    if (s != NATS_OK)
        return bus_error(s);
    uint64_t refusals = bus_refusals(bus);
    struct bus_link *link = bus_borrow(bus);
    s = patiently ? ask_patiently(bus, link, message, inbox, timeout_ms, &reply) : natsConnection_RequestMsg(&reply, link->connection, message, timeout_ms);
    bus_give_back(link);
    natsMsg_Destroy(message);
    if (s == NATS_OK && natsMsg_IsNoResponders(reply)) {
        natsMsg_Destroy(reply);
        s = NATS_NO_RESPONDERS;
    }
    if (s == NATS_TIMEOUT && bus_refused(bus, subject, refusals))
        s = NATS_NOT_PERMITTED;
    if (s != NATS_OK)
        return bus_error(s);
    *ret = reply;
    return 0;
}

int bus_request(struct bus *bus, const char *subject, const void *data, size_t size, bool protobuf, int timeout_ms, void **ret_data, size_t *ret_size)
{
    const struct bus_header type = { "Content-Type", PROTOBUF_TYPE };
    natsMsg *reply = NULL;
    int r = bus_exchange(bus, subject, data, size, &type, protobuf ? 1 : 0, timeout_ms, &reply);
    if (r < 0)
        return r;
    r = bus_copy_data(reply, ret_data, ret_size);
    natsMsg_Destroy(reply);
    return r;
}

size_t bus_event_headers(const struct bus_event *event, struct bus_header *headers)
{
    size_t n = 0;
    headers[n++] = (struct bus_header){ "ce-specversion", "1.0" };
    headers[n++] = (struct bus_header){ "ce-id", event->id };
    headers[n++] = (struct bus_header){ "ce-source", event->source };
    headers[n++] = (struct bus_header){ "ce-type", event->type };
    headers[n++] = (struct bus_header){ "ce-time", event->time };
    if (event->subject[0])
        headers[n++] = (struct bus_header){ "ce-subject", event->subject };
    return n;
}

void bus_node_token(const char *node, char *token)
{
    (void)snprintf(token, BUS_SUBJECT_MAX, "%s", node);
    /* White space and wildcards cannot be in a subject either; a node name should not hold them, but a bad one must not listen on everything. */
    for (char *p = token; *p; p++)
        if (strchr(".*> \t\r\n", *p))
            *p = '_';
}
