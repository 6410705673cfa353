/* The capture thread of one lane: takes batches from its source as they come, and does what is due by time or asked for by other threads. */
#ifndef CAPTURER_CAPTURE_WORKER_H
#define CAPTURER_CAPTURE_WORKER_H
#include "services/capturer/capture/backend.h"
#include "services/capturer/capture/recorder.h"

struct worker;
/* Everything in options is borrowed until worker_free. filter: the lane's, opened by the thread while lane->enabled. */
struct worker_options { const struct capture_backend *backend; struct backend_source *source; struct capture_filter *filter; struct recorder_options recorder; };
int worker_new(const struct worker_options *options, struct worker **ret);
int worker_start(struct worker *worker);         /* all signals are blocked in the thread */
void worker_join(struct worker *worker);         /* after lane_request_stop */
void worker_free(struct worker *worker);         /* not started, or joined */
#endif
