/* The segment server: byte ranges of sealed segments and their indexes, over HTTP, to whoever holds a token that a pin handed out.
 *
 * GET /segments/<lane>-<sequence>.pcapng.lz4[.idx] with X-Tapeloop-Token, with or without Range. 403: no, forged, expired or foreign token, or bytes outside it
 * (pin again); 404: not here or recycled; 416: past the end; 503: too many transfers. A file under transfer stays charged to the box. Thread-safe. */
#ifndef CAPTURER_SERVER_H
#define CAPTURER_SERVER_H
#include "http/token.h"
#include "services/capturer/tape/tape.h"

#define SERVER_CONNECTIONS_MAX 64            /* 256 KiB each; snapshotters pull with 4 at a time */
#define SERVER_KEY_ROTATE_S (24u * 3600)     /* far beyond a lease; the old key holds as long again */
#define SERVER_ADDRESS_MAX 300

struct server;
/* listen is "host:port"; advertise is "host[:port]" or NULL. The key file is the folder's token.key. -errno with a sentence in error (256). */
int server_start(struct tape *tape, const char *node, const char *folder, const char *listen, const char *advertise, struct server **ret, char *error);
void server_stop(struct server *server); /* before the tape closes; NULL is fine */
/* "host:port" as others reach it. */
const char *server_address(const struct server *server);
/* Once an hour or so: rotates the key when it is old. -errno; the old keys stay. */
int server_rotate_keys(struct server *server);
/* A token for a whole segment and its index, in text[TOKEN_TEXT_MAX]. */
int server_make_token(struct server *server, const struct tape_segment *segment, const char *lease, int64_t expires_ns, char *text);
/* The segment's URL, in text[SERVER_ADDRESS_MAX + SEGMENT_FILE_NAME_MAX + 32]. */
#define SERVER_URL_MAX (SERVER_ADDRESS_MAX + SEGMENT_FILE_NAME_MAX + 32)
void server_make_url(const struct server *server, uint32_t lane, uint64_t sequence, char *text);
#endif
