/* HTTP/2 and gRPC, in pieces, with holes, from the middle: see tests/support/protocol_fuzz.h for how the input is read. */
#include "services/dissector/protocols/http2/http2.h"
#include "tests/support/protocol_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    protocol_fuzz_run(8080, data, size);
    return 0;
}
