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
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/range.h"
#include "http/token.h"

#define CONNECTION_MEMORY_BYTES (256 * 1024) /* MHD's pool per connection: request headers and, for a stream, its largest chunk */
#define STREAM_BLOCK_BYTES (128 * 1024)
#define IDLE_TIMEOUT_S 30                    /* a client that takes nothing of a file, or asks for nothing, for so long is gone */
#define KEEPALIVE_IDLE_S 60                  /* streams have no time-out: the kernel finds out whether their client still lives */
#define LISTEN_BACKLOG 256
#define ACCEPT_PAUSE_US 20000
#define EPOLL_THREADS 2                      /* sendfile is the kernel's work: two keep a disk and a network busy */
#define PATH_BYTES_MAX 2048

struct http_server {
    struct MHD_Daemon *daemon;
    pthread_t acceptor;
    bool accepting;
    int listen_fd;
    pthread_mutex_t lock; /* over what follows, up to stopping */
    pthread_cond_t fewer;
    unsigned connections, connections_max;
    bool stopping;
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
    if (answer->read)
        good = good && MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES; /* no time-out is left to end it */
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
    /* A stream may be silent for long (a filter that takes little), and its reader may pause it: MHD would take either for a dead client. */
    bool patient = !answer->read || MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u) == MHD_YES;
    if (patient && add_headers(response, answer))
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

/* MHD would close a client that comes when all connections are taken; so the accepting thread is ours and leaves further clients in the backlog until there is room. */
static bool wait_for_room(struct http_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    while (server->connections >= server->connections_max && !server->stopping)
        (void)pthread_cond_wait(&server->fewer, &server->lock);
    bool go_on = !server->stopping;
    server->connections++;
    (void)pthread_mutex_unlock(&server->lock);
    return go_on;
}

static void leave_room(struct http_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    server->connections--;
    (void)pthread_cond_signal(&server->fewer);
    (void)pthread_mutex_unlock(&server->lock);
}

static _Thread_local bool closed_here; /* libmicrohttpd has told this thread of a connection's end */

static void note_connection(void *context, struct MHD_Connection *connection, void **slot, enum MHD_ConnectionNotificationCode what)
{
    (void)connection;
    (void)slot;
    if (what != MHD_CONNECTION_NOTIFY_CLOSED)
        return;
    closed_here = true;
    leave_room(context);
}

static void set_keepalive(int fd)
{
    int on = 1, idle = KEEPALIVE_IDLE_S;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
}

static void *accept_clients(void *context)
{
    struct http_server *server = context;
    while (wait_for_room(server)) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        int fd = accept4(server->listen_fd, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        int why = errno;
        set_keepalive(fd);
        closed_here = false; /* a connection that gets no thread is ended, and told, inside MHD_add_connection */
        if ((fd < 0 || MHD_add_connection(server->daemon, fd, (struct sockaddr *)&address, size) != MHD_YES) && !closed_here)
            leave_room(server);
        if (fd < 0 && (why == EMFILE || why == ENFILE || why == ENOBUFS || why == ENOMEM))
            (void)usleep(ACCEPT_PAUSE_US); /* until somebody closes a descriptor; the client waits in the backlog */
    }
    return NULL;
}

static int open_listener(struct http_server *server, const struct addrinfo *address)
{
    int on = 1;
    server->listen_fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listen_fd < 0)
        return -errno;
    if (setsockopt(server->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 || bind(server->listen_fd, address->ai_addr, address->ai_addrlen) < 0 ||
        listen(server->listen_fd, LISTEN_BACKLOG) < 0)
        return -errno;
    return 0;
}

static int start_daemon(struct http_server *server, bool thread_per_connection)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC;
    flags |= thread_per_connection ? MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL : (unsigned)MHD_USE_EPOLL;
    struct MHD_OptionItem pool[] = { { MHD_OPTION_THREAD_POOL_SIZE, EPOLL_THREADS, NULL }, { MHD_OPTION_END, 0, NULL } };
    if (thread_per_connection)
        pool[0] = pool[1];
    unsigned never_reached = (server->connections_max + 1) * EPOLL_THREADS; /* MHD's own limit, which it shares out among its threads: the bound is ours */
    server->daemon = MHD_start_daemon(flags, 0, NULL, NULL, answer_exchange, server, MHD_OPTION_CONNECTION_LIMIT, never_reached, MHD_OPTION_CONNECTION_TIMEOUT,
                                      (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_NOTIFY_COMPLETED, exchange_over,
                                      NULL, MHD_OPTION_NOTIFY_CONNECTION, note_connection, server, MHD_OPTION_ARRAY, pool, MHD_OPTION_END);
    return server->daemon ? 0 : -EIO;
}

static int start_threads(struct http_server *server, const struct addrinfo *address, bool thread_per_connection)
{
    int rc = open_listener(server, address);
    if (rc < 0)
        return rc;
    server->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (server->null_fd < 0)
        return -errno;
    rc = start_daemon(server, thread_per_connection);
    if (rc < 0)
        return rc;
    rc = pthread_create(&server->acceptor, NULL, accept_clients, server);
    server->accepting = rc == 0;
    return -rc;
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
    int rc = -ENOMEM;
    if (server) {
        *server = (struct http_server){ .handler = handler, .service = service, .connections_max = connections_max, .null_fd = -1, .listen_fd = -1 };
        (void)pthread_mutex_init(&server->lock, NULL);
        (void)pthread_cond_init(&server->fewer, NULL);
        rc = start_threads(server, address, thread_per_connection);
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
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof address;
    (void)getsockname(server->listen_fd, (struct sockaddr *)&address, &size);
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static void stop_accepting(struct http_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    server->stopping = true;
    (void)pthread_cond_signal(&server->fewer);
    (void)pthread_mutex_unlock(&server->lock);
    (void)shutdown(server->listen_fd, SHUT_RDWR); /* wakes accept */
    (void)pthread_join(server->acceptor, NULL);
}

void http_server_stop(struct http_server *server)
{
    if (!server)
        return;
    if (server->accepting)
        stop_accepting(server);
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    if (server->listen_fd >= 0)
        (void)close(server->listen_fd);
    if (server->null_fd >= 0)
        (void)close(server->null_fd);
    (void)pthread_cond_destroy(&server->fewer);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}
