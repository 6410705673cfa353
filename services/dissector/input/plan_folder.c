#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "json/json.h"
#include "mem/cleanup.h"
#include "services/dissector/input/plan_build.h"
#include "units/units.h"
#include "wire/wire.h"

#define MANIFEST_FILE "manifest.json"
#define MANIFEST_BYTES_MAX (256u * 1024 * 1024) /* as the snapshotter's: some 400 bytes for each object */
#define SEGMENTS_FOLDER "segments"

int plan_read_index(struct planned *planned)
{
    char path[PATH_MAX];
    __attribute__((cleanup(segment_index_free_p))) struct segment_index *index = NULL;
    if ((size_t)snprintf(path, sizeof path, "%s.idx", planned->input.path) >= sizeof path)
        return -ENAMETOOLONG;
    int r = segment_index_load(path, &index);
    if (r == 0)
        r = plan_identify(planned, &index->identity);
    if (r < 0)
        return r;
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (size_t i = 0; i < index->blocks_count; i++) {
        const struct segment_block *block = &index->blocks[i];
        if (block->packets == 0)
            continue;
        first = block->first_ns < first ? block->first_ns : first;
        last = block->last_ns > last ? block->last_ns : last;
    }
    if (first <= last) {
        planned->input.first_ns = first;
        planned->input.last_ns = last;
    }
    return 0;
}

static bool is_inside(const char *path)
{
    if (!*path || *path == '/')
        return false;
    for (const char *part = path; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == 0))
            return false;
    }
    return true;
}

/* The manifest's times are nanoseconds in RFC 3339; an empty one says nothing. */
static int64_t time_or(const char *text, int64_t otherwise)
{
    int64_t ns;
    return *text && units_parse_time(text, &ns) == 0 ? ns : otherwise;
}

static int add_object(struct plan_build *build, const char *folder, const Tapeloop__V1__Manifest *manifest, const Tapeloop__V1__ManifestObject *object)
{
    char path[PATH_MAX];
    struct segment_identity identity;
    if (!is_inside(object->path) || (size_t)snprintf(path, sizeof path, "%s/%s", folder, object->path) >= sizeof path)
        return plan_fail(build, -EBADMSG, folder, MANIFEST_FILE " names an object outside of the snapshot");
    if (segment_id_parse(object->segment_id, &identity) < 0)
        return plan_fail(build, -EBADMSG, path, "its segment id in " MANIFEST_FILE " is none");
    struct planned *planned = plan_add(build, path);
    if (!planned || plan_identify(planned, &identity) < 0)
        return -ENOMEM;
    planned->input.bytes = object->bytes;
    planned->input.first_ns = time_or(object->first, INT64_MIN);
    planned->input.last_ns = time_or(object->last, INT64_MAX);
    planned->input.from_ns = time_or(manifest->from, INT64_MIN);
    planned->input.to_ns = time_or(manifest->to, INT64_MAX);
    return 0;
}

static int add_snapshot(struct plan_build *build, const char *folder, const char *text, size_t size)
{
    char problem[WIRE_ERROR_TEXT_MAX] = "";
    ProtobufCMessage *message = NULL;
    int r = wire_decode_json(&tapeloop__v1__manifest__descriptor, text, size, MANIFEST_BYTES_MAX, &message, problem);
    if (r < 0)
        return plan_fail(build, r, folder, *problem ? problem : strerror(-r));
    wire_auto Tapeloop__V1__Manifest *manifest = (Tapeloop__V1__Manifest *)message;
    for (size_t i = 0; r == 0 && i < manifest->n_objects; i++)
        if (strcmp(manifest->objects[i]->kind, "segment") == 0)
            r = add_object(build, folder, manifest, manifest->objects[i]);
    return r;
}

/* Sealed segments; one that is recycled while we look is not there. */
static int add_segment_file(struct plan_build *build, const char *folder, const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    uint32_t lane;
    uint64_t sequence;
    if (segment_file_name_parse(name, &lane, &sequence) < 0)
        return 0;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return plan_fail(build, -ENAMETOOLONG, folder, "the path is too long");
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    struct planned *planned = plan_add(build, path);
    if (!planned)
        return -ENOMEM;
    planned->input.bytes = (uint64_t)st.st_size;
    int r = plan_read_index(planned);
    return r == -ENOMEM ? r : 0;
}

static void close_folder(DIR **folder)
{
    if (*folder)
        (void)closedir(*folder);
}

static int add_tape(struct plan_build *build, const char *path)
{
    uint32_t before = build->count;
    char inner[PATH_MAX];
    struct stat st;
    if ((size_t)snprintf(inner, sizeof inner, "%s/" SEGMENTS_FOLDER, path) >= sizeof inner)
        return plan_fail(build, -ENAMETOOLONG, path, "the path is too long");
    const char *folder = stat(inner, &st) == 0 && S_ISDIR(st.st_mode) ? inner : path;
    __attribute__((cleanup(close_folder))) DIR *open_folder = opendir(folder);
    if (!open_folder)
        return plan_fail(build, -errno, folder, strerror(errno));
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(open_folder));)
        r = add_segment_file(build, folder, entry->d_name);
    if (r == 0 && build->count == before)
        return plan_fail(build, -ENOENT, path, "neither a snapshot (it has no " MANIFEST_FILE ") nor a tape (it holds no segment)");
    return r;
}

int plan_add_folder(struct plan_build *build, const char *path)
{
    char manifest[PATH_MAX];
    mem_auto_free char *text = NULL;
    size_t size = 0;
    if ((size_t)snprintf(manifest, sizeof manifest, "%s/" MANIFEST_FILE, path) >= sizeof manifest)
        return plan_fail(build, -ENAMETOOLONG, path, "the path is too long");
    int r = json_read_text(manifest, MANIFEST_BYTES_MAX, &text, &size);
    if (r == -ENOENT)
        return add_tape(build, path);
    if (r < 0)
        return plan_fail(build, r, manifest, strerror(-r));
    return add_snapshot(build, path, text, size);
}
