/* MySQL and MariaDB, protocol version 10: one entry per command; an execute has its statement's text. The log-in (HANDSHAKE) is one entry from the client's response to the server's last word; what needs no answer (COM_QUIT,
 * COM_STMT_CLOSE, COM_STMT_SEND_LONG_DATA, SSL_REQUEST) is one-way. Authentication data is counted and passed over. Behind SSL_REQUEST the conversation is TLS; what is compressed behind the log-in is read as mysql_compressed.h says;
 * nothing is read behind a replica's COM_BINLOG_DUMP. References: MySQL "Client/Server Protocol" (dev.mysql.com), MariaDB "Clients & Utilities, Protocol". */
#ifndef DISSECTOR_PROTOCOLS_MYSQL_H
#define DISSECTOR_PROTOCOLS_MYSQL_H
#include "services/dissector/protocols/protocol.h"
extern const struct protocol protocol_mysql;
#endif
