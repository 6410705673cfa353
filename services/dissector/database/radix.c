#include "services/dissector/database/radix.h"
#include <stdbool.h>
#include <string.h>

#define DIGIT_BITS 11u
#define DIGITS (1u << DIGIT_BITS)

static bool sort_by_digit(const struct radix_pair *from, struct radix_pair *to, size_t count, unsigned shift)
{
    size_t starts[DIGITS] = { 0 }, sum = 0;
    for (size_t i = 0; i < count; i++)
        starts[from[i].number >> shift & (DIGITS - 1)]++;
    if (count && starts[from[0].number >> shift & (DIGITS - 1)] == count)
        return false;
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        size_t here = starts[digit];
        starts[digit] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++)
        to[starts[from[i].number >> shift & (DIGITS - 1)]++] = from[i];
    return true;
}

void radix_sort(struct radix_pair *pairs, struct radix_pair *scratch, size_t count)
{
    struct radix_pair *from = pairs, *to = scratch;
    for (unsigned shift = 0; shift < 32; shift += DIGIT_BITS)
        if (sort_by_digit(from, to, count, shift)) {
            struct radix_pair *other = from;
            from = to;
            to = other;
        }
    if (from != pairs)
        memcpy(pairs, from, count * sizeof *pairs);
}
