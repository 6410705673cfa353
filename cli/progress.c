/* A line of progress. See progress.h. */
#include "cli/progress.h"

#include <inttypes.h>

#include "units/units.h"

#define DRAW_INTERVAL_NS (200 * UNITS_NS_PER_MS)
#define BAR_CELLS 24

/* False: not shown, or drawn a moment ago. */
static bool may_draw(struct progress_line *line)
{
    int64_t now = units_now_mono_ns();
    if (!line->shown || (line->drawn && now - line->drawn_ns < DRAW_INTERVAL_NS))
        return false;
    line->drawn = true;
    line->drawn_ns = now;
    return true;
}

static void put_bar(FILE *out, uint64_t done, uint64_t total)
{
    int full = total ? (int)((double)(done < total ? done : total) / (double)total * BAR_CELLS) : 0;
    fputc('[', out);
    for (int i = 0; i < BAR_CELLS; i++)
        fputc(i < full ? '#' : '.', out);
    fputs("] ", out);
}

void progress_line_snapshot(struct progress_line *line, const char *stage, const Tapeloop__V1__SnapshotProgress *progress)
{
    char done[UNITS_SIZE_TEXT_MAX], total[UNITS_SIZE_TEXT_MAX];
    if (!may_draw(line))
        return;
    fprintf(line->out, "\r\033[K%-10s ", stage);
    if (progress && progress->bytes_total) {
        put_bar(line->out, progress->bytes_done, progress->bytes_total);
        fprintf(line->out, "%s of %s, %" PRIu64 " of %" PRIu64 " segments, %u of %u nodes", units_format_size(progress->bytes_done, done, sizeof done),
                units_format_size(progress->bytes_total, total, sizeof total), progress->segments_done, progress->segments_total, progress->nodes_done, progress->nodes_total);
    } else if (progress && progress->nodes_total) {
        fprintf(line->out, "%u of %u nodes", progress->nodes_done, progress->nodes_total);
    }
    (void)fflush(line->out);
}

void progress_line_dissection(struct progress_line *line, const char *stage, const Tapeloop__V1__DissectProgress *progress)
{
    if (!may_draw(line))
        return;
    fprintf(line->out, "\r\033[K%-10s ", stage);
    if (progress && progress->items_total) {
        put_bar(line->out, progress->items_done, progress->items_total);
        fprintf(line->out, "%u of %u items, %u at work", progress->items_done, progress->items_total, progress->items_running);
        if (progress->percent)
            fprintf(line->out, " (%u %%)", progress->percent);
        if (progress->entries)
            fprintf(line->out, ", %" PRIu64 " entries", progress->entries);
        if (progress->failures)
            fprintf(line->out, ", %u tried again", progress->failures);
    }
    (void)fflush(line->out);
}

void progress_line_bytes(struct progress_line *line, const char *what, uint64_t bytes, int64_t elapsed_ns)
{
    char size[UNITS_SIZE_TEXT_MAX], rate[UNITS_SIZE_TEXT_MAX];
    if (!may_draw(line))
        return;
    double seconds = (double)elapsed_ns / (double)UNITS_NS_PER_S;
    fprintf(line->out, "\r\033[K%s %s, %s/s", what, units_format_size(bytes, size, sizeof size), units_format_size(seconds > 0 ? (uint64_t)((double)bytes / seconds) : 0, rate, sizeof rate));
    (void)fflush(line->out);
}

void progress_line_clear(struct progress_line *line)
{
    if (line->shown && line->drawn)
        fputs("\r\033[K", line->out);
    line->drawn = false;
    (void)fflush(line->out);
}
