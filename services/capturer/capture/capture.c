#include "services/capturer/capture/capture.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "packet/bpf.h"
#include "packet/packet.h"
#include "services/capturer/capture/backend.h"
#include "services/capturer/capture/canary.h"
#include "services/capturer/capture/interfaces.h"
#include "services/capturer/capture/worker.h"

#define ERROR_TEXT 256

struct capture {
    const struct capture_backend *backend;
    uint32_t lanes;
    struct table *table;
    struct interfaces *interfaces;
    struct canary *canary;
    struct capture_filter *filters[LANES_MAX];
    struct backend_source *sources[LANES_MAX];
    struct worker *workers[LANES_MAX];
    struct bpf_expression *match[2];             /* Ethernet, raw IP */
    char notes[LANES_MAX + 1][BACKEND_NOTE_TEXT];
    char **patterns; size_t patterns_count;
    char node[SEGMENT_NODE_NAME_MAX + 1];
    _Atomic uint8_t lane_of_port[RECORDER_PORTS_MAX];
};

static int refuse_memory(char *error)
{
    (void)snprintf(error, ERROR_TEXT, "no memory for the capture");
    return -ENOMEM;
}

static int copy_patterns(struct capture *capture, const struct capture_options *options, char *error)
{
    static const char *const otherwise[] = { "auto" };
    size_t count = options->interfaces_count ? options->interfaces_count : 1;
    const char *const *patterns = options->interfaces_count ? options->interfaces : otherwise;
    capture->patterns = calloc(count, sizeof *capture->patterns);
    if (!capture->patterns)
        return refuse_memory(error);
    for (size_t i = 0; i < count; i++) {
        capture->patterns[i] = strdup(patterns[i]);
        if (!capture->patterns[i])
            return refuse_memory(error);
        capture->patterns_count++;
    }
    return 0;
}

static int compile_match(struct capture *capture, const char *text, char *error)
{
    char reason[BPF_ERROR_TEXT_MAX];
    if (!text || text[0] == '\0')
        return 0;
    int done = bpf_expression_compile(text, PACKET_LINK_ETHERNET, PCAPNG_SNAP_LENGTH, &capture->match[0], reason);
    if (done < 0) {
        (void)snprintf(error, ERROR_TEXT, "filter \"%.80s\": %.150s", text, reason);
        return done;
    }
    /* An expression of link addresses has no meaning where there are none. */
    if (bpf_expression_compile(text, PACKET_LINK_RAW, PCAPNG_SNAP_LENGTH, &capture->match[1], reason) < 0)
        (void)snprintf(capture->notes[LANES_MAX], BACKEND_NOTE_TEXT, "the filter is not applied to interfaces without link header (tun, wireguard): %.80s", reason);
    return 0;
}

static int open_lane(struct capture *capture, const struct capture_options *options, uint32_t lane, int *group, char *error)
{
    int done = filter_load(options->tape_id, &capture->filters[lane], error);
    if (done < 0)
        return done;
    const struct backend_options source = { .ring_bytes = options->ring_bytes, .lane = lane, .lanes = options->lanes, .program_fd = filter_program_fd(capture->filters[lane]), .group = group };
    return capture->backend->open(&source, &capture->sources[lane], error, capture->notes[lane]);
}

static int make_worker(struct capture *capture, const struct capture_options *options, struct lane *lane, char *error)
{
    const struct worker_options worker = {
        .backend = capture->backend,
        .source = capture->sources[lane->number],
        .filter = capture->filters[lane->number],
        .recorder = { .lane = lane, .table = capture->table, .filter = capture->filters[lane->number], .node = capture->node, .tape_id = options->tape_id,
                      .match = { capture->match[0], capture->match[1] }, .lane_of_port = capture->lane_of_port },
    };
    return worker_new(&worker, &capture->workers[lane->number]) < 0 ? refuse_memory(error) : 0;
}

static int open_all(struct capture *capture, const struct capture_options *options, struct lane *const *lanes, char *error)
{
    int group = -1, done = copy_patterns(capture, options, error);
    if (done == 0)
        done = compile_match(capture, options->bpf, error);
    if (done == 0 && table_new(options->lanes, &capture->table) < 0)
        done = refuse_memory(error);
    for (uint32_t i = 0; i < options->lanes && done == 0; i++)
        done = open_lane(capture, options, i, &group, error);
    if (done == 0)
        done = interfaces_open((const char *const *)capture->patterns, capture->patterns_count, capture->table, capture->filters, options->lanes, &capture->interfaces, error);
    for (uint32_t i = 0; i < options->lanes && done == 0; i++)
        done = make_worker(capture, options, lanes[i], error);
    if (done == 0) {
        done = canary_new(options->tape_id, options->lanes, capture->lane_of_port, &capture->canary);
        if (done < 0)
            (void)snprintf(error, ERROR_TEXT, "cannot open a UDP socket on 127.0.0.1 for the canary: %s", strerror(-done));
    }
    return done;
}

int capture_open(const struct capture_options *options, struct lane *const *lanes, struct capture **ret, char *error)
{
    assert(options->lanes >= 1 && options->lanes <= LANES_MAX);
    const char *missing = NULL;
    const struct capture_backend *backend = backend_find(options->backend, &missing);
    if (!backend) {
        if (missing)
            (void)snprintf(error, ERROR_TEXT, "a capture back end lacks its %s", missing);
        else
            (void)snprintf(error, ERROR_TEXT, "no capture back end is called %.64s", options->backend);
        return -EINVAL;
    }
    struct capture *capture = calloc(1, sizeof *capture);
    if (!capture)
        return refuse_memory(error);
    capture->backend = backend;
    capture->lanes = options->lanes;
    (void)snprintf(capture->node, sizeof capture->node, "%s", options->node);
    int done = open_all(capture, options, lanes, error);
    if (done < 0) {
        capture_close(capture);
        return done;
    }
    *ret = capture;
    return 0;
}

int capture_start(struct capture *capture)
{
    for (uint32_t i = 0; i < capture->lanes; i++) {
        int done = worker_start(capture->workers[i]);
        if (done < 0)
            return done;
    }
    return 0;
}

void capture_join(struct capture *capture)
{
    for (uint32_t i = 0; i < capture->lanes; i++)
        worker_join(capture->workers[i]);
}

void capture_close(struct capture *capture)
{
    if (!capture)
        return;
    canary_free(capture->canary);
    for (uint32_t i = 0; i < capture->lanes; i++) {
        worker_free(capture->workers[i]);
        capture->backend->close(capture->sources[i]);
    }
    interfaces_close(capture->interfaces);
    for (uint32_t i = 0; i < capture->lanes; i++)
        filter_free(capture->filters[i]);
    table_free(capture->table);
    bpf_expression_free(capture->match[0]);
    bpf_expression_free(capture->match[1]);
    for (size_t i = 0; i < capture->patterns_count; i++)
        free(capture->patterns[i]);
    free(capture->patterns);
    free(capture);
}

const char *capture_backend_name(const struct capture *capture) { return capture->backend->name; }
int capture_watch_fd(const struct capture *capture) { return interfaces_fd(capture->interfaces); }
int capture_watch(struct capture *capture) { return interfaces_watch(capture->interfaces); }
size_t capture_interfaces(struct capture *capture, struct capture_interface *interfaces, size_t most) { return interfaces_list(capture->interfaces, interfaces, most); }
size_t capture_not_visible(struct capture *capture, char (*texts)[160], size_t most) { return interfaces_not_visible(capture->interfaces, texts, most); }
int capture_send_canaries(struct capture *capture, int64_t now_wall_ns) { return canary_send(capture->canary, now_wall_ns); }

size_t capture_notes(struct capture *capture, char (*texts)[160], size_t most)
{
    size_t found = 0;
    for (uint32_t i = 0; i <= LANES_MAX && found < most; i++)
        if (capture->notes[i][0])
            (void)snprintf(texts[found++], 160, "%s", capture->notes[i]);
    return found + interfaces_notes(capture->interfaces, texts + found, most - found);
}
