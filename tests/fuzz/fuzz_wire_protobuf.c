/* A protobuf request or event from the bus: decodes or is refused; what decodes has a JSON form. */
#include <stdint.h>
#include <stdlib.h>

#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const types[] = {
    &tapeloop__v1__snapshot_request__descriptor, &tapeloop__v1__pin_request__descriptor, &tapeloop__v1__unpin_request__descriptor,
    &tapeloop__v1__pin_reply__descriptor, &tapeloop__v1__node_heartbeat__descriptor, &tapeloop__v1__claim__descriptor,
    &tapeloop__v1__dissect_request__descriptor, &tapeloop__v1__dissect_job__descriptor, &tapeloop__v1__calls_query__descriptor, &tapeloop__v1__calls_reply__descriptor,
    &tapeloop__v1__live_status__descriptor,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char error[WIRE_ERROR_TEXT_MAX] = "";
        wire_auto ProtobufCMessage *message = NULL;
        enum wire_format format;
        if (wire_decode(types[i], data, size, "application/protobuf", &message, &format, error) < 0)
            continue;
        void *bytes = NULL;
        size_t bytes_size = 0;
        char *text = NULL;
        if (wire_encode(message, WIRE_PROTOBUF, &bytes, &bytes_size) < 0 || wire_encode_pretty(message, &text) < 0)
            abort();
        free(bytes);
        free(text);
    }
    return 0;
}
