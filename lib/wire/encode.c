#include "wire/json.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "json/json.h"

void wire_json_name(const char *field, char *name)
{
    size_t n = 0;
    for (const char *p = field; *p; p++) {
        assert(n + 1 < WIRE_NAME_MAX);
        if (*p == '_' && p[1])
            name[n++] = (char)toupper((unsigned char)*++p);
        else
            name[n++] = *p;
    }
    name[n] = '\0';
}

bool wire_is_map(const ProtobufCMessageDescriptor *parent, const ProtobufCFieldDescriptor *field)
{
    if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    size_t parent_length = strlen(parent->name), short_length = strlen(entry->short_name);
    return entry->n_fields == 2 && strcmp(entry->fields[0].name, "key") == 0 && strcmp(entry->fields[1].name, "value") == 0 &&
           entry->fields[0].type == PROTOBUF_C_TYPE_STRING &&
           strncmp(entry->name, parent->name, parent_length) == 0 && entry->name[parent_length] == '.' &&
           short_length > 5 && strcmp(entry->short_name + short_length - 5, "Entry") == 0;
}

static json_t *text_value(const char *text, int *error)
{
    json_t *value = json_string(text ? text : "");
    if (!value)
        *error = -EILSEQ; /* or no memory: a message of at most some MiB in a process that is out of memory is lost either way */
    return value;
}

static json_t *long_value(const char *format_text, int *error)
{
    json_t *value = json_string_nocheck(format_text);
    if (!value)
        *error = -ENOMEM;
    return value;
}

static json_t *message_value(const ProtobufCMessage *message, int *error);

/* One value at member; what it points to follows the field's type. */
static json_t *field_value(const ProtobufCFieldDescriptor *field, const void *member, int *error)
{
    char text[24];
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return text_value(*(char *const *)member, error);
    case PROTOBUF_C_TYPE_MESSAGE:
        return message_value(*(ProtobufCMessage *const *)member, error);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)member);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return json_integer(*(const int32_t *)member);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return json_integer(*(const uint32_t *)member);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        (void)snprintf(text, sizeof text, "%" PRId64, *(const int64_t *)member);
        return long_value(text, error);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        (void)snprintf(text, sizeof text, "%" PRIu64, *(const uint64_t *)member);
        return long_value(text, error);
    case PROTOBUF_C_TYPE_DOUBLE:
        return json_real(*(const double *)member);
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_BYTES:
        break;
    }
    assert(false && "a field type that no message has: give wire its JSON first");
    abort();
}

static size_t element_bytes(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
        return sizeof(uint32_t);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_BYTES:
        break;
    }
    return sizeof(ProtobufCBinaryData);
}

/* proto3 leaves out what has its default: nothing, zero, false, "". */
static bool is_default(const ProtobufCFieldDescriptor *field, const void *member)
{
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(char *const *)member;
        return !text || !*text;
    }
    static const char zeros[sizeof(ProtobufCBinaryData)];
    return memcmp(member, zeros, element_bytes(field)) == 0;
}

static json_t *map_value(size_t count, ProtobufCMessage *const *entries, int *error)
{
    json_t *object = json_object();
    for (size_t i = 0; object && !*error && i < count; i++) {
        const ProtobufCFieldDescriptor *fields = entries[i]->descriptor->fields;
        const char *key = *(char *const *)((const char *)entries[i] + fields[0].offset);
        json_t *value = field_value(&fields[1], (const char *)entries[i] + fields[1].offset, error);
        if (value && json_object_set_new(object, key ? key : "", value) < 0)
            *error = -EILSEQ;
    }
    return object;
}

static json_t *repeated_value(const ProtobufCMessageDescriptor *parent, const ProtobufCFieldDescriptor *field, size_t count,
                              const char *elements, int *error)
{
    if (wire_is_map(parent, field))
        return map_value(count, (ProtobufCMessage *const *)(const void *)elements, error);
    json_t *array = json_array();
    for (size_t i = 0; array && !*error && i < count; i++)
        if (json_array_append_new(array, field_value(field, elements + i * element_bytes(field), error)) < 0 && !*error)
            *error = -ENOMEM;
    return array;
}

static json_t *message_value(const ProtobufCMessage *message, int *error)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    json_t *object = json_object();
    for (unsigned i = 0; object && !*error && i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        const char *member = (const char *)message + field->offset;
        json_t *value;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count = *(const size_t *)(const void *)((const char *)message + field->quantifier_offset);
            if (count == 0)
                continue;
            value = repeated_value(type, field, count, *(char *const *)(const void *)member, error);
        } else {
            if (is_default(field, member))
                continue;
            value = field_value(field, member, error);
        }
        char name[WIRE_NAME_MAX];
        wire_json_name(field->name, name);
        if (json_object_set_new_nocheck(object, name, value) < 0 && !*error)
            *error = -ENOMEM;
    }
    if (!object && !*error)
        *error = -ENOMEM;
    return object;
}

int wire_json_encode(const ProtobufCMessage *message, size_t indent, char **ret_text)
{
    int error = 0;
    json_t *object = message_value(message, &error);
    char *text = error ? NULL : json_dumps(object, JSON_PRESERVE_ORDER | (indent ? JSON_INDENT(indent) : JSON_COMPACT));
    json_decref(object);
    if (!text)
        return error ? error : -ENOMEM;
    *ret_text = text;
    return 0;
}
