/* Scope cleanup: a variable marked so is released when its scope ends; mem_take passes it on instead. */
#ifndef MEM_CLEANUP_H
#define MEM_CLEANUP_H
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#define MEM_CLEANUP(function) __attribute__((cleanup(function)))
static inline void mem_free_p(void *p) { free(*(void **)p); }
static inline void mem_close_p(int *fd) { if (*fd >= 0) (void)close(*fd); }
static inline void mem_fclose_p(FILE **f) { if (*f) (void)fclose(*f); }
#define mem_auto_free MEM_CLEANUP(mem_free_p)
#define mem_auto_close MEM_CLEANUP(mem_close_p)
#define mem_auto_fclose MEM_CLEANUP(mem_fclose_p)
#define mem_take(pointer) ({ __typeof__(pointer) mem_taken_ = (pointer); (pointer) = NULL; mem_taken_; })
#define mem_take_fd(fd) ({ int mem_taken_ = (fd); (fd) = -1; mem_taken_; })
#endif
