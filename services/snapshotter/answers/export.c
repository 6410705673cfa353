#include "services/snapshotter/answers/export.h"
#include "http/server.h"
#include "http/token.h"
#include "log/log.h"
#include "mem/cleanup.h"
#include "mem/trim.h"
#include "services/snapshotter/answers/answers.h"
#include "services/snapshotter/export/connection.h"
#include "services/snapshotter/export/export.h"
#include "services/snapshotter/jobs/manifest.h"
#include "units/units.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define OFFER_ID_TEXT_MAX 33
#define ADDRESS_MAX 300
#define RUNS_FOLDER_WITHOUT_STORE "/var/tmp"    /* where the store is read-only */
#define CONNECTIONS_SPARE 8                     /* so that a client too many gets an answer instead of silence */

struct offer { char id[OFFER_ID_TEXT_MAX]; int64_t expires_ns; Tapeloop__V1__ExportRequest *request; };
struct exports {
    struct service *service;
    struct http_server *server;
    struct token_keys keys;             /* live as long as this process, as the offers do */
    char address[ADDRESS_MAX];
    pthread_mutex_t lock;
    struct offer offers[EXPORT_OFFERS_MAX];
    unsigned running;
};
struct download { struct exports *exports; struct export *export; char name[STORE_NAME_MAX + 1]; bool failed; };

const char *exports_address(const struct exports *exports)
{
    return exports->address;
}

/* What the request chooses of a manifest. */
struct choice { struct export_part *parts; size_t count; char **paths; struct export_options options; struct connection connection; };

static void choice_free(struct choice *choice)
{
    for (size_t i = 0; choice->paths && i < choice->count; i++)
        free(choice->paths[i]);
    free(choice->paths);
    free(choice->parts);
}

static bool node_is_chosen(const Tapeloop__V1__ExportRequest *request, const char *node)
{
    for (size_t i = 0; i < request->n_nodes; i++)
        if (strcmp(request->nodes[i], node) == 0)
            return true;
    return request->n_nodes == 0;
}

static int choose_parts(struct choice *choice, const Tapeloop__V1__Manifest *manifest, const Tapeloop__V1__ExportRequest *request, const char *folder)
{
    choice->parts = calloc(manifest->n_objects + 1, sizeof *choice->parts);
    choice->paths = calloc(manifest->n_objects + 1, sizeof *choice->paths);
    if (!choice->parts || !choice->paths)
        return -ENOMEM;
    for (size_t i = 0; i < manifest->n_objects; i++) {
        const Tapeloop__V1__ManifestObject *object = manifest->objects[i];
        if (strcmp(object->kind, "segment") != 0 || !node_is_chosen(request, object->node))
            continue;
        if (asprintf(&choice->paths[choice->count], "%s/%s", folder, object->path) < 0) {
            choice->paths[choice->count] = NULL;
            return -ENOMEM;
        }
        choice->parts[choice->count] = (struct export_part){ .object = object->path, .node = object->node, .path = choice->paths[choice->count] };
        choice->count++;
    }
    return 0;
}

/* The window of the snapshot, or a narrower one. */
static int choose_window(struct export_options *options, const Tapeloop__V1__Manifest *manifest, const Tapeloop__V1__ExportRequest *request, char *error)
{
    int64_t from_ns = 0, to_ns = 0;
    if (units_parse_time(manifest->from, &options->from_ns) < 0 || units_parse_time(manifest->to, &options->to_ns) < 0) {
        snprintf(error, EXPORT_ERROR_TEXT_MAX, "the manifest has no window");
        return -EBADMSG;
    }
    if (request->from[0] && units_parse_time(request->from, &from_ns) < 0) {
        snprintf(error, EXPORT_ERROR_TEXT_MAX, "from: '%.64s' is not a time: write it as 2026-01-02T03:04:05Z", request->from);
        return -EINVAL;
    }
    if (request->to[0] && units_parse_time(request->to, &to_ns) < 0) {
        snprintf(error, EXPORT_ERROR_TEXT_MAX, "to: '%.64s' is not a time: write it as 2026-01-02T03:04:05Z", request->to);
        return -EINVAL;
    }
    if (request->from[0] && from_ns > options->from_ns)
        options->from_ns = from_ns;
    if (request->to[0] && to_ns < options->to_ns)
        options->to_ns = to_ns;
    if (options->from_ns > options->to_ns) {
        snprintf(error, EXPORT_ERROR_TEXT_MAX, "the window asked for lies outside the snapshot's, %.40s to %.40s", manifest->from, manifest->to);
        return -EINVAL;
    }
    return 0;
}

static int choose_options(struct export_options *options, struct connection *connection, const Tapeloop__V1__ExportRequest *request, char *error)
{
    bool pcap = strcmp(request->format, "pcap") == 0;
    if (request->format[0] && !pcap && strcmp(request->format, "pcapng") != 0) {
        snprintf(error, EXPORT_ERROR_TEXT_MAX, "format: '%.40s' is neither pcapng nor pcap", request->format);
        return -EINVAL;
    }
    options->format = pcap ? EXPORT_PCAP : EXPORT_PCAPNG;
    options->bpf = request->bpf;
    const Tapeloop__V1__ExportConnection *c = request->connection;
    if (c && connection_parse(c->source, c->destination, c->source_port, c->destination_port, connection) < 0) {
        snprintf(error, EXPORT_ERROR_TEXT_MAX, "connection: give two addresses of one family, and their ports");
        return -EINVAL;
    }
    options->connection = c ? connection : NULL;
    options->link_type = request->link_type;
    options->dedup = request->dedup;
    return 0;
}

/* Opens what a request asks for: -ENOENT, -EINVAL, -EBADMSG and others, with a sentence. */
static int export_begin(struct service *service, const Tapeloop__V1__ExportRequest *request, struct export **ret, char *error)
{
    char folder[STORE_LOCATION_MAX], scratch[STORE_LOCATION_MAX];
    const struct store *store = service->store;
    wire_auto Tapeloop__V1__Manifest *manifest = NULL;
    MEM_CLEANUP(choice_free) struct choice choice = { 0 };
    int r = manifest_read(store, request->name, &manifest, NULL, error);
    if (r == 0)
        r = store->driver->folder(store->state, request->name, folder);
    if (r == 0)
        r = choose_window(&choice.options, manifest, request, error);
    if (r == 0)
        r = choose_options(&choice.options, &choice.connection, request, error);
    if (r == 0)
        r = choose_parts(&choice, manifest, request, folder);
    if (r < 0)
        return r;
    if (choice.count == 0) {
        snprintf(error, EXPORT_ERROR_TEXT_MAX, "the snapshot holds nothing of the nodes asked for (the first is '%.100s')", request->n_nodes ? request->nodes[0] : "");
        return -EINVAL;
    }
    choice.options.parts = choice.parts;
    choice.options.parts_count = choice.count;
    choice.options.memory_bytes_max = service->options.export_memory;
    choice.options.work_folder = store->driver->scratch(store->state, scratch) == 0 ? scratch : RUNS_FOLDER_WITHOUT_STORE;
    return export_open(&choice.options, ret, error);
}

/* Copies the offer of that id. -ENOENT; -ENOMEM. Counts the download. */
static int offer_use(struct exports *exports, const char *id, Tapeloop__V1__ExportRequest **ret)
{
    int r = -ENOENT;
    pthread_mutex_lock(&exports->lock);
    for (size_t i = 0; i < EXPORT_OFFERS_MAX; i++) {
        struct offer *offer = &exports->offers[i];
        if (!offer->request || strcmp(offer->id, id) != 0)
            continue;
        *ret = (Tapeloop__V1__ExportRequest *)wire_copy(&offer->request->base);
        r = *ret ? 0 : -ENOMEM;
        if (r == 0 && exports->running >= exports->service->options.exports) {
            wire_free(*ret);
            r = -EBUSY;
        } else if (r == 0) {
            exports->running++;
        }
        break;
    }
    pthread_mutex_unlock(&exports->lock);
    return r;
}

static void download_end(struct exports *exports)
{
    pthread_mutex_lock(&exports->lock);
    exports->running--;
    pthread_mutex_unlock(&exports->lock);
}

static ssize_t download_read(void *context, void *dst, size_t cap)
{
    struct download *download = context;
    if (atomic_load(&download->exports->service->stopping))
        return -ESHUTDOWN;
    ssize_t r = export_read(download->export, dst, cap);
    if (r < 0 && !download->failed) {
        download->failed = true;
        log_error("export broken off", "snapshot=%s reason=%s", log_quote(download->name), log_quote(export_error(download->export)));
    }
    return r;
}

static void download_released(void *context)
{
    struct download *download = context;
    struct export_counts counts;
    export_counts(download->export, &counts);
    log_info("export ended", "snapshot=%s packets=%" PRIu64 " bytes=%" PRIu64, log_quote(download->name), counts.packets, counts.bytes);
    export_close(download->export);
    download_end(download->exports);
    free(download);
    mem_trim(); /* the merge's memory goes back to the node */
}

static void refuse(struct http_answer *answer, int status, const char *text)
{
    answer->status = status;
    answer->content_type = "text/plain";
    snprintf(answer->text, sizeof answer->text, "%s\n", text);
}

static int download_begin(struct exports *exports, const Tapeloop__V1__ExportRequest *request, struct http_answer *answer)
{
    char error[EXPORT_ERROR_TEXT_MAX] = "";
    struct download *download = calloc(1, sizeof *download);
    int r = download ? export_begin(exports->service, request, &download->export, error) : -ENOMEM;
    if (r < 0) {
        free(download);
        refuse(answer, r == -ENOENT ? 404 : 503, error[0] ? error : strerror(-r));
        return r;
    }
    download->exports = exports;
    snprintf(download->name, sizeof download->name, "%s", request->name);
    answer->status = 200;
    answer->content_type = strcmp(request->format, "pcap") == 0 ? "application/vnd.tcpdump.pcap" : "application/x-pcapng";
    answer->read = download_read;
    answer->released = download_released;
    answer->context = download;
    return 0;
}

/* The server's threads. */
static void serve(void *context, const struct http_request *request, struct http_answer *answer)
{
    struct exports *exports = context;
    const char *id = request->path + strlen(EXPORT_PATH_PREFIX);
    wire_auto Tapeloop__V1__ExportRequest *wanted = NULL;
    answer->fd = -1;
    if (strncmp(request->path, EXPORT_PATH_PREFIX, strlen(EXPORT_PATH_PREFIX)) != 0) {
        refuse(answer, 404, "no such path");
        return;
    }
    if (!request->token || token_check(&exports->keys, request->token, exports->service->store_id, id, 0, UINT64_MAX, units_now_wall_ns(), NULL) < 0) {
        refuse(answer, 403, "the token is missing, false or expired: ask for a new export");
        return;
    }
    int r = offer_use(exports, id, &wanted);
    if (r < 0) {
        refuse(answer, r == -ENOENT ? 404 : 503, r == -EBUSY ? "as many exports as --exports allows are under way: try again in a moment" : strerror(-r));
        return;
    }
    if (download_begin(exports, wanted, answer) < 0)
        download_end(exports);
}

static int offer_make(struct exports *exports, const Tapeloop__V1__ExportRequest *request, int64_t now_ns, struct offer *ret)
{
    uint8_t random[16];
    struct offer offer = { .expires_ns = now_ns + EXPORT_OFFER_NS, .request = (Tapeloop__V1__ExportRequest *)wire_copy(&request->base) };
    if (!offer.request)
        return -ENOMEM;
    int r = -ENOBUFS;
    if (getrandom(random, sizeof random, 0) != sizeof random) {
        wire_free(offer.request);
        return -EIO;
    }
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(offer.id + 2 * i, 3, "%02x", random[i]);
    pthread_mutex_lock(&exports->lock);
    for (size_t i = 0; i < EXPORT_OFFERS_MAX && r < 0; i++) {
        struct offer *place = &exports->offers[i];
        if (place->request && place->expires_ns > now_ns)
            continue;
        wire_free(place->request);
        *place = offer;
        r = 0;
    }
    pthread_mutex_unlock(&exports->lock);
    if (r < 0)
        wire_free(offer.request);
    else
        *ret = offer;
    return r;
}

static const char *error_code(int r)
{
    return r == -ENOENT ? "not_found" : r == -EINVAL ? "invalid" : r == -ENOBUFS ? "busy" : r == -ENOSPC || r == -E2BIG ? "unavailable" : "internal";
}

void answer_export(struct question *question, ProtobufCMessage *base)
{
    const Tapeloop__V1__ExportRequest *request = (const Tapeloop__V1__ExportRequest *)question->request;
    Tapeloop__V1__ExportReply *reply = (Tapeloop__V1__ExportReply *)base;
    struct service *service = question->service;
    struct exports *exports = service->exports;
    char error[REQUEST_ERROR_TEXT_MAX] = "", url[ADDRESS_MAX + 64], token[TOKEN_TEXT_MAX], expires[UNITS_TIME_TEXT_MAX];
    struct export *export = NULL;
    struct offer offer = { .id = "" };
    int64_t now_ns = units_now_wall_ns();
    int r = store_name_check(request->name, error);
    if (r == 0)
        r = export_begin(service, request, &export, error); /* a false filter or window is said now, not in a broken download */
    export_close(export);
    if (r == 0)
        r = offer_make(exports, request, now_ns, &offer);
    if (r == 0) {
        struct token grant = { .node = service->store_id, .object = offer.id, .lease = request->name, .from = 0, .to = UINT64_MAX, .expires_ns = offer.expires_ns };
        r = token_make(&exports->keys, &grant, token);
    }
    if (r < 0) {
        answer_fail(base, error_code(r), "%s", error[0] ? error : r == -ENOBUFS ? "too many exports wait to be fetched: try again in some minutes" : strerror(-r));
        return;
    }
    snprintf(url, sizeof url, "http://%s" EXPORT_PATH_PREFIX "%s", exports->address, offer.id);
    if (wire_set_string(&reply->url, url) < 0 || wire_set_string(&reply->token, token) < 0
        || wire_set_string(&reply->expires, units_format_time(offer.expires_ns, expires, sizeof expires)) < 0)
        answer_fail(base, "internal", "out of memory");
}

/* "host:port", "[v6]:port". -EINVAL. */
static int address_split(const char *text, char *host, size_t cap, uint16_t *ret_port)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    if (!colon || colon[1] < '0' || colon[1] > '9')
        return -EINVAL;
    unsigned long port = strtoul(colon + 1, &end, 10);
    size_t length = (size_t)(colon - text);
    if (*end || port > 65535 || length >= cap)
        return -EINVAL;
    bool bracketed = length >= 2 && text[0] == '[' && text[length - 1] == ']';
    snprintf(host, cap, "%.*s", (int)(bracketed ? length - 2 : length), bracketed ? text + 1 : text);
    *ret_port = (uint16_t)port;
    return 0;
}

static void address_choose(struct exports *exports, const char *host)
{
    const struct snapshotter_options *options = &exports->service->options;
    char name[256] = "localhost";
    unsigned port = http_server_port(exports->server);
    bool any = !*host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
    if (any)
        (void)gethostname(name, sizeof name - 1);
    const char *said = options->advertise ? options->advertise : any ? name : host;
    const char *bracket = strchr(said, ']'), *colon = strrchr(said, ':');
    bool has_port = options->advertise && colon && (bracket ? colon > bracket : strchr(said, ':') == colon);
    bool bare_v6 = !bracket && colon && strchr(said, ':') != colon;
    if (has_port)
        snprintf(exports->address, sizeof exports->address, "%s", said);
    else
        snprintf(exports->address, sizeof exports->address, bare_v6 ? "[%s]:%u" : "%s:%u", said, port);
}

int exports_start(struct service *service, struct exports **ret, char *error)
{
    char host[256];
    uint16_t port = 0;
    const struct snapshotter_options *options = &service->options;
    if (address_split(options->listen, host, sizeof host, &port) < 0) {
        snprintf(error, 256, "--listen: '%.100s' is not HOST:PORT", options->listen);
        return -EINVAL;
    }
    struct exports *exports = calloc(1, sizeof *exports);
    int r = exports ? 0 : -ENOMEM;
    if (r == 0) {
        exports->service = service;
        pthread_mutex_init(&exports->lock, NULL);
        if (getrandom(&exports->keys, sizeof exports->keys, 0) != sizeof exports->keys)
            r = -EIO;
    }
    if (r == 0)
        r = http_server_start(host, port, (unsigned)options->exports + CONNECTIONS_SPARE, true, serve, exports, &exports->server);
    if (r < 0) {
        snprintf(error, 256, "cannot serve exports on %.100s: %s", options->listen, strerror(-r));
        free(exports);
        return r;
    }
    address_choose(exports, host);
    *ret = exports;
    return 0;
}

void exports_stop(struct exports *exports)
{
    if (!exports)
        return;
    http_server_stop(exports->server);
    for (size_t i = 0; i < EXPORT_OFFERS_MAX; i++)
        wire_free(exports->offers[i].request);
    pthread_mutex_destroy(&exports->lock);
    free(exports);
}
