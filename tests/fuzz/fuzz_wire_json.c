/* A user's JSON request: what decodes must encode, and decode again to the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const types[] = {
    &tapeloop__v1__snapshot_request__descriptor, &tapeloop__v1__export_request__descriptor, &tapeloop__v1__manifest__descriptor,
    &tapeloop__v1__node_heartbeat__descriptor, &tapeloop__v1__dissect_request__descriptor, &tapeloop__v1__dissect_manifest__descriptor,
    &tapeloop__v1__dissect_plan__descriptor, &tapeloop__v1__dissect_item__descriptor, &tapeloop__v1__calls_query__descriptor,
};

static void try_type(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size)
{
    char error[WIRE_ERROR_TEXT_MAX] = "";
    wire_auto ProtobufCMessage *message = NULL, *again = NULL;
    enum wire_format format;
    if (wire_decode(type, data, size, "application/json", &message, &format, error) < 0 || format != WIRE_JSON)
        return; /* what does not begin as JSON is protobuf, which has a target of its own */
    void *text = NULL, *second = NULL;
    size_t text_size = 0, second_size = 0;
    if (wire_encode(message, format, &text, &text_size) == 0) {
        if (wire_decode(type, text, text_size, NULL, &again, &format, error) < 0 || wire_encode(again, format, &second, &second_size) < 0 ||
            second_size != text_size || memcmp(text, second, text_size) != 0)
            abort();
    }
    free(text);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        try_type(types[i], data, size);
    return 0;
}
