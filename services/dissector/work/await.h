/* A pipe that may stay silent for ever must not keep a program that is asked to stop: a signal alone does not end a read that is begun again. */
#ifndef DISSECTOR_WORK_AWAIT_H
#define DISSECTOR_WORK_AWAIT_H
#include "services/dissector/work/stages.h"

/* Returns when there is something to read, or the end; looks twice a second at whether to stop. False: stop. */
bool await_input(int fd, const struct stage_progress *progress);
#endif
