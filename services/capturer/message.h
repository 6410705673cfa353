/* What the tape knows, as the messages that say it on the bus. Every message is the caller's to wire_free; NULL or -ENOMEM when memory is out. Thread-safe. */
#ifndef CAPTURER_MESSAGE_H
#define CAPTURER_MESSAGE_H
#include "services/capturer/tape/tape.h"
#include "wire/wire.h"

/* Reads the segment's index for its gaps and its interfaces. Where that is damaged they are left out: the segment is announced, and verification names it. -ENOENT: recycled meanwhile. */
int message_sealed(struct tape *tape, const char *node, const struct tape_segment *segment, Tapeloop__V1__SegmentSealed **ret);
/* "size", "age" ...; the text of enum segment_seal_reason. */
const char *message_seal_reason(uint8_t reason);
Tapeloop__V1__Ledger *message_ledger(const struct segment_ledger *ledger);
Tapeloop__V1__Gap *message_gap(const struct segment_gap *gap, uint32_t lane);
/* Appends the tape's low-water marks to a repeated LaneMark field. */
int message_append_marks(const struct tape_boundaries *boundaries, size_t *count, Tapeloop__V1__LaneMark ***marks);
/* "<node>/<tape id>/<lane>/<sequence>" in text[SEGMENT_ID_TEXT_MAX]. */
void message_segment_id(const struct tape *tape, const char *node, uint32_t lane, uint64_t sequence, char *text);
#endif
