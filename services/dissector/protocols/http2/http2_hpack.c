#include "services/dissector/protocols/http2/http2_hpack.h"
#include <nghttp2/nghttp2.h>
#include <string.h>

#define TABLE_DEFAULT 4096u         /* bytes, of a connection that says nothing about it */
#define TABLE_MAX (64u * 1024)      /* what browsers allow; the sender chooses, so it is also what a hostile one may make us keep */
#define FAILURES_MAX 16u            /* broken blocks of a direction, after which it is left alone: each costs a table to be filled */
#define INFLATER_BYTES 4096u        /* without its table: its struct, and the table's first room */
#define TABLE_MEMORY_TIMES 4u       /* an entry of some 40 bytes of name and value counts 72 in the table, and is three allocations */
#define ENTRY_OVERHEAD 32u          /* bytes that the table counts for an entry besides name and value */

static void hpack_drop(struct http2_hpack *h)
{
    if (h->inflater)
        nghttp2_hd_inflate_del(h->inflater);
    h->inflater = NULL;
}

void http2_hpack_lost(struct http2_hpack *h)
{
    h->stale = true;
}

void http2_hpack_limit(struct http2_hpack *h, uint32_t bytes)
{
    if (bytes > TABLE_DEFAULT)
        h->wide = true;
}

size_t http2_hpack_memory(const struct http2_hpack *h)
{
    return h->inflater ? INFLATER_BYTES + TABLE_MEMORY_TIMES * nghttp2_hd_inflate_get_dynamic_table_size(h->inflater) : 0;
}

void http2_hpack_free(struct http2_hpack *h)
{
    hpack_drop(h);
}

/* Gives a block of our own to the inflater; its headers are of no interest. */
static bool swallow(struct http2_hpack *h, const uint8_t *data, size_t size, bool last)
{
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(h->inflater, &nv, &flags, data, size, last);
        if (n < 0 || (size_t)n > size)
            return false;
        data += n;
        size -= (size_t)n;
        if (flags & NGHTTP2_HD_INFLATE_FINAL)
            return nghttp2_hd_inflate_end_headers(h->inflater) == 0;
        if (size == 0 && !(flags & NGHTTP2_HD_INFLATE_EMIT))
            return !last;
    }
}

/* A new table size (which drops what is there if it is filled anew), then literals with an empty name and value until it is full. */
static bool prime(struct http2_hpack *h)
{
    static const uint8_t size_default[] = { 0x3f, 0xe1, 0x1f }, size_wide[] = { 0x3f, 0xe1, 0xff, 0x03 };
    static const uint8_t empty[] = { 0x40, 0, 0, 0x40, 0, 0, 0x40, 0, 0, 0x40, 0, 0, 0x40, 0, 0, 0x40, 0, 0, 0x40, 0, 0, 0x40, 0, 0 };
    uint32_t table = h->wide ? TABLE_MAX : TABLE_DEFAULT, at_once = sizeof empty / 3;
    if (!(h->wide ? swallow(h, size_wide, sizeof size_wide, false) : swallow(h, size_default, sizeof size_default, false)))
        return false;
    for (uint32_t filled = 0; filled < table / ENTRY_OVERHEAD; filled += at_once)
        if (!swallow(h, empty, sizeof empty, false))
            return false;
    return swallow(h, empty, 0, true);
}

static bool make_ready(struct http2_hpack *h)
{
    if (h->failures > FAILURES_MAX)
        return false;
    if (!h->inflater) {
        if (nghttp2_hd_inflate_new(&h->inflater) != 0) {
            h->inflater = NULL;
            return false;
        }
        /* The sender tells in its blocks when it uses more than the default; until then allowing it changes nothing. */
        if (nghttp2_hd_inflate_change_table_size(h->inflater, TABLE_MAX) != 0)
            return false;
    }
    if (h->stale) {
        h->wide = h->wide || nghttp2_hd_inflate_get_max_dynamic_table_size(h->inflater) > TABLE_DEFAULT;
        if (!prime(h))
            return false;
        h->primed = true;
    }
    h->stale = false;
    return true;
}

/* Nothing more can be known of this block, nor of what it did to the table. */
static void fail(struct http2_hpack *h, struct http2_block *block)
{
    hpack_drop(h);
    h->stale = true;
    h->wide = h->wide || h->primed; /* a reference beyond our table, most likely */
    if (h->failures <= FAILURES_MAX)
        h->failures++;
    block->unknown = true;
}

void http2_hpack_begin(struct http2_hpack *h, struct http2_block *block)
{
    memset(block, 0, offsetof(struct http2_block, headers));
    http_headers_begin(&block->headers);
    if (!make_ready(h))
        fail(h, block);
}

static bool name_is(const nghttp2_nv *nv, const char *name, size_t size) { return nv->namelen == size && memcmp(nv->name, name, size) == 0; }

static int32_t read_status(const nghttp2_nv *nv)
{
    if (nv->valuelen != 3)
        return 0;
    int32_t status = 0;
    for (unsigned i = 0; i < 3; i++) {
        if (nv->value[i] < '0' || nv->value[i] > '9')
            return 0;
        status = status * 10 + (nv->value[i] - '0');
    }
    return status >= 100 ? status : 0;
}

static void take_pseudo(struct http2_block *block, const nghttp2_nv *nv)
{
    struct http_text *text = name_is(nv, ":method", 7) ? &block->method : name_is(nv, ":path", 5) ? &block->path : name_is(nv, ":authority", 10) ? &block->authority : name_is(nv, ":scheme", 7) ? &block->scheme : NULL;
    if (!text) {
        if (block->status == 0 && name_is(nv, ":status", 7))
            block->status = read_status(nv);
        return;
    }
    if (text->data)
        return;
    if (nv->valuelen > sizeof block->store - block->used) {
        block->truncated = true;
        return;
    }
    char *to = block->store + block->used;
    if (nv->valuelen)
        memcpy(to, nv->value, nv->valuelen);
    block->used += (uint32_t)nv->valuelen;
    *text = (struct http_text){ to, nv->valuelen };
}

static void take(struct http2_block *block, const nghttp2_nv *nv)
{
    if (nv->namelen == 0)
        block->unknown = true;
    else if (nv->name[0] == ':')
        take_pseudo(block, nv);
    else if (!block->headers.full)
        http_headers_add_copy(&block->headers, (const char *)nv->name, nv->namelen, (const char *)nv->value, nv->valuelen);
}

void http2_hpack_feed(struct http2_hpack *h, struct http2_block *block, const uint8_t *data, size_t size, bool last)
{
    block->size += (uint32_t)size;
    if (!h->inflater) {
        block->unknown = true;
        return;
    }
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(h->inflater, &nv, &flags, data, size, last);
        if (n < 0 || (size_t)n > size) {
            fail(h, block);
            return;
        }
        data += n;
        size -= (size_t)n;
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            take(block, &nv);
        if (flags & NGHTTP2_HD_INFLATE_FINAL) {
            if (nghttp2_hd_inflate_end_headers(h->inflater) != 0)
                fail(h, block);
            return;
        }
        if (size == 0 && !(flags & NGHTTP2_HD_INFLATE_EMIT)) {
            if (last)
                fail(h, block);
            return;
        }
    }
}
