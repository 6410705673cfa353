/* A real nats-server for a test: on a free loopback port, with JetStream in a temporary folder, stopped and removed at the end.
 *
 * NATS_SERVER names another binary (as the runner does to try the newest server). Include it once in each test program. */
#ifndef SUPPORT_NATS_SERVER_H
#define SUPPORT_NATS_SERVER_H
#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct nats_server { pid_t pid; uint16_t port; char folder[64], url[64]; const char *extra; /* lines for the configuration file */ };

static inline void support_sleep_ms(long ms)
{
    const struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
    (void)nanosleep(&time, NULL);
}

/* Tries until condition holds; a test that waits longer than this has failed. */
#define SUPPORT_WAIT_MS 30000
#define support_wait(condition)                                                        \
    do {                                                                               \
        long waited_ = 0;                                                              \
        while (!(condition) && waited_ < SUPPORT_WAIT_MS) {                            \
            support_sleep_ms(20);                                                      \
            waited_ += 20;                                                             \
        }                                                                              \
        if (waited_ >= SUPPORT_WAIT_MS) {                                              \
            (void)fprintf(stderr, "%s:%d: never true: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                   \
        }                                                                              \
    } while (0)

/* Below those that the kernel gives to connections (32768 on), or one of them could take it while its server is down; and from a place of this process's own, for tests that run beside this one. */
#define SUPPORT_PORT_FIRST 16384
#define SUPPORT_PORTS 16384
static inline uint16_t support_free_port(void)
{
    static unsigned tried;
    for (unsigned i = 0; i < SUPPORT_PORTS; i++) {
        uint16_t port = (uint16_t)(SUPPORT_PORT_FIRST + ((unsigned)getpid() * 8 + tried++) % SUPPORT_PORTS);
        const struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool is_free = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
        (void)close(fd);
        if (is_free)
            return port;
    }
    abort();
}

static inline bool nats_server_answers(const struct nats_server *server)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(server->port) };
    bool answers = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    (void)close(fd);
    return answers;
}

/* Starts (again) on the same port and folder. */
static inline void nats_server_run(struct nats_server *server)
{
    const char *binary = getenv("NATS_SERVER");
    char config[96], log[96];
    (void)snprintf(config, sizeof config, "%s/nats.conf", server->folder);
    (void)snprintf(log, sizeof log, "%s/nats.log", server->folder);
    FILE *file = fopen(config, "we");
    if (!file)
        abort();
    (void)fprintf(file, "listen: \"127.0.0.1:%u\"\njetstream { store_dir: \"%s/js\" }\nlog_file: \"%s\"\n%s\n", server->port, server->folder, log,
                  server->extra ? server->extra : "");
    (void)fclose(file);
    server->pid = fork();
    if (server->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execlp(binary ? binary : "nats-server", "nats-server", "-c", config, (char *)NULL);
        _exit(127);
    }
    support_wait(nats_server_answers(server));
}

static inline void nats_server_start(struct nats_server *server, const char *extra)
{
    memset(server, 0, sizeof *server);
    (void)snprintf(server->folder, sizeof server->folder, "/tmp/tapeloop-nats-XXXXXX");
    if (!mkdtemp(server->folder))
        abort();
    server->port = support_free_port();
    server->extra = extra;
    (void)snprintf(server->url, sizeof server->url, "nats://127.0.0.1:%u", server->port);
    nats_server_run(server);
}

static inline void nats_server_kill(struct nats_server *server, int signal_number)
{
    if (server->pid > 0) {
        (void)kill(server->pid, signal_number);
        (void)waitpid(server->pid, NULL, 0);
    }
    server->pid = 0;
}

static inline int support_remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static inline void support_remove_folder(const char *path)
{
    (void)nftw(path, support_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The operator wipes JetStream's files. The server is down meanwhile. */
static inline void nats_server_wipe(struct nats_server *server)
{
    char js[96];
    (void)snprintf(js, sizeof js, "%s/js", server->folder);
    support_remove_folder(js);
}

static inline void nats_server_stop(struct nats_server *server)
{
    nats_server_kill(server, SIGKILL);
    support_remove_folder(server->folder);
}
#endif
