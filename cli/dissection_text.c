#include "cli/dissection_text.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/output.h"
#include "jobs/announce.h"
#include "mem/cleanup.h"
#include "units/units.h"

void dissection_print(const Tapeloop__V1__DissectEvent *event, FILE *out)
{
    char size[UNITS_SIZE_TEXT_MAX];
    fprintf(out, "%s of snapshot %s: %s\n", event->name, event->snapshot, event->state);
    if (*event->reason)
        fprintf(out, "  reason       %s\n", event->reason);
    if (strcmp(event->state, "ready") == 0) {
        fprintf(out, "  entries      %" PRIu64 " of %" PRIu64 " connections, from %" PRIu64 " packets\n", event->entries, event->connections, event->packets);
        fprintf(out, "  database     %s (%s)\n", event->location, units_format_size(event->bytes, size, sizeof size));
        fprintf(out, "  digest       %s\n", event->digest);
    }
    if (*event->requested_at)
        fprintf(out, "  asked for    %s\n", event->requested_at);
    if (*event->finished_at)
        fprintf(out, "  finished     %s\n", event->finished_at);
    const char *title = "counted";
    for (size_t i = 0; i < event->n_counters; i++) {
        if (event->counters[i]->value == 0)
            continue;
        fprintf(out, "  %-12s %s %" PRIu64 "\n", title, event->counters[i]->key, event->counters[i]->value);
        title = "";
    }
}

void dissection_print_manifest(const Tapeloop__V1__DissectManifest *manifest, FILE *out)
{
    const Tapeloop__V1__DissectRequest *request = manifest->request;
    if (request) {
        fprintf(out, "  protocols    ");
        for (size_t i = 0; i < request->n_protocols; i++)
            fprintf(out, "%s%s", i ? ", " : "", request->protocols[i]);
        fprintf(out, "%s\n  redacted     %s\n", request->n_protocols ? "" : "all", request->redact);
        mem_auto_free char *where = strdup(request->where); /* as somebody wrote it */
        if (where && *where) {
            text_make_plain(where);
            fprintf(out, "  where        %s\n", where);
        }
    }
}
