#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/internal.h"

/* proto/streams.json, in the library. The Makefile rebuilds this object when that file changes. */
__asm__(".section .rodata\n"
        ".global bus_definitions_text\n"
        "bus_definitions_text:\n"
        ".incbin \"proto/streams.json\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char bus_definitions_text[];

struct application { struct bus *bus; void (*report)(void *context, const char *what, const char *change); void *context; char *error; };

static void report(const struct application *application, const char *kind, const char *name, const char *change)
{
    char what[BUS_SUBJECT_MAX];
    (void)snprintf(what, sizeof what, "%s %s", kind, name);
    if (application->report)
        application->report(application->context, what, change);
}

/* Whether `has` holds every member of `wants`, with its value. The server adds members of its own. */
static bool holds(const json_t *has, const json_t *wants)
{
    const char *key;
    const json_t *value;
    /* jansson's loop wants a changeable object, and changes nothing. */
    json_object_foreach((json_t *)(uintptr_t)wants, key, value)
        if (!json_equal(json_object_get(has, key), value))
            return false;
    return true;
}

static int failed(const struct application *application, const char *kind, const char *name, const char *doing)
{
    char text[BUS_ERROR_TEXT_MAX];
    (void)snprintf(text, sizeof text, "%s", application->error);
    (void)snprintf(application->error, BUS_ERROR_TEXT_MAX, "cannot %s %s %.60s: %.150s", doing, kind, name, text);
    return -EIO;
}

/* The kinds differ in their subjects and in what wraps a configuration. */
struct kind { const char *name, *info, *create, *update; int not_found; };

static int apply_one(const struct application *application, const struct kind *kind, const char *name, const json_t *wants, const char *info_subject,
                     const char *create_subject, const char *update_subject, json_t *(*wrap)(const char *name, json_t *config))
{
    json_auto json_t *info = NULL, *request = NULL, *answer = NULL;
    int code = 0;
    int r = bus_api(application->bus, info_subject, NULL, &info, &code, application->error);
    if (r < 0)
        return r;
    bool missing = code == kind->not_found;
    if (code && !missing)
        return failed(application, kind->name, name, "look up");
    json_auto json_t *config = missing ? json_object() : json_deep_copy(json_object_get(info, "config"));
    if (!missing && holds(config, wants)) {
        report(application, kind->name, name, "unchanged");
        return 0;
    }
    if (!config || json_object_update(config, (json_t *)(uintptr_t)wants) < 0 || !(request = wrap(name, config)))
        return -ENOMEM;
    r = bus_api(application->bus, missing ? create_subject : update_subject, request, &answer, &code, application->error);
    if (r < 0)
        return r;
    if (code)
        return failed(application, kind->name, name, missing ? "create" : "update");
    report(application, kind->name, name, missing ? "created" : "updated");
    return 0;
}

static json_t *wrap_stream(const char *name, json_t *config)
{
    (void)name;
    return json_incref(config);
}

static json_t *wrap_consumer(const char *stream, json_t *config)
{
    return json_pack("{s:s, s:O}", "stream_name", stream, "config", config);
}

static int apply_stream(const struct application *application, const char *what, const json_t *wants)
{
    static const struct kind stream = { .name = "stream", .not_found = BUS_API_STREAM_NOT_FOUND };
    struct kind kind = stream;
    kind.name = what;
    const char *name = json_string_value(json_object_get(wants, "name"));
    char info[BUS_SUBJECT_MAX], create[BUS_SUBJECT_MAX], update[BUS_SUBJECT_MAX];
    (void)snprintf(info, sizeof info, "$JS.API.STREAM.INFO.%.200s", name);
    (void)snprintf(create, sizeof create, "$JS.API.STREAM.CREATE.%.200s", name);
    (void)snprintf(update, sizeof update, "$JS.API.STREAM.UPDATE.%.200s", name);
    return apply_one(application, &kind, name, wants, info, create, update, wrap_stream);
}

static int apply_consumer(const struct application *application, const char *stream, const json_t *wants)
{
    static const struct kind kind = { .name = "consumer", .not_found = BUS_API_CONSUMER_NOT_FOUND };
    const char *name = json_string_value(json_object_get(wants, "durable_name"));
    if (!name) {
        (void)snprintf(application->error, BUS_ERROR_TEXT_MAX, "a consumer of stream %.100s has no durable_name", stream);
        return -EBADMSG;
    }
    char info[BUS_SUBJECT_MAX], create[BUS_SUBJECT_MAX];
    (void)snprintf(info, sizeof info, "$JS.API.CONSUMER.INFO.%.200s.%.200s", stream, name);
    (void)snprintf(create, sizeof create, "$JS.API.CONSUMER.DURABLE.CREATE.%.200s.%.200s", stream, name);
    return apply_one(application, &kind, stream, wants, info, create, create, wrap_consumer);
}

/* A bucket is a stream with this configuration (ADR-8). */
static json_t *bucket_config(const json_t *bucket)
{
    const char *name = json_string_value(json_object_get(bucket, "name")), *description = json_string_value(json_object_get(bucket, "description"));
    json_int_t history = json_integer_value(json_object_get(bucket, "history"));
    char stream[BUS_SUBJECT_MAX], subject[BUS_SUBJECT_MAX];
    (void)snprintf(stream, sizeof stream, "KV_%.200s", name);
    (void)snprintf(subject, sizeof subject, "$KV.%.200s.>", name);
    return json_pack("{s:s, s:s, s:[s], s:s, s:s, s:s, s:I, s:b, s:b, s:b, s:I}", "name", stream, "description", description ? description : "",
                     "subjects", subject, "storage", "file", "retention", "limits", "discard", "new", "max_msgs_per_subject", history > 0 ? history : 1,
                     "allow_rollup_hdrs", 1, "deny_delete", 1, "allow_direct", 1, "duplicate_window", (json_int_t)120000000000);
}

static int apply_streams(const struct application *application, const json_t *streams)
{
    size_t i;
    const json_t *stream;
    json_array_foreach(streams, i, stream) {
        const char *name = json_string_value(json_object_get(stream, "name"));
        if (!name) {
            (void)snprintf(application->error, BUS_ERROR_TEXT_MAX, "stream %zu of the definitions has no name", i);
            return -EBADMSG;
        }
        json_auto json_t *config = json_deep_copy(stream);
        if (!config)
            return -ENOMEM;
        (void)json_object_del(config, "consumers");
        int r = apply_stream(application, "stream", config);
        const json_t *consumer;
        size_t k;
        json_array_foreach(json_object_get(stream, "consumers"), k, consumer)
            r = r < 0 ? r : apply_consumer(application, name, consumer);
        if (r < 0)
            return r;
    }
    return 0;
}

static int apply_buckets(const struct application *application, const json_t *buckets)
{
    size_t i;
    const json_t *bucket;
    json_array_foreach(buckets, i, bucket) {
        if (!json_is_string(json_object_get(bucket, "name"))) {
            (void)snprintf(application->error, BUS_ERROR_TEXT_MAX, "bucket %zu of the definitions has no name", i);
            return -EBADMSG;
        }
        json_auto json_t *config = bucket_config(bucket);
        int r = config ? apply_stream(application, "bucket", config) : -ENOMEM;
        if (r < 0)
            return r;
    }
    return 0;
}

static int parse(const char *text, json_t **ret, char *error)
{
    json_error_t problem;
    json_t *definitions = json_loads(text ? text : bus_definitions_text, JSON_REJECT_DUPLICATES, &problem);
    if (!definitions) {
        (void)snprintf(error, BUS_ERROR_TEXT_MAX, "the stream definitions are not valid JSON: %.120s (line %d)", problem.text, problem.line);
        return -EBADMSG;
    }
    *ret = definitions;
    return 0;
}

int bus_apply_definitions(struct bus *bus, const char *text, void (*reported)(void *context, const char *what, const char *change), void *context,
                          char *error)
{
    json_auto json_t *definitions = NULL;
    int r = parse(text, &definitions, error);
    if (r < 0)
        return r;
    const struct application application = { bus, reported, context, error };
    r = apply_streams(&application, json_object_get(definitions, "streams"));
    if (r == 0)
        r = apply_buckets(&application, json_object_get(definitions, "buckets"));
    if (r == -ENOMEM)
        (void)snprintf(error, BUS_ERROR_TEXT_MAX, "out of memory");
    return r;
}

static int check_stream(struct bus *bus, const char *prefix, const char *name, char *error)
{
    char subject[BUS_SUBJECT_MAX];
    (void)snprintf(subject, sizeof subject, "$JS.API.STREAM.INFO.%s%.200s", prefix, name);
    json_auto json_t *info = NULL;
    int code = 0;
    int r = bus_api(bus, subject, NULL, &info, &code, error);
    if (r < 0)
        return r == -ENOENT ? -ENOTCONN : r; /* JetStream itself is missing */
    if (code == 0)
        return 0;
    if (code != BUS_API_STREAM_NOT_FOUND)
        return -EIO;
    (void)snprintf(error, BUS_ERROR_TEXT_MAX, "stream %s%.100s does not exist: run `tapeloop streams apply`", prefix, name);
    return -ENOENT;
}

int bus_check_definitions(struct bus *bus, char *error)
{
    json_auto json_t *definitions = NULL;
    int r = parse(NULL, &definitions, error);
    size_t i;
    const json_t *each;
    json_array_foreach(json_object_get(definitions, "streams"), i, each)
        r = r < 0 ? r : check_stream(bus, "", json_string_value(json_object_get(each, "name")), error);
    json_array_foreach(json_object_get(definitions, "buckets"), i, each)
        r = r < 0 ? r : check_stream(bus, "KV_", json_string_value(json_object_get(each, "name")), error);
    return r;
}
