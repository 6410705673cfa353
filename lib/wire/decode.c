#include "wire/json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "json/json.h"

/* Where in the message we are, for the error sentence; linked through the stack. */
struct place { const struct place *parent; const char *name; size_t index; };
#define NO_INDEX SIZE_MAX

static size_t place_text(const struct place *place, char *text, size_t cap)
{
    if (!place)
        return 0;
    size_t n = place_text(place->parent, text, cap);
    if (n + 1 >= cap)
        return n;
    int more = place->index == NO_INDEX ? snprintf(text + n, cap - n, "%s%s", n ? "." : "", place->name)
                                        : snprintf(text + n, cap - n, "[%zu]", place->index);
    return n + (size_t)more < cap ? n + (size_t)more : cap - 1;
}

static const char *kind_text(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "text";
    case JSON_INTEGER:
    case JSON_REAL: return "a number";
    case JSON_TRUE:
    case JSON_FALSE: return "true or false";
    case JSON_NULL: return "null";
    }
    return "something else";
}

static int wrong(char *error, const struct place *place, const char *should, const json_t *value)
{
    char text[128] = "the message";
    (void)place_text(place, text, sizeof text);
    (void)snprintf(error, WIRE_ERROR_TEXT_MAX, "field %s must be %s, not %s", text, should, kind_text(value));
    return -EBADMSG;
}

static int out_of_range(char *error, const struct place *place, const char *range)
{
    char text[128] = "";
    (void)place_text(place, text, sizeof text);
    (void)snprintf(error, WIRE_ERROR_TEXT_MAX, "field %s must be a whole number %s", text, range);
    return -EBADMSG;
}

/* A whole number as JSON integer, as text, or as a real without a fraction. Sign and magnitude, so that both 64-bit ranges fit. */
static int read_number(const json_t *value, bool *ret_negative, uint64_t *ret_magnitude)
{
    if (json_is_integer(value)) {
        json_int_t number = json_integer_value(value);
        *ret_negative = number < 0;
        *ret_magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
        return 0;
    }
    if (json_is_real(value)) {
        double number = json_real_value(value);
        if (!(fabs(number) < 9007199254740992.0) || number != trunc(number)) /* 2^53: beyond it a real does not say which number was meant */
            return -ERANGE;
        *ret_negative = number < 0;
        *ret_magnitude = (uint64_t)fabs(number);
        return 0;
    }
    const char *text = json_string_value(value);
    bool negative = *text == '-';
    uint64_t magnitude = 0;
    const char *digit = text + negative;
    if (!*digit || strlen(text) != json_string_length(value))
        return -ERANGE;
    for (; *digit; digit++)
        if (*digit < '0' || *digit > '9' || __builtin_mul_overflow(magnitude, 10, &magnitude) ||
            __builtin_add_overflow(magnitude, (uint64_t)(*digit - '0'), &magnitude))
            return -ERANGE;
    *ret_negative = negative;
    *ret_magnitude = magnitude;
    return 0;
}

static int set_number(ProtobufCType type, void *member, const json_t *value, const struct place *place, char *error)
{
    if (!json_is_number(value) && !json_is_string(value))
        return wrong(error, place, "a whole number", value);
    bool negative = false;
    uint64_t magnitude = 0;
    bool is_signed = type == PROTOBUF_C_TYPE_INT32 || type == PROTOBUF_C_TYPE_SINT32 || type == PROTOBUF_C_TYPE_SFIXED32 ||
                     type == PROTOBUF_C_TYPE_INT64 || type == PROTOBUF_C_TYPE_SINT64 || type == PROTOBUF_C_TYPE_SFIXED64;
    bool is_wide = type == PROTOBUF_C_TYPE_INT64 || type == PROTOBUF_C_TYPE_SINT64 || type == PROTOBUF_C_TYPE_SFIXED64 ||
                   type == PROTOBUF_C_TYPE_UINT64 || type == PROTOBUF_C_TYPE_FIXED64;
    uint64_t most = is_wide ? (is_signed ? INT64_MAX : UINT64_MAX) : (is_signed ? INT32_MAX : UINT32_MAX);
    const char *range = is_wide ? (is_signed ? "of 64 bits" : "from 0 to 2^64-1") : (is_signed ? "of 32 bits" : "from 0 to 4294967295");
    if (read_number(value, &negative, &magnitude) < 0 || (negative && magnitude && !is_signed) ||
        magnitude > most + (negative && is_signed ? 1 : 0))
        return out_of_range(error, place, range);
    uint64_t bits = negative ? 0 - magnitude : magnitude;
    if (is_wide)
        memcpy(member, &bits, sizeof bits);
    else
        memcpy(member, &(uint32_t){ (uint32_t)bits }, sizeof(uint32_t));
    return 0;
}

static int decode_message(const ProtobufCMessageDescriptor *type, json_t *object, const struct place *place, unsigned depth,
                          ProtobufCMessage **ret, char *error);

/* A text into *member, which is NULL or the default. */
static int set_text(char **member, const json_t *value, const struct place *place, char *error)
{
    if (!json_is_string(value))
        return wrong(error, place, "text", value);
    return wire_set_string(member, json_string_value(value));
}

static int decode_value(const ProtobufCFieldDescriptor *field, void *member, json_t *value, const struct place *place, unsigned depth,
                        char *error)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return set_text(member, value, place, error);
    case PROTOBUF_C_TYPE_MESSAGE:
        return decode_message(field->descriptor, value, place, depth + 1, member, error);
    case PROTOBUF_C_TYPE_BOOL:
        if (!json_is_boolean(value))
            return wrong(error, place, "true or false", value);
        *(protobuf_c_boolean *)member = json_is_true(value);
        return 0;
    case PROTOBUF_C_TYPE_DOUBLE:
        if (!json_is_number(value))
            return wrong(error, place, "a number", value);
        *(double *)member = json_number_value(value);
        return 0;
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_BYTES:
        assert(false && "a field type that no message has: give wire its JSON first");
        abort();
    default:
        return set_number(field->type, member, value, place, error);
    }
}

static ProtobufCType map_value_type(const ProtobufCFieldDescriptor *field) { return ((const ProtobufCMessageDescriptor *)field->descriptor)->fields[1].type; }

static int decode_map(const ProtobufCFieldDescriptor *field, size_t *count, void *array, json_t *object, const struct place *place, unsigned depth, char *error)
{
    if (!json_is_object(object))
        return wrong(error, place, map_value_type(field) == PROTOBUF_C_TYPE_STRING ? "an object of texts" : "an object", object);
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        struct place here = { place, key, NO_INDEX };
        wire_auto ProtobufCMessage *entry = wire_new(field->descriptor);
        if (!entry)
            return -ENOMEM;
        const ProtobufCFieldDescriptor *fields = entry->descriptor->fields;
        int r = wire_set_string((char **)(void *)((char *)entry + fields[0].offset), key);
        if (r == 0)
            r = decode_value(&fields[1], (char *)entry + fields[1].offset, value, &here, depth, error);
        if (r == 0)
            r = wire_append(count, array, entry);
        if (r < 0)
            return r;
        entry = NULL;
    }
    return 0;
}

static size_t number_bytes(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return sizeof(uint32_t);
    default:
        return sizeof(uint64_t);
    }
}

static int decode_repeated(const ProtobufCFieldDescriptor *field, size_t *count, void **array, json_t *list, const struct place *place,
                           unsigned depth, char *error)
{
    if (!json_is_array(list))
        return wrong(error, place, "a list", list);
    size_t length = json_array_size(list);
    bool pointers = field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
    size_t bytes = pointers ? sizeof(void *) : number_bytes(field->type);
    if (length == 0)
        return 0;
    *array = calloc(length, bytes);
    if (!*array)
        return -ENOMEM;
    for (size_t i = 0; i < length; i++) {
        struct place here = { place, "", i };
        int r = decode_value(field, (char *)*array + i * bytes, json_array_get(list, i), &here, depth, error);
        if (r < 0)
            return r; /* the elements counted so far are released with the message; a failed decode_value leaves NULL */
        if (field->type == PROTOBUF_C_TYPE_STRING && ((char **)*array)[i] == (const char *)protobuf_c_empty_string && !(((char **)*array)[i] = strdup("")))
            return -ENOMEM; /* elements of a list are freed as they are, the shared empty text must not be */
        *count = i + 1;
    }
    return 0;
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *type, const char *key)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        char name[WIRE_NAME_MAX];
        wire_json_name(type->fields[i].name, name);
        if (strcmp(key, name) == 0 || strcmp(key, type->fields[i].name) == 0)
            return &type->fields[i];
    }
    return NULL;
}

static int unknown_field(const ProtobufCMessageDescriptor *type, const struct place *place, char *error)
{
    char text[128] = "";
    (void)place_text(place, text, sizeof text);
    (void)snprintf(error, WIRE_ERROR_TEXT_MAX, "field %s is unknown to %s", text, type->short_name);
    return -EBADMSG;
}

/* seen has a bit for each field, so that "from_ns" beside "fromNs" is refused like any other repetition. */
static int decode_member(ProtobufCMessage *message, const char *key, json_t *value, const struct place *place, unsigned depth, uint64_t *seen,
                         char *error)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    const ProtobufCFieldDescriptor *field = find_field(type, key);
    if (!field)
        return unknown_field(type, place, error);
    uint64_t bit = UINT64_C(1) << (field - type->fields);
    if (*seen & bit) {
        (void)snprintf(error, WIRE_ERROR_TEXT_MAX, "field %.100s is given twice", key);
        return -EBADMSG;
    }
    *seen |= bit;
    if (json_is_null(value))
        return 0;
    void *member = (char *)message + field->offset;
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return decode_value(field, member, value, place, depth, error);
    size_t *count = (size_t *)(void *)((char *)message + field->quantifier_offset);
    if (wire_is_map(type, field))
        return decode_map(field, count, member, value, place, depth, error);
    return decode_repeated(field, count, member, value, place, depth, error);
}

static int decode_message(const ProtobufCMessageDescriptor *type, json_t *object, const struct place *place, unsigned depth,
                          ProtobufCMessage **ret, char *error)
{
    assert(type->n_fields <= 64 && depth <= WIRE_DEPTH_MAX);
    if (!json_is_object(object))
        return wrong(error, place, "an object", object);
    wire_auto ProtobufCMessage *message = wire_new(type);
    if (!message)
        return -ENOMEM;
    uint64_t seen = 0;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        struct place here = { place, key, NO_INDEX };
        int r = decode_member(message, key, value, &here, depth, &seen, error);
        if (r < 0)
            return r;
    }
    *ret = message;
    message = NULL;
    return 0;
}

/* Depth and number of containers, before anything is allocated. Broken texts are the parser's to name. */
static int check_shape(const char *text, size_t size, size_t containers_max, char *error)
{
    size_t depth = 0, containers = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        if (quoted) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                quoted = false;
        } else if (text[i] == '"') {
            quoted = true;
        } else if (text[i] == '{' || text[i] == '[') {
            if (++depth > WIRE_DEPTH_MAX) {
                (void)snprintf(error, WIRE_ERROR_TEXT_MAX, "the message nests deeper than %d levels", WIRE_DEPTH_MAX);
                return -EBADMSG;
            }
            if (++containers > containers_max) {
                (void)snprintf(error, WIRE_ERROR_TEXT_MAX, "the message holds more than %zu objects and lists", containers_max);
                return -EMSGSIZE;
            }
        } else if ((text[i] == '}' || text[i] == ']') && depth > 0) {
            depth--;
        }
    }
    return 0;
}

int wire_json_decode(const ProtobufCMessageDescriptor *type, const char *text, size_t size, size_t containers_max, ProtobufCMessage **ret, char *error)
{
    int r = check_shape(text, size, containers_max, error);
    if (r < 0)
        return r;
    json_error_t problem;
    json_auto_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES, &problem);
    if (!object) {
        (void)snprintf(error, WIRE_ERROR_TEXT_MAX, "not valid JSON: %.160s (line %d, column %d)", problem.text, problem.line, problem.column);
        return -EBADMSG;
    }
    return decode_message(type, object, NULL, 0, ret, error);
}
