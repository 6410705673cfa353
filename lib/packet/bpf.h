/* Filter expressions as tcpdump takes them (pcap-filter(7)), through libpcap, and the names of link types.
 *
 * Compiling takes a process-wide lock (libpcap's compiler was not always thread-safe) and may look up names: never on a capture thread.
 * Matching allocates nothing, takes no lock and may run on several threads at once. Link types are LINKTYPE_ values, as files hold them. */
#ifndef PACKET_BPF_H
#define PACKET_BPF_H
#include <stdbool.h>
#include <stdint.h>

#define BPF_EXPRESSION_BYTES_MAX 65536 /* a few thousand addresses; the compiler's time grows faster than the text */
#define BPF_ERROR_TEXT_MAX 256

struct bpf_expression;
/* -EINVAL: libpcap refuses it for this link type, with its words in error (BPF_ERROR_TEXT_MAX); -E2BIG; -ENOMEM. Empty text matches
 * everything. */
int bpf_expression_compile(const char *text, uint32_t link_type, uint32_t snap_length, struct bpf_expression **ret, char *error);
/* data: captured bytes of a packet that was `length` bytes long. */
bool bpf_expression_match(const struct bpf_expression *expression, const uint8_t *data, uint32_t captured, uint32_t length);
void bpf_expression_free(struct bpf_expression *expression);
static inline void bpf_expression_free_p(struct bpf_expression **p) { bpf_expression_free(*p); }

/* "EN10MB", "RAW", "LINUX_SLL2" ... (upper or lower case, with or without "DLT_" or "LINKTYPE_"). -EINVAL. */
int bpf_link_type_parse(const char *name, uint32_t *ret_link_type);
/* Writes the name, or the number where it has none, into text (BPF_LINK_TYPE_TEXT_MAX); returns text. */
#define BPF_LINK_TYPE_TEXT_MAX 48
const char *bpf_link_type_format(uint32_t link_type, char *text);
#endif
