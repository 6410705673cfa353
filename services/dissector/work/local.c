#include "services/dissector/work/local.h"
int local_run(const struct direct_options *options, uint32_t workers, const struct stage_progress *progress, struct stage_result *ret, char *error)
{
    (void)workers;
    return direct_run(options, progress, ret, error);
}
