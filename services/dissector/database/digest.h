/* The canonical dump of a dissection's database, and its SHA-256: equal for equal schema and rows, whatever the layout of the pages, the version of SQLite, or VACUUM.
 *
 *   dump = for every table but info and SQLite's own, in the byte order of their names:   name NUL | its CREATE statement NUL | SHA-256 of its rows in the order of id, each as its cell (database/row.h)
 *
 * Hashing costs what SHA-256 costs on the rows' bytes: 0.7 us per KiB with the CPU's SHA instructions. */
#ifndef DISSECTOR_DATABASE_DIGEST_H
#define DISSECTOR_DATABASE_DIGEST_H
#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32u
#define DIGEST_HEX_MAX (DIGEST_BYTES * 2 + 1)
struct digest { EVP_MD_CTX *context; };
int digest_open(struct digest *digest); /* -ENOMEM */
static inline int digest_add(struct digest *digest, const void *data, size_t size) { return EVP_DigestUpdate(digest->context, data, size) == 1 ? 0 : -1; }
/* Ends it: what digest_open took is free afterwards. */
int digest_finish(struct digest *digest, uint8_t ret[DIGEST_BYTES]);
void digest_close(struct digest *digest); /* zeroed is fine */
void digest_hex(const uint8_t digest[DIGEST_BYTES], char ret[DIGEST_HEX_MAX]);

/* Of the file at path, worked out again from its rows. -errno, with a sentence in error; -EBADMSG: not such a database. */
int database_digest(const char *path, char ret[DIGEST_HEX_MAX], char *error);
/* The same, compared with what the file's info says. -EBADMSG: it differs. */
int database_verify(const char *path, char *error);

/* A whole dissection, with its part files; path is part 1's. What its info says of all rows (sha256_all); and that compared with the rows of every part. */
int database_all_digest(const char *path, char ret[DIGEST_HEX_MAX], char *error);
int database_all_verify(const char *path, char *error);
#endif
