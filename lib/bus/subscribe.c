#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/internal.h"
#include "units/units.h"

/* A live libnats subscription: one for each link that the bus's subscription has been on and that has not finished yet. */
struct bus_subscription {
    struct bus *bus;
    struct bus_subscription *next, *previous;
    char *subject, *group;
    bus_handler *handler;
    void *context;
    struct bus_link *link;              /* the one it is on, only compared */
    natsSubscription *current;
    unsigned references;                /* the owner, and each libnats subscription until it is complete */
    unsigned running;                   /* calls of handler under way */
    bool ended;
};

static void release(struct bus_subscription *subscription) /* lock held */
{
    assert(subscription->references > 0);
    if (--subscription->references > 0)
        return;
    subscription->bus->subscriptions_alive--;
    (void)pthread_cond_broadcast(&subscription->bus->changed_cond);
    free(subscription->subject);
    free(subscription->group);
    free(subscription);
}

static const char *find_header(const struct bus_message *message, const char *name)
{
    return bus_message_header(message->handle, name);
}

static struct bus_message borrow_message(natsMsg *message)
{
    return (struct bus_message){
        .subject = natsMsg_GetSubject(message), .reply = natsMsg_GetReply(message), .data = natsMsg_GetData(message),
        .size = (size_t)natsMsg_GetDataLength(message), .content_type = bus_message_header(message, "Content-Type"),
        .header = find_header, .handle = message,
    };
}

static void on_message(natsConnection *connection, natsSubscription *from, natsMsg *message, void *context)
{
    (void)connection, (void)from;
    struct bus_subscription *subscription = context;
    struct bus *bus = subscription->bus;
    (void)pthread_mutex_lock(&bus->lock);
    bool wanted = !subscription->ended;
    subscription->running += wanted;
    (void)pthread_mutex_unlock(&bus->lock);
    if (wanted) {
        const struct bus_message heard = borrow_message(message);
        subscription->handler(subscription->context, &heard);
        (void)pthread_mutex_lock(&bus->lock);
        subscription->running--;
        (void)pthread_cond_broadcast(&bus->changed_cond);
        (void)pthread_mutex_unlock(&bus->lock);
    }
    natsMsg_Destroy(message);
}

/* Libnats has given the last message of one subscription. */
static void on_complete(void *context)
{
    struct bus_subscription *subscription = context;
    struct bus *bus = subscription->bus;
    (void)pthread_mutex_lock(&bus->lock);
    release(subscription);
    (void)pthread_mutex_unlock(&bus->lock);
}

static natsStatus attach(struct bus_subscription *subscription, struct bus_link *link)
{
    struct bus *bus = subscription->bus;
    (void)pthread_mutex_lock(&bus->lock);
    bool there = subscription->ended || subscription->link == link;
    natsSubscription *old = there ? NULL : subscription->current;
    if (!there) {
        subscription->link = link;
        subscription->current = NULL;
        subscription->references++;
    }
    (void)pthread_mutex_unlock(&bus->lock);
    if (old)
        natsSubscription_Destroy(old);
    if (there)
        return NATS_OK;
    natsSubscription *made = NULL;
    natsStatus s = subscription->group ? natsConnection_QueueSubscribe(&made, link->connection, subscription->subject, subscription->group, on_message, subscription)
                                       : natsConnection_Subscribe(&made, link->connection, subscription->subject, on_message, subscription);
    natsStatus watched = s == NATS_OK ? natsSubscription_SetOnCompleteCB(made, on_complete, subscription) : s;
    (void)pthread_mutex_lock(&bus->lock);
    bool unwanted = s == NATS_OK && subscription->ended;
    if (s == NATS_OK && !unwanted)
        subscription->current = made;
    if (watched != NATS_OK) { /* closed meanwhile: nobody will complete it */
        if (s != NATS_OK)
            subscription->link = NULL;
        release(subscription);
    }
    (void)pthread_mutex_unlock(&bus->lock);
    if (unwanted)
        natsSubscription_Destroy(made);
    return s;
}

int bus_subscribe(struct bus *bus, const char *subject, const char *group, bus_handler *handler, void *context, struct bus_subscription **ret)
{
    struct bus_subscription *subscription = calloc(1, sizeof *subscription);
    if (!subscription)
        return -ENOMEM;
    *subscription = (struct bus_subscription){ .bus = bus, .handler = handler, .context = context, .references = 2 /* the owner, this call */ };
    subscription->subject = strdup(subject);
    subscription->group = group ? strdup(group) : NULL;
    if (!subscription->subject || (group && !subscription->group)) {
        free(subscription->subject);
        free(subscription->group);
        free(subscription);
        return -ENOMEM;
    }
    (void)pthread_mutex_lock(&bus->lock);
    subscription->next = bus->subscriptions;
    if (bus->subscriptions)
        bus->subscriptions->previous = subscription;
    bus->subscriptions = subscription;
    bus->subscriptions_alive++;
    (void)pthread_mutex_unlock(&bus->lock);
    struct bus_link *link = bus_borrow(bus);
    natsStatus s = link->connection ? attach(subscription, link) : NATS_OK;
    if (s == NATS_OK && bus_connected(bus))
        (void)natsConnection_FlushTimeout(link->connection, BUS_WRITE_DEADLINE_MS); /* then the server has it, and who asks us next is heard */
    bus_give_back(link);
    int r = bus_error(s);
    if (r == -ENOTCONN) /* the keeper attaches it to the next link */
        r = 0;
    if (r < 0)
        bus_unsubscribe(subscription);
    (void)pthread_mutex_lock(&bus->lock);
    release(subscription);
    (void)pthread_mutex_unlock(&bus->lock);
    if (r < 0)
        return r;
    *ret = subscription;
    return 0;
}

void bus_unsubscribe(struct bus_subscription *subscription)
{
    if (!subscription)
        return;
    struct bus *bus = subscription->bus;
    (void)pthread_mutex_lock(&bus->lock);
    assert(!subscription->ended);
    subscription->ended = true;
    if (subscription->previous)
        subscription->previous->next = subscription->next;
    else
        bus->subscriptions = subscription->next;
    if (subscription->next)
        subscription->next->previous = subscription->previous;
    natsSubscription *current = subscription->current;
    subscription->current = NULL;
    (void)pthread_mutex_unlock(&bus->lock);
    if (current)
        natsSubscription_Destroy(current); /* ends it first */
    (void)pthread_mutex_lock(&bus->lock);
    while (subscription->running > 0)
        (void)pthread_cond_wait(&bus->changed_cond, &bus->lock);
    release(subscription);
    (void)pthread_mutex_unlock(&bus->lock);
}

void bus_resubscribe(struct bus *bus, struct bus_link *link)
{
    for (;;) {
        (void)pthread_mutex_lock(&bus->lock);
        struct bus_subscription *next = bus->subscriptions;
        while (next && next->link == link)
            next = next->next;
        if (next)
            next->references++;
        (void)pthread_mutex_unlock(&bus->lock);
        if (!next)
            return;
        natsStatus s = attach(next, link);
        (void)pthread_mutex_lock(&bus->lock);
        release(next);
        (void)pthread_mutex_unlock(&bus->lock);
        if (s != NATS_OK)
            return; /* closed again: the keeper comes back with the next link */
    }
}

static natsStatus collect(natsSubscription *subscription, int wait_ms, bus_handler *handler, void *context)
{
    int64_t until_ns = units_now_mono_ns() + wait_ms * UNITS_NS_PER_MS;
    for (;;) {
        int64_t left_ms = (until_ns - units_now_mono_ns()) / UNITS_NS_PER_MS;
        natsMsg *message = NULL;
        natsStatus s = left_ms > 0 ? natsSubscription_NextMsg(&message, subscription, left_ms) : NATS_TIMEOUT;
        if (s == NATS_TIMEOUT)
            return NATS_OK;
        if (s != NATS_OK)
            return s;
        bool nobody = natsMsg_IsNoResponders(message);
        const struct bus_message heard = borrow_message(message);
        if (!nobody)
            handler(context, &heard);
        natsMsg_Destroy(message);
        if (nobody)
            return NATS_NO_RESPONDERS;
    }
}

int bus_request_many(struct bus *bus, const char *subject, const void *data, size_t size, int wait_ms, bus_handler *handler, void *context)
{
    char inbox[BUS_SUBJECT_MAX];
    natsSubscription *subscription = NULL;
    if (!bus_connected(bus))
        return -ENOTCONN;
    struct bus_link *link = bus_borrow(bus);
    natsStatus s = bus_new_inbox(bus, inbox);
    if (s == NATS_OK)
        s = natsConnection_SubscribeSync(&subscription, link->connection, inbox);
    if (s == NATS_OK)
        s = natsConnection_PublishRequest(link->connection, subject, inbox, data, (int)size);
    if (s == NATS_OK)
        s = collect(subscription, wait_ms, handler, context);
    natsSubscription_Destroy(subscription);
    bus_give_back(link);
    return bus_error(s);
}
