/* The database of a dissection, readable with any SQLite tool. Tables, columns and the view `calls` are made from the field tables (entry/field.h); this page is the fixed part.
 *
 *   entry(id INTEGER PRIMARY KEY            1..n in the order of time, so timestamp grows with id; a part file holds a run of them
 *         protocol                          -> protocol(id, name); 1 is the file's most frequent one, 2 the next (equal ones by name)
 *         status                            status_code; 0: none
 *         src, dst                          -> peer(id, ip, name, namespace, pod_name, pod_namespace, service_name, service_namespace, dns, process); src is the client
 *         path                              -> path(id, name): ids in the byte order of the names, 0 is '': a prefix is a range of ids (database_path_range)
 *         timestamp                         ns since the epoch, first byte of the request
 *         elapsed, duration                 us
 *         src_port, dst_port
 *         connection                        conn_id
 *         node                              -> node(id, name); 0 is ''
 *         incomplete                        -> incomplete(id, name); 0 is ''
 *         flags                             RECORD_ONE_WAY | RECORD_MAYBE_COPY ... (entry/record.h)
 *         request_segment, request_frame, response_segment, response_frame     -> segment(id, name); 0 is ''; frame 0: none
 *         summary)                          the columns stand in this order, those that filters are made of first: a scan reads a row's header up to the last column that it needs, a tenth to a fifth of its time
 *   <detail>(id INTEGER PRIMARY KEY = entry.id, a column per field, numbers first and bodies last)    LIST and MAP are JSON text ("[...]", "{...}"; empty: '[]', '{}').
 *                                           A field named "path" has no column here: entry.path is it.
 *   zone(id INTEGER PRIMARY KEY             1..; one row per 4,096 of entry, for skipping
 *        first, last                        ids of entry, both inside
 *        timestamp_least, timestamp_greatest, and the same of status, elapsed, duration, src, dst, path, connection
 *        protocols)                         bit N: an entry of protocol N is there; bit 62: one of 62 or above
 *   slice(id INTEGER PRIMARY KEY            zone.id * 8 + column: 0 protocol, 1 status, 2 src, 3 dst, 4 path of the zone's entries, one behind the other, so that a filter on these reads a byte or two of an entry and not its row;
 *                                           5 id, only where the zone's ids have holes
 *         least, width, packed)             the zone's entry i (from 0; without holes, zone.first + i) has the value least + the little-endian number of `width` bytes (0, 1, 2 or 4) at packed[i * width]. Derived from entry and nothing else: readers
 *                                           may ignore it
 *   info(name, value)                       schema_version, entries, part, parts, sha256 (database/digest.h); in part 1 also sha256_all, over the parts' digests as bytes, and the counters, by name (where a name is taken,
 *                                           the first meaning stays)
 *   calls                                   view: one column per name of the vocabulary ("src.pod.name" and so on), what is missing filled with its default; also timestamp_ns, and
 *                                           "request_at.segment", "request_at.frame", "response_at.segment", "response_at.frame"
 *
 * Indexes, all on entry: entry_connection(connection), entry_src(src), entry_dst(dst), entry_path(path), entry_error(status) WHERE status >= 400, entry_rare(protocol) WHERE protocol > 1.
 * All columns NOT NULL with the field's default. Texts are UTF-8 without NUL: what is not comes as U+FFFD. Nothing in the file tells of a clock, a host or a worker. */
#ifndef DISSECTOR_DATABASE_SCHEMA_H
#define DISSECTOR_DATABASE_SCHEMA_H
#include <sqlite3.h>
#include <stdbool.h>
#include "services/dissector/entry/field.h"
#include "services/dissector/protocols/protocol.h"

#define DATABASE_SCHEMA_VERSION 1
#define DATABASE_ZONE_ROWS 4096
#define DATABASE_SLICE_STEP 8           /* slice.id = zone.id * this + enum slice_column */
enum slice_column { SLICE_PROTOCOL, SLICE_STATUS, SLICE_SRC, SLICE_DST, SLICE_PATH, SLICE_ID, SLICE_COLUMNS };
#define DATABASE_PART_ROWS 1000000      /* entries of one file; further ones go into part files: NAME, NAME.part-2, ... */
#define DATABASE_PAGE_BYTES 16384
#define DATABASE_APPLICATION_ID 0x544c4442 /* "TLDB" */
#define DATABASE_PROTOCOL_BITS 62       /* of zone.protocols; higher ones share the last bit, so that the number stays positive */

/* The part of the vocabulary that every entry has. `sql` is its expression in the view, with the aliases below; NDJSON nests at the dots. */
struct schema_name { const char *name; enum field_type type; const char *sql; };
extern const struct schema_name schema_names[];
extern const size_t schema_names_count;
/* FROM of the view as far as it is fixed: entry, protocol, node, incomplete, path, src_peer, dst_peer, request_segment, response_segment; all but entry are LEFT JOINs on primary keys, so SQLite drops what a query does not touch. */
extern const char schema_fixed_from[];

/* The tables of the details that protocols use, each once, in the protocols' order. */
#define SCHEMA_DETAILS_MAX 48           /* a SELECT joins at most 64 tables; the view has nine fixed ones */
struct schema_detail {
    const struct detail *detail;
    uint32_t columns;                   /* without id */
    uint8_t field[DETAIL_FIELDS_MAX];   /* of each column */
    int path;                           /* the field that entry.path takes; -1: none */
};
struct schema {
    const struct protocol *const *protocols;
    size_t protocols_count;
    uint32_t details_count;
    struct schema_detail details[SCHEMA_DETAILS_MAX];
};
/* -E2BIG: more details or protocols than there is room for. -EINVAL: a table's or column's name is not [a-z][a-z0-9_]* or stands twice, or a field has a name that every entry has. The protocols are borrowed. */
int schema_make(const struct protocol *const *protocols, size_t count, struct schema *ret);
/* Where a protocol's rows go: an index of schema->details; -1: not in the schema. */
int schema_detail_of(const struct schema *schema, const struct detail *detail);
/* The whole DDL, to be freed by the caller: tables; with `file` also the indexes, the zone and info tables. -ENOMEM. */
int schema_sql(const struct schema *schema, bool file, char **ret);

/* The ids of all paths that begin with prefix (exact: that are it): *ret_first..*ret_last, both inside; none: first > last. By binary search in path: ids are in the order of names. 0, or -EIO (sqlite3_errmsg tells more). */
int database_path_range(sqlite3 *db, const char *prefix, size_t size, bool exact, int64_t *ret_first, int64_t *ret_last);
/* The file of part 1, 2, ... of the dissection at path. */
void database_part_path(const char *path, uint32_t part, char *ret, size_t room);
#endif
