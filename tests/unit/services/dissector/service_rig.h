/* Whole dissectors in this process on a real nats-server and a real folder, with stages that only pretend, and an ear for what they say. */
#ifndef UNIT_DISSECTOR_SERVICE_RIG_H
#define UNIT_DISSECTOR_SERVICE_RIG_H
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include "log/log.h"
#include "services/dissector/answers/answers.h"
#include "services/dissector/jobs/crew.h"
#include "services/dissector/jobs/events.h"
#include "services/dissector/jobs/item.h"
#include "services/dissector/jobs/publish.h"
#include "tests/support/nats_server.h"
#include "units/units.h"

/* What the fake stages are to do; one set for all rigs. */
static struct {
    atomic_int fail_map[64];        /* attempts at this input that fail */
    atomic_int refuse_reduce;       /* with -EINVAL */
    atomic_bool hold;               /* map 0 goes on until it is told to stop, or this ends */
    atomic_bool silent;             /* and tells nothing meanwhile */
    atomic_int maps, reduces, finals, holding;
} fake;

static inline int fake_put(const struct stage_job *job, const char *path, const char *text)
{
    char temporary[2 * WORKPLACE_PATH_MAX];
    snprintf(temporary, sizeof temporary, "%s.%s.tmp", path, job->writer);
    FILE *file = fopen(temporary, "we");
    if (!file)
        return -errno;
    fputs(text, file);
    return fclose(file) != 0 || rename(temporary, path) < 0 ? -errno : 0;
}

static inline int fake_check(const struct stage_job *job, char *error)
{
    if (strcmp(job->where, "wrong") != 0)
        return 0;
    snprintf(error, STAGE_ERROR_TEXT_MAX, "where: column 1: there is no variable wrong");
    return -EINVAL;
}

static inline int fake_map(const struct stage_job *job, uint32_t input, const struct stage_progress *progress, struct stage_result *ret, char *error)
{
    char path[WORKPLACE_PATH_MAX];
    atomic_fetch_add(&fake.maps, 1);
    if (atomic_load(&fake.fail_map[input]) > 0) {
        atomic_fetch_sub(&fake.fail_map[input], 1);
        snprintf(error, STAGE_ERROR_TEXT_MAX, "the fake was told to fail");
        return -EIO;
    }
    if (input == 0 && atomic_load(&fake.hold)) {
        atomic_fetch_add(&fake.holding, 1);
        while (atomic_load(&fake.hold)) {
            if (!atomic_load(&fake.silent) && !stage_advance(progress, 40, 100))
                return -ECANCELED;
            support_sleep_ms(20);
        }
    }
    ret->packets = 10;
    ret->bytes = job->inputs[input].bytes;
    if (input == 1)
        snprintf(ret->problem, sizeof ret->problem, "a block is damaged");
    snprintf(path, sizeof path, "%s/mapped-%u", job->work_folder, input);
    return fake_put(job, path, job->inputs[input].segment_id);
}

static inline int fake_reduce(const struct stage_job *job, uint32_t first_shard, uint32_t count, const struct stage_progress *progress, struct stage_result *ret, char *error)
{
    char path[WORKPLACE_PATH_MAX];
    atomic_fetch_add(&fake.reduces, 1);
    (void)stage_advance(progress, 0, 0);
    if (atomic_load(&fake.refuse_reduce)) {
        snprintf(error, STAGE_ERROR_TEXT_MAX, "the fake cannot do shard %u", first_shard);
        return -EINVAL;
    }
    for (uint32_t i = 0; i < job->inputs_count; i++) {
        snprintf(path, sizeof path, "%s/mapped-%u", job->work_folder, i);
        if (access(path, R_OK) < 0)
            return -errno;
    }
    ret->entries = count;
    snprintf(path, sizeof path, "%s/reduced-%u", job->work_folder, first_shard);
    return fake_put(job, path, "x");
}

static inline int fake_finalise(const struct stage_job *job, const struct stage_progress *progress, struct stage_result *ret, char *error)
{
    (void)progress, (void)error;
    atomic_fetch_add(&fake.finals, 1);
    ret->entries = STAGE_SHARDS;
    ret->connections = 7;
    ret->counters_count = 1;
    snprintf(ret->counters[0].name, sizeof ret->counters[0].name, "packets_cut");
    ret->counters[0].value = job->inputs_count;
    snprintf(ret->digest, sizeof ret->digest, "%064d", 5);
    char left[WORKPLACE_PATH_MAX + 64];
    snprintf(left, sizeof left, "%s.dead-worker.tmp", job->output_path);
    (void)fake_put(job, left, "of an attempt that died");
    return fake_put(job, job->output_path, "rows");
}
static const struct stage_table fake_stages = { .check = fake_check, .map = fake_map, .reduce = fake_reduce, .finalise = fake_finalise };

#define RIG_EVENTS_MAX 128
struct heard { char state[16], id[64], request[24]; Tapeloop__V1__DissectEvent *event; };
struct rig_bus {
    struct nats_server nats;
    char folder[64], store[96];
    struct bus *bus;                    /* the user's */
    struct bus_subscription *ear;
    pthread_mutex_t lock;
    struct heard heard[RIG_EVENTS_MAX];
    size_t count;
    atomic_int progress;
};
struct rig { struct service service; struct crew *crew; struct dissect_answers *answers; };

static inline void rig_hear(void *context, const struct bus_message *message)
{
    struct rig_bus *rig = context;
    const char *state = strchr(message->subject, '.') + 1, *id = message->header(message, "ce-id"), *request = message->header(message, "ce-request");
    ProtobufCMessage *event = NULL;
    char error[WIRE_ERROR_TEXT_MAX];
    if (getenv("TAPELOOP_TEST_VERBOSE"))
        fprintf(stderr, "heard %s id=%s %.*s\n", message->subject, id ? id : "-", (int)message->size, (const char *)message->data);
    if (strcmp(state, "progress") == 0)
        atomic_fetch_add(&rig->progress, 1);
    if (!id || wire_decode(&tapeloop__v1__dissect_event__descriptor, message->data, message->size, message->content_type, &event, NULL, error) < 0)
        return; /* progress, requests and questions */
    pthread_mutex_lock(&rig->lock);
    struct heard *heard = &rig->heard[rig->count];
    snprintf(heard->state, sizeof heard->state, "%s", state);
    snprintf(heard->id, sizeof heard->id, "%s", id);
    snprintf(heard->request, sizeof heard->request, "%s", request ? request : "");
    heard->event = (Tapeloop__V1__DissectEvent *)event;
    rig->count += rig->count + 1 < RIG_EVENTS_MAX;
    pthread_mutex_unlock(&rig->lock);
}

/* The nth (from 0) event of that state about a dissection of that name; NULL: not yet. */
static inline struct heard *rig_heard(struct rig_bus *rig, const char *state, const char *name, size_t nth)
{
    struct heard *found = NULL;
    pthread_mutex_lock(&rig->lock);
    for (size_t i = 0; i < rig->count && !found; i++)
        if (strcmp(rig->heard[i].state, state) == 0 && strcmp(rig->heard[i].event->name, name) == 0 && nth-- == 0)
            found = &rig->heard[i];
    pthread_mutex_unlock(&rig->lock);
    return found;
}
static inline const Tapeloop__V1__DissectEvent *rig_await(struct rig_bus *rig, const char *state, const char *name, size_t nth)
{
    support_wait(rig_heard(rig, state, name, nth));
    return rig_heard(rig, state, name, nth)->event;
}

static inline void rig_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (!file)
        perror(path), abort();
    fputs(text, file);
    fclose(file);
}

/* A snapshot of so many segments, which nobody reads but the fakes. */
static inline void rig_snapshot(struct rig_bus *rig, const char *name, unsigned segments)
{
    char path[512], text[8192];
    snprintf(path, sizeof path, "%s/%s", rig->store, name);
    (void)mkdir(rig->store, 0755);
    if (mkdir(path, 0755) < 0)
        perror(path), abort();
    size_t at = (size_t)snprintf(text, sizeof text, "{\"version\":1,\"name\":\"%s\",\"from\":\"2026-01-02T03:04:05Z\",\"to\":\"2026-01-02T03:05:05Z\",\"objects\":[", name);
    for (unsigned i = 0; i < segments; i++) /* not in order */
        at += (size_t)snprintf(text + at, sizeof text - at, "%s{\"path\":\"segments/node-a/0-%u.pcapng.lz4\",\"bytes\":\"1000\",\"kind\":\"segment\",\"segmentId\":\"node-%c/00000000000000aa/0/%u\"}",
                               i ? "," : "", segments - i, i % 2 ? 'a' : 'b', segments - i);
    snprintf(text + at, sizeof text - at, "]}");
    snprintf(path, sizeof path, "%s/%s/manifest.json", rig->store, name);
    rig_write(path, text);
}

static inline void rig_bus_start(struct rig_bus *rig)
{
    char error[256] = "";
    memset(rig, 0, sizeof *rig);
    log_init("dissector", getenv("TAPELOOP_TEST_VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
    nats_server_start(&rig->nats, NULL);
    snprintf(rig->folder, sizeof rig->folder, "/tmp/tapeloop-dissector-XXXXXX");
    if (!mkdtemp(rig->folder))
        abort();
    snprintf(rig->store, sizeof rig->store, "%s/store", rig->folder);
    pthread_mutex_init(&rig->lock, NULL);
    struct bus_options options = { .server = rig->nats.url, .name = "user" };
    if (bus_open(&options, true, &rig->bus, error) < 0 || bus_apply_definitions(rig->bus, NULL, NULL, NULL, error) < 0 || bus_subscribe(rig->bus, "dissect.*", NULL, rig_hear, rig, &rig->ear) < 0)
        fprintf(stderr, "%s\n", error), abort();
}

static inline void rig_bus_stop(struct rig_bus *rig)
{
    bus_unsubscribe(rig->ear);
    bus_close(rig->bus);
    nats_server_stop(&rig->nats);
    support_remove_folder(rig->folder);
    for (size_t i = 0; i < rig->count; i++)
        wire_free(rig->heard[i].event);
    pthread_mutex_destroy(&rig->lock);
}

static inline void rig_complain(const struct lease *lease, const char *what, int error)
{
    log_warning(what, "dissection=%s error=%d", lease->key, error);
}

static inline void rig_start(struct rig *rig, struct rig_bus *on, const char *instance, unsigned workers)
{
    char error[512] = "";
    struct service *service = &rig->service;
    struct bus_options options = { .server = on->nats.url, .name = "dissector" };
    memset(rig, 0, sizeof *rig);
    service->options.workers = workers;
    service->stages = &fake_stages;
    snprintf(service->instance, sizeof service->instance, "%s", instance);
    if (store_open(on->store, instance, &service->store, error) < 0 || bus_open(&options, true, &service->bus, error) < 0 || leases_new(rig_complain, &service->leases) < 0)
        fprintf(stderr, "%s\n", error), abort();
    service->store->driver->id(service->store->state, service->store_id);
    if (dissect_answers_start(service, &rig->answers, error) < 0 || crew_start(service, &rig->crew, error) < 0)
        fprintf(stderr, "%s\n", error), abort();
}

static inline void rig_stop(struct rig *rig)
{
    struct service *service = &rig->service;
    atomic_store(&service->stopping, true);
    crew_stop(rig->crew);
    dissect_answers_stop(rig->answers);
    leases_free(service->leases);
    bus_close(service->bus);
    store_close(service->store);
}

/* Publishes a request as any NATS client would: again, under the same id, where no answer came (a machine that is busy). */
static inline uint64_t rig_ask(struct rig_bus *rig, const char *json)
{
    uint64_t sequence = 0;
    static atomic_int asked;
    char id[32];
    int r = -ETIMEDOUT;
    snprintf(id, sizeof id, "asked-%d", atomic_fetch_add(&asked, 1));
    for (int i = 0; i < 5 && r < 0; i++)
        r = bus_publish_stream(rig->bus, "dissect.request", json, strlen(json), NULL, 0, id, BUS_ANY, &sequence, NULL);
    if (r < 0)
        abort();
    return sequence;
}

/* Request and reply; the caller frees. */
static inline void *rig_question(struct rig_bus *rig, const char *subject, const char *json, const ProtobufCMessageDescriptor *type)
{
    void *data = NULL;
    size_t size = 0;
    char error[WIRE_ERROR_TEXT_MAX] = "";
    ProtobufCMessage *reply = NULL;
    int r = bus_request(rig->bus, subject, json, strlen(json), false, 10000, &data, &size);
    if (r < 0 || wire_decode(type, data, size, NULL, &reply, NULL, error) < 0)
        fprintf(stderr, "%s: %d %s %s\n", subject, r, error, (char *)data), abort();
    free(data);
    return reply;
}
#endif
