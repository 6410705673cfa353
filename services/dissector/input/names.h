/* The names of interfaces by their observation point (input_point), as captures give them. Few: a node has some hundreds. One thread. Zeroed is empty. */
#ifndef DISSECTOR_INPUT_NAMES_H
#define DISSECTOR_INPUT_NAMES_H
#include <stdint.h>
#include "capfile/pcapng.h"

#define INPUT_NAMES_MAX 16384u          /* those of the least points stay, in whatever order they come: more interfaces are made up by a capture */

struct input_name { uint64_t point; char name[PCAPNG_NAME_MAX]; };
struct input_names { struct input_name *list; uint32_t count, room, sorted; }; /* sorted: so many are in the order of points, and then the others */
/* An empty name is none; a point that has one keeps it. -ENOMEM. */
int input_names_add(struct input_names *names, uint64_t point, const char *name);
int input_names_add_all(struct input_names *names, const struct input_names *more);
/* "": it has none. Borrowed until the next one is added. names may be NULL. */
const char *input_names_find(const struct input_names *names, uint64_t point);
void input_names_free(struct input_names *names);
#endif
