/* One line on a terminal that is written over and over. Nothing is written where it is not shown. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "wire/wire.h"

struct progress_line { FILE *out; bool shown; bool drawn; int64_t drawn_ns; };
/* stage: one word. progress: NULL where nothing is known yet. Draws at most five times a second. */
void progress_line_snapshot(struct progress_line *line, const char *stage, const Tapeloop__V1__SnapshotProgress *progress);
void progress_line_dissection(struct progress_line *line, const char *stage, const Tapeloop__V1__DissectProgress *progress);
/* Bytes of a download whose end is not known. */
void progress_line_bytes(struct progress_line *line, const char *what, uint64_t bytes, int64_t elapsed_ns);
void progress_line_clear(struct progress_line *line);
#endif
