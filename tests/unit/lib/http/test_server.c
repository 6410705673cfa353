/* The server and the client against each other over loopback, and the server against raw requests. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "http/client.h"
#include "http/server.h"

#define FILE_BYTES (3 * 1024 * 1024 + 77)

static char path[] = "/tmp/tapeloop-http-XXXXXX";
static atomic_int releases, open_at_release, streams_left;

static uint8_t byte_at(uint64_t offset) { return (uint8_t)(offset * 31 + offset / 257); }

/* How many descriptors of this process lead to the file. */
static int count_open(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
        char link[64], target[256];
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, target, sizeof target - 1);
        if (n > 0) {
            target[n] = '\0';
            count += strcmp(target, path) == 0;
        }
    }
    return count;
}

static void note_release(void *context)
{
    (void)context;
    atomic_store(&open_at_release, count_open());
    atomic_fetch_add(&releases, 1);
}

struct stream { uint64_t at, size; int end; };

static ssize_t read_numbers(void *context, void *dst, size_t cap)
{
    struct stream *stream = context;
    size_t n = stream->size - stream->at < cap ? (size_t)(stream->size - stream->at) : cap;
    if (n == 0)
        return stream->end;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)dst)[i] = byte_at(stream->at + i);
    stream->at += n;
    return (ssize_t)n;
}

static void free_stream(void *context)
{
    atomic_fetch_sub(&streams_left, 1);
    free(context);
}

static void answer_stream(struct http_answer *answer, int end)
{
    struct stream *stream = calloc(1, sizeof *stream);
    *stream = (struct stream){ .size = FILE_BYTES, .end = end };
    atomic_fetch_add(&streams_left, 1);
    answer->status = 200;
    answer->read = read_numbers;
    answer->released = free_stream;
    answer->context = stream;
}

static void handle(void *service, const struct http_request *request, struct http_answer *answer)
{
    assert_string_equal(service, "service");
    if (strcmp(request->path, "/stream") == 0) {
        answer_stream(answer, 0);
    } else if (strcmp(request->path, "/broken-stream") == 0) {
        answer_stream(answer, -EIO);
    } else if (strcmp(request->path, "/file") != 0) {
        answer->status = 404;
        (void)snprintf(answer->text, sizeof answer->text, "no %s here\n", request->path);
    } else if (!request->token || strcmp(request->token, "open sesame") != 0) {
        answer->status = 403;
    } else {
        uint64_t to = request->to < FILE_BYTES ? request->to : FILE_BYTES;
        answer->total = FILE_BYTES;
        if (request->from >= to) {
            answer->status = 416;
            return;
        }
        answer->status = request->has_range ? 206 : 200;
        answer->fd = open(path, O_RDONLY | O_CLOEXEC);
        answer->offset = request->from;
        answer->size = to - request->from;
        answer->released = note_release;
    }
}

static struct http_server *server;
static struct http_client *client;

static void start(unsigned connections_max, bool threads)
{
    assert_int_equal(http_server_start("127.0.0.1", 0, connections_max, threads, handle, "service", &server), 0);
    assert_int_equal(http_client_new(&client), 0);
    atomic_store(&releases, 0);
}

static void stop(void)
{
    http_client_free(client);
    http_server_stop(server);
    assert_int_equal(count_open(), 0);
    assert_int_equal(atomic_load(&streams_left), 0);
}

/* The sink checks each byte against its place. */
struct sink { uint64_t at, stop_at; };

static int take(void *context, const void *data, size_t size)
{
    struct sink *sink = context;
    for (size_t i = 0; i < size; i++)
        assert_int_equal(((const uint8_t *)data)[i], byte_at(sink->at + i));
    sink->at += size;
    return sink->stop_at && sink->at >= sink->stop_at ? -ENOSPC : 0;
}

static int get_with(const char *what, const char *token, uint64_t from, uint64_t to, struct sink *sink, char *error)
{
    char url[128];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", http_server_port(server), what);
    *sink = (struct sink){ .at = from, .stop_at = sink->stop_at };
    return http_client_get(client, url, token, from, to, take, sink, error);
}

static int get(const char *what, uint64_t from, uint64_t to, struct sink *sink)
{
    char error[256] = "";
    int rc = get_with(what, "open sesame", from, to, sink, error);
    assert_true((rc < 0) == (error[0] != '\0'));
    return rc;
}

static void check_ranges(bool threads)
{
    struct sink sink = { 0 };
    start(8, threads);
    assert_int_equal(get("/file", 0, 0, &sink), 0);
    assert_int_equal(sink.at, FILE_BYTES);
    assert_int_equal(get("/file", 0, 1, &sink), 0);
    assert_int_equal(sink.at, 1);
    assert_int_equal(get("/file", 1234567, 2345678, &sink), 0);
    assert_int_equal(sink.at, 2345678);
    assert_int_equal(get("/file", FILE_BYTES - 1, FILE_BYTES, &sink), 0);
    assert_int_equal(get("/file", FILE_BYTES, FILE_BYTES + 1, &sink), -ERANGE);
    assert_int_equal(get("/file", FILE_BYTES - 1, FILE_BYTES + 1, &sink), -EIO); /* less than was asked for */
    assert_int_equal(get("/stream", 0, 0, &sink), 0);
    assert_int_equal(sink.at, FILE_BYTES);
    assert_int_equal(get("/stream", 5, 6, &sink), -EIO); /* knows no ranges */
    assert_int_equal(sink.at, 5);
    assert_int_equal(get("/broken-stream", 0, 0, &sink), -EIO);
    stop();
    assert_int_equal(atomic_load(&releases), 5);
    assert_int_equal(atomic_load(&open_at_release), 0); /* who hears of the release finds the file closed */
}

static void ranges_arrive_over_epoll(void **state)
{
    (void)state;
    check_ranges(false);
}

static void ranges_arrive_over_threads(void **state)
{
    (void)state;
    check_ranges(true);
}

static void refusals_have_their_errors(void **state)
{
    (void)state;
    struct sink sink = { 0 };
    char error[256] = "";
    start(8, false);
    assert_int_equal(get_with("/file", NULL, 0, 10, &sink, error), -EACCES);
    assert_int_equal(get_with("/file", "wrong", 0, 10, &sink, error), -EACCES);
    assert_string_equal(error, "the server answered 403");
    assert_int_equal(get_with("/file", "open\r\nsesame: 1", 0, 10, &sink, error), -EINVAL);
    assert_int_equal(get_with("/other", "open sesame", 0, 0, &sink, error), -ENOENT);
    assert_int_equal(sink.at, 0); /* no body of an error reached the sink */
    assert_int_equal(http_client_get(client, "gopher://127.0.0.1/x", NULL, 0, 0, take, &sink, error), -EINVAL);
    uint16_t port = http_server_port(server);
    struct http_server *second;
    assert_int_equal(http_server_start("127.0.0.1", port, 1, false, handle, NULL, &second), -EADDRINUSE);
    stop();
    char url[64];
    assert_int_equal(http_client_new(&client), 0);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/file", port);
    assert_int_equal(http_client_get(client, url, NULL, 0, 0, take, &sink, error), -ECONNREFUSED);
    http_client_free(client);
}

static void a_sink_may_stop(void **state)
{
    (void)state;
    struct sink sink = { .stop_at = 1000 };
    start(8, true);
    assert_int_equal(get("/file", 0, FILE_BYTES, &sink), -ENOSPC);
    assert_int_equal(get("/stream", 0, 0, &sink), -ENOSPC);
    sink.stop_at = 0;
    assert_int_equal(get("/file", 0, FILE_BYTES, &sink), 0); /* the same client goes on */
    stop();
    assert_int_equal(atomic_load(&releases), 2);
}

/* Sends raw text and returns the whole answer. */
static char *ask(const char *request)
{
    static char answer[65536];
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(http_server_port(server)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    size_t n = 0;
    for (ssize_t got; n < sizeof answer - 1 && (got = read(fd, answer + n, sizeof answer - 1 - n)) > 0;)
        n += (size_t)got;
    answer[n] = '\0';
    (void)close(fd);
    return answer;
}

#define ASK(line, headers) ask(line " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" headers "\r\n")
static void starts_with(const char *answer, const char *head)
{
    if (strncmp(answer, head, strlen(head)) != 0)
        fail_msg("wanted %s, got %s", head, answer);
}

static void raw_requests_are_answered_strictly(void **state)
{
    (void)state;
    start(8, false);
    starts_with(ask("POST /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"), "HTTP/1.1 405");
    starts_with(ASK("DELETE /file", ""), "HTTP/1.1 405");
    starts_with(ASK("GET /file", "X-Tapeloop-Token: open sesame\r\nRange: bytes=0-1,5-6\r\n"), "HTTP/1.1 416");
    starts_with(ASK("GET /file", "X-Tapeloop-Token: open sesame\r\nRange: bytes=-5\r\n"), "HTTP/1.1 416");
    char *answer = ASK("GET /file", "x-tapeloop-token: open sesame\r\nRange: bytes=9999999-\r\n");
    starts_with(answer, "HTTP/1.1 416");
    assert_non_null(strstr(answer, "Content-Range: bytes */3145805\r\n"));
    answer = ASK("GET /file", "X-Tapeloop-Token: open sesame\r\nRange: bytes=2-4\r\n");
    starts_with(answer, "HTTP/1.1 206");
    assert_non_null(strstr(answer, "Content-Range: bytes 2-4/3145805\r\n"));
    assert_non_null(strstr(answer, "Content-Length: 3\r\n"));
    assert_non_null(strstr(answer, "Accept-Ranges: bytes\r\n"));
    answer = ASK("HEAD /file", "X-Tapeloop-Token: open sesame\r\n");
    starts_with(answer, "HTTP/1.1 200");
    assert_non_null(strstr(answer, "Content-Length: 3145805\r\n"));
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n"); /* no body */
    starts_with(ask("nonsense\r\n\r\n"), "");
    stop();
}

static void *get_slowly(void *context)
{
    struct http_client *mine;
    struct sink sink = { 0 };
    char error[256];
    assert_int_equal(http_client_new(&mine), 0);
    int rc = http_client_get(mine, context, "open sesame", 0, 0, take, &sink, error);
    http_client_free(mine);
    return (void *)(intptr_t)(rc == 0 && sink.at == FILE_BYTES);
}

static void more_clients_than_connections_all_get_served(void **state)
{
    (void)state;
    pthread_t threads[12];
    char url[64];
    start(3, true);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/file", http_server_port(server));
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_slowly, url), 0);
    for (size_t i = 0; i < 12; i++) {
        void *good;
        assert_int_equal(pthread_join(threads[i], &good), 0);
        assert_non_null(good);
    }
    stop();
    assert_int_equal(atomic_load(&releases), 12);
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    uint8_t *data = malloc(FILE_BYTES);
    for (uint64_t i = 0; i < FILE_BYTES; i++)
        data[i] = byte_at(i);
    ssize_t n = write(fd, data, FILE_BYTES);
    free(data);
    return close(fd) == 0 && n == FILE_BYTES ? 0 : -1;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_arrive_over_epoll), cmocka_unit_test(ranges_arrive_over_threads), cmocka_unit_test(refusals_have_their_errors), cmocka_unit_test(a_sink_may_stop),
        cmocka_unit_test(raw_requests_are_answered_strictly), cmocka_unit_test(more_clients_than_connections_all_get_served),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
