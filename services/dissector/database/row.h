/* A row as SQLite stores it, and as the canonical dump hashes it. Source: "Database File Format", section 2.1, sqlite.org/fileformat2.html.
 *
 *   cell = varint payload size | varint rowid | payload        payload = varint header size | varint serial type, for each column | the columns' values
 *
 * The serial type of a number is the smallest that holds it, as SQLite itself chooses; the column that is the rowid stands in the payload as NULL. Equal values are therefore equal bytes, wherever they lie. Pure functions. */
#ifndef DISSECTOR_DATABASE_ROW_H
#define DISSECTOR_DATABASE_ROW_H
#include <stddef.h>
#include <stdint.h>

enum column_kind { COLUMN_ID, COLUMN_NUMBER, COLUMN_TEXT, COLUMN_BYTES };
struct column { enum column_kind kind; uint32_t size; int64_t number; const char *text; };
#define ROW_COLUMNS_MAX 80u /* id, and the fields of the largest detail or of zone */

#define ROW_ID() ((struct column){ .kind = COLUMN_ID })
#define ROW_NUMBER(n) ((struct column){ .kind = COLUMN_NUMBER, .number = (n) })
#define ROW_TEXT(t, n) ((struct column){ .kind = COLUMN_TEXT, .text = (t), .size = (n) })
#define ROW_BYTES(t, n) ((struct column){ .kind = COLUMN_BYTES, .text = (t), .size = (n) })

/* Bytes of the payload; *ret_header those of its header. */
size_t row_payload_size(const struct column *columns, uint32_t count, size_t *ret_header);
/* The payload, of just that size, at p. Returns the place behind. */
uint8_t *row_put_payload(uint8_t *p, const struct column *columns, uint32_t count, size_t header);

#define VARINT_MAX 9u
uint8_t *varint_put(uint8_t *p, uint64_t value);
static inline size_t varint_size(uint64_t value)
{
    size_t size = 1;
    for (; value > 0x7f && size < VARINT_MAX; value >>= 7)
        size++;
    return size;
}
#endif
