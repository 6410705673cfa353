#include "services/dissector/files.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "mem/cleanup.h"
#include "services/dissector/input/plan.h"
#include "services/dissector/work/direct.h"
#include "services/dissector/work/local.h"
#include "units/units.h"

#define QUIET_NS (2 * UNITS_NS_PER_S)       /* what is done by then needs no progress */
#define FEW_WORKERS 4u
#define DRAW_NS (UNITS_NS_PER_S / 5)
#define LINE_NS (10 * UNITS_NS_PER_S)       /* between lines in a log */

static volatile sig_atomic_t stop_asked;
static void on_signal(int number)
{
    (void)number;
    if (stop_asked)
        _exit(1);
    stop_asked = 1;
}

struct watcher { const struct input_plan *plan; bool terminal, drawn; int64_t started_ns, told_ns; uint64_t problems; };

static bool advance(void *context, uint64_t done, uint64_t total)
{
    struct watcher *w = context;
    int64_t now = units_now_mono_ns();
    bool due = now - w->started_ns > QUIET_NS && now - w->told_ns > (w->terminal ? DRAW_NS : LINE_NS) && total > 0;
    if (due) {
        double percent = (double)done * 100 / (double)total;
        fprintf(stderr, w->terminal ? "\r\033[Kdissecting  %5.1f %%  %" PRId64 " s" : "dissector: %.1f %% after %" PRId64 " s\n", percent > 100 ? 100 : percent, (now - w->started_ns) / UNITS_NS_PER_S);
        w->told_ns = now;
        w->drawn = w->terminal;
    }
    return !stop_asked;
}

static void clear(struct watcher *w)
{
    if (w->drawn)
        fputs("\r\033[K", stderr);
    w->drawn = false;
}

static void problem(void *context, uint32_t input, const char *sentence)
{
    struct watcher *w = context;
    clear(w);
    w->problems++;
    fprintf(stderr, "dissector: %s: %s\n", w->plan->inputs[input].path, sentence);
}

static int run_plan(const struct dissector_options *o, const struct selection *fields, const struct input_plan *plan, struct watcher *w, struct stage_result *result, char *error)
{
    struct stage_progress progress = { advance, w };
    struct direct_options direct = { .plan = plan, .work_folder = o->work_folder, .memory = o->memory, .format = dissector_formats[o->format], .output_path = o->output, .protocols = o->protocols.values,
                                     .protocols_count = (uint32_t)o->protocols.count, .where = o->where, .fields = fields, .stream = o->stream, .redact = (enum redact_level)o->redact, .limits = { .entries = o->limit }, .problem = problem, .context = w };
    uint32_t workers = (uint32_t)o->workers;
    bool windows = false; /* of their own: the stages know one for all */
    for (uint32_t i = 0; i < plan->count; i++)
        windows = windows || plan->inputs[i].from_ns != plan->from_ns || plan->inputs[i].to_ns != plan->to_ns;
    direct.workers = workers;
    /* Through files everything is written down and read again, half as much work more; but no input is read by several, which more workers gain from where there are
     * inputs for them: segments, that is, for fragments of captures that overlap are put together in the order of all of them. */
    if (workers <= FEW_WORKERS || plan->count < workers || windows || o->stream || !input_plan_is_segments(plan))
        return direct_run(&direct, &progress, result, error);
    return local_run(&direct, workers, &progress, result, error);
}

static uint64_t counted(const struct stage_result *result, const char *name)
{
    for (uint32_t i = 0; i < result->counters_count; i++)
        if (strcmp(result->counters[i].name, name) == 0)
            return result->counters[i].value;
    return 0;
}

/* The closing line: what came of it, and what was no call's. */
static void tell_result(const struct stage_result *result, const char *output)
{
    static const struct { const char *counter, *text; } apart[] = {
        { "not_ip_packets", "hold no IP" }, { "other_ip_packets", "are neither TCP nor UDP" }, { "malformed_packets", "have headers that are cut or nonsense" },
    };
    fprintf(stderr, "dissector: %" PRIu64 " entries of %" PRIu64 " packets in %s", result->entries, result->packets, output);
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++)
        if (counted(result, apart[i].counter))
            fprintf(stderr, "; %" PRIu64 " packets %s", counted(result, apart[i].counter), apart[i].text);
    fputc('\n', stderr);
}

/* Under whatever name: the entries would take the place of the capture that they are of. */
static bool output_is_input(const char *output, const struct input_plan *plan)
{
    struct stat out, in;
    if (strcmp(output, "-") == 0 || stat(output, &out) < 0 || !S_ISREG(out.st_mode))
        return false;
    for (uint32_t i = 0; i < plan->count; i++)
        if (stat(plan->inputs[i].path, &in) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
            return true;
    return false;
}

int files_run(const struct dissector_options *o)
{
    static struct stage_result result;
    char error[STAGE_ERROR_TEXT_MAX] = "";
    struct sigaction action = { .sa_handler = on_signal }, ignore = { .sa_handler = SIG_IGN };
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    if (strcmp(dissector_formats[o->format], "sqlite") == 0 && strcmp(o->output, "-") == 0) {
        fprintf(stderr, "dissector: a database needs a file: --output FILE\n");
        return 2;
    }
    if (o->stream && strcmp(dissector_formats[o->format], "ndjson") != 0) {
        fprintf(stderr, "dissector: a database is read when it is whole: leave out --stream, or say --format ndjson\n");
        return 2;
    }
    struct selection fields = { 0 };
    if (selection_parse(o->fields.values, o->fields.count, &fields, error, sizeof error) < 0) {
        fprintf(stderr, "dissector: %s\n", error);
        return 2;
    }
    struct input_plan *plan MEM_CLEANUP(input_plan_free_p) = NULL;
    int r = input_plan_new(o->inputs.values, o->inputs.count, &plan, error);
    struct watcher watcher = { .plan = plan, .terminal = isatty(STDERR_FILENO) != 0, .started_ns = units_now_mono_ns() };
    if (r == 0 && output_is_input(o->output, plan)) {
        fprintf(stderr, "dissector: %s is read, it cannot be the --output, too: the capture would be lost\n", o->output);
        return 2;
    }
    if (r == 0)
        r = run_plan(o, o->fields.count ? &fields : NULL, plan, &watcher, &result, error);
    clear(&watcher);
    if (r == -ECANCELED) {
        fprintf(stderr, "dissector: stopped; nothing was written to %s\n", strcmp(o->output, "-") == 0 ? "standard output that is whole" : o->output);
        return 1;
    }
    if (r == -EPIPE && strcmp(o->output, "-") == 0) /* its reader has seen enough, as of `| head` */
        return 0;
    if (r < 0) {
        fprintf(stderr, "dissector: %s\n", error[0] ? error : strerror(-r));
        return r == -EINVAL ? 2 : 1;
    }
    if (strcmp(o->output, "-") != 0)
        tell_result(&result, o->output);
    return watcher.problems ? 3 : 0;
}
