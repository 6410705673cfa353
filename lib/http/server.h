/* A small HTTP server (libmicrohttpd's only home): file ranges by sendfile, and streams made while they are sent. Handlers run on the server's own threads. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
struct http_server;
struct http_request { const char *method, *path; const char *token /* header X-Tapeloop-Token or NULL */; bool has_range; uint64_t from, to /* exclusive; UINT64_MAX: to the end */; };
/* What the handler decides. Either a file part (fd is owned by the answer; released(context) is called when the last byte has gone or the client left) or a stream, or text. */
struct http_answer {
    int status;                                   /* 200, 206, 403, 404, 416, 503 */
    const char *content_type;                     /* static text or NULL */
    char text[256];                               /* body where there is neither file nor stream */
    int fd; uint64_t offset, size, total;         /* file part; total: whole size for Content-Range. fd -1: none */
    ssize_t (*read)(void *context, void *dst, size_t cap); /* stream: bytes, 0 at the end, -errno aborts the connection (the client sees a broken body) */
    void (*released)(void *context);              /* also called when sending failed; NULL: none */
    void *context;
};
typedef void http_handler(void *service, const struct http_request *request, struct http_answer *answer);
/* host:port (NULL or "": every address); port 0 takes a free one. connections_max bounds memory (256 KiB each); further clients wait in the backlog until one leaves. thread_per_connection: for streams whose read blocks; otherwise two threads serve all. -errno. */
int http_server_start(const char *host, uint16_t port, unsigned connections_max, bool thread_per_connection, http_handler *handler, void *service, struct http_server **ret);
uint16_t http_server_port(const struct http_server *server);
/* Closes all connections and waits for handlers, which must not block for ever. NULL is fine. */
void http_server_stop(struct http_server *server);
#endif
