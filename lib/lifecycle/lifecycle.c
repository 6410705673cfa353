/* What every service's main does alike. See lifecycle.h. */
#include "lifecycle/lifecycle.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log/log.h"
#include "loop/loop.h"

#define FIELD(name) offsetof(struct lifecycle_options, name)

static const char *const log_levels[] = { "debug", "info", "warning", "error", NULL }; /* in the order of enum log_level */

const struct option lifecycle_option_rows[] = {
    { .name = "server", .letter = 's', .type = OPTION_STRING, .field = FIELD(server), .value_name = "URL", .fallback = "nats://127.0.0.1:4222", .environment = "NATS_URL",
      .help = "NATS server, or several with commas between" },
    { .name = "user", .type = OPTION_STRING, .field = FIELD(user), .value_name = "NAME", .environment = "NATS_USER", .help = "User name on the bus" },
    { .name = "password", .type = OPTION_STRING, .field = FIELD(password), .value_name = "PASSWORD", .environment = "NATS_PASSWORD",
      .help = "Password of the user; better given by the environment, which other users cannot list" },
    { .name = "token", .type = OPTION_STRING, .field = FIELD(token), .value_name = "TOKEN", .environment = "NATS_TOKEN", .help = "Bearer token instead of user and password" },
    { .name = "creds", .type = OPTION_STRING, .field = FIELD(creds), .value_name = "FILE", .environment = "NATS_CREDS", .complete = "file", .help = "Credentials file of a NATS user" },
    { .name = "nkey", .type = OPTION_STRING, .field = FIELD(nkey), .value_name = "FILE", .environment = "NATS_NKEY", .complete = "file", .help = "Seed file of an NKey" },
    { .name = "tlsca", .type = OPTION_STRING, .field = FIELD(tls_ca), .value_name = "FILE", .environment = "NATS_CA", .complete = "file",
      .help = "Certificate authority that the server's certificate must come from" },
    { .name = "tlscert", .type = OPTION_STRING, .field = FIELD(tls_cert), .value_name = "FILE", .environment = "NATS_CERT", .complete = "file", .help = "Client certificate" },
    { .name = "tlskey", .type = OPTION_STRING, .field = FIELD(tls_key), .value_name = "FILE", .environment = "NATS_KEY", .complete = "file", .help = "Private key of the client certificate" },
    { .name = "log-level", .type = OPTION_CHOICE, .field = FIELD(log_level), .value_name = "LEVEL", .fallback = "info", .environment = "TAPELOOP_LOG_LEVEL", .choices = log_levels,
      .help = "Least level of log lines" },
};
const size_t lifecycle_option_rows_count = sizeof lifecycle_option_rows / sizeof *lifecycle_option_rows;

struct lifecycle {
    uv_loop_t loop;
    uv_signal_t terminate, interrupt;
    uv_timer_t deadline;
    void (*stop)(void *context);
    void *context;
    int deadline_ms, exit_code;
    bool stopping, finished;
};

void lifecycle_bus_options(const struct lifecycle_options *options, const char *name, struct bus_options *ret)
{
    *ret = (struct bus_options){ .server = options->server, .user = options->user, .password = options->password, .token = options->token, .creds = options->creds,
                                 .nkey = options->nkey, .tls_ca = options->tls_ca, .tls_cert = options->tls_cert, .tls_key = options->tls_key, .name = name };
}

static void name_active(uv_handle_t *handle, void *context)
{
    char *text = context;
    size_t n = strlen(text);
    if (uv_is_active(handle) && uv_has_ref(handle))
        (void)snprintf(text + n, LOG_QUOTE_MAX - n, "%s%s", n ? ", " : "", uv_handle_type_name(handle->type));
}

static void on_deadline(uv_timer_t *timer)
{
    struct lifecycle *lifecycle = timer->data;
    char waited_for[LOG_QUOTE_MAX] = "";
    uv_walk(&lifecycle->loop, name_active, waited_for);
    log_error("stopping took too long, giving up", "deadline_ms=%d still_open=%s", lifecycle->deadline_ms, log_quote(waited_for));
    _exit(1);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct lifecycle *lifecycle = signal->data;
    if (lifecycle->stopping) {
        log_error("second signal, ending at once", "signal=%d", number);
        _exit(1);
    }
    lifecycle->stopping = true;
    log_info("stopping", "signal=%d", number);
    (void)uv_timer_start(&lifecycle->deadline, on_deadline, (uint64_t)lifecycle->deadline_ms, 0);
    lifecycle->stop(lifecycle->context);
}

static int open_handles(struct lifecycle *lifecycle)
{
    uv_loop_t *loop = &lifecycle->loop;
    int rc = uv_timer_init(loop, &lifecycle->deadline);
    if (rc == 0)
        rc = uv_signal_init(loop, &lifecycle->terminate);
    if (rc == 0)
        rc = uv_signal_init(loop, &lifecycle->interrupt);
    lifecycle->deadline.data = lifecycle->terminate.data = lifecycle->interrupt.data = lifecycle;
    if (rc == 0)
        rc = uv_signal_start(&lifecycle->terminate, on_signal, SIGTERM);
    if (rc == 0)
        rc = uv_signal_start(&lifecycle->interrupt, on_signal, SIGINT);
    return rc;
}

int lifecycle_new(const char *service, const struct lifecycle_options *options, struct lifecycle **ret)
{
    log_init(service, (enum log_level)options->log_level);
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -errno;
    struct lifecycle *lifecycle = calloc(1, sizeof *lifecycle);
    if (!lifecycle)
        return -ENOMEM;
    int rc = uv_loop_init(&lifecycle->loop);
    if (rc < 0) {
        free(lifecycle);
        return rc;
    }
    rc = open_handles(lifecycle);
    if (rc < 0) {
        lifecycle_free(lifecycle);
        return rc;
    }
    *ret = lifecycle;
    return 0;
}

struct uv_loop_s *lifecycle_loop(struct lifecycle *lifecycle) { return &lifecycle->loop; }

int lifecycle_run(struct lifecycle *lifecycle, void (*stop)(void *context), void *context, int deadline_ms)
{
    assert(stop && deadline_ms > 0);
    lifecycle->stop = stop;
    lifecycle->context = context;
    lifecycle->deadline_ms = deadline_ms;
    if (!lifecycle->finished) /* finished already: something failed before the loop ran */
        (void)uv_run(&lifecycle->loop, UV_RUN_DEFAULT);
    (void)uv_timer_stop(&lifecycle->deadline);
    return lifecycle->exit_code;
}

void lifecycle_finish(struct lifecycle *lifecycle, int exit_code)
{
    if (lifecycle->finished)
        return; /* the first reason counts */
    lifecycle->finished = true;
    lifecycle->exit_code = exit_code;
    uv_stop(&lifecycle->loop);
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void lifecycle_free(struct lifecycle *lifecycle)
{
    if (!lifecycle)
        return;
    uv_walk(&lifecycle->loop, close_handle, NULL);
    do { /* the close callbacks; the first turn may only clear a stop that no run has seen */
        (void)uv_run(&lifecycle->loop, UV_RUN_DEFAULT);
    } while (uv_loop_alive(&lifecycle->loop));
    int rc = uv_loop_close(&lifecycle->loop);
    assert(rc == 0);
    (void)rc;
    free(lifecycle);
}
