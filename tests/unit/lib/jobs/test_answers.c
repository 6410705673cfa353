#include "jobs/answers.h"
#include "tests/unit/lib/jobs/bus_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <cmocka.h>

static atomic_int asked; /* the service of this test: what the answers count in */
static char large[2 * 1024 * 1024];

static void answer(struct question *question, ProtobufCMessage *reply)
{
    const Tapeloop__V1__DissectSelector *request = (const Tapeloop__V1__DissectSelector *)question->request;
    atomic_fetch_add((atomic_int *)question->service, 1);
    if (strcmp(request->name, "bad") == 0)
        answer_fail(reply, "not_found", "there is no %s", request->name);
    else if (strncmp(request->name, "cut", 3) == 0)
        answer_fail(reply, "not_found", "there is no %.4s", request->name);
    else if (strcmp(request->name, "bytes") == 0)
        wire_set_string(&((Tapeloop__V1__DissectDeleteReply *)reply)->name, "\xff");
    else if (strcmp(request->name, "large") == 0)
        wire_set_string(&((Tapeloop__V1__DissectDeleteReply *)reply)->name, large);
    else if (strcmp(request->name, "other") == 0)
        question->silent = true;
    else
        wire_set_string(&((Tapeloop__V1__DissectDeleteReply *)reply)->name, request->name);
}

static void ask(const char *json, char *text, size_t cap)
{
    void *data = NULL;
    size_t size = 0;
    int r = bus_request(bus, "dissect.delete", json, strlen(json), false, 1000, &data, &size);
    snprintf(text, cap, "%s", r == 0 ? (const char *)data : r == -ETIMEDOUT ? "silence" : "nobody");
    free(data);
}

static void questions_are_answered(void **state)
{
    (void)state;
    static const struct answers_subject subjects[] = {
        { .endpoint = "delete", .subject = "dissect.delete", .request = &tapeloop__v1__dissect_selector__descriptor, .reply = &tapeloop__v1__dissect_delete_reply__descriptor, .answer = answer },
    };
    const struct answers_table table = { .subjects = subjects, .count = 1, .group = "dissector", .service = &asked, .bus = bus };
    struct answers *answers = NULL;
    char error[256] = "", text[512];
    assert_int_equal(answers_start(&table, &answers, error), 0);
    ask("{\"name\":\"a\"}", text, sizeof text);
    assert_string_equal(text, "{\"name\":\"a\"}");
    ask("{\"name\":\"bad\"}", text, sizeof text);
    assert_string_equal(text, "{\"error\":{\"code\":\"not_found\",\"message\":\"there is no bad\"}}");
    ask("{\"name\":\"cut\xc3\xa9\"}", text, sizeof text); /* within a character */
    assert_string_equal(text, "{\"error\":{\"code\":\"not_found\",\"message\":\"there is no cut?\"}}");
    memset(large, 'x', sizeof large - 1);
    static const char *const unsendable[] = { "{\"name\":\"bytes\"}", "{\"name\":\"large\"}" };
    for (size_t i = 0; i < 2; i++) {
        ask(unsendable[i], text, sizeof text);
        assert_non_null(strstr(text, "\"internal\""));
    }
    ask("{\"nme\":1}", text, sizeof text);
    assert_non_null(strstr(text, "\"invalid\""));
    assert_non_null(strstr(text, "nme"));
    ask("{\"name\":\"other\"}", text, sizeof text);
    assert_string_equal(text, "silence");
    assert_int_equal(atomic_load(&asked), 6);
    answers_stop(answers);
    answers_stop(NULL);
    ask("{\"name\":\"a\"}", text, sizeof text);
    assert_string_equal(text, "nobody");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(questions_are_answered) };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
