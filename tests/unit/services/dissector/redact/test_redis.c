#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "services/dissector/redact/redact.h"

/* Words in brackets are the secret ones. */
static const char *const commands[] = {
    "GET key", "SET password x", "AUTH <p>", "auth user <p>", "AUTH user <p> <x>", "AUTH", "HELLO 3", "HELLO 3 AUTH user <p> SETNAME n", "hello 3 setname auth auth user <p>", "CONFIG SET requirepass <p>",
    "CONFIG SET maxmemory 1 MASTERAUTH <p> requirepass <q>", "CONFIG GET requirepass", "CONFIG SET requirepass", "ACL SETUSER bob on <>p> <#abc> ~* +@all <!def> <<q>", "ACL GETUSER bob", "ACL LIST",
    "MIGRATE h 6379 key 0 5000 COPY AUTH <p>", "MIGRATE h 6379 key 0 5000 AUTH2 user <p> KEYS auth x", "MIGRATE h 6379 key 0 5000 KEYS auth x", "SENTINEL SET m auth-pass <p>", "SENTINEL CONFIG SET sentinel-pass <p>", "CONFIG SET primaryauth <p>", "SENTINEL SET m quorum 2",
};

static void secret_arguments_are_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        struct redact_argument arguments[16];
        bool secret[16];
        size_t count = 0;
        for (const char *p = commands[i]; *p;) {
            size_t size = strcspn(p, " ");
            secret[count] = size > 2 && p[0] == '<' && p[size - 1] == '>';
            if (strcmp(p, "<<q>") == 0)
                secret[count] = true;
            arguments[count] = secret[count] ? (struct redact_argument){ p + 1, size - 2 } : (struct redact_argument){ p, size };
            count++;
            p += size + (p[size] == ' ');
        }
        for (size_t which = 0; which < count; which++)
            if (redact_redis_argument(arguments, count, which) != secret[which])
                fail_msg("%s: argument %zu", commands[i], which);
    }
    assert_false(redact_redis_argument(NULL, 0, 0));
    struct redact_argument empty[] = { { "ACL", 3 }, { "SETUSER", 7 }, { "x", 1 }, { "", 0 } };
    assert_false(redact_redis_argument(empty, 4, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(secret_arguments_are_known) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
