/* What the files of lib/bus share. Nobody else includes this or nats.h. */
#ifndef BUS_INTERNAL_H
#define BUS_INTERNAL_H
#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>

#include "bus/bus.h"
#include "json/json.h"

#define BUS_WRITE_DEADLINE_MS 2000   /* below BUS_TIMEOUT_MS: what a call may spend on a full socket before it waits for its answer */
#define BUS_PING_INTERVAL_MS 5000    /* with 2 pings out: a frozen server is left after 10 to 15 s */
#define BUS_RECONNECT_WAIT_MS 250
#define BUS_REBUILD_WAIT_MS 1000     /* between connections that the server closed for good */
#define BUS_ERROR_TEXT_MAX 256
#define BUS_INBOX_MAX 128
#define BUS_REFUSALS_KEPT 8          /* several callers wait at once; each is refused one subject */

/* One libnats connection. libnats may close it for good; then the keeper makes another link. Freed when its last reference
 * goes: the bus, each borrower, and libnats until its closed callback has run. */
struct bus_link { struct bus *bus; natsConnection *connection; unsigned references; bool closed; };

struct bus {
    pthread_mutex_t lock;
    pthread_cond_t changed_cond;         /* link closed, references gone, closing */
    natsOptions *options;
    char *server;                        /* as given */
    char inbox_prefix[BUS_INBOX_MAX];    /* "_INBOX", with the user's name behind it where there is one */
    char refused[BUS_REFUSALS_KEPT][BUS_ERROR_TEXT_MAX]; /* what the server did not permit, in its words, round about; behind lock */
    uint64_t refusals;                   /* since the start */
    struct bus_link *link;
    struct bus_subscription *subscriptions; /* those that have not ended */
    unsigned subscriptions_alive;        /* ended ones too, until libnats' threads have left them */
    pthread_t keeper;
    bool closing;
    unsigned links;                      /* alive */
    _Atomic bool connected;
    _Atomic uint64_t generation;
    void (*changed)(void *context, bool connected);
    void *changed_context;
    pthread_mutex_t changed_lock;        /* one report at a time, in order */
};

/* connection.c. The current connection, held until returned; never NULL between bus_open and bus_close. */
struct bus_link *bus_borrow(struct bus *bus);
void bus_give_back(struct bus_link *link);
int bus_error(natsStatus status);

/* options.c. inbox_prefix (BUS_INBOX_MAX) gets where the connection's replies come to. */
int bus_options_build(const struct bus_options *options, natsOptions **ret, char *inbox_prefix, char *error);

/* subscribe.c: after a new link was made. */
void bus_resubscribe(struct bus *bus, struct bus_link *link);

/* request.c. One request; *ret is the reply, whatever it says. -ENOENT: no responders. */
int bus_exchange(struct bus *bus, const char *subject, const void *data, size_t size, const struct bus_header *headers, size_t headers_count,
                 int timeout_ms, natsMsg **ret);
/* A new subject below the bus's inbox prefix, into text (BUS_SUBJECT_MAX). */
natsStatus bus_new_inbox(const struct bus *bus, char *text);
/* The server has refused this subject since `before` refusals. */
bool bus_refused(struct bus *bus, const char *subject, uint64_t before);
uint64_t bus_refusals(struct bus *bus);
/* Bytes on the heap with a NUL behind them. */
int bus_copy_data(const natsMsg *message, void **ret_data, size_t *ret_size);
const char *bus_message_header(natsMsg *message, const char *name); /* NULL: none */

/* api.c: JetStream's JSON API. 0 or a transport error; then *ret is the reply. request may be NULL. api_code gets JetStream's err_code (0: none), error (may be NULL) its description. */
int bus_api(struct bus *bus, const char *subject, const json_t *request, json_t **ret, int *ret_api_code, char *error);

/* What the subject that a JetStream message is acknowledged on says of it. -EBADMSG. */
struct bus_delivery { uint64_t deliveries, sequence, pending; int64_t time_ns; };
int bus_parse_delivery(const char *reply, struct bus_delivery *ret);

/* JetStream's err_code values that we act on (nats-server, server/errors.json). */
#define BUS_API_STREAM_NOT_FOUND 10059
#define BUS_API_CONSUMER_NOT_FOUND 10014
#define BUS_API_WRONG_LAST_SEQUENCE 10071
#define BUS_API_WRONG_LAST_SEQUENCE_CONSTANT 10164
#endif
