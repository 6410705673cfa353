#include "services/capturer/pin_answer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/log.h"
#include "mem/cleanup.h"
#include "services/capturer/message.h"
#include "units/units.h"

#define LEASE_TEXT_MAX 256           /* of a lease's name; ours are a snapshot's name and a number */
#define REQUEST_LEASE "request."     /* before the snapshot's name: the early lease */
#define CATALOGUE_PAGE 500
#define GAPS_MAX 64
#define PINNED_OVERHEAD 64           /* tags and lengths around one element */

Tapeloop__V1__Error *pin_error(const char *code, const char *message)
{
    Tapeloop__V1__Error *error = WIRE_NEW(Tapeloop__V1__Error, tapeloop__v1__error__descriptor);
    if (!error || wire_set_string(&error->code, code) < 0 || wire_set_string(&error->message, message) < 0) {
        wire_free(error);
        return NULL;
    }
    return error;
}

int pin_check_request(const Tapeloop__V1__PinRequest *request, char *error)
{
    const char *problem = !*request->lease                            ? "lease is missing"
                          : strlen(request->lease) >= LEASE_TEXT_MAX  ? "lease is too long"
                          : request->from_ns > request->to_ns         ? "from_ns is after to_ns"
                          : request->lease_seconds > PIN_LEASE_S_MAX  ? "lease_seconds is over a day"
                                                                      : NULL;
    if (!problem)
        return 0;
    (void)snprintf(error, WIRE_ERROR_TEXT_MAX, "%s", problem);
    return -EINVAL;
}

static int by_ordinal(const void *a, const void *b)
{
    const struct tape_segment *left = a, *right = b;
    return left->ordinal < right->ordinal ? -1 : left->ordinal > right->ordinal;
}

/* One granted segment; 1 when it was recycled all the same (its file is gone), 0, -errno. */
static int append_pinned(const struct pin_options *options, const struct tape_segment *segment, const char *lease, int64_t until_ns, Tapeloop__V1__PinReply *reply, size_t *bytes)
{
    wire_auto Tapeloop__V1__PinnedSegment *pinned = WIRE_NEW(Tapeloop__V1__PinnedSegment, tapeloop__v1__pinned_segment__descriptor);
    if (!pinned)
        return -ENOMEM;
    int r = message_sealed(options->tape, options->node, segment, &pinned->segment);
    if (r < 0)
        return r == -ENOENT ? 1 : r;
    char url[SERVER_URL_MAX], token[TOKEN_TEXT_MAX];
    server_make_url(options->server, segment->lane, segment->sequence, url);
    r = server_make_token(options->server, segment, lease, until_ns, token);
    if (r < 0)
        return r;
    if (wire_set_string(&pinned->url, url) < 0 || wire_set_string(&pinned->token, token) < 0)
        return -ENOMEM;
    *bytes += protobuf_c_message_get_packed_size(&pinned->base) + PINNED_OVERHEAD;
    r = wire_append(&reply->n_segments, &reply->segments, pinned);
    if (r == 0)
        pinned = NULL;
    return r;
}

static int append_refused(const struct pin_options *options, uint32_t lane, uint64_t sequence, int64_t first_ns, int64_t last_ns, const char *reason, Tapeloop__V1__PinReply *reply)
{
    char id[SEGMENT_ID_TEXT_MAX];
    message_segment_id(options->tape, options->node, lane, sequence, id);
    wire_auto Tapeloop__V1__RefusedSegment *refused = WIRE_NEW(Tapeloop__V1__RefusedSegment, tapeloop__v1__refused_segment__descriptor);
    if (!refused || wire_set_string(&refused->segment_id, id) < 0 || wire_set_string(&refused->reason, reason) < 0)
        return -ENOMEM;
    refused->first_ns = first_ns;
    refused->last_ns = last_ns;
    int r = wire_append(&reply->n_refused, &reply->refused, refused);
    if (r == 0)
        refused = NULL;
    return r;
}

/* What the tape as a whole says: boundaries, stretches without recording, what it cannot see. */
static int add_tape(const struct pin_options *options, const Tapeloop__V1__PinRequest *request, Tapeloop__V1__PinReply *reply)
{
    struct tape_boundaries boundaries;
    tape_boundaries(options->tape, &boundaries);
    reply->oldest_ns = boundaries.oldest_ns;
    reply->newest_ns = boundaries.newest_ns;
    struct segment_gap gaps[GAPS_MAX];
    size_t count = tape_gaps(options->tape, request->from_ns, request->to_ns, gaps, GAPS_MAX);
    for (size_t i = 0; i < count; i++) {
        Tapeloop__V1__Gap *gap = message_gap(&gaps[i], 0);
        if (!gap || wire_append(&reply->n_gaps, &reply->gaps, gap) < 0) {
            wire_free(gap);
            return -ENOMEM;
        }
    }
    wire_auto Tapeloop__V1__NodeHeartbeat *heartbeat = options->heartbeat ? heartbeat_copy(options->heartbeat) : NULL;
    if (heartbeat) { /* its list changes owner */
        reply->n_not_visible = heartbeat->n_not_visible;
        reply->not_visible = mem_take(heartbeat->not_visible);
        heartbeat->n_not_visible = 0;
    }
    return 0;
}

static int add_granted(const struct pin_options *options, const Tapeloop__V1__PinRequest *request, const struct tape_segment *granted, size_t count, int64_t until_ns,
                       Tapeloop__V1__PinReply *reply)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (granted[i].ordinal <= request->after_ordinal)
            continue;
        if (bytes >= PIN_REPLY_BYTES_MAX) {
            reply->more_after_ordinal = reply->segments[reply->n_segments - 1]->segment->ordinal;
            return 0;
        }
        int r = append_pinned(options, &granted[i], request->lease, until_ns, reply, &bytes);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The first page only: the others are the same window. */
static int add_refused(const struct pin_options *options, const struct tape_segment *refused, size_t count, bool unsealed, Tapeloop__V1__PinReply *reply)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < count && i < PIN_REFUSED_MAX; i++)
        r = append_refused(options, refused[i].lane, refused[i].sequence, refused[i].first_ns, refused[i].last_ns,
                           "pins may hold at most half of the box: unpin others, pull and unpin one by one, or enlarge --storage-size", reply);
    for (uint32_t i = 0; r == 0 && unsealed && i < options->lanes_count; i++)
        r = append_refused(options, i, atomic_load(&options->lanes[i]->current_sequence), 0, 0, "it is being written and could not be sealed in time: is the disk too slow?", reply);
    return r;
}

/* The early lease has done its work once the real one holds. */
static void end_early_lease(const struct pin_options *options, const char *lease)
{
    char early[LEASE_TEXT_MAX + sizeof REQUEST_LEASE];
    const char *dot = strrchr(lease, '.');
    (void)snprintf(early, sizeof early, REQUEST_LEASE "%.*s", (int)(dot ? dot - lease : (ptrdiff_t)strlen(lease)), lease);
    (void)tape_release(options->tape, early, NULL, 0);
}

int pin_answer_pin(const struct pin_options *options, const Tapeloop__V1__PinRequest *request, int64_t received_ns, bool unsealed, Tapeloop__V1__PinReply **ret)
{
    mem_auto_free struct tape_segment *granted = NULL, *refused = NULL;
    size_t granted_count = 0, refused_count = 0;
    int64_t seconds = request->lease_seconds ? request->lease_seconds : PIN_LEASE_S;
    int64_t until_ns = units_now_wall_ns() + seconds * UNITS_NS_PER_S;
    char tape_text[17];
    (void)snprintf(tape_text, sizeof tape_text, "%016" PRIx64, tape_id(options->tape));
    wire_auto Tapeloop__V1__PinReply *reply = WIRE_NEW(Tapeloop__V1__PinReply, tapeloop__v1__pin_reply__descriptor);
    if (!reply || wire_set_string(&reply->node, options->node) < 0 || wire_set_string(&reply->tape_id, tape_text) < 0)
        return -ENOMEM;
    int r = tape_lease(options->tape, request->lease, request->from_ns, request->to_ns, until_ns, &granted, &granted_count, &refused, &refused_count);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        char text[WIRE_ERROR_TEXT_MAX];
        (void)snprintf(text, sizeof text, "cannot lease: %s", strerror(-r));
        reply->error = pin_error("internal", text);
    } else {
        qsort(granted, granted_count, sizeof *granted, by_ordinal);
        r = add_granted(options, request, granted, granted_count, until_ns, reply);
        if (r == 0 && request->after_ordinal == 0)
            r = add_refused(options, refused, refused_count, unsealed, reply);
        if (r == 0)
            r = add_tape(options, request, reply);
        if (r < 0)
            return r;
        end_early_lease(options, request->lease);
    }
    reply->lease_until_ns = until_ns;
    reply->received_ns = received_ns;
    reply->replied_ns = units_now_wall_ns();
    *ret = mem_take(reply);
    return 0;
}

int pin_answer_unpin(const struct pin_options *options, const Tapeloop__V1__UnpinRequest *request, Tapeloop__V1__UnpinReply **ret)
{
    wire_auto Tapeloop__V1__UnpinReply *reply = WIRE_NEW(Tapeloop__V1__UnpinReply, tapeloop__v1__unpin_reply__descriptor);
    mem_auto_free struct tape_segment *segments = calloc(request->n_segment_ids + 1, sizeof *segments);
    if (!reply || !segments)
        return -ENOMEM;
    size_t count = 0;
    for (size_t i = 0; i < request->n_segment_ids; i++) {
        struct segment_identity identity;
        if (segment_id_parse(request->segment_ids[i], &identity) < 0 || identity.tape_id != tape_id(options->tape))
            continue; /* of an earlier tape: nothing to release any more */
        segments[count].lane = identity.lane;
        segments[count++].sequence = identity.sequence;
    }
    int released = *request->lease == '\0' ? -EINVAL : request->n_segment_ids && !count ? 0 : tape_release(options->tape, request->lease, request->n_segment_ids ? segments : NULL, count);
    if (released < 0) {
        reply->error = pin_error(released == -EINVAL ? "invalid" : "internal", released == -EINVAL ? "lease is missing" : strerror(-released));
        if (!reply->error)
            return -ENOMEM;
    } else {
        reply->released = (uint32_t)released;
    }
    *ret = mem_take(reply);
    return 0;
}

int pin_answer_catalogue(const struct pin_options *options, const Tapeloop__V1__CatalogueRequest *request, Tapeloop__V1__CatalogueReply **ret)
{
    wire_auto Tapeloop__V1__CatalogueReply *reply = WIRE_NEW(Tapeloop__V1__CatalogueReply, tapeloop__v1__catalogue_reply__descriptor);
    size_t most = request->limit && request->limit < CATALOGUE_PAGE ? request->limit : CATALOGUE_PAGE, bytes = 0;
    mem_auto_free struct tape_segment *segments = calloc(most + 1, sizeof *segments);
    if (!reply || !segments)
        return -ENOMEM;
    struct tape_boundaries boundaries;
    tape_boundaries(options->tape, &boundaries);
    if (message_append_marks(&boundaries, &reply->n_low_water, &reply->low_water) < 0)
        return -ENOMEM;
    size_t count = tape_list(options->tape, request->after_ordinal, segments, most + 1);
    for (size_t i = 0; i < count; i++) {
        if (i == most || bytes >= PIN_REPLY_BYTES_MAX) {
            reply->more_after_ordinal = segments[i - 1].ordinal;
            break;
        }
        Tapeloop__V1__SegmentSealed *message = NULL;
        int r = message_sealed(options->tape, options->node, &segments[i], &message);
        if (r == -ENOENT)
            continue; /* recycled meanwhile */
        if (r == 0) {
            bytes += protobuf_c_message_get_packed_size(&message->base) + PINNED_OVERHEAD;
            r = wire_append(&reply->n_segments, &reply->segments, message);
        }
        if (r < 0) {
            wire_free(message);
            return r;
        }
    }
    *ret = mem_take(reply);
    return 0;
}

static bool has_label(const struct option_list *labels, const char *key, const char *value)
{
    size_t length = strlen(key);
    for (size_t i = 0; labels && i < labels->count; i++)
        if (strncmp(labels->values[i], key, length) == 0 && labels->values[i][length] == '=' && strcmp(labels->values[i] + length + 1, value) == 0)
            return true;
    return false;
}

static bool is_for_us(const struct pin_options *options, const Tapeloop__V1__SnapshotRequest *request)
{
    bool named = request->n_nodes == 0;
    for (size_t i = 0; i < request->n_nodes; i++)
        named |= strcmp(request->nodes[i], options->node) == 0;
    for (size_t i = 0; i < request->n_labels; i++)
        named &= has_label(options->labels, request->labels[i]->key, request->labels[i]->value);
    return named;
}

static int resolve_window(const Tapeloop__V1__SnapshotRequest *request, int64_t now_ns, int64_t *ret_from_ns, int64_t *ret_to_ns)
{
    int64_t length_ns = 0, from_ns = 0, to_ns = now_ns;
    int r;
    if (*request->last) {
        r = units_parse_duration(request->last, &length_ns);
        from_ns = now_ns - length_ns;
    } else {
        r = units_parse_time(request->from, &from_ns);
        if (r == 0 && *request->to)
            r = units_parse_time(request->to, &to_ns);
    }
    if (r < 0 || from_ns > to_ns || length_ns < 0)
        return -EINVAL;
    *ret_from_ns = from_ns;
    *ret_to_ns = to_ns < now_ns ? to_ns : now_ns;
    return 0;
}

int pin_lease_request(const struct pin_options *options, const Tapeloop__V1__SnapshotRequest *request, int64_t now_ns)
{
    if (!is_for_us(options, request))
        return 0;
    int64_t from_ns = 0, to_ns = 0;
    if (!*request->name || strlen(request->name) + sizeof REQUEST_LEASE >= LEASE_TEXT_MAX || resolve_window(request, now_ns, &from_ns, &to_ns) < 0)
        return -EINVAL; /* the snapshotter tells the user */
    char lease[LEASE_TEXT_MAX];
    (void)snprintf(lease, sizeof lease, REQUEST_LEASE "%s", request->name);
    mem_auto_free struct tape_segment *granted = NULL, *refused = NULL;
    size_t granted_count = 0, refused_count = 0;
    int r = tape_lease(options->tape, lease, from_ns, to_ns, now_ns + PIN_LEASE_S * UNITS_NS_PER_S, &granted, &granted_count, &refused, &refused_count);
    if (r < 0)
        return r;
    log_info("leased for a request", "name=%s segments=%zu refused=%zu", log_quote(request->name), granted_count, refused_count);
    return 1;
}
