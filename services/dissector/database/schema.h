/* The database of a dissection, readable with any SQLite tool. Tables, columns and the view `calls` are made from the field tables (entry/field.h); this page is the fixed part.
 *
 *   entry(id INTEGER PRIMARY KEY            1..n in the order of time
 *         timestamp                         ns since the epoch, first byte of the request
 *         protocol                          → protocol(id, name)
 *         status                            status_code; 0: none
 *         elapsed, duration                 µs
 *         src, src_port, dst, dst_port      → peer(id, ip, name, namespace, pod_name, pod_namespace, service_name, service_namespace, dns, process); src is the client
 *         connection                        conn_id
 *         node                              → node(id, name)
 *         incomplete                        → incomplete(id, name): 0 is ''
 *         flags                             RECORD_ONE_WAY | RECORD_MAYBE_COPY ... (entry/record.h)
 *         request_segment, request_frame, response_segment, response_frame     → segment(id, name); frame 0: none
 *         summary)
 *   <detail>(id INTEGER PRIMARY KEY = entry.id, a column per field)       LIST and MAP are JSON text ("[...]", "{...}"; empty: '[]', '{}')
 *   info(name, value)                       schema version, counters, SHA-256 of the canonical dump
 *   zone(...)                               least and greatest per 4,096 rows, for skipping
 *   calls                                   view: one column per name of the vocabulary ("src.pod.name" and so on), what a missing value defaults to filled in
 *
 * All columns NOT NULL with the field's default. */
#ifndef DISSECTOR_DATABASE_SCHEMA_H
#define DISSECTOR_DATABASE_SCHEMA_H
#define DATABASE_SCHEMA_VERSION 1
#define DATABASE_ZONE_ROWS 4096
#define DATABASE_PART_ROWS 1000000      /* entries of one file; further ones go into part files */
#endif
