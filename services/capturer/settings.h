/* The live switch tap.capture.raw.enabled, from the bucket `settings` (JSON true or false; missing or deleted: true).
 *
 * A change is heard at once on the bucket's subject and read again a moment later, when the stream has it for certain; it is also read at each connection. One thread
 * of its own, because reading waits. Without the bus the last known value holds; a start without the bus records. */
#ifndef CAPTURER_SETTINGS_H
#define CAPTURER_SETTINGS_H
#include "bus/bus.h"

#define SETTINGS_BUCKET "settings"
#define SETTINGS_RAW_ENABLED "tap.capture.raw.enabled"
#define SETTINGS_VALUE_BYTES_MAX 64          /* of a value that could be right */

struct settings;
/* changed is called on the settings' thread when the value differs from the last one told; true counts as told. -errno. */
int settings_start(struct bus *bus, void (*changed)(void *context, bool enabled), void *context, struct settings **ret);
void settings_stop(struct settings *settings); /* no call is under way when it returns; NULL is fine */
/* JSON true or false, with white space around it. -EBADMSG. */
int settings_parse_switch(const void *data, size_t size, bool *ret);
#endif
