/* Secrets among the arguments of Redis commands: AUTH, HELLO .. AUTH, CONFIG SET requirepass and masterauth (Valkey: primaryauth), ACL SETUSER, MIGRATE .. AUTH, SENTINEL SET .. auth-pass, SENTINEL CONFIG SET sentinel-pass.
 * See redact.h. */
#include "services/dissector/redact/redact.h"
#include "services/dissector/redact/writer.h"

#define IS(argument, literal) REDACT_IS((argument).data, (argument).size, literal)

/* Behind the first AUTH from `at` on come a password or, with two, a user and a password. */
static bool behind_auth(const struct redact_argument *arguments, size_t which, size_t at, bool two)
{
    for (; at < which; at++) {
        if (IS(arguments[at], "keys"))
            return false;
        if (IS(arguments[at], "setname")) { /* with a name that may be any word */
            at++;
            continue;
        }
        if (IS(arguments[at], "auth2") || (two && IS(arguments[at], "auth")))
            return which == at + 2;
        if (IS(arguments[at], "auth"))
            return which == at + 1;
    }
    return false;
}

bool redact_redis_argument(const struct redact_argument *arguments, size_t count, size_t which)
{
    if (count < 2 || which == 0 || which >= count)
        return false;
    const struct redact_argument *command = &arguments[0];
    switch (command->size) {
    case 3: /* ACL SETUSER name rule...: rules with a password or its hash */
        if (!IS(*command, "acl") || !IS(arguments[1], "setuser") || which < 3 || arguments[which].size == 0)
            return false;
        return memchr("><#!", arguments[which].data[0], 4) != NULL;
    case 4: /* AUTH [user] password */
        return IS(*command, "auth") && (count == 2 || which >= 2);
    case 5:
        return IS(*command, "hello") && behind_auth(arguments, which, 2, true);
    case 6: /* CONFIG SET name value [name value]... */
        if (!IS(*command, "config") || !IS(arguments[1], "set") || which < 3 || which % 2 == 0)
            return false;
        return IS(arguments[which - 1], "requirepass") || IS(arguments[which - 1], "masterauth") || IS(arguments[which - 1], "primaryauth") || IS(arguments[which - 1], "tls-key-file-pass") || IS(arguments[which - 1], "tls-client-key-file-pass");
    case 7: /* MIGRATE host port key db timeout ... */
        return IS(*command, "migrate") && behind_auth(arguments, which, 6, false);
    case 8:
        return IS(*command, "sentinel") && which >= 3 && (IS(arguments[which - 1], "auth-pass") || IS(arguments[which - 1], "sentinel-pass"));
    default:
        return false;
    }
}
