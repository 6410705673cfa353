/* Which observations are one connection: never guessed, whatever the order in which they are given. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "services/dissector/engine/conversation.h"
#include "services/dissector/engine/filling.h"
#include "services/dissector/work/views.h"

/* Shard and number name a view; client port 1000 unless said. */
static struct run_view view(uint32_t number, uint64_t point, int64_t first, int64_t last, uint64_t payload)
{
    struct run_view v = { .number = number, .view = { .tuple = { .source = { 10, 0, 0, 1 }, .destination = { 10, 0, 0, 2 }, .source_port = 1000, .destination_port = 80, .version = 4, .transport = 6 },
                                                      .point = point, .first_ns = first, .last_ns = last, .payload_bytes = payload } };
    return v;
}

static struct run_view with_isn(struct run_view v, uint32_t client, uint32_t server, uint32_t flags)
{
    v.view.client_isn = client;
    v.view.server_isn = server;
    v.view.flags = flags;
    return v;
}

static struct run_view translated(struct run_view v, uint8_t host)
{
    v.shard = 1;
    v.view.tuple.destination[3] = host;
    return v;
}

static struct run_view turned(struct run_view v)
{
    struct tuple t = v.view.tuple;
    memcpy(v.view.tuple.source, t.destination, 16);
    memcpy(v.view.tuple.destination, t.source, 16);
    v.view.tuple.source_port = t.destination_port;
    v.view.tuple.destination_port = t.source_port;
    return v;
}

static struct view_fate fate(struct views *views, const struct run_view *v)
{
    struct record r = { .shard = (uint8_t)v->shard, .view = v->number };
    struct view_fate ret;
    assert_int_equal(views_fate(views, &r, &ret), 0);
    return ret;
}

#define BOTH (VIEW_CLIENT_ISN | VIEW_SERVER_ISN)
/* tells: a digit per view: 1 tells, 0 does not, 2 tells and may be a copy. In every rotation of the list. */
static void expect(const struct run_view *list, size_t count, const char *tells)
{
    struct run_view turn[8];
    for (size_t by = 0; by < count; by++) {
        for (size_t i = 0; i < count; i++)
            turn[i] = list[(i + by) % count];
        struct views *views;
        assert_int_equal(views_new(turn, count, &views), 0);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(fate(views, &list[i]).tells, tells[i] != '0');
            assert_int_equal(fate(views, &list[i]).maybe_copy, tells[i] == '2');
        }
        views_free(views);
    }
}

static void most_payload_tells(void **state)
{
    (void)state;
    struct run_view list[] = { view(0, 1, 0, 10, 100), view(1, 2, 0, 10, 101), view(2, 3, 1, 9, 99) };
    expect(list, 3, "010");
    list[1].view.payload_bytes = 100; /* equal: the earliest, then the lowest number */
    expect(list, 3, "100");
    struct run_view other_client[] = { view(0, 1, 0, 10, 100), turned(view(1, 2, 0, 10, 50)) };
    expect(other_client, 2, "10");
}

static void one_point_never_has_two(void **state)
{
    (void)state;
    struct run_view again[] = { view(0, 1, 0, 10, 100), view(1, 1, 5, 20, 1) };
    expect(again, 2, "11");
    struct run_view bridged[] = { view(0, 1, 0, 10, 100), view(1, 1, 20, 30, 90), view(2, 2, 0, 30, 10) };
    expect(bridged, 3, "110");
}

static void times_and_numbers_must_agree(void **state)
{
    (void)state;
    struct run_view apart[] = { view(0, 1, 0, 10, 100), view(1, 2, 11, 20, 1) };
    expect(apart, 2, "11");
    struct run_view differ[] = { with_isn(view(0, 1, 0, 10, 100), 5, 6, BOTH), with_isn(view(1, 2, 0, 10, 1), 5, 7, BOTH) };
    expect(differ, 2, "11");
    struct run_view half[] = { with_isn(view(0, 1, 0, 10, 100), 5, 6, BOTH), with_isn(view(1, 2, 0, 10, 1), 5, 0, VIEW_CLIENT_ISN) };
    expect(half, 2, "10");
}

static void translated_ones_need_both_numbers(void **state)
{
    (void)state;
    struct run_view joined[] = { with_isn(view(0, 1, 0, 10, 100), 5, 6, BOTH), translated(with_isn(view(0, 2, 0, 10, 120), 5, 6, BOTH), 9) };
    expect(joined, 2, "01");
    struct run_view half[] = { with_isn(view(0, 1, 0, 10, 100), 5, 6, BOTH), translated(with_isn(view(0, 2, 0, 10, 120), 5, 0, VIEW_CLIENT_ISN), 9) };
    expect(half, 2, "22");
    struct run_view none[] = { view(0, 1, 0, 10, 100), translated(view(0, 2, 0, 10, 120), 9) };
    expect(none, 2, "11");
    struct run_view other[] = { with_isn(view(0, 1, 0, 10, 100), 5, 6, BOTH), translated(with_isn(view(0, 2, 0, 10, 120), 5, 7, BOTH), 9) };
    expect(other, 2, "11");
}

static void connections_are_numbered_as_they_come(void **state)
{
    (void)state;
    struct run_view list[] = { view(0, 1, 0, 10, 100), view(1, 1, 5, 20, 1) };
    struct views *views;
    assert_int_equal(views_new(list, 2, &views), 0);
    struct record first = { .view = 1 }, second = { .view = 0 }, unknown = { .view = 2 }, elsewhere = { .shard = 3 };
    struct view_fate ret;
    assert_int_equal(views_connection(views, &first), 1);
    assert_int_equal(views_connection(views, &second), 2);
    assert_int_equal(views_connection(views, &first), 1);
    assert_int_equal(views_connections(views), 2);
    assert_int_not_equal(views_fate(views, &unknown, &ret), 0);
    assert_int_not_equal(views_fate(views, &elsewhere, &ret), 0);
    views_free(views);
    list[1].number = 9; /* more than there are */
    assert_int_not_equal(views_new(list, 2, &views), 0);
}

static void all_views_are_listed(void **state)
{
    (void)state;
    static const char *const nodes[] = { "a", "b" };
    struct run_view list[] = { with_isn(view(0, 1, 0, 10, 100), 5, 6, BOTH), translated(with_isn(view(0, 2, 0, 10, 120), 5, 6, BOTH), 9), view(1, 1, 50, 60, 1) };
    list[1].view.node = 1;
    static const char expected[] = "a 10.0.0.1:1000 > 10.0.0.2:80|b 10.0.0.1:1000 > 10.0.0.9:80|";
    struct views *views;
    assert_int_equal(views_new(list, 3, &views), 0);
    struct record tells = { .shard = 1 }, alone = { .view = 1 };
    struct value value;
    struct text item;
    char text[256] = "";
    uint32_t at = 0;
    assert_true(views_list(views, &tells, nodes, 2, NULL, &value));
    while (value_next_item(&value, &at, &item)) {
        strncat(text, item.data, item.size);
        strncat(text, "|", 2);
    }
    assert_string_equal(text, expected);
    assert_false(views_list(views, &alone, nodes, 2, NULL, &value));
    views_free(views);
}

/* How many of the two are to be dissected together: in both orders. */
static uint32_t fillings(const struct run_view *teller, const struct run_view *other)
{
    struct run_view list[2] = { *other, *teller };
    uint32_t wanted = 0, count = 0;
    for (unsigned turn = 0; turn < 2; turn++) {
        struct views *views;
        assert_int_equal(views_new(list, 2, &views), 0);
        assert_true(turn == 0 || wanted == views_fillings(views));
        wanted = views_fillings(views);
        if (wanted) {
            const struct run_view *members = views_filling(views, 0, &count);
            assert_true(count == 2 && members[0].number == teller->number && members[1].number == other->number);
        }
        views_free(views);
        list[0] = *teller;
        list[1] = *other;
    }
    return wanted;
}

static void what_lacks_something_is_dissected_again(void **state)
{
    (void)state;
    struct run_view teller = with_isn(view(0, 1, 0, 10, 100), 5, 6, BOTH), other = with_isn(view(1, 2, 0, 10, 60), 5, 6, BOTH);
    teller.view.client_payload = 40;
    other.view.client_payload = 30;
    assert_int_equal(fillings(&teller, &other), 0);
    other.view.missing_bytes = 7; /* it does not tell */
    assert_int_equal(fillings(&teller, &other), 0);
    teller.view.missing_bytes = 1;
    assert_int_equal(fillings(&teller, &other), 1);
    other.view.payload_bytes = other.view.client_payload = 0; /* has nothing to give */
    assert_int_equal(fillings(&teller, &other), 0);
    teller.view.missing_bytes = 0;
    other.view.payload_bytes = 60;
    teller.view.flags = VIEW_CLIENT_ISN; /* of the handshake it lacks a half, but no bytes */
    assert_int_equal(fillings(&teller, &other), 0);
    other.view.client_payload = 41;
    assert_int_equal(fillings(&teller, &other), 1);
    teller.view.flags = BOTH;
    assert_int_equal(fillings(&teller, &other), 0);
    other.view.end = END_CLOSED;
    assert_int_equal(fillings(&teller, &other), 1);
    other.view.end = END_INPUT;
    teller.view.client_payload = 100; /* nothing of the server */
    assert_int_equal(fillings(&teller, &other), 1);
    teller.view.tuple.transport = other.view.tuple.transport = 17;
    assert_int_equal(fillings(&teller, &other), 0);
}

static void clocks_may_differ_where_the_handshake_is_the_same(void **state)
{
    (void)state;
    struct run_view apart[] = { with_isn(view(0, 1, 0, 10, 100), 5, 6, BOTH), with_isn(view(1, 2, 1000, 1010, 1), 5, 6, BOTH) };
    expect(apart, 2, "10");
    apart[1].view.server_isn = 7;
    expect(apart, 2, "11");
    apart[1].view.server_isn = 6;
    apart[1].view.first_ns += INT64_C(61000000000);
    apart[1].view.last_ns += INT64_C(61000000000);
    expect(apart, 2, "11");
    struct run_view other_address[] = { with_isn(view(0, 1, 0, 10, 100), 5, 6, BOTH), translated(with_isn(view(0, 2, 1000, 1010, 1), 5, 6, BOTH), 9) };
    expect(other_address, 2, "11");
}

static void who_gave_what_is_said(void **state)
{
    (void)state;
    static const char *const nodes[] = { "a", "b" };
    struct input_names names = { 0 };
    struct run_view list[] = { with_isn(view(0, 1, 0, 10, 100), 5, 6, BOTH), with_isn(view(1, 2, 0, 10, 60), 5, 6, BOTH) };
    struct views *views;
    struct value value;
    struct text item;
    const struct record record = { 0 };
    uint32_t at = 0;
    list[0].view.missing_bytes = 5;
    list[1].view.node = 1;
    assert_int_equal(input_names_add(&names, 2, "eth0"), 0);
    assert_int_equal(views_new(list, 2, &views), 0);
    assert_false(fate(views, &list[0]).filled);
    views_set_filled(views, 0, (const uint64_t[]){ 0, 5 });
    assert_true(fate(views, &list[0]).filled && fate(views, &list[0]).tells && !fate(views, &list[1]).filled);
    assert_true(views_list(views, &record, nodes, 2, &names, &value));
    assert_true(value_next_item(&value, &at, &item));
    assert_int_equal(item.size, strlen("a 10.0.0.1:1000 > 10.0.0.2:80"));
    assert_memory_equal(item.data, "a 10.0.0.1:1000 > 10.0.0.2:80", item.size);
    assert_true(value_next_item(&value, &at, &item));
    assert_int_equal(item.size, strlen("b eth0 10.0.0.1:1000 > 10.0.0.2:80 (gave 5 bytes)"));
    assert_memory_equal(item.data, "b eth0 10.0.0.1:1000 > 10.0.0.2:80 (gave 5 bytes)", item.size);
    views_free(views);
    input_names_free(&names);
}

/* A capture can make up as many views of one connection as it likes. */
static void a_connection_has_so_many_views_and_no_more(void **state)
{
    (void)state;
    enum { COUNT = 3 * FILLING_VIEWS_MAX + 8 };
    struct run_view list[COUNT];
    for (unsigned turn = 0; turn < 3; turn++) {
        struct views *views;
        uint32_t members, told = 0;
        for (uint32_t i = 0; i < COUNT; i++) {
            uint32_t k = turn == 0 ? i : turn == 1 ? COUNT - 1 - i : i * 7 % COUNT;
            list[i] = with_isn(view(k, k + 1, k, 1000, 100), 5, 6, turn == 2 ? BOTH : VIEW_CLIENT_ISN);
            list[i].view.missing_bytes = 1;
        }
        assert_int_equal(views_new(list, COUNT, &views), 0);
        assert_int_equal(views_left_out(views), COUNT - 4);
        assert_int_equal(views_fillings(views), 4);
        for (uint32_t i = 0; i < COUNT; i++) {
            assert_int_equal(fate(views, &list[i]).tells, list[i].number % FILLING_VIEWS_MAX == 0); /* the first of each 64 */
            told += fate(views, &list[i]).tells;
        }
        assert_int_equal(told, 4);
        for (uint32_t i = 0; i < 4; i++) {
            (void)views_filling(views, i, &members);
            assert_true(members == FILLING_VIEWS_MAX || members == 8);
        }
        views_free(views);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most_payload_tells), cmocka_unit_test(one_point_never_has_two), cmocka_unit_test(times_and_numbers_must_agree),
        cmocka_unit_test(translated_ones_need_both_numbers), cmocka_unit_test(connections_are_numbered_as_they_come), cmocka_unit_test(all_views_are_listed),
        cmocka_unit_test(what_lacks_something_is_dissected_again), cmocka_unit_test(clocks_may_differ_where_the_handshake_is_the_same), cmocka_unit_test(who_gave_what_is_said),
        cmocka_unit_test(a_connection_has_so_many_views_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
