/* Snapshots as text for people. */
#ifndef CLI_SNAPSHOT_TEXT_H
#define CLI_SNAPSHOT_TEXT_H
#include <stdio.h>

#include "wire/wire.h"

#define SNAPSHOT_WINDOW_TEXT_MAX 128
/* "2026-01-31T12:00:00.000Z to 2026-01-31T12:00:30.000Z (30s)"; as it is where the times cannot be read. */
const char *snapshot_window_text(const char *from, const char *to, char *text);
/* "ready, complete", "failed", ... */
const char *snapshot_state_text(const Tapeloop__V1__SnapshotEvent *event, char *text, size_t cap);
/* Several lines: state, window, counts, reason, then a table of its nodes. */
void snapshot_print(const Tapeloop__V1__SnapshotEvent *event, FILE *out);
void snapshot_print_objects(const Tapeloop__V1__Manifest *manifest, FILE *out);
#endif
