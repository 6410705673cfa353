#include "services/capturer/publisher.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log/log.h"
#include "mem/cleanup.h"
#include "services/capturer/message.h"
#include "units/units.h"

#define STREAM "SEGMENTS"
#define RETRY_MS 1000        /* after a failure, and between low-water marks */
#define ADOPTIONS_MAX 8      /* times in a row that another sequence is taken over before the pause of a failure */

struct publisher {
    struct bus *bus;
    struct tape *tape;
    char node[SEGMENT_NODE_NAME_MAX + 1];
    char sealed_subject[BUS_SUBJECT_MAX + 32], recycled_subject[BUS_SUBJECT_MAX + 32];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake_cond;
    bool woken, recycled, stopping;      /* behind lock */
    int64_t stop_by_ns;                  /* monotonic */

    /* The thread's own. */
    uint64_t expected;                   /* last sequence of the own sealed subject, as far as known */
    int64_t marked_ns;                   /* monotonic time of the last marks */
    int last_error;                      /* logged; 0 when all is well */
    char problem[256];                   /* why there is no bus, as logged last */
    char refusal[256];                   /* as logged last */
    uint64_t refusals_seen;
};

/* Each new kind of failure once, and the recovery. */
static void note_result(struct publisher *publisher, const char *what, int r)
{
    if (r == publisher->last_error || r == -ENOTCONN) /* the connection's own changes are logged where they are seen */
        return;
    if (r == 0)
        log_info("publishing again", "subject=%s", publisher->sealed_subject);
    else if (r == -EACCES)
        log_warning("cannot publish, recording goes on", "what=%s reason=%s", what, log_quote("the NATS server does not permit it to this user: give it what deploy/nats.conf gives to a node"));
    else if (r == -ENOENT)
        log_warning("cannot publish, recording goes on", "what=%s reason=%s", what, log_quote("no stream takes the subject: run `tapeloop streams apply`, or JetStream is still starting"));
    else
        log_warning("cannot publish, recording goes on", "what=%s reason=%s", what, log_quote(strerror(-r)));
    publisher->last_error = r;
}

/* Why the bus is not there, or gives less than is needed: each once. Whoever mends it does so at the server, and nothing here needs a restart. */
static void note_bus(struct publisher *publisher)
{
    char text[256];
    if (!bus_problem(publisher->bus, text))
        publisher->problem[0] = '\0';
    else if (strcmp(text, publisher->problem) != 0) {
        (void)snprintf(publisher->problem, sizeof publisher->problem, "%s", text);
        log_warning("no bus, recording goes on", "reason=%s", log_quote(text));
    }
    while (bus_next_refusal(publisher->bus, &publisher->refusals_seen, text))
        if (strcmp(text, publisher->refusal) != 0) {
            (void)snprintf(publisher->refusal, sizeof publisher->refusal, "%s", text);
            log_warning("the NATS server refuses something to this user", "reason=%s", log_quote(text));
        }
}

static int send(struct publisher *publisher, const char *subject, const ProtobufCMessage *message, const char *id, uint64_t expected, uint64_t *ret_sequence)
{
    static const struct bus_header type = { "Content-Type", "application/protobuf" };
    mem_auto_free void *data = NULL;
    size_t size = 0;
    int r = wire_encode(message, WIRE_PROTOBUF, &data, &size);
    return r < 0 ? r : bus_publish_stream(publisher->bus, subject, data, size, &type, 1, id, expected, ret_sequence, NULL);
}

/* 1: the stream's last message is this segment or a later one of this tape, so that it has been published; 0: it is not; then
 * *ret_sequence is what to expect. */
static int read_last(struct publisher *publisher, const Tapeloop__V1__SegmentSealed *owed, uint64_t *ret_sequence)
{
    mem_auto_free void *data = NULL;
    size_t size = 0;
    char id[BUS_SUBJECT_MAX], error[WIRE_ERROR_TEXT_MAX];
    int r = bus_stream_last(publisher->bus, STREAM, publisher->sealed_subject, ret_sequence, &data, &size, id);
    if (r == -ENOENT) { /* wiped, made anew, or all has aged out */
        log_warning("the stream no longer holds this node's segments, going on with the next", "stream=%s expected=%" PRIu64, STREAM, publisher->expected);
        *ret_sequence = 0;
        return 0;
    }
    if (r < 0)
        return r;
    if (strcmp(id, owed->segment_id) == 0)
        return 1;
    wire_auto ProtobufCMessage *message = NULL;
    if (wire_decode(&tapeloop__v1__segment_sealed__descriptor, data, size, "application/protobuf", &message, NULL, error) < 0)
        return 0; /* somebody else's: what counts is its sequence */
    const Tapeloop__V1__SegmentSealed *last = (const Tapeloop__V1__SegmentSealed *)message;
    return strcmp(last->tape_id, owed->tape_id) == 0 && last->ordinal >= owed->ordinal;
}

static int publish_sealed(struct publisher *publisher, const struct tape_segment *segment)
{
    wire_auto Tapeloop__V1__SegmentSealed *message = NULL;
    int r = message_sealed(publisher->tape, publisher->node, segment, &message);
    if (r == -ENOENT)
        return 0; /* recycled meanwhile: the tape counts it as lost */
    if (r < 0)
        return r;
    for (unsigned i = 0; i < ADOPTIONS_MAX; i++) {
        uint64_t sequence = 0;
        r = send(publisher, publisher->sealed_subject, &message->base, message->segment_id, publisher->expected, &sequence);
        if (r == -EEXIST) {
            r = read_last(publisher, message, &sequence);
            if (r < 0)
                return r == -ENOENT ? -EIO : r;
            publisher->expected = sequence;
            if (r == 0)
                continue;
        } else if (r < 0) {
            return r;
        }
        publisher->expected = sequence;
        log_debug("segment published", "id=%s sequence=%" PRIu64, message->segment_id, sequence);
        return tape_published(publisher->tape, segment->ordinal, sequence);
    }
    return -EBUSY;
}

/* The marks, and with them what was recycled before it could be published. */
static int publish_recycled(struct publisher *publisher, const struct tape_lost *lost)
{
    wire_auto Tapeloop__V1__SegmentRecycled *message = WIRE_NEW(Tapeloop__V1__SegmentRecycled, tapeloop__v1__segment_recycled__descriptor);
    struct tape_boundaries boundaries;
    tape_boundaries(publisher->tape, &boundaries);
    char tape_text[17], id[SEGMENT_ID_TEXT_MAX + 64];
    (void)snprintf(tape_text, sizeof tape_text, "%016" PRIx64, tape_id(publisher->tape));
    if (!message || wire_set_string(&message->node, publisher->node) < 0 || wire_set_string(&message->tape_id, tape_text) < 0 ||
        message_append_marks(&boundaries, &message->n_low_water, &message->low_water) < 0)
        return -ENOMEM;
    if (lost->last_ordinal == 0)
        return send(publisher, publisher->recycled_subject, &message->base, NULL, BUS_ANY, NULL);
    message->owed_first_ordinal = lost->first_ordinal;
    message->owed_last_ordinal = lost->last_ordinal;
    message->owed_first_ns = lost->first_ns;
    message->owed_last_ns = lost->last_ns;
    message->owed_ledger = message_ledger(&lost->ledger);
    if (!message->owed_ledger)
        return -ENOMEM;
    (void)snprintf(id, sizeof id, "%s/%s/lost/%" PRIu64 "-%" PRIu64, publisher->node, tape_text, lost->first_ordinal, lost->last_ordinal);
    int r = send(publisher, publisher->recycled_subject, &message->base, id, BUS_ANY, NULL);
    if (r < 0)
        return r;
    log_warning("segments were recycled before they could be published", "first_ordinal=%" PRIu64 " last_ordinal=%" PRIu64, lost->first_ordinal, lost->last_ordinal);
    return tape_lost_published(publisher->tape, lost);
}

/* Everything that can be said now. 0: nothing is left. */
static int publish_owed(struct publisher *publisher)
{
    for (;;) {
        struct tape_lost lost;
        tape_lost(publisher->tape, &lost);
        int r = lost.last_ordinal ? publish_recycled(publisher, &lost) : 0;
        struct tape_segment segment;
        if (r == 0) {
            r = tape_owed(publisher->tape, &segment);
            if (r == -ENOENT)
                return 0;
        }
        if (r == 0)
            r = publish_sealed(publisher, &segment);
        if (r < 0)
            return r;
        (void)pthread_mutex_lock(&publisher->lock);
        bool give_up = publisher->stopping && units_now_mono_ns() >= publisher->stop_by_ns;
        (void)pthread_mutex_unlock(&publisher->lock);
        if (give_up)
            return 0;
    }
}

static int publish_marks(struct publisher *publisher)
{
    static const struct tape_lost none;
    (void)pthread_mutex_lock(&publisher->lock);
    bool due = publisher->recycled && units_now_mono_ns() - publisher->marked_ns >= RETRY_MS * UNITS_NS_PER_MS;
    publisher->recycled &= !due;
    (void)pthread_mutex_unlock(&publisher->lock);
    if (!due)
        return 0;
    int r = publish_recycled(publisher, &none);
    publisher->marked_ns = units_now_mono_ns();
    if (r < 0) {
        (void)pthread_mutex_lock(&publisher->lock);
        publisher->recycled = true;
        (void)pthread_mutex_unlock(&publisher->lock);
    }
    return r;
}

/* Until something is to be done: true, or the end: false. After a failure a wake-up does not shorten the pause, or a missing stream would be asked for with every segment. */
static bool wait_for_work(struct publisher *publisher, bool failed)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += RETRY_MS / 1000;
    (void)pthread_mutex_lock(&publisher->lock);
    while (!publisher->stopping && (failed || !publisher->woken) && pthread_cond_timedwait(&publisher->wake_cond, &publisher->lock, &until) == 0)
        ;
    publisher->woken = false;
    bool stop = publisher->stopping;
    (void)pthread_mutex_unlock(&publisher->lock);
    return !stop;
}

static void *run(void *context)
{
    struct publisher *publisher = context;
    bool failed = false;
    uint64_t generation = 0;
    while (wait_for_work(publisher, failed && generation == bus_generation(publisher->bus))) {
        generation = bus_generation(publisher->bus);
        note_bus(publisher);
        int r = bus_connected(publisher->bus) ? publish_owed(publisher) : -ENOTCONN;
        if (r == 0)
            r = publish_marks(publisher);
        note_result(publisher, "segments", r);
        failed = r < 0;
    }
    if (bus_connected(publisher->bus) && publish_owed(publisher) == 0)
        (void)publish_marks(publisher);
    return NULL;
}

int publisher_start(struct bus *bus, struct tape *tape, const char *node, struct publisher **ret)
{
    struct publisher *publisher = calloc(1, sizeof *publisher);
    if (!publisher)
        return -ENOMEM;
    char token[BUS_SUBJECT_MAX];
    bus_node_token(node, token);
    publisher->bus = bus;
    publisher->tape = tape;
    publisher->expected = tape_cursor_stream_sequence(tape);
    publisher->recycled = true; /* readers learn the marks when a capturer starts */
    publisher->woken = true;
    (void)snprintf(publisher->node, sizeof publisher->node, "%s", node);
    (void)snprintf(publisher->sealed_subject, sizeof publisher->sealed_subject, "segment.sealed.%s", token);
    (void)snprintf(publisher->recycled_subject, sizeof publisher->recycled_subject, "segment.recycled.%s", token);
    (void)pthread_mutex_init(&publisher->lock, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&publisher->wake_cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    int r = -pthread_create(&publisher->thread, NULL, run, publisher);
    if (r < 0) {
        (void)pthread_cond_destroy(&publisher->wake_cond);
        (void)pthread_mutex_destroy(&publisher->lock);
        free(publisher);
        return r;
    }
    *ret = publisher;
    return 0;
}

static void wake(struct publisher *publisher, bool recycled)
{
    (void)pthread_mutex_lock(&publisher->lock);
    publisher->woken = true;
    publisher->recycled |= recycled;
    (void)pthread_cond_signal(&publisher->wake_cond);
    (void)pthread_mutex_unlock(&publisher->lock);
}

void publisher_wake(struct publisher *publisher)
{
    wake(publisher, false);
}

void publisher_note_recycled(struct publisher *publisher)
{
    wake(publisher, true);
}

void publisher_stop(struct publisher *publisher, int patience_ms)
{
    if (!publisher)
        return;
    (void)pthread_mutex_lock(&publisher->lock);
    publisher->stopping = true;
    publisher->stop_by_ns = units_now_mono_ns() + patience_ms * UNITS_NS_PER_MS;
    (void)pthread_cond_signal(&publisher->wake_cond);
    (void)pthread_mutex_unlock(&publisher->lock);
    (void)pthread_join(publisher->thread, NULL);
    (void)pthread_cond_destroy(&publisher->wake_cond);
    (void)pthread_mutex_destroy(&publisher->lock);
    free(publisher);
}
