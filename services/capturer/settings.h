/* The live switch tap.capture.raw.enabled (missing: true), see jobs/live_switch.h. Without the bus the last known value holds; a start without the bus records. */
#ifndef CAPTURER_SETTINGS_H
#define CAPTURER_SETTINGS_H
#include "jobs/live_switch.h"

#define SETTINGS_RAW_ENABLED "tap.capture.raw.enabled"

/* changed is called on the switch's thread when the value differs from the last one told; true counts as told. Ends with live_switch_stop. -errno. */
int settings_start(struct bus *bus, void (*changed)(void *context, bool enabled), void *context, struct live_switch **ret);
#endif
