/* DTLS records in datagrams of both sides, some of them lost: see tests/support/protocol_fuzz.h for how the input is read. Its option 1 is set. */
#include "services/dissector/protocols/tls/dtls.h"
#include "tests/support/protocol_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *datagrams = size ? malloc(size) : NULL;
    if (!datagrams)
        return 0;
    memcpy(datagrams, data, size);
    datagrams[0] |= 1;
    protocol_fuzz_run(443, datagrams, size);
    free(datagrams);
    return 0;
}
