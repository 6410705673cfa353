/* Names with values on their way into a MAP of a message, where a name may stand once: the values of a repeated name are joined. Inside the HTTP files only: headers, cookies, queries. Pure. */
#ifndef DISSECTOR_PROTOCOLS_HTTP_PAIRS_H
#define DISSECTOR_PROTOCOLS_HTTP_PAIRS_H
#include "services/dissector/protocols/http/http_message.h"

/* Eight bytes at a time; the same for the same bytes. */
uint32_t http_pairs_hash(const char *name, size_t size);
/* The same of the name in lower case, which is written to dst: room for size rounded up to eight, zeros behind. */
uint32_t http_pairs_lower(char *dst, const char *name, size_t size);
/* The same of what stands before a ':' in [p, end), whose size it returns; 0: there is none, or a line ends before it, or there is no room. *ret_hash as above. Up to 32 bytes of dst are written where there is room for them, whatever the name's size. */
size_t http_pairs_lower_name(char *dst, size_t room, const char *p, const char *end, uint32_t *ret_hash);
/* at[count] is filled but for next and again (its hash included): finds the last one before it with its name. *names remembers which hashes may have been seen, and starts as 0. */
void http_pairs_find_before(struct http_header *at, uint32_t count);
static inline void http_pairs_link(struct http_header *at, uint32_t count, uint64_t *names)
{
    uint64_t bit = UINT64_C(1) << (at[count].hash >> 26);
    at[count].next = 0;
    at[count].again = false;
    if (*names & bit) /* perhaps */
        http_pairs_find_before(at, count);
    *names |= bit;
}
/* All pairs but those of the kind `without` (HTTP_OTHER: all) as the map `field`. */
void http_pairs_write(struct message *m, uint8_t field, const struct http_header *at, uint32_t count, enum http_known without, const char *joiner);
#endif
