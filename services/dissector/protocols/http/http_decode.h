/* Content and transfer codings: gzip (RFC 1952), deflate (zlib of RFC 1950, or bare RFC 1951 as some send it), br (RFC 7932), zstd (RFC 8878).
 *
 * Bounded: no more than `room` bytes come out, whatever the input promises; zstd's window is 8 MiB at most (RFC 9659), brotli's 16 MiB. A body that is cut off gives what there is. Pure. */
#ifndef DISSECTOR_PROTOCOLS_HTTP_DECODE_H
#define DISSECTOR_PROTOCOLS_HTTP_DECODE_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum http_coding { HTTP_CODING_NONE /* identity, chunked */, HTTP_CODING_GZIP, HTTP_CODING_DEFLATE, HTTP_CODING_BROTLI, HTTP_CODING_ZSTD, HTTP_CODING_UNKNOWN };

/* By its name, without case. */
enum http_coding http_coding_find(const char *name, size_t size);
/* Bytes decoded, up to the first error or the end; -EBADMSG: not one, or the coding is unknown. */
ssize_t http_decode(enum http_coding coding, const uint8_t *data, size_t size, uint8_t *dst, size_t room);
#endif
