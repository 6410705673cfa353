#include "services/capturer/capture/canary.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "services/capturer/capture/capture.h"

#define PROBES_WAIT 3                            /* seconds until a silent port is thought lost and tried anew */

struct port { int fd; uint16_t number; int asked; };
struct canary {
    uint64_t tape_id;
    uint32_t lanes, sockets;
    _Atomic uint8_t *lane_of_port;
    struct port ports[CANARY_SOCKETS_MAX];
};

static_assert(sizeof(struct capture_canary) == 40, "the wire format of capture.h, without holes");

static int open_port(struct port *port)
{
    struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof own;
    port->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (port->fd < 0)
        return -errno;
    if (bind(port->fd, (struct sockaddr *)&own, sizeof own) != 0 || getsockname(port->fd, (struct sockaddr *)&own, &size) != 0) {
        int error = -errno;
        (void)close(port->fd);
        port->fd = -1;
        return error;
    }
    port->number = ntohs(own.sin_port);
    port->asked = 0;
    return 0;
}

int canary_new(uint64_t tape_id, uint32_t lanes, _Atomic uint8_t *lane_of_port, struct canary **ret)
{
    assert(lanes >= 1 && lanes <= LANES_MAX);
    struct canary *canary = calloc(1, sizeof *canary);
    if (!canary)
        return -ENOMEM;
    canary->tape_id = tape_id;
    canary->lanes = lanes;
    canary->lane_of_port = lane_of_port;
    canary->sockets = lanes == 1 ? 1 : CANARY_SOCKETS_MAX;
    for (uint32_t i = 0; i < CANARY_SOCKETS_MAX; i++)
        canary->ports[i].fd = -1;
    for (uint32_t i = 0; i < canary->sockets; i++) {
        int done = open_port(&canary->ports[i]);
        if (done < 0) {
            canary_free(canary);
            return done;
        }
    }
    *ret = canary;
    return 0;
}

void canary_free(struct canary *canary)
{
    if (!canary)
        return;
    for (uint32_t i = 0; i < CANARY_SOCKETS_MAX; i++)
        if (canary->ports[i].fd >= 0)
            (void)close(canary->ports[i].fd);
    free(canary);
}

static int send_from(const struct canary *canary, const struct port *port, uint32_t lane, int64_t now_wall_ns)
{
    const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(CAPTURE_CANARY_PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct capture_canary payload = { .tape_id = htole64(canary->tape_id), .lane = htole32(lane), .sent_ns = (int64_t)htole64((uint64_t)now_wall_ns) };
    memcpy(payload.magic, CAPTURE_CANARY_MAGIC, sizeof payload.magic);
    return sendto(port->fd, &payload, sizeof payload, 0, (const struct sockaddr *)&to, sizeof to) < 0 ? -errno : 0;
}

/* A port that is of no use any more: unanswered for long, or of a lane that has one while others have none. */
static int replace_port(const struct canary *canary, struct port *port)
{
    atomic_store_explicit(&canary->lane_of_port[port->number], 0, memory_order_relaxed);
    (void)close(port->fd);
    port->fd = -1;
    return open_port(port);
}

int canary_send(struct canary *canary, int64_t now_wall_ns)
{
    bool served[LANES_MAX] = { false };
    uint32_t left = canary->lanes;
    int error = 0;
    for (uint32_t i = 0; i < canary->sockets && error == 0; i++) {
        uint32_t lane = canary->lanes == 1 ? 0 : atomic_load_explicit(&canary->lane_of_port[canary->ports[i].number], memory_order_relaxed) - 1u;
        if (lane >= canary->lanes || served[lane])
            continue;
        error = send_from(canary, &canary->ports[i], lane, now_wall_ns);
        served[lane] = true;
        left--;
    }
    for (uint32_t i = 0; i < canary->sockets && left && error == 0; i++) {
        struct port *port = &canary->ports[i];
        bool known = atomic_load_explicit(&canary->lane_of_port[port->number], memory_order_relaxed) != 0;
        if (port->fd < 0 || (!known && port->asked >= PROBES_WAIT))
            error = replace_port(canary, port);
        if (error == 0 && !known) {
            port->asked++;
            error = send_from(canary, port, CANARY_PROBE, now_wall_ns);
        }
    }
    return error < 0 ? error : (int)left;
}
