/* SHA-256 (OpenSSL's EVP, its only home here), over bytes as they pass. One thread at a time. */
#ifndef DIGEST_DIGEST_H
#define DIGEST_DIGEST_H
#include <stddef.h>

#define DIGEST_TEXT_MAX 65
struct digest;
/* NULL: no memory. */
struct digest *digest_new(void);
void digest_free(struct digest *digest);                    /* NULL is fine */
void digest_add(struct digest *digest, const void *data, size_t size);
/* Lower-case hex of what was added so far; the digest begins anew. */
void digest_text(struct digest *digest, char text[static DIGEST_TEXT_MAX]);
/* Of one piece. */
void digest_of(const void *data, size_t size, char text[static DIGEST_TEXT_MAX]);
#endif
