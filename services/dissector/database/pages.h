/* The pages of an SQLite file that is written from front to back, each page once and in order, but for root pages, whose numbers are given. Source: "Database File Format", sections 1.3 to 1.6, sqlite.org/fileformat2.html.
 *
 * SQLite has made the file with its empty tables; here pages are added behind, and at the end the number of pages goes into the file's header. One thread. 0 or -errno of the write. */
#ifndef DISSECTOR_DATABASE_PAGES_H
#define DISSECTOR_DATABASE_PAGES_H
#include <stdint.h>
#include "services/dissector/database/schema.h"

#define PAGES_HELD 64u /* written together: a MiB */
struct pages { int fd; uint32_t next, held; uint8_t *buffer; };

/* first: the number of pages that are there, plus one. fd is borrowed. -ENOMEM. */
int pages_open(struct pages *pages, int fd, uint32_t first);
/* The number that the page written after `page` will have: one more, but for the page at the lock byte. */
uint32_t pages_after(uint32_t page);
/* The next page; its number is *ret (may be NULL). */
int pages_write(struct pages *pages, const uint8_t *page, uint32_t *ret);
/* Page `number`, one that is there already. */
int pages_write_at(struct pages *pages, uint32_t number, const uint8_t *page);
/* What is held goes out, and the header says how many pages there are. */
int pages_finish(struct pages *pages);
void pages_close(struct pages *pages); /* zeroed or closed is fine */
#endif
