/* Reading one message of a stream, inside lib/bus. */
#ifndef BUS_STREAM_H
#define BUS_STREAM_H
#include "bus/internal.h"

/* The last message on a subject, as the stream's direct get gives it: with its own headers and Nats-Sequence, Nats-Time-Stamp.
 * -ENOENT: no message, or no such stream. */
int bus_stream_last_message(struct bus *bus, const char *stream, const char *subject, natsMsg **ret);
#endif
