#include "services/dissector/work/job.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "services/dissector/engine/conversation.h"

static void list_protocols(char *text, size_t room)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < protocols_count && used < room; i++)
        if (protocol_find(protocols[i]->name, strlen(protocols[i]->name)) == protocols[i]) /* several parsers may go by one name */
            used += (size_t)snprintf(text + used, room - used, "%s%s", used ? ", " : "", protocols[i]->name);
}

int job_shard_options(const char *const *names, uint32_t count, enum redact_level redact, const struct stage_limits *limits, const struct selection *fields, struct shard_options *ret, char *error)
{
    struct shard_options options = { .redact = redact, .fields = fields, .body_max = limits->body_bytes < CONVERSATION_BODY_MAX ? (uint32_t)limits->body_bytes : CONVERSATION_BODY_MAX };
    for (uint32_t i = 0; i < count; i++)
        for (const char *name = names[i], *end; *name; name = *end ? end + 1 : end) {
            end = strchrnul(name, ',');
            uint64_t set = protocol_set(name, (size_t)(end - name));
            if (!set && end > name) {
                char known[300];
                list_protocols(known, sizeof known);
                snprintf(error, STAGE_ERROR_TEXT_MAX, "there is no protocol %.*s; there are: %s", (int)(end - name > 40 ? 40 : end - name), name, known);
                return -EINVAL;
            }
            options.protocols |= set;
        }
    *ret = options;
    return 0;
}

int job_driver(const char *format, const struct output_driver **ret, char *error)
{
    static const struct output_driver *const drivers[] = { &output_ndjson, &output_sqlite };
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
        if (strcmp(drivers[i]->name, format) == 0) {
            *ret = drivers[i];
            return 0;
        }
    snprintf(error, STAGE_ERROR_TEXT_MAX, "there is no format %.40s: say ndjson or sqlite", format);
    return -EINVAL;
}
