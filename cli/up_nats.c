/* The nats-server of `tapeloop up`. See up_nats.h. Its configuration: docs.nats.io, "Server configuration" and "JetStream". */
#include "cli/up_nats.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/up_child.h"
#include "json/json.h"
#include "mem/cleanup.h"

#define LOG_TAIL_BYTES 2048
/* The streams of proto/streams.json may hold 768 MiB; the limit only has to lie above, and must not depend on how full the disk is when the server starts. */
#define STORE_LIMIT "4GB"

static int resolve(const char *host, uint16_t port, struct addrinfo **ret)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
    char service[8];
    (void)snprintf(service, sizeof service, "%u", port);
    return getaddrinfo(host, service, &hints, ret) == 0 ? 0 : -EINVAL;
}

int up_nats_claim_port(const char *host, uint16_t port, uint16_t *ret_port)
{
    struct addrinfo *address;
    int rc = resolve(host, port, &address), one = 1;
    if (rc < 0)
        return rc;
    mem_auto_close int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    /* A port whose last connections are still fading is free to a server. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 || bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, 1) < 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &length) < 0)
        rc = -errno;
    freeaddrinfo(address);
    if (rc == 0)
        *ret_port = ntohs(bound.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&bound)->sin6_port : ((const struct sockaddr_in *)&bound)->sin_port);
    return rc;
}

void up_nats_address(const char *host, uint16_t port, char *address, size_t cap)
{
    (void)snprintf(address, cap, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
}

void up_nats_url(const char *host, uint16_t port, char *url, size_t cap)
{
    char address[NATS_HOST_MAX + 16];
    const char *reachable = strcmp(host, "0.0.0.0") == 0 ? "127.0.0.1" : strcmp(host, "::") == 0 ? "::1" : host;
    up_nats_address(reachable, port, address, sizeof address);
    (void)snprintf(url, cap, "nats://%s", address);
}

/* A text between double quotes in nats-server's configuration language; -EINVAL where it would need more than \" and \\. */
static int put_quoted(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20)
            return -EINVAL;
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputs("\"\n", out);
    return 0;
}

int up_nats_configure(const char *folder, const char *host, uint16_t port)
{
    char address[NATS_HOST_MAX + 16], path[CHILD_PATH_MAX], log[CHILD_PATH_MAX], machine[64] = "machine";
    mem_auto_free char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return -ENOMEM;
    up_nats_address(host, port, address, sizeof address);
    (void)gethostname(machine, sizeof machine - 1);
    (void)snprintf(log, sizeof log, "%s/server.log", folder);
    fprintf(out, "# Written by tapeloop up at each start.\nserver_name: \"tapeloop-%s-%u\"\nlisten: \"%s\"\nlogfile_size_limit: 16MB\nlog_file: ", machine, port, address);
    int rc = put_quoted(log, out);
    fputs("jetstream {\n  max_memory_store: 64MB\n  max_file_store: " STORE_LIMIT "\n  store_dir: ", out);
    if (rc == 0)
        rc = put_quoted(folder, out);
    fputs("}\n", out);
    if (fclose(out) != 0 && rc == 0)
        rc = -ENOMEM;
    (void)snprintf(path, sizeof path, "%s/nats.conf", folder);
    return rc == 0 ? json_write_text(path, text, size, 0600) : rc;
}

void up_nats_show_log(const char *folder, FILE *out)
{
    char path[CHILD_PATH_MAX], tail[LOG_TAIL_BYTES];
    (void)snprintf(path, sizeof path, "%s/server.log", folder);
    mem_auto_fclose FILE *log = fopen(path, "re");
    if (!log || (fseek(log, -(long)sizeof tail, SEEK_END) < 0 && fseek(log, 0, SEEK_SET) < 0))
        return;
    size_t size = fread(tail, 1, sizeof tail, log), begin = 0;
    if (size == sizeof tail) { /* not in the middle of a line */
        const char *newline = memchr(tail, '\n', size);
        begin = newline ? (size_t)(newline - tail) + 1 : 0;
    }
    fprintf(out, "tapeloop: the end of %s:\n%.*s", path, (int)(size - begin), tail + begin);
}
