#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/json.h"
#include "wire/wire.h"

#define REQUEST &tapeloop__v1__snapshot_request__descriptor

static int decode(const ProtobufCMessageDescriptor *type, const char *text, void *ret, char *error)
{
    ProtobufCMessage *message = NULL;
    enum wire_format format = WIRE_PROTOBUF;
    int r = wire_decode(type, text, strlen(text), NULL, &message, &format, error);
    assert_int_equal(format, WIRE_JSON);
    memcpy(ret, &message, sizeof message);
    return r;
}

static void test_json_request(void **state)
{
    (void)state;
    char error[WIRE_ERROR_TEXT_MAX] = "";
    wire_auto Tapeloop__V1__SnapshotRequest *request = NULL;
    assert_int_equal(0, decode(REQUEST, " {\"name\":\"a\",\"last\":\"30s\",\"nodes\":[\"n1\",\"n2\"],\"labels\":{\"k\":\"v\",\"x\":\"\"},\"complete\":true,\"from\":null}", &request, error));
    assert_string_equal(request->name, "a");
    assert_string_equal(request->last, "30s");
    assert_string_equal(request->from, "");
    assert_int_equal(request->n_nodes, 2);
    assert_string_equal(request->nodes[1], "n2");
    assert_int_equal(request->n_labels, 2);
    assert_string_equal(request->labels[0]->key, "k");
    assert_string_equal(request->labels[0]->value, "v");
    assert_true(request->complete);
    void *data = NULL;
    size_t size = 0;
    assert_int_equal(0, wire_encode(&request->base, WIRE_JSON, &data, &size));
    assert_string_equal(data, "{\"name\":\"a\",\"last\":\"30s\",\"nodes\":[\"n1\",\"n2\"],\"labels\":{\"k\":\"v\",\"x\":\"\"},\"complete\":true}");
    assert_int_equal(size, strlen(data));
    free(data);
}

static void test_json_numbers(void **state)
{
    (void)state;
    char error[WIRE_ERROR_TEXT_MAX] = "";
    wire_auto Tapeloop__V1__Gap *gap = NULL;
    assert_int_equal(0, decode(&tapeloop__v1__gap__descriptor,
                               "{\"fromNs\":\"-9223372036854775808\",\"to_ns\":1e3,\"packets\":\"18446744073709551615\",\"lane\":4294967295}", &gap, error));
    assert_true(gap->from_ns == INT64_MIN && gap->to_ns == 1000 && gap->packets == UINT64_MAX && gap->lane == UINT32_MAX);
    void *data = NULL;
    size_t size = 0;
    assert_int_equal(0, wire_encode(&gap->base, WIRE_JSON, &data, &size));
    assert_string_equal(data, "{\"fromNs\":\"-9223372036854775808\",\"toNs\":\"1000\",\"packets\":\"18446744073709551615\",\"lane\":4294967295}");
    free(data);
}

static void test_json_refusals(void **state)
{
    (void)state;
    static const struct { const ProtobufCMessageDescriptor *type; const char *text, *sentence; } rows[] = {
        { REQUEST, "{\"name\":1}", "field name must be text, not a number" },
        { REQUEST, "{\"nodes\":\"n\"}", "field nodes must be a list, not text" },
        { REQUEST, "{\"nodes\":[\"a\",{}]}", "field nodes[1] must be text, not an object" },
        { REQUEST, "{\"nodes\":[null]}", "field nodes[0] must be text, not null" },
        { REQUEST, "{\"labels\":{\"app\":3}}", "field labels.app must be text, not a number" },
        { REQUEST, "{\"labels\":[]}", "field labels must be an object of texts, not a list" },
        { REQUEST, "{\"complete\":\"yes\"}", "field complete must be true or false, not text" },
        { REQUEST, "{\"lst\":\"3s\"}", "field lst is unknown to SnapshotRequest" },
        { REQUEST, "{\"name\":\"a\",\"name\":\"b\"}", "duplicate object key" },
        { REQUEST, "{\"name\":\"a\"", "not valid JSON" },
        { REQUEST, "{\"name\":\"\\u0000\"}", "not valid JSON" },
        { REQUEST, "{\"name\":\"\xff\"}", "not valid JSON" },
        { REQUEST, "{\"name\":\"a\"} x", "not valid JSON" },
        { REQUEST, "{\"a\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}", "deeper than 16" },
        { REQUEST, "[]", "neither JSON" },
        { REQUEST, "hello", "neither JSON" },
        { &tapeloop__v1__gap__descriptor, "{\"from_ns\":1,\"fromNs\":1}", "given twice" },
        { &tapeloop__v1__gap__descriptor, "{\"lane\":-1}", "field lane must be a whole number from 0 to 4294967295" },
        { &tapeloop__v1__gap__descriptor, "{\"lane\":4294967296}", "field lane must be a whole number" },
        { &tapeloop__v1__gap__descriptor, "{\"lane\":1.5}", "field lane must be a whole number" },
        { &tapeloop__v1__gap__descriptor, "{\"packets\":\"12x\"}", "field packets must be a whole number" },
        { &tapeloop__v1__gap__descriptor, "{\"packets\":\"\"}", "field packets must be a whole number" },
        { &tapeloop__v1__gap__descriptor, "{\"packets\":\"18446744073709551616\"}", "field packets must be a whole number" },
        { &tapeloop__v1__gap__descriptor, "{\"fromNs\":\"9223372036854775808\"}", "field fromNs must be a whole number" },
        { &tapeloop__v1__manifest__descriptor, "{\"nodes\":[{},{\"ledger\":{\"interfaces\":[{\"name\":[]}]}}]}", "field nodes[1].ledger.interfaces[0].name must be text, not a list" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char error[WIRE_ERROR_TEXT_MAX] = "";
        ProtobufCMessage *message = NULL;
        assert_int_equal(-EBADMSG, decode(rows[i].type, rows[i].text, &message, error));
        assert_null(message);
        if (!strstr(error, rows[i].sentence))
            fail_msg("%s: \"%s\" lacks \"%s\"", rows[i].text, error, rows[i].sentence);
    }
}

static void test_size_limits(void **state)
{
    (void)state;
    char error[WIRE_ERROR_TEXT_MAX] = "";
    ProtobufCMessage *message = NULL;
    enum wire_format format;
    size_t size = WIRE_MESSAGE_BYTES_MAX + 1;
    char *text = malloc(size);
    memset(text, ' ', size);
    assert_int_equal(-EMSGSIZE, wire_decode(REQUEST, text, size, NULL, &message, &format, error));
    /* Many empty objects: cheap to send, dear to hold. */
    memcpy(text, "{\"nodes\":[", 11);
    size_t n = strlen(text);
    while (n + 4 < WIRE_MESSAGE_BYTES_MAX) {
        memcpy(text + n, "{},", 3);
        n += 3;
    }
    assert_int_equal(-EMSGSIZE, wire_decode(&tapeloop__v1__manifest__descriptor, text, n, NULL, &message, &format, error));
    /* The same in protobuf: field 13 (nodes) of length 0, again and again. */
    for (n = 0; n + 2 <= WIRE_MESSAGE_BYTES_MAX; n += 2) {
        text[n] = 13 << 3 | 2;
        text[n + 1] = 0;
    }
    assert_int_equal(-EMSGSIZE, wire_decode(&tapeloop__v1__manifest__descriptor, text, n, "application/protobuf", &message, &format, error));
    assert_null(message);
    free(text);
}

static void test_formats(void **state)
{
    (void)state;
    char error[WIRE_ERROR_TEXT_MAX] = "";
    Tapeloop__V1__SnapshotRequest request = TAPELOOP__V1__SNAPSHOT_REQUEST__INIT;
    request.name = (char *)"x";
    void *data = NULL;
    size_t size = 0;
    assert_int_equal(0, wire_encode(&request.base, WIRE_PROTOBUF, &data, &size));
    static const char *const types[] = { "application/protobuf", "Application/Protobuf; proto=x", NULL };
    for (size_t i = 0; i < 3; i++) {
        ProtobufCMessage *message = NULL;
        enum wire_format format = WIRE_JSON;
        assert_int_equal(0, wire_decode(REQUEST, data, size, types[i], &message, &format, error));
        assert_int_equal(format, WIRE_PROTOBUF);
        assert_string_equal(((Tapeloop__V1__SnapshotRequest *)message)->name, "x");
        wire_free(message);
    }
    free(data);
    static const struct { const char *content_type; enum wire_format format; } empty[] = {
        { NULL, WIRE_JSON }, { "application/json", WIRE_JSON }, { "application/protobuf", WIRE_PROTOBUF } };
    for (size_t i = 0; i < 3; i++) {
        ProtobufCMessage *message = NULL;
        enum wire_format format;
        assert_int_equal(0, wire_decode(REQUEST, NULL, 0, empty[i].content_type, &message, &format, error));
        assert_int_equal(format, empty[i].format);
        wire_free(message);
    }
    /* What claims to be JSON is nothing else; JSON that claims to be protobuf, and text that is not UTF-8. */
    ProtobufCMessage *message = NULL;
    enum wire_format format;
    assert_int_equal(-EBADMSG, wire_decode(REQUEST, "{}", 2, "application/protobuf", &message, &format, error));
    assert_int_equal(format, WIRE_PROTOBUF);
    assert_int_equal(-EBADMSG, wire_decode(REQUEST, "\x0a\x01x", 3, "application/json; charset=utf-8", &message, &format, error));
    assert_int_equal(format, WIRE_JSON);
    assert_int_equal(-EBADMSG, wire_decode(REQUEST, "\x0a\x02\xc0\x80", 4, "application/protobuf", &message, &format, error));
    assert_non_null(strstr(error, "name is not UTF-8"));
    request.name = (char *)"\xff";
    assert_int_equal(-EILSEQ, wire_encode(&request.base, WIRE_JSON, &data, &size));
}

static void test_building(void **state)
{
    (void)state;
    wire_auto Tapeloop__V1__PinReply *reply = WIRE_NEW(Tapeloop__V1__PinReply, tapeloop__v1__pin_reply__descriptor);
    assert_int_equal(0, wire_set_string(&reply->node, "n"));
    assert_int_equal(0, wire_set_string(&reply->node, NULL));
    assert_string_equal(reply->node, "");
    assert_int_equal(0, wire_set_string(&reply->node, "node-1"));
    for (int i = 0; i < 5; i++) {
        Tapeloop__V1__PinnedSegment *pinned = WIRE_NEW(Tapeloop__V1__PinnedSegment, tapeloop__v1__pinned_segment__descriptor);
        pinned->segment = WIRE_NEW(Tapeloop__V1__SegmentSealed, tapeloop__v1__segment_sealed__descriptor);
        pinned->segment->sequence = (uint64_t)i;
        assert_int_equal(0, wire_append(&reply->n_segments, &reply->segments, pinned));
        assert_int_equal(0, wire_append(&reply->n_not_visible, &reply->not_visible, strdup("x")));
    }
    wire_auto ProtobufCMessage *copy = wire_copy(&reply->base);
    char *pretty = NULL;
    assert_int_equal(0, wire_encode_pretty(copy, &pretty));
    char error[WIRE_ERROR_TEXT_MAX] = "";
    wire_auto ProtobufCMessage *again = NULL;
    assert_int_equal(0, wire_decode_json(&tapeloop__v1__pin_reply__descriptor, pretty, strlen(pretty), 1 << 20, &again, error));
    /* Appending to a decoded list, which has no spare room. */
    Tapeloop__V1__PinReply *decoded = (Tapeloop__V1__PinReply *)again;
    assert_int_equal(decoded->n_not_visible, 5);
    assert_int_equal(0, wire_append(&decoded->n_not_visible, &decoded->not_visible, strdup("y")));
    assert_int_equal(decoded->segments[4]->segment->sequence, 4);
    assert_int_equal(-EMSGSIZE, wire_decode_json(&tapeloop__v1__pin_reply__descriptor, pretty, strlen(pretty), 10, &copy, error));
    free(pretty);
}

static void test_names(void **state)
{
    (void)state;
    char name[WIRE_NAME_MAX];
    wire_json_name("manifest_sha256", name);
    assert_string_equal(name, "manifestSha256");
    wire_json_name("from_ns", name);
    assert_string_equal(name, "fromNs");
}

/* Every message of ours goes through both codecs empty: no field type is without its JSON. */
static void test_every_type(void **state)
{
    (void)state;
    static const ProtobufCMessageDescriptor *const types[] = {
        &tapeloop__v1__snapshot_request__descriptor, &tapeloop__v1__snapshot_event__descriptor, &tapeloop__v1__snapshot_progress__descriptor,
        &tapeloop__v1__snapshot_list_reply__descriptor, &tapeloop__v1__snapshot_show_reply__descriptor, &tapeloop__v1__snapshot_verify_reply__descriptor,
        &tapeloop__v1__export_request__descriptor, &tapeloop__v1__export_reply__descriptor, &tapeloop__v1__segment_recycled__descriptor,
        &tapeloop__v1__pin_request__descriptor, &tapeloop__v1__unpin_request__descriptor, &tapeloop__v1__catalogue_reply__descriptor,
        &tapeloop__v1__node_heartbeat__descriptor, &tapeloop__v1__claim__descriptor,
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        wire_auto ProtobufCMessage *message = wire_new(types[i]);
        void *data = NULL;
        size_t size = 0;
        assert_int_equal(0, wire_encode(message, WIRE_JSON, &data, &size));
        assert_string_equal(data, "{}");
        free(data);
        for (unsigned k = 0; k < types[i]->n_fields; k++)
            assert_true(types[i]->fields[k].type != PROTOBUF_C_TYPE_ENUM && types[i]->fields[k].type != PROTOBUF_C_TYPE_BYTES &&
                        types[i]->fields[k].type != PROTOBUF_C_TYPE_FLOAT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_request), cmocka_unit_test(test_json_numbers), cmocka_unit_test(test_json_refusals),
        cmocka_unit_test(test_size_limits),  cmocka_unit_test(test_formats),      cmocka_unit_test(test_building),
        cmocka_unit_test(test_names),        cmocka_unit_test(test_every_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
