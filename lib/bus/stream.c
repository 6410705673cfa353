#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/internal.h"
#include "bus/stream.h"

/* A publish acknowledgement: {"stream":"S","seq":7,"duplicate":true} or {"error":{...}}. */
static int read_ack(natsMsg *reply, uint64_t *ret_sequence, bool *ret_duplicate)
{
    json_auto json_t *ack = json_loadb(natsMsg_GetData(reply), (size_t)natsMsg_GetDataLength(reply), 0, NULL);
    if (!ack)
        return -EBADMSG;
    const json_t *problem = json_object_get(ack, "error");
    if (problem) {
        json_int_t code = json_integer_value(json_object_get(problem, "err_code"));
        if (code == BUS_API_WRONG_LAST_SEQUENCE || code == BUS_API_WRONG_LAST_SEQUENCE_CONSTANT)
            return -EEXIST;
        return json_integer_value(json_object_get(problem, "code")) == 503 ? -EAGAIN : -EIO;
    }
    const json_t *sequence = json_object_get(ack, "seq");
    if (!json_is_integer(sequence))
        return -EBADMSG; /* somebody else answered: a stream over a request/reply subject */
    if (ret_sequence)
        *ret_sequence = (uint64_t)json_integer_value(sequence);
    if (ret_duplicate)
        *ret_duplicate = json_is_true(json_object_get(ack, "duplicate"));
    return 0;
}

int bus_publish_stream(struct bus *bus, const char *subject, const void *data, size_t size, const struct bus_header *headers, size_t headers_count,
                       const char *message_id, uint64_t expected_last, uint64_t *ret_sequence, bool *ret_duplicate)
{
    struct bus_header all[BUS_HEADERS_MAX + 2];
    size_t count = 0;
    char expected[24];
    for (; count < headers_count && count < BUS_HEADERS_MAX; count++)
        all[count] = headers[count];
    if (message_id)
        all[count++] = (struct bus_header){ "Nats-Msg-Id", message_id };
    if (expected_last != BUS_ANY) {
        (void)snprintf(expected, sizeof expected, "%" PRIu64, expected_last);
        all[count++] = (struct bus_header){ "Nats-Expected-Last-Subject-Sequence", expected };
    }
    natsMsg *reply = NULL;
    int r = bus_exchange(bus, subject, data, size, all, count, BUS_TIMEOUT_MS, &reply);
    if (r < 0)
        return r;
    r = read_ack(reply, ret_sequence, ret_duplicate);
    natsMsg_Destroy(reply);
    return r;
}

int bus_stream_last_message(struct bus *bus, const char *stream, const char *subject, natsMsg **ret)
{
    char api[BUS_SUBJECT_MAX];
    if ((size_t)snprintf(api, sizeof api, "$JS.API.DIRECT.GET.%s.%s", stream, subject) >= sizeof api)
        return -ENAMETOOLONG;
    natsMsg *reply = NULL;
    int r = bus_exchange(bus, api, NULL, 0, NULL, 0, BUS_TIMEOUT_MS, &reply);
    if (r < 0)
        return r;
    const char *status = bus_message_header(reply, "Status");
    if (status) {
        r = strcmp(status, "404") == 0 ? -ENOENT : strcmp(status, "408") == 0 ? -EBADMSG : -EIO;
        natsMsg_Destroy(reply);
        return r;
    }
    if (!bus_message_header(reply, "Nats-Sequence")) {
        natsMsg_Destroy(reply);
        return -EBADMSG;
    }
    *ret = reply;
    return 0;
}

int bus_stream_last(struct bus *bus, const char *stream, const char *subject, uint64_t *ret_sequence, void **ret_data, size_t *ret_size, char *ret_id)
{
    natsMsg *message = NULL;
    int r = bus_stream_last_message(bus, stream, subject, &message);
    if (r < 0)
        return r;
    const char *id = bus_message_header(message, "Nats-Msg-Id");
    uint64_t sequence = strtoull(bus_message_header(message, "Nats-Sequence"), NULL, 10);
    r = bus_copy_data(message, ret_data, ret_size);
    if (r == 0) {
        *ret_sequence = sequence;
        (void)snprintf(ret_id, BUS_SUBJECT_MAX, "%s", id ? id : "");
    }
    natsMsg_Destroy(message);
    return r;
}
