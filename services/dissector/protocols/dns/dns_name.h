/* Domain names on the wire: labels, each behind its length, up to a length of zero or to a pointer into what came before.
 *
 *   +-+-+---------------+----------        00: so many bytes of label follow (0: the root, the end)
 *   |t t|    length     | bytes            11: pointer, 14 bits, from the message's first byte
 *   +-+-+---------------+----------        01, 10: nobody uses them: refused
 *
 * Source: RFC 1035 sections 3.1 and 4.1.4. A pointer leads to a lower place than the one before it, so that none leads in a circle; a name has at most 255 bytes, and pointers enough for each of its labels. Cursors are over the whole message. */
#ifndef DISSECTOR_PROTOCOLS_DNS_NAME_H
#define DISSECTOR_PROTOCOLS_DNS_NAME_H
#include "bytes/cursor.h"
#include "services/dissector/protocols/text_buffer.h"

#define DNS_HEADER_BYTES 12u
#define DNS_NAME_BYTES_MAX 255u
#define DNS_NAME_TEXT_MAX (4 * DNS_NAME_BYTES_MAX) /* every byte may become "\ddd" */

/* "www.example.org", without a dot at the end; the root is ".". Case is kept; dots and backslashes in labels get a backslash, bytes that are neither printable nor UTF-8 become "\ddd" (RFC 1035 section 5.1).
 * 0 or -EBADMSG, with the cursor failed; some of the text may have been written then. */
int dns_name_text(struct cursor *c, struct text_buffer *t);

enum dns_look { DNS_LOOK_BAD, DNS_LOOK_SHORT /* as far as it goes */, DNS_LOOK_ODD /* well formed, but not what host names are made of */, DNS_LOOK_WHOLE };
/* Passes over a name without following its pointer. */
enum dns_look dns_name_pass(struct cursor *c);
/* The same bytes whatever the case of ASCII letters. */
uint64_t dns_name_hash(const char *text, size_t size);
#endif
