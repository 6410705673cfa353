#include "services/capturer/tape/cursor.h"

#include <errno.h>
#include <string.h>

#include "services/capturer/tape/persist.h"

#define CURSOR_NAME "cursor"
#define CURSOR_VERSION 1

/* The ledger's fields in the order of the file. Names only here, so that reading and writing cannot differ. */
static const struct { const char *name; size_t at; } ledger_fields[] = {
#define FIELD(name) { #name, offsetof(struct segment_ledger, name) }
    FIELD(offered_packets), FIELD(offered_bytes), FIELD(written_packets), FIELD(written_bytes), FIELD(dropped_kernel_packets),
    FIELD(dropped_disk_packets), FIELD(filtered_packets), FIELD(truncated_packets), FIELD(canaries), FIELD(events),
#undef FIELD
};
#define LEDGER_FIELDS (sizeof ledger_fields / sizeof ledger_fields[0])
_Static_assert(LEDGER_FIELDS * sizeof(uint64_t) == sizeof(struct segment_ledger), "every field of the ledger is kept");

static uint64_t *ledger_field(struct segment_ledger *ledger, size_t i)
{
    return (uint64_t *)(void *)((char *)ledger + ledger_fields[i].at);
}

void cursor_add_ledger(struct segment_ledger *sum, const struct segment_ledger *part)
{
    struct segment_ledger copy = *part;
    for (size_t i = 0; i < LEDGER_FIELDS; i++)
        *ledger_field(sum, i) += *ledger_field(&copy, i);
}

void cursor_add_lost(struct cursor_state *state, const struct tape_segment *segment)
{
    struct tape_lost *lost = &state->lost;
    bool empty = lost->last_ordinal == 0;
    if (empty || segment->ordinal < lost->first_ordinal)
        lost->first_ordinal = segment->ordinal;
    if (segment->ordinal > lost->last_ordinal)
        lost->last_ordinal = segment->ordinal;
    int64_t first = segment->first_ns ? segment->first_ns : segment->opened_ns, last = segment->last_ns ? segment->last_ns : segment->sealed_ns;
    if (empty || first < lost->first_ns)
        lost->first_ns = first;
    if (empty || last > lost->last_ns)
        lost->last_ns = last;
    cursor_add_ledger(&lost->ledger, &segment->ledger);
}

void cursor_sub_lost(struct cursor_state *state, const struct tape_lost *published)
{
    struct tape_lost *lost = &state->lost;
    if (lost->last_ordinal <= published->last_ordinal) {
        *lost = (struct tape_lost){ 0 };
        return;
    }
    struct segment_ledger copy = published->ledger;
    for (size_t i = 0; i < LEDGER_FIELDS; i++)
        *ledger_field(&lost->ledger, i) -= *ledger_field(&copy, i);
    lost->first_ordinal = published->last_ordinal + 1;
    lost->first_ns = published->last_ns;
}

void cursor_add_gap(struct cursor_state *state, int64_t from_ns, int64_t to_ns)
{
    if (state->gaps_count == CURSOR_GAPS_MAX) {
        state->gaps[1].from_ns = state->gaps[0].from_ns;
        memmove(&state->gaps[0], &state->gaps[1], (CURSOR_GAPS_MAX - 1) * sizeof state->gaps[0]);
        state->gaps_count--;
    }
    state->gaps[state->gaps_count++] = (struct segment_gap){ .from_ns = from_ns, .to_ns = to_ns, .count_unknown = true, .reason = SEGMENT_GAP_NOT_RECORDING };
}

static json_t *lost_to_json(const struct tape_lost *lost)
{
    struct segment_ledger copy = lost->ledger;
    json_t *ledger = json_object();
    for (size_t i = 0; i < LEDGER_FIELDS; i++)
        (void)json_object_set_new(ledger, ledger_fields[i].name, json_integer((json_int_t)*ledger_field(&copy, i)));
    return json_pack("{s:I, s:I, s:I, s:I, s:o}", "first_ordinal", (json_int_t)lost->first_ordinal, "last_ordinal", (json_int_t)lost->last_ordinal,
                     "first_ns", (json_int_t)lost->first_ns, "last_ns", (json_int_t)lost->last_ns, "ledger", ledger);
}

int cursor_save(int folder_fd, const struct cursor_state *state)
{
    json_t *sequences = json_array(), *gaps = json_array();
    for (size_t i = 0; i < LANES_MAX; i++)
        (void)json_array_append_new(sequences, json_integer((json_int_t)state->next_sequence[i]));
    for (size_t i = 0; i < state->gaps_count; i++)
        (void)json_array_append_new(gaps, json_pack("[I, I]", (json_int_t)state->gaps[i].from_ns, (json_int_t)state->gaps[i].to_ns));
    json_auto json_t *json = json_pack("{s:i, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "version", CURSOR_VERSION, "published_ordinal", (json_int_t)state->published_ordinal,
                                       "stream_sequence", (json_int_t)state->stream_sequence, "next_ordinal", (json_int_t)state->next_ordinal,
                                       "recorded_ns", (json_int_t)state->recorded_ns, "next_sequence", sequences, "lost", lost_to_json(&state->lost), "gaps", gaps);
    return json ? persist_write(folder_fd, CURSOR_NAME, json, false) : -ENOMEM;
}

static int lost_from_json(json_t *json, struct tape_lost *lost)
{
    json_t *ledger;
    json_int_t first_ordinal, last_ordinal, first_ns, last_ns;
    if (json_unpack(json, "{s:I, s:I, s:I, s:I, s:o}", "first_ordinal", &first_ordinal, "last_ordinal", &last_ordinal, "first_ns", &first_ns, "last_ns", &last_ns,
                    "ledger", &ledger) != 0)
        return -EBADMSG;
    *lost = (struct tape_lost){ .first_ordinal = (uint64_t)first_ordinal, .last_ordinal = (uint64_t)last_ordinal, .first_ns = first_ns, .last_ns = last_ns };
    for (size_t i = 0; i < LEDGER_FIELDS; i++)
        *ledger_field(&lost->ledger, i) = (uint64_t)json_integer_value(json_object_get(ledger, ledger_fields[i].name));
    return 0;
}

int cursor_load(int folder_fd, struct cursor_state *ret)
{
    json_auto json_t *json = NULL;
    int rc = persist_read(folder_fd, CURSOR_NAME, &json);
    if (rc < 0)
        return rc;
    json_t *sequences, *lost, *gaps;
    json_int_t published, stream, next, recorded;
    int version;
    if (json_unpack(json, "{s:i, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "version", &version, "published_ordinal", &published, "stream_sequence", &stream,
                    "next_ordinal", &next, "recorded_ns", &recorded, "next_sequence", &sequences, "lost", &lost, "gaps", &gaps) != 0 || version != CURSOR_VERSION)
        return -EBADMSG;
    static const struct cursor_state none;
    struct cursor_state state = none;
    state.published_ordinal = (uint64_t)published;
    state.stream_sequence = (uint64_t)stream;
    state.next_ordinal = (uint64_t)next;
    state.recorded_ns = recorded;
    for (size_t i = 0; i < LANES_MAX; i++)
        state.next_sequence[i] = (uint64_t)json_integer_value(json_array_get(sequences, i));
    rc = lost_from_json(lost, &state.lost);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < json_array_size(gaps) && i < CURSOR_GAPS_MAX; i++) {
        json_t *gap = json_array_get(gaps, i);
        cursor_add_gap(&state, json_integer_value(json_array_get(gap, 0)), json_integer_value(json_array_get(gap, 1)));
    }
    *ret = state;
    return 0;
}
