/* HPACK: header blocks of one direction of an HTTP/2 connection, read by libnghttp2's inflater, also where its dynamic table is not known.
 *
 * Where the beginning of a direction was not seen, or a header block of it was lost, the inflater is primed: its table is filled with entries without name and value. A header that refers to one of them is unknown;
 * what is sent from then on takes its place in the table, so that later headers are known again. The real table may be smaller than ours (a sender never refers to what has left its own table) or larger (references
 * beyond ours fail, and the next priming is larger): a known header is never a wrong one.
 * Source: RFC 7541. One thread; a struct of zeros is ready to use. */
#ifndef DISSECTOR_PROTOCOLS_HTTP2_HPACK_H
#define DISSECTOR_PROTOCOLS_HTTP2_HPACK_H
#include "services/dissector/protocols/http/http_message.h"

struct nghttp2_hd_inflater;
struct http2_hpack {
    struct nghttp2_hd_inflater *inflater;
    bool stale;                     /* to be primed before the next block */
    bool primed;                    /* has been primed once */
    bool wide;                      /* the sender's table may be larger than the default */
    uint8_t failures;
};

/* What a header block says: pseudo-headers here, the others in `headers`. 150 KiB, of which only what is used is touched. */
struct http2_block {
    struct http_text method, scheme, authority, path;
    int32_t status;                 /* 0: none, or not known */
    bool unknown;                   /* headers are missing: the dynamic table was not known, or the block is broken */
    bool truncated;                 /* something did not fit */
    uint32_t size;                  /* of the block, as it was sent */
    uint32_t used;
    struct http_headers headers;
    char store[CONVERSATION_HEADERS_MAX];
};

/* A block may come in pieces (CONTINUATION): begin, then feed, the last of them with last set. Once a block has failed its other pieces are passed over. */
void http2_hpack_begin(struct http2_hpack *h, struct http2_block *block);
void http2_hpack_feed(struct http2_hpack *h, struct http2_block *block, const uint8_t *data, size_t size, bool last);
/* A block was lost. */
void http2_hpack_lost(struct http2_hpack *h);
/* SETTINGS_HEADER_TABLE_SIZE of the other side: what this direction's sender may use. */
void http2_hpack_limit(struct http2_hpack *h, uint32_t bytes);
/* About the bytes that the inflater holds. */
size_t http2_hpack_memory(const struct http2_hpack *h);
void http2_hpack_free(struct http2_hpack *h);
#endif
