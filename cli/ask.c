/* Connecting and asking. See ask.h. */
#include "cli/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/output.h"
#include "mem/cleanup.h"

const char *cli_bus_problem(int error)
{
    switch (error) {
    case -ENOTCONN: return "the connection to the bus is gone";
    case -ETIMEDOUT: return "no answer came in time";
    case -ENOENT: return "nobody answers; is JetStream on (nats-server -js), and were the streams applied (tapeloop streams apply)?";
    case -EACCES: return "the NATS server does not permit it to this user";
    case -EMSGSIZE: return "the message is larger than the NATS server takes";
    default: return strerror(-error);
    }
}

int cli_connect(const struct cli_options *options, struct bus **ret)
{
    struct bus_options bus_options;
    char error[256] = "";
    lifecycle_bus_options(&options->lifecycle, "tapeloop", &bus_options);
    int rc = bus_open(&bus_options, true, ret, error);
    if (rc == 0)
        return 0;
    if (rc == -EACCES)
        return cli_fail(options, "unavailable", "%s", error);
    if (rc == -EPROTO)
        return cli_fail(options, "unavailable", "%s; the authority must be the one of the server's certificate, that certificate must bear the name in --server, and none may have expired", error);
    return cli_fail(options, "unavailable", "%s; is nats-server up there? Name another with --server or NATS_URL", error);
}

static int say_no_answer(const struct cli_options *options, const char *subject, int rc)
{
    if (rc == -ENOENT)
        return cli_fail(options, "unavailable", "nobody answers %s: no %s is up on this bus", subject, strncmp(subject, "snapshot.", 9) == 0 ? "snapshotter" : "dissector");
    return cli_fail(options, "unavailable", "%s: %s", subject, cli_bus_problem(rc));
}

/* Every reply has an Error as its field named so. */
static const Tapeloop__V1__Error *error_of(const ProtobufCMessage *reply)
{
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(reply->descriptor, "error");
    const void *member = (const char *)reply + field->offset;
    return *(Tapeloop__V1__Error *const *)member;
}

int cli_ask(const struct cli_options *options, struct bus *bus, const char *subject, const ProtobufCMessage *request, const ProtobufCMessageDescriptor *reply_type, int timeout_ms,
            void *ret)
{
    mem_auto_free void *data = NULL, *answer = NULL;
    size_t size = 0, answer_size = 0;
    char error[WIRE_ERROR_TEXT_MAX] = "";
    ProtobufCMessage *reply = NULL;
    if (wire_encode(request, WIRE_PROTOBUF, &data, &size) < 0)
        return cli_fail(options, "internal", "the request is too large, or memory is short");
    int rc = bus_request(bus, subject, data, size, true, timeout_ms, &answer, &answer_size);
    if (rc < 0)
        return say_no_answer(options, subject, rc);
    if (wire_decode(reply_type, answer, answer_size, "application/protobuf", &reply, NULL, error) < 0)
        return cli_fail(options, "internal", "the answer to %s cannot be read: %s", subject, error);
    const Tapeloop__V1__Error *refused = error_of(reply);
    if (refused && (*refused->code || *refused->message)) {
        (void)cli_fail(options, *refused->code ? refused->code : "internal", "%s", refused->message);
        wire_free(reply);
        return CLI_FAILED;
    }
    *(ProtobufCMessage **)ret = reply;
    return 0;
}
