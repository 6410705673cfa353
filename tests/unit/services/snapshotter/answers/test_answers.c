/* list, show, verify, delete, export: on snapshots made from a fake node (named as such), asked over a real bus, fetched over real HTTP. */
#include "tests/unit/services/snapshotter/fixture.h"
#include "http/client.h"
#include "http/token.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

#define STEP_NS (1000 * 1000)
#define BLOCKS 8

static struct fixture fixture;
static struct fake_node node;
static int64_t begin_ns;

static int setup(void **state)
{
    (void)state;
    fixture_start(&fixture);
    fake_node_start(&node, fixture.bus, "node-a");
    begin_ns = (units_now_wall_ns() / UNITS_NS_PER_S - 64) * UNITS_NS_PER_S;
    for (uint64_t i = 0; i < 2; i++)
        fake_segment_make(&node, i, begin_ns + (int64_t)i * BLOCKS * FAKE_BLOCK_PACKETS * STEP_NS, STEP_NS, BLOCKS);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    fake_node_stop(&node);
    fixture_stop(&fixture);
    return 0;
}

static void make(const char *name)
{
    fixture_ask_window(&fixture, name, begin_ns, begin_ns + 1599 * UNITS_NS_PER_MS, "");
    fixture_await(&fixture, "ready", name, 0);
}

static void *ask(const char *subject, const char *name, const ProtobufCMessageDescriptor *type)
{
    char json[256];
    snprintf(json, sizeof json, "{\"name\":\"%s\"}", name);
    return fixture_question(&fixture, subject, json, type);
}

static Tapeloop__V1__SnapshotVerifyReply *verify(const char *name)
{
    return ask("snapshot.verify", name, &tapeloop__v1__snapshot_verify_reply__descriptor);
}

static void path_of(char *path, const char *name, const char *object)
{
    snprintf(path, 512, "%s/%s/%s", fixture.store, name, object);
}

/* Changes one byte of a read-only file, as a failing disk would. */
static void flip(const char *path, off_t at)
{
    uint8_t byte;
    assert_int_equal(chmod(path, 0644), 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void the_list_has_pages(void **state)
{
    (void)state;
    static const char *const names[] = { "l-1", "l-2", "l-3" };
    for (size_t i = 0; i < 3; i++)
        make(names[i]);
    fixture_ask(&fixture, "{\"name\":\"l-4\",\"last\":\"1s\",\"nodes\":[\"nowhere\"]}");
    fixture_await(&fixture, "failed", "l-4", 0);
    Tapeloop__V1__SnapshotListReply *page = fixture_question(&fixture, "snapshot.list", "{\"limit\":3}", &tapeloop__v1__snapshot_list_reply__descriptor);
    assert_null(page->error);
    assert_int_equal(page->n_snapshots, 3);
    assert_string_equal(page->snapshots[0]->name, "l-1");
    assert_int_equal(page->snapshots[0]->packets, 2 * BLOCKS * FAKE_BLOCK_PACKETS);
    assert_int_equal(page->snapshots[0]->n_nodes, 0);
    assert_string_equal(page->more, "l-3");
    wire_free(page);
    page = fixture_question(&fixture, "snapshot.list", "{\"after\":\"l-3\"}", &tapeloop__v1__snapshot_list_reply__descriptor);
    assert_int_equal(page->n_snapshots, 1);
    assert_string_equal(page->snapshots[0]->state, "failed");
    assert_string_equal(page->more, "");
    wire_free(page);
    assert_int_equal(bus_kv_delete(fixture.bus, SERVICE_BUCKET, "l-2"), 0); /* what the bus forgot is in the store */
    page = fixture_question(&fixture, "snapshot.list", "", &tapeloop__v1__snapshot_list_reply__descriptor);
    assert_int_equal(page->n_snapshots, 4);
    assert_string_equal(page->snapshots[1]->name, "l-2");
    assert_string_equal(page->snapshots[1]->state, "ready");
    wire_free(page);
}

static void show_gives_event_and_manifest(void **state)
{
    (void)state;
    make("shown");
    Tapeloop__V1__SnapshotShowReply *reply = ask("snapshot.show", "shown", &tapeloop__v1__snapshot_show_reply__descriptor);
    assert_null(reply->error);
    assert_string_equal(reply->snapshot->state, "ready");
    assert_int_equal(reply->manifest->n_objects, 4);
    assert_string_equal(reply->manifest->objects[0]->path, "segments/node-a/0-0.pcapng.lz4");
    wire_free(reply);
    reply = ask("snapshot.show", "unheard-of", &tapeloop__v1__snapshot_show_reply__descriptor);
    assert_string_equal(reply->error->code, "not_found");
    wire_free(reply);
    reply = ask("snapshot.show", "../shown", &tapeloop__v1__snapshot_show_reply__descriptor);
    assert_string_equal(reply->error->code, "invalid");
    wire_free(reply);
}

static bool is_named(const Tapeloop__V1__SnapshotVerifyReply *reply, const char *object, const char *words)
{
    for (size_t i = 0; i < reply->n_damage; i++)
        if (strcmp(reply->damage[i]->object, object) == 0 && strstr(reply->damage[i]->problem, words))
            return true;
    return false;
}

static void verify_names_every_change(void **state)
{
    (void)state;
    static const char segment[] = "segments/node-a/0-0.pcapng.lz4", index[] = "segments/node-a/0-1.pcapng.lz4.idx", other[] = "segments/node-a/0-1.pcapng.lz4";
    char path[512];
    struct stat status;
    make("tampered");
    Tapeloop__V1__SnapshotVerifyReply *reply = verify("tampered");
    assert_true(reply->intact);
    assert_int_equal(reply->objects, 4);
    wire_free(reply);
    path_of(path, "tampered", segment);
    assert_int_equal(stat(path, &status), 0);
    flip(path, 5000);
    reply = verify("tampered");
    assert_false(reply->intact);
    assert_true(is_named(reply, segment, "SHA-256"));
    struct segment_index *blocks = NULL;
    path_of(path, "tampered", "segments/node-a/0-0.pcapng.lz4.idx");
    assert_int_equal(segment_index_load(path, &blocks), 0);
    bool placed = false; /* the block at hand is named by its place */
    for (size_t i = 0; i < reply->n_damage; i++)
        for (size_t b = 0; b < blocks->blocks_count; b++)
            placed = placed || (reply->damage[i]->offset == (int64_t)blocks->blocks[b].offset && blocks->blocks[b].offset <= 5000 && 5000 < blocks->blocks[b].offset + blocks->blocks[b].size);
    assert_true(placed);
    segment_index_free(blocks);
    wire_free(reply);
    path_of(path, "tampered", other);
    assert_int_equal(truncate(path, 3000), 0);
    path_of(path, "tampered", index);
    assert_int_equal(unlink(path), 0);
    path_of(path, "tampered", "segments/node-a/more");
    fclose(fopen(path, "we"));
    path_of(path, "tampered", "manifest.json");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(chmod(path, 0644), 0);
    FILE *manifest = fopen(path, "ae");
    fputs("\n", manifest);
    fclose(manifest);
    reply = verify("tampered");
    assert_true(is_named(reply, other, "3000 bytes"));
    assert_true(is_named(reply, index, "missing"));
    assert_true(is_named(reply, "segments/node-a/more", "does not know it"));
    assert_true(is_named(reply, "manifest.json", "SHA-256"));
    wire_free(reply);
    flip(path, 0);
    reply = verify("tampered");
    assert_false(reply->intact);
    assert_true(is_named(reply, "manifest.json", ""));
    wire_free(reply);
}

static void a_deleted_one_stays_deleted(void **state)
{
    (void)state;
    make("brief");
    Tapeloop__V1__SnapshotDeleteReply *reply = ask("snapshot.delete", "brief", &tapeloop__v1__snapshot_delete_reply__descriptor);
    assert_null(reply->error);
    wire_free(reply);
    fixture_await(&fixture, "deleted", "brief", 0);
    Tapeloop__V1__Claim *claim = NULL;
    assert_int_equal(claim_read(fixture.bus, SERVICE_BUCKET, "brief", &claim, NULL), 0);
    assert_string_equal(claim->state, "deleted");
    wire_free(claim);
    reply = ask("snapshot.delete", "brief", &tapeloop__v1__snapshot_delete_reply__descriptor);
    assert_string_equal(reply->error->code, "not_found");
    wire_free(reply);
    Tapeloop__V1__SnapshotShowReply *shown = ask("snapshot.show", "brief", &tapeloop__v1__snapshot_show_reply__descriptor);
    assert_string_equal(shown->error->code, "not_found");
    wire_free(shown);
    fixture_ask_window(&fixture, "brief", begin_ns, begin_ns + UNITS_NS_PER_S, ""); /* a new request makes a new one */
    fixture_await(&fixture, "ready", "brief", 1);
}

struct body { uint8_t *data; size_t size; };
static int body_sink(void *context, const void *data, size_t size)
{
    struct body *body = context;
    body->data = realloc(body->data, body->size + size);
    memcpy(body->data + body->size, data, size);
    body->size += size;
    return 0;
}

static uint64_t packets_of(const struct body *body)
{
    struct pcapng_reader *reader = pcapng_reader_new();
    uint64_t packets = 0;
    int64_t before_ns = INT64_MIN;
    for (size_t at = 0; at < body->size;) {
        struct pcapng_block block;
        size_t needed = 0;
        int64_t n = pcapng_next(reader, body->data + at, body->size - at, &block, &needed);
        assert_true(n > 0);
        if (block.has_packet) {
            packets++;
            assert_true(block.packet.time_ns >= before_ns);
            before_ns = block.packet.time_ns;
        }
        at += (size_t)n;
    }
    pcapng_reader_free(reader);
    return packets;
}

static Tapeloop__V1__ExportReply *offer(const char *json)
{
    return fixture_question(&fixture, "snapshot.export", json, &tapeloop__v1__export_reply__descriptor);
}

static void an_export_is_fetched_with_its_token_alone(void **state)
{
    (void)state;
    struct http_client *client = NULL;
    struct body body = { 0 };
    char error[256], from[UNITS_TIME_TEXT_MAX], json[256];
    make("exported");
    assert_int_equal(http_client_new(&client), 0);
    Tapeloop__V1__ExportReply *reply = offer("{\"name\":\"exported\"}");
    assert_null(reply->error);
    assert_int_equal(http_client_get(client, reply->url, reply->token, 0, 0, body_sink, &body, error), 0);
    assert_int_equal(packets_of(&body), 2 * BLOCKS * FAKE_BLOCK_PACKETS); /* as manifest and event say */
    body.size = 0;
    assert_int_equal(http_client_get(client, reply->url, "nonsense", 0, 0, body_sink, &body, error), -EACCES);
    assert_int_equal(http_client_get(client, reply->url, NULL, 0, 0, body_sink, &body, error), -EACCES);
    Tapeloop__V1__ExportReply *other = offer("{\"name\":\"exported\"}");
    assert_int_equal(http_client_get(client, other->url, reply->token, 0, 0, body_sink, &body, error), -EACCES); /* a token is for one export */
    wire_free(other);
    wire_free(reply);
    snprintf(json, sizeof json, "{\"name\":\"exported\",\"from\":\"%s\",\"format\":\"pcapng\"}", units_format_time(begin_ns + 1500 * UNITS_NS_PER_MS, from, sizeof from));
    reply = offer(json);
    body.size = 0;
    assert_int_equal(http_client_get(client, reply->url, reply->token, 0, 0, body_sink, &body, error), 0);
    assert_int_equal(packets_of(&body), 100);
    wire_free(reply);
    free(body.data);
    http_client_free(client);
}

static void an_export_that_cannot_be_is_refused_at_once(void **state)
{
    (void)state;
    make("plain");
    static const struct { const char *json, *code; } cases[] = {
        { "{\"name\":\"absent\"}", "not_found" },
        { "{\"name\":\"..\"}", "invalid" },
        { "{\"name\":\"plain\",\"bpf\":\"tcp port eighty-ish\"}", "invalid" },
        { "{\"name\":\"plain\",\"format\":\"erf\"}", "invalid" },
        { "{\"name\":\"plain\",\"from\":\"soon\"}", "invalid" },
        { "{\"name\":\"plain\",\"to\":\"2020-01-01T00:00:00Z\"}", "invalid" },
        { "{\"name\":\"plain\",\"nodes\":[\"node-z\"]}", "invalid" },
        { "{\"name\":\"plain\",\"unknown\":1}", "invalid" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Tapeloop__V1__ExportReply *reply = offer(cases[i].json);
        if (!reply->error || strcmp(reply->error->code, cases[i].code) != 0)
            fail_msg("%s: %s %s", cases[i].json, reply->error ? reply->error->code : "no error", reply->error ? reply->error->message : "");
        wire_free(reply);
    }
}

static void protobuf_is_answered_in_protobuf(void **state)
{
    (void)state;
    make("binary");
    Tapeloop__V1__SnapshotSelector selector = TAPELOOP__V1__SNAPSHOT_SELECTOR__INIT;
    selector.name = "binary";
    void *data = NULL, *answer = NULL;
    size_t size = 0, answer_size = 0;
    ProtobufCMessage *reply = NULL;
    enum wire_format format;
    char error[WIRE_ERROR_TEXT_MAX];
    assert_int_equal(wire_encode(&selector.base, WIRE_PROTOBUF, &data, &size), 0);
    assert_int_equal(bus_request(fixture.bus, "snapshot.show", data, size, true, 5000, &answer, &answer_size), 0);
    assert_int_equal(wire_decode(&tapeloop__v1__snapshot_show_reply__descriptor, answer, answer_size, "application/protobuf", &reply, &format, error), 0);
    assert_string_equal(((Tapeloop__V1__SnapshotShowReply *)reply)->snapshot->name, "binary");
    wire_free(reply);
    free(data);
    free(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_has_pages), cmocka_unit_test(show_gives_event_and_manifest), cmocka_unit_test(verify_names_every_change),
        cmocka_unit_test(a_deleted_one_stays_deleted), cmocka_unit_test(an_export_is_fetched_with_its_token_alone),
        cmocka_unit_test(an_export_that_cannot_be_is_refused_at_once), cmocka_unit_test(protobuf_is_answered_in_protobuf),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
