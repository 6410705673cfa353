/* What every service's main does alike: connection options, log set-up, signals, and waiting for the end. */
#ifndef LIFECYCLE_LIFECYCLE_H
#define LIFECYCLE_LIFECYCLE_H
#include "bus/bus.h"
#include "options/options.h"
/* Connection options as the nats command names them (--server/-s NATS_URL, --user NATS_USER, --password NATS_PASSWORD, --token NATS_TOKEN, --creds NATS_CREDS, --nkey NATS_NKEY,
 * --tlsca NATS_CA, --tlscert NATS_CERT, --tlskey NATS_KEY) plus --log-level TAPELOOP_LOG_LEVEL. */
struct lifecycle_options { const char *server, *user, *password, *token, *creds, *nkey, *tls_ca, *tls_cert, *tls_key; int log_level; };
extern const struct option lifecycle_option_rows[];
extern const size_t lifecycle_option_rows_count;
void lifecycle_bus_options(const struct lifecycle_options *options, const char *name, struct bus_options *ret);

/* A loop thread: the libuv loop that owns a service's state. SIGTERM and SIGINT call stop() once; a second one ends the process with code 1. SIGPIPE is ignored. */
struct lifecycle;
int lifecycle_new(const char *service, const struct lifecycle_options *options, struct lifecycle **ret);
struct uv_loop_s *lifecycle_loop(struct lifecycle *lifecycle);
/* Runs until lifecycle_finish. stop(context) starts a graceful stop; it has deadline_ms before the process gives up with code 1 and says what it waited for. */
int lifecycle_run(struct lifecycle *lifecycle, void (*stop)(void *context), void *context, int deadline_ms);
void lifecycle_finish(struct lifecycle *lifecycle, int exit_code);  /* loop thread */
void lifecycle_free(struct lifecycle *lifecycle);
#endif
