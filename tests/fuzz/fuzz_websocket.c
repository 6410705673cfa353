/* WebSocket messages of both sides behind an upgrade, in pieces, with holes: see tests/support/protocol_fuzz.h for how the input is read. Its options: 8, permessage-deflate was agreed upon; 16, without context takeover. */
#include "services/dissector/protocols/websocket/websocket.h"
#include "tests/support/protocol_fuzz.h"

#define INPUT_BYTES_MAX 65536u
#define UPGRADE "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define SWITCHED "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"

static size_t put_chunk(uint8_t *dst, uint8_t control, const char *first, const char *second)
{
    size_t a = strlen(first), b = strlen(second);
    dst[0] = control;
    dst[1] = (uint8_t)(a + b);
    dst[2] = (uint8_t)((a + b) >> 8);
    memcpy(dst + 3, first, a);
    memcpy(dst + 3 + a, second, b);
    return 3 + a + b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const agreed[] = { "\r\n", "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "\r\n",
                                          "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n\r\n" };
    if (size < 1 || size > INPUT_BYTES_MAX)
        return 0;
    uint8_t *all = malloc(size + 1024);
    if (!all)
        return 0;
    size_t n = 0;
    all[n++] = data[0] & 6;
    n += put_chunk(all + n, 0, UPGRADE, "");
    n += put_chunk(all + n, 1, SWITCHED, agreed[data[0] >> 3 & 3]);
    memcpy(all + n, data + 1, size - 1);
    protocol_fuzz_run(80, all, n + size - 1);
    free(all);
    return 0;
}
