/* What a dissection is about, worked out once from the snapshot's manifest and kept as plan.json in the work folder, where every worker of the job reads it. */
#ifndef DISSECTOR_JOBS_PLAN_H
#define DISSECTOR_JOBS_PLAN_H
#include "digest/digest.h"
#include "services/dissector/jobs/workplace.h"
#include "services/dissector/work/stages.h"
#include "wire/wire.h"

#define PLAN_ERROR_TEXT_MAX 512
#define PLAN_BYTES_MAX (256u * 1024 * 1024)     /* of plan.json, and of the snapshot's manifest: 600,000 segments */
#define PLAN_GROUPS_MAX 64u                     /* reduce items: four times as many as workers that one dissection is likely to meet */
#define PLAN_GROUP_BYTES (16u * 1024 * 1024)    /* of segments for each, at least: a smaller item costs more to hand out than to do */

/* The snapshot's manifest, with its SHA-256. -ENOENT: there is no such snapshot; -EBADMSG: it is damaged. A sentence in error. */
int plan_read_manifest(const struct workplace *place, Tapeloop__V1__Manifest **ret, char sha256[static DIGEST_TEXT_MAX], char *error);
/* Inputs in the order of node, tape, lane and sequence. -EBADMSG: a segment has no proper id; -ENODATA: there is no segment; -ENOMEM. */
int plan_make(const Tapeloop__V1__Manifest *manifest, const Tapeloop__V1__DissectRequest *request, Tapeloop__V1__DissectPlan **ret, char *error);
int plan_write(const struct workplace *place, const Tapeloop__V1__DissectPlan *plan);
/* -ENOENT: the job is over. */
int plan_read(const struct workplace *place, Tapeloop__V1__DissectPlan **ret);

/* The job as the stages see it. Borrows plan and place. */
struct plan_job {
    struct stage_job job;
    struct stage_input *inputs;
    char *paths;                                /* of all inputs, one after the other */
    char output[WORKPLACE_PATH_MAX + 32], writer[STORE_INSTANCE_MAX + 32];
};
/* -EBADMSG: the plan does not hold together. */
int plan_job_open(const struct workplace *place, const Tapeloop__V1__DissectPlan *plan, const char *writer, struct plan_job **ret);
void plan_job_free(struct plan_job *job);       /* NULL is fine */

/* Items. Stages are named as in DissectJob. */
enum plan_stage { PLAN_MAP, PLAN_REDUCE, PLAN_FINALISE, PLAN_STAGES };
const char *plan_stage_name(enum plan_stage stage);
int plan_stage_parse(const char *name, enum plan_stage *ret);   /* -EINVAL */
uint32_t plan_items(const Tapeloop__V1__DissectPlan *plan, enum plan_stage stage);
/* The shards of a group; groups divide STAGE_SHARDS. */
static inline uint32_t plan_group_shards(const Tapeloop__V1__DissectPlan *plan) { return STAGE_SHARDS / plan->groups; }
#endif
