/* The capturer as a whole: what main opens, in the order of opening, and the loop that owns it. */
#ifndef CAPTURER_CAPTURER_H
#define CAPTURER_CAPTURER_H
#include "services/capturer/options.h"

struct capturer;
/* Privileged set-up: tape, lanes, rings; drops privileges; starts recording; then bus, segment server and answers. Without the bus it records all the same.
 * -errno, and the reason is logged. */
int capturer_start(const struct capturer_options *options, struct lifecycle *lifecycle, struct capturer **ret);
/* Loop thread: lanes drain, segments are sealed by "stop" and published if the bus is there; then lifecycle_finish(0). */
void capturer_stop(void *capturer);
/* After the loop: closes what is open. NULL and half-built ones are fine. */
void capturer_free(struct capturer *capturer);
#endif
