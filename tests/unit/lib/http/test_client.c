/* The client against a server that misbehaves: canned bytes over a loopback socket. */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "http/client.h"

struct canned { int listener; const char *answer; char request[4096]; };

static void *serve_once(void *context)
{
    struct canned *canned = context;
    int fd = accept(canned->listener, NULL, NULL);
    size_t n = 0;
    while (n < sizeof canned->request - 1 && !strstr(canned->request, "\r\n\r\n")) {
        ssize_t got = read(fd, canned->request + n, sizeof canned->request - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
        canned->request[n] = '\0';
    }
    size_t size = strlen(canned->answer);
    if (send(fd, canned->answer, size, MSG_NOSIGNAL) < 0)
        fprintf(stderr, "send failed\n");
    (void)shutdown(fd, SHUT_WR);
    (void)close(fd);
    return NULL;
}

struct sink { char text[256]; size_t size; };

static int take(void *context, const void *data, size_t size)
{
    struct sink *sink = context;
    assert_true(sink->size + size < sizeof sink->text);
    memcpy(sink->text + sink->size, data, size);
    sink->size += size;
    return 0;
}

static struct sink sink;
static char error[256], request[4096];

/* What the client makes of an answer to a GET of [from, to). */
static int get(const char *answer, uint64_t from, uint64_t to)
{
    struct canned canned = { .answer = answer };
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    struct http_client *client;
    pthread_t thread;
    char url[64];
    canned.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(canned.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(canned.listener, 1), 0);
    assert_int_equal(getsockname(canned.listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(pthread_create(&thread, NULL, serve_once, &canned), 0);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/x", ntohs(address.sin_port));
    memset(&sink, 0, sizeof sink);
    error[0] = '\0';
    assert_int_equal(http_client_new(&client), 0);
    int rc = http_client_get(client, url, "the-token", from, to, take, &sink, error);
    http_client_free(client);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)close(canned.listener);
    memcpy(request, canned.request, sizeof request);
    assert_true((rc < 0) == (error[0] != '\0'));
    return rc;
}

#define HEAD_206 "HTTP/1.1 206 Partial Content\r\nConnection: close\r\n"

static void a_good_range_arrives(void **state)
{
    (void)state;
    assert_int_equal(get(HEAD_206 "Content-Range: bytes 5-9/100\r\nContent-Length: 5\r\n\r\nhello", 5, 10), 0);
    assert_string_equal(sink.text, "hello");
    assert_non_null(strstr(request, "GET /x HTTP/1.1\r\n"));
    assert_non_null(strstr(request, "\r\nRange: bytes=5-9\r\n"));
    assert_non_null(strstr(request, "\r\nX-Tapeloop-Token: the-token\r\n"));
}

static void another_body_than_asked_for_never_arrives(void **state)
{
    (void)state;
    static const char *const answers[] = {
        HEAD_206 "Content-Range: bytes 0-4/100\r\nContent-Length: 5\r\n\r\nhello",                         /* another range */
        HEAD_206 "Content-Range: bytes 5-8/100\r\nContent-Length: 5\r\n\r\nhello",                         /* a shorter one */
        HEAD_206 "Content-Length: 5\r\n\r\nhello",                                                          /* which one? */
        HEAD_206 "Content-Range: lines 5-9/100\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",                           /* knows no ranges */
        "HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 5\r\n\r\nhello", /* not followed: the token is for one server */
        "HTTP/1.1 500 Oops\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", "nonsense\r\n\r\n", "",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        assert_int_equal(get(answers[i], 5, 10), -EIO);
        assert_int_equal(sink.size, 0);
    }
}

static void a_body_of_another_length_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(get(HEAD_206 "Content-Range: bytes 5-9/100\r\nContent-Length: 5\r\n\r\nhel", 5, 10), -EIO);
    assert_int_equal(get(HEAD_206 "Content-Range: bytes 5-9/100\r\n\r\nhel", 5, 10), -EIO);
    assert_string_equal(error, "3 bytes came where 5 were asked for");
    assert_int_equal(get(HEAD_206 "Content-Range: bytes 5-9/100\r\n\r\nhello and more", 5, 10), -EIO);
    assert_int_equal(get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 0, 0), -EIO); /* no last chunk */
    assert_int_equal(get("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\nhello", 0, 0), -EIO);
}

static void statuses_have_their_errors(void **state)
{
    (void)state;
    static const struct { const char *answer; int rc; } samples[] = {
        { "HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n", -EACCES }, { "HTTP/1.1 403 X\r\nContent-Length: 4\r\n\r\nnope", -EACCES }, { "HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n", -ENOENT },
        { "HTTP/1.1 410 X\r\nContent-Length: 0\r\n\r\n", -ENOENT }, { "HTTP/1.1 416 X\r\nContent-Length: 0\r\n\r\n", -ERANGE }, { "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n", -EIO },
        { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", -EIO /* a range was asked for */ },
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        assert_int_equal(get(samples[i].answer, 0, 10), samples[i].rc);
        assert_int_equal(sink.size, 0);
    }
}

static void a_silent_server_is_given_up(void **state)
{
    (void)state;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    struct http_client *client;
    char url[64];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* the kernel takes the connection, nobody answers */
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/x", ntohs(address.sin_port));
    assert_int_equal(http_client_new(&client), 0);
    http_client_set_stall(client, 1);
    assert_int_equal(http_client_get(client, url, NULL, 0, 0, take, &sink, error), -ETIMEDOUT);
    http_client_free(client);
    (void)close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_good_range_arrives), cmocka_unit_test(another_body_than_asked_for_never_arrives),
                                        cmocka_unit_test(a_body_of_another_length_is_an_error), cmocka_unit_test(statuses_have_their_errors), cmocka_unit_test(a_silent_server_is_given_up) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
