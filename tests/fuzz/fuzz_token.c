/* token_check over any text, and over a good token with any bytes laid over it: no crash, and nothing but the one spelling that was signed opens anything. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/token.h"

static const struct token_keys keys = { .key = { { 1 }, { 2 } } };
static const struct token good = { .node = "node", .object = "node/1/0/1", .lease = "snapshot.1", .from = 0, .to = 100, .expires_ns = 1000 };

static int check(const char *text)
{
    char lease[TOKEN_TEXT_MAX];
    return token_check(&keys, text, good.node, good.object, 0, 100, 0, lease);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char made[TOKEN_TEXT_MAX], changed[TOKEN_TEXT_MAX];
    char *text = malloc(size + 1);
    if (!text || token_make(&keys, &good, made) < 0)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    if (check(text) == 0 && strcmp(text, made) != 0)
        abort();
    free(text);
    if (size < 2)
        return 0;
    size_t length = strlen(made), at = data[0] % length, laid = size - 1 < length - at ? size - 1 : length - at;
    memcpy(changed, made, length + 1);
    memcpy(changed + at, data + 1, laid);
    if ((check(changed) == 0) != (strcmp(changed, made) == 0))
        abort();
    return 0;
}
