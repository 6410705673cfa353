/* tapeloop segment verify FILE... */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "capfile/segment_verify.h"
#include "cli/output.h"

#define DAMAGES_SHOWN_MAX 100 /* of one file; all are counted */

static const struct option rows[] = { CLI_ROW_JSON };

struct verdict { const char *path; bool json; json_t *damage; size_t shown; };

static void take_damage(void *context, const struct segment_damage *damage)
{
    struct verdict *verdict = context;
    if (verdict->shown++ >= DAMAGES_SHOWN_MAX)
        return;
    if (verdict->json)
        (void)json_array_append_new(verdict->damage, json_pack("{s:I,s:s}", "offset", (json_int_t)damage->offset, "problem", damage->problem));
    else
        printf("%s: at byte %" PRId64 ": %s\n", verdict->path, damage->offset, damage->problem);
}

/* True when the file is whole. */
static bool verify_one(const char *path, bool json, json_t *segments)
{
    struct verdict verdict = { .path = path, .json = json, .damage = json_array() };
    int found = segment_file_verify(path, take_damage, &verdict);
    if (json) {
        json_t *segment = json_pack("{s:s,s:b,s:i,s:o}", "file", path, "intact", found == 0, "damages", found > 0 ? found : 0, "damage", verdict.damage);
        if (found < 0)
            (void)json_object_set_new(segment, "error", json_string(strerror(-found)));
        (void)json_array_append_new(segments, segment);
        return found == 0;
    }
    json_decref(verdict.damage);
    if (found < 0)
        fprintf(stderr, "tapeloop: %s: cannot be read with its index %s.idx: %s\n", path, path, strerror(-found));
    else if (found > DAMAGES_SHOWN_MAX)
        printf("%s: and %d damages more\n", path, found - DAMAGES_SHOWN_MAX);
    else if (found == 0)
        printf("%s: intact\n", path);
    return found == 0;
}

static int run(const void *fields, char **arguments, size_t count)
{
    const struct cli_options *options = fields;
    json_auto json_t *segments = json_array();
    bool intact = true;
    for (size_t i = 0; i < count; i++) {
        if (!verify_one(arguments[i], options->json, segments))
            intact = false;
    }
    if (options->json && cli_print_json(json_pack("{s:b,s:O}", "intact", intact, "segments", segments)) != CLI_OK)
        return CLI_FAILED;
    return intact ? CLI_OK : CLI_FAILED;
}

const struct cli_command cli_segment_verify = {
    .command = {
        .name = "tapeloop segment verify", .arguments = "FILE...", .arguments_least = 1, .arguments_most = 100000, .arguments_complete = "file",
        .summary = "Check files of a tape or a snapshot against their hashes",
        .description = "Reads each segment and the index that lies beside it as FILE.idx, and checks every byte: the place, length and hash of each block, that it holds whole pcapng blocks, that counts "
                       "and times are true, and that there is nothing else in the file. Names each damage. Needs no bus.",
        .examples = "tapeloop segment verify /var/lib/tapeloop/tape/segments/*.lz4",
        .exit_codes = "0  every file is intact\n1  one is damaged or cannot be read\n2  wrong use",
        .options = rows, .options_count = sizeof rows / sizeof *rows,
    },
    .fields_size = sizeof(struct cli_options), .run = run,
};
