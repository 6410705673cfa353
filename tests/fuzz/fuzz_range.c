/* Range and Content-Range over any text: what is accepted is a range, and is written back as it was read. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    uint64_t from = 0, to = 0, again_from, again_to;
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (range_parse(text, &from, &to) == 0) {
        char back[64];
        if (from >= to)
            abort();
        if (to == RANGE_TO_END)
            (void)snprintf(back, sizeof back, "bytes=%" PRIu64 "-", from);
        else
            (void)snprintf(back, sizeof back, "bytes=%" PRIu64 "-%" PRIu64, from, to - 1);
        if (range_parse(back, &again_from, &again_to) != 0 || again_from != from || again_to != to)
            abort();
    }
    if (range_parse_content(text, &from, &to) == 0 && from >= to)
        abort();
    free(text);
    return 0;
}
