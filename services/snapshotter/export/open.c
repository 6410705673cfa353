#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include "capfile/lz4frame.h"
#include "capfile/pcap_classic.h"
#include "capfile/pcapng.h"
#include "packet/packet.h"
#include "services/snapshotter/export/runs.h"
#include "services/snapshotter/export/state.h"
#include "units/units.h"

#define INTERFACE_DESCRIPTION_MAX (SEGMENT_NODE_NAME_MAX + 8)
#define MEMORY_BESIDE_BLOCKS (LZ4FRAME_BLOCK_BYTES_MAX + 2 * RUN_CHUNK_BYTES) /* the block being read, the run being written */
#define LINK_TYPES_TOLD_MAX 8

__attribute__((format(printf, 3, 4))) static int refuse(int r, char *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, EXPORT_ERROR_TEXT_MAX, format, arguments);
    va_end(arguments);
    return r;
}

static bool given(const char *text)
{
    return text && *text;
}

/* The link type that alone is wanted, or -1. */
static int wanted_link_type(const struct export_options *options, int64_t *ret, char *error)
{
    uint32_t link_type;
    *ret = -1;
    if (!given(options->link_type))
        return 0;
    if (bpf_link_type_parse(options->link_type, &link_type) < 0)
        return refuse(-EINVAL, error, "there is no link type named %.60s", options->link_type);
    *ret = link_type;
    return 0;
}

/* pcap holds one link type, so it must be chosen where there are several. */
static int check_link_types(const struct export *e, const struct export_options *options, char *error)
{
    char names[EXPORT_ERROR_TEXT_MAX / 2] = "", name[BPF_LINK_TYPE_TEXT_MAX];
    uint32_t seen[LINK_TYPES_TOLD_MAX];
    size_t count = 0, used = 0;
    if (e->inputs.count > 0 && e->inputs.interfaces_count == 0 && given(options->link_type))
        return refuse(-EINVAL, error, "nothing in the window was recorded with link type %.60s", options->link_type);
    for (size_t i = 0; i < e->inputs.interfaces_count && count < LINK_TYPES_TOLD_MAX; i++) {
        bool known = false;
        for (size_t k = 0; k < count; k++)
            known |= seen[k] == e->inputs.interfaces[i].link_type;
        if (known)
            continue;
        seen[count++] = e->inputs.interfaces[i].link_type;
        int n = snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "",
                         bpf_link_type_format(e->inputs.interfaces[i].link_type, name));
        used += (size_t)n < sizeof names - used ? (size_t)n : 0;
    }
    if (count > 1 && options->format == EXPORT_PCAP)
        return refuse(-EINVAL, error,
                      "a pcap file holds one link type, the window has %s: choose one of them as link type, or export pcapng", names);
    return 0;
}

/* The filter for a link type, compiled when it is first wanted. */
static int filter_for(struct export *e, const char *text, uint32_t link_type, struct bpf_expression **ret, char *error)
{
    char reason[BPF_ERROR_TEXT_MAX] = "out of memory", name[BPF_LINK_TYPE_TEXT_MAX];
    for (size_t k = 0; k < e->compiled_count; k++)
        if (e->compiled[k].link_type == link_type) {
            *ret = e->compiled[k].expression;
            return 0;
        }
    struct export_filter *grown = reallocarray(e->compiled, e->compiled_count + 1, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    e->compiled = grown;
    struct export_filter *filter = &grown[e->compiled_count];
    *filter = (struct export_filter){ .link_type = link_type };
    int r = bpf_expression_compile(text, link_type, PCAPNG_SNAP_LENGTH, &filter->expression, reason);
    if (r < 0)
        return refuse(r, error, "the filter is not valid for link type %s: %.150s", bpf_link_type_format(link_type, name), reason);
    e->compiled_count++;
    *ret = filter->expression;
    return 0;
}

static int compile_filters(struct export *e, const char *text, char *error)
{
    e->filters = calloc(e->inputs.interfaces_count + 1, sizeof(struct bpf_expression *));
    if (!e->filters)
        return -ENOMEM;
    e->load.filters = e->filters;
    if (e->inputs.interfaces_count == 0) /* compiled for nothing, so that a bad expression is told all the same */
        return filter_for(e, text, PACKET_LINK_ETHERNET, &e->filters[0], error);
    for (size_t i = 0; i < e->inputs.interfaces_count; i++) {
        int r = filter_for(e, text, e->inputs.interfaces[i].link_type, &e->filters[i], error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_room(const struct export *e, char *error)
{
    struct statvfs fs;
    char need_text[UNITS_SIZE_TEXT_MAX], free_text[UNITS_SIZE_TEXT_MAX];
    if (e->plan.groups <= 1)
        return 0;
    if (!e->work_folder)
        return refuse(-EINVAL, error, "the export needs temporary files, and no folder for them is set");
    if (statvfs(e->work_folder, &fs) < 0)
        return refuse(-errno, error, "the folder for temporary files (%.150s) cannot be used: %s", e->work_folder, strerror(errno));
    uint64_t need = e->plan.run_bytes * (e->plan.groups > e->fan_in ? 2 : 1), room = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (need <= room)
        return 0;
    return refuse(-ENOSPC, error,
                  "the export needs %s of temporary space in %.100s, where %s is free: "
                  "allow it more memory, or choose fewer nodes or a shorter window",
                  units_format_size(need, need_text, sizeof need_text), e->work_folder,
                  units_format_size(room, free_text, sizeof free_text));
}

static int make_plan(struct export *e, const struct export_options *options, char *error)
{
    uint64_t memory = options->memory_bytes_max ? options->memory_bytes_max : EXPORT_MEMORY_BYTES_DEFAULT;
    memory = memory < EXPORT_MEMORY_BYTES_MIN ? EXPORT_MEMORY_BYTES_MIN : memory;
    if (options->dedup) {
        uint64_t table = memory / 4 < COPIES_BYTES_MAX ? memory / 4 : COPIES_BYTES_MAX;
        int r = copies_new(table, &e->copies);
        if (r < 0)
            return r;
        memory -= table;
    }
    uint64_t spare = memory / 8 / LZ4FRAME_BLOCK_BYTES_MAX;
    e->load.spare_most = spare < LOAD_SPARE_MAX ? (unsigned)spare : LOAD_SPARE_MAX;
    memory -= MEMORY_BESIDE_BLOCKS + (uint64_t)e->load.spare_most * LZ4FRAME_BLOCK_BYTES_MAX;
    e->fan_in = memory / RUN_READER_BYTES > UINT32_MAX ? UINT32_MAX : (uint32_t)(memory / RUN_READER_BYTES);
    int r = plan_make(&e->inputs, options->from_ns, options->to_ns, memory, &e->plan);
    return r < 0 ? r : check_room(e, error);
}

static void put_comment(char *text, size_t room, const struct export_options *options)
{
    char from[UNITS_TIME_TEXT_MAX] = "the beginning", to[UNITS_TIME_TEXT_MAX] = "the end";
    if (options->from_ns != INT64_MIN)
        units_format_time(options->from_ns, from, sizeof from);
    if (options->to_ns != INT64_MAX)
        units_format_time(options->to_ns, to, sizeof to);
    snprintf(text, room, "tapeloop export from %s to %s%s%s%s", from, to, options->connection ? ", one connection" : "", given(options->bpf) ? ", filter: " : "",
             given(options->bpf) ? options->bpf : "");
}

static int make_header(struct export *e, const struct export_options *options, int64_t link_type)
{
    char text[400];
    const struct inputs *inputs = &e->inputs;
    e->pending = malloc((inputs->interfaces_count + 2) * PCAPNG_HEADER_BLOCK_BYTES_MAX);
    if (!e->pending)
        return -ENOMEM;
    if (e->format == EXPORT_PCAP) {
        uint32_t type = inputs->interfaces_count ? inputs->interfaces[0].link_type : PACKET_LINK_ETHERNET;
        type = link_type >= 0 ? (uint32_t)link_type : type;
        e->pending_size = pcap_classic_put_header(e->pending, type, PCAPNG_SNAP_LENGTH);
        return 0;
    }
    put_comment(text, sizeof text, options);
    e->pending_size = pcapng_put_section(e->pending, text, NULL, NULL, "Tapeloop " TAPELOOP_VERSION);
    for (size_t i = 0; i < inputs->interfaces_count; i++) {
        const struct output_interface *interface = &inputs->interfaces[i];
        char description[INTERFACE_DESCRIPTION_MAX];
        snprintf(description, sizeof description, "node %s", interface->node);
        e->pending_size += pcapng_put_interface(e->pending + e->pending_size, (uint16_t)interface->link_type, interface->name, description);
    }
    return 0;
}

/* Whether every segment goes out whole, so that its ledger describes it. */
static bool whole(const struct export *e)
{
    if (e->format != EXPORT_PCAPNG || e->filters || e->load.connection || e->copies || e->load.left_out_link_type)
        return false;
    for (size_t i = 0; i < e->inputs.count; i++) {
        const struct segment_index *index = e->inputs.list[i].index;
        if (!index->has_ledger || index->seal.first_ns < e->load.from_ns || index->seal.last_ns > e->load.to_ns)
            return false;
    }
    return e->inputs.count > 0;
}

int export_make_trailer(struct export *e)
{
    const struct inputs *inputs = &e->inputs;
    if (!whole(e))
        return 0;
    struct pcapng_statistics statistics = { .start_ns = INT64_MAX, .end_ns = INT64_MIN };
    for (size_t i = 0; i < inputs->count; i++) {
        const struct segment_seal *seal = &inputs->list[i].index->seal;
        statistics.start_ns = seal->first_ns < statistics.start_ns ? seal->first_ns : statistics.start_ns;
        statistics.end_ns = seal->last_ns > statistics.end_ns ? seal->last_ns : statistics.end_ns;
    }
    statistics.time_ns = statistics.end_ns;
    uint8_t *bytes = malloc((inputs->interfaces_count + 1) * PCAPNG_HEADER_BLOCK_BYTES_MAX);
    if (!bytes)
        return -ENOMEM;
    size_t size = 0;
    for (uint32_t i = 0; i < inputs->interfaces_count; i++) {
        const struct output_interface *interface = &inputs->interfaces[i];
        if (!interface->ledger)
            continue;
        statistics.received = interface->offered;
        statistics.accepted_filter = interface->offered - interface->filtered;
        statistics.dropped_os = interface->dropped;
        statistics.delivered = interface->written;
        size += pcapng_put_statistics(bytes + size, i, &statistics, NULL);
    }
    free(e->pending);
    e->pending = bytes;
    e->pending_size = size;
    e->pending_at = 0;
    return 0;
}

static int open_all(struct export *e, const struct export_options *options, char *error)
{
    int64_t link_type = -1;
    if (options->from_ns > options->to_ns)
        return refuse(-EINVAL, error, "the window ends before it begins");
    int r = wanted_link_type(options, &link_type, error);
    if (r == 0)
        r = inputs_load(&e->inputs, options, error);
    if (r == 0)
        r = inputs_map(&e->inputs, link_type, error);
    if (r == 0)
        r = check_link_types(e, options, error);
    if (r == 0 && given(options->bpf))
        r = compile_filters(e, options->bpf, error);
    if (r == 0)
        r = make_plan(e, options, error);
    if (r == 0)
        r = make_header(e, options, link_type);
    return r;
}

int export_open(const struct export_options *options, struct export **ret, char *error)
{
    struct export *e = calloc(1, sizeof *e);
    snprintf(error, EXPORT_ERROR_TEXT_MAX, "out of memory");
    if (!e)
        return -ENOMEM;
    e->format = options->format;
    e->load = (struct load){ .inputs = &e->inputs, .plan = &e->plan, .from_ns = options->from_ns, .to_ns = options->to_ns,
                             .error = e->error };
    if (options->connection) {
        e->connection = *options->connection;
        e->load.connection = &e->connection;
    }
    e->load.events = options->format == EXPORT_PCAPNG && !given(options->bpf) && !options->connection && !given(options->link_type);
    e->work_folder = given(options->work_folder) ? strdup(options->work_folder) : NULL;
    int r = e->work_folder || !given(options->work_folder) ? load_init(&e->load) : -ENOMEM;
    if (r == 0)
        r = open_all(e, options, error);
    if (r < 0) {
        export_close(e);
        return r;
    }
    *error = 0;
    *ret = e;
    return 0;
}
