/* A DissectRequest checked and completed, and a digest by which two requests are compared. Pure. */
#ifndef DISSECTOR_JOBS_REQUEST_H
#define DISSECTOR_JOBS_REQUEST_H
#include "digest/digest.h"
#include "services/dissector/work/stages.h"
#include "wire/wire.h"

#define REQUEST_ERROR_TEXT_MAX 512
#define REQUEST_PROTOCOLS_MAX 64            /* more than there are */
#define REQUEST_WHERE_BYTES_MAX 16384       /* an expression that a person or a program wrote; the compiler has its own limit */
#define REQUEST_NAME_DEFAULT "default"

/* Fills in what was left out (name, redact), so that equal requests are equal. 0; -EINVAL with a sentence in error; -ENOMEM. */
int dissect_request_complete(Tapeloop__V1__DissectRequest *request, char *error);
/* As a word or "": on. -EINVAL. */
int dissect_request_redact(const char *text, enum redact_level *ret);
/* Equal for requests that ask for the same of the same snapshot (manifest_sha256): protocols in any order, without case. The request has been completed. */
void dissect_request_digest(const Tapeloop__V1__DissectRequest *request, const char *manifest_sha256, char digest[static DIGEST_TEXT_MAX]);
/* Snapshot and name of a body that does not decode as a whole, "" where there is none, so that the failure can be addressed. JSON only. */
void dissect_request_guess(const void *data, size_t size, char *snapshot, char *name, size_t cap);
#endif
