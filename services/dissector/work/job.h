/* What the stages take out of a job's texts. */
#ifndef DISSECTOR_WORK_JOB_H
#define DISSECTOR_WORK_JOB_H
#include "services/dissector/engine/shard.h"
#include "services/dissector/output/output.h"
#include "services/dissector/work/stages.h"

/* protocols: each a name, or several with commas. -EINVAL with a sentence: a protocol or a format that there is not. */
/* fields: what entries are made with; NULL where an expression may read any of them. */
int job_shard_options(const char *const *protocols, uint32_t protocols_count, enum redact_level redact, const struct stage_limits *limits, const struct selection *fields, struct shard_options *ret, char *error);
int job_driver(const char *format, const struct output_driver **ret, char *error);
#endif
