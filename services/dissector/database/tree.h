/* A b-tree of an SQLite file, filled from left to right: rows come in the order of their ids, index entries in theirs, and every page is written once, full. Source: "Database File Format", section 1.6.
 *
 * This is why: through SQLite's own INSERT and CREATE INDEX a call costs 6 to 7 us (its detail 2.5 to 3.2, its narrow row 0.7, four indexes 2.8), with journal, sync and locks off and statements prepared; laid out here, with
 * the same bytes and the hash of the rows, 2.4 (docs/ARCHITECTURE.md, "Decisions"). The result is an ordinary file, which SQLite's integrity check finds whole (tests/unit/services/dissector/database/).
 *
 * One thread. 0 or -errno. */
#ifndef DISSECTOR_DATABASE_TREE_H
#define DISSECTOR_DATABASE_TREE_H
#include <stdbool.h>
#include "services/dissector/database/pages.h"
#include "services/dissector/database/row.h"

#define TREE_LEVELS_MAX 6u      /* with 16 KiB pages and keys of at most 28 bytes a level has over 400 children: 400^5 leaves */
#define TREE_KEY_MAX 28u        /* two numbers with their header, behind their size */
struct tree_level {
    uint8_t *page;
    uint32_t cells, top;        /* cells start at `top` and grow down */
    uint32_t last_size;         /* of the cell added last */
    uint32_t child;             /* waiting until it is known whether another follows */
    uint8_t key[TREE_KEY_MAX];  /* the greatest in it, as an interior cell says it behind the child's number */
    uint32_t key_size;          /* 0: no child waits */
};
struct tree {
    struct pages *pages;
    uint32_t root;
    bool index;
    uint32_t levels_count;
    struct tree_level levels[TREE_LEVELS_MAX]; /* 0: the leaf */
    uint64_t rows;
    int64_t last_id;
    uint8_t *large;             /* a row that does not fit a page */
    size_t large_room;
};
/* The pages are borrowed. root: its page, empty so far. */
void tree_open(struct tree *tree, struct pages *pages, uint32_t root, bool index);
/* A table's row; ids ascend. ret_cell: the row's cell as row.h says, borrowed until the next call. -EINVAL: the id does not ascend. */
int tree_add_row(struct tree *tree, int64_t id, const struct column *columns, uint32_t count, const uint8_t **ret_cell, size_t *ret_size);
/* An index's entry of one number; (number, id) ascend. */
int tree_add_entry(struct tree *tree, int64_t number, int64_t id);
int tree_finish(struct tree *tree);
void tree_close(struct tree *tree); /* zeroed is fine */
#endif
