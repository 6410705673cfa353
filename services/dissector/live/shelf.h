/* The live databases: one small file per group of segments, numbered, the oldest removed when all together outgrow their size (a database never shrinks in time by deleting rows).
 *
 *   <folder>/calls-<number>.sqlite      with part files beside it, if a group has more entries than one file holds
 * Thread-safe. */
#ifndef DISSECTOR_LIVE_SHELF_H
#define DISSECTOR_LIVE_SHELF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHELF_PATH_MAX 4096
#define SHELF_FILES_MAX 10000u          /* the oldest go beyond it, too: a look at all of them stays short */
#define SHELF_NUMBER_MAX ((UINT32_C(1) << 21) - 1) /* with an entry's number below it still exact in JSON */

struct shelf;
struct shelf_status { uint32_t first, last; /* numbers; 0: none */ uint64_t bytes; uint32_t files; };
/* Makes the folder, and removes what an earlier life left half written. -errno. */
int shelf_open(const char *folder, uint64_t size, struct shelf **ret);
void shelf_close(struct shelf *shelf);  /* NULL is fine */
const char *shelf_folder(const struct shelf *shelf);
/* Where the next file is to be written; nobody sees it before shelf_add. */
void shelf_next(const struct shelf *shelf, char path[static SHELF_PATH_MAX]);
/* The file is whole: it gets its place, and the oldest go. */
int shelf_add(struct shelf *shelf);
/* The first file with a number of at least `from`. False: there is none (yet). */
bool shelf_find(struct shelf *shelf, uint32_t from, uint32_t *ret_number, char path[static SHELF_PATH_MAX]);
void shelf_status(struct shelf *shelf, struct shelf_status *ret);
#endif
