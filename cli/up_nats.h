/* The nats-server of `tapeloop up`: its address, its configuration file, and what it last said. */
#ifndef CLI_UP_NATS_H
#define CLI_UP_NATS_H
#include <stdint.h>
#include <stdio.h>

#define NATS_HOST_MAX 64

/* Whether something can listen on host:port; port 0 takes a free one. -EADDRINUSE, -EADDRNOTAVAIL, -EINVAL (host is no address), -errno. */
int up_nats_claim_port(const char *host, uint16_t port, uint16_t *ret_port);
/* Address for clients on this machine: "nats://127.0.0.1:4222", also where the server listens on every address. */
void up_nats_url(const char *host, uint16_t port, char *url, size_t cap);
/* "127.0.0.1:0", "[::1]:0". */
void up_nats_address(const char *host, uint16_t port, char *address, size_t cap);
/* Writes folder/nats.conf. -errno; -EINVAL: the folder's name cannot stand in it. */
int up_nats_configure(const char *folder, const char *host, uint16_t port);
/* The last lines of folder/server.log. */
void up_nats_show_log(const char *folder, FILE *out);
#endif
