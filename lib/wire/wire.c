#include "wire/wire.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "wire/json.h"

/* Two bytes of protobuf can ask for a message of 300: a message of WIRE_MESSAGE_BYTES_MAX may take this much heap and no more.
 * Ours take 1 to 12 bytes of heap for each on the wire. */
#define HEAP_BYTES_MAX (32u * 1024 * 1024)
/* The same for JSON, whose smallest object takes 3 bytes of text and some 300 of heap. */
#define CONTAINERS_MAX 65536u

struct budget { size_t left; bool spent; };

static void *budget_alloc(void *context, size_t size)
{
    struct budget *budget = context;
    if (size > budget->left) {
        budget->spent = true;
        return NULL;
    }
    budget->left -= size;
    return malloc(size);
}

static void budget_free(void *context, void *pointer)
{
    (void)context;
    free(pointer);
}

/* proto3 text is UTF-8 (protobuf-c does not look). Refuses overlong forms, surrogates and what is past U+10FFFF. */
static bool is_utf8(const char *text)
{
    const uint8_t *p = (const uint8_t *)text;
    while (*p) {
        unsigned more = *p < 0x80 ? 0 : *p >= 0xC2 && *p <= 0xDF ? 1 : (*p & 0xF0) == 0xE0 ? 2 : *p >= 0xF0 && *p <= 0xF4 ? 3 : 4;
        if (more > 3)
            return false;
        uint8_t least = *p == 0xE0 ? 0xA0 : *p == 0xF0 ? 0x90 : 0x80, most = *p == 0xED ? 0x9F : *p == 0xF4 ? 0x8F : 0xBF;
        p++;
        for (unsigned i = 0; i < more; i++, p++) {
            if (*p < least || *p > most)
                return false;
            least = 0x80;
            most = 0xBF;
        }
    }
    return true;
}

/* The name of the first text field that is not UTF-8, or NULL. */
static const char *find_bad_text(const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        const void *member = (const char *)message + field->offset;
        bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
        size_t count = repeated ? *(const size_t *)(const void *)((const char *)message + field->quantifier_offset) : 1;
        void *const *values = repeated ? *(void *const *const *)member : (void *const *)member;
        for (size_t k = 0; k < count; k++) {
            if (!values[k])
                continue;
            const char *bad = field->type == PROTOBUF_C_TYPE_MESSAGE ? find_bad_text(values[k]) : is_utf8(values[k]) ? NULL : field->name;
            if (bad)
                return bad;
        }
    }
    return NULL;
}

static int decode_protobuf(const ProtobufCMessageDescriptor *type, const void *data, size_t size, ProtobufCMessage **ret, char *error)
{
    struct budget budget = { .left = HEAP_BYTES_MAX };
    ProtobufCAllocator allocator = { budget_alloc, budget_free, &budget };
    wire_auto ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, size, data);
    if (!message) {
        (void)snprintf(error, WIRE_ERROR_TEXT_MAX, budget.spent ? "the message holds too many parts" : "not a valid protobuf %s", type->short_name);
        return budget.spent ? -EMSGSIZE : -EBADMSG;
    }
    const char *bad = find_bad_text(message);
    if (bad) {
        (void)snprintf(error, WIRE_ERROR_TEXT_MAX, "field %s is not UTF-8 text", bad);
        return -EBADMSG;
    }
    *ret = message;
    message = NULL;
    return 0;
}

/* Whether the header names this type, with or without parameters. */
static bool says(const char *content_type, const char *type)
{
    size_t length = strlen(type);
    if (!content_type || strncasecmp(content_type, type, length) != 0)
        return false;
    char next = content_type[length];
    return next == '\0' || next == ';' || next == ' ';
}

int wire_decode(const ProtobufCMessageDescriptor *type, const void *data, size_t size, const char *content_type, ProtobufCMessage **ret,
                enum wire_format *ret_format, char *error)
{
    if (size > WIRE_MESSAGE_BYTES_MAX) {
        (void)snprintf(error, WIRE_ERROR_TEXT_MAX, "the message has %zu bytes, at most %d are taken", size, WIRE_MESSAGE_BYTES_MAX);
        return -EMSGSIZE;
    }
    const char *text = data;
    size_t at = 0;
    while (at < size && strchr(" \t\r\n", text[at]) && text[at])
        at++;
    bool named = says(content_type, "application/protobuf"), empty = at == size;
    bool json = !named && (empty || text[at] == '{' || says(content_type, "application/json"));
    enum wire_format format = json ? WIRE_JSON : WIRE_PROTOBUF;
    ProtobufCMessage *message = NULL;
    int r = 0;
    if (json && empty)
        r = (message = wire_new(type)) ? 0 : -ENOMEM;
    else if (json)
        r = wire_json_decode(type, text, size, CONTAINERS_MAX, &message, error);
    else
        r = decode_protobuf(type, data, size, &message, error);
    if (r == -EBADMSG && !json && !named) { /* neither: a person mistyped, so answer in JSON */
        format = WIRE_JSON;
        (void)snprintf(error, WIRE_ERROR_TEXT_MAX, "the message is neither JSON (which begins with {) nor a %s in protobuf", type->short_name);
    }
    if (r == -ENOMEM)
        (void)snprintf(error, WIRE_ERROR_TEXT_MAX, "out of memory");
    if (ret_format)
        *ret_format = format; /* also on failure: the reply that carries the error follows the request's format */
    if (r == 0)
        *ret = message;
    return r;
}

int wire_decode_json(const ProtobufCMessageDescriptor *type, const char *text, size_t size, size_t most, ProtobufCMessage **ret, char *error)
{
    if (size > most) {
        (void)snprintf(error, WIRE_ERROR_TEXT_MAX, "the text has %zu bytes, at most %zu are taken", size, most);
        return -EMSGSIZE;
    }
    int r = wire_json_decode(type, text, size, most, ret, error);
    if (r == -ENOMEM)
        (void)snprintf(error, WIRE_ERROR_TEXT_MAX, "out of memory");
    return r;
}

int wire_encode(const ProtobufCMessage *message, enum wire_format format, void **ret_data, size_t *ret_size)
{
    if (format == WIRE_JSON) {
        char *text = NULL;
        int r = wire_json_encode(message, 0, &text);
        if (r < 0)
            return r;
        size_t size = strlen(text);
        if (size > WIRE_MESSAGE_BYTES_MAX) {
            free(text);
            return -EMSGSIZE;
        }
        *ret_data = text;
        *ret_size = size;
        return 0;
    }
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > WIRE_MESSAGE_BYTES_MAX)
        return -EMSGSIZE;
    uint8_t *data = malloc(size + 1);
    if (!data)
        return -ENOMEM;
    size_t packed = protobuf_c_message_pack(message, data);
    assert(packed == size);
    data[packed] = 0;
    *ret_data = data;
    *ret_size = size;
    return 0;
}

int wire_encode_pretty(const ProtobufCMessage *message, char **ret_text)
{
    return wire_json_encode(message, 2, ret_text);
}

void wire_free(void *message)
{
    if (message)
        protobuf_c_message_free_unpacked(message, NULL);
}

int wire_set_string(char **field, const char *text)
{
    char *copy = (char *)protobuf_c_empty_string;
    if (text && *text) {
        copy = strdup(text);
        if (!copy)
            return -ENOMEM;
    }
    if (*field != (const char *)protobuf_c_empty_string)
        free(*field);
    *field = copy;
    return 0;
}

int wire_append(size_t *count, void *array_field, void *message_or_string)
{
    void **array = NULL;
    memcpy(&array, array_field, sizeof array);
    /* One by one: a decoded array has no spare room, and realloc of a growing block seldom moves. */
    void **grown = reallocarray(array, *count + 1, sizeof *array);
    if (!grown)
        return -ENOMEM;
    memcpy(array_field, &grown, sizeof grown);
    grown[(*count)++] = message_or_string;
    return 0;
}

ProtobufCMessage *wire_new(const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = malloc(type->sizeof_message);
    if (message)
        protobuf_c_message_init(type, message);
    return message;
}

ProtobufCMessage *wire_copy(const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *data = malloc(size + 1);
    ProtobufCMessage *copy = NULL;
    if (data) {
        (void)protobuf_c_message_pack(message, data);
        copy = protobuf_c_message_unpack(message->descriptor, NULL, size, data);
    }
    free(data);
    return copy;
}
