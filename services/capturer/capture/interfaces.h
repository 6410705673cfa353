/* The interface watcher: follows rtnetlink, decides what is recorded (choose.h), keeps the lanes' kernel filters and the table of the capture threads up to date. The home of libmnl.
 *
 * Everything here is for one thread (the loop's), which calls interfaces_watch when interfaces_fd is readable. Source: rtnetlink(7), linux/if_link.h. */
#ifndef CAPTURER_CAPTURE_INTERFACES_H
#define CAPTURER_CAPTURE_INTERFACES_H
#include "services/capturer/capture/capture.h"
#include "services/capturer/capture/filter.h"
#include "services/capturer/capture/table.h"

#define INTERFACES_LINKS_MAX 4096u               /* all links of a namespace; those past it are not looked at and said so */

struct interfaces;
/* patterns, table and filters are borrowed. Lists the links once and applies the choice. error (256). */
int interfaces_open(const char *const *patterns, size_t patterns_count, struct table *table, struct capture_filter *const *filters, uint32_t lanes, struct interfaces **ret, char *error);
void interfaces_close(struct interfaces *interfaces);
int interfaces_fd(const struct interfaces *interfaces);
/* Reads what is there and applies it. How many interfaces came, went or changed their place in the choice; -errno: the list may be old until the next call. */
int interfaces_watch(struct interfaces *interfaces);
size_t interfaces_list(struct interfaces *interfaces, struct capture_interface *list, size_t most);
size_t interfaces_not_visible(struct interfaces *interfaces, char (*texts)[160], size_t most);
/* What the user should know of the choice: a pattern that nothing matches, lo that is down. */
size_t interfaces_notes(struct interfaces *interfaces, char (*texts)[160], size_t most);
#endif
