/* The answers themselves, on the pin's thread: no waiting, no bus. Errors go into the reply's `error`. Inside pin. */
#ifndef CAPTURER_PIN_ANSWER_H
#define CAPTURER_PIN_ANSWER_H
#include "services/capturer/pin.h"
#include "wire/wire.h"

/* What is asked for and then granted: 0 with the reply; -ENOMEM. unsealed: the lanes' open segments could not be sealed in time. */
int pin_answer_pin(const struct pin_options *options, const Tapeloop__V1__PinRequest *request, int64_t received_ns, bool unsealed, Tapeloop__V1__PinReply **ret);
/* A sentence in error (WIRE_ERROR_TEXT_MAX) and -EINVAL when the request cannot be granted as it is. */
int pin_check_request(const Tapeloop__V1__PinRequest *request, char *error);
int pin_answer_unpin(const struct pin_options *options, const Tapeloop__V1__UnpinRequest *request, Tapeloop__V1__UnpinReply **ret);
int pin_answer_catalogue(const struct pin_options *options, const Tapeloop__V1__CatalogueRequest *request, Tapeloop__V1__CatalogueReply **ret);
/* A user's snapshot.request: leases its window as far as it lies in the past, if it is for this node. 1 leased, 0 not for this node, -errno. */
int pin_lease_request(const struct pin_options *options, const Tapeloop__V1__SnapshotRequest *request, int64_t now_ns);
Tapeloop__V1__Error *pin_error(const char *code, const char *message);
#endif
