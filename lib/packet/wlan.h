/* The header of a Wi-Fi data frame:
 *
 *   frame control (2)  duration (2)  addresses (3 of 6)  sequence (2)  [address (6)]  [quality of service (2)]  [high throughput (4)]  LLC and SNAP (8)
 *
 * Source: IEEE 802.11-2020, 9.2 and 9.3.2.1. Thread-safe. */
#ifndef PACKET_WLAN_H
#define PACKET_WLAN_H
#include <stdbool.h>
#include <stdint.h>
#include "bytes/cursor.h"

/* Steps over the header to what it carries, whose EtherType goes to *ret_type. False: no data, or encrypted, a fragment, or several packets in one frame. */
bool wlan_payload(struct cursor *c, uint16_t *ret_type);
#endif
