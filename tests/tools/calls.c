/* Writes a capture of calls between many clients and servers, from a seed: HTTP/1.1 over kept-alive connections, DNS queries, or both with connections that carry neither. For benchmarks and for tests of scale.
 *
 *   calls KIND CALLS SEED FILE      KIND: http, dns, mixed
 *
 * HTTP: a request of twelve headers and a response of eight with a small JSON body, a packet each (some bodies take several); 50 calls a connection, a thousand connections at a time. DNS: a query and its answer.
 * The same arguments give the same bytes. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bytes/put.h"
#include "capfile/pcap_classic.h"

#define START_NS INT64_C(1767225600000000000)
#define STEP_NS 10000 /* between packets */
#define CONNECTIONS 1000u
#define CALLS_OF_CONNECTION 50u
#define SEGMENT_MAX 1448u

struct connection { uint32_t client, server, seq[2], calls; uint16_t port; uint8_t kind; };
static FILE *out;
static int64_t now_ns = START_NS;
static uint64_t seed;
static uint64_t packets;

static uint32_t roll(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

static uint8_t *put_be16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

static uint8_t *put_be32(uint8_t *p, uint32_t v) { return put_be16(put_be16(p, v >> 16), v & 0xffff); }

/* Ethernet and IPv4; checksums are left 0, as a network card that fills them in sends them. */
static uint8_t *put_ip(uint8_t *p, uint32_t from, uint32_t to, uint8_t protocol, uint32_t payload)
{
    static const uint8_t ethernet[14] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0 };
    memcpy(p, ethernet, sizeof ethernet);
    p += sizeof ethernet;
    *p++ = 0x45;
    *p++ = 0;
    p = put_be16(p, 20 + payload);
    p = put_be32(p, 0x4000);
    *p++ = 64;
    *p++ = protocol;
    p = put_be16(p, 0);
    return put_be32(put_be32(p, from), to);
}

static void write_packet(const uint8_t *head, size_t head_size, const void *payload, size_t size)
{
    uint8_t record[PCAP_CLASSIC_PACKET_BYTES];
    uint32_t length = (uint32_t)(head_size + size);
    pcap_classic_put_packet(record, now_ns, length, length);
    now_ns += STEP_NS;
    packets++;
    if (fwrite(record, sizeof record, 1, out) != 1 || fwrite(head, head_size, 1, out) != 1 || (size && fwrite(payload, size, 1, out) != 1)) {
        perror("calls: cannot write");
        exit(1);
    }
}

static void tcp(struct connection *c, unsigned from_server, uint8_t flags, const void *payload, size_t size)
{
    uint8_t head[64], *p = head;
    uint32_t from = from_server ? c->server : c->client, to = from_server ? c->client : c->server;
    uint16_t port = c->kind == 2 ? 9999 : 8080;
    p = put_ip(p, from, to, 6, (uint32_t)(20 + size));
    p = put_be16(put_be16(p, from_server ? port : c->port), from_server ? c->port : port);
    p = put_be32(put_be32(p, c->seq[from_server]), flags == 2 ? 0 : c->seq[!from_server]);
    *p++ = 0x50;
    *p++ = flags;
    p = put_be32(put_be16(p, 501), 0);
    write_packet(head, (size_t)(p - head), payload, size);
    c->seq[from_server] += (uint32_t)size + ((flags & 3) != 0);
}

static void tcp_data(struct connection *c, unsigned from_server, const char *data, size_t size)
{
    for (size_t at = 0; at < size; at += SEGMENT_MAX)
        tcp(c, from_server, 24, data + at, size - at < SEGMENT_MAX ? size - at : SEGMENT_MAX);
}

static void begin(struct connection *c, uint64_t number, uint8_t kind)
{
    *c = (struct connection){ .client = 0x0a000100u + (uint32_t)(number % 200), .server = 0x0a010001u + (uint32_t)(number % 31), .port = (uint16_t)(20000 + number % 40000), .kind = kind };
    c->seq[0] = roll(UINT32_MAX);
    c->seq[1] = roll(UINT32_MAX);
    tcp(c, 0, 2, NULL, 0);
    tcp(c, 1, 18, NULL, 0);
    tcp(c, 0, 16, NULL, 0);
}

static void end(struct connection *c)
{
    tcp(c, 0, 17, NULL, 0);
    tcp(c, 1, 17, NULL, 0);
    tcp(c, 0, 16, NULL, 0);
}

static void http_call(struct connection *c)
{
    static const char *const methods[] = { "GET", "GET", "GET", "GET", "POST", "PUT", "DELETE" };
    static const char *const things[] = { "orders", "users", "carts", "items", "payments", "sessions", "reviews", "stock" };
    static const struct { unsigned code; const char *reason; } statuses[] = { { 200, "OK" }, { 200, "OK" }, { 200, "OK" }, { 201, "Created" }, { 304, "Not Modified" }, { 404, "Not Found" }, { 500, "Internal Server Error" } };
    char text[8192], body[4096];
    const char *method = methods[roll(7)];
    unsigned status = roll(100) < 90 ? roll(4) : 4 + roll(3);
    int n = method[0] == 'P' ? snprintf(body, sizeof body, "{\"quantity\":%u,\"note\":\"leave it at the door, please\"}", roll(100)) : 0;
    int size = snprintf(text, sizeof text,
                        "%s /api/v1/%s/%u?page=%u&sort=name HTTP/1.1\r\nHost: %s.shop.svc.cluster.local:8080\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: application/json\r\n"
                        "Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\nConnection: keep-alive\r\nX-Request-Id: %08x-%04x-4%03x-%08x\r\nX-Forwarded-For: 192.0.2.%u\r\n"
                        "X-B3-TraceId: %08x%08x\r\nCookie: session=%08x; theme=dark\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%.*s",
                        method, things[roll(8)], roll(1000000), roll(50), things[roll(8)], roll(UINT32_MAX), roll(65536), roll(4096), roll(UINT32_MAX), roll(256), roll(UINT32_MAX), roll(UINT32_MAX), roll(UINT32_MAX),
                        n, n, body);
    tcp_data(c, 0, text, (size_t)size);
    n = statuses[status].code == 304 ? 0 : snprintf(body, sizeof body, "{\"id\":%u,\"name\":\"a thing of the shop\",\"price\":%u.%02u,\"tags\":[\"new\",\"sale\"]%.*s}", roll(1000000), roll(500), roll(100),
                                                     (int)(roll(20) == 0 ? 2000 : roll(120)), "                                                                                                                        ");
    size = snprintf(text, sizeof text,
                    "HTTP/1.1 %u %s\r\nServer: nginx/1.22.1\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\n%s%d%sConnection: keep-alive\r\nCache-Control: no-cache\r\n"
                    "X-Request-Id: %08x\r\nVary: Accept-Encoding\r\nX-Frame-Options: DENY\r\n\r\n%.*s",
                    statuses[status].code, statuses[status].reason, "Content-Length: ", n, "\r\n", roll(UINT32_MAX), n, body);
    tcp_data(c, 1, text, (size_t)size);
}

static void udp(uint32_t from, uint32_t to, uint16_t from_port, uint16_t to_port, const uint8_t *payload, size_t size)
{
    uint8_t head[64], *p = put_ip(head, from, to, 17, (uint32_t)(8 + size));
    p = put_be16(put_be16(put_be16(put_be16(p, from_port), to_port), (uint32_t)(8 + size)), 0);
    write_packet(head, (size_t)(p - head), payload, size);
}

static size_t dns_name(uint8_t *p, uint32_t number)
{
    char host[24];
    int n = snprintf(host, sizeof host, "host-%u", number);
    size_t at = 0;
    const char *const labels[] = { host, "shop", "svc", "cluster", "local" };
    for (unsigned i = 0; i < 5; i++) {
        size_t size = i ? strlen(labels[i]) : (size_t)n;
        p[at++] = (uint8_t)size;
        memcpy(p + at, labels[i], size);
        at += size;
    }
    p[at++] = 0;
    return at;
}

static void dns_call(uint64_t number)
{
    uint8_t query[128], answer[192];
    uint32_t host = roll(5000), client = 0x0a000100u + (uint32_t)(number % 200), server = 0x0a020001u;
    uint16_t port = (uint16_t)(20000 + number % 40000), id = (uint16_t)roll(65536);
    uint8_t *p = put_be32(put_be16(put_be16(put_be16(put_be16(query, id), 0x0100), 1), 0), 0);
    p += dns_name(p, host);
    p = put_be16(put_be16(p, 1), 1);
    size_t size = (size_t)(p - query);
    udp(client, server, port, 53, query, size);
    memcpy(answer, query, size);
    bool found = roll(20) != 0;
    put_be16(answer + 2, found ? 0x8180 : 0x8183);
    put_be16(answer + 6, found);
    p = answer + size;
    if (found)
        p = put_be32(put_be16(put_be32(put_be16(put_be16(put_be16(p, 0xc00c), 1), 1), 30), 4), 0x0a030000u + host);
    udp(server, client, 53, port, answer, (size_t)(p - answer));
}

/* Something of nobody's protocol. */
static void other_call(struct connection *c)
{
    char data[SEGMENT_MAX];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)roll(256);
    tcp_data(c, roll(2), data, 200 + roll(1200));
}

int main(int argc, char **argv)
{
    if (argc != 5 || (strcmp(argv[1], "http") && strcmp(argv[1], "dns") && strcmp(argv[1], "mixed"))) {
        fprintf(stderr, "calls: usage: calls http|dns|mixed CALLS SEED FILE\n");
        return 2;
    }
    uint64_t calls = strtoull(argv[2], NULL, 10), opened = 0;
    bool http = argv[1][0] == 'h', dns = argv[1][0] == 'd';
    static struct connection connections[CONNECTIONS];
    static bool open[CONNECTIONS];
    uint8_t header[PCAP_CLASSIC_HEADER_BYTES];
    seed = strtoull(argv[3], NULL, 10);
    out = fopen(argv[4], "w");
    if (!out || fwrite(header, pcap_classic_put_header(header, 1, 262144), 1, out) != 1) {
        perror("calls: cannot write");
        return 1;
    }
    for (uint64_t i = 0; i < calls; i++) {
        uint32_t what = http ? 0 : dns ? 1 : roll(3);
        if (what == 1) {
            dns_call(i);
            continue;
        }
        uint32_t at = roll(CONNECTIONS / 2) * 2 + (what == 2);
        struct connection *c = &connections[at];
        if (!open[at])
            begin(c, opened++, (uint8_t)what);
        open[at] = true;
        if (what == 0)
            http_call(c);
        else
            other_call(c);
        if (++c->calls == CALLS_OF_CONNECTION) {
            end(c);
            open[at] = false;
        }
    }
    for (uint32_t i = 0; i < CONNECTIONS; i++)
        if (open[i])
            end(&connections[i]);
    if (fclose(out) != 0) {
        perror("calls: cannot write");
        return 1;
    }
    printf("%" PRIu64 " packets, %" PRIu64 " calls\n", packets, calls);
    return 0;
}
