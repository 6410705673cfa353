/* The Range header (RFC 9110 section 14), as strictly as two ends that know each other can take it: one range, from a first byte.
 * "bytes=0-99", "bytes=100-". Pure. */
#ifndef HTTP_RANGE_H
#define HTTP_RANGE_H
#include <stdint.h>
#define RANGE_TO_END UINT64_MAX
/* *ret_to is exclusive, RANGE_TO_END where the header names no last byte. -EINVAL: anything else, also several ranges and "bytes=-500". */
int range_parse(const char *value, uint64_t *ret_from, uint64_t *ret_to);
/* Content-Range of an answer, "bytes 0-99/1000" or "bytes 0-99/" and a star. -EINVAL. */
int range_parse_content(const char *value, uint64_t *ret_from, uint64_t *ret_to);
#endif
