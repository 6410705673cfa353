/* How soon the first page of an answer is there: each expression is asked some times of a dissection, which is in the page cache.
 *
 *   query_bench DATABASE [RUNS [EXPRESSION...]]
 *
 * One line for each: least, median and greatest milliseconds, the median of CPU milliseconds, rows of the page (100 at most), entries looked at, whether there may be more, the expression. Without expressions: one for each filter that must be fast and for their conjunctions, as
 * they fit the calls of database_bench, those that match and those that match nothing; and, behind, some that read every row. */
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

static int ask(const char *path, const char *expression, unsigned runs)
{
    double times[RUNS_MAX], cpu[RUNS_MAX];
    struct query_result result = { 0 };
    for (unsigned i = 0; i < runs; i++) {
        struct query_error error = { 0 };
        const struct query_request request = { .path = path, .expression = expression };
        double start = now_ms(CLOCK_MONOTONIC), cpu_start = now_ms(CLOCK_PROCESS_CPUTIME_ID);
        int r = query_run(&request, count_row, NULL, &result, &error);
        times[i] = now_ms(CLOCK_MONOTONIC) - start;
        cpu[i] = now_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu_start;
        if (r < 0) {
            fprintf(stderr, "query_bench: %s: %s\n", expression, error.text);
            return 1;
        }
    }
    qsort(times, runs, sizeof *times, by_number);
    qsort(cpu, runs, sizeof *cpu, by_number);
    printf("%.2f\t%.2f\t%.2f\t%.2f\t%llu\t%llu\t%s\t%s\n", times[0], times[runs / 2], times[runs - 1], cpu[runs / 2], (unsigned long long)result.rows, (unsigned long long)result.looked, result.more ? "more" : "all", expression);
    return 0;
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
        r = ask(argv[1], argv[i], runs);
    for (size_t i = 0; argc <= 3 && i < sizeof usual / sizeof *usual && r == 0; i++)
        r = ask(argv[1], usual[i], runs);
    return r;
}
