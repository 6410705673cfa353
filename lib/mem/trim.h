/* Freed memory back to the system. */
#ifndef MEM_TRIM_H
#define MEM_TRIM_H

/* After work that took much and is over. Any thread; one at a time, because malloc_trim sets glibc's malloc up where nothing did before it, without a lock: where another allocator stands in for malloc
 * (a sanitizer's), two threads that do so at once both take themselves for users of the main arena, and the later one to end aborts the process ("attached_threads > 0"). Hence never malloc_trim itself. */
void mem_trim(void);

#endif
