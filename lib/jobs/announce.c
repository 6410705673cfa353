#include "jobs/announce.h"
#include "digest/digest.h"
#include "mem/cleanup.h"
#include "units/units.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_TYPE "application/json"

void event_id(const char *name, uint64_t sequence, const char *state, char id[static EVENT_ID_TEXT_MAX])
{
    char text[512];
    int length = snprintf(text, sizeof text, "%s\n%" PRIu64 "\n%s", name, sequence, state);
    char digest[DIGEST_TEXT_MAX];
    digest_of(text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1, digest);
    snprintf(id, EVENT_ID_TEXT_MAX, "%.40s", digest);
}

/* The headers beside those of CloudEvents itself; ce-request is an extension attribute. */
static size_t headers_add(struct bus_header *headers, size_t count, uint64_t request, char request_text[static 24])
{
    headers[count++] = (struct bus_header){ .name = "Content-Type", .value = JSON_TYPE };
    if (request == 0)
        return count;
    snprintf(request_text, 24, "%" PRIu64, request);
    headers[count++] = (struct bus_header){ .name = "ce-request", .value = request_text };
    return count;
}

int announce(struct bus *bus, const struct announcement *announcement, const ProtobufCMessage *event)
{
    mem_auto_free void *data = NULL;
    size_t size = 0;
    int r = wire_encode(event, WIRE_JSON, &data, &size);
    if (r < 0)
        return r;
    char subject[64], request_text[24];
    struct bus_event about;
    struct bus_header headers[BUS_HEADERS_MAX];
    memset(&about, 0, sizeof about);
    snprintf(subject, sizeof subject, "%s.%s", announcement->kind, announcement->state);
    snprintf(about.id, sizeof about.id, "%s", announcement->id);
    snprintf(about.source, sizeof about.source, "%s", announcement->source);
    snprintf(about.type, sizeof about.type, "tapeloop.%s.%s", announcement->kind, announcement->state);
    snprintf(about.subject, sizeof about.subject, "%s", announcement->about);
    if (announcement->time && announcement->time[0])
        snprintf(about.time, sizeof about.time, "%s", announcement->time);
    else
        units_format_time(units_now_wall_ns(), about.time, sizeof about.time);
    size_t count = bus_event_headers(&about, headers);
    count = headers_add(headers, count, announcement->request, request_text);
    uint64_t sequence;
    return bus_publish_stream(bus, subject, data, size, headers, count, announcement->id, BUS_ANY, &sequence, NULL);
}

int announce_progress(struct bus *bus, const char *kind, const ProtobufCMessage *progress, uint64_t request)
{
    mem_auto_free void *data = NULL;
    size_t size = 0;
    int r = wire_encode(progress, WIRE_JSON, &data, &size);
    if (r < 0)
        return r;
    struct bus_header headers[2];
    char request_text[24], subject[64];
    size_t count = headers_add(headers, 0, request, request_text);
    snprintf(subject, sizeof subject, "%s.progress", kind);
    return bus_publish(bus, subject, data, size, headers, count);
}

int announce_dead(struct bus *bus, const char *subject, const struct bus_job *message, const char *reason)
{
    char id[BUS_SUBJECT_MAX], sequence_text[24];
    snprintf(id, sizeof id, "%s-%" PRIu64, subject, message->sequence);
    snprintf(sequence_text, sizeof sequence_text, "%" PRIu64, message->sequence);
    struct bus_header headers[] = {
        { .name = "Tapeloop-Reason", .value = reason },
        { .name = "Tapeloop-Stream-Sequence", .value = sequence_text },
        { .name = "Content-Type", .value = message->content_type[0] ? message->content_type : JSON_TYPE },
    };
    uint64_t sequence;
    return bus_publish_stream(bus, subject, message->data, message->size, headers, sizeof headers / sizeof *headers, id, BUS_ANY, &sequence, NULL);
}

/* U+2028 to U+202E, U+2066 to U+2069: line separators, and what turns the direction of the text around it, so that a line reads as another than it is. */
static bool turns_lines(const unsigned char *p) { return p[0] == 0xe2 && ((p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae) || (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)); }

void text_make_plain(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p;) {
        size_t more = *p < 0x80 ? 0 : *p >= 0xc2 && *p < 0xe0 ? 1 : *p >= 0xe0 && *p < 0xf0 ? 2 : *p >= 0xf0 && *p < 0xf5 ? 3 : SIZE_MAX;
        bool whole = more != SIZE_MAX && *p >= 0x20 && *p != 0x7f && !(*p == 0xc2 && p[1] < 0xa0); /* U+0080 to U+009F are a terminal's control characters, too */
        for (size_t i = 1; whole && i <= more; i++)
            whole = (p[i] & 0xc0) == 0x80;
        if (whole && ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] >= 0xa0) || (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] >= 0x90)))
            whole = false; /* overlong, surrogate, past U+10FFFF (RFC 3629) */
        if (!whole || turns_lines(p))
            *p++ = '?';
        else
            p += more + 1;
    }
}
