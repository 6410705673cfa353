/* Interfaces as the watcher publishes them to the capture threads, without locks.
 *
 * The watcher makes a new immutable list for each change and swaps one pointer; a capture thread picks the newest up once a turn and says which it holds; the watcher frees lists that no thread can hold any more.
 * A list is published before the kernel filter admits a new interface, so a packet's interface is in the list that is current when its ring block is taken. */
#ifndef CAPTURER_CAPTURE_TABLE_H
#define CAPTURER_CAPTURE_TABLE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "services/capturer/capture/filter.h"
#include "services/capturer/lane.h"

#define TABLE_GONE_MAX 256u                      /* newest of those that went: their packets may still be in a ring */
#define TABLE_LIVE_MAX (LANE_INTERFACES_MAX - FILTER_SLOTS_OWN) /* recorded by name; later ones are written as "other" */
#define TABLE_SERIAL_CANARY 1u                   /* serials that no listed interface has; the table's begin at TABLE_SERIAL_FIRST */
#define TABLE_SERIAL_OTHER 2u                    /* and 3: without link header */
#define TABLE_SERIAL_FIRST 16u

struct table_interface {
    uint64_t serial;                             /* unique since start; a renamed interface is a new one */
    uint32_t ifindex, slot, link_type;           /* LINKTYPE_ */
    bool raw_ip, gone;
    char name[32];
};
struct table_list {
    uint64_t generation;
    struct table_list *older;                    /* the watcher's */
    uint32_t count;
    struct table_interface interfaces[];         /* a newer one of the same ifindex stands later */
};
/* Totals per slot, by the one capture thread that owns them; never reset. Relaxed. */
struct table_counts { _Atomic uint64_t written_packets, written_bytes, filtered_packets, filtered_bytes, dropped_packets, dropped_bytes; };
struct table_lane { _Alignas(64) _Atomic uint64_t held_generation; struct table_counts counts[FILTER_SLOTS_MAX]; };
struct table {
    _Atomic(struct table_list *) current;        /* never NULL once opened */
    uint32_t lanes;
    struct table_lane *lane[LANES_MAX];
};

int table_new(uint32_t lanes, struct table **ret);
void table_free(struct table *table);            /* after the capture threads ended */
/* Watcher: takes ownership of list (malloc), gives it the next generation. */
void table_publish(struct table *table, struct table_list *list);
/* Capture thread: the newest list, valid until its next call for the same lane. */
const struct table_list *table_take(struct table *table, uint32_t lane);
#endif
