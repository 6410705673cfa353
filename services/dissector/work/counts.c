#include "services/dissector/work/counts.h"
#include <stdio.h>
#include <string.h>

void counts_add(struct stage_result *counts, const char *name, uint64_t value)
{
    uint32_t i = 0;
    while (i < counts->counters_count && strcmp(counts->counters[i].name, name) != 0)
        i++;
    if (i == STAGE_COUNTERS_MAX)
        return;
    if (i == counts->counters_count) {
        snprintf(counts->counters[i].name, sizeof counts->counters[i].name, "%s", name);
        counts->counters[i].value = 0;
        counts->counters_count++;
    }
    counts->counters[i].value += value;
}

void counts_add_all(struct stage_result *counts, const struct stage_result *more)
{
    counts->packets += more->packets;
    counts->bytes += more->bytes;
    for (uint32_t i = 0; i < more->counters_count; i++)
        counts_add(counts, more->counters[i].name, more->counters[i].value);
}

void counts_add_shard(struct stage_result *counts, const struct shard_counters *c)
{
    counts_add(counts, "tcp_udp_packets", c->packets);
    counts_add(counts, "payload_bytes", c->payload_bytes);
    counts_add(counts, "views", c->connections);
    counts_add(counts, "evicted_connections", c->evicted_connections);
    counts_add(counts, "evicted_bytes", c->evicted_bytes);
    counts_add(counts, "gaps", c->gaps);
    counts_add(counts, "gap_bytes", c->gap_bytes);
    counts_add(counts, "desyncs", c->desyncs);
    counts_add(counts, "messages_too_long", c->unparsed_dropped);
    counts_add(counts, "requests_evicted", c->requests_evicted);
    counts_add(counts, "out_of_memory", c->failed);
}

void counts_add_input(struct stage_result *counts, const struct input_counters *c)
{
    counts->packets += c->packets;
    counts->bytes += c->bytes;
    counts_add(counts, "frames", c->frames);
    counts_add(counts, "packets", c->packets);
    counts_add(counts, "captured_bytes", c->bytes);
    counts_add(counts, "packets_cut_by_capture", c->truncated);
    counts_add(counts, "canaries", c->canaries);
    counts_add(counts, "events", c->events);
    counts_add(counts, "packets_outside_window", c->outside_window);
    counts_add(counts, "torn_inputs", c->torn);
    counts_add(counts, "damaged_blocks", c->damaged_blocks);
    counts_add(counts, "packets_in_damaged_blocks", c->lost);
}

void counts_add_decode(struct stage_result *counts, const struct decode_counters *c)
{
    counts_add(counts, "tcp_packets", c->tcp);
    counts_add(counts, "udp_packets", c->udp);
    counts_add(counts, "fragments", c->fragments);
    counts_add(counts, "other_ip_packets", c->other_ip);
    counts_add(counts, "not_ip_packets", c->not_ip);
    counts_add(counts, "unknown_link_type_packets", c->unknown_link_type);
    counts_add(counts, "malformed_packets", c->malformed);
    counts_add(counts, "tunnelled_packets", c->tunnelled);
}

void counts_add_fragments(struct stage_result *counts, const struct fragment_counters *f)
{
    counts_add(counts, "fragmented_datagrams", f->datagrams);
    counts_add(counts, "fragmented_datagrams_given_up", f->timed_out + f->evicted + f->overlapping + f->malformed + f->failed);
}
