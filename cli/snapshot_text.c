/* Snapshots as text for people. See snapshot_text.h. */
#include "cli/snapshot_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/output.h"
#include "units/units.h"

/* Nanoseconds are noise on a screen: milliseconds stay. */
static void shorten_time(const char *time, char *text)
{
    const char *point = strchr(time, '.');
    size_t digits = point ? strspn(point + 1, "0123456789") : 0;
    if (digits > 3)
        (void)snprintf(text, UNITS_TIME_TEXT_MAX, "%.*s%s", (int)(point - time) + 4, time, point + 1 + digits);
    else
        (void)snprintf(text, UNITS_TIME_TEXT_MAX, "%s", time);
}

const char *snapshot_window_text(const char *from, const char *to, char *text)
{
    char first[UNITS_TIME_TEXT_MAX], last[UNITS_TIME_TEXT_MAX], duration[UNITS_DURATION_TEXT_MAX];
    int64_t from_ns, to_ns;
    shorten_time(*from ? from : "?", first);
    shorten_time(*to ? to : "?", last);
    int n = snprintf(text, SNAPSHOT_WINDOW_TEXT_MAX, "%s to %s", first, last);
    if (units_parse_time(from, &from_ns) == 0 && units_parse_time(to, &to_ns) == 0 && to_ns >= from_ns) {
        int64_t span = (to_ns - from_ns) / UNITS_NS_PER_MS * UNITS_NS_PER_MS;
        (void)snprintf(text + n, SNAPSHOT_WINDOW_TEXT_MAX - (size_t)n, " (%s)", units_format_duration(span, duration, sizeof duration));
    }
    return text;
}

const char *snapshot_state_text(const Tapeloop__V1__SnapshotEvent *event, char *text, size_t cap)
{
    (void)snprintf(text, cap, "%s%s%s", *event->state ? event->state : "unknown", *event->completeness ? ", " : "", event->completeness);
    return text;
}

static void print_nodes(const Tapeloop__V1__SnapshotEvent *event, FILE *out)
{
    static const char *const titles[] = { "NODE", "STATE", "PACKETS", "SIZE", "SEGMENTS", "REASON" };
    struct cli_table table = { .columns = sizeof titles / sizeof *titles };
    for (size_t i = 0; i < table.columns; i++)
        cli_table_add(&table, titles[i]);
    for (size_t i = 0; i < event->n_nodes; i++) {
        const Tapeloop__V1__SnapshotNode *node = event->nodes[i];
        char size[UNITS_SIZE_TEXT_MAX];
        cli_table_add(&table, node->name);
        cli_table_add(&table, node->state);
        cli_table_format(&table, "%" PRIu64, node->packets);
        cli_table_add(&table, units_format_size(node->bytes, size, sizeof size));
        cli_table_format(&table, "%" PRIu64, node->segments);
        cli_table_add(&table, node->reason);
    }
    cli_table_print(&table, 2, out);
}

void snapshot_print(const Tapeloop__V1__SnapshotEvent *event, FILE *out)
{
    char text[SNAPSHOT_WINDOW_TEXT_MAX], size[UNITS_SIZE_TEXT_MAX], time[UNITS_TIME_TEXT_MAX];
    fprintf(out, "%s: %s\n", event->name, snapshot_state_text(event, text, sizeof text));
    if (*event->reason)
        fprintf(out, "  reason    %s\n", event->reason);
    if (*event->from || *event->to)
        fprintf(out, "  window    %s\n", snapshot_window_text(event->from, event->to, text));
    if (*event->covered_from || *event->covered_to)
        fprintf(out, "  covered   %s\n", snapshot_window_text(event->covered_from, event->covered_to, text));
    if (strcmp(event->state, "ready") == 0)
        fprintf(out, "  packets   %" PRIu64 " in the window\n  size      %s in %" PRIu64 " segments\n", event->packets, units_format_size(event->bytes, size, sizeof size), event->segments);
    if (*event->location)
        fprintf(out, "  location  %s\n", event->location);
    if (*event->finished_at) {
        shorten_time(event->finished_at, time);
        fprintf(out, "  finished  %s\n", time);
    }
    if (event->n_nodes)
        print_nodes(event, out);
}

void snapshot_print_objects(const Tapeloop__V1__Manifest *manifest, FILE *out)
{
    static const char *const titles[] = { "OBJECT", "SIZE", "PACKETS", "SHA-256" };
    struct cli_table table = { .columns = sizeof titles / sizeof *titles };
    for (size_t i = 0; i < table.columns; i++)
        cli_table_add(&table, titles[i]);
    for (size_t i = 0; i < manifest->n_objects; i++) {
        const Tapeloop__V1__ManifestObject *object = manifest->objects[i];
        char size[UNITS_SIZE_TEXT_MAX];
        cli_table_add(&table, object->path);
        cli_table_add(&table, units_format_size(object->bytes, size, sizeof size));
        if (strcmp(object->kind, "segment") == 0)
            cli_table_format(&table, "%" PRIu64, object->packets);
        else
            cli_table_add(&table, NULL);
        cli_table_add(&table, object->sha256);
    }
    cli_table_print(&table, 2, out);
}
