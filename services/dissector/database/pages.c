#include "services/dissector/database/pages.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/output/publish.h"

/* The page that holds byte 2^30 is SQLite's place for file locks and never part of the database. */
#define LOCK_PAGE ((1u << 30) / DATABASE_PAGE_BYTES + 1)
#define HEADER_PAGES_AT 28 /* of the number of pages, in the file's header */

int pages_open(struct pages *pages, int fd, uint32_t first)
{
    uint8_t *buffer = malloc((size_t)PAGES_HELD * DATABASE_PAGE_BYTES);
    if (!buffer)
        return -ENOMEM;
    *pages = (struct pages){ .fd = fd, .next = first, .buffer = buffer };
    return 0;
}

uint32_t pages_after(uint32_t page) { return page + 1 == LOCK_PAGE ? page + 2 : page + 1; }

static int64_t offset_of(uint32_t page) { return (int64_t)(page - 1) * DATABASE_PAGE_BYTES; }

static int flush(struct pages *pages)
{
    if (pages->held == 0)
        return 0;
    int r = output_write(pages->fd, pages->buffer, (size_t)pages->held * DATABASE_PAGE_BYTES, offset_of(pages->next - pages->held));
    pages->held = 0;
    return r;
}

static int add(struct pages *pages, const uint8_t *page)
{
    if (pages->held == PAGES_HELD) {
        int r = flush(pages);
        if (r < 0)
            return r;
    }
    uint8_t *at = pages->buffer + (size_t)pages->held++ * DATABASE_PAGE_BYTES;
    if (page)
        memcpy(at, page, DATABASE_PAGE_BYTES);
    else
        memset(at, 0, DATABASE_PAGE_BYTES);
    pages->next++;
    return 0;
}

int pages_write(struct pages *pages, const uint8_t *page, uint32_t *ret)
{
    int r = pages->next == LOCK_PAGE ? add(pages, NULL) : 0;
    uint32_t number = pages->next;
    if (r == 0)
        r = add(pages, page);
    if (r == 0 && ret)
        *ret = number;
    return r;
}

int pages_write_at(struct pages *pages, uint32_t number, const uint8_t *page)
{
    return output_write(pages->fd, page, DATABASE_PAGE_BYTES, offset_of(number));
}

int pages_finish(struct pages *pages)
{
    int r = flush(pages);
    uint32_t count = __builtin_bswap32(pages->next - 1);
    return r < 0 ? r : output_write(pages->fd, &count, sizeof count, HEADER_PAGES_AT);
}

void pages_close(struct pages *pages)
{
    free(pages->buffer);
    *pages = (struct pages){ .fd = -1 };
}
