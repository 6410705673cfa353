/* A conversation as a list of what each side says, for tests of protocols: the same entries must come out however the bytes are cut into segments. Needs protocol_rig.h's port and redaction.
 *
 *   static const struct line script[] = { CLIENT("PING\r\n"), SERVER("+PONG\r\n") };
 *   struct rig *rig = script_play(6379, REDACT_ON, script, LINES(script));
 *   script_check_cuts(6379, script, LINES(script));    every line cut in two at every byte, and all of it in single bytes */
#ifndef TESTS_SUPPORT_PROTOCOL_SCRIPT_H
#define TESTS_SUPPORT_PROTOCOL_SCRIPT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/protocol_rig.h"

struct line { enum side side; const char *data; size_t size; };
#define CLIENT(text) { SIDE_CLIENT, text, sizeof(text) - 1 }
#define SERVER(text) { SIDE_SERVER, text, sizeof(text) - 1 }
#define LINES(script) (sizeof(script) / sizeof *(script))
#define WHOLE_LINE SIZE_MAX

/* A script in the making: what one side says without the other between is one line. */
struct talk { struct line lines[64]; size_t count; char bytes[64 * 1024]; size_t used; };
static RIG_UNUSED void talk_add(struct talk *talk, enum side side, const void *data, size_t size)
{
    struct line *line = talk->count ? &talk->lines[talk->count - 1] : NULL;
    if (!line || line->side != side) {
        if (talk->count == 64)
            abort();
        line = &talk->lines[talk->count++];
        *line = (struct line){ side, talk->bytes + talk->used, 0 };
    }
    if (size > sizeof talk->bytes - talk->used)
        abort();
    memcpy(talk->bytes + talk->used, data, size);
    talk->used += size;
    line->size += size;
}
/* What the same side says next is another segment. */
static RIG_UNUSED void talk_pause(struct talk *talk)
{
    if (talk->count == 64)
        abort();
    talk->lines[talk->count] = (struct line){ talk->lines[talk->count - 1].side, talk->bytes + talk->used, 0 };
    talk->count++;
}

/* Line `cut` in two at byte `at`; cut WHOLE_LINE: none. */
static RIG_UNUSED struct rig *script_play_cut(uint16_t port, enum redact_level redact, const struct line *script, size_t lines, size_t cut, size_t at)
{
    struct rig *rig = rig_new(port, redact);
    for (size_t i = 0; i < lines; i++) {
        if (i == cut)
            rig_say_split(rig, script[i].side, script[i].data, script[i].size, at);
        else
            rig_say(rig, script[i].side, script[i].data, (ssize_t)script[i].size);
    }
    rig_finish(rig);
    return rig;
}

static RIG_UNUSED struct rig *script_play(uint16_t port, enum redact_level redact, const struct line *script, size_t lines)
{
    return script_play_cut(port, redact, script, lines, WHOLE_LINE, 0);
}

static RIG_UNUSED void script_compare(struct rig *rig, const char *expected)
{
    char *text = rig_dump(rig);
    assert_string_equal(text, expected);
    free(text);
    rig_free(rig);
}

/* The same without the comparison: what is not the protocol may be found out sooner or later. */
static RIG_UNUSED void script_try_cuts(uint16_t port, const struct line *script, size_t lines)
{
    for (size_t i = 0; i < lines; i++)
        for (size_t at = 1; at < script[i].size; at++)
            rig_free(script_play_cut(port, REDACT_ON, script, lines, i, at));
}

static RIG_UNUSED void script_check_cuts(uint16_t port, const struct line *script, size_t lines)
{
    struct rig *whole = script_play(port, REDACT_ON, script, lines);
    char *expected = rig_dump(whole);
    rig_free(whole);
    for (size_t i = 0; i < lines; i++)
        for (size_t at = 1; at < script[i].size; at++)
            script_compare(script_play_cut(port, REDACT_ON, script, lines, i, at), expected);
    struct rig *bytes = rig_new(port, REDACT_ON);
    for (size_t i = 0; i < lines; i++)
        rig_say_cut(bytes, script[i].side, script[i].data, script[i].size, 1);
    rig_finish(bytes);
    script_compare(bytes, expected);
    free(expected);
}
#endif
