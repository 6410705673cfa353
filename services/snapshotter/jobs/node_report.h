/* Each node's entry in the manifest: what it gave, its ledger, what is missing and why. Worker's thread, after the pulls. */
#ifndef SNAPSHOTTER_JOBS_NODE_REPORT_H
#define SNAPSHOTTER_JOBS_NODE_REPORT_H
#include "services/snapshotter/jobs/plan.h"

/* Completes all reports of the plan. -ENOMEM. */
int node_reports_fill(struct job_plan *plan, const struct request_window *window);
/* The part of the window that this node's tape covers, as its report says; false: none of it. */
bool node_report_cover(const struct plan_node *node, const struct request_window *window, struct request_window *ret);
#endif
