#include "jobs/announce.h"
#include "tests/unit/lib/jobs/bus_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void ids_tell_states_apart(void **state)
{
    (void)state;
    char one[EVENT_ID_TEXT_MAX], two[EVENT_ID_TEXT_MAX];
    event_id("a", 1, "ready", one);
    event_id("a", 1, "failed", two);
    assert_string_not_equal(one, two);
    event_id("a", 1, "ready", two);
    assert_string_equal(one, two);
}

static void texts_for_people(void **state)
{
    (void)state;
    char text[] = "a\x01 \xc3\xa9 \xff\xed\xa0\x80 \xc2\x9b" "31m\xc2\x80\xc2\xa0";
    text_make_plain(text);
    assert_string_equal(text, "a? \xc3\xa9 ???? ??31m??\xc2\xa0");
    char turned[] = "user\xe2\x80\xaetxt.exe \xe2\x81\xa6\xe2\x80\xa8 \xe2\x80\xa7\xe2\x80\xaf \xe2\x80";
    text_make_plain(turned);
    assert_string_equal(turned, "user???txt.exe ?????? \xe2\x80\xa7\xe2\x80\xaf ??");
}

static void an_event_is_kept_once(void **state)
{
    (void)state;
    Tapeloop__V1__DissectEvent event = TAPELOOP__V1__DISSECT_EVENT__INIT;
    event.entries = 3;
    struct announcement announcement = { .kind = "dissect", .state = "ready", .id = "same", .source = "/tapeloop/dissector/x", .about = "shop/default", .request = 9 };
    assert_int_equal(announce(bus, &announcement, &event.base), 0);
    assert_int_equal(announce(bus, &announcement, &event.base), 0);
    uint64_t sequence = 0;
    void *data = NULL;
    size_t size = 0;
    char id[512];
    assert_int_equal(bus_stream_last(bus, "EVENTS", "dissect.ready", &sequence, &data, &size, id), 0);
    assert_int_equal(sequence, 1);
    assert_string_equal(id, "same");
    assert_string_equal(data, "{\"entries\":\"3\"}");
    free(data);
    Tapeloop__V1__DissectProgress progress = TAPELOOP__V1__DISSECT_PROGRESS__INIT;
    assert_int_equal(announce_progress(bus, "dissect", &progress.base, 9), 0);
}

static void a_dead_letter_is_what_came(void **state)
{
    (void)state;
    char body[] = "as it came";
    struct bus_job message = { .data = body, .size = strlen(body), .sequence = 12 };
    assert_int_equal(announce_dead(bus, "dead.dissect.job", &message, "five times"), 0);
    uint64_t sequence = 0;
    void *data = NULL;
    size_t size = 0;
    char id[512];
    assert_int_equal(bus_stream_last(bus, "DEAD", "dead.dissect.job", &sequence, &data, &size, id), 0);
    assert_string_equal(data, body);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_tell_states_apart), cmocka_unit_test(texts_for_people), cmocka_unit_test(an_event_is_kept_once), cmocka_unit_test(a_dead_letter_is_what_came),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
