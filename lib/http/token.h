/* Capability tokens: who holds one may read one range of one object until it expires. HMAC-SHA256 (RFC 2104) over all fields, base64url text; compared in constant time.
 * Travels in the header X-Tapeloop-Token, never in URLs or logs. Thread-safe. */
#ifndef HTTP_TOKEN_H
#define HTTP_TOKEN_H
#include <stdint.h>
#include <stdbool.h>
#define TOKEN_KEY_BYTES 32
#define TOKEN_TEXT_MAX 1024
#define TOKEN_LEASE_MAX 512 /* bytes of a lease name; ours reach 150 */
#define TOKEN_HEADER "X-Tapeloop-Token"
struct token { const char *node, *object /* segment id, or export id */, *lease; uint64_t from, to /* byte range, to exclusive */; int64_t expires_ns; };
/* Two keys while rotating: [0] signs, either verifies. */
struct token_keys { uint8_t key[2][TOKEN_KEY_BYTES]; };
/* Loads or makes the 0600 key file (one process per file); rotates when the signing key is older than rotate_s (0: never). -errno; -EPERM when others may read the file; -EBADMSG when it is not a key file. */
int token_keys_load(const char *path, int64_t now_ns, uint64_t rotate_s, struct token_keys *ret);
/* text: TOKEN_TEXT_MAX. -EMSGSIZE when a name is too long. */
int token_make(const struct token_keys *keys, const struct token *token, char *text);
/* Checks that text was signed, is for node and object, holds at now_ns and covers [from, to). ret_lease (TOKEN_TEXT_MAX) may be NULL. 0, -EACCES (forged, other object, other range), -ETIME (expired). */
int token_check(const struct token_keys *keys, const char *text, const char *node, const char *object, uint64_t from, uint64_t to, int64_t now_ns, char *ret_lease);
#endif
