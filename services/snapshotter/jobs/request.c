#include "services/snapshotter/jobs/request.h"
#include "json/json.h"
#include "mem/cleanup.h"
#include "digest/digest.h"
#include "store/store.h"
#include "units/units.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(DIGEST_TEXT_MAX == REQUEST_DIGEST_TEXT_MAX, "a request's digest is a SHA-256");

static int refuse(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(char *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, REQUEST_ERROR_TEXT_MAX, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static int resolve_last(const Tapeloop__V1__SnapshotRequest *request, int64_t asked_ns, struct request_window *window, char *error)
{
    int64_t last_ns = 0;
    if (request->from[0] || request->to[0])
        return refuse(error, "the request has both last and from or to: give one or the other");
    int r = units_parse_duration(request->last, &last_ns);
    if (r < 0 || last_ns <= 0)
        return refuse(error, "last: '%.64s' is not a length of time: write it as \"30s\", \"15m\" or \"1h30m\"", request->last);
    if (last_ns > asked_ns)
        return refuse(error, "last: '%.64s' reaches back before 1970", request->last);
    *window = (struct request_window){ .from_ns = asked_ns - last_ns, .to_ns = asked_ns };
    return 0;
}

static int resolve_ends(const Tapeloop__V1__SnapshotRequest *request, int64_t asked_ns, struct request_window *window, char *error)
{
    if (!request->from[0])
        return refuse(error, "the request says neither from nor last: which stretch of time is wanted?");
    window->to_ns = asked_ns;
    if (units_parse_time(request->from, &window->from_ns) < 0)
        return refuse(error, "from: '%.64s' is not a time: write it as 2026-01-02T03:04:05Z", request->from);
    if (request->to[0] && units_parse_time(request->to, &window->to_ns) < 0)
        return refuse(error, "to: '%.64s' is not a time: write it as 2026-01-02T03:04:05Z", request->to);
    if (window->from_ns < 0)
        return refuse(error, "from: '%.64s' lies before 1970", request->from);
    if (window->from_ns == window->to_ns)
        return refuse(error, "the window is empty: from and to are the same moment");
    if (window->from_ns > window->to_ns && !request->to[0])
        return refuse(error, "from: '%.64s' lies in the future; give a to as well, and the snapshot waits for it", request->from);
    if (window->from_ns > window->to_ns)
        return refuse(error, "from (%.64s) lies after to (%.64s): swap them", request->from, request->to);
    return 0;
}

int request_resolve(const Tapeloop__V1__SnapshotRequest *request, int64_t asked_ns, int64_t wait_limit_ns, struct request_window *ret, char *error)
{
    struct request_window window = { 0 };
    if (request->n_nodes > REQUEST_NODES_MAX)
        return refuse(error, "the request names %zu nodes and may name %d: use labels", request->n_nodes, REQUEST_NODES_MAX);
    for (size_t i = 0; i < request->n_nodes; i++)
        if (!request->nodes[i][0])
            return refuse(error, "nodes: one of the names is empty");
    int r = request->last[0] ? resolve_last(request, asked_ns, &window, error) : resolve_ends(request, asked_ns, &window, error);
    if (r < 0)
        return r;
    if (window.to_ns - asked_ns > wait_limit_ns) {
        char limit[UNITS_DURATION_TEXT_MAX];
        return refuse(error, "the window ends at %.64s, too far in the future: a snapshot waits for at most %s", request->to,
                      units_format_duration(wait_limit_ns, limit, sizeof limit));
    }
    *ret = window;
    return 0;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}
static int compare_labels(const void *a, const void *b)
{
    const Tapeloop__V1__SnapshotRequest__LabelsEntry *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

/* Length before text, so that no two lists give the same bytes. */
static void add_text(struct digest *digest, const char *text)
{
    uint64_t length = strlen(text);
    digest_add(digest, &length, sizeof length);
    digest_add(digest, text, length);
}

void request_digest(const Tapeloop__V1__SnapshotRequest *request, const struct request_window *window, char digest[static REQUEST_DIGEST_TEXT_MAX])
{
    struct digest *sum = digest_new();
    mem_auto_free char **nodes = calloc(request->n_nodes + 1, sizeof *nodes);
    mem_auto_free Tapeloop__V1__SnapshotRequest__LabelsEntry **labels = calloc(request->n_labels + 1, sizeof *labels);
    if (!sum || !nodes || !labels)
        abort(); /* a few kilobytes: without them no answer could be given either */
    for (size_t i = 0; i < request->n_nodes; i++)
        nodes[i] = request->nodes[i];
    for (size_t i = 0; i < request->n_labels; i++)
        labels[i] = request->labels[i];
    qsort(nodes, request->n_nodes, sizeof *nodes, compare_texts);
    qsort(labels, request->n_labels, sizeof *labels, compare_labels);
    int64_t head[] = { window->from_ns, window->to_ns, request->complete, (int64_t)request->n_nodes, (int64_t)request->n_labels };
    digest_add(sum, head, sizeof head);
    for (size_t i = 0; i < request->n_nodes; i++)
        add_text(sum, nodes[i]);
    for (size_t i = 0; i < request->n_labels; i++) {
        add_text(sum, labels[i]->key);
        add_text(sum, labels[i]->value);
    }
    digest_text(sum, digest);
    digest_free(sum);
}

void request_guess_name(const void *data, size_t size, char *name, size_t cap)
{
    json_error_t ignored;
    json_auto json_t *body = size <= WIRE_MESSAGE_BYTES_MAX ? json_loadb(data, size, 0, &ignored) : NULL;
    const char *text = json_string_value(json_object_get(body, "name"));
    snprintf(name, cap, "%s", text ? text : "");
}
