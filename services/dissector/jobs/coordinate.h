/* Seeing one dissection through: plan, items of each stage in turn, publication. Coordinator's thread. */
#ifndef DISSECTOR_JOBS_COORDINATE_H
#define DISSECTOR_JOBS_COORDINATE_H
#include "services/dissector/jobs/dissection.h"

#define COORDINATE_LOOK_MS 100          /* between looks at the items' files */
#define COORDINATE_WINDOW 64u           /* items looked at in one go: the queue is first in, first out, and there are hardly more workers */
#define COORDINATE_QUIET_NS (INT64_C(120) * 1000000000) /* nothing moved and nobody works: the items are dealt out again, whatever became of the queue */

#define COORDINATE_PROVE_NS (INT64_C(10) * 1000000000) /* no item was seen to be written: whether the store still takes anything is tried */

/* With DISSECTION_READY dissection->event is the dissect.ready to be said. Goes on where an earlier attempt at the same request stopped or died, and finds what it published. */
enum dissection_verdict coordinate(struct dissection *dissection);
#endif
