/* Dissecting a node's tape while it is recorded, as long as the switch tap.capture.stopped says false (missing: true). Raw capture does not notice: sealed segments alone are read, at least priority, under a ceiling of processor
 * time; what is recycled before its turn is counted, never waited for. Answers node.<node>.calls and dissect.live. */
#ifndef DISSECTOR_LIVE_LIVE_H
#define DISSECTOR_LIVE_LIVE_H
#include "bus/bus.h"
#include "services/dissector/entry/message.h"
#include "services/dissector/live/shelf.h"
#include "wire/wire.h"

#define LIVE_SWITCH_KEY "tap.capture.stopped"
#define LIVE_LOOK_MS 500                /* between two looks at the tape */
#define LIVE_GROUP_SEGMENTS 16u         /* of one database: the newest calls are not kept waiting while an older stretch is caught up with */
#define LIVE_GROUP_ENTRIES 500000u      /* the same, by entries */
#define LIVE_INPUTS_MAX 50000u          /* segments until the engines begin anew: what is open then ends in two entries */
#define LIVE_MEMORY (256ull * 1024 * 1024) /* of entries on their way into order */

struct live_options {
    const char *tape;                   /* the capturer's --data folder */
    const char *folder;                 /* of the live databases */
    const char *node;
    uint64_t size;                      /* of all live databases */
    uint64_t cpu_percent;               /* of one core */
    enum redact_level redact;
};
struct live;
/* Strings are borrowed. A sentence in error (256). */
int live_start(struct bus *bus, const struct live_options *options, struct live **ret, char *error);
void live_stop(struct live *live);      /* NULL is fine */
const char *live_node(const struct live *live);
struct shelf *live_shelf(struct live *live);
/* Fills a status. -ENOMEM. */
int live_tell(struct live *live, Tapeloop__V1__LiveStatus *ret);
#endif
