#include "services/capturer/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http/server.h"
#include "mem/cleanup.h"
#include "services/capturer/message.h"
#include "units/units.h"

#define PATH_PREFIX "/segments/"
#define INDEX_SUFFIX ".idx"

struct server {
    struct tape *tape;
    struct http_server *http;
    char node[SEGMENT_NODE_NAME_MAX + 1], address[SERVER_ADDRESS_MAX], key_path[4096];
    pthread_mutex_t lock;            /* keys */
    struct token_keys keys;
};

struct transfer { struct tape *tape; uint32_t lane; uint64_t sequence; };

static void end_transfer(void *context)
{
    struct transfer *transfer = context;
    tape_transfer_end(transfer->tape, transfer->lane, transfer->sequence);
    free(transfer);
}

static void refuse(struct http_answer *answer, int status, const char *text)
{
    answer->status = status;
    (void)snprintf(answer->text, sizeof answer->text, "%s\n", text);
}

static int parse_path(const char *path, uint32_t *ret_lane, uint64_t *ret_sequence, bool *ret_index)
{
    char name[SEGMENT_FILE_NAME_MAX + sizeof INDEX_SUFFIX];
    if (strncmp(path, PATH_PREFIX, strlen(PATH_PREFIX)) != 0 || (size_t)snprintf(name, sizeof name, "%s", path + strlen(PATH_PREFIX)) >= sizeof name)
        return -EBADMSG;
    size_t length = strlen(name), suffix = strlen(INDEX_SUFFIX);
    bool index = length > suffix && strcmp(name + length - suffix, INDEX_SUFFIX) == 0;
    if (index)
        name[length - suffix] = '\0';
    int r = name[0] == '.' ? -EBADMSG : segment_file_name_parse(name, ret_lane, ret_sequence);
    if (r == 0)
        *ret_index = index;
    return r;
}

static int check_token(struct server *server, const struct http_request *request, uint32_t lane, uint64_t sequence, uint64_t from, uint64_t to)
{
    char id[SEGMENT_ID_TEXT_MAX];
    message_segment_id(server->tape, server->node, lane, sequence, id);
    (void)pthread_mutex_lock(&server->lock);
    struct token_keys keys = server->keys;
    (void)pthread_mutex_unlock(&server->lock);
    int r = request->token ? token_check(&keys, request->token, server->node, id, from, to, units_now_wall_ns(), NULL) : -EACCES;
    explicit_bzero(&keys, sizeof keys);
    return r;
}

/* The file is open and charged as a transfer; 0 when the answer took it over. */
static int answer_range(struct server *server, const struct http_request *request, uint32_t lane, uint64_t sequence, int fd, uint64_t size, struct http_answer *answer)
{
    uint64_t from = request->has_range ? request->from : 0;
    uint64_t to = request->has_range && request->to < size ? request->to : size;
    if (from >= size || from >= to) {
        answer->total = size;
        refuse(answer, 416, "the file has no such bytes");
        return -ERANGE;
    }
    if (check_token(server, request, lane, sequence, from, to) < 0) {
        refuse(answer, 403, "the token is not for these bytes: pin again");
        return -EACCES;
    }
    struct transfer *transfer = malloc(sizeof *transfer);
    if (!transfer) {
        refuse(answer, 503, "out of memory: try again");
        return -ENOMEM;
    }
    *transfer = (struct transfer){ server->tape, lane, sequence };
    answer->status = request->has_range ? 206 : 200;
    answer->content_type = "application/octet-stream";
    answer->fd = fd;
    answer->offset = from;
    answer->size = to - from;
    answer->total = size;
    answer->released = end_transfer;
    answer->context = transfer;
    return 0;
}

static void handle(void *service, const struct http_request *request, struct http_answer *answer)
{
    struct server *server = service;
    uint32_t lane = 0;
    uint64_t sequence = 0, size = 0;
    bool index = false;
    int fd = -1;
    if (parse_path(request->path, &lane, &sequence, &index) < 0) {
        refuse(answer, 404, "segments are served at " PATH_PREFIX "<lane>-<sequence>.pcapng.lz4 and .idx behind it");
        return;
    }
    int r = check_token(server, request, lane, sequence, 0, 0); /* who holds none does not learn what is here */
    if (r < 0) {
        refuse(answer, 403, r == -ETIME ? "the token has expired: pin again" : "this needs the token that a pin handed out for this segment, in " TOKEN_HEADER);
        return;
    }
    r = tape_transfer_begin(server->tape, lane, sequence, index, &fd, &size);
    if (r < 0) {
        refuse(answer, r == -ENOENT ? 404 : 503, r == -ENOENT ? "the segment has been recycled" : "too many transfers: try again");
        return;
    }
    if (answer_range(server, request, lane, sequence, fd, size, answer) < 0) {
        (void)close(fd);
        tape_transfer_end(server->tape, lane, sequence);
    }
}

/* The own address that a packet to the rest of the world would have; nothing is sent. */
static bool find_routed(char *text, size_t cap)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0xC0000201) }; /* 192.0.2.1 (RFC 5737) */
    socklen_t size = sizeof address;
    mem_auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, size) == 0 && getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
           inet_ntop(AF_INET, &address.sin_addr, text, (socklen_t)cap);
}

static void find_address(char *text, size_t cap)
{
    if (find_routed(text, cap))
        return;
    struct ifaddrs *list = NULL;
    (void)snprintf(text, cap, "127.0.0.1");
    if (getifaddrs(&list) < 0)
        return;
    for (const struct ifaddrs *each = list; each; each = each->ifa_next)
        if (each->ifa_addr && each->ifa_addr->sa_family == AF_INET && !(each->ifa_flags & IFF_LOOPBACK) && (each->ifa_flags & IFF_UP)) {
            struct sockaddr_in address;
            memcpy(&address, each->ifa_addr, sizeof address);
            (void)inet_ntop(AF_INET, &address.sin_addr, text, (socklen_t)cap);
            break;
        }
    freeifaddrs(list);
}

/* "host:port", "[v6]:port", "host"; *ret_port stays where there is none. host has 256 bytes. */
static int split_address(const char *text, char *host, uint16_t *ret_port)
{
    const char *colon = strrchr(text, ':'), *bracket = strrchr(text, ']');
    bool has_port = colon && (!bracket || colon > bracket) && (bracket || strchr(text, ':') == colon);
    size_t length = has_port ? (size_t)(colon - text) : strlen(text);
    if (length >= 256)
        return -EINVAL;
    memcpy(host, text, length);
    host[length] = '\0';
    if (has_port) {
        char *end = NULL;
        unsigned long port = strtoul(colon + 1, &end, 10);
        if (!colon[1] || *end || port > UINT16_MAX)
            return -EINVAL;
        *ret_port = (uint16_t)port;
    }
    if (host[0] == '[' && length >= 2 && host[length - 1] == ']') {
        memmove(host, host + 1, length - 2);
        host[length - 2] = '\0';
    }
    return 0;
}

static int choose_address(struct server *server, const char *listened, const char *advertise)
{
    char host[256];
    uint16_t port = http_server_port(server->http);
    if (advertise && split_address(advertise, host, &port) < 0)
        return -EINVAL;
    if (!advertise && (!*listened || strcmp(listened, "0.0.0.0") == 0 || strcmp(listened, "::") == 0))
        find_address(host, sizeof host);
    else if (!advertise)
        (void)snprintf(host, sizeof host, "%s", listened);
    (void)snprintf(server->address, sizeof server->address, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
    return 0;
}

int server_start(struct tape *tape, const char *node, const char *folder, const char *listen, const char *advertise, struct server **ret, char *error)
{
    char host[256];
    uint16_t port = 0;
    if (split_address(listen, host, &port) < 0) {
        (void)snprintf(error, 256, "--listen %.200s is not HOST:PORT", listen);
        return -EINVAL;
    }
    struct server *server = calloc(1, sizeof *server);
    if (!server) {
        (void)snprintf(error, 256, "out of memory");
        return -ENOMEM;
    }
    server->tape = tape;
    (void)pthread_mutex_init(&server->lock, NULL);
    (void)snprintf(server->node, sizeof server->node, "%s", node);
    (void)snprintf(server->key_path, sizeof server->key_path, "%s/token.key", folder);
    int r = server_rotate_keys(server);
    if (r < 0)
        (void)snprintf(error, 256, "cannot use %.160s: %.60s", server->key_path, strerror(-r));
    if (r == 0) {
        r = http_server_start(host, port, SERVER_CONNECTIONS_MAX, false, handle, server, &server->http);
        if (r < 0)
            (void)snprintf(error, 256, "cannot listen on %.160s: %.60s", listen, strerror(-r));
    }
    if (r == 0) {
        r = choose_address(server, host, advertise);
        if (r < 0)
            (void)snprintf(error, 256, "--advertise %.200s is not HOST[:PORT]", advertise);
    }
    if (r < 0) {
        server_stop(server);
        return r;
    }
    *ret = server;
    return 0;
}

void server_stop(struct server *server)
{
    if (!server)
        return;
    http_server_stop(server->http);
    explicit_bzero(&server->keys, sizeof server->keys);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}

const char *server_address(const struct server *server)
{
    return server->address;
}

int server_rotate_keys(struct server *server)
{
    struct token_keys keys;
    int r = token_keys_load(server->key_path, units_now_wall_ns(), SERVER_KEY_ROTATE_S, &keys);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&server->lock);
    server->keys = keys;
    (void)pthread_mutex_unlock(&server->lock);
    explicit_bzero(&keys, sizeof keys);
    return 0;
}

int server_make_token(struct server *server, const struct tape_segment *segment, const char *lease, int64_t expires_ns, char *text)
{
    char id[SEGMENT_ID_TEXT_MAX];
    message_segment_id(server->tape, server->node, segment->lane, segment->sequence, id);
    const struct token token = { .node = server->node, .object = id, .lease = lease, .from = 0, .expires_ns = expires_ns,
                                 .to = segment->size > segment->index_size ? segment->size : segment->index_size };
    (void)pthread_mutex_lock(&server->lock);
    int r = token_make(&server->keys, &token, text);
    (void)pthread_mutex_unlock(&server->lock);
    return r;
}

void server_make_url(const struct server *server, uint32_t lane, uint64_t sequence, char *text)
{
    char name[SEGMENT_FILE_NAME_MAX];
    segment_file_name(lane, sequence, name);
    (void)snprintf(text, SERVER_URL_MAX, "http://%s" PATH_PREFIX "%s", server->address, name);
}
