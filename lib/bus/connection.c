#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus/internal.h"

int bus_error(natsStatus status)
{
    switch (status) {
    case NATS_OK:
        return 0;
    case NATS_TIMEOUT:
        return -ETIMEDOUT;
    case NATS_NO_MEMORY:
        return -ENOMEM;
    case NATS_NO_RESPONDERS:
        return -ENOENT;
    case NATS_MAX_PAYLOAD:
        return -EMSGSIZE;
    case NATS_NOT_PERMITTED:
    case NATS_CONNECTION_AUTH_FAILED:
        return -EACCES;
    case NATS_SSL_ERROR:
    case NATS_SECURE_CONNECTION_REQUIRED:
    case NATS_SECURE_CONNECTION_WANTED:
        return -EPROTO;
    case NATS_INVALID_ARG:
    case NATS_INVALID_SUBJECT:
        return -EINVAL;
    case NATS_NO_SERVER:
    case NATS_IO_ERROR:
    case NATS_INSUFFICIENT_BUFFER: /* publishing while reconnecting */
    case NATS_CONNECTION_CLOSED:
    case NATS_CONNECTION_DISCONNECTED:
    case NATS_STALE_CONNECTION:
    case NATS_NOT_YET_CONNECTED:
    case NATS_DRAINING:
        return -ENOTCONN;
    default:
        return -EIO;
    }
}

/* With bus->lock held. The bus itself outlives its links: bus_close waits for them. */
static void drop_reference(struct bus_link *link)
{
    struct bus *bus = link->bus;
    assert(link->references > 0);
    if (--link->references > 0)
        return;
    natsConnection *connection = link->connection;
    free(link);
    if (connection) {
        (void)pthread_mutex_unlock(&bus->lock);
        natsConnection_Destroy(connection); /* closed already: it only releases memory */
        (void)pthread_mutex_lock(&bus->lock);
    }
    bus->links--;
    (void)pthread_cond_broadcast(&bus->changed_cond);
}

struct bus_link *bus_borrow(struct bus *bus)
{
    (void)pthread_mutex_lock(&bus->lock);
    struct bus_link *link = bus->link;
    assert(link);
    link->references++;
    (void)pthread_mutex_unlock(&bus->lock);
    return link;
}

void bus_give_back(struct bus_link *link)
{
    struct bus *bus = link->bus;
    (void)pthread_mutex_lock(&bus->lock);
    drop_reference(link);
    (void)pthread_mutex_unlock(&bus->lock);
}

/* Takes over the connection's state and reports a change, once and in order. */
static void report_state(struct bus *bus, struct bus_link *link, bool connected)
{
    (void)pthread_mutex_lock(&bus->changed_lock);
    (void)pthread_mutex_lock(&bus->lock);
    bool news = bus->link == link && atomic_load(&bus->connected) != connected;
    if (bus->link == link && connected)
        atomic_fetch_add(&bus->generation, 1);
    if (news)
        atomic_store(&bus->connected, connected);
    void (*changed)(void *, bool) = news ? bus->changed : NULL;
    void *context = bus->changed_context;
    (void)pthread_mutex_unlock(&bus->lock);
    if (changed)
        changed(context, connected);
    (void)pthread_mutex_unlock(&bus->changed_lock);
}

static void on_connected(natsConnection *connection, void *context)
{
    struct bus_link *link = context;
    (void)pthread_mutex_lock(&link->bus->lock);
    link->connection = connection; /* a connection made in the background may come up before its maker returns */
    (void)pthread_mutex_unlock(&link->bus->lock);
    report_state(link->bus, link, true);
}

static void on_disconnected(natsConnection *connection, void *context)
{
    (void)connection;
    struct bus_link *link = context;
    report_state(link->bus, link, false);
}

static void on_closed(natsConnection *connection, void *context)
{
    (void)connection;
    struct bus_link *link = context;
    struct bus *bus = link->bus;
    report_state(bus, link, false);
    (void)pthread_mutex_lock(&bus->lock);
    link->closed = true;
    (void)pthread_cond_broadcast(&bus->changed_cond);
    drop_reference(link);
    (void)pthread_mutex_unlock(&bus->lock);
}

uint64_t bus_refusals(struct bus *bus)
{
    (void)pthread_mutex_lock(&bus->lock);
    uint64_t refusals = bus->refusals;
    (void)pthread_mutex_unlock(&bus->lock);
    return refusals;
}

bool bus_refused(struct bus *bus, const char *subject, uint64_t before)
{
    char quoted[BUS_SUBJECT_MAX + 2];
    bool refused = false;
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", subject);
    (void)pthread_mutex_lock(&bus->lock);
    for (uint64_t i = before; i < bus->refusals && !refused; i++) /* Permissions Violation for Publish to "subject" */
        refused = strcasestr(bus->refused[i % BUS_REFUSALS_KEPT], quoted) != NULL;
    (void)pthread_mutex_unlock(&bus->lock);
    return refused;
}

bool bus_next_refusal(struct bus *bus, uint64_t *seen, char *text)
{
    (void)pthread_mutex_lock(&bus->lock);
    bool news = *seen < bus->refusals;
    if (news && bus->refusals - *seen > BUS_REFUSALS_KEPT)
        *seen = bus->refusals - BUS_REFUSALS_KEPT;
    if (news)
        (void)snprintf(text, BUS_ERROR_TEXT_MAX, "%s", bus->refused[(*seen)++ % BUS_REFUSALS_KEPT]);
    (void)pthread_mutex_unlock(&bus->lock);
    return news;
}

/* What the server refuses arrives apart from the call that asked for it; that one sees no answer, and then looks among the refusals. */
static void on_error(natsConnection *connection, natsSubscription *subscription, natsStatus status, void *context)
{
    (void)subscription;
    struct bus_link *link = context;
    const char *text = NULL;
    if (status != NATS_NOT_PERMITTED)
        return;
    (void)natsConnection_GetLastError(connection, &text);
    (void)pthread_mutex_lock(&link->bus->lock);
    (void)snprintf(link->bus->refused[link->bus->refusals++ % BUS_REFUSALS_KEPT], BUS_ERROR_TEXT_MAX, "%s", text ? text : "");
    (void)pthread_mutex_unlock(&link->bus->lock);
}

static natsStatus set_callbacks(natsOptions *options, struct bus_link *link, bool retry)
{
    natsStatus s = natsOptions_SetClosedCB(options, on_closed, link);
    if (s == NATS_OK)
        s = natsOptions_SetDisconnectedCB(options, on_disconnected, link);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectedCB(options, on_connected, link);
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(options, on_error, link);
    if (s == NATS_OK)
        s = natsOptions_SetRetryOnFailedConnect(options, retry, retry ? on_connected : NULL, link);
    return s;
}

/* Makes the bus's next link; without retry it is the first, and fails where no server answers. Called by bus_open and the keeper, never at once. */
static natsStatus make_link(struct bus *bus, bool retry)
{
    struct bus_link *link = calloc(1, sizeof *link);
    if (!link)
        return NATS_NO_MEMORY;
    link->bus = bus;
    link->references = 2; /* the bus and the closed callback */
    natsStatus s = set_callbacks(bus->options, link, retry);
    (void)pthread_mutex_lock(&bus->lock);
    struct bus_link *old = bus->link;
    bus->link = link;
    bus->links++;
    (void)pthread_mutex_unlock(&bus->lock);
    natsConnection *connection = NULL;
    if (s == NATS_OK)
        s = natsConnection_Connect(&connection, bus->options);
    bool made = s == NATS_OK || s == NATS_NOT_YET_CONNECTED;
    (void)pthread_mutex_lock(&bus->lock);
    if (made) {
        link->connection = connection;
    } else { /* libnats made nothing and calls nothing back: with retry the keeper tries again */
        link->closed = true;
        link->references = 1;
        if (!retry) {
            bus->link = NULL;
            drop_reference(link);
        }
    }
    if (old)
        drop_reference(old);
    (void)pthread_mutex_unlock(&bus->lock);
    if (s == NATS_OK)
        report_state(bus, link, natsConnection_Status(connection) == NATS_CONN_STATUS_CONNECTED);
    return made || retry ? NATS_OK : s;
}

static void wait_ms(struct bus *bus, int64_t ms) /* lock held; ends early when the bus closes */
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (!bus->closing && pthread_cond_timedwait(&bus->changed_cond, &bus->lock, &until) == 0)
        ;
}

/* Rebuilds what libnats closed for good. */
static void *keep(void *context)
{
    struct bus *bus = context;
    (void)pthread_mutex_lock(&bus->lock);
    while (!bus->closing) {
        if (!bus->link->closed) {
            (void)pthread_cond_wait(&bus->changed_cond, &bus->lock);
            continue;
        }
        wait_ms(bus, BUS_REBUILD_WAIT_MS);
        if (bus->closing)
            break;
        (void)pthread_mutex_unlock(&bus->lock);
        if (make_link(bus, true) == NATS_OK) {
            struct bus_link *link = bus_borrow(bus);
            if (link->connection)
                bus_resubscribe(bus, link);
            bus_give_back(link);
        }
        (void)pthread_mutex_lock(&bus->lock);
    }
    (void)pthread_mutex_unlock(&bus->lock);
    nats_ReleaseThreadMemory();
    return NULL;
}

static void free_bus(struct bus *bus)
{
    natsOptions_Destroy(bus->options);
    free(bus->server);
    (void)pthread_cond_destroy(&bus->changed_cond);
    (void)pthread_mutex_destroy(&bus->lock);
    (void)pthread_mutex_destroy(&bus->changed_lock);
    free(bus);
}

static int new_bus(struct bus **ret)
{
    struct bus *bus = calloc(1, sizeof *bus);
    if (!bus)
        return -ENOMEM;
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&bus->changed_cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&bus->lock, NULL);
    (void)pthread_mutex_init(&bus->changed_lock, NULL);
    *ret = bus;
    return 0;
}

/* The last link's end, and the bus's. */
static void end_link(struct bus *bus)
{
    struct bus_link *link = bus_borrow(bus);
    if (atomic_load(&bus->connected))
        (void)natsConnection_FlushTimeout(link->connection, 2000);
    if (link->connection)
        natsConnection_Close(link->connection);
    (void)pthread_mutex_lock(&bus->lock);
    while (!link->closed)
        (void)pthread_cond_wait(&bus->changed_cond, &bus->lock);
    drop_reference(link); /* ours, and the bus's */
    drop_reference(link);
    while (bus->links > 0 || bus->subscriptions_alive > 0) /* libnats ends a subscription's thread some time after the subscription */
        (void)pthread_cond_wait(&bus->changed_cond, &bus->lock);
    (void)pthread_mutex_unlock(&bus->lock);
    (void)pthread_mutex_lock(&bus->changed_lock); /* a report that is under way */
    (void)pthread_mutex_unlock(&bus->changed_lock);
    free_bus(bus);
}

/* The server's address without "user:password@". */
static void describe_server(const char *server, char *text, size_t cap)
{
    if (!server)
        server = "nats://127.0.0.1:4222";
    const char *at = strrchr(server, '@'), *scheme = strstr(server, "://");
    int kept = at && scheme && scheme < at ? (int)(scheme + 3 - server) : 0;
    (void)snprintf(text, cap, "%.*s%s", kept, server, at ? at + 1 : server);
}

static bool is_tls(natsStatus status)
{
    return status == NATS_SSL_ERROR || status == NATS_SECURE_CONNECTION_REQUIRED || status == NATS_SECURE_CONNECTION_WANTED;
}

/* So it ends with TLS 1.3 where the server does not like the client's certificate: only after the handshake. */
static bool broke_off(natsStatus status)
{
    return status == NATS_PROTOCOL_ERROR || status == NATS_IO_ERROR;
}

/* Why there is no connection, with what to do. `why` is libnats' text, or NULL. */
static void describe_failure(const char *given, natsStatus status, const char *why, char *error)
{
    char server[88];
    describe_server(given, server, sizeof server);
    const char *place = why && *why == '(' ? strstr(why, "): ") : NULL; /* (conn.c:733): what happened */
    why = !why || !*why || status == NATS_NO_SERVER ? natsStatus_GetText(status) : place ? place + 3 : why;
    if (status == NATS_CONNECTION_AUTH_FAILED)
        (void)snprintf(error, BUS_ERROR_TEXT_MAX, "the NATS server at %s refuses the login (%.40s): check --user and --password, --token, --creds or --nkey", server, why);
    else if (is_tls(status))
        (void)snprintf(error, BUS_ERROR_TEXT_MAX, "no TLS with the NATS server at %s (%.60s): check --tlsca, --tlscert and --tlskey", server, why);
    else if (broke_off(status))
        (void)snprintf(error, BUS_ERROR_TEXT_MAX, "the NATS server at %s broke off (%.20s): if it wants TLS and a client certificate, check --tlscert and --tlskey", server, why);
    else
        (void)snprintf(error, BUS_ERROR_TEXT_MAX, "cannot connect to the NATS server at %s: %.90s", server, why);
}

bool bus_problem(struct bus *bus, char *text)
{
    if (bus_connected(bus))
        return false;
    const char *why = NULL;
    struct bus_link *link = bus_borrow(bus);
    natsStatus status = link->connection ? natsConnection_GetLastError(link->connection, &why) : NATS_NO_SERVER;
    describe_failure(bus->server, status == NATS_OK ? NATS_NO_SERVER : status, why, text);
    bus_give_back(link);
    return true;
}

int bus_open(const struct bus_options *options, bool wait, struct bus **ret, char *error)
{
    struct bus *bus = NULL;
    if (new_bus(&bus) < 0) {
        (void)snprintf(error, BUS_ERROR_TEXT_MAX, "out of memory");
        return -ENOMEM;
    }
    int r = bus_options_build(options, &bus->options, bus->inbox_prefix, error);
    bus->server = strdup(options->server ? options->server : "nats://127.0.0.1:4222");
    if (r == 0 && !bus->server) {
        (void)snprintf(error, BUS_ERROR_TEXT_MAX, "out of memory");
        r = -ENOMEM;
    }
    if (r < 0) {
        free_bus(bus);
        return r;
    }
    natsStatus s = make_link(bus, !wait);
    if (s != NATS_OK) {
        describe_failure(options->server, s, nats_GetLastError(NULL), error);
        free_bus(bus);
        return broke_off(s) ? -EPROTO : bus_error(s);
    }
    r = -pthread_create(&bus->keeper, NULL, keep, bus);
    if (r < 0) {
        (void)snprintf(error, BUS_ERROR_TEXT_MAX, "cannot start a thread: %s", strerror(-r));
        end_link(bus);
        return r;
    }
    *ret = bus;
    return 0;
}

void bus_close(struct bus *bus)
{
    if (!bus)
        return;
    (void)pthread_mutex_lock(&bus->lock);
    assert(!bus->subscriptions);
    bus->closing = true;
    bus->changed = NULL;
    (void)pthread_cond_broadcast(&bus->changed_cond);
    (void)pthread_mutex_unlock(&bus->lock);
    (void)pthread_join(bus->keeper, NULL);
    end_link(bus);
}

bool bus_connected(struct bus *bus)
{
    return atomic_load(&bus->connected);
}

uint64_t bus_generation(struct bus *bus)
{
    return atomic_load(&bus->generation);
}

void bus_on_change(struct bus *bus, void (*changed)(void *context, bool connected), void *context)
{
    (void)pthread_mutex_lock(&bus->lock);
    bus->changed = changed;
    bus->changed_context = context;
    (void)pthread_mutex_unlock(&bus->lock);
}
