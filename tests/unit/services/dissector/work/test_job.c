#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "services/dissector/engine/conversation.h"
#include "services/dissector/protocols/http/http1.h"
#include "services/dissector/protocols/http2/http2.h"
#include "services/dissector/work/job.h"

static uint64_t bit(const struct protocol *protocol) { return UINT64_C(1) << protocol_number(protocol); }

static void protocols_are_chosen_by_name(void **state)
{
    (void)state;
    struct shard_options options;
    struct stage_limits limits = { .body_bytes = UINT64_MAX };
    char error[STAGE_ERROR_TEXT_MAX];
    assert_int_equal(job_shard_options(NULL, 0, REDACT_ON, &limits, NULL, &options, error), 0);
    assert_true(options.protocols == 0 && options.body_max == CONVERSATION_BODY_MAX && options.redact == REDACT_ON);
    assert_int_equal(job_shard_options((const char *const[]){ "http" }, 1, REDACT_ON, &limits, NULL, &options, error), 0);
    assert_true(options.protocols == (bit(&protocol_http1) | bit(&protocol_http2))); /* one name, two parsers */
    assert_int_equal(job_shard_options((const char *const[]){ "TCP", "udp" }, 2, REDACT_ON, &limits, NULL, &options, error), 0);
    assert_true(options.protocols == (bit(&protocol_tcp) | bit(&protocol_udp)));
    assert_int_equal(job_shard_options((const char *const[]){ "HTTP", "GOPHER" }, 2, REDACT_ON, &limits, NULL, &options, error), -EINVAL);
    assert_non_null(strstr(error, "GOPHER"));
    assert_non_null(strstr(error, "HTTP"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(protocols_are_chosen_by_name) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
