/* The plan on the command line, the same words for the generator and the checker. */
#ifndef TRAFFIC_PLAN_OPTIONS_H
#define TRAFFIC_PLAN_OPTIONS_H
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "traffic_plan.h"

#define TRAFFIC_PLAN_DEFAULT { .seed = 1, .flows = 16, .size_min = 64, .size_max = 9000, .skew = 6, .ipv4_only = false }
#define TRAFFIC_PLAN_HELP                                                            \
    "  --seed N           payload and sizes follow from it (1)\n"                    \
    "  --flows N          flows, round robin (16)\n"                                 \
    "  --size MIN[:MAX]   frame length in bytes (64:9000)\n"                         \
    "  --skew K           least of K draws: small frames are commoner (6)\n"         \
    "  --ipv4             IPv4 only, so that every frame can be 64 bytes\n"
#define TRAFFIC_PLAN_OPTIONS \
    { "seed", 1, NULL, 's' }, { "flows", 1, NULL, 'f' }, { "size", 1, NULL, 'z' }, { "skew", 1, NULL, 'k' }, { "ipv4", 0, NULL, '4' }

/* Exits with 2 on anything that is not a whole number within bounds. */
static inline uint64_t traffic_number(const char *name, const char *text, uint64_t least, uint64_t most)
{
    char *end = NULL;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || v < least || v > most) {
        fprintf(stderr, "--%s: \"%s\" is not a whole number from %llu to %llu\n", name, text, (unsigned long long)least, (unsigned long long)most);
        exit(2);
    }
    return v;
}

/* True when the letter was one of the plan's. */
static inline bool traffic_plan_option(struct traffic_plan *plan, int letter, char *value)
{
    if (letter == 's') {
        plan->seed = traffic_number("seed", value, 0, UINT64_MAX);
    } else if (letter == 'f') {
        plan->flows = (uint32_t)traffic_number("flows", value, 1, TRAFFIC_FLOWS_MAX);
    } else if (letter == 'k') {
        plan->skew = (uint32_t)traffic_number("skew", value, 1, 16);
    } else if (letter == '4') {
        plan->ipv4_only = true;
    } else if (letter == 'z') {
        char *colon = strchr(value, ':');
        if (colon)
            *colon++ = 0;
        plan->size_min = (uint32_t)traffic_number("size", value, 60, TRAFFIC_FRAME_BYTES_MAX);
        plan->size_max = colon ? (uint32_t)traffic_number("size", colon, plan->size_min, TRAFFIC_FRAME_BYTES_MAX) : plan->size_min;
    } else {
        return false;
    }
    return true;
}
#endif
