/* Touches memory and gives it back at once: usage: warm_memory MIB. In a virtual machine, pages that were free for some seconds may have been returned to its host, and the next program to touch them waits until the
 * host has cleared new ones (seen: 1.5 s of system time for 600 MiB of large pages, against 0.06 s right afterwards). Before each run of a benchmark, nobody pays for that in place of the one that ran before. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096u
#define LARGE_PAGE_BYTES (2ul * 1024 * 1024)

int main(int argc, char **argv)
{
    char *end = NULL;
    unsigned long mib = argc == 2 ? strtoul(argv[1], &end, 10) : 0;
    if (!mib || *end || mib > 1024ul * 1024) {
        fputs("usage: warm_memory MIB\n", stderr);
        return 2;
    }
    size_t size = mib * 1024 * 1024;
    char *memory = aligned_alloc(LARGE_PAGE_BYTES, (size + LARGE_PAGE_BYTES - 1) / LARGE_PAGE_BYTES * LARGE_PAGE_BYTES);
    if (!memory) {
        fprintf(stderr, "warm_memory: %s\n", strerror(errno));
        return 1;
    }
    (void)madvise(memory, size, MADV_HUGEPAGE);
    for (size_t at = 0; at < size; at += PAGE_BYTES)
        *(volatile char *)(memory + at) = 1;
    return 0;
}
