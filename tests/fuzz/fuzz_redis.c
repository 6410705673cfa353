/* Redis of both sides, in pieces, with holes: see tests/support/protocol_fuzz.h for how the input is read. */
#include "services/dissector/protocols/redis/redis.h"
#include "tests/support/protocol_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    protocol_fuzz_run(6379, data, size);
    return 0;
}
