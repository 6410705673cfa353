/* WebSocket (RFC 6455) with permessage-deflate (RFC 7692): what its carrier tells it. */
#ifndef DISSECTOR_PROTOCOLS_WEBSOCKET_H
#define DISSECTOR_PROTOCOLS_WEBSOCKET_H
#include <stddef.h>
#include "services/dissector/protocols/protocol.h"

extern const struct protocol protocol_websocket;
/* state: what conversation_switch(c, &protocol_websocket) returned; NULL is fine. extensions: the value of the response's Sec-WebSocket-Extensions (several joined by commas), empty where there is none. */
void websocket_agree(void *state, const char *extensions, size_t size);
/* Instead, where the response was lost: frames are to be found first, and compressed payloads cannot be told. */
void websocket_guess(void *state);
#endif
