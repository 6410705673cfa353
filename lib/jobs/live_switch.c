#include "jobs/live_switch.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "units/units.h"

#define LOOK_MS 1000         /* at the connection, and after a change was heard */
#define RETRY_MS 5000

struct live_switch {
    struct bus *bus;
    struct live_switch_options options;
    char subject[BUS_SUBJECT_MAX];
    struct bus_subscription *subscription;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news_cond;
    bool stopping, heard;                /* behind lock */
    size_t heard_size;
    char heard_value[LIVE_SWITCH_VALUE_BYTES_MAX];

    /* The thread's own. */
    bool enabled, complained;
    uint64_t generation;                 /* of the connection that the value was read on */
    int64_t read_ns;                     /* monotonic time of the next reading; 0: none is due */
};

int live_switch_parse(const void *data, size_t size, bool *ret)
{
    static const char space[] = " \t\r\n";
    const char *text = data;
    while (size && memchr(space, text[0], sizeof space - 1)) {
        text++;
        size--;
    }
    while (size && memchr(space, text[size - 1], sizeof space - 1))
        size--;
    bool yes = size == 4 && memcmp(text, "true", 4) == 0;
    if (!yes && !(size == 5 && memcmp(text, "false", 5) == 0))
        return -EBADMSG;
    *ret = yes;
    return 0;
}

static void apply(struct live_switch *self, const void *data, size_t size, bool deleted)
{
    bool enabled = self->options.fallback;
    if (!deleted && live_switch_parse(data, size, &enabled) < 0) {
        if (!self->complained)
            self->options.ignored(self->options.context, self->options.key);
        self->complained = true;
        return;
    }
    self->complained = false;
    if (enabled == self->enabled)
        return;
    self->enabled = enabled;
    self->options.changed(self->options.context, enabled);
}

/* A libnats thread. */
static void hear(void *context, const struct bus_message *message)
{
    struct live_switch *self = context;
    const char *operation = message->header(message, "KV-Operation");
    (void)pthread_mutex_lock(&self->lock);
    self->heard = true;
    self->heard_size = message->size < sizeof self->heard_value ? message->size : sizeof self->heard_value;
    if (self->heard_size)
        memcpy(self->heard_value, message->data, self->heard_size);
    if (operation) { /* deleted or purged: the default */
        const char *value = self->options.fallback ? "true" : "false";
        self->heard_size = strlen(value);
        memcpy(self->heard_value, value, self->heard_size);
    }
    (void)pthread_cond_signal(&self->news_cond);
    (void)pthread_mutex_unlock(&self->lock);
}

static void read_bucket(struct live_switch *self)
{
    struct bus_value value = { 0 };
    uint64_t generation = bus_generation(self->bus);
    int r = bus_kv_get(self->bus, LIVE_SWITCH_BUCKET, self->options.key, &value);
    if (r < 0 && r != -ENOENT) {
        self->read_ns = units_now_mono_ns() + RETRY_MS * UNITS_NS_PER_MS;
        return;
    }
    self->read_ns = 0;
    self->generation = generation;
    apply(self, value.data, value.size, r == -ENOENT);
    bus_value_free(&value);
}

/* Until something was heard, a turn is over, or the end. True with the value when one was heard. */
static bool wait_news(struct live_switch *self, char *value, size_t *size, bool *ret_stop)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOOK_MS / 1000;
    (void)pthread_mutex_lock(&self->lock);
    while (!self->stopping && !self->heard && pthread_cond_timedwait(&self->news_cond, &self->lock, &until) == 0)
        ;
    bool heard = self->heard;
    self->heard = false;
    *size = self->heard_size;
    memcpy(value, self->heard_value, sizeof self->heard_value);
    *ret_stop = self->stopping;
    (void)pthread_mutex_unlock(&self->lock);
    return heard;
}

static void *run(void *context)
{
    struct live_switch *self = context;
    char value[LIVE_SWITCH_VALUE_BYTES_MAX];
    size_t size = 0;
    for (;;) {
        bool stop = false;
        bool heard = wait_news(self, value, &size, &stop);
        if (stop)
            return NULL;
        int64_t now_ns = units_now_mono_ns();
        if (heard) {
            apply(self, value, size, false);
            self->read_ns = now_ns + LOOK_MS * UNITS_NS_PER_MS;
        }
        if (!bus_connected(self->bus))
            continue;
        if (self->read_ns ? now_ns >= self->read_ns : self->generation != bus_generation(self->bus))
            read_bucket(self);
    }
}

static void free_switch(struct live_switch *self)
{
    bus_unsubscribe(self->subscription);
    (void)pthread_cond_destroy(&self->news_cond);
    (void)pthread_mutex_destroy(&self->lock);
    free(self);
}

int live_switch_start(struct bus *bus, const struct live_switch_options *options, struct live_switch **ret)
{
    struct live_switch *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    *self = (struct live_switch){ .bus = bus, .options = *options, .enabled = options->fallback, .generation = UINT64_MAX };
    (void)pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&self->news_cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)snprintf(self->subject, sizeof self->subject, "$KV." LIVE_SWITCH_BUCKET ".%s", options->key);
    int r = bus_subscribe(bus, self->subject, NULL, hear, self, &self->subscription);
    if (r == 0)
        r = -pthread_create(&self->thread, NULL, run, self);
    if (r < 0) {
        free_switch(self);
        return r;
    }
    *ret = self;
    return 0;
}

void live_switch_stop(struct live_switch *self)
{
    if (!self)
        return;
    (void)pthread_mutex_lock(&self->lock);
    self->stopping = true;
    (void)pthread_cond_signal(&self->news_cond);
    (void)pthread_mutex_unlock(&self->lock);
    (void)pthread_join(self->thread, NULL);
    free_switch(self);
}
