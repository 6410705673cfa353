/* tapeloop up: everything on this machine. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/output.h"
#include "cli/up_nats.h"
#include "cli/up_stack.h"
#include "files/folders.h"
#include "log/log.h"
#include "mem/cleanup.h"
#include "units/units.h"

#define TURN_MS 100
#define TURN_FAILED (-1) /* beside 0 and the numbers of signals */
#define SAY_INTERVAL_NS (5 * UNITS_NS_PER_S)     /* of what is waited for */
#define BUS_LIMIT_NS (30 * UNITS_NS_PER_S)       /* nats-server starts within a second, or reads a large store first */
#define ANSWER_WAIT_MS 1000
#define FOLDER_TEXT_MAX 3800                     /* leaves room for file names in CHILD_PATH_MAX */
#define LISTED_MAX ((CHILD_ARGUMENTS_MAX - 32) / 2)  /* two words each; the other arguments take fewer than 32 */

struct up_options {
    struct cli_options cli;
    const char *data, *node, *listen, *nats_server;
    struct option_list interfaces, labels;
    uint64_t storage_size, port, lanes;
    const char *bpf, *store;
};
#define FIELD(name) offsetof(struct up_options, name)

static const struct option rows[] = {
    { .name = "data", .letter = 'd', .type = OPTION_STRING, .field = FIELD(data), .value_name = "DIR", .fallback = "/var/lib/tapeloop", .environment = "TAPELOOP_UP_DATA", .complete = "dir",
      .help = "Folder that holds everything: the tape, the snapshots, the bus's streams" },
    { .name = "interface", .letter = 'i', .type = OPTION_LIST, .field = FIELD(interfaces), .value_name = "NAME", .complete = "interface",
      .help = "Interface to record, by name or glob; without it what carries the node's and its pods' traffic (auto)" },
    { .name = "storage-size", .type = OPTION_SIZE, .field = FIELD(storage_size), .value_name = "SIZE", .fallback = "1Gi", .environment = "TAPELOOP_STORAGE_SIZE",
      .setting = "tap.capture.raw.storageSize",
      .help = "Box of the tape: its files together never outgrow it", .least = 64u << 20 },
    { .name = "store", .type = OPTION_STRING, .field = FIELD(store), .value_name = "DIR", .environment = "TAPELOOP_STORE", .complete = "dir", .help = "Folder of the snapshots; without it DATA/snapshots" },
    { .name = "port", .letter = 'p', .type = OPTION_UINT, .field = FIELD(port), .value_name = "N", .fallback = "4222", .most = 65535, .help = "Port of the bus; 0 takes a free one" },
    { .name = "listen", .type = OPTION_STRING, .field = FIELD(listen), .value_name = "ADDRESS", .fallback = "127.0.0.1",
      .help = "Address on which the bus and the exports are served; whoever reaches it can read what was recorded" },
    { .name = "node", .type = OPTION_STRING, .field = FIELD(node), .value_name = "NAME", .environment = "TAPELOOP_NODE", .help = "Name of this node; without it the host name" },
    { .name = "label", .type = OPTION_LIST, .field = FIELD(labels), .value_name = "KEY=VALUE", .environment = "TAPELOOP_LABELS", .help = "Label that a snapshot can choose this node by" },
    { .name = "lanes", .type = OPTION_UINT, .field = FIELD(lanes), .value_name = "N", .fallback = "1", .environment = "TAPELOOP_LANES", .help = "Capture threads", .least = 1, .most = 64 },
    { .name = "bpf", .type = OPTION_STRING, .field = FIELD(bpf), .value_name = "EXPRESSION", .environment = "TAPELOOP_BPF", .setting = "tap.bpfOverride",
      .help = "Record only what this filter takes, written as for tcpdump (pcap-filter(7))" },
    { .name = "nats-server", .type = OPTION_STRING, .field = FIELD(nats_server), .value_name = "FILE", .environment = "TAPELOOP_NATS_SERVER", .complete = "file",
      .help = "The nats-server to run, instead of the one on PATH" },
    CLI_ROW_JSON,
};

/* All that a run holds. */
struct up {
    const struct up_options *options;
    struct up_stack stack;
    int lock_fd;
    char data[FOLDER_TEXT_MAX], nats_folder[CHILD_PATH_MAX], tape_folder[CHILD_PATH_MAX], live_folder[CHILD_PATH_MAX], store_folder[CHILD_PATH_MAX], nats_conf[CHILD_PATH_MAX], url_path[CHILD_PATH_MAX];
    char node[256], url[NATS_HOST_MAX + 32], serve[NATS_HOST_MAX + 16], size[UNITS_SIZE_TEXT_MAX], lanes[8], waits_for[512];
    uint16_t port;
    struct bus *bus;
    uint64_t old_revision;  /* of the node's heartbeat before this run */
    int64_t said_ns;
};

static int make_folder(const struct cli_options *options, const char *path, mode_t mode)
{
    int rc = folders_make(AT_FDCWD, path, mode);
    return rc == 0 ? 0 : cli_fail(options, "invalid", "cannot make the folder %s: %s; name another with --data", path, strerror(-rc));
}

/* One `up` per folder, as long as this process lives. */
static int take_lock(struct up *up)
{
    char path[CHILD_PATH_MAX], owner[32] = "";
    (void)snprintf(path, sizeof path, "%s/up.lock", up->data);
    up->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (up->lock_fd < 0)
        return cli_fail(&up->options->cli, "invalid", "%s: %s; choose a folder of your own with --data", path, strerror(errno));
    if (flock(up->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return cli_fail(&up->options->cli, "internal", "%s: %s", path, strerror(errno));
        ssize_t n = pread(up->lock_fd, owner, sizeof owner - 1, 0);
        owner[n > 0 ? strcspn(owner, "\n") : 0] = '\0';
        return cli_fail(&up->options->cli, "conflict", "%s is in use by another tapeloop up (process %s): stop it, or choose another folder with --data", up->data, *owner ? owner : "unknown");
    }
    int n = snprintf(owner, sizeof owner, "%d\n", (int)getpid());
    if (ftruncate(up->lock_fd, 0) < 0 || pwrite(up->lock_fd, owner, (size_t)n, 0) != n)
        return cli_fail(&up->options->cli, "internal", "%s: %s", path, strerror(errno));
    return 0;
}

static int take_folders(struct up *up)
{
    const struct up_options *options = up->options;
    mem_auto_free char *absolute = NULL;
    if (make_folder(&options->cli, options->data, 0755) != 0)
        return CLI_FAILED;
    absolute = realpath(options->data, NULL);
    if (!absolute || strlen(absolute) >= sizeof up->data)
        return cli_fail(&options->cli, "invalid", "%s: %s", options->data, absolute ? "the path is too long" : strerror(errno));
    (void)snprintf(up->data, sizeof up->data, "%s", absolute);
    (void)snprintf(up->nats_folder, sizeof up->nats_folder, "%s/nats", up->data);
    (void)snprintf(up->tape_folder, sizeof up->tape_folder, "%s/tape", up->data);
    (void)snprintf(up->nats_conf, sizeof up->nats_conf, "%s/nats/nats.conf", up->data);
    (void)snprintf(up->live_folder, sizeof up->live_folder, "%s/live", up->data);
    (void)snprintf(up->url_path, sizeof up->url_path, "%s/nats.url", up->data);
    if (options->store && strlen(options->store) >= sizeof up->store_folder)
        return cli_misuse(&options->cli, "--store: the path is too long");
    (void)snprintf(up->store_folder, sizeof up->store_folder, "%s%s", options->store ? options->store : up->data, options->store ? "" : "/snapshots");
    if (take_lock(up) != 0)
        return CLI_FAILED;
    return make_folder(&options->cli, up->nats_folder, 0700) != 0 || make_folder(&options->cli, up->store_folder, 0750) != 0 ? CLI_FAILED : 0;
}

static int take_port(struct up *up)
{
    const struct up_options *options = up->options;
    if (strlen(options->listen) >= NATS_HOST_MAX)
        return cli_misuse(&options->cli, "--listen %s is no address", options->listen);
    int rc = up_nats_claim_port(options->listen, (uint16_t)options->port, &up->port);
    if (rc == -EADDRINUSE)
        return cli_fail(&options->cli, "conflict", "port %u on %s is taken, perhaps by a nats-server or another tapeloop up: choose another with --port, or --port 0 for a free one",
                        (unsigned)options->port, options->listen);
    if (rc == -EINVAL)
        return cli_misuse(&options->cli, "--listen %s is no address of this machine: write for example 127.0.0.1", options->listen);
    if (rc < 0)
        return cli_fail(&options->cli, "invalid", "cannot listen on %s port %u: %s", options->listen, (unsigned)options->port, strerror(-rc));
    up_nats_url(options->listen, up->port, up->url, sizeof up->url);
    up_nats_address(options->listen, 0, up->serve, sizeof up->serve);
    rc = up_nats_configure(up->nats_folder, options->listen, up->port);
    return rc < 0 ? cli_fail(&options->cli, "internal", "writing %s: %s", up->nats_conf, strerror(-rc)) : 0;
}

static int find_programs(struct up *up)
{
    static const char *const names[STACK_COUNT] = { "nats-server", "capturer", "snapshotter", "dissector" };
    const struct up_options *options = up->options;
    for (int i = 0; i < STACK_COUNT; i++) {
        struct up_child *child = &up->stack.children[i];
        child->name = names[i];
        if (i == STACK_NATS && options->nats_server) {
            (void)snprintf(child->path, sizeof child->path, "%s", options->nats_server);
            if (access(child->path, X_OK) < 0)
                return cli_fail(&options->cli, "invalid", "%s: %s", child->path, strerror(errno));
        } else if (up_child_find(names[i], child->path) < 0) {
            return cli_fail(&options->cli, "not_found", i == STACK_NATS ? "%s is not installed: apt-get install nats-server, or name one with --nats-server"
                                                                        : "%s is missing: it belongs beside this program, or on PATH", names[i]);
        }
        up_child_add(child, names[i]);
    }
    return 0;
}

static void add_list(struct up_child *child, const char *flag, const struct option_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        up_child_add(child, flag);
        up_child_add(child, list->values[i]);
    }
}

static void set_arguments(struct up *up)
{
    const struct up_options *options = up->options;
    struct up_child *nats = &up->stack.children[STACK_NATS], *capturer = &up->stack.children[STACK_CAPTURER], *snapshotter = &up->stack.children[STACK_SNAPSHOTTER];
    struct up_child *dissector = &up->stack.children[STACK_DISSECTOR];
    (void)snprintf(up->size, sizeof up->size, "%llu", (unsigned long long)options->storage_size);
    (void)snprintf(up->lanes, sizeof up->lanes, "%u", (unsigned)options->lanes);
    up_child_add(nats, "--config");
    up_child_add(nats, up->nats_conf);
    const char *const for_capturer[] = { "--server", up->url, "--node", up->node, "--data", up->tape_folder, "--storage-size", up->size, "--listen", up->serve, "--lanes", up->lanes };
    for (size_t i = 0; i < sizeof for_capturer / sizeof *for_capturer; i++)
        up_child_add(capturer, for_capturer[i]);
    add_list(capturer, "--interface", &options->interfaces);
    add_list(capturer, "--label", &options->labels);
    if (options->bpf) {
        up_child_add(capturer, "--bpf");
        up_child_add(capturer, options->bpf);
    }
    const char *const for_snapshotter[] = { "--server", up->url, "--store", up->store_folder, "--listen", up->serve };
    for (size_t i = 0; i < sizeof for_snapshotter / sizeof *for_snapshotter; i++)
        up_child_add(snapshotter, for_snapshotter[i]);
    const char *const for_dissector[] = { "--server", up->url, "--store", up->store_folder, "--tape", up->tape_folder, "--node", up->node, "--live-data", up->live_folder };
    for (size_t i = 0; i < sizeof for_dissector / sizeof *for_dissector; i++)
        up_child_add(dissector, for_dissector[i]);
}

static int prepare(struct up *up)
{
    const struct up_options *options = up->options;
    if (options->interfaces.count > (CHILD_ARGUMENTS_MAX - 32) / 2)
        return cli_misuse(&options->cli, "more than %d interfaces: write a glob", (CHILD_ARGUMENTS_MAX - 32) / 2);
    if (options->node && strlen(options->node) >= sizeof up->node)
        return cli_misuse(&options->cli, "--node: the name is too long");
    if (options->node)
        (void)snprintf(up->node, sizeof up->node, "%s", options->node);
    else if (gethostname(up->node, sizeof up->node - 1) < 0)
        return cli_fail(&options->cli, "internal", "this machine has no host name: give one with --node");
    int rc = find_programs(up);
    if (rc == 0)
        rc = take_folders(up);
    if (rc == 0)
        rc = take_port(up);
    if (rc == 0)
        set_arguments(up);
    /* The bus is this run's own: a login for another one would only lock its parts out. */
    for (size_t i = 0; i < lifecycle_option_rows_count; i++) {
        const char *name = lifecycle_option_rows[i].environment;
        if (name && strncmp(name, "NATS_", 5) == 0)
            (void)unsetenv(name);
    }
    return rc;
}

static void wait_for(struct up *up, const char *what)
{
    (void)snprintf(up->waits_for, sizeof up->waits_for, "%s", what);
}

/* Connected, with every stream. False: not yet. */
static bool is_bus_up(struct up *up)
{
    struct bus_options options = { .server = up->url, .name = "tapeloop up" };
    char error[256] = "";
    struct bus_value value;
    if (!up->bus && bus_open(&options, true, &up->bus, error) < 0) {
        wait_for(up, error);
        return false;
    }
    if (bus_apply_definitions(up->bus, NULL, NULL, NULL, error) < 0) {
        wait_for(up, error);
        return false;
    }
    char token[BUS_SUBJECT_MAX];
    bus_node_token(up->node, token);
    int rc = bus_kv_get(up->bus, "nodes", token, &value);
    if (rc == 0) {
        up->old_revision = value.revision;
        bus_value_free(&value);
    }
    return rc == 0 || rc == -ENOENT;
}

/* The node's heartbeat of this run says that it records. */
static bool is_recording(struct up *up)
{
    char token[BUS_SUBJECT_MAX], error[WIRE_ERROR_TEXT_MAX];
    struct bus_value value;
    ProtobufCMessage *decoded = NULL;
    wait_for(up, "the capturer's first heartbeat");
    bus_node_token(up->node, token);
    if (bus_kv_get(up->bus, "nodes", token, &value) < 0)
        return false;
    bool fresh = value.revision > up->old_revision;
    int rc = fresh ? wire_decode(&tapeloop__v1__node_heartbeat__descriptor, value.data, value.size, "application/protobuf", &decoded, NULL, error) : -ENOENT;
    bus_value_free(&value);
    if (rc < 0)
        return false;
    Tapeloop__V1__NodeHeartbeat *heartbeat = (Tapeloop__V1__NodeHeartbeat *)decoded;
    bool recording = strcmp(heartbeat->state, "recording") == 0;
    (void)snprintf(up->waits_for, sizeof up->waits_for, "the capturer, which is %s%s%.300s", *heartbeat->state ? heartbeat->state : "silent", *heartbeat->reason ? ": " : "", heartbeat->reason);
    wire_free(heartbeat);
    return recording;
}

static bool is_answering(struct up *up)
{
    mem_auto_free void *answer = NULL;
    size_t size;
    wait_for(up, "the snapshotter's first answer");
    return bus_request(up->bus, "snapshot.list", "{\"limit\":1}", 11, false, ANSWER_WAIT_MS, &answer, &size) == 0;
}

static bool is_dissecting(struct up *up)
{
    mem_auto_free void *answer = NULL;
    size_t size;
    wait_for(up, "the dissector's first answer");
    return bus_request(up->bus, "dissect.list", "{\"limit\":1}", 11, false, ANSWER_WAIT_MS, &answer, &size) == 0;
}

/* Turns until reached says yes. 0; TURN_FAILED, having said why; or the number of the signal that asks to stop. limit_ns 0: for as long as it takes. */
static int turn_until(struct up *up, bool (*reached)(struct up *up), int64_t limit_ns)
{
    int64_t began = units_now_mono_ns();
    up->said_ns = began;
    while (!reached(up)) {
        int number = up_stack_turn(&up->stack, TURN_MS);
        int64_t now = units_now_mono_ns();
        if (number)
            return number;
        if (up->stack.failed >= 0) {
            const struct up_child *child = &up->stack.children[up->stack.failed];
            char text[96];
            if (up->stack.failed == STACK_NATS)
                up_nats_show_log(up->nats_folder, stderr);
            (void)cli_fail(&up->options->cli, "unavailable", "%s cannot start: it %s; what it said stands above", child->name, up_child_end_text(child, text, sizeof text));
            return TURN_FAILED;
        }
        if (limit_ns && now - began >= limit_ns) {
            up_nats_show_log(up->nats_folder, stderr);
            (void)cli_fail(&up->options->cli, "unavailable", "the bus does not come up: %s", up->waits_for);
            return TURN_FAILED;
        }
        if (now - up->said_ns >= SAY_INTERVAL_NS) {
            fprintf(stderr, "tapeloop: waiting for: %s\n", up->waits_for);
            up->said_ns = now;
        }
    }
    return 0;
}

static int start_all(struct up *up)
{
    fprintf(stderr, "tapeloop: starting the bus on %s, everything in %s\n", up->url, up->data);
    if (up_stack_start(&up->stack, STACK_NATS) < 0)
        return TURN_FAILED;
    int rc = turn_until(up, is_bus_up, BUS_LIMIT_NS);
    if (rc != 0)
        return rc;
    fputs("tapeloop: the bus is up; starting capture and waiting for its first proof\n", stderr);
    if (up_stack_start(&up->stack, STACK_CAPTURER) < 0 || up_stack_start(&up->stack, STACK_SNAPSHOTTER) < 0 || up_stack_start(&up->stack, STACK_DISSECTOR) < 0)
        return TURN_FAILED;
    rc = turn_until(up, is_recording, 0);
    if (rc == 0)
        rc = turn_until(up, is_answering, 0);
    if (rc == 0)
        rc = turn_until(up, is_dissecting, 0);
    return rc;
}

static int say_ready(struct up *up)
{
    char line[sizeof up->url + 2];
    int n = snprintf(line, sizeof line, "%s\n", up->url);
    int rc = json_write_text(up->url_path, line, (size_t)n, 0644);
    if (rc < 0)
        return cli_fail(&up->options->cli, "internal", "%s: %s", up->url_path, strerror(-rc));
    fprintf(stderr, "tapeloop: recording as node %s; Ctrl-C stops everything\ntapeloop: from another terminal: export NATS_URL=%s; tapeloop snapshot create first --last 30s --wait\n", up->node,
            up->url);
    if (up->options->cli.json)
        return cli_print_json(json_pack("{s:b,s:s,s:s,s:s}", "ready", true, "server", up->url, "node", up->node, "data", up->data)) == CLI_OK && fflush(stdout) == 0 ? 0 : CLI_FAILED;
    return puts("ready") >= 0 && fflush(stdout) == 0 ? 0 : cli_fail(&up->options->cli, "internal", "standard output: %s", strerror(errno));
}

static int run_stack(struct up *up)
{
    int rc = start_all(up);
    bus_close(up->bus);
    up->bus = NULL;
    if (rc == 0 && say_ready(up) != 0)
        rc = TURN_FAILED;
    up->stack.settled = rc == 0;
    while (rc == 0)
        rc = up_stack_turn(&up->stack, SAY_INTERVAL_NS / UNITS_NS_PER_MS);
    bool well = up_stack_stop(&up->stack);
    (void)unlink(up->url_path);
    return well && rc != TURN_FAILED ? CLI_OK : CLI_FAILED;
}

static int run(const void *fields, char **arguments, size_t count)
{
    (void)arguments, (void)count;
    mem_auto_free struct up *up = calloc(1, sizeof *up);
    const struct up_options *options = fields;
    if (!up)
        return cli_fail(&options->cli, "internal", "out of memory");
    up->options = options;
    up->stack.failed = -1;
    up->lock_fd = -1;
    log_init("tapeloop", LOG_LEVEL_INFO);
    up_stack_block_signals();
    int code = prepare(up);
    if (code == 0)
        code = run_stack(up);
    if (up->lock_fd >= 0)
        (void)close(up->lock_fd);
    return code;
}

const struct cli_command cli_up = {
    .command = {
        .name = "tapeloop up",
        .summary = "Run everything on this machine",
        .description = "Starts a nats-server with JetStream, applies the streams, starts capturer, snapshotter and dissector, and keeps them running. Prints \"ready\" on standard output once the node records, by "
                       "proof of a packet on the tape, and snapshotter and dissector answer; until then it says on standard error what it waits for. Ctrl-C or SIGTERM stops everything in order and seals the tape.\n\n"
                       "DIR holds tape/ (the loop), snapshots/ (what was kept and dissected), live/ (calls of the live tape, while tap.capture.stopped is false), nats/ (the bus's streams, configuration and log) and nats.url (the bus's address while it runs). Several run on one machine, "
                       "each with its own folder and port. Capture needs root or CAP_NET_RAW and CAP_BPF. The environment variables of capturer(8), snapshotter(8) and dissector(8) hold here too.",
        .examples = "sudo tapeloop up\nsudo tapeloop up --data /srv/tape --interface eth0 --storage-size 20Gi --port 4223\nsudo tapeloop up --interface 'veth*' --interface eth0",
        .exit_codes = "0  stopped as asked\n1  something could not start, or had to be killed\n2  wrong use",
        .options = rows, .options_count = sizeof rows / sizeof *rows,
    },
    .fields_size = sizeof(struct up_options), .run = run,
};
