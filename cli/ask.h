/* The bus as a command uses it: connect, ask the services, and say in a sentence what failed. */
#ifndef CLI_ASK_H
#define CLI_ASK_H
#include "bus/bus.h"
#include "cli/command.h"
#include "wire/wire.h"

#define CLI_ASK_TIMEOUT_MS 10000          /* an answer from a service's memory */
#define CLI_WORK_TIMEOUT_MS (3600 * 1000) /* an answer that reads a whole snapshot first */

/* 0, or CLI_FAILED, having said why. */
int cli_connect(const struct cli_options *options, struct bus **ret);
static inline void cli_bus_close_p(struct bus **bus) { bus_close(*bus); }
#define cli_bus_auto __attribute__((cleanup(cli_bus_close_p)))
/* Sends the request and decodes the reply, whose first field is an Error. 0 with *ret for wire_free; or CLI_FAILED, having said why, also where the reply is an error. */
int cli_ask(const struct cli_options *options, struct bus *bus, const char *subject, const ProtobufCMessage *request, const ProtobufCMessageDescriptor *reply_type, int timeout_ms,
            void *ret);
/* A sentence for a failed call of the bus. */
const char *cli_bus_problem(int error);
#endif
