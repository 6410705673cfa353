#include "services/capturer/capture/filter.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "filter.skel.h"
#include "services/capturer/capture/capture.h"

#define ERROR_TEXT 256

static_assert(FILTER_CANARY_BYTES == 14 + 20 + 8 + sizeof(struct capture_canary), "the filter knows a canary by its length first");
static_assert(FILTER_SLOTS_MAX >= FILTER_SLOTS_OWN + LANE_INTERFACES_MAX, "every interface of a segment has a counter");

struct capture_filter {
    struct filter *skeleton;
    const struct filter_counter *counters; /* cpus rows of FILTER_SLOTS_MAX */
    size_t counters_bytes;
    uint32_t cpus;
};

static int be_silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
    (void)level, (void)format, (void)arguments;
    return 0;                                    /* the caller says what failed, once */
}

static int map_counters(struct capture_filter *filter)
{
    filter->counters_bytes = sizeof(struct filter_counter) * FILTER_SLOTS_MAX * filter->cpus;
    void *mapped = mmap(NULL, filter->counters_bytes, PROT_READ, MAP_SHARED, bpf_map__fd(filter->skeleton->maps.counters), 0);
    if (mapped == MAP_FAILED)
        return -errno;
    filter->counters = mapped;
    return 0;
}

static int load(uint64_t tape_id, enum bpf_prog_type type, struct capture_filter **ret, char *error)
{
    (void)libbpf_set_print(be_silent);
    int cpus = libbpf_num_possible_cpus();
    if (cpus < 1) {
        (void)snprintf(error, ERROR_TEXT, "cannot tell the number of processors: %s", strerror(-cpus));
        return cpus < 0 ? cpus : -EIO;
    }
    struct capture_filter *filter = calloc(1, sizeof *filter);
    if (!filter || !(filter->skeleton = filter__open())) {
        free(filter);
        (void)snprintf(error, ERROR_TEXT, "no memory for the kernel filter");
        return -ENOMEM;
    }
    filter->cpus = (uint32_t)cpus;
    filter->skeleton->rodata->own_tape_id = tape_id;
    (void)bpf_program__set_type(filter->skeleton->progs.admit, type);
    int done = bpf_map__set_max_entries(filter->skeleton->maps.counters, FILTER_SLOTS_MAX * filter->cpus);
    if (done == 0)
        done = filter__load(filter->skeleton);
    if (done == 0)
        done = map_counters(filter);
    if (done < 0) {
        if (done == -EPERM)
            (void)snprintf(error, ERROR_TEXT, "not allowed to load the kernel filter: run as root or with CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW (before Linux 5.8: CAP_SYS_ADMIN)");
        else
            (void)snprintf(error, ERROR_TEXT, "cannot load the kernel filter: %s (Linux 5.8 or newer with CONFIG_BPF_SYSCALL is needed)", strerror(-done));
        filter_free(filter);
        return done;
    }
    *ret = filter;
    return 0;
}

int filter_load(uint64_t tape_id, struct capture_filter **ret, char *error) { return load(tape_id, BPF_PROG_TYPE_SOCKET_FILTER, ret, error); }

int filter_load_for_test(uint64_t tape_id, struct capture_filter **ret, char *error) { return load(tape_id, BPF_PROG_TYPE_SCHED_CLS, ret, error); }

void filter_free(struct capture_filter *filter)
{
    if (!filter)
        return;
    if (filter->counters)
        (void)munmap((void *)(uintptr_t)filter->counters, filter->counters_bytes);
    filter__destroy(filter->skeleton);
    free(filter);
}

int filter_program_fd(const struct capture_filter *filter) { return bpf_program__fd(filter->skeleton->progs.admit); }

void filter_set_open(struct capture_filter *filter, bool open) { __atomic_store_n(&filter->skeleton->bss->opened, open ? 1u : 0u, __ATOMIC_RELEASE); }

int filter_add_interface(struct capture_filter *filter, uint32_t ifindex, struct filter_interface interface)
{
    assert(interface.slot < FILTER_SLOTS_MAX);
    int done = bpf_map__update_elem(filter->skeleton->maps.interfaces, &ifindex, sizeof ifindex, &interface, sizeof interface, BPF_ANY);
    return done < 0 ? done : 0;
}

int filter_remove_interface(struct capture_filter *filter, uint32_t ifindex)
{
    int done = bpf_map__delete_elem(filter->skeleton->maps.interfaces, &ifindex, sizeof ifindex, 0);
    return done < 0 && done != -ENOENT ? done : 0;
}

struct filter_counter filter_count(const struct capture_filter *filter, uint32_t slot)
{
    assert(slot < FILTER_SLOTS_MAX);
    struct filter_counter sum = { 0 };
    for (uint32_t cpu = 0; cpu < filter->cpus; cpu++) {
        const struct filter_counter *counter = &filter->counters[(size_t)cpu * FILTER_SLOTS_MAX + slot];
        sum.packets += __atomic_load_n(&counter->packets, __ATOMIC_RELAXED);
        sum.bytes += __atomic_load_n(&counter->bytes, __ATOMIC_RELAXED);
    }
    return sum;
}
