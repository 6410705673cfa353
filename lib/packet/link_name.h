/* Names of link types, for people. Source: tcpdump.org/linktypes.html (LINKTYPE_ values, the names without that prefix). Thread-safe. */
#ifndef PACKET_LINK_NAME_H
#define PACKET_LINK_NAME_H
#include <stddef.h>
#include <stdint.h>

/* Static text; "unknown" where the list here has none. */
const char *packet_link_name(uint32_t link_type);
/* The names of those whose header packet_parse() knows, ", " between; cut where `room` is too small for all (PACKET_LINKS_TEXT_MAX is enough). */
#define PACKET_LINKS_TEXT_MAX 192
void packet_links_known(char *text, size_t room);
#endif
