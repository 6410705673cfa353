/* Between output.c (memory and writes), output_index.c (records) and output_files.c (files). */
#ifndef CAPTURER_TAPE_OUTPUT_INTERNAL_H
#define CAPTURER_TAPE_OUTPUT_INTERNAL_H
#include "services/capturer/tape/output.h"

/* Asks the tape whether to try again what failed with error; counts in *tries. 0: try again. */
int output_refused(struct output *output, int error, uint32_t *tries);
int output_put_head(struct output *output, const struct lane_segment *segment);
int output_append_records(struct output *output);
/* Records of the blocks that are wholly on the disk, in order; their canaries count once the records are appended. */
int output_prove(struct output *output);
int output_push_pages(struct output *output);
int output_push_tail(struct output *output, bool end_mark);
#endif
