/* A whole snapshotter in this process on a real nats-server and a real folder, and an ear for what it says. */
#ifndef UNIT_SNAPSHOTTER_FIXTURE_H
#define UNIT_SNAPSHOTTER_FIXTURE_H
#include "tests/support/nats_server.h"
#include "log/log.h"
#include "services/snapshotter/answers/answers.h"
#include "services/snapshotter/answers/export.h"
#include "jobs/claim.h"
#include "services/snapshotter/jobs/job.h"
#include "services/snapshotter/jobs/worker.h"
#include "tests/unit/services/snapshotter/fake_node.h"

#define FIXTURE_EVENTS_MAX 256
struct heard { char state[16], id[64], request[24]; Tapeloop__V1__SnapshotEvent *event; };
struct fixture {
    struct nats_server nats;
    char folder[64], store[96];
    struct bus *bus;                    /* the user's */
    struct service service;
    struct workers *workers;
    struct answers *answers;
    struct bus_subscription *ear;
    pthread_mutex_t lock;
    struct heard heard[FIXTURE_EVENTS_MAX];
    size_t count;
    atomic_int progress;
};

static inline void fixture_hear(void *context, const struct bus_message *message)
{
    struct fixture *fixture = context;
    const char *state = strchr(message->subject, '.') + 1, *id = message->header(message, "ce-id"), *request = message->header(message, "ce-request");
    ProtobufCMessage *event = NULL;
    enum wire_format format;
    if (getenv("TAPELOOP_TEST_VERBOSE"))
        fprintf(stderr, "heard %s id=%s %.*s\n", message->subject, id ? id : "-", (int)message->size, (const char *)message->data);
    char error[WIRE_ERROR_TEXT_MAX];
    if (strcmp(state, "progress") == 0) {
        atomic_fetch_add(&fixture->progress, 1);
        return;
    }
    if (!id || wire_decode(&tapeloop__v1__snapshot_event__descriptor, message->data, message->size, message->content_type, &event, &format, error) < 0) {
        if (id)
            fprintf(stderr, "%s: %s\n", message->subject, error);
        return; /* requests and questions */
    }
    pthread_mutex_lock(&fixture->lock);
    assert(fixture->count < FIXTURE_EVENTS_MAX);
    struct heard *heard = &fixture->heard[fixture->count];
    snprintf(heard->state, sizeof heard->state, "%s", state);
    snprintf(heard->id, sizeof heard->id, "%s", id);
    snprintf(heard->request, sizeof heard->request, "%s", request ? request : "");
    heard->event = (Tapeloop__V1__SnapshotEvent *)event;
    fixture->count++;
    pthread_mutex_unlock(&fixture->lock);
}

/* The nth (from 0) event of that state about name; NULL: not yet. */
static inline struct heard *fixture_heard(struct fixture *fixture, const char *state, const char *name, size_t nth)
{
    struct heard *found = NULL;
    pthread_mutex_lock(&fixture->lock);
    for (size_t i = 0; i < fixture->count && !found; i++)
        if (strcmp(fixture->heard[i].state, state) == 0 && strcmp(fixture->heard[i].event->name, name) == 0 && nth-- == 0)
            found = &fixture->heard[i];
    pthread_mutex_unlock(&fixture->lock);
    return found;
}

static inline struct heard *fixture_await(struct fixture *fixture, const char *state, const char *name, size_t nth)
{
    support_wait(fixture_heard(fixture, state, name, nth));
    return fixture_heard(fixture, state, name, nth);
}

static inline void fixture_bus_changed(void *context, bool connected)
{
    if (connected)
        atomic_store(&((struct service *)context)->reconnected_ns, units_now_mono_ns());
}

static inline void fixture_run(struct fixture *fixture, const char *instance)
{
    struct service *service = &fixture->service;
    char error[512] = "";
    struct bus_options options = { .server = fixture->nats.url, .name = "snapshotter" };
    memset(service, 0, sizeof *service);
    service->options = (struct snapshotter_options){
        .workers = 2, .pulls = 3, .exports = 2, .export_memory = 64 << 20, .listen = "127.0.0.1:0", .wait_limit_ns = 3600 * UNITS_NS_PER_S,
    };
    snprintf(service->instance, sizeof service->instance, "%s", instance);
    if (store_open(fixture->store, instance, &service->store, error) < 0 || jobs_new(&service->jobs) < 0 || bus_open(&options, true, &service->bus, error) < 0)
        fprintf(stderr, "%s\n", error), abort();
    service->store->driver->id(service->store->state, service->store_id);
    if (exports_start(service, &service->exports, error) < 0 || snapshot_answers_start(service, &fixture->answers, error) < 0
        || workers_start(service, &fixture->workers, error) < 0)
        fprintf(stderr, "%s\n", error), abort();
    bus_on_change(service->bus, fixture_bus_changed, service);
}

static inline void fixture_halt(struct fixture *fixture)
{
    struct service *service = &fixture->service;
    atomic_store(&service->stopping, true);
    workers_stop(fixture->workers);
    answers_stop(fixture->answers);
    exports_stop(service->exports);
    bus_close(service->bus);
    jobs_free(service->jobs);
    store_close(service->store);
}

static inline void fixture_start(struct fixture *fixture)
{
    char error[256] = "";
    memset(fixture, 0, sizeof *fixture);
    pthread_mutex_init(&fixture->lock, NULL);
    log_init("test", getenv("TAPELOOP_TEST_VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
    nats_server_start(&fixture->nats, NULL);
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/tapeloop-store-XXXXXX");
    assert(mkdtemp(fixture->folder));
    snprintf(fixture->store, sizeof fixture->store, "%s/store", fixture->folder);
    struct bus_options options = { .server = fixture->nats.url, .name = "user" };
    if (bus_open(&options, true, &fixture->bus, error) < 0 || bus_apply_definitions(fixture->bus, NULL, NULL, NULL, error) < 0)
        fprintf(stderr, "%s\n", error), abort();
    assert(bus_subscribe(fixture->bus, "snapshot.>", NULL, fixture_hear, fixture, &fixture->ear) == 0);
    fixture_run(fixture, "test-1");
}

static inline void fixture_stop(struct fixture *fixture)
{
    fixture_halt(fixture);
    bus_unsubscribe(fixture->ear);
    bus_close(fixture->bus);
    nats_server_stop(&fixture->nats);
    support_remove_folder(fixture->folder);
    for (size_t i = 0; i < fixture->count; i++)
        wire_free(fixture->heard[i].event);
    pthread_mutex_destroy(&fixture->lock);
}

/* Publishes a request as any NATS client would: again, under the same id, where no answer came (a machine that is busy). Its sequence. */
static inline uint64_t fixture_ask(struct fixture *fixture, const char *json)
{
    uint64_t sequence = 0;
    static atomic_int asked;
    char id[32];
    int r = -ETIMEDOUT;
    snprintf(id, sizeof id, "asked-%d", atomic_fetch_add(&asked, 1));
    for (int i = 0; i < 5 && r < 0; i++)
        r = bus_publish_stream(fixture->bus, "snapshot.request", json, strlen(json), NULL, 0, id, BUS_ANY, &sequence, NULL);
    assert(r == 0);
    return sequence;
}

static inline uint64_t fixture_ask_window(struct fixture *fixture, const char *name, int64_t from_ns, int64_t to_ns, const char *more)
{
    char json[1024], from[UNITS_TIME_TEXT_MAX], to[UNITS_TIME_TEXT_MAX];
    snprintf(json, sizeof json, "{\"name\":\"%s\",\"from\":\"%s\",\"to\":\"%s\"%s}", name, units_format_time(from_ns, from, sizeof from), units_format_time(to_ns, to, sizeof to), more);
    return fixture_ask(fixture, json);
}

/* Request and reply; the caller frees. */
static inline void *fixture_question(struct fixture *fixture, const char *subject, const char *json, const ProtobufCMessageDescriptor *type)
{
    void *data = NULL;
    size_t size = 0;
    char error[WIRE_ERROR_TEXT_MAX] = "";
    enum wire_format format;
    ProtobufCMessage *reply = NULL;
    int r = bus_request(fixture->bus, subject, json, strlen(json), false, 10000, &data, &size);
    if (r < 0 || wire_decode(type, data, size, NULL, &reply, &format, error) < 0)
        fprintf(stderr, "%s: %d %s %s\n", subject, r, error, (char *)data), abort();
    free(data);
    return reply;
}
#endif
