/* protocols/http2*.c through the engine, where something is missing: connections joined in the middle and gaps, compared with the truth. A method, path, status or header is right or missing, never another's.
 * Every request and response carries its call's number as its body, which tells which truth to compare with. */
#include "tests/support/protocol_script.h"
#include "http2_builder.h"

#define PORT 8080
#define CALLS 24u
#define PIECES_MAX 1024
#define assert_field(rig, i, field, value) assert_string_equal(rig_text(rig, i, field), value)
#define MORE(...) ((const char *[]){ __VA_ARGS__, NULL })

static const char *const methods[] = { "GET", "POST", "PUT", "REPORT" };
static const char *const paths[] = { "/", "/items", "/items/7", "/orders/of/somebody", "/status" };
static const int statuses[] = { 200, 404, 503, 418, 201, 200, 500 };
static const char *const agents[] = { "agent/1.0", "agent/2.0", "other" };
#define OF(list, call) ((list)[(call) % (sizeof(list) / sizeof *(list))])

/* The frames of a whole connection in the order in which they went over the wire. */
struct piece { enum side side; size_t at, size; };
struct tape { struct h2 sides[2]; struct piece pieces[PIECES_MAX]; unsigned count; };

static void tape_take(struct tape *t, enum side side, size_t from)
{
    for (struct h2 *b = &t->sides[side]; from < b->size;) {
        size_t end = b->size;
        for (unsigned i = 0; i < b->count; i++)
            if (b->frames[i] > from) {
                end = b->frames[i];
                break;
            }
        assert_true(t->count < PIECES_MAX);
        t->pieces[t->count++] = (struct piece){ side, from, end - from };
        from = end;
    }
}

static void tape_call(struct tape *t, unsigned call)
{
    struct h2 *c = &t->sides[SIDE_CLIENT], *s = &t->sides[SIDE_SERVER];
    size_t client = c->size, server = s->size;
    uint32_t stream = 2 * call + 1;
    char line[128], body[16];
    snprintf(line, sizeof line, "%s %s example.com", OF(methods, call), OF(paths, call));
    int n = snprintf(body, sizeof body, "#%u;", call);
    h2_headers(c, stream, 0, line, MORE("user-agent", OF(agents, call), "content-type", "text/plain"));
    h2_data(c, stream, HTTP2_END_STREAM, body, (size_t)n);
    tape_take(t, SIDE_CLIENT, client);
    h2_respond(s, stream, 0, OF(statuses, call), MORE("server", OF(agents, call + 1), "content-type", "text/plain"));
    h2_data(s, stream, call % 3 ? HTTP2_END_STREAM : 0, body, (size_t)n);
    if (call % 3 == 0)
        h2_fields(s, stream, HTTP2_END_STREAM, MORE("x-trailer", OF(agents, call)));
    tape_take(t, SIDE_SERVER, server);
}

static struct tape *tape_new(bool eager)
{
    struct tape *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->sides[0] = h2_new();
    t->sides[1] = h2_new();
    t->sides[0].eager = t->sides[1].eager = eager;
    h2_preface(&t->sides[0]);
    h2_setting(&t->sides[0], 3, 100);
    tape_take(t, SIDE_CLIENT, 0);
    h2_setting(&t->sides[1], 3, 100);
    tape_take(t, SIDE_SERVER, 0);
    for (unsigned call = 0; call < CALLS; call++)
        tape_call(t, call);
    return t;
}
static void tape_free(struct tape *t)
{
    h2_free(&t->sides[0]);
    h2_free(&t->sides[1]);
    free(t);
}

/* A body whose end is missing tells nothing. */
static int call_of(const char *body) { return *body == '#' && strchr(body, ';') ? (int)strtol(body + 1, NULL, 10) : -1; }

/* Checks one entry; returns which call it is, or -1 where nothing tells. */
static int check_entry(struct rig *rig, size_t i)
{
    const char *request = rig_text(rig, i, "request.body"), *response = rig_text(rig, i, "response.body");
    int of_request = call_of(request), of_response = call_of(response);
    if (of_request >= 0 && of_response >= 0)
        assert_int_equal(of_request, of_response);
    int call = of_request >= 0 ? of_request : of_response;
    if (call < 0)
        return -1;
    const char *method = rig_text(rig, i, "method"), *path = rig_text(rig, i, "path"), *headers = rig_text(rig, i, "request.headers"), *answered = rig_text(rig, i, "response.headers");
    int32_t status = rig_record(rig, i)->status;
    bool whole = *rig_incomplete(rig, i) == '\0';
    if (*method || whole)
        assert_string_equal(method, OF(methods, call));
    if (*path || whole)
        assert_string_equal(path, OF(paths, call));
    if (status || whole)
        assert_int_equal(status, OF(statuses, call));
    const char *agent = strstr(headers, "user-agent="), *server = strstr(answered, "server=");
    if (agent || whole)
        assert_memory_equal(agent + 11, OF(agents, call), strlen(OF(agents, call)));
    if (server || whole)
        assert_memory_equal(server + 7, OF(agents, call + 1), strlen(OF(agents, call + 1)));
    return call;
}

struct found { unsigned calls, whole; };
static struct found check_all(struct rig *rig)
{
    struct found f = { 0 };
    bool seen[CALLS] = { 0 };
    for (size_t i = 0; i < rig_count(rig); i++) {
        int call = check_entry(rig, i);
        f.whole += *rig_incomplete(rig, i) == '\0';
        if (call >= 0 && !seen[call]) {
            seen[call] = true;
            f.calls++;
        }
    }
    return f;
}

/* All pieces from `from` on, without `lost` ones from `hole` on. */
static struct found play(const struct tape *t, unsigned from, unsigned hole, unsigned lost)
{
    struct rig *rig = from ? rig_new_without_handshake(PORT, REDACT_ON, 6) : rig_new(PORT, REDACT_ON);
    for (unsigned i = from; i < t->count; i++) {
        const struct piece *p = &t->pieces[i];
        if (i >= hole && i < hole + lost)
            rig_lose(rig, p->side, (uint32_t)p->size);
        else
            rig_say(rig, p->side, t->sides[p->side].data + p->at, (ssize_t)p->size);
    }
    rig_finish(rig);
    struct found f = check_all(rig);
    rig_free(rig);
    return f;
}

/* Two encoders: nghttp2's, and one that puts everything into the table, so that what is lost is missed as long as possible. */
static void everything_there(bool eager)
{
    struct tape *t = tape_new(eager);
    struct found f = play(t, 0, 0, 0);
    assert_int_equal(f.calls, CALLS);
    assert_int_equal(f.whole, CALLS);
    tape_free(t);
}

static void joined_at_every_frame(bool eager)
{
    struct tape *t = tape_new(eager);
    for (unsigned from = 1; from < t->count; from++) {
        struct found f = play(t, from, 0, 0);
        unsigned left = (t->count - from) * CALLS / t->count; /* calls that began since */
        if (left > 3 && f.calls + 3 < left)
            fail_msg("joined at frame %u: %u calls of %u", from, f.calls, left);
    }
    tape_free(t);
}

static void gap_at_every_frame(bool eager)
{
    struct tape *t = tape_new(eager);
    for (unsigned lost = 1; lost <= 5; lost += 2)
        for (unsigned hole = 0; hole + lost + 12 < t->count; hole++) {
            struct found f = play(t, 0, hole, lost);
            if (f.calls + 3 < CALLS)
                fail_msg("%u lost at frame %u: %u calls of %u", lost, hole, f.calls, CALLS);
        }
    tape_free(t);
}

static uint32_t random_next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Segments and holes that know nothing of frames, from the start or from anywhere. */
static void gaps_anywhere(bool eager)
{
    struct tape *t = tape_new(eager);
    uint32_t seed = 0x2545f491;
    for (unsigned round = 0; round < 400; round++) {
        struct rig *rig = round % 2 ? rig_new_without_handshake(PORT, REDACT_ON, 6) : rig_new(PORT, REDACT_ON);
        unsigned skip = round % 2 ? random_next(&seed) % 50 : 0;
        for (unsigned i = skip; i < t->count; i++) {
            const struct piece *p = &t->pieces[i];
            for (size_t at = 0; at < p->size;) {
                size_t n = 1 + random_next(&seed) % 40;
                n = n < p->size - at ? n : p->size - at;
                if (random_next(&seed) % 60 == 0)
                    rig_lose(rig, p->side, (uint32_t)n);
                else
                    rig_say(rig, p->side, t->sides[p->side].data + p->at + at, (ssize_t)n);
                at += n;
            }
        }
        rig_finish(rig);
        check_all(rig);
        rig_free(rig);
    }
    tape_free(t);
}

static void test_everything_there(void **state) { (void)state; everything_there(false); everything_there(true); }
static void test_joined_at_every_frame(void **state) { (void)state; joined_at_every_frame(false); joined_at_every_frame(true); }
static void test_gap_at_every_frame(void **state) { (void)state; gap_at_every_frame(false); gap_at_every_frame(true); }
static void test_gaps_anywhere(void **state) { (void)state; gaps_anywhere(false); gaps_anywhere(true); }

/* Bytes lost inside one DATA frame: its stream alone suffers, and nothing of the table is forgotten. */
static void test_gap_inside_data(void **state)
{
    (void)state;
    for (unsigned lost = 1; lost <= 3; lost++) {
        struct h2 c = h2_new(), s = h2_new();
        struct rig *rig = rig_new(PORT, REDACT_ON);
        h2_preface(&c);
        h2_setting(&c, 3, 1);
        h2_setting(&s, 3, 1);
        for (uint32_t i = 0; i < 3; i++)
            h2_headers(&c, 2 * i + 1, HTTP2_END_STREAM, "GET /same example.com", MORE("user-agent", "a"));
        h2_send(rig, SIDE_CLIENT, &c, 0);
        h2_respond(&s, 1, 0, 200, MORE("server", "x"));
        static const char body[3000] = "begins";
        h2_data(&s, 1, HTTP2_END_STREAM, body, sizeof body);
        h2_respond(&s, 3, HTTP2_END_STREAM, 200, MORE("server", "x"));
        h2_respond(&s, 5, HTTP2_END_STREAM, 200, MORE("server", "x"));
        size_t data = s.frames[2] + 9, parts[2] = { data + 1000, lost == 3 ? data + 3000 : data + 1000 + 500 * lost };
        rig_say(rig, SIDE_SERVER, s.data, (ssize_t)parts[0]);
        rig_lose(rig, SIDE_SERVER, (uint32_t)(parts[1] - parts[0]));
        rig_say(rig, SIDE_SERVER, s.data + parts[1], (ssize_t)(s.size - parts[1]));
        rig_finish(rig);
        assert_int_equal(rig_count(rig), 3);
        assert_field(rig, 0, "incomplete", "gap");
        assert_field(rig, 0, "response_body_size", "3000");
        assert_int_equal(strncmp(rig_text(rig, 0, "response.body"), "YmVnaW5z", 8), 0); /* with zeros behind it, which are no text */
        for (unsigned i = 1; i < 3; i++) {
            assert_field(rig, i, "incomplete", "");
            assert_field(rig, i, "response.headers", "server=x");
        }
        rig_free(rig);
        h2_free(&c);
        h2_free(&s);
    }
}

/* A sender whose table is larger than the default: references beyond ours fail once, then the table is primed wide. */
static void test_joined_with_a_large_table(void **state)
{
    (void)state;
    struct h2 c = h2_new();
    nghttp2_hd_deflate_del(c.deflater);
    assert_int_equal(nghttp2_hd_deflate_new(&c.deflater, 65536), 0);
    assert_int_equal(nghttp2_hd_deflate_change_table_size(c.deflater, 65536), 0);
    char line[64];
    for (uint32_t i = 0; i < 400; i++) { /* 400 entries of 40 bytes and more, the first of them referred to again later */
        snprintf(line, sizeof line, "GET / host%u", i);
        h2_headers(&c, 2 * i + 1, HTTP2_END_STREAM, line, H2_NONE);
    }
    size_t from = c.size;
    for (uint32_t i = 400; i < 440; i++) {
        snprintf(line, sizeof line, "GET / host%u", i % 2 ? i : i - 400);
        h2_headers(&c, 2 * i + 1, HTTP2_END_STREAM, line, H2_NONE);
    }
    struct rig *rig = rig_new_without_handshake(PORT, REDACT_ON, 6);
    h2_send(rig, SIDE_CLIENT, &c, from);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 40);
    unsigned known = 0;
    for (uint32_t i = 0; i < 40; i++) {
        snprintf(line, sizeof line, "host%u", i % 2 ? i + 400 : i);
        const char *host = rig_text(rig, i, "host");
        assert_field(rig, i, "method", "GET");
        if (*host) {
            assert_string_equal(host, line);
            known++;
        }
    }
    assert_int_equal(known, 20); /* every new one */
    rig_free(rig);
    h2_free(&c);
}

/* An informational response, a final one and trailers, none of whose status is known. */
static void test_unknown_status(void **state)
{
    (void)state;
    struct h2 c = h2_new(), s = h2_new();
    h2_preface(&c);
    h2_setting(&c, 3, 1);
    h2_setting(&s, 3, 1);
    h2_respond(&s, 1, HTTP2_END_STREAM, 103, MORE("x-a", "1")); /* now in the table */
    h2_respond(&s, 1, HTTP2_END_STREAM, 418, MORE("x-b", "2"));
    size_t known_until = s.size;
    for (uint32_t i = 0; i < 2; i++)
        h2_headers(&c, 2 * i + 3, HTTP2_END_STREAM, "GET / a", H2_NONE);
    h2_respond(&s, 3, 0, 103, MORE("x-a", "1"));
    h2_respond(&s, 3, 0, 418, MORE("x-b", "2"));
    h2_data(&s, 3, HTTP2_END_STREAM, "#0", 2);
    h2_respond(&s, 5, 0, 103, MORE("x-a", "1"));
    h2_respond(&s, 5, HTTP2_END_STREAM, 200, MORE("x-b", "2"));
    struct rig *rig = rig_new(PORT, REDACT_ON);
    h2_send(rig, SIDE_CLIENT, &c, 0);
    rig_say(rig, SIDE_SERVER, s.data, (ssize_t)s.frames[1]);
    rig_lose(rig, SIDE_SERVER, (uint32_t)(known_until - s.frames[1]));
    h2_send(rig, SIDE_SERVER, &s, known_until);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    assert_field(rig, 0, "status_code", "0");
    assert_field(rig, 0, "incomplete", "hpack");
    assert_field(rig, 0, "response.body", "#0");
    assert_field(rig, 1, "status_code", "200");
    rig_free(rig);
    h2_free(&c);
    h2_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_there),
        cmocka_unit_test(test_joined_at_every_frame),
        cmocka_unit_test(test_gap_at_every_frame),
        cmocka_unit_test(test_gaps_anywhere),
        cmocka_unit_test(test_gap_inside_data),
        cmocka_unit_test(test_joined_with_a_large_table),
        cmocka_unit_test(test_unknown_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
