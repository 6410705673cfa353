/* Any bytes as a list or map of a database: the walk ends, pieces lie inside the text, what a string means fits its room, and a value is the same as itself. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "services/dissector/query/json_scan.h"

static void check_piece(struct json_piece piece, const char *text, size_t size)
{
    if (piece.size == 0 || piece.data < text || piece.data + piece.size > text + size)
        abort();
    if (!json_is_string(piece))
        return;
    char *meant = malloc(piece.size);
    if (!meant)
        return;
    size_t length = json_unescape(piece, meant);
    if (length > piece.size || (piece.size >= 2 && !json_is_text(piece, meant, length)))
        abort();
    free(meant);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_scan scan;
    struct json_piece key, value;
    char *text = malloc(size ? size : 1); /* its end is the end of an allocation */
    if (!text)
        return 0;
    memcpy(text, data, size);
    if (json_scan_open(text, size, &scan)) {
        while (json_scan_next(&scan, &key, &value)) {
            if (scan.map)
                check_piece(key, text, size);
            check_piece(value, text, size);
        }
        bool broken = scan.bad;
        struct json_piece whole = { text, size };
        if (size < 4096 && json_same(whole, whole, 8) && broken && text[0] == '[')
            abort();
    }
    free(text);
    return 0;
}
