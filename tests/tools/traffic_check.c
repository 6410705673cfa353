/* Reads a capture and proves that it holds the packets of a plan (traffic_plan.h): every one exactly once, byte for byte, in order per flow, with nanosecond timestamps that never go
 * back in the file. One line of JSON on standard output; exit code 0 when all of it holds, 1 otherwise, 2 for wrong use. The first few faults of each kind are told on standard error. */
#include <getopt.h>
#include "capture_reader.h"
#include "traffic_plan_options.h"

#define FAULTS_TOLD_MAX 5

enum fault { FAULT_MISSING, FAULT_DUPLICATE, FAULT_CORRUPT, FAULT_DISORDER, FAULT_TIME_BACK, FAULT_RESOLUTION, FAULT_FOREIGN, FAULT_CUT, FAULT_COUNT };
static const char *const fault_names[FAULT_COUNT] = { "missing", "duplicate", "corrupt", "disorder", "time_back", "resolution", "foreign", "cut" };

struct check {
    struct traffic_plan plan;
    uint64_t count, start;
    uint64_t missing_most;              /* how many may be missing */
    bool foreign_allowed;
    uint8_t *seen;                      /* one bit per packet */
    uint64_t *flow_next;                /* per flow: number after the last one seen */
    uint64_t faults[FAULT_COUNT], packets, bytes, fine, drops;
    int64_t first_ns, last_ns;
    uint8_t made[TRAFFIC_FRAME_BYTES_MAX + 8];
};

static void fault(struct check *check, enum fault kind, uint64_t index, int64_t time_ns)
{
    if (check->faults[kind]++ < FAULTS_TOLD_MAX)
        fprintf(stderr, "traffic_check: %s: packet %llu (flow %llu, number %llu) at %lld ns, frame %llu of the file\n", fault_names[kind], (unsigned long long)index,
                (unsigned long long)(index % check->plan.flows), (unsigned long long)(index / check->plan.flows), (long long)time_ns, (unsigned long long)check->packets);
}

static void check_packet(struct check *check, const struct capture_packet *packet)
{
    uint64_t index = 0;
    if (!traffic_claim(&check->plan, packet->data, packet->captured, &index) || packet->link_type != 1) {
        fault(check, FAULT_FOREIGN, 0, packet->time_ns);
        return;
    }
    check->packets++;
    check->drops += packet->drops;
    check->bytes += packet->captured;
    if (packet->captured != packet->length)
        fault(check, FAULT_CUT, index, packet->time_ns);
    uint32_t size = traffic_build(&check->plan, index, check->made);
    if (index < check->start || index - check->start >= check->count || size != packet->captured || memcmp(check->made + 12, packet->data + 12, size - 12) != 0) {
        fault(check, FAULT_CORRUPT, index, packet->time_ns);
        return;
    }
    uint64_t bit = index - check->start, number = index / check->plan.flows, flow = index % check->plan.flows;
    if (check->seen[bit / 8] >> (bit % 8) & 1)
        fault(check, FAULT_DUPLICATE, index, packet->time_ns);
    else if (number < check->flow_next[flow])
        fault(check, FAULT_DISORDER, index, packet->time_ns);
    check->seen[bit / 8] |= (uint8_t)(1u << (bit % 8));
    if (number >= check->flow_next[flow])
        check->flow_next[flow] = number + 1;
    if (check->packets > 1 && packet->time_ns < check->last_ns)
        fault(check, FAULT_TIME_BACK, index, packet->time_ns);
    if (packet->resolution != 9)
        fault(check, FAULT_RESOLUTION, index, packet->time_ns);
    check->fine += packet->time_ns % 1000 != 0;
    check->first_ns = check->packets == 1 ? packet->time_ns : check->first_ns;
    check->last_ns = packet->time_ns;
}

static void check_missing(struct check *check)
{
    uint64_t from = 0, run = 0, runs = 0;
    for (uint64_t i = 0; i <= check->count; i++) {
        bool there = i == check->count || (check->seen[i / 8] >> (i % 8) & 1);
        if (!there) {
            from = run++ ? from : i;
            check->faults[FAULT_MISSING]++;
        } else if (run) {
            if (runs++ < FAULTS_TOLD_MAX)
                fprintf(stderr, "traffic_check: missing: packets %llu to %llu\n", (unsigned long long)(from + check->start), (unsigned long long)(from + run - 1 + check->start));
            run = 0;
        }
    }
}

/* Did all hold? Timestamps that are all whole microseconds are not nanoseconds, whatever the file claims. */
static bool check_verdict(struct check *check)
{
    if (check->packets >= 100 && check->fine == 0)
        fault(check, FAULT_RESOLUTION, 0, check->last_ns);
    bool good = check->faults[FAULT_MISSING] <= check->missing_most;
    for (int k = 0; k < FAULT_COUNT; k++)
        if (k != FAULT_MISSING && (k != FAULT_FOREIGN || !check->foreign_allowed) && check->faults[k])
            good = false;
    return good;
}

static void usage(FILE *out)
{
    fputs("usage: traffic_check --count N [options] FILE|-\n"
          "  --count N          packets sent\n"
          "  --start N          number of the first one (0)\n"
          "  --missing-most N   so many may be missing (0)\n"
          "  --foreign          other packets may be there too\n" TRAFFIC_PLAN_HELP, out);
}

static const char *options_read(struct check *check, int argc, char **argv)
{
    static const struct option options[] = { { "count", 1, NULL, 'c' }, { "start", 1, NULL, 'S' }, { "missing-most", 1, NULL, 'm' }, { "foreign", 0, NULL, 'F' },
                                             { "help", 0, NULL, 'h' }, TRAFFIC_PLAN_OPTIONS, { 0 } };
    for (int letter; (letter = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (letter) {
        case 'c': check->count = traffic_number("count", optarg, 0, UINT64_C(1) << 36); break;
        case 'S': check->start = traffic_number("start", optarg, 0, UINT64_MAX / 2); break;
        case 'm': check->missing_most = traffic_number("missing-most", optarg, 0, UINT64_MAX); break;
        case 'F': check->foreign_allowed = true; break;
        case 'h': usage(stdout); exit(0);
        default:
            if (!traffic_plan_option(&check->plan, letter, optarg)) {
                usage(stderr);
                exit(2);
            }
        }
    }
    if (optind + 1 != argc) {
        usage(stderr);
        exit(2);
    }
    return argv[optind];
}

int main(int argc, char **argv)
{
    static struct check check = { .plan = TRAFFIC_PLAN_DEFAULT };
    static struct capture_reader reader;
    const char *path = options_read(&check, argc, argv);
    check.seen = calloc(check.count / 8 + 1, 1);
    check.flow_next = calloc(check.plan.flows, sizeof *check.flow_next);
    if (!check.seen || !check.flow_next) {
        fputs("traffic_check: memory\n", stderr);
        return 1;
    }
    struct capture_packet packet;
    bool readable = capture_open(&reader, path);
    while (readable && capture_next(&reader, &packet))
        check_packet(&check, &packet);
    if (reader.problem)
        fprintf(stderr, "traffic_check: %s %s\n", path, reader.problem);
    check_missing(&check);
    bool good = check_verdict(&check) && !reader.problem;
    printf("{\"good\":%s,\"packets\":%llu,\"bytes\":%llu,\"drops\":%llu", good ? "true" : "false", (unsigned long long)check.packets, (unsigned long long)check.bytes,
           (unsigned long long)check.drops);
    for (int k = 0; k < FAULT_COUNT; k++)
        printf(",\"%s\":%llu", fault_names[k], (unsigned long long)check.faults[k]);
    printf(",\"first_ns\":%lld,\"last_ns\":%lld,\"events\":%llu,\"statistics\":%llu}\n", (long long)check.first_ns, (long long)check.last_ns,
           (unsigned long long)reader.events, (unsigned long long)reader.statistics);
    capture_close(&reader);
    free(check.seen);
    free(check.flow_next);
    return good ? 0 : 1;
}
