#include "services/dissector/jobs/request.h"
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "json/json.h"
#include "mem/cleanup.h"
#include "store/name.h"

static int refuse(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(char *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, REQUEST_ERROR_TEXT_MAX, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

int dissect_request_redact(const char *text, enum redact_level *ret)
{
    static const struct { const char *word; enum redact_level level; } words[] = { { "", REDACT_ON }, { "on", REDACT_ON }, { "strict", REDACT_STRICT }, { "off", REDACT_OFF } };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i].word) == 0) {
            *ret = words[i].level;
            return 0;
        }
    return -EINVAL;
}

static int compare_protocols(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Upper case, in order, each once. */
static int complete_protocols(Tapeloop__V1__DissectRequest *request, char *error)
{
    size_t kept = 0;
    if (request->n_protocols > REQUEST_PROTOCOLS_MAX)
        return refuse(error, "the request names %zu protocols; leave them out to have all", request->n_protocols);
    for (size_t i = 0; i < request->n_protocols; i++) {
        if (!request->protocols[i][0])
            return refuse(error, "protocols: one of the names is empty");
        for (char *p = request->protocols[i]; *p; p++)
            *p = (char)toupper((unsigned char)*p);
    }
    if (request->n_protocols > 1)
        qsort(request->protocols, request->n_protocols, sizeof *request->protocols, compare_protocols);
    for (size_t i = 0; i < request->n_protocols; i++) {
        if (kept > 0 && strcmp(request->protocols[kept - 1], request->protocols[i]) == 0)
            free(request->protocols[i]);
        else
            request->protocols[kept++] = request->protocols[i];
    }
    request->n_protocols = kept;
    return 0;
}

int dissect_request_complete(Tapeloop__V1__DissectRequest *request, char *error)
{
    enum redact_level ignored;
    if (!request->snapshot[0])
        return refuse(error, "the request names no snapshot: say which one, such as \"snapshot\": \"checkout-outage\"");
    if (store_name_check(request->snapshot, error) < 0)
        return -EINVAL;
    if (!request->name[0] && wire_set_string(&request->name, REQUEST_NAME_DEFAULT) < 0)
        return -ENOMEM;
    if (store_name_check(request->name, error) < 0)
        return -EINVAL;
    if (dissect_request_redact(request->redact, &ignored) < 0)
        return refuse(error, "redact: '%.64s' is none of on, strict and off", request->redact);
    if (!request->redact[0] && wire_set_string(&request->redact, "on") < 0)
        return -ENOMEM;
    if (strlen(request->where) > REQUEST_WHERE_BYTES_MAX)
        return refuse(error, "where: the expression is longer than %d bytes", REQUEST_WHERE_BYTES_MAX);
    return complete_protocols(request, error);
}

/* Length before text, so that no two lists give the same bytes. */
static void add_text(struct digest *digest, const char *text)
{
    uint64_t length = strlen(text);
    digest_add(digest, &length, sizeof length);
    digest_add(digest, text, length);
}

void dissect_request_digest(const Tapeloop__V1__DissectRequest *request, const char *manifest_sha256, char digest[static DIGEST_TEXT_MAX])
{
    struct digest *sum = digest_new();
    if (!sum)
        abort(); /* some hundred bytes: without them no answer could be given either */
    uint64_t head[] = { request->n_protocols, request->limits ? request->limits->entries : 0, request->limits ? request->limits->body_bytes : 0 };
    digest_add(sum, head, sizeof head);
    add_text(sum, manifest_sha256);
    add_text(sum, request->where);
    add_text(sum, request->redact);
    for (size_t i = 0; i < request->n_protocols; i++)
        add_text(sum, request->protocols[i]);
    digest_text(sum, digest);
    digest_free(sum);
}

void dissect_request_guess(const void *data, size_t size, char *snapshot, char *name, size_t cap)
{
    json_error_t ignored;
    json_auto json_t *body = size <= WIRE_MESSAGE_BYTES_MAX ? json_loadb(data, size, 0, &ignored) : NULL;
    const char *text = json_string_value(json_object_get(body, "snapshot"));
    snprintf(snapshot, cap, "%s", text ? text : "");
    text = json_string_value(json_object_get(body, "name"));
    snprintf(name, cap, "%s", text ? text : "");
}
