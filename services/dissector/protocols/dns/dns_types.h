/* Numbers of the DNS by their names, and the presentation form of each type's data. Source: IANA's registry "Domain Name System (DNS) Parameters". Pure tables. */
#ifndef DISSECTOR_PROTOCOLS_DNS_TYPES_H
#define DISSECTOR_PROTOCOLS_DNS_TYPES_H
#include <stdint.h>

enum { DNS_TYPE_A = 1, DNS_TYPE_SOA = 6, DNS_TYPE_NIMLOC = 32, DNS_TYPE_SRV = 33, DNS_TYPE_OPT = 41, DNS_TYPE_IXFR = 251, DNS_TYPE_AXFR = 252 };
enum { DNS_OPCODE_QUERY = 0, DNS_OPCODE_DSO = 6 };

/* How data is written, a letter per part, parts with a space between. NULL or "": hexadecimal digits of all of it.
 *   n name   1 2 4 number of so many bytes   a IPv4   6 IPv6   t type   T time   s string   q string in quotes   S all further strings   Q the rest, in quotes   x the rest, hexadecimal   b the rest, base64
 *   h hexadecimal behind its length   H base32 behind its length   y bitmap of types   p parameters of a service binding   e hexadecimal with hyphens */
struct dns_type { const char *name, *shape; };
/* Never NULL; name NULL: not known. */
const struct dns_type *dns_type_find(uint16_t type);
/* "A"; NULL: not known. */
const char *dns_opcode_name(unsigned opcode);
const char *dns_rcode_name(unsigned rcode);
const char *dns_service_key_name(unsigned key);
#endif
