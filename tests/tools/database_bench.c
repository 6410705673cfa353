/* What the outputs cost: calls made from a seed, into NDJSON and into a database with its indexes, as fast as they take them.
 *
 *   database_bench [--entries N] [--folder DIR] [--seed N] [--paths N] [--peers N] [--format ndjson|sqlite] [--dns PERCENT] [--keep]
 *
 * The calls are HTTP: 12 request headers, 8 response headers, a path of 1,000 (or --paths), a small JSON body, from one of 256 (or --peers) clients to one of 16 servers; --dns makes some of them DNS. Some columns hang together:
 * clients of namespace-1 have paths below /api/v2 and all others below /api/v1, and status 409 comes from pod-200 alone and only in the second half. One line of JSON for each form: entries, bytes of output, CPU and wall seconds, entries per second (of CPU), us per entry; the making of
 * the entries is measured alone first and taken off. */
#include <getopt.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "services/dissector/database/digest.h"
#include "services/dissector/protocols/dns/dns_fields.h"
#include "services/dissector/protocols/http/http_fields.h"
#include "tests/support/entry_maker.h"

#define PEERS 256u
#define SERVERS 16u
struct bench { uint64_t entries, seed; uint32_t paths, peers, dns; const char *folder, *format; bool keep; };
struct generator { struct entry_maker maker; uint64_t state; struct peer *peers; char (*texts)[4][40]; const struct protocol *http, *dns; uint8_t http_number, dns_number; uint64_t entries; uint32_t paths, peers_count, dns_percent; };

static uint64_t next(struct generator *g)
{
    g->state ^= g->state << 13;
    g->state ^= g->state >> 7;
    g->state ^= g->state << 17;
    return g->state;
}

static void generator_open(struct generator *g, const struct bench *bench)
{
    *g = (struct generator){ .state = bench->seed, .entries = bench->entries, .paths = bench->paths, .peers_count = bench->peers, .dns_percent = bench->dns };
    g->peers = calloc(bench->peers, sizeof *g->peers);
    g->texts = calloc(bench->peers, sizeof *g->texts);
    if (!g->peers || !g->texts)
        abort();
    g->http = protocol_find("HTTP", 4);
    g->dns = protocol_find("DNS", 3);
    g->http_number = (uint8_t)protocol_number(g->http);
    g->dns_number = (uint8_t)protocol_number(g->dns);
    for (uint32_t i = 0; i < bench->peers; i++) {
        snprintf(g->texts[i][0], 40, "10.%u.%u.%u", 1 + i / 4096, i / 16 % 256, i % 16);
        snprintf(g->texts[i][1], 40, "pod-%u-7d4b9c", i);
        snprintf(g->texts[i][2], 40, "namespace-%u", i % 20);
        snprintf(g->texts[i][3], 40, "service-%u", i / 4);
        g->peers[i] = (struct peer){ i + 1, g->texts[i][0], g->texts[i][1], g->texts[i][2], g->texts[i][1], g->texts[i][2], g->texts[i][3], g->texts[i][2], "", "" };
    }
}

static void generator_close(struct generator *g)
{
    maker_free(&g->maker);
    free(g->peers);
    free(g->texts);
}

static void put_values(struct entry_maker *m, uint64_t random, uint32_t paths, const char *below)
{
    static const char *const request[] = { "accept", "application/json, text/plain, */*", "accept-encoding", "gzip, deflate, br", "accept-language", "en-GB,en;q=0.9", "authorization", "Bearer [redacted]",
                                           "cache-control", "no-cache", "connection", "keep-alive", "content-length", "61", "content-type", "application/json", "host", "shop.example.internal:8080",
                                           "user-agent", "okhttp/4.12.0", "x-forwarded-for", "192.0.2.61, 198.51.100.7", "x-request-id", "6f1d24b2-90f3-4c0f-9d52-31f2d3fd8a11" };
    static const char *const response[] = { "cache-control", "private, max-age=0", "connection", "keep-alive", "content-length", "88", "content-type", "application/json; charset=utf-8", "date", "Tue, 14 Nov 2023 22:13:20 GMT",
                                            "server", "nginx/1.22.1", "vary", "accept-encoding", "x-request-id", "6f1d24b2-90f3-4c0f-9d52-31f2d3fd8a11" };
    static const char *const parameters[] = { "page", "2", "sort", "price" };
    static const char body[] = "{\"article\":\"4711\",\"amount\":2,\"note\":\"please, before \\\"noon\\\"\"}", answer[] = "{\"order\":\"8f14e45f\",\"state\":\"accepted\",\"lines\":[{\"article\":\"4711\",\"amount\":2}]}";
    char path[64], url[96];
    int path_size = snprintf(path, sizeof path, "%s/orders/%u", below, (uint32_t)(random % paths)), url_size = snprintf(url, sizeof url, "%s?page=2&sort=price", path);
    maker_string(m, HTTP_METHOD, random & 3 ? "GET" : "POST");
    maker_text(m, HTTP_URL, url, (size_t)url_size);
    maker_text(m, HTTP_PATH, path, (size_t)path_size);
    maker_string(m, HTTP_HOST, "shop.example.internal:8080");
    maker_string(m, HTTP_QUERY, "page=2&sort=price");
    maker_texts(m, HTTP_QUERY_STRING, parameters, 4);
    maker_string(m, HTTP_VERSION, "1.1");
    maker_texts(m, HTTP_REQUEST_HEADERS, request, 24);
    maker_int(m, HTTP_REQUEST_HEADERS_SIZE, 412);
    maker_text(m, HTTP_REQUEST_BODY, body, sizeof body - 1);
    maker_int(m, HTTP_REQUEST_BODY_SIZE, sizeof body - 1);
    maker_texts(m, HTTP_RESPONSE_HEADERS, response, 16);
    maker_int(m, HTTP_RESPONSE_HEADERS_SIZE, 266);
    maker_text(m, HTTP_RESPONSE_BODY, answer, sizeof answer - 1);
    maker_int(m, HTTP_RESPONSE_BODY_SIZE, sizeof answer - 1);
    maker_summary(m, url, (size_t)url_size);
}

static void put_dns_values(struct entry_maker *m, uint64_t random)
{
    char name[64];
    snprintf(name, sizeof name, "service-%u.shop.svc.cluster.local", (uint32_t)(random % 64));
    maker_int(m, DNS_ID, (int64_t)(random & 65535));
    maker_texts(m, DNS_QUESTIONS, (const char *const[]){ name }, 1);
    maker_texts(m, DNS_QUESTION_TYPES, (const char *const[]){ "A" }, 1);
    maker_texts(m, DNS_ANSWERS, (const char *const[]){ "10.1.2.3" }, 1);
    maker_summary(m, name, strlen(name));
}

static const struct entry *generate(struct generator *g, uint64_t id)
{
    uint64_t random = next(g);
    struct entry_maker *m = &g->maker;
    bool dns = (random >> 4 & 127) * 100 / 128 < g->dns_percent;
    maker_begin(m, dns ? g->dns : g->http, dns ? g->dns_number : g->http_number, id);
    m->head.timestamp_ns = INT64_C(1700000000000000000) + (int64_t)(id * 12345);
    m->head.elapsed_ns = 1000000 + (int64_t)(random >> 20 & 0xffffff);
    m->head.duration_ns = m->head.elapsed_ns + 30000;
    uint32_t source = (uint32_t)(random >> 40) % g->peers_count;
    m->head.status = dns ? 0 : source == 200 && id > g->entries / 2 ? 409 : random >> 50 & 31 ? 200 : 503;
    m->head.flags = RECORD_HAS_REQUEST | RECORD_HAS_RESPONSE;
    m->head.request_at = (struct place){ 0, (uint32_t)id * 2 };
    m->head.response_at = (struct place){ 0, (uint32_t)id * 2 + 1 };
    m->head.tuple.source_port = (uint16_t)(32768 + (random >> 30 & 0x3fff));
    m->head.tuple.destination_port = dns ? 53 : 8080;
    if (dns)
        put_dns_values(m, random >> 8 & 0xffffff);
    else
        put_values(m, random >> 8 & 0xffffff, g->paths, source % 20 == 1 ? "/api/v2" : "/api/v1");
    const struct entry *entry = maker_end(m);
    m->entry.connection = id / 8 + 1;
    m->entry.source = &g->peers[source];
    m->entry.destination = &g->peers[(random >> 48) % SERVERS];
    m->entry.node = "worker-1.example";
    m->entry.request_segment = m->entry.response_segment = "worker-1.example/8a1c5f0be2d97364/0/17";
    return entry;
}

static double seconds_of(const struct timespec *t) { return (double)t->tv_sec + (double)t->tv_nsec / 1e9; }
static double clock_now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return seconds_of(&t);
}

static double making_costs(const struct bench *bench)
{
    struct generator g;
    generator_open(&g, bench);
    double start = clock_now(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t sum = 0;
    for (uint64_t id = 1; id <= bench->entries; id++)
        sum += generate(&g, id)->values.present;
    generator_close(&g);
    return sum ? clock_now(CLOCK_PROCESS_CPUTIME_ID) - start : 0;
}

static int run(const struct bench *bench, const struct output_driver *driver, double making)
{
    char path[4096], error[OUTPUT_ERROR_TEXT_MAX] = "";
    snprintf(path, sizeof path, "%s/database_bench.%s", bench->folder, driver->name);
    struct generator g;
    generator_open(&g, bench);
    void *state = NULL;
    double wall = clock_now(CLOCK_MONOTONIC), cpu = clock_now(CLOCK_PROCESS_CPUTIME_ID);
    int r = driver->open(path, NULL, &state, error);
    for (uint64_t id = 1; id <= bench->entries && r == 0; id++)
        r = driver->entry(state, generate(&g, id), error);
    double rows = clock_now(CLOCK_PROCESS_CPUTIME_ID) - cpu - making;
    if (r == 0)
        r = driver->close(state, NULL, 0, error);
    else
        driver->abandon(state);
    cpu = clock_now(CLOCK_PROCESS_CPUTIME_ID) - cpu - making;
    wall = clock_now(CLOCK_MONOTONIC) - wall;
    generator_close(&g);
    if (r < 0) {
        fprintf(stderr, "database_bench: %s\n", error);
        return 1;
    }
    struct stat status = { 0 };
    struct rusage usage;
    stat(path, &status);
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"form\":\"%s\",\"entries\":%llu,\"bytes\":%lld,\"cpu_s\":%.3f,\"rows_cpu_s\":%.3f,\"wall_s\":%.3f,\"entries_per_cpu_s\":%.0f,\"us_per_entry\":%.3f,\"memory_max_kib\":%ld}\n", driver->name,
           (unsigned long long)bench->entries, (long long)status.st_size, cpu, rows, wall, (double)bench->entries / cpu, cpu * 1e6 / (double)bench->entries, usage.ru_maxrss);
    if (!bench->keep)
        unlink(path);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "entries", 1, NULL, 'e' }, { "folder", 1, NULL, 'f' }, { "seed", 1, NULL, 's' }, { "paths", 1, NULL, 'p' }, { "peers", 1, NULL, 'c' }, { "format", 1, NULL, 'o' }, { "dns", 1, NULL, 'd' }, { "keep", 0, NULL, 'k' }, { 0 } };
    struct bench bench = { .entries = 500000, .seed = 7, .paths = 1000, .peers = PEERS, .folder = "/tmp", .format = "" };
    for (int letter; (letter = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (letter) {
        case 'e': bench.entries = strtoull(optarg, NULL, 10); break;
        case 'f': bench.folder = optarg; break;
        case 's': bench.seed = strtoull(optarg, NULL, 10) | 1; break;
        case 'p': bench.paths = (uint32_t)strtoul(optarg, NULL, 10) | 1; break;
        case 'c': bench.peers = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'd': bench.dns = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'o': bench.format = optarg; break;
        case 'k': bench.keep = true; break;
        default: fprintf(stderr, "usage: database_bench [--entries N] [--folder DIR] [--seed N] [--paths N] [--peers N] [--format ndjson|sqlite] [--dns PERCENT] [--keep]\n"); return 2;
        }
    bench.peers = bench.peers < SERVERS ? SERVERS : bench.peers;
    double making = making_costs(&bench);
    int r = 0;
    for (size_t i = 0; i < 2 && r == 0; i++) {
        const struct output_driver *driver = i ? &output_sqlite : &output_ndjson;
        if (!*bench.format || strcmp(bench.format, driver->name) == 0)
            r = run(&bench, driver, making);
    }
    return r;
}
