/* Messages between memory, protobuf and proto3 JSON. The only place that includes generated protobuf code.
 *
 * Types are protobuf-c's (Tapeloop__V1__SnapshotRequest and so on), initialised with their __init function. Any message is handled
 * through its descriptor (message->descriptor), so that adding a message needs no code here.
 * proto3 JSON: lowerCamelCase names out, both spellings in; 64-bit integers as text out, text or number in; fields with
 * their default value left out; maps as objects; unknown names refused with the name. Sources: protobuf.dev "ProtoJSON
 * Format"; protobuf-c 1.4. Thread-safe; nothing is kept between calls. */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tapeloop.pb-c.h"

#define WIRE_MESSAGE_BYTES_MAX (1024 * 1024) /* nats-server's default max_payload */
#define WIRE_ERROR_TEXT_MAX 256
#define WIRE_DEPTH_MAX 16                    /* nesting of JSON and of messages; ours reach 5 */

enum wire_format { WIRE_JSON, WIRE_PROTOBUF };

/* A first byte of '{' (after white space) is JSON unless content_type (may be NULL) says application/protobuf. An empty body is an empty message of
 * either kind; what neither begins with { nor says what it is, is tried as protobuf. *ret is freed with wire_free. *ret_format (may be NULL) is set on failure too: the reply that carries the error follows it.
 * On failure: -EBADMSG with a sentence in error[WIRE_ERROR_TEXT_MAX], -EMSGSIZE, -ENOMEM. */
int wire_decode(const ProtobufCMessageDescriptor *type, const void *data, size_t size, const char *content_type,
                ProtobufCMessage **ret, enum wire_format *ret_format, char *error);
/* Heap bytes for the caller to free(); JSON has a NUL behind its *ret_size bytes. -ENOMEM, -EMSGSIZE; -EILSEQ: a text field is not UTF-8 (JSON only). */
int wire_encode(const ProtobufCMessage *message, enum wire_format format, void **ret_data, size_t *ret_size);
/* The same JSON, indented, for files and terminals; no size limit. */
int wire_encode_pretty(const ProtobufCMessage *message, char **ret_text);
/* Reads JSON of any size up to `most` bytes (manifests). */
int wire_decode_json(const ProtobufCMessageDescriptor *type, const char *text, size_t size, size_t most, ProtobufCMessage **ret, char *error);
/* NULL is fine. */
void wire_free(void *message);
#define wire_auto __attribute__((cleanup(wire_free_p)))
static inline void wire_free_p(void *p) { wire_free(*(void **)p); }

/* For filling messages: every allocation of a decoded or built message is malloc's, so wire_free releases all. */
int wire_set_string(char **field, const char *text);                       /* frees the old unless it is protobuf_c_empty_string */
int wire_append(size_t *count, void *array_field, void *message_or_string);/* grows a repeated pointer field by one; takes ownership */
/* New initialised message on the heap. */
ProtobufCMessage *wire_new(const ProtobufCMessageDescriptor *type);
#define WIRE_NEW(T, d) ((T *)wire_new(&(d)))
/* Deep copy. */
ProtobufCMessage *wire_copy(const ProtobufCMessage *message);
#endif
