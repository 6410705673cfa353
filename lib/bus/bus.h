/* The bus (nats.c's only home): connection, publish, request/reply, JetStream work queue, key-value buckets, service discovery.
 *
 * libnats 3.4.1 as Debian ships it: FetchRequest can overflow the heap, so work is pulled by hand; a publish can block for seconds while the server is frozen, so no function here
 * is for a capture thread; after two equal authorisation errors the connection closes for good, so it is rebuilt in the closed callback. Every call that waits has a timeout and returns
 * -ETIMEDOUT or -ENOTCONN, or -EACCES where the server does not permit the subject to the user. Thread-safe unless said. Callbacks run on libnats' threads: push to a queue and return. */
#ifndef BUS_BUS_H
#define BUS_BUS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUS_TIMEOUT_MS 5000
#define BUS_SUBJECT_MAX 512
#define BUS_HEADERS_MAX 12

struct bus;
/* Named as the nats command names them; NULL where not given. */
struct bus_options { const char *server, *user, *password, *token, *creds, *nkey, *tls_ca, *tls_cert, *tls_key; const char *name; };
/* Connects now or, with `wait` false, goes on trying in the background for ever (bus_connected tells). error (256) gets a sentence; -EACCES: the login is refused, -EPROTO: TLS fails. */
int bus_open(const struct bus_options *options, bool wait, struct bus **ret, char *error);
void bus_close(struct bus *bus);                /* after the end of its subscriptions, queues and services; flushes for at most 2 s */
bool bus_connected(struct bus *bus);
uint64_t bus_generation(struct bus *bus);       /* grows with each (re)connection */
/* Why there is no connection, as a sentence (256); false where there is one. */
bool bus_problem(struct bus *bus, char *text);
/* What the server did not permit to this user, in its words (256): the next after *seen (0 at first), which moves on; false: none. Some may have been forgotten. */
bool bus_next_refusal(struct bus *bus, uint64_t *seen, char *text);
/* Called on each change; may be set once. */
void bus_on_change(struct bus *bus, void (*changed)(void *context, bool connected), void *context);

struct bus_header { const char *name, *value; };
struct bus_message {
    const char *subject, *reply;                /* reply NULL: none */
    const void *data; size_t size;
    const char *content_type;                   /* header, or NULL */
    const char *(*header)(const struct bus_message *message, const char *name); /* NULL: none */
    void *handle;
};
typedef void bus_handler(void *context, const struct bus_message *message); /* the message is valid during the call */

struct bus_subscription;
/* group NULL: every subscriber gets it. Stays over reconnections, also over a rebuilt connection. */
int bus_subscribe(struct bus *bus, const char *subject, const char *group, bus_handler *handler, void *context, struct bus_subscription **ret);
void bus_unsubscribe(struct bus_subscription *subscription); /* no call is under way when it returns; not from its own handler */
int bus_publish(struct bus *bus, const char *subject, const void *data, size_t size, const struct bus_header *headers, size_t headers_count);
/* Answers message in its own format (see wire): content type is set for protobuf. */
int bus_reply(struct bus *bus, const struct bus_message *message, const void *data, size_t size, bool protobuf);
/* *ret_data is the caller's to free (NUL behind it). -ENOENT: nobody listens (no responders). */
int bus_request(struct bus *bus, const char *subject, const void *data, size_t size, bool protobuf, int timeout_ms, void **ret_data, size_t *ret_size);
/* Every answer that comes within wait_ms goes to handler, on this thread; the answers are valid during the call. -ENOENT: nobody listens. */
int bus_request_many(struct bus *bus, const char *subject, const void *data, size_t size, int wait_ms, bus_handler *handler, void *context);

/* CloudEvents headers for an event (ce-id, ce-source, ce-type, ce-specversion 1.0, ce-time, ce-subject), lower case. Values are borrowed from the struct. */
struct bus_event { char id[64], source[300], type[64], time[40], subject[160]; };
size_t bus_event_headers(const struct bus_event *event, struct bus_header *headers /* BUS_HEADERS_MAX */);

/* JetStream publish that waits for its ack. expected_last (per subject) is sent as Nats-Expected-Last-Subject-Sequence unless it is BUS_ANY. 0 with the sequence; -EEXIST wrong last sequence; -ENOENT no stream takes the subject; -ETIMEDOUT; -ENOTCONN. *ret_duplicate may be NULL. */
#define BUS_ANY UINT64_MAX
int bus_publish_stream(struct bus *bus, const char *subject, const void *data, size_t size, const struct bus_header *headers, size_t headers_count, const char *message_id,
                       uint64_t expected_last, uint64_t *ret_sequence, bool *ret_duplicate);
/* The last message on a subject of a stream. -ENOENT. A missing stream answers nothing: -ETIMEDOUT. Data is the caller's to free; ret_id (cap 512) gets Nats-Msg-Id or "". */
int bus_stream_last(struct bus *bus, const char *stream, const char *subject, uint64_t *ret_sequence, void **ret_data, size_t *ret_size, char *ret_id);

/* Work queue, pulled by hand: one message or -EAGAIN when none came within wait_ms. */
struct bus_job { void *data; size_t size; char subject[BUS_SUBJECT_MAX]; char content_type[64]; char message_id[128]; uint64_t sequence, deliveries; int64_t time_ns /* JetStream's */; void *handle; };
struct bus_queue;
int bus_queue_open(struct bus *bus, const char *stream, const char *consumer, struct bus_queue **ret);
void bus_queue_close(struct bus_queue *queue);
int bus_queue_next(struct bus_queue *queue, int wait_ms, struct bus_job *ret);   /* one thread per queue object */
int bus_job_working(struct bus_job *job);       /* in-progress ack: restarts the server's clock */
int bus_job_done(struct bus_job *job);          /* waits for the server's confirmation (double ack) */
int bus_job_again(struct bus_job *job, int64_t delay_ns);
void bus_job_free(struct bus_job *job);

/* Key-value buckets. */
struct bus_value { void *data; size_t size; uint64_t revision; int64_t time_ns; bool deleted; };
int bus_kv_get(struct bus *bus, const char *bucket, const char *key, struct bus_value *ret);             /* -ENOENT; a missing bucket answers nothing: -ETIMEDOUT */
int bus_kv_put(struct bus *bus, const char *bucket, const char *key, const void *data, size_t size, uint64_t *ret_revision);
int bus_kv_create(struct bus *bus, const char *bucket, const char *key, const void *data, size_t size, uint64_t *ret_revision);  /* -EEXIST */
int bus_kv_update(struct bus *bus, const char *bucket, const char *key, const void *data, size_t size, uint64_t revision, uint64_t *ret_revision); /* -EEXIST: somebody was faster */
int bus_kv_delete(struct bus *bus, const char *bucket, const char *key);
/* Calls found for each living key; stops early when it returns nonzero and returns that. */
int bus_kv_each(struct bus *bus, const char *bucket, int (*found)(void *context, const char *key, const struct bus_value *value), void *context);
void bus_value_free(struct bus_value *value);

/* Applies the stream, consumer and bucket definitions of proto/streams.json (embedded; `text` NULL): creates what is missing, updates what differs. report (may be NULL) hears each. error (256). */
int bus_apply_definitions(struct bus *bus, const char *text, void (*report)(void *context, const char *what, const char *change), void *context, char *error);
/* 0 when all streams of the embedded definitions exist. -ENOENT names the first missing in error. */
int bus_check_definitions(struct bus *bus, char *error);

/* ADR-32: answers $SRV.PING, INFO and STATS for a service. Counters may be NULL. */
struct bus_service;
int bus_service_start(struct bus *bus, const char *name, const char *version, const char *description, struct bus_service **ret);
void bus_service_endpoint(struct bus_service *service, const char *name, const char *subject);
void bus_service_count(struct bus_service *service, const char *endpoint, bool failed, int64_t took_ns);
void bus_service_stop(struct bus_service *service);

/* "a.b" -> "a_b": a node's name in a subject or key. cap: BUS_SUBJECT_MAX. */
void bus_node_token(const char *node, char *token);
#endif
