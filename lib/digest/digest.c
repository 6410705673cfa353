#include "digest/digest.h"
#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

struct digest { EVP_MD_CTX *context; };

static void check(int openssl_result)
{
    if (openssl_result != 1)
        abort(); /* SHA-256 over memory fails only when the library is broken: nothing that we stored could be trusted */
}

struct digest *digest_new(void)
{
    struct digest *digest = calloc(1, sizeof *digest);
    if (!digest)
        return NULL;
    digest->context = EVP_MD_CTX_new();
    if (!digest->context) {
        free(digest);
        return NULL;
    }
    check(EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL));
    return digest;
}

void digest_free(struct digest *digest)
{
    if (!digest)
        return;
    EVP_MD_CTX_free(digest->context);
    free(digest);
}

void digest_add(struct digest *digest, const void *data, size_t size)
{
    check(EVP_DigestUpdate(digest->context, data, size));
}

static void format(const unsigned char *bytes, char *text)
{
    for (size_t i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

void digest_text(struct digest *digest, char text[static DIGEST_TEXT_MAX])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    check(EVP_DigestFinal_ex(digest->context, bytes, &size));
    assert(size == 32);
    format(bytes, text);
    check(EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL));
}

void digest_of(const void *data, size_t size, char text[static DIGEST_TEXT_MAX])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    check(EVP_Digest(data, size, bytes, NULL, EVP_sha256(), NULL));
    format(bytes, text);
}
