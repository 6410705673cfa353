#include "mem/trim.h"
#include <malloc.h>
#include <pthread.h>

void mem_trim(void)
{
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one);
    (void)malloc_trim(0);
    pthread_mutex_unlock(&one);
}
