#include "services/capturer/settings.h"
#include "log/log.h"

static void complain(void *context, const char *key)
{
    (void)context;
    log_warning("a setting is neither true nor false, it is ignored", "bucket=%s key=%s", LIVE_SWITCH_BUCKET, key);
}

int settings_start(struct bus *bus, void (*changed)(void *context, bool enabled), void *context, struct live_switch **ret)
{
    const struct live_switch_options options = { .key = SETTINGS_RAW_ENABLED, .fallback = true, .changed = changed, .ignored = complain, .context = context };
    return live_switch_start(bus, &options, ret);
}
