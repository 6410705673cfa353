/* The dissector without a bus: --input. */
#ifndef DISSECTOR_FILES_H
#define DISSECTOR_FILES_H
#include "services/dissector/options.h"
/* The process's exit code. */
int files_run(const struct dissector_options *options);
#endif
