/* Sends the packets of a capture out of an interface, as they stand, at an even pace: calls that a capturer on the other end of a veth pair records. Prints a line of JSON.
 *
 *   replay INTERFACE RATE FILE      RATE: packets per second */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "tests/tools/capture_reader.h"

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int open_socket(const char *interface)
{
    struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(interface) };
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* protocol 0: sends alone */
    if (fd < 0 || !address.sll_ifindex || bind(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        die(interface);
    return fd;
}

static void wait_until(int64_t ns)
{
    const struct timespec until = { ns / 1000000000, ns % 1000000000 };
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

int main(int argc, char **argv)
{
    double rate = argc == 4 ? strtod(argv[2], NULL) : 0;
    if (rate <= 0) {
        fputs("usage: replay INTERFACE RATE FILE\n", stderr);
        return 2;
    }
    static struct capture_reader reader;
    struct capture_packet packet;
    struct timespec now;
    uint64_t sent = 0, bytes = 0;
    int fd = open_socket(argv[1]);
    if (!capture_open(&reader, argv[3]))
        die(argv[3]);
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t began_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
    while (capture_next(&reader, &packet)) {
        wait_until(began_ns + (int64_t)((double)sent * 1e9 / rate));
        if (send(fd, packet.data, packet.captured, 0) != (ssize_t)packet.captured)
            die("send");
        sent++;
        bytes += packet.captured;
    }
    if (reader.problem) {
        fprintf(stderr, "%s: %s\n", argv[3], reader.problem);
        return 1;
    }
    printf("{\"sent\":%llu,\"bytes\":%llu}\n", (unsigned long long)sent, (unsigned long long)bytes);
    close(fd);
    return 0;
}
