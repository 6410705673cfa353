#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bus/internal.h"
#include "units/units.h"

#define ENDPOINTS_MAX 16 /* twice what the largest service has */

struct endpoint { char name[64], subject[BUS_SUBJECT_MAX]; uint64_t requests, errors; int64_t took_ns; };

struct bus_service {
    struct bus *bus;
    struct bus_subscription *subscription;
    char *name, *version, *description;
    char id[17], started[UNITS_TIME_TEXT_MAX];
    pthread_mutex_t lock;                 /* endpoints */
    struct endpoint endpoints[ENDPOINTS_MAX];
    size_t endpoints_count;
};

static json_t *describe_endpoints(struct bus_service *service, bool statistics)
{
    json_t *list = json_array();
    (void)pthread_mutex_lock(&service->lock);
    for (size_t i = 0; i < service->endpoints_count; i++) {
        const struct endpoint *endpoint = &service->endpoints[i];
        json_t *entry = json_pack("{s:s, s:s, s:s}", "name", endpoint->name, "subject", endpoint->subject, "queue_group", "");
        if (statistics && entry) {
            (void)json_object_set_new(entry, "num_requests", json_integer((json_int_t)endpoint->requests));
            (void)json_object_set_new(entry, "num_errors", json_integer((json_int_t)endpoint->errors));
            (void)json_object_set_new(entry, "last_error", json_string(""));
            (void)json_object_set_new(entry, "processing_time", json_integer(endpoint->took_ns));
            (void)json_object_set_new(entry, "average_processing_time",
                                      json_integer(endpoint->requests ? endpoint->took_ns / (int64_t)endpoint->requests : 0));
        }
        (void)json_array_append_new(list, entry);
    }
    (void)pthread_mutex_unlock(&service->lock);
    return list;
}

static json_t *describe(struct bus_service *service, const char *verb)
{
    char type[64];
    (void)snprintf(type, sizeof type, "io.nats.micro.v1.%s_response", strcmp(verb, "PING") == 0 ? "ping" : strcmp(verb, "INFO") == 0 ? "info" : "stats");
    json_t *answer = json_pack("{s:s, s:s, s:s, s:s, s:{}}", "type", type, "name", service->name, "id", service->id, "version", service->version, "metadata");
    if (!answer || strcmp(verb, "PING") == 0)
        return answer;
    bool statistics = strcmp(verb, "STATS") == 0;
    if (statistics)
        (void)json_object_set_new(answer, "started", json_string(service->started));
    else
        (void)json_object_set_new(answer, "description", json_string(service->description));
    (void)json_object_set_new(answer, "endpoints", describe_endpoints(service, statistics));
    return answer;
}

/* $SRV.<verb>, $SRV.<verb>.<name>, $SRV.<verb>.<name>.<id> */
static void on_question(void *context, const struct bus_message *message)
{
    struct bus_service *service = context;
    char text[BUS_SUBJECT_MAX];
    (void)snprintf(text, sizeof text, "%s", message->subject);
    char *rest = text;
    const char *tokens[5] = { 0 };
    size_t count = 0;
    for (char *token = strtok_r(text, ".", &rest); token && count < 5; token = strtok_r(NULL, ".", &rest))
        tokens[count++] = token;
    if (count < 2 || count > 4 || (strcmp(tokens[1], "PING") != 0 && strcmp(tokens[1], "INFO") != 0 && strcmp(tokens[1], "STATS") != 0) ||
        (tokens[2] && strcmp(tokens[2], service->name) != 0) || (tokens[3] && strcmp(tokens[3], service->id) != 0))
        return;
    json_auto json_t *answer = describe(service, tokens[1]);
    char *body = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    if (body)
        (void)bus_reply(service->bus, message, body, strlen(body), false);
    free(body);
}

static void free_service(struct bus_service *service)
{
    free(service->name);
    free(service->version);
    free(service->description);
    (void)pthread_mutex_destroy(&service->lock);
    free(service);
}

int bus_service_start(struct bus *bus, const char *name, const char *version, const char *description, struct bus_service **ret)
{
    struct bus_service *service = calloc(1, sizeof *service);
    if (!service)
        return -ENOMEM;
    (void)pthread_mutex_init(&service->lock, NULL);
    service->bus = bus;
    service->name = strdup(name);
    service->version = strdup(version);
    service->description = strdup(description);
    uint64_t id = 0;
    int r = !service->name || !service->version || !service->description ? -ENOMEM : getrandom(&id, sizeof id, 0) == sizeof id ? 0 : -EIO;
    (void)snprintf(service->id, sizeof service->id, "%016" PRIx64, id);
    (void)units_format_time(units_now_wall_ns(), service->started, sizeof service->started);
    if (r == 0)
        r = bus_subscribe(bus, "$SRV.>", NULL, on_question, service, &service->subscription);
    if (r < 0) {
        free_service(service);
        return r;
    }
    *ret = service;
    return 0;
}

void bus_service_endpoint(struct bus_service *service, const char *name, const char *subject)
{
    (void)pthread_mutex_lock(&service->lock);
    assert(service->endpoints_count < ENDPOINTS_MAX);
    struct endpoint *endpoint = &service->endpoints[service->endpoints_count++];
    *endpoint = (struct endpoint){ 0 };
    (void)snprintf(endpoint->name, sizeof endpoint->name, "%s", name);
    (void)snprintf(endpoint->subject, sizeof endpoint->subject, "%s", subject);
    (void)pthread_mutex_unlock(&service->lock);
}

void bus_service_count(struct bus_service *service, const char *endpoint, bool failed, int64_t took_ns)
{
    (void)pthread_mutex_lock(&service->lock);
    for (size_t i = 0; i < service->endpoints_count; i++) {
        struct endpoint *here = &service->endpoints[i];
        if (strcmp(here->name, endpoint) != 0)
            continue;
        here->requests++;
        here->errors += failed;
        here->took_ns += took_ns;
    }
    (void)pthread_mutex_unlock(&service->lock);
}

void bus_service_stop(struct bus_service *service)
{
    if (!service)
        return;
    bus_unsubscribe(service->subscription);
    free_service(service);
}
