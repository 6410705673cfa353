/* The accounts of a segment: they balance, and what the ring lost goes to the interfaces that miss it. Drops by interface need the kernel's filter: root, else that part is skipped. */
#include "services/capturer/capture/ledger.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct books { struct ledger ledger; struct lane_segment segment; struct table_lane counts; uint32_t slots[LANE_INTERFACES_MAX]; };
static struct books books;

static struct books *open_books(uint32_t interfaces)
{
    memset(&books, 0, sizeof books);
    books.segment.interfaces[0].canary = true;
    for (uint32_t id = 0; id < interfaces; id++)
        books.slots[id] = id ? id + FILTER_SLOTS_OWN - 1 : FILTER_SLOT_CANARY;
    atomic_store(&books.segment.interfaces_count, interfaces);
    ledger_begin_segment(&books.ledger);
    for (uint32_t id = 0; id < interfaces; id++)
        ledger_begin_interface(&books.ledger, id, &books.counts.counts[books.slots[id]]);
    return &books;
}

static void record(struct books *b, uint32_t id, uint64_t written, uint64_t filtered)
{
    struct table_counts *counts = &b->counts.counts[b->slots[id]];
    atomic_fetch_add(&counts->written_packets, written);
    atomic_fetch_add(&counts->written_bytes, written * 100);
    atomic_fetch_add(&counts->filtered_packets, filtered);
    atomic_fetch_add(&counts->filtered_bytes, filtered * 100);
}

static void without_loss(void **state)
{
    (void)state;
    struct books *b = open_books(3);
    record(b, 0, 4, 0);                          /* canaries */
    record(b, 1, 10, 2);
    record(b, 2, 5, 0);
    b->ledger.truncated = 1;
    ledger_end_segment(&b->ledger, &b->segment, &b->counts, b->slots, NULL);
    const struct segment_ledger *sum = &b->segment.ledger;
    assert_int_equal(sum->offered_packets, 17);
    assert_int_equal(sum->written_packets, 15);
    assert_int_equal(sum->filtered_packets, 2);
    assert_int_equal(sum->offered_bytes, 1700);
    assert_int_equal(sum->canaries, 4);
    assert_int_equal(sum->truncated_packets, 1);
    struct pcapng_statistics statistics;
    ledger_statistics(&b->segment, 1, &statistics);
    assert_int_equal(statistics.received, 12);
    assert_int_equal(statistics.accepted_filter, 10);
    assert_int_equal(statistics.delivered, 10);
    ledger_statistics(&b->segment, 0, &statistics);
    assert_int_equal(statistics.received, 4);
    assert_int_equal(statistics.delivered, 4);

    ledger_begin_segment(&b->ledger);            /* the next segment counts from here */
    for (uint32_t id = 0; id < 3; id++)
        ledger_begin_interface(&b->ledger, id, &b->counts.counts[b->slots[id]]);
    record(b, 1, 1, 0);
    ledger_end_segment(&b->ledger, &b->segment, &b->counts, b->slots, NULL);
    assert_int_equal(b->segment.ledger.offered_packets, 1);
    assert_int_equal(b->segment.ledger.canaries, 0);
}

static void loss_without_a_filter_is_not_lost(void **state)
{
    (void)state;
    struct books *b = open_books(3);
    record(b, 1, 10, 0);
    const struct segment_gap gap = { .packets = 7, .reason = SEGMENT_GAP_RING };
    ledger_add_gap(&b->ledger, NULL, &gap);
    assert_int_equal(b->ledger.dropped, 0);      /* of no segment yet */
    ledger_place_gaps(&b->ledger, &b->segment);
    const struct segment_gap away = { .packets = 0, .count_unknown = true, .reason = SEGMENT_GAP_NOT_RECORDING };
    ledger_add_gap(&b->ledger, &b->segment, &away);
    ledger_end_segment(&b->ledger, &b->segment, &b->counts, b->slots, NULL);
    assert_int_equal(b->segment.gaps_count, 2);
    assert_int_equal(b->segment.ledger.dropped_kernel_packets, 7);
    assert_int_equal(b->segment.ledger.offered_packets, 17);
}

/* An ordinary UDP packet through the filter on lo, so that its counters grow. */
static void admit(struct capture_filter *filter, uint32_t slot, uint32_t times)
{
    static const uint8_t udp[] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 3, 0xe8, 7, 0xd0, 0, 12, 0, 0, 1, 2, 3, 4 };
    struct __sk_buff context = { .ifindex = 1 };
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = udp, .data_size_in = sizeof udp, .ctx_in = &context, .ctx_size_in = sizeof context, .repeat = (int)times);
    assert_int_equal(filter_add_interface(filter, 1, (struct filter_interface){ .slot = slot }), 0);
    assert_int_equal(bpf_prog_test_run_opts(filter_program_fd(filter), &options), 0);
}

static void loss_goes_to_those_who_miss_it(void **state)
{
    (void)state;
    struct capture_filter *filter = NULL;
    char error[256];
    if (geteuid() != 0 || filter_load_for_test(1, &filter, error) < 0)
        skip();
    filter_set_open(filter, true);
    struct books *b = open_books(4);
    admit(filter, b->slots[1], 100);
    admit(filter, b->slots[2], 50);
    admit(filter, b->slots[3], 20);
    record(b, 1, 70, 0);                         /* misses 30 */
    record(b, 2, 30, 10);                        /* misses 10 */
    record(b, 3, 20, 0);                         /* misses none */
    const struct segment_gap gap = { .packets = 40, .reason = SEGMENT_GAP_RING };
    ledger_add_gap(&b->ledger, &b->segment, &gap);
    ledger_end_segment(&b->ledger, &b->segment, &b->counts, b->slots, filter);
    assert_int_equal(b->segment.interface_ledgers[1].dropped_packets, 30);
    assert_int_equal(b->segment.interface_ledgers[2].dropped_packets, 10);
    assert_int_equal(b->segment.interface_ledgers[3].dropped_packets, 0);
    assert_int_equal(b->segment.interface_ledgers[1].offered_packets, 100);

    /* The next segment: 12 still in the ring make it an estimate, the sum stays true, and nothing is told twice. */
    ledger_begin_segment(&b->ledger);
    for (uint32_t id = 0; id < 4; id++)
        ledger_begin_interface(&b->ledger, id, &b->counts.counts[b->slots[id]]);
    admit(filter, b->slots[1], 20);
    admit(filter, b->slots[2], 4);
    record(b, 1, 8, 0);
    const struct segment_gap more = { .packets = 4, .reason = SEGMENT_GAP_RING };
    ledger_add_gap(&b->ledger, &b->segment, &more);
    ledger_end_segment(&b->ledger, &b->segment, &b->counts, b->slots, filter);
    assert_int_equal(b->segment.interface_ledgers[1].dropped_packets + b->segment.interface_ledgers[2].dropped_packets, 4);
    assert_int_equal(b->segment.interface_ledgers[2].dropped_packets, 1);
    assert_int_equal(b->segment.ledger.offered_packets, 12);
    filter_free(filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(without_loss), cmocka_unit_test(loss_without_a_filter_is_not_lost), cmocka_unit_test(loss_goes_to_those_who_miss_it) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
