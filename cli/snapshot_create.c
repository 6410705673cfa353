/* tapeloop snapshot create NAME: publishes snapshot.request and, when asked to, follows it to its end. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/snapshot_text.h"
#include "cli/snapshot_watch.h"
#include "mem/cleanup.h"
#include "units/units.h"

#define FIRST_WORD_WAIT_MS 2000   /* without --wait: a refusal comes at once */
#define ASK_INTERVAL_MS 2000
#define NEWS_WAIT_MS 200

struct create_options {
    struct cli_options cli;
    int64_t last_ns, from_ns, to_ns, timeout_ns;
    struct option_list nodes, labels;
    bool complete, wait;
};
#define FIELD(name) offsetof(struct create_options, name)

static const struct option rows[] = {
    { .name = "last", .letter = 'l', .type = OPTION_DURATION, .field = FIELD(last_ns), .value_name = "DURATION", .help = "The time up to now, for example 30s, 15m, 2h" },
    { .name = "from", .type = OPTION_TIME, .field = FIELD(from_ns), .value_name = "TIME", .help = "Where the window begins (RFC 3339), instead of --last" },
    { .name = "to", .type = OPTION_TIME, .field = FIELD(to_ns), .value_name = "TIME", .help = "Where it ends; now where it is not given; a time to come is waited for" },
    { .name = "node", .letter = 'n', .type = OPTION_LIST, .field = FIELD(nodes), .value_name = "NODE", .complete = "node", .help = "Only this node" },
    { .name = "label", .type = OPTION_LIST, .field = FIELD(labels), .value_name = "KEY=VALUE", .help = "Only nodes that carry this label" },
    { .name = "complete", .type = OPTION_FLAG, .field = FIELD(complete), .help = "Fail rather than keep a partial snapshot" },
    { .name = "wait", .letter = 'w', .type = OPTION_FLAG, .field = FIELD(wait), .help = "Show progress and end when the snapshot is ready or has failed" },
    { .name = "timeout", .type = OPTION_DURATION, .field = FIELD(timeout_ns), .value_name = "DURATION", .fallback = "0", .help = "With --wait: no longer than this; 0 is for ever" },
    CLI_ROW_JSON,
};

static int add_label(Tapeloop__V1__SnapshotRequest *request, const char *label)
{
    const char *equals = strchr(label, '=');
    Tapeloop__V1__SnapshotRequest__LabelsEntry *entry = WIRE_NEW(Tapeloop__V1__SnapshotRequest__LabelsEntry, tapeloop__v1__snapshot_request__labels_entry__descriptor);
    mem_auto_free char *key = strndup(label, (size_t)(equals - label));
    if (entry && key && wire_set_string(&entry->key, key) == 0 && wire_set_string(&entry->value, equals + 1) == 0 &&
        wire_append(&request->n_labels, &request->labels, entry) == 0)
        return 0;
    wire_free(entry);
    return -ENOMEM;
}

static int set_time(char **field, int64_t ns)
{
    char text[UNITS_TIME_TEXT_MAX];
    return ns ? wire_set_string(field, units_format_time(ns, text, sizeof text)) : 0;
}

static int fill_request(const struct create_options *options, const char *name, Tapeloop__V1__SnapshotRequest *request)
{
    char text[UNITS_DURATION_TEXT_MAX];
    int rc = wire_set_string(&request->name, name);
    if (rc == 0)
        rc = set_time(&request->from, options->from_ns);
    if (rc == 0)
        rc = set_time(&request->to, options->to_ns);
    if (rc == 0 && options->last_ns)
        rc = wire_set_string(&request->last, units_format_duration(options->last_ns, text, sizeof text));
    for (size_t i = 0; rc == 0 && i < options->nodes.count; i++) {
        char *node = strdup(options->nodes.values[i]);
        rc = node ? wire_append(&request->n_nodes, &request->nodes, node) : -ENOMEM;
    }
    for (size_t i = 0; rc == 0 && i < options->labels.count; i++)
        rc = add_label(request, options->labels.values[i]);
    request->complete = options->complete;
    return rc;
}

static int check_options(const struct create_options *options)
{
    if (!options->last_ns == !options->from_ns)
        return cli_misuse(&options->cli, "say which time: --last DURATION, or --from TIME (and --to TIME)%s", options->last_ns ? ", not both" : "");
    if (options->last_ns && options->to_ns)
        return cli_misuse(&options->cli, "--last ends now: it does not go with --to");
    if (options->to_ns && options->to_ns <= options->from_ns)
        return cli_misuse(&options->cli, "--to lies before --from");
    if (options->timeout_ns && !options->wait)
        return cli_misuse(&options->cli, "--timeout is for --wait");
    for (size_t i = 0; i < options->labels.count; i++) {
        if (!strchr(options->labels.values[i], '=') || options->labels.values[i][0] == '=')
            return cli_misuse(&options->cli, "--label \"%s\" is not KEY=VALUE", options->labels.values[i]);
    }
    return 0;
}

/* The exit code of an end, having told of it. */
static int tell_end(const struct create_options *options, const Tapeloop__V1__SnapshotEvent *event)
{
    bool ready = strcmp(event->state, "ready") == 0, partial = ready && strcmp(event->completeness, "partial") == 0;
    int code = partial ? CLI_PARTIAL : ready ? CLI_OK : CLI_FAILED;
    if (options->cli.json) {
        json_t *document = cli_json_of(&event->base);
        if (!ready && document)
            (void)json_object_set_new(document, "error", json_pack("{s:s,s:s}", "code", "internal", "message", event->reason));
        return cli_print_json(document) == CLI_OK ? code : CLI_FAILED;
    }
    if (ready)
        snapshot_print(event, stdout);
    else
        fprintf(stderr, "tapeloop: snapshot %s failed: %s\n", event->name, event->reason);
    return code;
}

/* Without --wait: says what is known after a moment. */
static int tell_published(const struct create_options *options, const char *name, uint64_t sequence, const Tapeloop__V1__SnapshotEvent *event)
{
    char window[SNAPSHOT_WINDOW_TEXT_MAX];
    if (options->cli.json) {
        json_t *document = event ? cli_json_of(&event->base) : json_pack("{s:s,s:s}", "name", name, "state", "queued");
        if (document)
            (void)json_object_set_new(document, "request", json_integer((json_int_t)sequence));
        return cli_print_json(document);
    }
    if (event)
        printf("%s is accepted: %s\nfollow it: tapeloop snapshot show %s\n", name, snapshot_window_text(event->from, event->to, window), name);
    else
        printf("%s is queued: no snapshotter has taken it yet; it is done as soon as one is up and free\n", name);
    return CLI_OK;
}

/* Follows until the end or the timeout; the final event, or NULL. */
static Tapeloop__V1__SnapshotEvent *follow(const struct create_options *options, struct job_watch *watch)
{
    int64_t began = units_now_mono_ns(), asked = began;
    bool accepted = false, bar = !options->cli.json && isatty(STDERR_FILENO);
    struct progress_line line = { .out = stderr, .shown = bar };
    for (;;) {
        ProtobufCMessage *heard = NULL;
        wire_auto ProtobufCMessage *told = NULL;
        char window[SNAPSHOT_WINDOW_TEXT_MAX];
        enum job_watch_state state = job_watch_wait(watch, NEWS_WAIT_MS, &heard, &told);
        Tapeloop__V1__SnapshotEvent *event = (Tapeloop__V1__SnapshotEvent *)heard;
        const Tapeloop__V1__SnapshotProgress *progress = (const Tapeloop__V1__SnapshotProgress *)told;
        int64_t now = units_now_mono_ns();
        if (state == JOB_ENDED) {
            progress_line_clear(&line);
            return event;
        }
        if (event && !accepted && !options->cli.json)
            fprintf(stderr, "%s is accepted: %s\n", event->name, snapshot_window_text(event->from, event->to, window));
        accepted = event != NULL;
        wire_free(event);
        progress_line_snapshot(&line, !accepted ? "queued" : progress ? progress->stage : "accepted", progress);
        if (options->timeout_ns && now - began >= options->timeout_ns) {
            progress_line_clear(&line);
            return NULL;
        }
        if (now - asked >= ASK_INTERVAL_MS * UNITS_NS_PER_MS) {
            job_watch_ask(watch);
            asked = now;
        }
    }
}

static int publish_and_follow(const struct create_options *options, struct bus *bus, struct job_watch *watch, const Tapeloop__V1__SnapshotRequest *request)
{
    wire_auto Tapeloop__V1__SnapshotEvent *event = NULL;
    uint64_t sequence = 0;
    if (job_publish(&options->cli, bus, "snapshot.request", &request->base, &sequence) != 0)
        return CLI_FAILED;
    job_watch_expect(watch, sequence);
    if (options->wait) {
        event = follow(options, watch);
        if (event)
            return tell_end(options, event);
        return cli_fail(&options->cli, "unavailable", "snapshot %s has not ended in time; its request stays, see tapeloop snapshot show %s", request->name, request->name);
    }
    int64_t until = units_now_mono_ns() + FIRST_WORD_WAIT_MS * UNITS_NS_PER_MS;
    for (;;) { /* progress is news too, but no word of acceptance */
        wire_free(mem_take(event));
        enum job_watch_state state = job_watch_wait(watch, NEWS_WAIT_MS, (ProtobufCMessage **)(void *)&event, NULL);
        if (state == JOB_ENDED)
            return tell_end(options, event);
        if (state == JOB_ACCEPTED || units_now_mono_ns() >= until)
            return tell_published(options, request->name, sequence, event);
    }
}

static int run(const void *fields, char **arguments, size_t count)
{
    (void)count;
    const struct create_options *options = fields;
    cli_bus_auto struct bus *bus = NULL;
    wire_auto Tapeloop__V1__SnapshotRequest *request = NULL;
    struct job_watch *watch = NULL;
    struct snapshot_watch_wish wish = { .name = arguments[0], .from_ns = options->from_ns, .to_ns = options->to_ns };
    int rc = check_options(options);
    if (rc != 0)
        return rc;
    request = WIRE_NEW(Tapeloop__V1__SnapshotRequest, tapeloop__v1__snapshot_request__descriptor);
    if (!request || fill_request(options, arguments[0], request) < 0)
        return cli_fail(&options->cli, "internal", "out of memory");
    if (cli_connect(&options->cli, &bus) != 0)
        return CLI_FAILED;
    rc = job_watch_open(bus, &snapshot_watch_kind, &wish, &watch); /* before the publish: no event can be missed */
    if (rc < 0)
        return cli_fail(&options->cli, "unavailable", "listening for events: %s", cli_bus_problem(rc));
    int code = publish_and_follow(options, bus, watch, request);
    job_watch_close(watch);
    return code;
}

const struct cli_command cli_snapshot_create = {
    .command = {
        .name = "tapeloop snapshot create", .arguments = "NAME", .arguments_least = 1, .arguments_most = 1,
        .summary = "Cut a window out of the nodes' tapes and keep it",
        .description = "Publishes snapshot.request, which waits in its queue until a snapshotter takes it, also while none is up. The name is what makes it one: asked for twice with the same window it is one "
                       "snapshot; asked for with another window it fails and says so. Names are lower-case letters, digits, \"-\", \"_\" and \".\", at most 128, and begin and end with a letter or digit.\n\n"
                       "A node that is down or has lost packets makes the snapshot partial, and the snapshot says which and why. Without --wait the command ends when the request is taken, or is safe in its queue.",
        .examples = "tapeloop snapshot create incident-42 --last 30s --wait\n"
                    "tapeloop snapshot create night --from 2026-01-31T02:00:00Z --to 2026-01-31T02:05:00Z --node worker-1 --node worker-2\n"
                    "nats pub snapshot.request '{\"name\":\"incident-42\",\"last\":\"30s\"}'   # the same without this command",
        .exit_codes = "0  accepted or queued; with --wait: ready and complete\n1  failed, or the bus cannot be reached, or --timeout is over\n2  wrong use\n3  with --wait: ready, but partial",
        .options = rows, .options_count = sizeof rows / sizeof *rows,
    },
    .fields_size = sizeof(struct create_options), .connects = true, .run = run,
};
