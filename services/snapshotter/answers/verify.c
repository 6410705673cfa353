/* snapshot.verify: every byte of a snapshot is read again. */
#include "mem/cleanup.h"
#include "capfile/segment_verify.h"
#include "services/snapshotter/answers/answers.h"
#include "jobs/claim.h"
#include "services/snapshotter/jobs/manifest.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define READ_BYTES (1024u * 1024)
#define DAMAGES_MAX 1000    /* named; a snapshot with more is beyond reading a list. With 300 bytes each they fit a message */

struct verification {
    struct service *service;
    Tapeloop__V1__SnapshotVerifyReply *reply;
    const Tapeloop__V1__Manifest *manifest;
    char folder[STORE_LOCATION_MAX];
    const char *object; /* at hand */
    bool damaged;
    int error;
};

static void name_damage(struct verification *verification, const char *object, int64_t offset, const char *format, ...) __attribute__((format(printf, 4, 5)));
static void name_damage(struct verification *verification, const char *object, int64_t offset, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    verification->damaged = true;
    if (verification->reply->n_damage >= DAMAGES_MAX)
        return;
    Tapeloop__V1__Damage *damage = WIRE_NEW(Tapeloop__V1__Damage, tapeloop__v1__damage__descriptor);
    if (!damage || wire_set_string(&damage->object, object) < 0 || wire_set_string(&damage->problem, text) < 0
        || wire_append(&verification->reply->n_damage, &verification->reply->damage, damage) < 0) {
        wire_free(damage);
        verification->error = -ENOMEM;
        return;
    }
    damage->offset = offset;
}

static void segment_damage_found(void *context, const struct segment_damage *damage)
{
    struct verification *verification = context;
    name_damage(verification, verification->object, damage->offset, "%s", damage->problem);
}

/* SHA-256 of a file. -ESHUTDOWN: the service stops. */
static int hash_file(struct verification *verification, int fd, uint64_t *ret_bytes, char *sha256)
{
    struct digest *digest = digest_new();
    mem_auto_free uint8_t *buffer = malloc(READ_BYTES);
    uint64_t bytes = 0;
    int r = digest && buffer ? 0 : -ENOMEM;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    while (r == 0) {
        ssize_t got = read(fd, buffer, READ_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            break;
        if (got < 0)
            r = -errno;
        else if (atomic_load(&verification->service->stopping))
            r = -ESHUTDOWN;
        else
            digest_add(digest, buffer, (size_t)got);
        bytes += got > 0 ? (uint64_t)got : 0;
    }
    if (r == 0) {
        digest_text(digest, sha256);
        *ret_bytes = bytes;
    }
    digest_free(digest);
    return r;
}

/* The block's own hashes say where a segment differs. */
static void locate(struct verification *verification, const Tapeloop__V1__ManifestObject *object, const char *path)
{
    verification->object = object->path;
    int found = strcmp(object->kind, "segment") == 0 ? segment_file_verify(path, segment_damage_found, verification) : 0;
    if (found < 0)
        name_damage(verification, object->path, 0, "its blocks cannot be looked at: %s", strerror(-found));
}

static int verify_object(struct verification *verification, const Tapeloop__V1__ManifestObject *object)
{
    char path[STORE_LOCATION_MAX + STORE_PATH_MAX + 2], sha256[DIGEST_TEXT_MAX] = "";
    uint64_t bytes = 0;
    snprintf(path, sizeof path, "%s/%s", verification->folder, object->path);
    mem_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        name_damage(verification, object->path, 0, errno == ENOENT ? "it is missing" : "it cannot be opened: %s", strerror(errno));
        return 0;
    }
    int r = hash_file(verification, fd, &bytes, sha256);
    if (r == -ESHUTDOWN || r == -ENOMEM)
        return r;
    verification->reply->objects++;
    verification->reply->bytes += bytes;
    if (r < 0) {
        name_damage(verification, object->path, (int64_t)bytes, "it cannot be read: %s", strerror(-r));
        return 0;
    }
    if (bytes == object->bytes && strcmp(sha256, object->sha256) == 0)
        return 0;
    if (bytes != object->bytes)
        name_damage(verification, object->path, (int64_t)(bytes < object->bytes ? bytes : object->bytes), "it has %" PRIu64 " bytes and should have %" PRIu64, bytes, object->bytes);
    else
        name_damage(verification, object->path, 0, "its SHA-256 is not the manifest's");
    locate(verification, object, path);
    return 0;
}

static int compare_path(const void *key, const void *element)
{
    const Tapeloop__V1__ManifestObject *const *object = element;
    return strcmp(key, (*object)->path);
}

static int file_found(void *context, const char *path, uint64_t bytes)
{
    struct verification *verification = context;
    const Tapeloop__V1__Manifest *manifest = verification->manifest;
    (void)bytes;
    if (strcmp(path, MANIFEST_FILE) == 0)
        return 0;
    if (manifest->n_objects == 0 || !bsearch(path, manifest->objects, manifest->n_objects, sizeof *manifest->objects, compare_path))
        name_damage(verification, path, 0, "the manifest does not know it: it was put here later");
    return 0;
}

/* The manifest itself, against what was said when it became ready. */
static void verify_manifest(struct verification *verification, const char *name, const char *sha256)
{
    wire_auto Tapeloop__V1__Claim *claim = NULL;
    if (strcmp(verification->manifest->name, name) != 0)
        name_damage(verification, MANIFEST_FILE, 0, "it belongs to snapshot %.128s", verification->manifest->name);
    if (claim_read(verification->service->bus, SERVICE_BUCKET, name, &claim, NULL) < 0 || !claim->final_event || !claim->final_event->manifest_sha256[0])
        return;
    if (strcmp(claim->final_event->manifest_sha256, sha256) != 0)
        name_damage(verification, MANIFEST_FILE, 0, "its SHA-256 is not the one of snapshot.ready");
}

static int verify_all(struct verification *verification)
{
    const Tapeloop__V1__Manifest *manifest = verification->manifest;
    int r = 0;
    for (size_t i = 0; r == 0 && i < manifest->n_objects; i++)
        r = verify_object(verification, manifest->objects[i]);
    if (r == 0)
        r = verification->service->store->driver->files(verification->service->store->state, verification->reply->name, file_found, verification);
    return r < 0 ? r : verification->error;
}

void answer_verify(struct question *question, ProtobufCMessage *base)
{
    const Tapeloop__V1__SnapshotSelector *request = (const Tapeloop__V1__SnapshotSelector *)question->request;
    struct service *service = question->service;
    struct verification verification = { .service = service, .reply = (Tapeloop__V1__SnapshotVerifyReply *)base };
    char error[REQUEST_ERROR_TEXT_MAX], sha256[DIGEST_TEXT_MAX];
    wire_auto Tapeloop__V1__Manifest *manifest = NULL;
    if (store_name_check(request->name, error) < 0) {
        answer_fail(base, "invalid", "%s", error);
        return;
    }
    int r = service->store->driver->folder(service->store->state, request->name, verification.folder);
    if (r < 0) {
        answer_fail(base, "not_found", "there is no snapshot %s", request->name);
        return;
    }
    if (wire_set_string(&verification.reply->name, request->name) < 0) {
        answer_fail(base, "internal", "out of memory");
        return;
    }
    r = manifest_read(service->store, request->name, &manifest, sha256, error);
    if (r < 0) {
        name_damage(&verification, MANIFEST_FILE, 0, "%.200s", error);
    } else {
        verification.manifest = manifest;
        verify_manifest(&verification, request->name, sha256);
        r = verify_all(&verification);
        if (r < 0)
            answer_fail(base, r == -ESHUTDOWN ? "unavailable" : "internal", "snapshot %s could not be verified: %s", request->name, strerror(-r));
    }
    verification.reply->intact = !verification.damaged && !answer_failed(base);
}
