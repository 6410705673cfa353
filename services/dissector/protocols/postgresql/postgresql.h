/* PostgreSQL, protocol 3: one entry per simple Query and per Execute (with the statement's text), whose request is everything from its Parse or Bind to its Sync; what is prepared, described or closed without an Execute is an
 * entry of its own, so are start-up, SSLRequest and FunctionCall. Notifications, and notices and errors that nobody asked for, are one-way. Passwords are counted and passed over. Behind CopyBoth (replication) nothing is read.
 * Reference: PostgreSQL documentation, "Frontend/Backend Protocol". */
#ifndef DISSECTOR_PROTOCOLS_POSTGRESQL_H
#define DISSECTOR_PROTOCOLS_POSTGRESQL_H
#include "services/dissector/protocols/protocol.h"
extern const struct protocol protocol_postgresql;
#endif
