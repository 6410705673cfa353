#include "services/capturer/settings.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log/log.h"
#include "units/units.h"

#define LOOK_MS 1000         /* at the connection, and after a change was heard */
#define RETRY_MS 5000

struct settings {
    struct bus *bus;
    void (*changed)(void *context, bool enabled);
    void *context;
    struct bus_subscription *subscription;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news_cond;
    bool stopping, heard;                /* behind lock */
    size_t heard_size;
    char heard_value[SETTINGS_VALUE_BYTES_MAX];

    /* The thread's own. */
    bool enabled, complained;
    uint64_t generation;                 /* of the connection that the value was read on */
    int64_t read_ns;                     /* monotonic time of the next reading; 0: none is due */
};

int settings_parse_switch(const void *data, size_t size, bool *ret)
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

static void apply(struct settings *settings, const void *data, size_t size, bool deleted)
{
    bool enabled = true;
    if (!deleted && settings_parse_switch(data, size, &enabled) < 0) {
        if (!settings->complained)
            log_warning("a setting is neither true nor false, it is ignored", "bucket=%s key=%s", SETTINGS_BUCKET, SETTINGS_RAW_ENABLED);
        settings->complained = true;
        return;
    }
    settings->complained = false;
    if (enabled == settings->enabled)
        return;
    settings->enabled = enabled;
    if (enabled)
        log_info("recording is switched on", "by=%s", SETTINGS_RAW_ENABLED);
    else
        log_warning("recording is switched off", "by=%s", SETTINGS_RAW_ENABLED);
    settings->changed(settings->context, enabled);
}

/* A libnats thread. */
static void hear(void *context, const struct bus_message *message)
{
    struct settings *settings = context;
    const char *operation = message->header(message, "KV-Operation");
    (void)pthread_mutex_lock(&settings->lock);
    settings->heard = true;
    settings->heard_size = message->size < sizeof settings->heard_value ? message->size : sizeof settings->heard_value;
    if (settings->heard_size)
        memcpy(settings->heard_value, message->data, settings->heard_size);
    if (operation) { /* deleted or purged: the default */
        memcpy(settings->heard_value, "true", 4);
        settings->heard_size = 4;
    }
    (void)pthread_cond_signal(&settings->news_cond);
    (void)pthread_mutex_unlock(&settings->lock);
}

static void read_bucket(struct settings *settings)
{
    struct bus_value value = { 0 };
    uint64_t generation = bus_generation(settings->bus);
    int r = bus_kv_get(settings->bus, SETTINGS_BUCKET, SETTINGS_RAW_ENABLED, &value);
    if (r < 0 && r != -ENOENT) {
        settings->read_ns = units_now_mono_ns() + RETRY_MS * UNITS_NS_PER_MS;
        return;
    }
    settings->read_ns = 0;
    settings->generation = generation;
    apply(settings, value.data, value.size, r == -ENOENT);
    bus_value_free(&value);
}

/* Until something was heard, a turn is over, or the end. True with the value when one was heard. */
static bool wait_news(struct settings *settings, char *value, size_t *size, bool *ret_stop)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOOK_MS / 1000;
    (void)pthread_mutex_lock(&settings->lock);
    while (!settings->stopping && !settings->heard && pthread_cond_timedwait(&settings->news_cond, &settings->lock, &until) == 0)
        ;
    bool heard = settings->heard;
    settings->heard = false;
    *size = settings->heard_size;
    memcpy(value, settings->heard_value, sizeof settings->heard_value);
    *ret_stop = settings->stopping;
    (void)pthread_mutex_unlock(&settings->lock);
    return heard;
}

static void *run(void *context)
{
    struct settings *settings = context;
    char value[SETTINGS_VALUE_BYTES_MAX];
    size_t size = 0;
    for (;;) {
        bool stop = false;
        bool heard = wait_news(settings, value, &size, &stop);
        if (stop)
            return NULL;
        int64_t now_ns = units_now_mono_ns();
        if (heard) {
            apply(settings, value, size, false);
            settings->read_ns = now_ns + LOOK_MS * UNITS_NS_PER_MS;
        }
        if (!bus_connected(settings->bus))
            continue;
        if (settings->read_ns ? now_ns >= settings->read_ns : settings->generation != bus_generation(settings->bus))
            read_bucket(settings);
    }
}

static void free_settings(struct settings *settings)
{
    bus_unsubscribe(settings->subscription);
    (void)pthread_cond_destroy(&settings->news_cond);
    (void)pthread_mutex_destroy(&settings->lock);
    free(settings);
}

int settings_start(struct bus *bus, void (*changed)(void *context, bool enabled), void *context, struct settings **ret)
{
    struct settings *settings = calloc(1, sizeof *settings);
    if (!settings)
        return -ENOMEM;
    *settings = (struct settings){ .bus = bus, .changed = changed, .context = context, .enabled = true, .generation = UINT64_MAX };
    (void)pthread_mutex_init(&settings->lock, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&settings->news_cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    int r = bus_subscribe(bus, "$KV." SETTINGS_BUCKET "." SETTINGS_RAW_ENABLED, NULL, hear, settings, &settings->subscription);
    if (r == 0)
        r = -pthread_create(&settings->thread, NULL, run, settings);
    if (r < 0) {
        free_settings(settings);
        return r;
    }
    *ret = settings;
    return 0;
}

void settings_stop(struct settings *settings)
{
    if (!settings)
        return;
    (void)pthread_mutex_lock(&settings->lock);
    settings->stopping = true;
    (void)pthread_cond_signal(&settings->news_cond);
    (void)pthread_mutex_unlock(&settings->lock);
    (void)pthread_join(settings->thread, NULL);
    free_settings(settings);
}
