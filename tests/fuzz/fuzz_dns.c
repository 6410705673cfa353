/* DNS datagrams and streams, in pieces, with holes: see tests/support/protocol_fuzz.h for how the input is read. Its options 8 and 16: to the port of mDNS, of LLMNR. */
#include "services/dissector/protocols/protocol.h"
#include "tests/support/protocol_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t ports[] = { 53, 5353, 5355, 53 };
    protocol_fuzz_run(ports[size ? data[0] >> 3 & 3 : 0], data, size);
    return 0;
}
