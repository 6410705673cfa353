/* Every redactor over any text: the result fits the promised room and a small one, is the beginning of the same text in both, is not longer than it may be, and has nothing left to hide but what is hidden.
 * The first byte chooses the redactor; of bodies and headers, a line gives the content type or the name. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "services/dissector/redact/redact.h"

static const char *const names[] = { "authorization", "cookie", "set-cookie", "x-api-key", "referer", "location", "accept", "sec-websocket-protocol" };

static ssize_t run(uint8_t choice, const char *head, size_t head_size, const char *text, size_t size, char *dst, size_t room)
{
    switch (choice % 8) {
    case 0: return redact_url(text, size, dst, room);
    case 1: return redact_sql(text, size, false, dst, room);
    case 2: return redact_sql(text, size, true, dst, room);
    case 3: return redact_body(head, head_size, text, size, false, dst, room);
    case 4: return redact_body("application/json", 16, text, size, false, dst, room);
    case 5: return redact_body("application/x-www-form-urlencoded", 33, text, size, false, dst, room);
    case 6: return redact_body("multipart/form-data", 19, text, size, false, dst, room);
    default: break;
    }
    const char *name = names[choice / 8 % (sizeof names / sizeof *names)];
    return redact_header(name, strlen(name), text, size, dst, room);
}

static void check_redis(const char *text, size_t size)
{
    struct redact_argument arguments[16];
    size_t count = 0, secret = 0;
    while (count < 16) {
        const char *space = size ? memchr(text, ' ', size) : NULL;
        size_t n = space ? (size_t)(space - text) : size;
        arguments[count++] = (struct redact_argument){ text, n };
        if (!space)
            break;
        text += n + 1;
        size -= n + 1;
    }
    for (size_t i = 0; i < count; i++)
        secret += redact_redis_argument(arguments, count, i);
    if (secret == count)
        abort(); /* a command's name is none */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > UINT16_MAX)
        return 0;
    const char *head = (const char *)data + 1, *line = memchr(head, '\n', size - 1);
    size_t head_size = line && data[0] % 8 == 3 ? (size_t)(line - head) : 0, skip = 1 + head_size + (head_size > 0);
    size_t text_size = size - skip, room = REDACT_ROOM(text_size), small = text_size / 2;
    char *text = malloc(text_size + 1), *dst = malloc(room), *half = malloc(small + 1), *again = malloc(REDACT_ROOM(room));
    if (text && dst && half && again) {
        memcpy(text, data + skip, text_size);
        ssize_t n = run(data[0], head, head_size, text, text_size, dst, room), m = run(data[0], head, head_size, text, text_size, half, small);
        if (n < REDACT_SAME || (n >= 0 && (size_t)n >= room) || (n < 0) != (m < 0))
            abort();
        if (n >= 0 && ((size_t)m != ((size_t)n < small ? (size_t)n : small) || memcmp(dst, half, (size_t)m) != 0))
            abort();
        if (n > 0)
            (void)run(data[0], head, head_size, dst, (size_t)n, again, REDACT_ROOM(room));
        (void)redact_is_secret_name(text, text_size);
        check_redis(text, text_size);
    }
    free(text);
    free(dst);
    free(half);
    free(again);
    return 0;
}
