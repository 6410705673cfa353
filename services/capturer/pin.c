#include "services/capturer/pin_answer.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log/log.h"
#include "mem/cleanup.h"
#include "units/units.h"

#define CLOCK_STEP_NS (50 * UNITS_NS_PER_MS)

enum question_kind { QUESTION_PIN, QUESTION_UNPIN, QUESTION_CATALOGUE, QUESTION_STATUS, QUESTION_REQUEST, QUESTION_KINDS };

/* How each kind is asked; the table's order is the enum's. */
struct question_kind_row { const char *name, *subject; const ProtobufCMessageDescriptor *type, *reply; }; /* subject NULL: node.<node>.<name> */
static const struct question_kind_row kinds[QUESTION_KINDS] = {
    [QUESTION_PIN] = { "pin", NULL, &tapeloop__v1__pin_request__descriptor, &tapeloop__v1__pin_reply__descriptor },
    [QUESTION_UNPIN] = { "unpin", NULL, &tapeloop__v1__unpin_request__descriptor, &tapeloop__v1__unpin_reply__descriptor },
    [QUESTION_CATALOGUE] = { "catalogue", NULL, &tapeloop__v1__catalogue_request__descriptor, &tapeloop__v1__catalogue_reply__descriptor },
    [QUESTION_STATUS] = { "status", NULL, NULL, &tapeloop__v1__node_heartbeat__descriptor },
    [QUESTION_REQUEST] = { "request", "snapshot.request", &tapeloop__v1__snapshot_request__descriptor, NULL },
};

struct question {
    struct question *next;
    enum question_kind kind;
    int64_t received_ns;
    char reply[BUS_SUBJECT_MAX], content_type[64];
    size_t size;
    char data[];
};

struct listener { struct pin *pin; enum question_kind kind; struct bus_subscription *subscription; };

struct pin {
    struct pin_options options;
    struct bus_service *service;
    struct listener listeners[QUESTION_KINDS];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news_cond;            /* a question, a sealed segment, the end */
    struct question *first, **end;
    size_t waiting, waiting_bytes;
    bool stopping;
    uint64_t sealed[LANES_MAX];          /* first sequence that is not sealed */
    int64_t sealed_wall_ns, sealed_mono_ns; /* the thread's own: when the last seal was asked for; 0: never, or in vain */
};

/* Every reply's first field is its error. */
static int refuse(const struct question_kind_row *kind, const char *code, const char *message, ProtobufCMessage **ret)
{
    ProtobufCMessage *reply = wire_new(kind->reply);
    Tapeloop__V1__Error *error = pin_error(code, message);
    if (!reply || !error) {
        wire_free(reply);
        wire_free(error);
        return -ENOMEM;
    }
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(kind->reply, "error");
    memcpy((char *)reply + field->offset, &(void *){ error }, sizeof(void *));
    *ret = reply;
    return 0;
}

static void send_reply(struct pin *pin, const struct question *question, const ProtobufCMessage *message, enum wire_format format)
{
    mem_auto_free void *data = NULL;
    size_t size = 0;
    const struct bus_message to = { .reply = question->reply };
    int r = wire_encode(message, format, &data, &size);
    if (r == 0)
        r = bus_reply(pin->options.bus, &to, data, size, format == WIRE_PROTOBUF);
    if (r < 0) /* the asker asks again */
        log_debug("cannot reply", "question=%s reason=%s", kinds[question->kind].name, log_quote(strerror(-r)));
}

/* Bus thread. */
static void hear(void *context, const struct bus_message *message)
{
    struct listener *listener = context;
    struct pin *pin = listener->pin;
    if (message->size > WIRE_MESSAGE_BYTES_MAX)
        return;
    struct question *question = calloc(1, sizeof *question + message->size);
    if (!question)
        return;
    question->kind = listener->kind;
    question->received_ns = units_now_wall_ns();
    question->size = message->size;
    if (message->size)
        memcpy(question->data, message->data, message->size);
    /* A stream takes snapshot.request: its reply subject, if any, is for the publish acknowledgement. */
    if (message->reply && !kinds[listener->kind].subject)
        (void)snprintf(question->reply, sizeof question->reply, "%s", message->reply);
    (void)snprintf(question->content_type, sizeof question->content_type, "%s", message->content_type ? message->content_type : "");
    (void)pthread_mutex_lock(&pin->lock);
    bool taken = pin->waiting < PIN_QUEUE_MAX && pin->waiting_bytes + question->size <= PIN_QUEUE_BYTES_MAX;
    if (taken) {
        pin->waiting++;
        pin->waiting_bytes += question->size;
        *pin->end = question;
        pin->end = &question->next;
        (void)pthread_cond_broadcast(&pin->news_cond);
    }
    (void)pthread_mutex_unlock(&pin->lock);
    if (taken)
        return;
    wire_auto ProtobufCMessage *reply = NULL;
    if (kinds[listener->kind].type && kinds[listener->kind].reply && refuse(&kinds[listener->kind], "busy", "too many requests at once: ask again", &reply) == 0)
        send_reply(pin, question, reply, WIRE_PROTOBUF);
    free(question);
}

/* Waits on news until the monotonic time; true: news, false: the time has come, or the end. Lock held. */
static bool wait_news(struct pin *pin, int64_t until_ns)
{
    const struct timespec until = { until_ns / UNITS_NS_PER_S, until_ns % UNITS_NS_PER_S };
    return !pin->stopping && pthread_cond_timedwait(&pin->news_cond, &pin->lock, &until) == 0;
}

static void sleep_until(struct pin *pin, int64_t until_ns)
{
    (void)pthread_mutex_lock(&pin->lock);
    while (wait_news(pin, until_ns))
        ;
    (void)pthread_mutex_unlock(&pin->lock);
}

/* The lane has acted on the request, and what it ended by that is in the catalogue. Lock held. */
static bool is_sealed(const struct pin *pin, uint32_t number, uint32_t request)
{
    const struct lane *lane = pin->options.lanes[number];
    if (atomic_load(&lane->writer_ended))
        return true;
    return (int32_t)(atomic_load(&lane->seals_done) - request) >= 0 && pin->sealed[number] >= atomic_load(&lane->current_sequence);
}

/* One seal of every lane; false when one did not come in time. */
static bool seal_lanes(struct pin *pin)
{
    uint32_t requests[LANES_MAX];
    for (uint32_t i = 0; i < pin->options.lanes_count; i++) {
        lane_request_seal(pin->options.lanes[i], SEGMENT_SEAL_PIN);
        requests[i] = atomic_load(&pin->options.lanes[i]->seal_request);
    }
    int64_t until_ns = units_now_mono_ns() + PIN_SEAL_WAIT_MS * UNITS_NS_PER_MS, now_ns = 0;
    bool all = true;
    (void)pthread_mutex_lock(&pin->lock);
    for (uint32_t i = 0; i < pin->options.lanes_count; i++) {
        /* The capture thread tells nobody when it has acted: look again soon. */
        while (!is_sealed(pin, i, requests[i]) && !pin->stopping && (now_ns = units_now_mono_ns()) < until_ns)
            (void)wait_news(pin, now_ns + PIN_SEAL_LOOK_MS * UNITS_NS_PER_MS);
        all &= is_sealed(pin, i, requests[i]);
    }
    (void)pthread_mutex_unlock(&pin->lock);
    return all;
}

/* The last seal by pin came after the window's end, and no step of the wall clock since: nothing of the window is open. */
static bool is_covered(const struct pin *pin, int64_t to_ns)
{
    int64_t stepped_ns = (units_now_wall_ns() - pin->sealed_wall_ns) - (units_now_mono_ns() - pin->sealed_mono_ns);
    return pin->sealed_mono_ns && to_ns < pin->sealed_wall_ns && stepped_ns < CLOCK_STEP_NS && stepped_ns > -CLOCK_STEP_NS;
}

/* Seals what is open and reaches into the window. True when the window's part of it is in the catalogue. */
static bool seal_window(struct pin *pin, const Tapeloop__V1__PinRequest *request)
{
    /* What a segment's first blocks hold is not known to the tape before they are flushed. */
    bool fresh = request->to_ns > units_now_wall_ns() - PIN_UNSEEN_MS * UNITS_NS_PER_MS;
    if (is_covered(pin, request->to_ns) || (!fresh && !tape_open_reaches(pin->options.tape, request->from_ns, request->to_ns)))
        return true;
    int64_t next_ns = pin->sealed_mono_ns + PIN_SEAL_INTERVAL_MS * UNITS_NS_PER_MS;
    if (pin->sealed_mono_ns && units_now_mono_ns() < next_ns)
        sleep_until(pin, next_ns);
    int64_t wall_ns = units_now_wall_ns(), mono_ns = units_now_mono_ns();
    bool sealed = seal_lanes(pin);
    pin->sealed_wall_ns = sealed ? wall_ns : 0;
    pin->sealed_mono_ns = mono_ns;
    return sealed;
}

static int answer_pin(struct pin *pin, const Tapeloop__V1__PinRequest *request, int64_t received_ns, ProtobufCMessage **ret)
{
    char error[WIRE_ERROR_TEXT_MAX];
    if (pin_check_request(request, error) < 0)
        return refuse(&kinds[QUESTION_PIN], "invalid", error, ret);
    bool sealed = !request->seal || request->after_ordinal > 0 || seal_window(pin, request);
    return pin_answer_pin(&pin->options, request, received_ns, !sealed, (Tapeloop__V1__PinReply **)ret);
}

static int answer(struct pin *pin, const struct question *question, const ProtobufCMessage *request, ProtobufCMessage **ret)
{
    switch (question->kind) {
    case QUESTION_PIN:
        return answer_pin(pin, (const Tapeloop__V1__PinRequest *)request, question->received_ns, ret);
    case QUESTION_UNPIN:
        return pin_answer_unpin(&pin->options, (const Tapeloop__V1__UnpinRequest *)request, (Tapeloop__V1__UnpinReply **)ret);
    case QUESTION_CATALOGUE:
        return pin_answer_catalogue(&pin->options, (const Tapeloop__V1__CatalogueRequest *)request, (Tapeloop__V1__CatalogueReply **)ret);
    case QUESTION_STATUS:
        *ret = (ProtobufCMessage *)heartbeat_copy(pin->options.heartbeat);
        return *ret ? 0 : -EAGAIN;
    case QUESTION_REQUEST:
    case QUESTION_KINDS:
        break;
    }
    int r = pin_lease_request(&pin->options, (const Tapeloop__V1__SnapshotRequest *)request, question->received_ns);
    return r < 0 ? r : 0;
}

static void treat(struct pin *pin, const struct question *question)
{
    const struct question_kind_row *kind = &kinds[question->kind];
    const char *content_type = question->content_type[0] ? question->content_type : NULL;
    char error[WIRE_ERROR_TEXT_MAX] = "";
    wire_auto ProtobufCMessage *request = NULL, *reply = NULL;
    enum wire_format format = WIRE_JSON;
    int64_t started_ns = units_now_mono_ns();
    /* A status question has no body worth reading; its format still counts. */
    int r = wire_decode(kind->type ? kind->type : &tapeloop__v1__catalogue_request__descriptor, question->data, kind->type ? question->size : 0, content_type, &request, &format, error);
    if (r == 0)
        r = answer(pin, question, request, &reply);
    else if (kind->reply)
        r = refuse(kind, "invalid", error, &reply);
    if (reply)
        send_reply(pin, question, reply, format);
    else if (r < 0 && !kind->subject)
        log_warning("cannot answer", "question=%s reason=%s", kind->name, log_quote(strerror(-r)));
    bus_service_count(pin->service, kind->name, r < 0, units_now_mono_ns() - started_ns);
}

static void *run(void *context)
{
    struct pin *pin = context;
    (void)pthread_mutex_lock(&pin->lock);
    while (!pin->stopping) {
        struct question *question = pin->first;
        if (!question) {
            (void)pthread_cond_wait(&pin->news_cond, &pin->lock);
            continue;
        }
        pin->first = question->next;
        if (!pin->first)
            pin->end = &pin->first;
        pin->waiting--;
        pin->waiting_bytes -= question->size;
        (void)pthread_mutex_unlock(&pin->lock);
        treat(pin, question);
        free(question);
        (void)pthread_mutex_lock(&pin->lock);
    }
    (void)pthread_mutex_unlock(&pin->lock);
    return NULL;
}

static int subscribe_all(struct pin *pin)
{
    char token[BUS_SUBJECT_MAX];
    bus_node_token(pin->options.node, token);
    int r = bus_service_start(pin->options.bus, "capturer", TAPELOOP_VERSION, "Records a node's traffic onto a bounded tape", &pin->service);
    for (unsigned i = 0; r == 0 && i < QUESTION_KINDS; i++) {
        char subject[BUS_SUBJECT_MAX + 32];
        if (kinds[i].subject)
            (void)snprintf(subject, sizeof subject, "%s", kinds[i].subject);
        else
            (void)snprintf(subject, sizeof subject, "node.%s.%s", token, kinds[i].name);
        pin->listeners[i] = (struct listener){ .pin = pin, .kind = (enum question_kind)i };
        bus_service_endpoint(pin->service, kinds[i].name, subject);
        r = bus_subscribe(pin->options.bus, subject, NULL, hear, &pin->listeners[i], &pin->listeners[i].subscription);
    }
    return r;
}

static void unsubscribe_all(struct pin *pin)
{
    for (unsigned i = 0; i < QUESTION_KINDS; i++)
        bus_unsubscribe(pin->listeners[i].subscription);
    bus_service_stop(pin->service);
}

static void free_pin(struct pin *pin)
{
    while (pin->first) {
        struct question *question = pin->first;
        pin->first = question->next;
        free(question);
    }
    (void)pthread_cond_destroy(&pin->news_cond);
    (void)pthread_mutex_destroy(&pin->lock);
    free(pin);
}

int pin_start(const struct pin_options *options, struct pin **ret)
{
    struct pin *pin = calloc(1, sizeof *pin);
    if (!pin)
        return -ENOMEM;
    pin->options = *options;
    pin->end = &pin->first;
    for (uint32_t i = 0; i < options->lanes_count; i++)
        pin->sealed[i] = options->lanes[i]->first_sequence;
    (void)pthread_mutex_init(&pin->lock, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&pin->news_cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    int r = subscribe_all(pin);
    if (r == 0)
        r = -pthread_create(&pin->thread, NULL, run, pin);
    if (r < 0) {
        unsubscribe_all(pin);
        free_pin(pin);
        return r;
    }
    *ret = pin;
    return 0;
}

void pin_note_sealed(struct pin *pin, uint32_t lane, uint64_t sequence)
{
    if (lane >= LANES_MAX)
        return;
    (void)pthread_mutex_lock(&pin->lock);
    if (pin->sealed[lane] <= sequence)
        pin->sealed[lane] = sequence + 1;
    (void)pthread_cond_broadcast(&pin->news_cond);
    (void)pthread_mutex_unlock(&pin->lock);
}

void pin_stop(struct pin *pin)
{
    if (!pin)
        return;
    (void)pthread_mutex_lock(&pin->lock);
    pin->stopping = true;
    (void)pthread_cond_broadcast(&pin->news_cond);
    (void)pthread_mutex_unlock(&pin->lock);
    (void)pthread_join(pin->thread, NULL);
    unsubscribe_all(pin);
    free_pin(pin);
}
