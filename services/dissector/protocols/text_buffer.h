/* A text on its way, in room that the caller has on its stack: what does not fit is left out and `cut` says so. Never ends with a zero. No allocation; one thread. */
#ifndef DISSECTOR_PROTOCOLS_TEXT_BUFFER_H
#define DISSECTOR_PROTOCOLS_TEXT_BUFFER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text_buffer { char *data; size_t size, room; bool cut; };

static inline struct text_buffer text_buffer_over(char *data, size_t room) { return (struct text_buffer){ .data = data, .room = room }; }
static inline void text_buffer_char(struct text_buffer *t, char c)
{
    if (t->size < t->room)
        t->data[t->size++] = c;
    else
        t->cut = true;
}
/* All of it or nothing. */
static inline void text_buffer_put(struct text_buffer *t, const void *text, size_t size)
{
    if (t->room - t->size < size) {
        t->cut = true;
    } else if (size > 0) {
        memcpy(t->data + t->size, text, size);
        t->size += size;
    }
}
static inline void text_buffer_string(struct text_buffer *t, const char *text) { text_buffer_put(t, text, strlen(text)); }
static inline void text_buffer_number(struct text_buffer *t, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    text_buffer_put(t, digits + at, sizeof digits - at);
}
/* Lower-case, without anything between. */
static inline void text_buffer_hex(struct text_buffer *t, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        text_buffer_char(t, "0123456789abcdef"[data[i] >> 4]);
        text_buffer_char(t, "0123456789abcdef"[data[i] & 15]);
    }
}
/* Four digits. */
static inline void text_buffer_hex16(struct text_buffer *t, uint16_t number)
{
    text_buffer_hex(t, (const uint8_t[]){ (uint8_t)(number >> 8), (uint8_t)number }, 2);
}
/* Text that somebody else wrote: UTF-8 stays, bytes that are neither that nor printable become "\ddd" (decimal). escaped: up to two characters that get a backslash. */
void text_buffer_bytes(struct text_buffer *t, const uint8_t *data, size_t size, const char *escaped);
/* How many bytes from the first make one character of UTF-8 that is not ASCII; 0: none. size is not 0. */
size_t text_utf8_size(const uint8_t *data, size_t size);
#endif
