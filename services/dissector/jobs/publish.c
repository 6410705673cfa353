#include "services/dissector/jobs/publish.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "json/json.h"
#include "mem/cleanup.h"
#include "services/dissector/jobs/events.h"
#include "services/dissector/jobs/item.h"
#include "units/units.h"

#define RENEW_TRIES 20              /* of up to 5 s each where the server is frozen */
#define RENEW_WAIT_US (500 * 1000)

static int add_counters(struct publish_sums *sums, const Tapeloop__V1__DissectItem *item)
{
    for (size_t i = 0; i < item->n_counters; i++) {
        size_t k = 0;
        while (k < sums->counters_count && strcmp(sums->counters[k].name, item->counters[i]->key) != 0)
            k++;
        if (k == PUBLISH_COUNTERS_MAX)
            continue; /* more names than all stages together may have: a damaged file */
        if (k == sums->counters_count) {
            sums->counters[k].name = strdup(item->counters[i]->key);
            if (!sums->counters[k].name)
                return -ENOMEM;
            sums->counters_count++;
        }
        sums->counters[k].value += item->counters[i]->value;
    }
    return 0;
}

static void add_problem(struct publish_sums *sums, const char *input, const char *problem)
{
    size_t at = strlen(sums->reason);
    int size = snprintf(sums->reason + at, sizeof sums->reason - at, "%s%s: %s", at ? "; " : "", input, problem);
    if ((size_t)size >= sizeof sums->reason - at && at < sizeof sums->reason - 5)
        memcpy(sums->reason + at, " ...", 5);
}

int publish_add(struct publish_sums *sums, enum plan_stage stage, const char *input, const Tapeloop__V1__DissectItem *item)
{
    if (stage == PLAN_MAP) {
        if (item->error[0])
            add_problem(sums, input, item->error);
        sums->packets += item->packets;
        sums->bytes += item->bytes;
    } else if (stage == PLAN_REDUCE) {
        sums->reduced_entries += item->entries;
    } else {
        sums->entries = item->entries;
        sums->connections = item->connections;
        (void)snprintf(sums->digest, sizeof sums->digest, "%s", item->digest);
        return add_counters(sums, item); /* those of all stages */
    }
    return 0;
}
void publish_sums_free(struct publish_sums *sums)
{
    for (size_t i = 0; i < sums->counters_count; i++)
        free(sums->counters[i].name);
    sums->counters_count = 0;
}

void publish_database_path(const struct workplace *place, char path[static WORKPLACE_PATH_MAX])
{
    if ((size_t)snprintf(path, WORKPLACE_PATH_MAX, "%s/" WORKPLACE_DATABASE, place->published) >= WORKPLACE_PATH_MAX)
        path[0] = '\0';
}

/* The lease advances with each piece: a database of gigabytes takes seconds. */
static int hash_file(struct dissection *dissection, const char *path, uint64_t *ret_bytes, char sha256[static DIGEST_TEXT_MAX])
{
    mem_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    mem_auto_free char *buffer = malloc(PUBLISH_READ_BYTES);
    struct digest *digest = digest_new();
    ssize_t got = -1;
    uint64_t bytes = 0;
    if (fd >= 0 && buffer && digest)
        while ((got = read(fd, buffer, PUBLISH_READ_BYTES)) > 0) {
            digest_add(digest, buffer, (size_t)got);
            bytes += (uint64_t)got;
            lease_advance(&dissection->lease);
        }
    int r = !buffer || !digest ? -ENOMEM : got < 0 ? -errno : 0;
    if (r == 0) {
        digest_text(digest, sha256);
        *ret_bytes = bytes;
    }
    digest_free(digest);
    return r;
}

static bool ends_in(const char *text, const char *tail)
{
    size_t length = strlen(text), size = strlen(tail);
    return length >= size && strcmp(text + length - size, tail) == 0;
}

static int add_file(struct dissection *dissection, Tapeloop__V1__DissectManifest *manifest, const char *folder, const char *name)
{
    char path[WORKPLACE_PATH_MAX + 256], sha256[DIGEST_TEXT_MAX];
    Tapeloop__V1__DissectFile *file = WIRE_NEW(Tapeloop__V1__DissectFile, tapeloop__v1__dissect_file__descriptor);
    if (!file)
        return -ENOMEM;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int r = hash_file(dissection, path, &file->bytes, sha256);
    if (r == 0)
        r = wire_set_string(&file->path, name);
    if (r == 0)
        r = wire_set_string(&file->sha256, sha256);
    if (r == 0)
        r = wire_append(&manifest->n_files, &manifest->files, file);
    if (r < 0)
        wire_free(file);
    return r;
}

/* All that finalise has left, in the order of names. Temporary files of attempts that died are removed. */
static int add_files(struct dissection *dissection, Tapeloop__V1__DissectManifest *manifest)
{
    char folder[WORKPLACE_PATH_MAX], path[WORKPLACE_PATH_MAX + 256];
    struct dirent **entries = NULL;
    workplace_path(&dissection->place, WORKPLACE_RESULT, folder);
    int count = scandir(folder, &entries, NULL, alphasort), r = count < 0 ? -errno : 0;
    bool database = false;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        bool kept = strncmp(name, WORKPLACE_DATABASE, sizeof WORKPLACE_DATABASE - 1) == 0 && !ends_in(name, ".tmp");
        if (r == 0 && kept) {
            database = database || strcmp(name, WORKPLACE_DATABASE) == 0;
            r = add_file(dissection, manifest, folder, name);
        } else if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !kept) {
            (void)snprintf(path, sizeof path, "%s/%s", folder, name);
            (void)unlink(path);
        }
        free(entries[i]);
    }
    free(entries);
    return r == 0 && !database ? -ENOENT : r;
}

static int fill(struct dissection *dissection, const struct publish_sums *sums, Tapeloop__V1__DissectManifest *manifest)
{
    char asked[UNITS_TIME_TEXT_MAX], now[UNITS_TIME_TEXT_MAX];
    const struct { char **field; const char *text; } texts[] = {
        { &manifest->snapshot, dissection->place.snapshot }, { &manifest->name, dissection->place.name }, { &manifest->snapshot_sha256, dissection->snapshot_sha256 },
        { &manifest->requested_at, units_format_time(dissection_asked_ns(dissection), asked, sizeof asked) },
        { &manifest->created_at, units_format_time(units_now_wall_ns(), now, sizeof now) }, { &manifest->digest, sums->digest }, { &manifest->reason, sums->reason },
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof texts / sizeof *texts; i++)
        r = wire_set_string(texts[i].field, texts[i].text);
    for (size_t i = 0; r == 0 && i < sums->counters_count; i++)
        r = item_add_counter(&manifest->n_counters, &manifest->counters, &tapeloop__v1__dissect_manifest__counters_entry__descriptor, sums->counters[i].name, sums->counters[i].value);
    manifest->version = PUBLISH_MANIFEST_VERSION;
    manifest->entries = sums->entries;
    manifest->connections = sums->connections;
    manifest->packets = sums->packets;
    manifest->stream_sequence = dissection->lease.message.sequence;
    manifest->request = (Tapeloop__V1__DissectRequest *)wire_copy(&dissection->request->base);
    if (!manifest->request)
        r = -ENOMEM;
    return r < 0 ? r : add_files(dissection, manifest);
}

static int write_manifest(struct dissection *dissection, const Tapeloop__V1__DissectManifest *manifest)
{
    char path[WORKPLACE_PATH_MAX], sha256[DIGEST_TEXT_MAX], database[WORKPLACE_PATH_MAX];
    mem_auto_free char *text = NULL;
    int r = wire_encode_pretty(&manifest->base, &text);
    if (r < 0)
        return r;
    workplace_path(&dissection->place, WORKPLACE_RESULT "/" WORKPLACE_MANIFEST, path);
    r = json_write_text(path, text, strlen(text), 0444);
    if (r < 0)
        return r;
    digest_of(text, strlen(text), sha256);
    publish_database_path(&dissection->place, database);
    wire_free(dissection->event);
    dissection->event = events_of_manifest(manifest, sha256, database);
    return dissection->event ? 0 : -ENOMEM;
}

/* The claim must still be ours at the moment of publishing. */
static enum dissection_verdict confirm_claim(struct dissection *dissection)
{
    int r = -EAGAIN;
    for (int i = 0; i < RENEW_TRIES && dissection_is_bus_failure(r); i++) {
        if (i > 0)
            usleep(RENEW_WAIT_US);
        r = claim_renew(dissection->lease.claim);
    }
    if (r == -ESTALE)
        return dissection_fail(dissection, DISSECTION_LOST, "another dissector took it over");
    return r < 0 ? dissection_judge(dissection, r, "cannot confirm the claim before publishing") : dissection_interrupted(dissection);
}

int publish(struct dissection *dissection, const struct publish_sums *sums, enum dissection_verdict *ret_verdict)
{
    wire_auto Tapeloop__V1__DissectManifest *manifest = WIRE_NEW(Tapeloop__V1__DissectManifest, tapeloop__v1__dissect_manifest__descriptor);
    int r = manifest ? fill(dissection, sums, manifest) : -ENOMEM;
    if (r == 0)
        r = write_manifest(dissection, manifest);
    if (r < 0)
        return r;
    dissection->event->attempts = claim_attempt(dissection->lease.claim);
    enum dissection_verdict verdict = confirm_claim(dissection);
    if (verdict == DISSECTION_GOES_ON) {
        r = workplace_publish(&dissection->place);
        if (r < 0 && r != -EEXIST)
            return r;
        verdict = r == -EEXIST ? publish_adopt(dissection) : DISSECTION_READY;
    }
    *ret_verdict = verdict;
    return 0;
}

int publish_read(const struct workplace *place, Tapeloop__V1__DissectManifest **ret, char *sha256)
{
    char path[WORKPLACE_PATH_MAX + sizeof WORKPLACE_MANIFEST + 1], error[WIRE_ERROR_TEXT_MAX];
    mem_auto_free char *text = NULL;
    size_t size = 0;
    ProtobufCMessage *message = NULL;
    if (!place->published[0])
        return -ENOENT;
    (void)snprintf(path, sizeof path, "%s/" WORKPLACE_MANIFEST, place->published);
    int r = json_read_text(path, PUBLISH_MANIFEST_BYTES_MAX, &text, &size);
    if (r < 0)
        return r;
    r = wire_decode_json(&tapeloop__v1__dissect_manifest__descriptor, text, size, PUBLISH_MANIFEST_BYTES_MAX, &message, error);
    if (r < 0)
        return r;
    if (sha256)
        digest_of(text, size, sha256);
    *ret = (Tapeloop__V1__DissectManifest *)message;
    return 0;
}

enum dissection_verdict publish_adopt(struct dissection *dissection)
{
    wire_auto Tapeloop__V1__DissectManifest *manifest = NULL;
    char sha256[DIGEST_TEXT_MAX], digest[DIGEST_TEXT_MAX] = "", database[WORKPLACE_PATH_MAX];
    int r = publish_read(&dissection->place, &manifest, sha256);
    if (r < 0)
        return dissection_fail(dissection, DISSECTION_FAILED, "the store has a damaged dissection of this name (%s): delete it first, or choose another name", strerror(-r));
    if (manifest->request)
        dissect_request_digest(manifest->request, manifest->snapshot_sha256, digest);
    if (strcmp(digest, dissection->digest) != 0)
        return dissection_fail(dissection, DISSECTION_FAILED, "name is taken by another dissection of this snapshot; choose another name or delete it first");
    publish_database_path(&dissection->place, database);
    wire_free(dissection->event);
    dissection->event = events_of_manifest(manifest, sha256, database);
    if (!dissection->event)
        return dissection_fail(dissection, DISSECTION_RETRY, "out of memory");
    dissection->event->attempts = claim_attempt(dissection->lease.claim);
    return DISSECTION_READY;
}
