/* What others ask of this node's tape: node.<node>.pin, .unpin, .catalogue, .status, and the early lease that every snapshot.request takes.
 *
 * Bus callbacks copy the request into a bounded queue (PIN_QUEUE_MAX, PIN_QUEUE_BYTES_MAX; full: the asker is told "busy"); one thread answers, because a pin waits for the seal of
 * what is open. At most one seal by pin per second (RULES 8): pins that come together share it. A reply stays under PIN_REPLY_BYTES_MAX and says where to go on. */
#ifndef CAPTURER_PIN_H
#define CAPTURER_PIN_H
#include "bus/bus.h"
#include "options/options.h"
#include "services/capturer/heartbeat.h"
#include "services/capturer/server.h"
#include "services/capturer/tape/tape.h"

#define PIN_QUEUE_MAX 256u                   /* requests of 200 snapshots at once, or a storm that is refused */
#define PIN_QUEUE_BYTES_MAX (4u * WIRE_MESSAGE_BYTES_MAX) /* of them together: a pin has some hundred bytes, and a node's memory is not for whoever asks */
#define PIN_REPLY_BYTES_MAX (400u * 1024)    /* of segments; with refusals and gaps still below 512 KiB, half of nats-server's default max_payload */
#define PIN_LEASE_S 600                      /* where the request names none, and of the early lease (RULES 13) */
#define PIN_LEASE_S_MAX (24 * 3600)
#define PIN_REFUSED_MAX 512                  /* named in one reply; the window's ends say the rest */
#define PIN_SEAL_INTERVAL_MS 1000
#define PIN_SEAL_WAIT_MS 7000                /* with the pause between seals below the ten seconds that an asker waits; a disk that needs longer is in trouble */
#define PIN_SEAL_LOOK_MS 20                  /* how often the lanes are asked whether they are through */
#define PIN_UNSEEN_MS 12000                  /* the longest --flush, and a write */

struct pin_options {
    struct bus *bus;
    struct tape *tape;
    struct server *server;
    struct heartbeat *heartbeat;
    struct lane *const *lanes;
    uint32_t lanes_count;
    const char *node;
    const struct option_list *labels;
};
struct pin;
/* Subscribes and starts the thread. Everything in options outlives the pin; the lanes' writers have been started. -errno. */
int pin_start(const struct pin_options *options, struct pin **ret);
/* Any thread, never waits: a segment is in the catalogue. */
void pin_note_sealed(struct pin *pin, uint32_t lane, uint64_t sequence);
void pin_stop(struct pin *pin); /* NULL is fine */
#endif
