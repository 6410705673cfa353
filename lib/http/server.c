/* The HTTP server over libmicrohttpd. See server.h.
 *
 * Life of an exchange: MHD calls answer_exchange with an empty slot (headers are read), then again when the request is complete; the handler decides;
 * MHD sends; exchange_over is called once, however it ended. */
#include "http/server.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/range.h"
#include "http/token.h"

#define CONNECTION_MEMORY_BYTES (256 * 1024) /* MHD's pool per connection: request headers and, for a stream, its largest chunk */
#define STREAM_BLOCK_BYTES (128 * 1024)
#define IDLE_TIMEOUT_S 30                    /* a client that takes nothing for so long is gone */
#define LISTEN_BACKLOG 256
#define EPOLL_THREADS 2                      /* sendfile is the kernel's work: two keep a disk and a network busy */
#define PATH_BYTES_MAX 2048

struct http_server {
    struct MHD_Daemon *daemon;
    http_handler *handler;
    void *service;
    int null_fd; /* put in the place of a file that has been sent, see exchange_over */
};

struct exchange {
    struct http_server *server;
    struct http_answer answer;
    bool answered;
};

static ssize_t read_stream(void *context, uint64_t position, char *dst, size_t cap)
{
    (void)position;
    struct exchange *exchange = context;
    ssize_t n = exchange->answer.read(exchange->answer.context, dst, cap);
    if (n == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    return n < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : n;
}

/* The body of an answer. MHD owns the descriptor once the response exists. */
static struct MHD_Response *make_body(struct exchange *exchange)
{
    struct http_answer *answer = &exchange->answer;
    if (answer->read)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, read_stream, exchange, NULL);
    if (answer->fd >= 0)
        return MHD_create_response_from_fd_at_offset64(answer->size, answer->fd, answer->offset);
    return MHD_create_response_from_buffer(strlen(answer->text), answer->text, MHD_RESPMEM_MUST_COPY);
}

static bool add_headers(struct MHD_Response *response, const struct http_answer *answer)
{
    char range[96];
    bool file = answer->fd >= 0, text = !file && !answer->read, good = true;
    const char *type = answer->content_type ? answer->content_type : text ? "text/plain; charset=utf-8" : "application/octet-stream";
    good = good && MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES;
    if (file)
        good = good && MHD_add_response_header(response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes") == MHD_YES;
    range[0] = '\0';
    if (file && answer->status == MHD_HTTP_PARTIAL_CONTENT)
        (void)snprintf(range, sizeof range, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, answer->offset, answer->offset + answer->size - 1, answer->total);
    else if (answer->status == MHD_HTTP_RANGE_NOT_SATISFIABLE && answer->total)
        (void)snprintf(range, sizeof range, "bytes */%" PRIu64, answer->total);
    if (range[0])
        good = good && MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, range) == MHD_YES;
    return good;
}

static enum MHD_Result queue_answer(struct MHD_Connection *connection, struct exchange *exchange)
{
    struct http_answer *answer = &exchange->answer;
    assert(answer->fd < 0 || answer->status != MHD_HTTP_PARTIAL_CONTENT || answer->size > 0);
    struct MHD_Response *response = make_body(exchange);
    if (!response) {
        if (answer->fd >= 0)
            (void)close(answer->fd);
        answer->fd = -1;
        return MHD_NO; /* closes the connection */
    }
    enum MHD_Result queued = MHD_NO;
    if (add_headers(response, answer))
        queued = MHD_queue_response(connection, (unsigned)answer->status, response);
    if (queued == MHD_NO)
        answer->fd = -1; /* closed with the response, below */
    MHD_destroy_response(response);
    return queued;
}

static void answer_text(struct http_answer *answer, int status, const char *text)
{
    answer->status = status;
    (void)snprintf(answer->text, sizeof answer->text, "%s\n", text);
}

/* What is wrong with any request, before the handler sees it. True when it was answered. */
static bool refuse(const struct http_request *request, int range_rc, struct http_answer *answer)
{
    if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0)
        answer_text(answer, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are answered here");
    else if (strlen(request->path) > PATH_BYTES_MAX)
        answer_text(answer, MHD_HTTP_URI_TOO_LONG, "the path is too long");
    else if (range_rc < 0)
        answer_text(answer, MHD_HTTP_RANGE_NOT_SATISFIABLE, "Range must be bytes=FIRST-LAST or bytes=FIRST-");
    else
        return false;
    return true;
}

static enum MHD_Result answer_exchange(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version, const char *upload,
                                       size_t *upload_size, void **slot)
{
    (void)version;
    (void)upload;
    struct http_server *server = context;
    struct exchange *exchange = *slot;
    if (!exchange) {
        exchange = calloc(1, sizeof *exchange);
        if (!exchange)
            return MHD_NO;
        exchange->server = server;
        exchange->answer.fd = -1;
        *slot = exchange;
        return MHD_YES;
    }
    if (*upload_size) {
        *upload_size = 0; /* no request of ours has a body */
        return MHD_YES;
    }
    assert(!exchange->answered);
    exchange->answered = true;
    const char *range = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_RANGE);
    struct http_request request = { .method = method, .path = url, .has_range = range != NULL, .to = RANGE_TO_END,
                                    .token = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, TOKEN_HEADER) };
    int range_rc = range ? range_parse(range, &request.from, &request.to) : 0;
    if (!refuse(&request, range_rc, &exchange->answer))
        server->handler(server->service, &request, &exchange->answer);
    return queue_answer(connection, exchange);
}

static void exchange_over(void *context, struct MHD_Connection *connection, void **slot, enum MHD_RequestTerminationCode how)
{
    (void)context;
    (void)connection;
    (void)how;
    struct exchange *exchange = *slot;
    if (!exchange)
        return;
    /* MHD closes the descriptor only after this call, but whoever counts the bytes of open files must hear of it when it is closed: the file gives way to
     * /dev/null under the same number, which MHD then closes. */
    if (exchange->answer.fd >= 0)
        (void)dup2(exchange->server->null_fd, exchange->answer.fd);
    if (exchange->answer.released)
        exchange->answer.released(exchange->answer.context);
    free(exchange);
    *slot = NULL;
}

static int start_daemon(struct http_server *server, const struct addrinfo *address, unsigned connections_max, bool thread_per_connection)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | (address->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0u);
    flags |= thread_per_connection ? MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL : (unsigned)MHD_USE_EPOLL;
    struct MHD_OptionItem pool[] = { { MHD_OPTION_THREAD_POOL_SIZE, EPOLL_THREADS, NULL }, { MHD_OPTION_END, 0, NULL } };
    if (thread_per_connection || connections_max < EPOLL_THREADS)
        pool[0] = pool[1];
    errno = 0;
    server->daemon = MHD_start_daemon(flags, 0, NULL, NULL, answer_exchange, server, MHD_OPTION_SOCK_ADDR, address->ai_addr, MHD_OPTION_CONNECTION_LIMIT, connections_max,
                                      MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
                                      MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned)LISTEN_BACKLOG, MHD_OPTION_NOTIFY_COMPLETED, exchange_over, NULL, MHD_OPTION_ARRAY, pool,
                                      MHD_OPTION_END);
    if (server->daemon)
        return 0;
    return errno ? -errno : -EIO;
}

int http_server_start(const char *host, uint16_t port, unsigned connections_max, bool thread_per_connection, http_handler *handler, void *service, struct http_server **ret)
{
    assert(connections_max > 0);
    char service_name[8];
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *address = NULL;
    (void)snprintf(service_name, sizeof service_name, "%u", port);
    if (getaddrinfo(host && *host ? host : NULL, service_name, &hints, &address) != 0)
        return -EADDRNOTAVAIL;
    struct http_server *server = calloc(1, sizeof *server);
    int rc = server ? 0 : -ENOMEM;
    if (rc == 0) {
        server->handler = handler;
        server->service = service;
        server->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        rc = server->null_fd < 0 ? -errno : start_daemon(server, address, connections_max, thread_per_connection);
    }
    freeaddrinfo(address);
    if (rc < 0) {
        http_server_stop(server);
        return rc;
    }
    *ret = server;
    return 0;
}

uint16_t http_server_port(const struct http_server *server)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info ? info->port : 0;
}

void http_server_stop(struct http_server *server)
{
    if (!server)
        return;
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    if (server->null_fd >= 0)
        (void)close(server->null_fd);
    free(server);
}
