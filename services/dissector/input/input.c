#include "services/dissector/input/input.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "capfile/segment_index.h"
#include "packet/link_name.h"
#include "services/dissector/input/reader.h"

#define MAGIC_BYTES 4u
#define FRAMES_MAX (UINT32_MAX - INPUT_BATCH_MAX)
static const uint8_t gzip[] = { 0x1f, 0x8b };
#define POINT_TEXT_MAX (SEGMENT_NODE_NAME_MAX + PCAPNG_NAME_MAX + 16)

void input_say(struct input_reader *reader, const char *format, ...)
{
    if (*reader->problem)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reader->problem, sizeof reader->problem, format, arguments);
    va_end(arguments);
}

uint64_t input_point(const char *node_name, const char *interface_name, uint32_t interface)
{
    char text[POINT_TEXT_MAX] = "";
    size_t node = strnlen(node_name, SEGMENT_NODE_NAME_MAX), name = strnlen(interface_name, PCAPNG_NAME_MAX);
    memcpy(text, node_name, node);
    memcpy(text + node + 1, interface_name, name);
    size_t size = node + 1 + name;
    if (name == 0 && interface > 0) {
        memcpy(text + size + 1, &interface, sizeof interface);
        size += 1 + sizeof interface;
    }
    return segment_block_hash(text, size);
}

static int begin_pcapng(struct input_reader *r)
{
    r->pcapng = pcapng_reader_new();
    return r->pcapng ? 0 : -ENOMEM;
}

static int begin_classic(struct input_reader *r)
{
    r->points = malloc(sizeof *r->points);
    if (!r->points)
        return -ENOMEM;
    r->points[0] = (struct input_observed){ input_point(r->input->node_name, "", 0), INT64_MAX };
    r->points_count = r->points_room = 1;
    return 0;
}

static size_t at_hand(const struct input_reader *r)
{
    return (size_t)(r->source.end - r->source.at);
}

/* What is left cannot be read. */
static void give_up(struct input_reader *r)
{
    r->counters.torn++;
    r->source.at = r->source.end;
    r->source.over = true;
    r->source.problem = r->problem;
}

static int gather(struct input_reader *r, size_t needed)
{
    int more = 1;
    while (more > 0 && at_hand(r) < needed)
        more = input_source_more(&r->source, needed);
    return more < 0 ? more : 0;
}

/* Looks at the first bytes. */
static int begin_stream(struct input_reader *r)
{
    int e = gather(r, MAGIC_BYTES);
    if (e < 0)
        return e;
    bool whole = at_hand(r) >= MAGIC_BYTES, classic = whole && pcap_classic_is_magic(r->source.at);
    if (!whole || memcmp(r->source.at, gzip, sizeof gzip) == 0) {
        const char *problem = whole ? "it is compressed with gzip: unpack it first" : at_hand(r) ? "the file ends inside its header" : "it is empty";
        input_say(r, "%s", r->source.problem ? r->source.problem : problem);
        give_up(r);
    }
    if (!classic)
        return begin_pcapng(r);
    e = begin_classic(r);
    if (e == 0)
        e = gather(r, PCAP_CLASSIC_HEADER_BYTES);
    if (e < 0)
        return e;
    if (at_hand(r) < PCAP_CLASSIC_HEADER_BYTES || pcap_classic_get_header(r->source.at, &r->classic) < 0) {
        const char *problem = at_hand(r) < PCAP_CLASSIC_HEADER_BYTES ? "the file ends inside its header" : "a pcap file of another version than 2";
        input_say(r, "%s", r->source.problem ? r->source.problem : problem);
        give_up(r);
        return 0;
    }
    r->source.at += PCAP_CLASSIC_HEADER_BYTES;
    return 0;
}

static int begin(struct input_reader *r)
{
    int e = -ENODATA;
    if (strcmp(r->input->path, "-") != 0)
        e = input_blocks_open(r->input->path, &r->blocks);
    if (e == 0)
        return begin_pcapng(r);
    if (e != -ENODATA && e != -EBADMSG)
        return e;
    if (e == -EBADMSG)
        input_say(r, "its index is damaged: it is read without");
    e = input_source_open(r->input->path, &r->source);
    return e < 0 ? e : begin_stream(r);
}

int input_open(const struct input *input, uint32_t number, struct input_reader **ret, char *error)
{
    return input_open_waiting(input, number, NULL, NULL, ret, error);
}

int input_open_waiting(const struct input *input, uint32_t number, bool (*wait)(void *context, int fd), void *context, struct input_reader **ret, char *error)
{
    struct input_reader *r = calloc(1, sizeof *r);
    if (!r) {
        snprintf(error, INPUT_ERROR_TEXT_MAX, "out of memory");
        return -ENOMEM;
    }
    *r = (struct input_reader){ .input = input, .number = number, .greatest_ns = INT64_MIN, .from_ns = INT64_MIN, .to_ns = INT64_MAX, .source = { .fd = -1, .wait = wait, .wait_context = context } };
    if (input->from_ns != 0 || input->to_ns != 0) {
        r->from_ns = input->from_ns;
        r->to_ns = input->to_ns;
    }
    int e = begin(r);
    if (e < 0) {
        snprintf(error, INPUT_ERROR_TEXT_MAX, "%.400s cannot be read: %s", input->path, strerror(-e));
        input_close(r);
        return e;
    }
    r->counters.inputs = 1;
    *ret = r;
    return 0;
}

/* The block ends, whole or not: what it lacks is lost, and the frames behind it keep their numbers. */
static void end_block(struct input_reader *r, const char *problem)
{
    const struct segment_block *block = r->block;
    uint32_t frames = block->packets + block->events + block->canaries, seen = r->frame - r->block_frame;
    r->counters.damaged_blocks++;
    input_watch_anew(r);
    r->counters.lost += seen < frames ? frames - seen : 0;
    if (seen < frames)
        r->frame = r->block_frame + frames;
    input_say(r, "the block at byte %llu is damaged: %s", (unsigned long long)block->offset, problem);
    r->source.at = r->source.end = NULL;
}

/* Whether nothing in the block can be in the window, by its record: it need not be decoded then. */
static bool skip_block(struct input_reader *r)
{
    const struct segment_block *block = r->block;
    if (block->kind != SEGMENT_BLOCK_DATA || (block->last_ns >= r->from_ns && block->first_ns <= r->to_ns))
        return false;
    r->frame += block->packets + block->events + block->canaries;
    r->counters.outside_window += block->packets;
    r->counters.events += block->events;
    r->counters.canaries += block->canaries;
    return true;
}

/* 1: there are bytes of a block; 0: the segment is over. */
static int next_block(struct input_reader *r)
{
    const char *problem = "";
    for (;;) {
        r->content = r->source.at = r->source.end = NULL;
        r->block = input_blocks_peek(r->blocks);
        if (r->block && skip_block(r)) {
            input_blocks_skip(r->blocks);
            continue;
        }
        int e = input_blocks_next(r->blocks, &r->block, &r->content, &problem);
        r->block_frame = r->frame;
        if (e == -EBADMSG) {
            end_block(r, problem);
            continue;
        }
        if (e > 0) {
            r->source.at = r->content;
            r->source.end = r->content + r->block->content_size;
        }
        return e;
    }
}

/* More bytes, or the end. `needed`: of the record that is not whole. */
static int go_on(struct input_reader *r, size_t needed)
{
    if (r->blocks) {
        if (at_hand(r) > 0)
            end_block(r, "it does not hold whole pcapng blocks");
        return next_block(r);
    }
    int more = input_source_more(&r->source, needed);
    if (more < 0) {
        input_say(r, "reading fails: %s", strerror(-more));
        return more;
    }
    if (more == 0 && r->source.problem != r->problem && (at_hand(r) > 0 || r->source.problem)) {
        input_say(r, "%s behind frame %u", r->source.problem ? r->source.problem : "the file ends inside a packet or block", r->frame);
        give_up(r);
    }
    return more;
}

/* The input is over: whether packets of it could not be looked into. Stands behind what else was wrong. */
static void say_unread(struct input_reader *r)
{
    char known[PACKET_LINKS_TEXT_MAX];
    size_t at = strlen(r->problem);
    if (r->unread == 0 || r->unread_said)
        return;
    r->unread_said = true;
    packet_links_known(known, sizeof known);
    snprintf(r->problem + at, sizeof r->problem - at, "%s%" PRIu64 " packets are not read, of link type %u (%s)%s; known are %s", at ? "; " : "", r->unread, r->unread_link,
             packet_link_name(r->unread_link), r->unread_many ? " and others" : "", known);
}

int input_next(struct input_reader *r, struct input_packet *packets, uint32_t most)
{
    uint32_t count = 0, before = r->frame;
    int e = 0;
    if (!r->blocks)
        input_source_ahead(&r->source);
    while (count == 0 && e == 0) {
        size_t needed = 0;
        if (r->frame > FRAMES_MAX) {
            input_say(r, "more frames than can be numbered");
            break;
        }
        e = r->pcapng ? records_pcapng(r, packets, most, &count, &needed) : records_classic(r, packets, most, &count, &needed);
        if (e == -EBADMSG) {
            if (r->blocks)
                end_block(r, pcapng_reader_error(r->pcapng));
            else
                give_up(r);
            e = 0;
        } else if (e == 0 && count == 0 && (at_hand(r) == 0 || needed > 0)) {
            e = go_on(r, needed);
            if (e == 0)
                break;
            e = e > 0 ? 0 : e;
        }
    }
    if (count == 0)
        say_unread(r);
    r->counters.packets += count;
    r->counters.frames += r->frame - before;
    return e < 0 ? e : (int)count;
}

const char *input_problem(const struct input_reader *reader)
{
    return *reader->problem ? reader->problem : NULL;
}

const struct input_counters *input_counters(const struct input_reader *reader)
{
    return &reader->counters;
}

const struct input_names *input_interface_names(const struct input_reader *reader)
{
    return &reader->names;
}

void input_counters_add(struct input_counters *to, const struct input_counters *more)
{
    to->inputs += more->inputs;
    to->frames += more->frames;
    to->packets += more->packets;
    to->bytes += more->bytes;
    to->truncated += more->truncated;
    to->canaries += more->canaries;
    to->events += more->events;
    to->outside_window += more->outside_window;
    to->torn += more->torn;
    to->damaged_blocks += more->damaged_blocks;
    to->lost += more->lost;
}

uint64_t input_position(const struct input_reader *reader)
{
    return reader->blocks ? input_blocks_position(reader->blocks) : input_source_position(&reader->source);
}

/* A segment whose blocks save less than a quarter is as good as stored. */
bool input_is_packed(const struct input_reader *r)
{
    uint64_t size = 0, content = 0;
    if (!r->blocks)
        return r->source.lz4 != NULL;
    const struct segment_index *index = input_blocks_index(r->blocks);
    for (size_t i = 0; i < index->blocks_count; i++) {
        size += index->blocks[i].size;
        content += index->blocks[i].content_size;
    }
    return size < content / 4 * 3;
}

bool input_holds_block(const struct input_reader *r)
{
    return r->blocks && r->content && r->block->compressed;
}

bool input_is_stream(const struct input_reader *r)
{
    return r->source.buffer != NULL;
}

void input_rest(struct input_reader *r)
{
    input_blocks_rest(r->blocks);
}

int input_wake(struct input_reader *r, struct input_packet *packets, uint32_t count)
{
    const uint8_t *content = NULL;
    int e = input_blocks_again(r->blocks, &content);
    if (e < 0)
        return e == -ENOMEM ? e : -EIO;
    for (uint32_t i = 0; i < count; i++)
        packets[i].data = content + (packets[i].data - r->content);
    if (r->source.at) {
        r->source.at = content + (r->source.at - r->content);
        r->source.end = content + r->block->content_size;
    }
    r->content = content;
    return 0;
}

void input_close(struct input_reader *reader)
{
    if (!reader)
        return;
    input_blocks_close(reader->blocks);
    input_source_close(&reader->source);
    pcapng_reader_free(reader->pcapng);
    input_names_free(&reader->names);
    free(reader->points);
    free(reader);
}
