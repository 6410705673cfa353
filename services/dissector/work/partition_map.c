#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "services/dissector/work/await.h"
#include "services/dissector/work/partition_format.h"

#define ADVANCE_EVERY 64u               /* batches between two looks at whether to stop */

struct map {
    struct input_reader *reader;
    struct decoder *decoder;
    struct partition_writer *writer;
    const struct input *input;
    const struct stage_progress *progress;
    bool stopped;                       /* while a pipe was silent */
    int64_t first_ns;                   /* of the input's first packet */
    bool leaving;                       /* the input is over */
    int failed;
};

/* A fragment of a datagram that is given up in the middle matters only where the input before may hold its beginning. */
static void keep_left(void *context, const struct fragment *fragment)
{
    struct map *m = context;
    bool near_start = (uint64_t)fragment->time_ns - (uint64_t)m->first_ns <= (uint64_t)FRAGMENTS_TIMEOUT_NS || fragment->time_ns < m->first_ns;
    if (m->failed == 0 && (m->leaving || near_start))
        m->failed = partition_write_left(m->writer, fragment);
}

static bool await_packets(void *context, int fd)
{
    struct map *m = context;
    m->stopped = !await_input(fd, m->progress);
    return !m->stopped;
}

static int map_batch(struct map *m, const struct input_packet *packets, int count)
{
    for (int i = 0; i < count; i++) {
        struct shard_packet packet;
        if (!decode_packet(m->decoder, &packets[i], &packet))
            continue;
        int r = partition_write(m->writer, &packet, packets[i].order_ns);
        if (r < 0)
            return r;
    }
    return m->failed;
}

static int map_all(struct map *m)
{
    struct input_packet packets[INPUT_BATCH_MAX];
    bool first = true;
    for (uint64_t batches = 0;; batches++) {
        int n = input_next(m->reader, packets, INPUT_BATCH_MAX);
        if (n <= 0)
            return n == 0 && m->stopped ? -ECANCELED : n;
        m->first_ns = first ? packets[0].time_ns : m->first_ns;
        first = false;
        int r = map_batch(m, packets, n);
        if (r < 0)
            return r;
        if (batches % ADVANCE_EVERY == 0 && !stage_advance(m->progress, input_position(m->reader), m->input->bytes))
            return -ECANCELED;
    }
}

static int run(struct map *m, char *problem, char *error)
{
    fragments_on_left(decoder_fragments(m->decoder), keep_left, m);
    int r = map_all(m);
    if (r < 0 && r != -ECANCELED && input_problem(m->reader))
        snprintf(error, STAGE_ERROR_TEXT_MAX, "%.200s: %.250s", m->input->path, input_problem(m->reader));
    if (problem)
        snprintf(problem, INPUT_ERROR_TEXT_MAX, "%s", input_problem(m->reader) ? input_problem(m->reader) : "");
    m->leaving = true;
    if (r == 0)
        fragments_leave(decoder_fragments(m->decoder));
    r = r == 0 ? m->failed : r;
    return r == 0 ? partition_writer_finish(m->writer) : r;
}

/* Nothing of an input that could not be opened, because of e; that is its problem. */
static int leave_out_input(struct map *m, int e, char *problem, char *error)
{
    if (problem)
        snprintf(problem, INPUT_ERROR_TEXT_MAX, "it cannot be read: %s", strerror(-e));
    *error = 0;
    return partition_writer_finish(m->writer);
}

int partition_map(const struct input *input, uint32_t number, bool leave_out, const char *path, const char *hidden_path, const struct stage_progress *progress, struct partition_map_counts *ret, char *problem, char *error)
{
    struct map m = { .input = input, .progress = progress };
    struct input_names names = { 0 };
    *error = 0;
    int r = input_open_waiting(input, number, await_packets, &m, &m.reader, error);
    const int gone = r != -ENOMEM && leave_out ? r : 0;
    r = gone < 0 ? 0 : r;
    if (r == 0)
        r = decoder_new(&m.decoder);
    if (r == 0)
        r = partition_writer_new(path, hidden_path, number, input->node, m.reader && input_is_packed(m.reader), &m.writer);
    if (r == 0)
        r = gone < 0 ? leave_out_input(&m, gone, problem, error) : run(&m, problem, error);
    if (r == 0 && m.reader)
        r = input_names_add_all(&names, input_interface_names(m.reader));
    if (r == 0)
        *ret = (struct partition_map_counts){ .input = m.reader ? *input_counters(m.reader) : (struct input_counters){ 0 }, .decode = *decoder_counters(m.decoder),
                                              .fragments = *fragments_counters(decoder_fragments(m.decoder)), .left_dropped = partition_writer_dropped(m.writer), .names = names };
    else if (r != -ECANCELED && !*error)
        snprintf(error, STAGE_ERROR_TEXT_MAX, "%.300s cannot be written: %s", path, strerror(-r));
    if (r < 0)
        input_names_free(&names);
    partition_writer_free(m.writer);
    decoder_free(m.decoder);
    input_close(m.reader);
    return r;
}
