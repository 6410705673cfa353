/* protocols/http2_streams.c: the table and its bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "services/dissector/protocols/http2/http2_streams.h"

static void test_table(void **state)
{
    (void)state;
    struct http2_streams t = { 0 };
    for (uint32_t id = 1; id < 200; id += 2)
        assert_non_null(http2_streams_add(&t, id));
    assert_int_equal(t.count, 100);
    for (uint32_t id = 1; id < 200; id += 6)
        http2_streams_remove(&t, http2_streams_find(&t, id));
    uint32_t before = 0, count = 0;
    for (struct http2_stream *s = t.oldest; s; s = s->newer, count++) {
        assert_true(s->id > before && s->id % 6 != 1);
        assert_ptr_equal(http2_streams_find(&t, s->id), s);
        before = s->id;
    }
    assert_int_equal(count, t.count);
    assert_null(http2_streams_find(&t, 1));
    assert_null(http2_streams_find(&t, 2));
    struct http2_stream *again = http2_streams_add(&t, 1);
    assert_non_null(again);
    assert_false(again->grpc || again->halves[0].ended || again->halves[1].message);
    http2_streams_free(&t);
    assert_int_equal(t.bodies, 0);
}

static void test_forgotten(void **state)
{
    (void)state;
    struct http2_streams t = { 0 };
    for (uint32_t id = 1; id <= 2 * HTTP2_CLOSED_KEPT; id++)
        http2_streams_forget(&t, id);
    assert_true(http2_streams_forgotten(&t, 2 * HTTP2_CLOSED_KEPT));
    assert_true(http2_streams_forgotten(&t, HTTP2_CLOSED_KEPT + 1));
    assert_false(http2_streams_forgotten(&t, 1));
}

/* Bodies together stay below their limit, and all of it is given back. */
static void test_bodies(void **state)
{
    (void)state;
    static uint8_t data[CONVERSATION_BODY_MAX];
    struct http2_streams t = { 0 };
    unsigned kept = 0;
    for (uint32_t id = 1; id < 300; id += 2) {
        struct http2_stream *s = http2_streams_add(&t, id);
        assert_non_null(s);
        for (unsigned k = 0; k < 2; k++)
            kept += http2_streams_body(&t, &s->halves[k], data, sizeof data);
        assert_true(t.bodies <= HTTP2_BODIES_MAX);
        assert_int_equal(s->halves[1].body.size, sizeof data);
    }
    assert_int_equal(kept, HTTP2_BODIES_MAX / CONVERSATION_BODY_MAX);
    while (t.oldest)
        http2_streams_remove(&t, t.oldest);
    assert_true(t.bodies <= 16 * 16 * 1024);
    http2_streams_free(&t);
    assert_int_equal(t.bodies, 0);
}

/* Bodies that have been written make room for others, as many as may come. */
static void test_written_bodies(void **state)
{
    (void)state;
    static uint8_t data[20000];
    struct http2_streams t = { 0 };
    for (uint32_t id = 1; id < 2000; id += 2) {
        struct message m = { .failed = true }; /* takes nothing */
        struct http2_stream *s = http2_streams_add(&t, id);
        assert_non_null(s);
        s->halves[0].message = &m;
        assert_true(http2_streams_body(&t, &s->halves[0], data, sizeof data));
        assert_true(t.bodies >= sizeof data);
        http2_streams_body_write(&t, &s->halves[0]);
        http2_streams_remove(&t, s);
    }
    http2_streams_free(&t);
    assert_int_equal(t.bodies, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_written_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
