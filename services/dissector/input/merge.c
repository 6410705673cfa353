#include "services/dissector/input/merge.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/input/reader.h"

struct head {
    struct input_reader *reader;
    uint32_t input;
    uint32_t at, count;                 /* of the batch */
    bool resting, holds;                /* holds: counted among those with a decoded block */
    struct input_packet batch[INPUT_BATCH_MAX];
};

struct input_merge {
    const struct input_plan *plan;
    uint32_t *unopened;                 /* inputs by first_ns */
    uint32_t unopened_at;
    struct head **heap;                 /* the least is first */
    uint32_t heap_count;
    uint32_t holding, streams;
    uint32_t given;                     /* packets of the first head that are borrowed */
    struct input_counters counters, sum;
    uint64_t passed;                    /* bytes of files that are behind us */
    struct input_names names;
    void (*told)(void *context, uint32_t input, const char *problem);
    void *context;
    bool (*wait)(void *context, int fd);
    void *wait_context;
};

static bool before(const struct head *a, const struct head *b)
{
    int64_t x = a->batch[a->at].order_ns, y = b->batch[b->at].order_ns;
    return x != y ? x < y : a->input < b->input;
}

static void sift_down(struct input_merge *m, uint32_t i)
{
    struct head *moving = m->heap[i];
    for (uint32_t child; (child = 2 * i + 1) < m->heap_count; i = child) {
        if (child + 1 < m->heap_count && before(m->heap[child + 1], m->heap[child]))
            child++;
        if (!before(m->heap[child], moving))
            break;
        m->heap[i] = m->heap[child];
    }
    m->heap[i] = moving;
}

static void push(struct input_merge *m, struct head *head)
{
    uint32_t i = m->heap_count++;
    for (; i > 0 && before(head, m->heap[(i - 1) / 2]); i = (i - 1) / 2)
        m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = head;
}

/* Qsort has no context: order holds first_ns beside the number. */
struct order { int64_t first_ns; uint32_t input; };

static int compare_orders(const void *left, const void *right)
{
    const struct order *a = left, *b = right;
    if (a->first_ns != b->first_ns)
        return a->first_ns < b->first_ns ? -1 : 1;
    return a->input < b->input ? -1 : a->input > b->input;
}

static int sort_inputs(struct input_merge *m)
{
    uint32_t count = m->plan->count;
    struct order *orders = calloc(count + 1, sizeof *orders);
    if (!orders)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        orders[i] = (struct order){ .first_ns = m->plan->inputs[i].first_ns, .input = i };
    if (count > 0)
        qsort(orders, count, sizeof *orders, compare_orders);
    for (uint32_t i = 0; i < count; i++)
        m->unopened[i] = orders[i].input;
    free(orders);
    return 0;
}

int input_merge_new(const struct input_plan *plan, void (*told)(void *context, uint32_t input, const char *problem), void *context, struct input_merge **ret)
{
    struct input_merge *m = calloc(1, sizeof *m);
    if (!m)
        return -ENOMEM;
    *m = (struct input_merge){ .plan = plan, .told = told, .context = context };
    m->unopened = calloc(plan->count + 1, sizeof *m->unopened);
    m->heap = calloc(plan->count + 1, sizeof(struct head *));
    if (!m->unopened || !m->heap || sort_inputs(m) < 0) {
        input_merge_free(m);
        return -ENOMEM;
    }
    *ret = m;
    return 0;
}

void input_merge_on_wait(struct input_merge *m, bool (*wait)(void *context, int fd), void *context)
{
    m->wait = wait;
    m->wait_context = context;
}

static void tell(struct input_merge *m, uint32_t input, const char *problem)
{
    if (m->told)
        m->told(m->context, input, problem);
}

static void count_held(struct input_merge *m, struct head *head, bool holds)
{
    m->holding += holds;
    m->holding -= head->holds;
    head->holds = holds;
}

static void close_head(struct input_merge *m, struct head *head)
{
    if (input_problem(head->reader))
        tell(m, head->input, input_problem(head->reader));
    input_counters_add(&m->counters, input_counters(head->reader));
    m->passed += m->plan->inputs[head->input].bytes;
    (void)input_names_add_all(&m->names, input_interface_names(head->reader)); /* without memory a name is missing */
    count_held(m, head, false);
    m->streams -= input_is_stream(head->reader);
    input_close(head->reader);
    free(head);
}

/* The next batch. 1: there is one; 0: the input is over, and the head is closed; -errno, too. */
static int refill(struct input_merge *m, struct head *head)
{
    int n = input_next(head->reader, head->batch, INPUT_BATCH_MAX);
    if (n <= 0) {
        close_head(m, head);
        return n == -ENOMEM ? n : 0; /* what cannot be read has been told; the others go on */
    }
    head->at = 0;
    head->count = (uint32_t)n;
    head->resting = false;
    count_held(m, head, input_holds_block(head->reader));
    return 1;
}

/* Too many decoded blocks: the one whose turn is furthest away is given back. */
static void make_one_rest(struct input_merge *m, const struct head *but)
{
    struct head *last = NULL;
    for (uint32_t i = 0; i < m->heap_count; i++)
        if (m->heap[i] != but && m->heap[i]->holds && (!last || before(last, m->heap[i])))
            last = m->heap[i];
    if (!last)
        return;
    input_rest(last->reader);
    last->resting = true;
    count_held(m, last, false);
}

static int wake(struct input_merge *m, struct head *head)
{
    if (!head->resting)
        return 0;
    int r = input_wake(head->reader, head->batch + head->at, head->count - head->at);
    head->resting = false;
    if (r == 0)
        count_held(m, head, true);
    return r;
}

static int open_one(struct input_merge *m, uint32_t input)
{
    char error[INPUT_ERROR_TEXT_MAX];
    struct head *head = malloc(sizeof *head);
    if (!head)
        return -ENOMEM;
    head->input = input;
    head->at = head->count = 0;
    head->resting = head->holds = false;
    int r = input_open_waiting(&m->plan->inputs[input], input, m->wait, m->wait_context, &head->reader, error);
    if (r < 0) {
        free(head);
        m->passed += m->plan->inputs[input].bytes;
        if (r != -ENOMEM) {
            snprintf(error, sizeof error, "it cannot be read: %s", strerror(-r)); /* the sentence that input_open gave has the name in it */
            tell(m, input, error);
        }
        return r == -ENOMEM ? r : 0;
    }
    m->streams += input_is_stream(head->reader);
    if (m->streams > INPUT_MERGE_STREAMS_MAX) {
        close_head(m, head);
        return -EMFILE;
    }
    r = refill(m, head);
    if (r <= 0)
        return r;
    push(m, head);
    if (m->holding > INPUT_MERGE_BUFFERS_MAX)
        make_one_rest(m, head);
    return 0;
}

/* Every input that may hold something before what is the least so far. */
static int open_due(struct input_merge *m)
{
    while (m->unopened_at < m->plan->count) {
        uint32_t input = m->unopened[m->unopened_at];
        if (m->heap_count > 0) {
            const struct head *least = m->heap[0];
            if (m->plan->inputs[input].first_ns > least->batch[least->at].order_ns)
                return 0;
        }
        m->unopened_at++;
        int r = open_one(m, input);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The packets given out last are no longer borrowed. */
static int take_back(struct input_merge *m)
{
    if (m->given == 0)
        return 0;
    struct head *head = m->heap[0];
    head->at += m->given;
    m->given = 0;
    int r = head->at == head->count ? refill(m, head) : 1;
    if (r <= 0) {
        m->heap[0] = m->heap[--m->heap_count];
        if (m->heap_count > 0)
            sift_down(m, 0);
        return r;
    }
    sift_down(m, 0);
    if (m->holding > INPUT_MERGE_BUFFERS_MAX)
        make_one_rest(m, m->heap[0]);
    return 0;
}

/* How many packets of the first head stand before all others, and before what is not open yet. */
static uint32_t run_length(const struct input_merge *m, uint32_t most)
{
    const struct head *head = m->heap[0], *other = m->heap_count > 1 ? m->heap[1] : NULL;
    if (m->heap_count > 2 && before(m->heap[2], other))
        other = m->heap[2];
    int64_t until = m->unopened_at < m->plan->count ? m->plan->inputs[m->unopened[m->unopened_at]].first_ns : INT64_MAX;
    bool wins_ties = true;
    if (other && other->batch[other->at].order_ns <= until) {
        until = other->batch[other->at].order_ns;
        wins_ties = head->input < other->input;
    } else if (m->unopened_at < m->plan->count) {
        wins_ties = false; /* which is looked at first */
    }
    uint32_t n = 1;
    while (n < most && head->at + n < head->count) {
        int64_t order = head->batch[head->at + n].order_ns;
        if (order > until || (order == until && !wins_ties))
            break;
        n++;
    }
    return n;
}

int input_merge_next(struct input_merge *m, uint32_t most, const struct input_packet **ret)
{
    int r = take_back(m);
    if (r == 0)
        r = open_due(m);
    if (r < 0 || m->heap_count == 0)
        return r;
    r = wake(m, m->heap[0]);
    if (r < 0)
        return r;
    if (m->holding > INPUT_MERGE_BUFFERS_MAX)
        make_one_rest(m, m->heap[0]);
    m->given = run_length(m, most);
    *ret = m->heap[0]->batch + m->heap[0]->at;
    return (int)m->given;
}

const struct input_counters *input_merge_counters(struct input_merge *m)
{
    m->sum = m->counters;
    for (uint32_t i = 0; i < m->heap_count; i++)
        input_counters_add(&m->sum, input_counters(m->heap[i]->reader));
    return &m->sum;
}

uint64_t input_merge_position(const struct input_merge *m)
{
    uint64_t position = m->passed;
    for (uint32_t i = 0; i < m->heap_count; i++) {
        uint64_t size = m->plan->inputs[m->heap[i]->input].bytes, at = input_position(m->heap[i]->reader);
        position += at < size ? at : size; /* a file that has grown, a pipe */
    }
    return position;
}

const struct input_names *input_merge_names(const struct input_merge *m)
{
    return &m->names;
}

void input_merge_free(struct input_merge *m)
{
    if (!m)
        return;
    for (uint32_t i = 0; i < m->heap_count; i++) {
        input_close(m->heap[i]->reader);
        free(m->heap[i]);
    }
    input_names_free(&m->names);
    free(m->heap);
    free(m->unopened);
    free(m);
}
