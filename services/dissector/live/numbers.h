/* Numbers of views, dense within one group of segments: connections outlive groups, and finalising wants the views of a group counted from 0. One map per shard. One thread. */
#ifndef DISSECTOR_LIVE_NUMBERS_H
#define DISSECTOR_LIVE_NUMBERS_H
#include <stdbool.h>
#include <stdint.h>

#define NUMBERS_NONE UINT32_MAX
struct numbers { uint64_t *slots; uint32_t room, count; };   /* all zero: empty */
/* The group's number of a shard's number, a new one where it has none. NUMBERS_NONE: no memory. */
uint32_t numbers_take(struct numbers *numbers, uint32_t number);
/* NUMBERS_NONE: it has none. */
uint32_t numbers_find(const struct numbers *numbers, uint32_t number);
void numbers_clear(struct numbers *numbers);                  /* frees */
#endif
