/* The event loop (libuv's only home: include this, not uv.h). One loop thread owns a service's state; other threads hand it things through loop/queue.h. */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H
#include <uv.h>

/* libuv's negative codes are negative errnos on Linux, so its results are returned as they are. */
_Static_assert(UV_ENOBUFS == -105 && UV_EINVAL == -22, "libuv's errors are errnos");
#endif
