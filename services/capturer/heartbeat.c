#include "services/capturer/heartbeat.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/log.h"
#include "mem/cleanup.h"
#include "services/capturer/message.h"
#include "services/capturer/settings.h"
#include "units/units.h"

#define REASON_MAX 256

struct proof { int64_t proved_ns, seen_mono_ns; uint64_t chunks_waiting; bool waits; };

struct heartbeat {
    struct heartbeat_options options;
    char key[BUS_SUBJECT_MAX];
    int64_t started_wall_ns;
    _Atomic bool off;                    /* by the switch */
    _Atomic int disk_error;              /* 0: well */
    _Atomic uint64_t disk_full;          /* times that an own segment went for somebody else's files */

    /* The loop thread's. */
    int64_t began_mono_ns;               /* when the lanes were last started or switched on */
    struct proof proofs[LANES_MAX];
    enum heartbeat_state state;
    char reason[REASON_MAX];
    int64_t stalled_mono_ns;
    int disk_error_logged;
    uint64_t disk_full_logged;

    pthread_mutex_t lock;
    pthread_cond_t news_cond;
    Tapeloop__V1__NodeHeartbeat *latest;
    bool news, ending;
    pthread_t sender;
};

static const char *state_text(enum heartbeat_state state)
{
    static const char *const texts[] = { "starting", "recording", "stalled", "stopped" };
    return texts[state];
}

/* Why a lane gave no proof, as something that a person can act on. */
static void explain(struct heartbeat *heartbeat, uint32_t number, int64_t now_ns)
{
    const struct lane *lane = heartbeat->options.lanes[number];
    const struct proof *proof = &heartbeat->proofs[number];
    int64_t since_ns = proof->seen_mono_ns ? proof->seen_mono_ns : heartbeat->began_mono_ns;
    int64_t silent_s = (now_ns - atomic_load(&lane->loop_ns)) / UNITS_NS_PER_S;
    int error = atomic_load(&heartbeat->disk_error);
    if (error)
        (void)snprintf(heartbeat->reason, REASON_MAX, "the disk refuses writes (%s): free space or mend it, then recording goes on by itself", strerror(error));
    else if (atomic_load(&lane->capture_ended))
        (void)snprintf(heartbeat->reason, REASON_MAX, "the capture thread of lane %" PRIu32 " has ended: restart the capturer", number);
    else if (silent_s >= HEARTBEAT_PROOF_S)
        (void)snprintf(heartbeat->reason, REASON_MAX, "the capture thread of lane %" PRIu32 " has not run for %" PRId64 " s: has the machine no time for it, or did somebody stop it?",
                       number, silent_s);
    else if (proof->waits)
        (void)snprintf(heartbeat->reason, REASON_MAX, "the disk is too slow or hangs: lane %" PRIu32 " waits for free memory, packets are dropped and counted", number);
    else
        (void)snprintf(heartbeat->reason, REASON_MAX, "no proof of recording on lane %" PRIu32 " for %" PRId64 " s: the packet sent to itself over lo does not reach the tape; is lo up, and does nothing drop UDP to 127.0.0.1:%d?",
                       number, (now_ns - since_ns) / UNITS_NS_PER_S, CAPTURE_CANARY_PORT);
}

static enum heartbeat_state judge(struct heartbeat *heartbeat, int64_t now_ns)
{
    enum heartbeat_state state = HEARTBEAT_RECORDING;
    heartbeat->reason[0] = '\0';
    if (atomic_load(&heartbeat->off)) {
        (void)snprintf(heartbeat->reason, REASON_MAX, "switched off by " SETTINGS_RAW_ENABLED);
        heartbeat->began_mono_ns = now_ns; /* what is proved after the next switching on counts from then */
        for (uint32_t i = 0; i < heartbeat->options.lanes_count; i++)
            heartbeat->proofs[i] = (struct proof){ .proved_ns = atomic_load(&heartbeat->options.lanes[i]->canary_proved_ns) };
        return HEARTBEAT_STOPPED;
    }
    for (uint32_t i = 0; i < heartbeat->options.lanes_count; i++) {
        struct lane *lane = heartbeat->options.lanes[i];
        struct proof *proof = &heartbeat->proofs[i];
        int64_t proved_ns = atomic_load(&lane->canary_proved_ns);
        uint64_t waiting = atomic_load(&lane->chunks_waiting);
        proof->waits = waiting != proof->chunks_waiting;
        proof->chunks_waiting = waiting;
        if (proved_ns != proof->proved_ns) {
            proof->proved_ns = proved_ns;
            proof->seen_mono_ns = now_ns;
        }
        bool fresh = proof->seen_mono_ns && now_ns - proof->seen_mono_ns < HEARTBEAT_PROOF_S * UNITS_NS_PER_S;
        if (fresh || state == HEARTBEAT_STALLED)
            continue;
        bool early = !proof->seen_mono_ns && now_ns - heartbeat->began_mono_ns < HEARTBEAT_START_S * UNITS_NS_PER_S;
        state = early ? HEARTBEAT_STARTING : HEARTBEAT_STALLED;
        if (!early)
            explain(heartbeat, i, now_ns);
    }
    return state;
}

static void log_state(struct heartbeat *heartbeat, enum heartbeat_state state, int64_t now_ns)
{
    if (state == HEARTBEAT_STALLED && heartbeat->state != HEARTBEAT_STALLED) {
        heartbeat->stalled_mono_ns = now_ns;
        log_error("recording has stalled", "reason=%s", log_quote(heartbeat->reason));
    } else if (state == HEARTBEAT_RECORDING && heartbeat->state == HEARTBEAT_STALLED) {
        log_info("recording again", "stalled_s=%" PRId64, (now_ns - heartbeat->stalled_mono_ns) / UNITS_NS_PER_S);
    } else if (state == HEARTBEAT_RECORDING && heartbeat->state != HEARTBEAT_RECORDING) {
        log_info("recording", "writer=%s segment_server=%s", tape_writer_kind(heartbeat->options.tape), heartbeat->options.segment_server);
    }
    heartbeat->state = state;
}

static void log_disk(struct heartbeat *heartbeat)
{
    int error = atomic_load(&heartbeat->disk_error);
    uint64_t full = atomic_load(&heartbeat->disk_full);
    if (error && error != heartbeat->disk_error_logged)
        log_error("the disk refuses writes", "error=%s", log_quote(strerror(error)));
    else if (!error && heartbeat->disk_error_logged)
        log_info("the disk takes writes again", "%s", "");
    if (full && heartbeat->disk_full_logged == 0)
        log_warning("the disk is full of other files, own oldest segments are recycled early", "%s", "");
    heartbeat->disk_error_logged = error;
    heartbeat->disk_full_logged = full;
}

static int add_interfaces(const struct heartbeat *heartbeat, Tapeloop__V1__Ledger *ledger)
{
    if (!heartbeat->options.capture)
        return 0;
    mem_auto_free struct capture_interface *interfaces = calloc(HEARTBEAT_INTERFACES_MAX, sizeof *interfaces);
    size_t count = interfaces ? capture_interfaces(heartbeat->options.capture, interfaces, HEARTBEAT_INTERFACES_MAX) : 0;
    for (size_t i = 0; i < count; i++) {
        const struct capture_interface *from = &interfaces[i];
        if (!from->recorded && !from->offered_packets)
            continue;
        Tapeloop__V1__InterfaceLedger *message = WIRE_NEW(Tapeloop__V1__InterfaceLedger, tapeloop__v1__interface_ledger__descriptor);
        if (!message || wire_set_string(&message->name, from->name) < 0 || wire_append(&ledger->n_interfaces, &ledger->interfaces, message) < 0) {
            wire_free(message);
            return -ENOMEM;
        }
        message->offered_packets = from->offered_packets;
        message->offered_bytes = from->offered_bytes;
        message->written_packets = from->written_packets;
        message->written_bytes = from->written_bytes;
        message->filtered_packets = from->filtered_packets;
        message->dropped_packets = from->dropped_packets;
    }
    return interfaces ? 0 : -ENOMEM;
}

static Tapeloop__V1__Ledger *sum_lanes(const struct heartbeat *heartbeat)
{
    struct segment_ledger sum = { 0 };
    for (uint32_t i = 0; i < heartbeat->options.lanes_count; i++) {
        const struct lane *lane = heartbeat->options.lanes[i];
        uint64_t lost = atomic_load(&lane->disk_dropped_packets), encoded = atomic_load(&lane->written_packets);
        sum.offered_packets += atomic_load(&lane->offered_packets);
        sum.offered_bytes += atomic_load(&lane->offered_bytes);
        sum.written_packets += encoded > lost ? encoded - lost : 0; /* the lane counts what it handed over */
        sum.written_bytes += atomic_load(&lane->written_bytes);
        sum.dropped_kernel_packets += atomic_load(&lane->dropped_kernel_packets);
        sum.dropped_disk_packets += lost;
        sum.filtered_packets += atomic_load(&lane->filtered_packets);
        sum.truncated_packets += atomic_load(&lane->truncated_packets);
        sum.canaries += atomic_load(&lane->canaries);
        sum.events += atomic_load(&lane->events);
    }
    return message_ledger(&sum);
}

static int add_lanes(const struct heartbeat *heartbeat, Tapeloop__V1__NodeHeartbeat *message)
{
    for (uint32_t i = 0; i < heartbeat->options.lanes_count; i++) {
        const struct lane *lane = heartbeat->options.lanes[i];
        Tapeloop__V1__LaneStatus *status = WIRE_NEW(Tapeloop__V1__LaneStatus, tapeloop__v1__lane_status__descriptor);
        if (!status || wire_set_string(&status->writer, tape_writer_kind(heartbeat->options.tape)) < 0 ||
            wire_append(&message->n_lanes, &message->lanes, status) < 0) {
            wire_free(status);
            return -ENOMEM;
        }
        status->lane = i;
        status->sequence = atomic_load(&lane->current_sequence);
        status->canary_proved_ns = atomic_load(&lane->canary_proved_ns);
        status->ring_bytes = heartbeat->options.ring_bytes;
    }
    return 0;
}

static int add_labels(const struct option_list *labels, Tapeloop__V1__NodeHeartbeat *message)
{
    for (size_t i = 0; labels && i < labels->count; i++) {
        const char *equals = strchr(labels->values[i], '=');
        mem_auto_free char *key = strndup(labels->values[i], (size_t)(equals - labels->values[i]));
        Tapeloop__V1__NodeHeartbeat__LabelsEntry *label = WIRE_NEW(Tapeloop__V1__NodeHeartbeat__LabelsEntry, tapeloop__v1__node_heartbeat__labels_entry__descriptor);
        if (!key || !label || wire_set_string(&label->key, key) < 0 || wire_set_string(&label->value, equals + 1) < 0 ||
            wire_append(&message->n_labels, &message->labels, label) < 0) {
            wire_free(label);
            return -ENOMEM;
        }
    }
    return 0;
}

static int add_texts(const struct heartbeat *heartbeat, Tapeloop__V1__NodeHeartbeat *message)
{
    char texts[HEARTBEAT_NOT_VISIBLE_MAX][160];
    size_t count = heartbeat->options.capture ? capture_not_visible(heartbeat->options.capture, texts, HEARTBEAT_NOT_VISIBLE_MAX) : 0;
    for (size_t i = 0; i < count; i++) {
        char *text = strdup(texts[i]);
        if (!text || wire_append(&message->n_not_visible, &message->not_visible, text) < 0) {
            free(text);
            return -ENOMEM;
        }
    }
    struct segment_gap gaps[HEARTBEAT_GAPS_MAX];
    count = tape_gaps(heartbeat->options.tape, INT64_MIN, INT64_MAX, gaps, HEARTBEAT_GAPS_MAX);
    for (size_t i = 0; i < count; i++) {
        Tapeloop__V1__Gap *gap = message_gap(&gaps[i], 0);
        if (!gap || wire_append(&message->n_gaps, &message->gaps, gap) < 0) {
            wire_free(gap);
            return -ENOMEM;
        }
    }
    return 0;
}

static int fill(const struct heartbeat *heartbeat, Tapeloop__V1__NodeHeartbeat *message)
{
    struct tape_boundaries boundaries;
    tape_boundaries(heartbeat->options.tape, &boundaries);
    char tape_text[17];
    (void)snprintf(tape_text, sizeof tape_text, "%016" PRIx64, tape_id(heartbeat->options.tape));
    message->time_ns = units_now_wall_ns();
    message->started_ns = heartbeat->started_wall_ns;
    message->oldest_ns = boundaries.oldest_ns;
    message->newest_ns = boundaries.newest_ns;
    message->storage_size = boundaries.storage_size;
    message->storage_used = boundaries.used;
    message->storage_pinned = boundaries.pinned;
    message->segments = boundaries.segments;
    message->owed = boundaries.owed;
    message->ledger = sum_lanes(heartbeat);
    if (!message->ledger || wire_set_string(&message->node, heartbeat->options.node) < 0 || wire_set_string(&message->tape_id, tape_text) < 0 ||
        wire_set_string(&message->version, TAPELOOP_VERSION) < 0 || wire_set_string(&message->state, state_text(heartbeat->state)) < 0 ||
        wire_set_string(&message->reason, heartbeat->reason) < 0 || wire_set_string(&message->segment_server, heartbeat->options.segment_server) < 0)
        return -ENOMEM;
    int r = add_interfaces(heartbeat, message->ledger);
    if (r == 0)
        r = add_lanes(heartbeat, message);
    if (r == 0)
        r = add_labels(heartbeat->options.labels, message);
    return r == 0 ? add_texts(heartbeat, message) : r;
}

/* The new message takes the old one's place; the sender sends whatever is newest. */
static void hand_over(struct heartbeat *heartbeat)
{
    Tapeloop__V1__NodeHeartbeat *message = WIRE_NEW(Tapeloop__V1__NodeHeartbeat, tapeloop__v1__node_heartbeat__descriptor);
    if (!message || fill(heartbeat, message) < 0) {
        wire_free(message);
        return; /* out of memory for one second */
    }
    (void)pthread_mutex_lock(&heartbeat->lock);
    Tapeloop__V1__NodeHeartbeat *old = heartbeat->latest;
    heartbeat->latest = message;
    heartbeat->news = true;
    (void)pthread_cond_signal(&heartbeat->news_cond);
    (void)pthread_mutex_unlock(&heartbeat->lock);
    wire_free(old);
}

enum heartbeat_state heartbeat_tick(struct heartbeat *heartbeat)
{
    int64_t now_ns = units_now_mono_ns();
    log_state(heartbeat, judge(heartbeat, now_ns), now_ns);
    log_disk(heartbeat);
    hand_over(heartbeat);
    return heartbeat->state;
}

void heartbeat_note_disk(struct heartbeat *heartbeat, enum tape_event_kind kind, int error)
{
    if (kind == TAPE_EVENT_DISK_ERROR)
        atomic_store(&heartbeat->disk_error, error < 0 ? -error : error ? error : EIO);
    else if (kind == TAPE_EVENT_DISK_WELL)
        atomic_store(&heartbeat->disk_error, 0);
    else if (kind == TAPE_EVENT_DISK_FULL)
        atomic_fetch_add(&heartbeat->disk_full, 1);
}

void heartbeat_note_switch(struct heartbeat *heartbeat, bool on)
{
    atomic_store(&heartbeat->off, !on);
}

Tapeloop__V1__NodeHeartbeat *heartbeat_copy(struct heartbeat *heartbeat)
{
    (void)pthread_mutex_lock(&heartbeat->lock);
    ProtobufCMessage *copy = heartbeat->latest ? wire_copy(&heartbeat->latest->base) : NULL;
    (void)pthread_mutex_unlock(&heartbeat->lock);
    return (Tapeloop__V1__NodeHeartbeat *)copy;
}

static void *send_news(void *context)
{
    struct heartbeat *heartbeat = context;
    int last = 0;
    for (;;) {
        (void)pthread_mutex_lock(&heartbeat->lock);
        while (!heartbeat->news && !heartbeat->ending)
            (void)pthread_cond_wait(&heartbeat->news_cond, &heartbeat->lock);
        bool news = heartbeat->news;
        mem_auto_free void *data = NULL;
        size_t size = 0;
        int r = news ? wire_encode(&heartbeat->latest->base, WIRE_PROTOBUF, &data, &size) : 0;
        heartbeat->news = false;
        (void)pthread_mutex_unlock(&heartbeat->lock);
        if (!news)
            return NULL;
        if (r == 0)
            r = bus_kv_put(heartbeat->options.bus, "nodes", heartbeat->key, data, size, NULL);
        if (r < 0 && r != last && r != -ENOTCONN)
            log_warning("cannot write the heartbeat", "bucket=nodes reason=%s",
                        log_quote(r == -EACCES ? "the NATS server does not permit it to this user: give it what deploy/nats.conf gives to a node" :
                                  r == -ENOENT ? "the bucket is missing: run `tapeloop streams apply`, or JetStream is still starting" : strerror(-r)));
        last = r == -ENOTCONN ? last : r;
    }
}

int heartbeat_start(const struct heartbeat_options *options, struct heartbeat **ret)
{
    struct heartbeat *heartbeat = calloc(1, sizeof *heartbeat);
    if (!heartbeat)
        return -ENOMEM;
    heartbeat->options = *options;
    heartbeat->started_wall_ns = units_now_wall_ns();
    heartbeat->began_mono_ns = units_now_mono_ns();
    bus_node_token(options->node, heartbeat->key);
    (void)pthread_mutex_init(&heartbeat->lock, NULL);
    (void)pthread_cond_init(&heartbeat->news_cond, NULL);
    int r = -pthread_create(&heartbeat->sender, NULL, send_news, heartbeat);
    if (r < 0) {
        (void)pthread_cond_destroy(&heartbeat->news_cond);
        (void)pthread_mutex_destroy(&heartbeat->lock);
        free(heartbeat);
        return r;
    }
    *ret = heartbeat;
    return 0;
}

void heartbeat_stop(struct heartbeat *heartbeat, const char *reason)
{
    if (!heartbeat)
        return;
    heartbeat->state = HEARTBEAT_STOPPED;
    heartbeat->options.capture = NULL;
    (void)snprintf(heartbeat->reason, sizeof heartbeat->reason, "%s", reason);
    hand_over(heartbeat);
    (void)pthread_mutex_lock(&heartbeat->lock);
    heartbeat->ending = true;
    (void)pthread_cond_signal(&heartbeat->news_cond);
    (void)pthread_mutex_unlock(&heartbeat->lock);
    (void)pthread_join(heartbeat->sender, NULL);
    wire_free(heartbeat->latest);
    (void)pthread_cond_destroy(&heartbeat->news_cond);
    (void)pthread_mutex_destroy(&heartbeat->lock);
    free(heartbeat);
}
