/* What the files of the reader share; input.h is what others include.
 *
 *   input.c      opens, gives batches, counts
 *   records.c    packets out of the bytes at hand */
#ifndef DISSECTOR_INPUT_READER_H
#define DISSECTOR_INPUT_READER_H
#include "capfile/pcap_classic.h"
#include "capfile/pcapng.h"
#include "services/dissector/input/blocks.h"
#include "services/dissector/input/input.h"
#include "services/dissector/input/source.h"

#define INPUT_PROBLEM_TEXT_MAX 400      /* two sentences, one of them with the names of the link types */

struct input_reader {
    const struct input *input;
    uint32_t number;
    uint32_t frame;                     /* the last one's */
    int64_t greatest_ns, from_ns, to_ns;
    struct pcap_classic_file classic;
    struct pcapng_reader *pcapng;       /* NULL: a classic file */
    struct input_names names;           /* of all sections */
    struct input_observed { uint64_t point; int64_t first_ns /* of its first packet; INT64_MAX: none yet */; } *points; uint32_t points_count, points_room; /* by the section's interface: where a section ends, another capture may begin, at any time */
    struct input_source source;         /* at and end also where there are blocks */
    struct input_blocks *blocks;        /* NULL: no segment with an index */
    const struct segment_block *block;  /* the one being read */
    const uint8_t *content;             /* its start; NULL: none */
    uint32_t block_frame;               /* the last frame before it */
    uint64_t unread;                    /* packets of link types that are not known; the first one is `unread_link` */
    uint32_t unread_link;
    bool unread_many, unread_said;
    struct input_counters counters;
    char problem[INPUT_PROBLEM_TEXT_MAX];
};

/* Packets of the bytes at hand, up to `most`. *ret_needed: bytes that the next record needs together, where it goes on behind what there is (0: nothing is left). -EBADMSG: what stands there is no record (the reader's
 * problem says what); *ret_count is set then too. */
int records_classic(struct input_reader *reader, struct input_packet *packets, uint32_t most, uint32_t *ret_count, size_t *ret_needed);
int records_pcapng(struct input_reader *reader, struct input_packet *packets, uint32_t most, uint32_t *ret_count, size_t *ret_needed);
/* Packets are missing here: nobody was watched. */
void input_watch_anew(struct input_reader *reader);
__attribute__((format(printf, 2, 3))) void input_say(struct input_reader *reader, const char *format, ...); /* the first problem stays */
/* Where many readers are open, one that waits gives the memory of its block back (rest), and decodes the block again when its turn comes (wake); the packets of its last batch move. -EIO: the file has changed. */
bool input_holds_block(const struct input_reader *reader);
bool input_is_stream(const struct input_reader *reader); /* it holds memory that it cannot give back */
void input_rest(struct input_reader *reader);
int input_wake(struct input_reader *reader, struct input_packet *packets, uint32_t count);
#endif
