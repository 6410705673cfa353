/* How soon the first page of an answer is there: each expression is asked some times of a dissection, which is in the page cache.
 *
 *   query_bench DATABASE [RUNS [EXPRESSION...]]
 *
 * One line for each: least, median and greatest milliseconds, the median of CPU milliseconds, rows of the page (100 at most), entries looked at, whether there may be more, the expression. Without expressions: one for each filter that must be fast and for their conjunctions, as
 * they fit the calls of database_bench, those that match and those that match nothing; and, behind, some that read every row. Last a line about every filter, every two and every three of different kinds (protocol, time, status,
 * namespace, pod, path), with values that are common, rare, absent or never seen together, and some of all six: "conjunctions", how many, milliseconds and expression of the slowest with rows, the same of the slowest without,
 * and the most CPU milliseconds of any with rows and of any without. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "services/dissector/query/query.h"

#define RUNS_MAX 1000u

static const char *const usual[] = {
    "", "http", "dns", "redis", "protocol == \"DNS\"", "status_code == 503", "status_code >= 500", "status_code == 404", "status_code >= 400 && status_code < 500", "status_code == 200 && dns",
    "timestamp >= timestamp(\"2023-11-14T22:13:25Z\")", "timestamp > timestamp(\"2023-11-14T22:13:25Z\") && status_code == 404", "timestamp > timestamp(\"2030-01-01T00:00:00Z\")",
    "src.pod.namespace == \"namespace-3\"", "dst.pod.namespace == \"namespace-3\"", "src.pod.namespace == \"nowhere\"", "dst.pod.namespace == \"namespace-19\"", "src.pod.name == \"pod-77-7d4b9c\"", "dst.pod.name == \"pod-77-7d4b9c\"",
    "dst.pod.name == \"nobody\"", "path.startsWith(\"/api/v1/orders/99\")", "path.startsWith(\"/api\")", "path.startsWith(\"/nowhere\")", "path == \"/api/v1/orders/500\"",
    "http && status_code == 503 && src.pod.namespace == \"namespace-3\" && path.startsWith(\"/api/v1/orders/5\")", "src.pod.namespace == \"namespace-3\" && dst.pod.namespace == \"namespace-19\"",
    "src.pod.namespace == \"namespace-3\" && status_code == 404", "src.pod.namespace == \"namespace-3\" && dst.pod.name == \"pod-77-7d4b9c\" && path.startsWith(\"/api\")", "path.startsWith(\"/api\") && status_code == 404",
    "path.startsWith(\"/api\") && dns", "path.startsWith(\"/api/v1/orders/5\") && src.pod.namespace == \"namespace-3\" && status_code == 201", "dns && status_code == 503", "dns && src.pod.name == \"pod-77-7d4b9c\" && path.startsWith(\"/api\")",
    "src.pod.namespace == dst.pod.namespace && src.pod.name == \"pod-3-7d4b9c\" && status_code == 404",
    "path.contains(\"/999\")", "path.contains(\"nothing\")", "path.matches(\"orders/9[0-9]{2}$\")", "request.headers[\"user-agent\"] == \"curl\"", "method == \"PURGE\"",
};

static double now_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static bool count_row(void *context, const struct query_value *values, size_t count)
{
    (void)values;
    (void)count;
    (void)context;
    return true;
}

struct asked { struct query_result result; double times[RUNS_MAX], cpu[RUNS_MAX]; };

/* Sorted times. */
static int ask(const char *path, const char *expression, unsigned runs, struct asked *ret)
{
    for (unsigned i = 0; i < runs; i++) {
        struct query_error error = { 0 };
        const struct query_request request = { .path = path, .expression = expression };
        double start = now_ms(CLOCK_MONOTONIC), cpu_start = now_ms(CLOCK_PROCESS_CPUTIME_ID);
        int r = query_run(&request, count_row, NULL, &ret->result, &error);
        ret->times[i] = now_ms(CLOCK_MONOTONIC) - start;
        ret->cpu[i] = now_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu_start;
        if (r < 0) {
            fprintf(stderr, "query_bench: %s: %s\n", expression, error.text);
            return 1;
        }
    }
    qsort(ret->times, runs, sizeof *ret->times, by_number);
    qsort(ret->cpu, runs, sizeof *ret->cpu, by_number);
    return 0;
}

static int show(const char *path, const char *expression, unsigned runs)
{
    static struct asked asked;
    int r = ask(path, expression, runs, &asked);
    if (r == 0)
        printf("%.2f\t%.2f\t%.2f\t%.2f\t%llu\t%llu\t%s\t%s\n", asked.times[0], asked.times[runs / 2], asked.times[runs - 1], asked.cpu[runs / 2], (unsigned long long)asked.result.rows,
               (unsigned long long)asked.result.looked, asked.result.more ? "more" : "all", expression);
    return r;
}

/* Kinds of filter and their values: common ones, rare ones, one that only goes with some others, one that never comes. */
#define KINDS 6u
#define VALUES 5u
static const char *const filters[KINDS][VALUES] = {
    { "http", "dns", "protocol != \"HTTP\"", "protocol in [\"dns\", \"redis\"]", "redis" },
    { "timestamp >= timestamp(\"2023-11-14T22:13:20.1Z\")", "timestamp < timestamp(\"2023-11-14T22:13:30Z\")", "timestamp > timestamp(\"2023-11-14T22:13:32.3Z\")",
      "timestamp > timestamp(\"2023-11-14T22:13:24Z\") && timestamp < timestamp(\"2023-11-14T22:13:31Z\")", "timestamp > timestamp(\"2030-01-01T00:00:00Z\")" },
    { "status_code == 200", "status_code == 503", "status_code == 409", "status_code >= 300 && status_code < 500", "status_code == 404" },
    { "src.pod.namespace == \"namespace-1\"", "src.pod.namespace == dst.pod.namespace", "dst.pod.namespace == \"namespace-15\"", "\"namespace-3\" in namespaces", "src.pod.namespace == \"nowhere\"" },
    { "dst.pod.name == \"pod-5-7d4b9c\"", "src.pod.name == \"pod-200-7d4b9c\"", "src.pod.name == \"pod-77-7d4b9c\"", "\"pod-77-7d4b9c\" in pods", "dst.pod.name == \"nobody\"" },
    { "path.startsWith(\"/api\")", "path.startsWith(\"/api/v1/orders/5\")", "path.startsWith(\"/api/v2\")", "path == \"/api/v1/orders/500\"", "path.startsWith(\"/nowhere\")" },
};
#define EXPRESSION_ROOM 1024u
#define LOOKS 3u            /* at each; what seems to be the worst so far is asked LOOKS_MORE times again, so that no busy moment makes it */
#define LOOKS_MORE 9u
#define SIXES 500u          /* of the 15,625 of all six kinds */
struct worst { double ms, cpu_ms /* of any */; char expression[EXPRESSION_ROOM]; };
struct conjunctions { const char *path; unsigned count; struct worst matching, missing; struct asked asked; };

static int try_conjunction(struct conjunctions *c, const unsigned value[KINDS], unsigned kinds)
{
    char text[EXPRESSION_ROOM] = "";
    size_t size = 0;
    for (unsigned kind = 0; kind < KINDS; kind++)
        if (kinds >> kind & 1)
            size += (size_t)snprintf(text + size, sizeof text - size, "%s%s", size ? " && " : "", filters[kind][value[kind]]);
    int r = ask(c->path, text, LOOKS, &c->asked);
    struct worst *worst = c->asked.result.rows ? &c->matching : &c->missing;
    c->count++;
    if (c->asked.cpu[LOOKS / 2] > worst->cpu_ms)
        worst->cpu_ms = c->asked.cpu[LOOKS / 2];
    if (r == 0 && c->asked.times[LOOKS / 2] > worst->ms && (r = ask(c->path, text, LOOKS_MORE, &c->asked)) == 0 && c->asked.times[LOOKS_MORE / 2] > worst->ms) {
        worst->ms = c->asked.times[LOOKS_MORE / 2];
        memcpy(worst->expression, text, sizeof text);
    }
    return r;
}

/* Each value of each of these kinds with each of the others'. */
static int try_all(struct conjunctions *c, unsigned kinds)
{
    unsigned value[KINDS] = { 0 }, kind = 0;
    int r = 0;
    while (kind < KINDS && r == 0) {
        r = try_conjunction(c, value, kinds);
        for (kind = 0; kind < KINDS; kind++) { /* as an odometer */
            if (!(kinds >> kind & 1))
                continue;
            if (++value[kind] < VALUES)
                break;
            value[kind] = 0;
        }
    }
    return r;
}

static int try_sixes(struct conjunctions *c)
{
    uint64_t random = 1;
    int r = 0;
    for (unsigned i = 0; i < SIXES && r == 0; i++) {
        unsigned value[KINDS];
        for (unsigned kind = 0; kind < KINDS; kind++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            value[kind] = (unsigned)(random >> 33) % (VALUES - 1); /* without those that never come, which end it at once */
        }
        r = try_conjunction(c, value, (1u << KINDS) - 1);
    }
    return r;
}

static int show_conjunctions(const char *path)
{
    static struct conjunctions c;
    int r = 0;
    c.path = path;
    for (unsigned kinds = 0; kinds < 1u << KINDS && r == 0; kinds++)
        if (__builtin_popcount(kinds) >= 1 && __builtin_popcount(kinds) <= 3)
            r = try_all(&c, kinds);
    if (r == 0)
        r = try_sixes(&c);
    if (r == 0)
        printf("conjunctions\t%u\t%.2f\t%s\t%.2f\t%s\t%.2f\t%.2f\n", c.count, c.matching.ms, c.matching.expression, c.missing.ms, c.missing.expression, c.matching.cpu_ms, c.missing.cpu_ms);
    return r;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: query_bench DATABASE [RUNS [EXPRESSION...]]\n");
        return 2;
    }
    unsigned runs = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 5;
    runs = runs < 1 ? 1 : runs > RUNS_MAX ? RUNS_MAX : runs;
    int r = 0;
    for (int i = 3; i < argc && r == 0; i++)
        r = show(argv[1], argv[i], runs);
    for (size_t i = 0; argc <= 3 && i < sizeof usual / sizeof *usual && r == 0; i++)
        r = show(argv[1], usual[i], runs);
    return argc <= 3 && r == 0 ? show_conjunctions(argv[1]) : r;
}
