/* All links of the network namespace, read from rtnetlink by libmnl and kept up to date. */
#ifndef CAPTURER_CAPTURE_LINKS_H
#define CAPTURER_CAPTURE_LINKS_H
#include "services/capturer/capture/choose.h"

struct links;
/* most: links kept. -errno of the socket. */
int links_open(size_t most, struct links **ret);
void links_close(struct links *links);
int links_fd(const struct links *links);
/* Reads all anew and waits for it (at open, after an overrun). -errno. */
int links_refresh(struct links *links);
/* Reads the events that are there without waiting; an overrun of the socket becomes a refresh. Returns how many links changed. */
int links_read(struct links *links);
const struct choose_link *links_all(const struct links *links, size_t *ret_count);
size_t links_left_out(const struct links *links); /* past `most` */
#endif
