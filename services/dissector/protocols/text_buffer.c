#include "services/dissector/protocols/text_buffer.h"

size_t text_utf8_size(const uint8_t *data, size_t size)
{
    uint8_t lead = data[0];
    size_t need = lead >= 0xc2 && lead <= 0xdf ? 2 : (lead & 0xf0) == 0xe0 ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
    if (need == 0 || need > size)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((data[i] & 0xc0) != 0x80)
            return 0;
    /* Not the shortest form, a surrogate, or beyond the last character. */
    if ((lead == 0xe0 && data[1] < 0xa0) || (lead == 0xed && data[1] > 0x9f) || (lead == 0xf0 && data[1] < 0x90) || (lead == 0xf4 && data[1] > 0x8f))
        return 0;
    return need;
}

/* How many bytes from the first may stand as they are. */
static size_t plain_bytes(const uint8_t *data, size_t size, const char *escaped)
{
    uint8_t first = (uint8_t)escaped[0], second = first ? (uint8_t)escaped[1] : 0;
    size_t i = 0;
    while (i < size && (uint8_t)(data[i] - 0x20) < 0x7f - 0x20 && data[i] != first && data[i] != second)
        i++;
    return i;
}

void text_buffer_bytes(struct text_buffer *t, const uint8_t *data, size_t size, const char *escaped)
{
    for (size_t i = 0; i < size; i++) {
        size_t plain = plain_bytes(data + i, size - i, escaped), room = t->room - t->size;
        text_buffer_put(t, data + i, plain < room ? plain : room);
        t->cut = t->cut || plain > room;
        i += plain;
        if (i == size)
            break;
        uint8_t c = data[i];
        size_t utf8 = c >= 0x80 ? text_utf8_size(data + i, size - i) : 0;
        if (utf8) {
            text_buffer_put(t, data + i, utf8);
            i += utf8 - 1;
        } else if (c < 0x20 || c >= 0x7f) {
            char digits[4] = { '\\', (char)('0' + c / 100), (char)('0' + c / 10 % 10), (char)('0' + c % 10) };
            text_buffer_put(t, digits, sizeof digits);
        } else {
            if (c == (uint8_t)escaped[0] || (escaped[0] && c == (uint8_t)escaped[1]))
                text_buffer_char(t, '\\');
            text_buffer_char(t, (char)c);
        }
    }
}
