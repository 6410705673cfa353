/* Entries as lines: one JSON object each (RFC 8259), its names those of the vocabulary, nested at their dots, e.g. "request.headers" is {"request":{"headers":{...}}}. Values that are their default are left out, but for
 * id, protocol, timestamp, src.ip, src.port, dst.ip and dst.port. Keys stand in a fixed order: what every entry has, then the detail's fields as its table has them, those of one object together.
 *
 * The driver is output_ndjson (output/output.h). "-": standard output; a path: hidden, then renamed (output/publish.h). A reader that goes away is -EPIPE. */
#ifndef DISSECTOR_OUTPUT_NDJSON_H
#define DISSECTOR_OUTPUT_NDJSON_H
#include "services/dissector/output/output.h"

/* Entries as text, for those who send lines elsewhere. One thread each. */
struct ndjson_lines;
struct ndjson_buffer { char *data; size_t size, room; }; /* zeroed, it is ready; data is the caller's to free */
/* fields: stays as it is while the lines live; NULL: all. */
int ndjson_lines_new(const struct selection *fields, struct ndjson_lines **ret);
void ndjson_lines_free(struct ndjson_lines *lines); /* NULL is fine */
/* Appends the object and a newline. -ENOMEM; -EINVAL: a field's name has more than one dot. */
int ndjson_lines_put(struct ndjson_lines *lines, const struct entry *entry, struct ndjson_buffer *out);
#endif
