/* Gaps filled from other views: conversations made from seeds, seen by several points that lose, delay and change packets. What one of them has is whole in the end; a wrong pair is never said, and what contradicts itself is refused. */
#include "tests/unit/services/dissector/engine/fake_registry.h"
#include <stdarg.h>
#include <stdio.h>
#include <setjmp.h>
#include <cmocka.h>
#include "services/dissector/engine/filling.h"
#include "services/dissector/protocols/connection_fields.h"

#define PACKETS_MAX 4096u
#define VIEWS_MAX 4u
#define ENTRIES_MAX 4096u
#define STEP_NS INT64_C(1000000)
#define START_NS INT64_C(1767225600000000000)
enum { FIN = 1, SYN = 2, PUSH_ACK = 24, ACK = 16 };

struct packet { enum side side; uint32_t seq, ack, size; uint8_t flags; uint8_t *data; };
struct talk { struct packet packets[PACKETS_MAX]; uint32_t count, next[2]; };
struct sight { bool lost[PACKETS_MAX]; int64_t delay_ns; uint32_t flip; uint8_t host; uint32_t node; uint16_t cut; };
struct said { int64_t asked, answered; uint8_t incomplete, flags; int64_t timestamp_ns, elapsed_ns; };
struct watcher { struct view views[VIEWS_MAX]; uint32_t views_count, connections; struct said said[ENTRIES_MAX]; uint32_t count; int64_t filled, missing; };
static struct talk talk;
static struct sight sights[VIEWS_MAX];
static uint32_t sights_count;
static struct watcher first, second;
static bool watched;                    /* what packets of the first dissection say of their points */

static uint32_t next_random(uint64_t *seed) { return (uint32_t)((*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u) >> 33); }

static void put(enum side side, uint8_t flags, const char *data, uint32_t size)
{
    struct packet *p = &talk.packets[talk.count++];
    *p = (struct packet){ side, talk.next[side], flags & ACK ? talk.next[!side] : 0, size, flags, malloc(size ? size : 1) };
    assert_true(talk.count < PACKETS_MAX && p->data);
    if (size)
        memcpy(p->data, data, size);
    talk.next[side] += size + ((flags & (SYN | FIN)) != 0);
}

static void say(enum side side, unsigned number, uint32_t size, uint32_t piece)
{
    char text[2000];
    int n = snprintf(text, sizeof text, "%c%u:", side == SIDE_CLIENT ? 'Q' : 'A', number);
    for (; (uint32_t)n < size; n++)
        text[n] = (char)('a' + (number + (unsigned)n) % 26);
    text[n++] = '\n';
    for (uint32_t at = 0; at < (uint32_t)n; at += piece)
        put(side, PUSH_ACK, text + at, (uint32_t)n - at < piece ? (uint32_t)n - at : piece);
}

static void forget_talk(void)
{
    for (uint32_t i = 0; i < talk.count; i++)
        free(talk.packets[i].data);
    talk.count = 0;
    talk.next[SIDE_CLIENT] = 0xffffffc0u; /* the numbers wrap */
    talk.next[SIDE_SERVER] = 7000;
    memset(sights, 0, sizeof sights);
    for (unsigned i = 0; i < VIEWS_MAX; i++)
        sights[i] = (struct sight){ .flip = UINT32_MAX, .host = 2 };
}

static void make_talk(unsigned calls, uint64_t seed, bool handshake)
{
    forget_talk();
    if (handshake) {
        put(SIDE_CLIENT, SYN, "", 0);
        put(SIDE_SERVER, SYN | ACK, "", 0);
        put(SIDE_CLIENT, ACK, "", 0);
    }
    for (unsigned i = 0; i < calls; i++) {
        say(SIDE_CLIENT, i, 20 + next_random(&seed) % 300, 100);
        if (next_random(&seed) % 2)
            put(SIDE_SERVER, ACK, "", 0);
        say(SIDE_SERVER, i, 20 + next_random(&seed) % 900, 200);
        put(SIDE_CLIENT, ACK, "", 0);
    }
    put(SIDE_CLIENT, FIN | ACK, "", 0);
    put(SIDE_SERVER, FIN | ACK, "", 0);
    put(SIDE_CLIENT, ACK, "", 0);
}

static int take_entry(void *context, const struct record *r)
{
    struct watcher *w = context;
    struct values values;
    bool connection = protocols[r->protocol]->connection;
    assert_int_equal(record_read_values(r, protocols[r->protocol]->detail, &values), 0);
    if (connection) {
        w->connections++;
        w->filled = values.present & UINT64_C(1) << CONNECTION_FILLED_BYTES ? values.at[CONNECTION_FILLED_BYTES].number : 0;
        w->missing = values.present & UINT64_C(1) << CONNECTION_MISSING_BYTES ? values.at[CONNECTION_MISSING_BYTES].number : 0;
        return 0;
    }
    assert_true(w->count < ENTRIES_MAX);
    w->said[w->count++] = (struct said){ values.present & 1u << FAKE_REQUEST ? values.at[FAKE_REQUEST].number : -1, values.present & 1u << FAKE_RESPONSE ? values.at[FAKE_RESPONSE].number : -1,
                                         r->incomplete, r->flags, r->timestamp_ns, r->elapsed_ns };
    return 0;
}

static int take_view(void *context, uint32_t number, const struct view *view)
{
    struct watcher *w = context;
    assert_true(number < VIEWS_MAX);
    w->views[number] = *view;
    w->views_count++;
    return 0;
}

static void fill_packet(uint32_t view, uint32_t i, struct shard_packet *ret, uint8_t *copy)
{
    const struct packet *p = &talk.packets[i];
    const struct sight *s = &sights[view];
    *ret = (struct shard_packet){ .tuple = { .source = { 10, 0, 0, 1 }, .destination = { 10, 0, 0, s->host }, .source_port = 40000, .destination_port = 7, .version = 4, .transport = 6 }, .point = view + 1,
                                  .node = s->node, .time_ns = START_NS + i * STEP_NS + s->delay_ns, .place = { view, i + 1 }, .seq = p->seq, .ack = p->ack, .window = 1000, .window_scale = 255, .flags = p->flags,
                                  .captured = s->cut && p->size > s->cut ? s->cut : p->size, .payload = p->size, .data = copy };
    if (p->side == SIDE_SERVER) {
        struct tuple t = ret->tuple;
        memcpy(ret->tuple.source, t.destination, 16);
        memcpy(ret->tuple.destination, t.source, 16);
        ret->tuple.source_port = t.destination_port;
        ret->tuple.destination_port = t.source_port;
    }
    ret->hash = shard_hash(&ret->tuple);
    memcpy(copy, p->data, ret->captured);
    if (i == s->flip)
        copy[0] ^= 1;
}

static uint32_t passed_over = UINT32_MAX; /* a packet of the teller that the second dissection does not see */
static bool is_read(const struct filling *filling, const uint32_t *order, uint32_t view, uint32_t i) { return !filling || view != order[0] || i != passed_over; }

/* All packets that were seen, in the order of time: to the shard, or where there is a filling, to that. order[]: the view of each number. */
static void pass(struct shard *shard, struct filling *filling, const uint32_t *order)
{
    uint32_t at[VIEWS_MAX] = { 0 };
    for (;;) {
        uint32_t view = UINT32_MAX;
        int64_t least = INT64_MAX;
        for (uint32_t v = 0; v < sights_count; v++) {
            while (at[v] < talk.count && (sights[v].lost[at[v]] || !is_read(filling, order, v, at[v])))
                at[v]++;
            int64_t time_ns = at[v] * STEP_NS + sights[v].delay_ns;
            if (at[v] < talk.count && time_ns < least) {
                least = time_ns;
                view = v;
            }
        }
        if (view == UINT32_MAX)
            return;
        struct shard_packet p;
        uint8_t *copy = malloc(talk.packets[at[view]].size + 1);
        fill_packet(view, at[view]++, &p, copy);
        p.watched = watched && !filling;
        uint32_t number = 0;
        while (filling && order[number] != view)
            number++;
        bool last = filling && first.views[number].last_at.input == p.place.input && first.views[number].last_at.frame == p.place.frame;
        assert_int_equal(filling ? filling_packet(filling, number, &p, last) : shard_packet(shard, &p), 0);
        free(copy);
    }
}

/* Both dissections. The view with most payload tells. */
static struct shard_limits limits;      /* of the second dissection; zeros: the defaults */
static enum filling_outcome run(void)
{
    struct shard *shard;
    struct filler *filler;
    struct filling *filling;
    struct shard_options options = { .redact = REDACT_OFF };
    struct shard_sink sink = { take_entry, take_view, &first };
    first = second = (struct watcher){ 0 };
    assert_int_equal(shard_new(0, &options, &sink, &shard), 0);
    pass(shard, NULL, NULL);
    assert_int_equal(shard_finish(shard), 0);
    shard_free(shard);
    assert_int_equal(first.views_count, sights_count);
    uint32_t order[VIEWS_MAX] = { 0 }, best = 0;
    struct view views[VIEWS_MAX];
    for (uint32_t i = 1; i < sights_count; i++)
        best = first.views[i].payload_bytes > first.views[best].payload_bytes ? i : best;
    for (uint32_t i = 0, n = 1; i < sights_count; i++)
        views[i == best ? 0 : n++] = first.views[i];
    memcpy(first.views, views, sizeof views);
    for (uint32_t i = 0; i < sights_count; i++)
        order[i] = (uint32_t)views[i].point - 1;
    sink.context = &second;
    options.limits = limits;
    assert_int_equal(filler_new(&options, &sink, &filler), 0);
    assert_int_equal(filling_new(filler, views, sights_count, 5, 0, &filling), 0);
    pass(NULL, filling, order);
    enum filling_outcome outcome = filling_outcome(filling);
    assert_int_not_equal(outcome, FILLING_GOES_ON);
    filling_free(filling);
    filler_free(filler);
    return outcome;
}

static bool is_whole(const struct watcher *w, unsigned calls)
{
    bool whole = w->count == calls;
    for (uint32_t i = 0; i < w->count && whole; i++)
        whole = w->said[i].asked == (int64_t)i && w->said[i].answered == (int64_t)i && w->said[i].incomplete == WHOLE && w->said[i].flags & RECORD_FILLED;
    return whole;
}

static void expect_no_wrong_pair(const struct watcher *w)
{
    for (uint32_t i = 0; i < w->count; i++)
        if (w->said[i].asked >= 0 && w->said[i].answered >= 0)
            assert_int_equal(w->said[i].asked, w->said[i].answered);
}

/* Each packet is seen by at least one, and lost by others one time in `odds`. */
static void lose(uint64_t *seed, uint32_t odds)
{
    for (uint32_t i = 0; i < talk.count; i++) {
        uint32_t keeper = next_random(seed) % sights_count;
        for (uint32_t v = 0; v < sights_count; v++)
            sights[v].lost[i] = v != keeper && next_random(seed) % odds == 0;
    }
}

static void what_one_has_is_whole(void **state)
{
    (void)state;
    for (uint64_t turn = 0; turn < 300; turn++) {
        uint64_t seed = turn;
        make_talk(40, turn, true);
        sights_count = 2 + (uint32_t)turn % 3;
        lose(&seed, 2 + (uint32_t)turn % 7);
        for (uint32_t v = 0; v < sights_count; v++) {
            sights[v].delay_ns = turn % 2 ? 20000 * v : (int64_t)(next_random(&seed) % 200) * STEP_NS; /* a path's, or clocks that differ */
            sights[v].node = turn % 2 ? 0 : v;
            sights[v].host = turn % 5 ? 2 : (uint8_t)(2 + v); /* translated */
        }
        assert_int_equal(run(), FILLING_DONE);
        expect_no_wrong_pair(&first);
        if (!is_whole(&second, 40)) {
            print_error("turn %u: %u entries missing %d views %u, teller %d delay %d\n", (unsigned)turn, second.count, (int)second.missing, sights_count, (int)first.views[0].point, (int)(sights[first.views[0].point-1].delay_ns/STEP_NS));
            for (uint32_t v=0;v<sights_count;v++) { print_error("view %u delay %d lost:", v, (int)(sights[v].delay_ns/1000)); for (uint32_t i=0;i<10;i++) print_error(" %d", sights[v].lost[i]); print_error(" .. "); for (uint32_t i=talk.count-10;i<talk.count;i++) print_error(" %d", sights[v].lost[i]);print_error("\n"); }
            for (uint32_t i=0;i<second.count;i++) print_error("%d %d %d fl %d\n",(int)second.said[i].asked,(int)second.said[i].answered,second.said[i].incomplete,second.said[i].flags);
        }
        assert_true(is_whole(&second, 40));
        assert_int_equal(second.connections, 1);
        assert_int_equal(second.missing, 0);
    }
}

static void from_the_middle(void **state)
{
    (void)state;
    for (uint64_t turn = 0; turn < 100; turn++) {
        uint64_t seed = turn + 1000;
        make_talk(40, turn, false);
        sights_count = 2;
        lose(&seed, 4);
        for (uint32_t i = 0; i < 12; i++)
            sights[0].lost[i] = sights[1].lost[i] = false;
        assert_int_equal(run(), FILLING_DONE);
        if (!(second.count >= 40 && second.missing == 0)) {
            print_error("turn %u: %u entries missing %d views %u, teller %d\n", (unsigned)turn, second.count, (int)second.missing, sights_count, (int)first.views[0].point);
            for (uint32_t v=0;v<sights_count;v++) { print_error("view %u delay %d lost:", v, (int)(sights[v].delay_ns/1000)); for (uint32_t i=0;i<10;i++) print_error(" %d", sights[v].lost[i]); print_error(" .. "); for (uint32_t i=talk.count-10;i<talk.count;i++) print_error(" %d", sights[v].lost[i]);print_error("\n"); }
            for (uint32_t i=0;i<second.count;i++) print_error("%d %d %d\n",(int)second.said[i].asked,(int)second.said[i].answered,second.said[i].incomplete);
        }
        assert_true(second.count >= 40 && second.missing == 0);
        expect_no_wrong_pair(&second);
        for (uint32_t i = 3; i < second.count; i++)
            assert_true(second.said[i].asked == second.said[i].answered && second.said[i].incomplete == WHOLE);
    }
}

/* What broke a second's silence is a pair with its response, as it is where nothing is filled: the second dissection reads less, and does not know for how long points were watched. */
static void from_the_middle_behind_a_silence(void **state)
{
    (void)state;
    for (uint64_t turn = 0; turn < 20; turn++) {
        uint64_t seed = turn + 1000;
        make_talk(40, turn, false);
        sights_count = 2;
        lose(&seed, 4);
        for (uint32_t i = 0; i < 12; i++)
            sights[0].lost[i] = sights[1].lost[i] = false;
        watched = true;
        enum filling_outcome outcome = run();
        watched = false;
        assert_int_equal(outcome, FILLING_DONE);
        assert_true(first.said[0].incomplete == WHOLE && first.said[0].asked == 0 && first.said[0].answered == 0);
        assert_true(is_whole(&second, 40));
    }
}

static void what_all_lost_is_a_gap(void **state)
{
    (void)state;
    for (uint64_t turn = 0; turn < 200; turn++) {
        uint64_t seed = turn + 2000;
        make_talk(40, turn, true);
        sights_count = 2;
        lose(&seed, 3);
        for (uint32_t i = 3; i < talk.count; i++)
            if (next_random(&seed) % 20 == 0)
                sights[0].lost[i] = sights[1].lost[i] = true;
        sights[1].delay_ns = (int64_t)(next_random(&seed) % 30) * STEP_NS;
        assert_int_equal(run(), FILLING_DONE);
        expect_no_wrong_pair(&second);
        uint32_t pairs = 0, before = 0;
        for (uint32_t i = 0; i < first.count; i++)
            before += first.said[i].asked >= 0 && first.said[i].answered >= 0 && first.said[i].incomplete == WHOLE;
        for (uint32_t i = 0; i < second.count; i++)
            pairs += second.said[i].asked >= 0 && second.said[i].answered >= 0 && second.said[i].incomplete == WHOLE;
        assert_true(pairs >= before / 2);
    }
}

static void a_byte_that_differs_is_refused(void **state)
{
    (void)state;
    for (uint64_t turn = 0; turn < 100; turn++) {
        uint64_t seed = turn + 3000;
        make_talk(20, turn, true);
        sights_count = 2 + (uint32_t)turn % 2;
        lose(&seed, 5);
        uint32_t at = 3 + next_random(&seed) % (talk.count - 6);
        while (talk.packets[at].size < 2) /* a single one may be a keep-alive's */
            at = at == talk.count - 1 ? 3 : at + 1;
        for (uint32_t v = 0; v < sights_count; v++)
            sights[v].lost[at] = false;
        sights[turn % sights_count].flip = at;
        sights[1].delay_ns = (int64_t)(next_random(&seed) % 30) * STEP_NS;
        enum filling_outcome outcome = run();
        assert_true(outcome == FILLING_DIFFERS || sights_count == 3);
        if (outcome == FILLING_DIFFERS)
            assert_int_equal(second.connections, 0); /* nothing more came out once it was seen */
        else
            expect_no_wrong_pair(&second);
    }
}

static void the_other_ones_fill(void **state)
{
    (void)state;
    make_talk(20, 9, true);
    sights_count = 3;
    for (uint32_t i = 20; i < talk.count; i += 5) /* the teller lacks these, and one that has them contradicts it before */
        sights[0].lost[i] = true;
    for (uint32_t i = 10; i < talk.count; i += 4)
        sights[1].lost[i] = sights[2].lost[i] = i % 5 != 0;
    for (sights[2].flip = 3; talk.packets[sights[2].flip].size < 2; sights[2].flip++) { }
    sights[1].delay_ns = 20000;
    sights[2].delay_ns = 10000;
    assert_int_equal(run(), FILLING_DONE);
    assert_int_equal(first.views[0].point, 1);
    assert_true(is_whole(&second, 20));
}

/* Sends a packet once more. */
static void repeat(uint32_t at)
{
    struct packet *p = &talk.packets[at];
    assert_true(++talk.count < PACKETS_MAX);
    memmove(p + 1, p, (talk.count - 1 - at) * sizeof *p);
    p->data = malloc(p->size);
    assert_non_null(p->data);
    memcpy(p->data, p[1].data, p->size);
}

static void one_that_contradicts_itself_is_out_once(void **state)
{
    (void)state;
    uint32_t at = 20;
    make_talk(20, 9, true);
    sights_count = 3;
    while (talk.packets[at].size < 50)
        at++;
    repeat(at);
    sights[0].lost[at] = sights[0].lost[at + 1] = sights[2].lost[at + 1] = true;
    sights[1].flip = at + 1;
    for (uint32_t i = at + 10; i < talk.count; i += 4)
        sights[1].lost[i] = sights[2].lost[i] = true;
    sights[1].delay_ns = 10000;
    sights[2].delay_ns = 3 * STEP_NS / 2; /* behind both */
    assert_int_equal(run(), FILLING_DONE);
    assert_int_equal(first.views[0].point, 1);
    assert_true(is_whole(&second, 20));
}

/* Passed over, because its time is far from the others', or changed since. */
static void what_the_first_had_and_the_second_has_not_is_refused(void **state)
{
    (void)state;
    make_talk(20, 13, true);
    sights_count = 2;
    sights[1].delay_ns = 20000;
    for (uint32_t i = 40; i < talk.count; i += 7)
        sights[0].lost[i] = talk.packets[i].size > 0;
    for (uint32_t i = 42; i < talk.count; i += 3)
        sights[1].lost[i] = !sights[0].lost[i];
    assert_int_equal(run(), FILLING_DONE);
    assert_int_equal(first.views[0].point, 1);
    for (passed_over = 4; passed_over < 60; passed_over++)
        if (talk.packets[passed_over].size > 0 && !sights[0].lost[passed_over])
            assert_int_equal(run(), FILLING_LESS);
    passed_over = UINT32_MAX;
}

static void what_nothing_proves_the_same_is_refused(void **state)
{
    (void)state;
    forget_talk(); /* from the middle, and no byte in common */
    sights_count = 2;
    say(SIDE_CLIENT, 0, 100, 200);
    say(SIDE_CLIENT, 1, 100, 200);
    say(SIDE_CLIENT, 2, 150, 200);
    sights[0].lost[1] = true;
    sights[1].lost[0] = sights[1].lost[2] = true;
    assert_int_equal(run(), FILLING_UNPROVEN);
}

static void each_side_by_another_way(void **state)
{
    (void)state;
    make_talk(40, 7, true);
    sights_count = 2;
    for (uint32_t i = 0; i < talk.count; i++) {
        sights[0].lost[i] = talk.packets[i].side == SIDE_SERVER;
        sights[1].lost[i] = talk.packets[i].side == SIDE_CLIENT;
    }
    assert_int_equal(run(), FILLING_DONE);
    assert_true(is_whole(&second, 40));
}

static void times_are_the_teller_s(void **state)
{
    (void)state;
    make_talk(10, 3, true);
    sights_count = 2;
    sights[1] = (struct sight){ .flip = UINT32_MAX, .host = 2, .node = 1, .delay_ns = INT64_C(3600000000000) }; /* another node's clock, an hour ahead */
    uint32_t request = 3, n = 0;
    while (talk.packets[request].data[0] != 'Q' || ++n < 5)
        request++;
    for (uint32_t i = request; talk.packets[i].side == SIDE_CLIENT; i++)
        sights[0].lost[i] = true;
    sights[1].lost[request + 20] = sights[1].lost[4] = sights[1].lost[5] = sights[1].lost[6] = sights[1].lost[7] = true;
    assert_int_equal(run(), FILLING_DONE);
    assert_true(is_whole(&second, 10));
    assert_true(second.said[4].timestamp_ns == START_NS + request * STEP_NS);
    assert_true(second.said[4].elapsed_ns > 0 && second.said[4].elapsed_ns < 20 * STEP_NS);
    assert_true(second.filled > 0 && second.missing == 0);
}

static void what_a_capture_cut_off_is_filled(void **state)
{
    (void)state;
    make_talk(20, 11, true);
    sights_count = 2;
    for (uint32_t v = 0; v < 2; v++) {
        sights[v].cut = v ? 190 : 180;
        sights[v].delay_ns = v * 20000;
    }
    assert_int_equal(run(), FILLING_DONE); /* both cut: what is behind 190 bytes of a packet is nobody's */
    expect_no_wrong_pair(&second);
    assert_true(second.filled == 0 && second.missing > 0);
    sights[1].cut = 0;
    for (uint32_t i = 3; i < talk.count; i += 2)
        sights[1].lost[i] = talk.packets[i].size <= 180;
    assert_int_equal(run(), FILLING_DONE);
    assert_true(is_whole(&second, 20));
}

static void who_asks_for_too_much_is_given_up(void **state)
{
    (void)state;
    make_talk(40, 5, true);
    sights_count = 2;
    sights[1].delay_ns = 100 * STEP_NS;
    for (uint32_t i = 20; i < talk.count; i += 3)
        sights[i % 2].lost[i] = true;
    limits.bytes = 16384; /* less than 100 packets */
    assert_int_equal(run(), FILLING_GIVEN_UP);
    assert_int_equal(second.connections, 0);
    limits.bytes = 0;
    assert_int_equal(run(), FILLING_DONE);
    assert_true(is_whole(&second, 40));
}

static void too_many_views_or_connections_are_refused(void **state)
{
    (void)state;
    struct filler *filler;
    struct filling *filling;
    struct filling *another;
    struct shard_options options = { .redact = REDACT_OFF, .limits = { .connections = 1 } };
    struct shard_sink sink = { take_entry, take_view, &second };
    struct view views[2] = { 0 };
    assert_int_equal(filler_new(&options, &sink, &filler), 0);
    assert_int_equal(filling_new(filler, views, 1, 0, 0, &filling), -EINVAL);
    assert_int_equal(filling_new(filler, views, FILLING_VIEWS_MAX + 1, 0, 0, &filling), -EINVAL);
    assert_int_equal(filling_new(filler, views, 2, 0, 0, &filling), 0);
    assert_int_equal(filling_new(filler, views, 2, 0, 0, &another), -ENOSPC);
    assert_int_equal(filling_outcome(filling), FILLING_GOES_ON);
    filling_free(filling);
    filling_free(NULL);
    filler_free(filler);
    filler_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_has_is_whole), cmocka_unit_test(from_the_middle), cmocka_unit_test(from_the_middle_behind_a_silence), cmocka_unit_test(what_all_lost_is_a_gap), cmocka_unit_test(a_byte_that_differs_is_refused), cmocka_unit_test(the_other_ones_fill),
        cmocka_unit_test(one_that_contradicts_itself_is_out_once), cmocka_unit_test(what_the_first_had_and_the_second_has_not_is_refused),
        cmocka_unit_test(what_nothing_proves_the_same_is_refused), cmocka_unit_test(each_side_by_another_way), cmocka_unit_test(times_are_the_teller_s), cmocka_unit_test(what_a_capture_cut_off_is_filled),
        cmocka_unit_test(who_asks_for_too_much_is_given_up), cmocka_unit_test(too_many_views_or_connections_are_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    forget_talk();
    return failed;
}
