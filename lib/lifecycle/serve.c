/* See serve.h. */
#include "lifecycle/serve.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "log/log.h"
#include "loop/queue.h"

struct serving {
    const struct serve_program *program;
    struct lifecycle *lifecycle;
    struct loop_queue *stopped;     /* from the stopping thread to the loop: one item */
};

static void *stop_thread(void *context)
{
    struct serving *serving = context;
    serving->program->stop(serving->program->context);
    (void)loop_queue_push(serving->stopped, serving); /* the only item it ever gets */
    return NULL;
}

/* Loop thread. */
static void on_stopped(void *context, void *item)
{
    struct serving *serving = context;
    (void)item;
    loop_queue_close(serving->stopped, NULL, NULL);
    lifecycle_finish(serving->lifecycle, 0);
}

/* Loop thread: stopping waits for threads, and the loop keeps its deadline meanwhile. */
static void on_stop(void *context)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, stop_thread, context) == 0)
        pthread_detach(thread);
    else
        stop_thread(context);
}

int serve(const struct serve_program *program)
{
    static struct serving serving; /* static: a stopping thread that the deadline overtakes sees it to the end */
    char error[SERVE_ERROR_TEXT_MAX] = "";
    serving = (struct serving){ .program = program };
    int r = lifecycle_new(program->name, program->options, &serving.lifecycle);
    if (r < 0) {
        fprintf(stderr, "%s: cannot start: %s\n", program->name, strerror(-r));
        return 1;
    }
    r = loop_queue_new(lifecycle_loop(serving.lifecycle), 1, on_stopped, &serving, &serving.stopped);
    if (r == 0)
        r = program->start(program->context, error);
    if (r < 0) {
        log_error("cannot start", "reason=%s", log_quote(error[0] ? error : strerror(-r)));
        program->stop(program->context);
        return 1;
    }
    program->ready(program->context);
    printf("ready\n");
    fflush(stdout);
    int code = lifecycle_run(serving.lifecycle, on_stop, &serving, program->stop_deadline_ms);
    lifecycle_free(serving.lifecycle);
    return code;
}
