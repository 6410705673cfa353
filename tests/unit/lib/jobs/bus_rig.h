/* A bus with all streams for the tests of this folder. */
#ifndef UNIT_JOBS_BUS_RIG_H
#define UNIT_JOBS_BUS_RIG_H
#include "bus/bus.h"
#include "tests/support/nats_server.h"

static struct nats_server nats;
static struct bus *bus;

static inline int rig_setup(void **state)
{
    (void)state;
    char error[256] = "";
    nats_server_start(&nats, NULL);
    struct bus_options options = { .server = nats.url, .name = "test" };
    return bus_open(&options, true, &bus, error) < 0 || bus_apply_definitions(bus, NULL, NULL, NULL, error) < 0;
}
static inline int rig_teardown(void **state)
{
    (void)state;
    bus_close(bus);
    nats_server_stop(&nats);
    return 0;
}
#endif
