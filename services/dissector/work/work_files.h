/* What lies in a job's work folder between the stages.
 *
 *   map-<input>.part, map-<input>.counts             stage_map: packets by shard (partition.h), and what it counted
 *   map-<input>.names                                what the interfaces are called
 *   reduce-<first>-<count>.run, .counts              stage_reduce: entries in order (run.h)
 *
 * counts = struct stage_result as it lies in memory; of a run written before it, of a map before its item is done, so that who goes on finds them. All written under hidden names and renamed. */
#ifndef DISSECTOR_WORK_WORK_FILES_H
#define DISSECTOR_WORK_WORK_FILES_H
#include "services/dissector/input/names.h"
#include "services/dissector/work/stages.h"

#define WORK_PATH_MAX 4400              /* a folder (PATH_MAX) and a name */
#define WORK_NAME_MAX 64
void work_map_name(uint32_t input, char *name);
void work_reduce_name(uint32_t first_shard, uint32_t count, char *name);
/* path: WORK_PATH_MAX. suffix: ".part", ".run", ".counts". hidden: under the job's writer. -ENAMETOOLONG. */
int work_path(const struct stage_job *job, const char *name, const char *suffix, bool hidden, char *path);
int work_save_counts(const struct stage_job *job, const char *name, const struct stage_result *counts);
int work_save_names(const struct stage_job *job, const char *name, const struct input_names *names);
/* Adds those of an item. -EBADMSG, -ENOENT, -ENOMEM. */
int work_add_names(const struct stage_job *job, const char *name, struct input_names *to);
/* Adds the counters of another item. -EBADMSG, -ENOENT. */
int work_add_counts(const struct stage_job *job, const char *name, struct stage_result *to);
/* All runs, sorted by their first shard; together they must be all shards, each once. -ENODATA: they are not. Names in an array of *ret_count; the caller's to free. */
int work_list_runs(const struct stage_job *job, char (**ret_names)[WORK_NAME_MAX], uint32_t *ret_count);
#endif
