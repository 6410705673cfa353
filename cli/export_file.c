#include "cli/export_file.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/progress.h"
#include "http/client.h"
#include "mem/cleanup.h"
#include "units/units.h"

/* Where the bytes go. */
struct sink {
    const char *path;       /* NULL: standard output */
    char *part;             /* path + ".part" */
    int fd;
    uint64_t bytes;
    int64_t began_ns;
    struct progress_line line;
};

static int write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static int take_bytes(void *context, const void *data, size_t size)
{
    struct sink *sink = context;
    int rc = write_all(sink->fd, data, size);
    sink->bytes += size;
    progress_line_bytes(&sink->line, "exported", sink->bytes, units_now_mono_ns() - sink->began_ns);
    return rc;
}

static int open_sink(const struct cli_options *options, const char *output, struct sink *sink)
{
    bool to_stdout = strcmp(output, "-") == 0;
    *sink = (struct sink){ .path = to_stdout ? NULL : output, .fd = STDOUT_FILENO, .began_ns = units_now_mono_ns(),
                           .line = { .out = stderr, .shown = !options->json && isatty(STDERR_FILENO) } };
    if (to_stdout)
        return isatty(STDOUT_FILENO) ? cli_misuse(options, "a capture is not written to a terminal: name a file with --output, or pipe it into tshark -r -") : 0;
    struct stat there;
    if (stat(output, &there) == 0 && !S_ISREG(there.st_mode)) { /* /dev/null, a pipe: nothing to rename */
        sink->fd = open(output, O_WRONLY | O_CLOEXEC);
        sink->path = NULL;
        return sink->fd < 0 ? cli_fail(options, "invalid", "%s: %s", output, strerror(errno)) : 0;
    }
    if (asprintf(&sink->part, "%s.part", output) < 0) {
        sink->part = NULL;
        return cli_fail(options, "internal", "out of memory");
    }
    sink->fd = open(sink->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    return sink->fd < 0 ? cli_fail(options, "invalid", "%s: %s", sink->part, strerror(errno)) : 0;
}

/* Ends the file: in its place when all went well, gone otherwise. rc is passed on unless the end itself fails. */
static int close_sink(struct sink *sink, int rc)
{
    progress_line_clear(&sink->line);
    if (sink->part && sink->fd >= 0 && rc == 0 && fsync(sink->fd) < 0) /* its name shall not stand for a file that a loss of power has cut */
        rc = -errno;
    if (sink->fd >= 0 && sink->fd != STDOUT_FILENO && close(sink->fd) < 0 && rc == 0)
        rc = -errno;
    if (sink->part && sink->fd >= 0) {
        if (rc == 0 && rename(sink->part, sink->path) < 0)
            rc = -errno;
        if (rc < 0)
            (void)unlink(sink->part);
    }
    free(mem_take(sink->part));
    return rc;
}

/* The address of the download, or the reason why there is none. */
static int ask_export(const struct cli_options *options, const Tapeloop__V1__ExportRequest *request, Tapeloop__V1__ExportReply **ret)
{
    cli_bus_auto struct bus *bus = NULL;
    if (cli_connect(options, &bus) != 0)
        return CLI_FAILED;
    return cli_ask(options, bus, "snapshot.export", &request->base, &tapeloop__v1__export_reply__descriptor, CLI_ASK_TIMEOUT_MS, ret);
}

static int download(const struct cli_options *options, const char *name, const char *output, const Tapeloop__V1__ExportReply *reply, struct sink *sink)
{
    struct http_client *client = NULL;
    char error[256] = "";
    int rc = http_client_new(&client);
    if (rc == 0) {
        http_client_set_stall(client, 0); /* a filter may find nothing for minutes, and whoever reads our output may pause */
        rc = http_client_get(client, reply->url, *reply->token ? reply->token : NULL, 0, 0, take_bytes, sink, error);
    }
    http_client_free(client);
    if (rc == -EPIPE && sink->fd == STDOUT_FILENO)
        return 0; /* the reader has seen enough */
    int closed = close_sink(sink, rc);
    if (rc < 0)
        return cli_fail(options, rc == -EACCES ? "conflict" : "unavailable", "the export of %s broke off after %" PRIu64 " bytes: %s (from %s)%s", name, sink->bytes, *error ? error : strerror(-rc),
                        reply->url, sink->path ? "; nothing was left behind" : "");
    return closed < 0 ? cli_fail(options, "internal", "%s: %s", output, strerror(-closed)) : 0;
}

int export_file(const struct cli_options *options, const Tapeloop__V1__ExportRequest *request, const char *output, uint64_t *ret_bytes)
{
    wire_auto Tapeloop__V1__ExportReply *reply = NULL;
    struct sink sink;
    if (ask_export(options, request, &reply) != 0)
        return CLI_FAILED;
    int rc = open_sink(options, output, &sink);
    if (rc == 0)
        rc = download(options, request->name, output, reply, &sink);
    else
        (void)close_sink(&sink, -ECANCELED);
    if (rc == 0 && ret_bytes)
        *ret_bytes = sink.bytes;
    return rc;
}
