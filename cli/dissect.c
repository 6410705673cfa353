/* tapeloop dissect SNAPSHOT: publishes dissect.request and, when asked to, follows it to its end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/dissect_watch.h"
#include "cli/dissection_text.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "mem/cleanup.h"
#include "units/units.h"

#define FIRST_WORD_WAIT_MS 2000   /* without --wait: a refusal comes at once */
#define ASK_INTERVAL_MS 2000
#define NEWS_WAIT_MS 200
#define STAGE_TEXT_MAX 32

struct dissect_options {
    struct cli_options cli;
    const char *name, *where;
    struct option_list protocols;
    int redact;
    uint64_t limit;
    int64_t timeout_ns;
    bool wait;
};
#define FIELD(name) offsetof(struct dissect_options, name)

static const char *const redact_levels[] = { "on", "strict", "off", NULL };

static const struct option rows[] = {
    { .name = "name", .letter = 'n', .type = OPTION_STRING, .field = FIELD(name), .value_name = "NAME", .fallback = DISSECTION_NAME_DEFAULT, .help = "Name of the dissection among those of its snapshot" },
    { .name = "where", .type = OPTION_STRING, .field = FIELD(where), .value_name = "EXPR", .help = "Keep only entries that the expression matches" },
    { .name = "protocols", .letter = 'p', .type = OPTION_LIST, .field = FIELD(protocols), .value_name = "NAME", .help = "Keep only entries of this protocol (HTTP, DNS, ...), or of several with commas between" },
    { .name = "redact", .type = OPTION_CHOICE, .field = FIELD(redact), .value_name = "LEVEL", .fallback = "on", .choices = redact_levels,
      .help = "on takes secrets out of values, strict SQL literals and bodies too, off nothing" },
    { .name = "limit", .type = OPTION_UINT, .field = FIELD(limit), .value_name = "N", .fallback = "0", .help = "Keep the first N entries alone; 0 keeps all" },
    { .name = "wait", .letter = 'w', .type = OPTION_FLAG, .field = FIELD(wait), .help = "Show progress and end when the dissection is ready or has failed" },
    { .name = "timeout", .type = OPTION_DURATION, .field = FIELD(timeout_ns), .value_name = "DURATION", .fallback = "0", .help = "With --wait: no longer than this; 0 is for ever" },
    CLI_ROW_JSON,
};

/* Names with commas between count one by one. */
static int add_protocols(Tapeloop__V1__DissectRequest *request, const char *text)
{
    int rc = 0;
    while (rc == 0 && *text) {
        size_t length = strcspn(text, ",");
        char *name = strndup(text, length);
        rc = name ? wire_append(&request->n_protocols, &request->protocols, name) : -ENOMEM;
        if (rc < 0)
            free(name);
        text += length + (text[length] == ',');
    }
    return rc;
}

static int fill_request(const struct dissect_options *options, const char *snapshot, Tapeloop__V1__DissectRequest *request)
{
    int rc = wire_set_string(&request->snapshot, snapshot);
    if (rc == 0)
        rc = wire_set_string(&request->name, options->name);
    if (rc == 0 && options->where)
        rc = wire_set_string(&request->where, options->where);
    if (rc == 0)
        rc = wire_set_string(&request->redact, redact_levels[options->redact]);
    for (size_t i = 0; rc == 0 && i < options->protocols.count; i++)
        rc = add_protocols(request, options->protocols.values[i]);
    if (rc == 0 && options->limit) {
        request->limits = WIRE_NEW(Tapeloop__V1__DissectLimits, tapeloop__v1__dissect_limits__descriptor);
        if (!request->limits)
            return -ENOMEM;
        request->limits->entries = options->limit;
    }
    return rc;
}

/* The exit code of an end, having told of it. */
static int tell_end(const struct dissect_options *options, const Tapeloop__V1__DissectEvent *event)
{
    bool ready = strcmp(event->state, "ready") == 0;
    int code = ready ? CLI_OK : CLI_FAILED;
    if (options->cli.json) {
        json_t *document = cli_json_of(&event->base);
        if (!ready && document)
            (void)json_object_set_new(document, "error", json_pack("{s:s,s:s}", "code", "internal", "message", event->reason));
        return cli_print_json(document) == CLI_OK ? code : CLI_FAILED;
    }
    if (ready)
        dissection_print(event, stdout);
    else
        fprintf(stderr, "tapeloop: dissection %s of snapshot %s failed: %s\n", event->name, event->snapshot, event->reason);
    return code;
}

/* Without --wait: says what is known after a moment. */
static int tell_published(const struct dissect_options *options, const char *snapshot, uint64_t sequence, const Tapeloop__V1__DissectEvent *event)
{
    if (options->cli.json) {
        json_t *document = event ? cli_json_of(&event->base) : json_pack("{s:s,s:s,s:s}", "snapshot", snapshot, "name", options->name, "state", "queued");
        if (document)
            (void)json_object_set_new(document, "request", json_integer((json_int_t)sequence));
        return cli_print_json(document);
    }
    if (event)
        printf("%s of snapshot %s is accepted\nfollow it: tapeloop dissection show %s --name %s\n", options->name, snapshot, snapshot, options->name);
    else
        printf("%s of snapshot %s is queued: no dissector has taken it yet; it is done as soon as one is up and free\n", options->name, snapshot);
    return CLI_OK;
}

/* Where there is no terminal for a line that is written over: one line for each stage. */
static void tell_stage(const struct dissect_options *options, const Tapeloop__V1__DissectProgress *progress, char last[static STAGE_TEXT_MAX])
{
    if (options->cli.json || isatty(STDERR_FILENO) || !progress || strcmp(progress->stage, last) == 0)
        return;
    (void)snprintf(last, STAGE_TEXT_MAX, "%s", progress->stage);
    fprintf(stderr, "%s: %u of %u items done\n", progress->stage, progress->items_done, progress->items_total);
}

/* Follows until the end or the timeout; the final event, or NULL. */
static Tapeloop__V1__DissectEvent *follow(const struct dissect_options *options, struct job_watch *watch)
{
    int64_t began = units_now_mono_ns(), asked = began;
    struct progress_line line = { .out = stderr, .shown = !options->cli.json && isatty(STDERR_FILENO) };
    char stage[STAGE_TEXT_MAX] = "";
    for (;;) {
        ProtobufCMessage *event = NULL;
        wire_auto ProtobufCMessage *told = NULL;
        enum job_watch_state state = job_watch_wait(watch, NEWS_WAIT_MS, &event, &told);
        const Tapeloop__V1__DissectProgress *progress = (const Tapeloop__V1__DissectProgress *)told;
        int64_t now = units_now_mono_ns();
        if (state == JOB_ENDED) {
            progress_line_clear(&line);
            return (Tapeloop__V1__DissectEvent *)event;
        }
        wire_free(event);
        tell_stage(options, progress, stage);
        progress_line_dissection(&line, state == JOB_UNHEARD ? "queued" : progress ? progress->stage : "accepted", progress);
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

static int publish_and_follow(const struct dissect_options *options, struct bus *bus, struct job_watch *watch, const Tapeloop__V1__DissectRequest *request)
{
    wire_auto Tapeloop__V1__DissectEvent *event = NULL;
    uint64_t sequence = 0;
    if (job_publish(&options->cli, bus, "dissect.request", &request->base, &sequence) != 0)
        return CLI_FAILED;
    job_watch_expect(watch, sequence);
    if (options->wait) {
        event = follow(options, watch);
        if (event)
            return tell_end(options, event);
        return cli_fail(&options->cli, "unavailable", "dissection %s of snapshot %s has not ended in time; its request stays, see tapeloop dissection show %s --name %s", request->name,
                        request->snapshot, request->snapshot, request->name);
    }
    int64_t until = units_now_mono_ns() + FIRST_WORD_WAIT_MS * UNITS_NS_PER_MS;
    for (;;) { /* progress is news too, but no word of acceptance */
        wire_free(mem_take(event));
        enum job_watch_state state = job_watch_wait(watch, NEWS_WAIT_MS, (ProtobufCMessage **)(void *)&event, NULL);
        if (state == JOB_ENDED)
            return tell_end(options, event);
        if (state == JOB_ACCEPTED || units_now_mono_ns() >= until)
            return tell_published(options, request->snapshot, sequence, event);
    }
}

static int run(const void *fields, char **arguments, size_t count)
{
    (void)count;
    const struct dissect_options *options = fields;
    cli_bus_auto struct bus *bus = NULL;
    wire_auto Tapeloop__V1__DissectRequest *request = NULL;
    struct job_watch *watch = NULL;
    struct dissect_watch_wish wish = { .snapshot = arguments[0], .name = options->name };
    if (options->timeout_ns && !options->wait)
        return cli_misuse(&options->cli, "--timeout is for --wait");
    request = WIRE_NEW(Tapeloop__V1__DissectRequest, tapeloop__v1__dissect_request__descriptor);
    if (!request || fill_request(options, arguments[0], request) < 0)
        return cli_fail(&options->cli, "internal", "out of memory");
    if (cli_connect(&options->cli, &bus) != 0)
        return CLI_FAILED;
    int rc = job_watch_open(bus, &dissect_watch_kind, &wish, &watch); /* before the publish: no event can be missed */
    if (rc < 0)
        return cli_fail(&options->cli, "unavailable", "listening for events: %s", cli_bus_problem(rc));
    int code = publish_and_follow(options, bus, watch, request);
    job_watch_close(watch);
    return code;
}

const struct cli_command cli_dissect = {
    .command = {
        .name = "tapeloop dissect", .arguments = "SNAPSHOT", .arguments_least = 1, .arguments_most = 1, .arguments_complete = "snapshot",
        .summary = "Work out the calls of a snapshot: HTTP, DNS, SQL and the rest",
        .description = "Publishes dissect.request, which waits in its queue until a dissector takes it, also while none is up. Any number of dissectors share the work. What comes of it is an SQLite database beside "
                       "the snapshot, which itself never changes; the same snapshot gives the same rows, whoever worked. Snapshot and name together make it one: asked for twice it is one dissection, asked for "
                       "with something else under the same name it fails and says so.\n\n"
                       "Secrets are taken out of the entries unless --redact off; the snapshot stays raw.",
        .examples = "tapeloop dissect incident-42 --wait\n"
                    "tapeloop dissect incident-42 --name errors --where 'http && status_code >= 500' --wait\n"
                    "nats pub dissect.request '{\"snapshot\":\"incident-42\"}'   # the same without this command",
        .exit_codes = "0  accepted or queued; with --wait: ready\n1  failed, or the bus cannot be reached, or --timeout is over\n2  wrong use",
        .options = rows, .options_count = sizeof rows / sizeof *rows,
    },
    .fields_size = sizeof(struct dissect_options), .connects = true, .run = run,
};
