/* proto3 JSON of messages, inside lib/wire: encode.c and decode.c. */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H
#include "wire/wire.h"

/* jansson's flags: 0 is compact, JSON_INDENT(n) for people. -ENOMEM; -EILSEQ: a text field is not UTF-8. */
int wire_json_encode(const ProtobufCMessage *message, size_t indent, char **ret_text);
/* containers_max bounds the number of { and [ (and with it the memory that a short text can ask for). Errors as wire_decode. */
int wire_json_decode(const ProtobufCMessageDescriptor *type, const char *text, size_t size, size_t containers_max,
                     ProtobufCMessage **ret, char *error);
/* "covered_from" -> "coveredFrom". name: WIRE_NAME_MAX. */
#define WIRE_NAME_MAX 64 /* longer than any field name of ours by half; checked by an assertion */
void wire_json_name(const char *field, char *name);
/* A map<string, string> is a repeated message of its own type, named <Field>Entry inside its message, with key = 1 and value = 2. */
bool wire_is_map(const ProtobufCMessageDescriptor *parent, const ProtobufCFieldDescriptor *field);
#endif
