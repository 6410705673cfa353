/* The three stages on this machine by several threads: what `dissector --input` does with more than one worker. */
#ifndef DISSECTOR_WORK_LOCAL_H
#define DISSECTOR_WORK_LOCAL_H
#include "services/dissector/work/direct.h"
/* As direct_run; the files between the stages lie in a folder of its own below options->work_folder, which is gone when it returns. */
int local_run(const struct direct_options *options, uint32_t workers, const struct stage_progress *progress, struct stage_result *ret, char *error);
#endif
