/* A live switch out of the bucket `settings` (JSON true or false; missing or deleted: its default).
 *
 * A change is heard at once on the bucket's subject and read again a moment later, when the stream has it for certain; it is also read at each connection. One thread
 * of its own, because reading waits. Without the bus the last known value holds; a start without the bus takes the default. */
#ifndef JOBS_LIVE_SWITCH_H
#define JOBS_LIVE_SWITCH_H
#include "bus/bus.h"

#define LIVE_SWITCH_BUCKET "settings"
#define LIVE_SWITCH_VALUE_BYTES_MAX 64       /* of a value that could be right */

/* Borrowed while it runs. */
struct live_switch_options {
    const char *key;                         /* "tap.capture.raw.enabled" */
    bool fallback;
    /* On the switch's thread: the value differs from the last one told; the default counts as told. */
    void (*changed)(void *context, bool on);
    /* A value that is neither true nor false was set, and is ignored; once per such time. For the log. */
    void (*ignored)(void *context, const char *key);
    void *context;
};
struct live_switch;
int live_switch_start(struct bus *bus, const struct live_switch_options *options, struct live_switch **ret);
void live_switch_stop(struct live_switch *live_switch); /* no call is under way when it returns; NULL is fine */
/* JSON true or false, with white space around it. -EBADMSG. */
int live_switch_parse(const void *data, size_t size, bool *ret);
#endif
