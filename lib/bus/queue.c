#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus/internal.h"
#include "units/units.h"

/* A pull asks for one message and expires with its call of bus_queue_next, so that no message waits, with its clock running,
 * in the inbox of somebody who works on another. The watchdog covers a server that forgot the pull. */
#define SLICE_MS 250         /* how soon a new connection is noticed */
#define GRACE_MS 500         /* a pull's end is told this late at most; then it is taken for forgotten */
#define BACKOFF_MS 200       /* after a refusal (consumer being moved, JetStream not up yet) */

struct bus_queue {
    struct bus *bus;
    char subject[BUS_SUBJECT_MAX];
    char inbox[BUS_SUBJECT_MAX];
    struct bus_link *link;           /* held; the one that the inbox is subscribed on */
    natsSubscription *subscription;
    uint64_t generation;             /* of the connection that knows our pull */
    int64_t pull_ends_ns;            /* monotonic; 0: none is out */
};

struct job_handle { struct bus *bus; char reply[BUS_SUBJECT_MAX]; };

int bus_queue_open(struct bus *bus, const char *stream, const char *consumer, struct bus_queue **ret)
{
    struct bus_queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return -ENOMEM;
    queue->bus = bus;
    if ((size_t)snprintf(queue->subject, sizeof queue->subject, "$JS.API.CONSUMER.MSG.NEXT.%s.%s", stream, consumer) >= sizeof queue->subject ||
        bus_new_inbox(bus, queue->inbox) != NATS_OK) {
        free(queue);
        return -EINVAL;
    }
    *ret = queue;
    return 0;
}

static void leave_link(struct bus_queue *queue)
{
    natsSubscription_Destroy(queue->subscription);
    queue->subscription = NULL;
    queue->pull_ends_ns = 0;
    if (queue->link)
        bus_give_back(queue->link);
    queue->link = NULL;
}

void bus_queue_close(struct bus_queue *queue)
{
    if (!queue)
        return;
    leave_link(queue);
    free(queue);
}

static int follow_link(struct bus_queue *queue)
{
    struct bus_link *link = bus_borrow(queue->bus);
    if (link == queue->link && queue->subscription) {
        bus_give_back(link);
        return 0;
    }
    leave_link(queue);
    natsStatus s = natsConnection_SubscribeSync(&queue->subscription, link->connection, queue->inbox);
    if (s != NATS_OK) {
        bus_give_back(link);
        return bus_error(s);
    }
    queue->link = link;
    return 0;
}

static int pull(struct bus_queue *queue, int64_t now_ns, int64_t until_ns)
{
    uint64_t generation = bus_generation(queue->bus);
    if (queue->pull_ends_ns && queue->generation == generation && now_ns < queue->pull_ends_ns + GRACE_MS * UNITS_NS_PER_MS)
        return 0;
    int64_t expires_ns = until_ns - now_ns;
    char body[64];
    int size = expires_ns > 0 ? snprintf(body, sizeof body, "{\"batch\":1,\"expires\":%" PRId64 "}", expires_ns)
                              : snprintf(body, sizeof body, "{\"batch\":1,\"no_wait\":true}");
    natsStatus s = natsConnection_PublishRequest(queue->link->connection, queue->subject, queue->inbox, body, size);
    if (s != NATS_OK)
        return bus_error(s);
    queue->generation = generation;
    queue->pull_ends_ns = now_ns + (expires_ns > 0 ? expires_ns : 0);
    return 0;
}

static int read_job(struct bus_queue *queue, natsMsg *message, struct bus_job *ret)
{
    const char *reply = natsMsg_GetReply(message), *type = bus_message_header(message, "Content-Type"), *id = bus_message_header(message, "Nats-Msg-Id");
    struct bus_delivery delivery;
    struct bus_job job = { 0 };
    int r = bus_parse_delivery(reply, &delivery);
    if (r < 0)
        return r;
    struct job_handle *handle = malloc(sizeof *handle);
    r = handle ? bus_copy_data(message, &job.data, &job.size) : -ENOMEM;
    if (r < 0) {
        free(handle);
        return r;
    }
    handle->bus = queue->bus;
    (void)snprintf(handle->reply, sizeof handle->reply, "%s", reply);
    (void)snprintf(job.subject, sizeof job.subject, "%s", natsMsg_GetSubject(message));
    (void)snprintf(job.content_type, sizeof job.content_type, "%s", type ? type : "");
    (void)snprintf(job.message_id, sizeof job.message_id, "%s", id ? id : "");
    job.sequence = delivery.sequence;
    job.deliveries = delivery.deliveries;
    job.time_ns = delivery.time_ns;
    job.handle = handle;
    *ret = job;
    return 0;
}

static void sleep_ms(int64_t ms)
{
    const struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
    (void)nanosleep(&time, NULL);
}

/* One message off the inbox: a job (1), the end of a pull (0), nothing in time (-EAGAIN). */
static int take(struct bus_queue *queue, int64_t most_ms, struct bus_job *ret)
{
    natsMsg *message = NULL;
    natsStatus s = natsSubscription_NextMsg(&message, queue->subscription, most_ms > 0 ? most_ms : 1);
    if (s == NATS_TIMEOUT)
        return -EAGAIN;
    if (s != NATS_OK) {
        leave_link(queue);
        return bus_error(s);
    }
    const char *status = natsMsg_GetDataLength(message) == 0 ? bus_message_header(message, "Status") : NULL;
    int r = 0;
    if (status) { /* 404 none, 408 expired: as asked; 409, 503: not now */
        if (strcmp(status, "404") != 0 && strcmp(status, "408") != 0)
            sleep_ms(BACKOFF_MS);
    } else {
        r = read_job(queue, message, ret);
        r = r < 0 ? r : 1;
    }
    queue->pull_ends_ns = 0;
    natsMsg_Destroy(message);
    return r == -EBADMSG ? 0 : r;
}

int bus_queue_next(struct bus_queue *queue, int wait_ms, struct bus_job *ret)
{
    int64_t until_ns = units_now_mono_ns() + wait_ms * UNITS_NS_PER_MS;
    for (;;) {
        int64_t now_ns = units_now_mono_ns();
        int64_t left_ms = (until_ns - now_ns) / UNITS_NS_PER_MS;
        bool out = queue->pull_ends_ns != 0; /* its message may be on the way: wait for what it says */
        if (left_ms + (out ? GRACE_MS : 0) <= 0 && (wait_ms > 0 || out))
            return -EAGAIN;
        int r = bus_connected(queue->bus) ? follow_link(queue) : -ENOTCONN;
        if (r == 0 && (left_ms > 0 || wait_ms <= 0))
            r = pull(queue, now_ns, until_ns);
        if (r == 0) {
            int64_t most_ms = left_ms + GRACE_MS;
            r = take(queue, most_ms < SLICE_MS ? most_ms : SLICE_MS, ret);
            if (r == 1)
                return 0;
            if (r == 0 && wait_ms <= 0)
                return -EAGAIN;
            if (r == 0 || r == -EAGAIN)
                continue;
        }
        if (r == -ENOMEM)
            return r;
        if (left_ms <= 0)
            return -EAGAIN;
        sleep_ms(left_ms < BACKOFF_MS ? left_ms : BACKOFF_MS); /* not connected: as good as no message */
    }
}

static int acknowledge(struct bus_job *job, const char *text)
{
    struct job_handle *handle = job->handle;
    return bus_publish(handle->bus, handle->reply, text, strlen(text), NULL, 0);
}

int bus_job_working(struct bus_job *job)
{
    return acknowledge(job, "+WPI");
}

int bus_job_done(struct bus_job *job)
{
    struct job_handle *handle = job->handle;
    int64_t until_ns = units_now_mono_ns() + BUS_TIMEOUT_MS * UNITS_NS_PER_MS;
    for (;;) {
        int64_t left_ms = (until_ns - units_now_mono_ns()) / UNITS_NS_PER_MS;
        natsMsg *reply = NULL;
        int r = left_ms > 0 ? bus_exchange(handle->bus, handle->reply, "+ACK", 4, NULL, 0, (int)left_ms, &reply) : -ETIMEDOUT;
        if (r == 0)
            natsMsg_Destroy(reply);
        if (r != -ENOENT && r != -ENOTCONN) /* a server that is coming up again: its consumer does not listen yet */
            return r;
        if (left_ms < BACKOFF_MS)
            return r;
        sleep_ms(BACKOFF_MS);
    }
}

int bus_job_again(struct bus_job *job, int64_t delay_ns)
{
    char text[64];
    (void)snprintf(text, sizeof text, "-NAK {\"delay\": %" PRId64 "}", delay_ns > 0 ? delay_ns : 0);
    return acknowledge(job, text);
}

void bus_job_free(struct bus_job *job)
{
    free(job->data);
    free(job->handle);
    *job = (struct bus_job){ 0 };
}
