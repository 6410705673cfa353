/* A real TCP connection with much to say, for super-packets.
 *   tcp_bulk listen PORT             prints "listening", takes one connection, reads it to the end, prints the bytes read
 *   tcp_bulk send ADDRESS PORT BYTES */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM (4 * 1024 * 1024) /* large enough for a full BIG TCP packet in one call */

static int fail(const char *what)
{
    fprintf(stderr, "tcp_bulk: %s: %s\n", what, strerror(errno));
    return 1;
}

static int bulk_listen(const char *port, char *room)
{
    struct addrinfo hints = { .ai_family = AF_INET6, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *address = NULL;
    if (getaddrinfo(NULL, port, &hints, &address))
        return fail("getaddrinfo");
    int fd = socket(address->ai_family, SOCK_STREAM, 0), on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) || bind(fd, address->ai_addr, address->ai_addrlen) || listen(fd, 1))
        return fail("listen");
    freeaddrinfo(address);
    puts("listening");
    fflush(stdout);
    int peer = accept(fd, NULL, NULL);
    if (peer < 0)
        return fail("accept");
    long long total = 0;
    for (ssize_t n; (n = read(peer, room, ROOM)) > 0;)
        total += n;
    printf("%lld\n", total);
    close(peer);
    close(fd);
    return 0;
}

static int bulk_send(const char *host, const char *port, long long bytes, char *room)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *address = NULL;
    if (getaddrinfo(host, port, &hints, &address))
        return fail(host);
    int fd = socket(address->ai_family, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, address->ai_addr, address->ai_addrlen))
        return fail("connect");
    freeaddrinfo(address);
    for (int i = 0; i < ROOM; i++)
        room[i] = (char)(i * 2654435761u >> 24);
    while (bytes > 0) {
        ssize_t n = write(fd, room, bytes < ROOM ? (size_t)bytes : ROOM);
        if (n < 0)
            return fail("write");
        bytes -= n;
    }
    close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    char *room = malloc(ROOM);
    int result = 2;
    if (!room)
        return fail("memory");
    if (argc == 3 && strcmp(argv[1], "listen") == 0)
        result = bulk_listen(argv[2], room);
    else if (argc == 5 && strcmp(argv[1], "send") == 0)
        result = bulk_send(argv[2], argv[3], strtoll(argv[4], NULL, 10), room);
    else
        fputs("usage: tcp_bulk listen PORT | tcp_bulk send ADDRESS PORT BYTES\n", stderr);
    free(room);
    return result;
}
