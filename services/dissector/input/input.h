/* Packets out of one capture file: pcap (both byte orders, micro- and nanoseconds, the variant with longer packet heads), pcapng, segments and other LZ4 frames of those, from a file or a pipe.
 *
 * Regular files are mapped and packets borrowed from the mapping: nothing is copied. A segment with its index beside it is read block by block, each checked against its hash; a block that fails is left
 * out and counted, and the frames behind it keep their numbers. Everything else is read up to the first thing that is not whole: what stands before it counts, and input_problem() says what is wrong.
 * A reader belongs to one thread at a time. Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, docs/tape-format.md. */
#ifndef DISSECTOR_INPUT_INPUT_H
#define DISSECTOR_INPUT_INPUT_H
#include "services/dissector/input/names.h"
#include "services/dissector/input/plan.h"

#define INPUT_BATCH_MAX 256u            /* packets of one call: 16 KiB of them */

struct input_packet {
    const uint8_t *data;                /* borrowed until the next call */
    uint32_t captured, length;          /* bytes at data; bytes on the wire */
    int64_t time_ns;
    int64_t order_ns;                   /* greatest time of this input so far: inputs are merged by (order_ns, input), which does not depend on which packets of an input take part */
    uint64_t point;                     /* hash of node name and interface name */
    uint32_t link_type;                 /* LINKTYPE_ */
    uint32_t interface;                 /* in the file's section, from 0 */
    uint32_t frame;                     /* what stock Wireshark calls it in this very file, from 1 */
    uint32_t input, node;
    uint16_t lane;                      /* input.lane, of which no more is needed: there are fewer inputs */
    bool watched;                       /* the input has told of its point for INPUT_WATCHED_NS before it: what was not seen since then was not sent */
};
#define INPUT_WATCHED_NS INT64_C(1000000000) /* no client that sends a request before the last one is answered lets this much time pass between them */

/* Sums over readers are the dissection's. */
struct input_counters {
    uint64_t inputs;                    /* files opened */
    uint64_t frames;                    /* all that have a number, also events and canaries */
    uint64_t packets, bytes;            /* given out; captured bytes */
    uint64_t truncated;                 /* packets of which the capture kept only a part */
    uint64_t canaries, events, outside_window;
    uint64_t torn;                      /* files that end, or cannot be read on, inside something */
    uint64_t damaged_blocks;            /* of segments, left out */
    uint64_t lost;                      /* packets in damaged blocks, as the index says */
};

struct input_reader;
/* number: place.input. input is borrowed until input_close. A file that is there but holds nothing readable opens, and has a problem. -ENOENT and others: the file cannot be opened; -ENOMEM; with a sentence in error. */
int input_open(const struct input *input, uint32_t number, struct input_reader **ret, char *error);
/* The same where reading may have to wait, from the first bytes on: see input_merge_on_wait (merge.h). wait may be NULL. */
int input_open_waiting(const struct input *input, uint32_t number, bool (*wait)(void *context, int fd), void *context, struct input_reader **ret, char *error);
/* Up to `most` packets (at least one, unless the input is over); 0: the input is over; -ENOMEM; -EIO and others: the file cannot be read (input_problem says it). A window's other packets are left out. */
int input_next(struct input_reader *reader, struct input_packet *packets, uint32_t most);
/* A sentence without the file's name, or NULL where nothing has been wrong so far. Packets of a link type that lib/packet does not know are given out like others; at the end of the input the sentence counts them. */
const char *input_problem(const struct input_reader *reader);
const struct input_counters *input_counters(const struct input_reader *reader);
void input_counters_add(struct input_counters *to, const struct input_counters *more);
/* Of the interfaces that it has told of so far. */
const struct input_names *input_interface_names(const struct input_reader *reader);
/* Whether the file is compressed, and its content packs well. */
bool input_is_packed(const struct input_reader *reader);
/* Bytes of the file behind which reading stands, for showing progress. */
uint64_t input_position(const struct input_reader *reader);
void input_close(struct input_reader *reader);
static inline void input_close_p(struct input_reader **reader) { input_close(*reader); }

/* The observation point's hash. Interfaces without a name are told apart by their number. */
uint64_t input_point(const char *node_name, const char *interface_name, uint32_t interface);
#endif
