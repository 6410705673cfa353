/* Threads that trim at the same instant, each pair in a process that never did so before: with a sanitizer's malloc nothing else has set glibc's up, and malloc_trim alone kills about one process in seven. */
#include "mem/trim.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define THREADS 2
#define PROCESSES 100

static atomic_int ready;

static void *trim_with_the_other(void *context)
{
    (void)context;
    atomic_fetch_add(&ready, 1);
    while (atomic_load(&ready) < THREADS)
        ;
    mem_trim();
    return NULL;
}

static void trim_at_once(void)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, trim_with_the_other, NULL) != 0)
            _exit(1);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    _exit(0);
}

static void threads_that_trim_at_once_end_well(void **state)
{
    (void)state;
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            trim_at_once();
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(threads_that_trim_at_once_end_well) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
