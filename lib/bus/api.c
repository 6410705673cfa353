#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/internal.h"

int bus_api(struct bus *bus, const char *subject, const json_t *request, json_t **ret, int *ret_api_code, char *error)
{
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    if (request && !text)
        return -ENOMEM;
    natsMsg *reply = NULL;
    int r = bus_exchange(bus, subject, text, text ? strlen(text) : 0, NULL, 0, BUS_TIMEOUT_MS, &reply);
    free(text);
    if (r < 0) {
        if (error && r == -EACCES)
            (void)snprintf(error, BUS_ERROR_TEXT_MAX, "the NATS server does not permit %.120s to this user: use one that may, as in deploy/nats.conf", subject);
        else if (error)
            (void)snprintf(error, BUS_ERROR_TEXT_MAX, r == -ENOENT ? "JetStream is not enabled on the NATS server, or not ready" : "%s", strerror(-r));
        return r;
    }
    json_t *answer = json_loadb(natsMsg_GetData(reply), (size_t)natsMsg_GetDataLength(reply), 0, NULL);
    natsMsg_Destroy(reply);
    if (!answer) {
        if (error)
            (void)snprintf(error, BUS_ERROR_TEXT_MAX, "the answer to %s is not JSON", subject);
        return -EBADMSG;
    }
    const json_t *problem = json_object_get(answer, "error");
    json_int_t code = json_integer_value(json_object_get(problem, "err_code"));
    *ret_api_code = !problem ? 0 : code > 0 && code < INT32_MAX ? (int)code : -1;
    if (problem && error) {
        const char *description = json_string_value(json_object_get(problem, "description"));
        (void)snprintf(error, BUS_ERROR_TEXT_MAX, "%.200s", description ? description : "unnamed JetStream error");
    }
    *ret = answer;
    return 0;
}

/* $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>, or with
 * <domain>.<account hash> before the stream and a random token at the end. */
int bus_parse_delivery(const char *reply, struct bus_delivery *ret)
{
    char text[BUS_SUBJECT_MAX];
    const char *tokens[16];
    size_t count = 0;
    if (!reply || strncmp(reply, "$JS.ACK.", 8) != 0 || (size_t)snprintf(text, sizeof text, "%s", reply) >= sizeof text)
        return -EBADMSG;
    char *rest = text;
    for (char *token = strtok_r(text, ".", &rest); token && count < 16; token = strtok_r(NULL, ".", &rest))
        tokens[count++] = token;
    size_t at = count == 9 ? 4 : count >= 11 ? 6 : 0; /* of <delivered> */
    if (!at || count < at + 5)
        return -EBADMSG;
    *ret = (struct bus_delivery){ .deliveries = strtoull(tokens[at], NULL, 10), .sequence = strtoull(tokens[at + 1], NULL, 10),
                                  .time_ns = strtoll(tokens[at + 3], NULL, 10), .pending = strtoull(tokens[at + 4], NULL, 10) };
    return 0;
}
