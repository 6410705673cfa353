/* calls.query of any content, of a published dissection and of live databases: refused with a code and a sentence, or every row is a JSON object, and the cursor is taken for the next page.
 * The input is the message, JSON or protobuf. The store is made up here and holds a small database; two more lie on the shelf of live ones. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "json/json.h"
#include "services/dissector/answers/answers.h"
#include "services/dissector/database/sqlite_output.h"
#include "services/dissector/jobs/workplace.h"
#include "services/dissector/live/live.h"
#include "services/dissector/query/query.h"
#include "tests/support/entry_maker.h"

#define FILES 2u
#define ENTRIES 4u
#define QUESTION_BYTES_MAX 2000u /* longer expressions may take long, and say nothing more */

static char folder[64], published[128], database[192], manifest[192], live_folder[128];
static struct shelf *shelf;

struct shelf *live_shelf(struct live *live)
{
    (void)live;
    return shelf;
}
const char *live_node(const struct live *live)
{
    (void)live;
    return "node-a";
}
int live_tell(struct live *live, Tapeloop__V1__LiveStatus *ret)
{
    (void)live, (void)ret;
    return -ENOMEM;
}
static int find_folder(void *state, const char *name, char *ret_path)
{
    (void)state, (void)name;
    snprintf(ret_path, STORE_LOCATION_MAX, "%s", folder);
    return 0;
}
static int find_annex(void *state, const char *name, bool make, char *ret_path)
{
    (void)make;
    return find_folder(state, name, ret_path);
}

static void remove_all(void)
{
    char path[SHELF_PATH_MAX];
    uint32_t number = 0;
    while (shelf && shelf_find(shelf, number + 1, &number, path))
        (void)unlink(path);
    shelf_close(shelf);
    (void)rmdir(live_folder);
    (void)unlink(database);
    (void)unlink(manifest);
    (void)rmdir(published);
    (void)rmdir(folder);
}

static void make_database(const char *path)
{
    char error[OUTPUT_ERROR_TEXT_MAX];
    struct entry_maker m = { 0 };
    struct sqlite_output *output = NULL;
    const struct protocol *http = protocol_find("HTTP", 4), *dns = protocol_find("DNS", 3);
    if (sqlite_output_open(path, protocols, protocols_count, 1000, &output, error) < 0)
        abort();
    for (uint64_t id = 1; id <= ENTRIES; id++) {
        const struct protocol *protocol = id % 2 ? http : dns;
        maker_begin(&m, protocol, (uint8_t)protocol_number(protocol), id);
        m.head.status = id == ENTRIES ? 3 : 200;
        m.head.flags = RECORD_HAS_REQUEST | RECORD_HAS_RESPONSE;
        for (uint8_t field = 0; field < protocol->detail->count; field++) {
            static const char *const texts[] = { "a", "b" };
            switch (protocol->detail->fields[field].type) {
            case FIELD_INT: maker_int(&m, field, (int64_t)id); break;
            case FIELD_BOOL: maker_bool(&m, field, id == 1); break;
            case FIELD_TEXT: maker_string(&m, field, "/a\"\\\x01"); break;
            default: maker_texts(&m, field, texts, 2); break;
            }
        }
        if (sqlite_output_entry(output, maker_end(&m), error) < 0)
            abort();
    }
    if (sqlite_output_close(output, NULL, 0, error) < 0)
        abort();
    maker_free(&m);
}

static void make_shelf(void)
{
    char path[SHELF_PATH_MAX];
    if (shelf_open(live_folder, 1u << 30, &shelf) < 0)
        abort();
    for (unsigned i = 0; i < FILES; i++) {
        shelf_next(shelf, path);
        make_database(path);
        if (shelf_add(shelf) < 0)
            abort();
    }
}

static void make_all(void)
{
    snprintf(folder, sizeof folder, "/tmp/fuzz_calls.XXXXXX");
    if (!mkdtemp(folder) || atexit(remove_all) != 0)
        abort();
    snprintf(published, sizeof published, "%s/default", folder);
    snprintf(live_folder, sizeof live_folder, "%s/live", folder);
    snprintf(database, sizeof database, "%s/" WORKPLACE_DATABASE, published);
    snprintf(manifest, sizeof manifest, "%s/" WORKPLACE_MANIFEST, published);
    if (mkdir(published, 0700) < 0)
        abort();
    make_database(database);
    make_shelf();
    FILE *f = fopen(manifest, "we");
    if (!f || fclose(f) != 0)
        abort();
}

static Tapeloop__V1__CallsReply *ask(Tapeloop__V1__CallsQuery *query)
{
    static int there;
    static const struct store_driver driver = { .folder = find_folder, .annex = find_annex };
    static struct store store = { .driver = &driver };
    struct service service = { .live = (struct live *)&there, .store = &store };
    struct question question = { .service = &service, .request = &query->base };
    Tapeloop__V1__CallsReply *reply = WIRE_NEW(Tapeloop__V1__CallsReply, tapeloop__v1__calls_reply__descriptor);
    if (!reply)
        abort();
    answer_calls_query(&question, &reply->base);
    return reply;
}

static void check(const Tapeloop__V1__CallsQuery *query, const Tapeloop__V1__CallsReply *reply)
{
    json_error_t wrong;
    if (reply->error && (reply->error->code[0] == '\0' || reply->error->message[0] == '\0'))
        abort();
    if (reply->n_rows > (query->id ? 1 : query->limit ? query->limit : QUERY_LIMIT_USUAL))
        abort();
    for (size_t i = 0; i < reply->n_rows; i++) {
        json_auto json_t *row = json_loads(reply->rows[i], 0, &wrong);
        if (!json_is_object(row)) {
            fprintf(stderr, "%s: %s\n", wrong.text, reply->rows[i]);
            abort();
        }
    }
}

static void answer(Tapeloop__V1__CallsQuery *query)
{
    wire_auto Tapeloop__V1__CallsReply *reply = NULL, *next = NULL;
    if (query->live && wire_set_string(&query->node, "") < 0) /* another node's is asked for over the bus */
        return;
    reply = ask(query);
    check(query, reply);
    if (reply->error || !reply->cursor[0] || wire_set_string(&query->cursor, reply->cursor) < 0)
        return;
    next = ask(query);
    check(query, next);
    if (next->error && strcmp(next->error->code, "invalid") == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[WIRE_ERROR_TEXT_MAX] = "";
    wire_auto ProtobufCMessage *message = NULL;
    if (!folder[0])
        make_all();
    if (size <= QUESTION_BYTES_MAX && wire_decode(&tapeloop__v1__calls_query__descriptor, data, size, NULL, &message, NULL, error) == 0)
        answer((Tapeloop__V1__CallsQuery *)message);
    return 0;
}
