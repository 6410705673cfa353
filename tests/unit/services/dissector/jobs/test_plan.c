#include "services/dissector/jobs/plan.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "services/dissector/jobs/request.h"

static Tapeloop__V1__Manifest *manifest_of(const char *objects)
{
    char text[4096], error[WIRE_ERROR_TEXT_MAX];
    ProtobufCMessage *message = NULL;
    snprintf(text, sizeof text, "{\"from\":\"1970-01-01T00:00:01Z\",\"to\":\"1970-01-01T00:00:02Z\",\"objects\":[%s]}", objects);
    assert_int_equal(wire_decode_json(&tapeloop__v1__manifest__descriptor, text, strlen(text), sizeof text, &message, error), 0);
    return (Tapeloop__V1__Manifest *)message;
}
#define SEGMENT(node, lane, sequence) "{\"kind\":\"segment\",\"path\":\"segments/" node "/" lane "-" sequence "\",\"bytes\":\"5\",\"segmentId\":\"" node "/00000000000000aa/" lane "/" sequence "\"}"

static void inputs_are_in_order_and_know_what_was_before(void **state)
{
    (void)state;
    wire_auto Tapeloop__V1__Manifest *manifest =
        manifest_of(SEGMENT("b", "0", "9") "," SEGMENT("a", "1", "3") "," SEGMENT("b", "0", "10") "," SEGMENT("b", "0", "12") ",{\"kind\":\"index\",\"path\":\"x\"}");
    wire_auto Tapeloop__V1__DissectRequest *request = WIRE_NEW(Tapeloop__V1__DissectRequest, tapeloop__v1__dissect_request__descriptor);
    wire_auto Tapeloop__V1__DissectPlan *plan = NULL;
    static struct workplace place;
    char error[PLAN_ERROR_TEXT_MAX] = "";
    struct plan_job *job = NULL;
    assert_int_equal(wire_set_string(&request->redact, "strict"), 0);
    assert_int_equal(plan_make(manifest, request, &plan, error), 0);
    assert_int_equal(plan->n_nodes, 2);
    assert_int_equal(plan->from_ns, 1000000000);
    assert_int_equal(plan->groups, 4);
    snprintf(place.snapshot_folder, sizeof place.snapshot_folder, "/store/shop");
    assert_int_equal(plan_job_open(&place, plan, "me", &job), 0);
    static const char *const paths[] = { "/store/shop/segments/a/1-3", "/store/shop/segments/b/0-9", "/store/shop/segments/b/0-10", "/store/shop/segments/b/0-12" };
    static const uint32_t before[] = { UINT32_MAX, UINT32_MAX, 1, UINT32_MAX };
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(job->inputs[i].path, paths[i]);
        assert_int_equal(job->inputs[i].previous, before[i]);
        assert_int_equal(job->inputs[i].node, i > 0);
    }
    assert_int_equal(job->job.redact, REDACT_STRICT);
    plan_job_free(job);
}

static void damaged_manifests_are_refused(void **state)
{
    (void)state;
    static const struct { const char *objects; int r; } cases[] = {
        { "", -ENODATA }, { "{\"kind\":\"segment\",\"path\":\"x\",\"segmentId\":\"nonsense\"}", -EBADMSG },
        { "{\"kind\":\"segment\",\"path\":\"../x\",\"segmentId\":\"a/00000000000000aa/0/1\"}", -EBADMSG },
        { "{\"kind\":\"segment\",\"path\":\"/etc/x\",\"segmentId\":\"a/00000000000000aa/0/1\"}", -EBADMSG },
    };
    wire_auto Tapeloop__V1__DissectRequest *request = WIRE_NEW(Tapeloop__V1__DissectRequest, tapeloop__v1__dissect_request__descriptor);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wire_auto Tapeloop__V1__Manifest *manifest = manifest_of(cases[i].objects);
        Tapeloop__V1__DissectPlan *plan = NULL;
        char error[PLAN_ERROR_TEXT_MAX] = "";
        assert_int_equal(plan_make(manifest, request, &plan, error), cases[i].r);
        assert_true(strlen(error) > 10);
    }
}

static Tapeloop__V1__DissectRequest *request_of(const char *json)
{
    char error[WIRE_ERROR_TEXT_MAX];
    ProtobufCMessage *message = NULL;
    assert_int_equal(wire_decode(&tapeloop__v1__dissect_request__descriptor, json, strlen(json), NULL, &message, NULL, error), 0);
    return (Tapeloop__V1__DissectRequest *)message;
}

static void equal_requests_have_one_digest(void **state)
{
    (void)state;
    static const struct { const char *json; bool same; } cases[] = {
        { "{\"snapshot\":\"s\",\"protocols\":[\"DNS\",\"http\",\"dns\"]}", true },      { "{\"snapshot\":\"s\",\"name\":\"default\",\"protocols\":[\"HTTP\",\"DNS\"],\"redact\":\"on\"}", true },
        { "{\"snapshot\":\"s\",\"protocols\":[\"HTTP\"]}", false },                     { "{\"snapshot\":\"s\",\"protocols\":[\"HTTP\",\"DNS\"],\"redact\":\"off\"}", false },
        { "{\"snapshot\":\"s\",\"protocols\":[\"HTTP\",\"DNS\"],\"where\":\"dns\"}", false }, { "{\"snapshot\":\"s\",\"protocols\":[\"HTTP\",\"DNS\"],\"limits\":{\"entries\":5}}", false },
    };
    char first[DIGEST_TEXT_MAX] = "", digest[DIGEST_TEXT_MAX], error[REQUEST_ERROR_TEXT_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wire_auto Tapeloop__V1__DissectRequest *request = request_of(cases[i].json);
        assert_int_equal(dissect_request_complete(request, error), 0);
        dissect_request_digest(request, "sha", digest);
        if (i == 0)
            memcpy(first, digest, sizeof first);
        assert_int_equal(strcmp(first, digest) == 0, cases[i].same);
    }
    wire_auto Tapeloop__V1__DissectRequest *request = request_of(cases[0].json);
    assert_int_equal(dissect_request_complete(request, error), 0);
    dissect_request_digest(request, "another snapshot of that name", digest);
    assert_string_not_equal(first, digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_are_in_order_and_know_what_was_before), cmocka_unit_test(damaged_manifests_are_refused), cmocka_unit_test(equal_requests_have_one_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
