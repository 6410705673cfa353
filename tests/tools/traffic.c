/* Sends the packets of a plan (traffic_plan.h) out of one interface, raw, at a rate or flat out, and says in one line of JSON what it sent.
 *
 * A frame that the kernel refuses for want of room (ENOBUFS) was not delivered and is sent again, so every packet of the plan is offered exactly once; the interface's own
 * drop counter is compared before and after and reported. Pinned to one CPU: veth queues per CPU, and a sender that wanders would reorder its own packets.
 * SIGTERM and SIGINT end the run early; the line then says how far it came. */
#include <arpa/inet.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "traffic_plan_options.h"

#define BATCH_MAX 64           /* 64 frames at 200,000/s are 0.3 ms: fine enough pacing, 1/64 of the system calls */
#define PREPARED_MAX 4096      /* with --prepared: frames made before the clock starts */

struct run {
    struct traffic_plan plan;
    const char *interface;
    uint64_t count, rate, start, prepared;
    double seconds;
    int cpu, fd;
    struct sockaddr_ll to;
    uint8_t addresses[12];
    uint8_t *frames;
    size_t stride;
    uint64_t sent, bytes, refused;
};

static volatile sig_atomic_t stopping;
static void stop(int number) { (void)number; stopping = 1; }

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t counter(const char *interface, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "/sys/class/net/%s/statistics/%s", interface, name);
    FILE *f = fopen(path, "r");
    unsigned long long v = 0;
    if (!f || fscanf(f, "%llu", &v) != 1)
        v = 0;
    if (f)
        fclose(f);
    return v;
}

static void socket_open(struct run *run)
{
    run->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (run->fd < 0)
        die("packet socket");
    struct ifreq request = { 0 };
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", run->interface);
    if (ioctl(run->fd, SIOCGIFHWADDR, &request))
        die(run->interface);
    memcpy(run->addresses + 6, request.ifr_hwaddr.sa_data, 6);
    run->to = (struct sockaddr_ll){ .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_halen = 6, .sll_ifindex = (int)if_nametoindex(run->interface) };
    int on = 1, room = 32 * 1024 * 1024;
    if (setsockopt(run->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on))
        die("PACKET_QDISC_BYPASS");
    if (setsockopt(run->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room))
        (void)setsockopt(run->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    if (bind(run->fd, (struct sockaddr *)&run->to, sizeof run->to))
        die("bind");
}

/* The slots [0, n) become packets first .. first + n - 1. */
static void batch_fill(struct run *run, struct iovec *vectors, uint64_t first, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t index = run->start + first + i;
        uint8_t *frame;
        if (run->prepared) {
            uint64_t slot = (first + i) % run->prepared;
            frame = run->frames + slot * run->stride;
            vectors[i].iov_len = traffic_size_of(&run->plan, run->start + slot);
        } else {
            frame = run->frames + i * run->stride;
            memcpy(frame, run->addresses, sizeof run->addresses);
            vectors[i].iov_len = traffic_build(&run->plan, index, frame);
        }
        vectors[i].iov_base = frame;
    }
}

static void batch_send(struct run *run, struct mmsghdr *messages, unsigned n)
{
    for (unsigned done = 0; done < n;) {
        int sent = sendmmsg(run->fd, messages + done, n - done, 0);
        if (sent > 0) {
            for (int i = 0; i < sent; i++)
                run->bytes += messages[done + (unsigned)i].msg_hdr.msg_iov->iov_len;
            done += (unsigned)sent;
            run->sent += (unsigned)sent;
            continue;
        }
        if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
            die("send");
        run->refused += errno == ENOBUFS;
        struct timespec pause = { 0, 20000 };
        nanosleep(&pause, NULL);
    }
}

static void wait_until(int64_t due_ns)
{
    for (;;) {
        int64_t left = due_ns - now_ns();
        if (left <= 0 || stopping)
            return;
        if (left > 60000) {
            struct timespec t = { 0, left > 100000000 ? 100000000 : (long)(left - 50000) };
            nanosleep(&t, NULL);
        }
    }
}

static void run_send(struct run *run)
{
    struct mmsghdr messages[BATCH_MAX] = { 0 };
    struct iovec vectors[BATCH_MAX];
    for (unsigned i = 0; i < BATCH_MAX; i++)
        messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i], .msg_iovlen = 1, .msg_name = &run->to, .msg_namelen = sizeof run->to };
    int64_t began = now_ns();
    int64_t end = run->seconds > 0 ? began + (int64_t)(run->seconds * 1e9) : INT64_MAX;
    for (uint64_t next = 0; next < run->count && !stopping && now_ns() < end;) {
        unsigned n = run->count - next < BATCH_MAX ? (unsigned)(run->count - next) : BATCH_MAX;
        batch_fill(run, vectors, next, n);
        if (run->rate)
            wait_until(began + (int64_t)((double)next * 1e9 / (double)run->rate));
        batch_send(run, messages, n);
        next += n;
    }
}

static void frames_prepare(struct run *run)
{
    run->stride = (run->plan.size_max + 128 + 63) & ~(size_t)63;
    run->frames = calloc(run->prepared ? run->prepared : BATCH_MAX, run->stride);
    if (!run->frames)
        die("memory");
    for (uint64_t i = 0; i < run->prepared; i++) {
        memcpy(run->frames + i * run->stride, run->addresses, sizeof run->addresses);
        traffic_build(&run->plan, run->start + i, run->frames + i * run->stride);
    }
}

static void usage(FILE *out)
{
    fputs("usage: traffic --interface NAME [--count N] [--seconds S] [--rate N] [options]\n"
          "  --interface NAME   send out of this one\n"
          "  --to MAC           destination address (broadcast)\n"
          "  --count N          packets (no limit)\n"
          "  --seconds S        end after this long (no limit)\n"
          "  --rate N           packets per second (0: flat out)\n"
          "  --start N          number of the first packet of the plan (0)\n"
          "  --prepared N       make N frames first and send them round and round: for load, not for checking\n"
          "  --cpu N            CPU to stay on (the last)\n" TRAFFIC_PLAN_HELP, out);
}

static void address_parse(struct run *run, const char *text)
{
    unsigned v[6];
    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", v, v + 1, v + 2, v + 3, v + 4, v + 5) != 6) {
        fprintf(stderr, "--to: \"%s\" is not an Ethernet address\n", text);
        exit(2);
    }
    for (int i = 0; i < 6; i++)
        run->addresses[i] = (uint8_t)v[i];
}

static void options_read(struct run *run, int argc, char **argv)
{
    static const struct option options[] = { { "interface", 1, NULL, 'i' }, { "to", 1, NULL, 'd' }, { "count", 1, NULL, 'c' }, { "seconds", 1, NULL, 't' },
                                             { "rate", 1, NULL, 'r' }, { "start", 1, NULL, 'S' }, { "prepared", 1, NULL, 'p' }, { "cpu", 1, NULL, 'C' },
                                             { "help", 0, NULL, 'h' }, TRAFFIC_PLAN_OPTIONS, { 0 } };
    for (int letter; (letter = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (letter) {
        case 'i': run->interface = optarg; break;
        case 'd': address_parse(run, optarg); break;
        case 'c': run->count = traffic_number("count", optarg, 1, UINT64_MAX); break;
        case 't': run->seconds = strtod(optarg, NULL); break;
        case 'r': run->rate = traffic_number("rate", optarg, 0, 100000000); break;
        case 'S': run->start = traffic_number("start", optarg, 0, UINT64_MAX / 2); break;
        case 'p': run->prepared = traffic_number("prepared", optarg, BATCH_MAX, PREPARED_MAX); break;
        case 'C': run->cpu = (int)traffic_number("cpu", optarg, 0, CPU_SETSIZE - 1); break;
        case 'h': usage(stdout); exit(0);
        default:
            if (!traffic_plan_option(&run->plan, letter, optarg)) {
                usage(stderr);
                exit(2);
            }
        }
    }
    if (!run->interface || optind != argc) {
        usage(stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct run run = { .plan = TRAFFIC_PLAN_DEFAULT, .count = UINT64_MAX, .cpu = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1, .addresses = { 255, 255, 255, 255, 255, 255 } };
    options_read(&run, argc, argv);
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(run.cpu, &cpus);
    if (sched_setaffinity(0, sizeof cpus, &cpus))
        die("--cpu");
    struct sigaction action = { .sa_handler = stop };
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    socket_open(&run);
    frames_prepare(&run);
    uint64_t dropped = counter(run.interface, "tx_dropped");
    int64_t began = now_ns();
    run_send(&run);
    double took = (double)(now_ns() - began) / 1e9;
    printf("{\"sent\":%llu,\"bytes\":%llu,\"seconds\":%.3f,\"rate\":%.0f,\"refused\":%llu,\"tx_dropped\":%llu}\n", (unsigned long long)run.sent,
           (unsigned long long)run.bytes, took, took > 0 ? (double)run.sent / took : 0, (unsigned long long)run.refused,
           (unsigned long long)(counter(run.interface, "tx_dropped") - dropped));
    free(run.frames);
    close(run.fd);
    return 0;
}
