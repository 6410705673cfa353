/* A stream that is cut while a connection is open: each piece has its entries and the views that they come from, nothing twice, nothing lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/live/stream.h"
#include "services/dissector/protocols/protocol.h"
#include "services/dissector/work/views.h"
#include "tests/unit/services/dissector/flow/packet_builder.h"

enum { FIN = 1, SYN = 2, ACK = 16, CLIENT = 1, SERVER = 2, ETHERNET = 1 };
static struct built b;
static struct live_stream *live;
static uint32_t frame, sent[3];
static int64_t now_ns;

/* What one side says next; seen at two places. */
static void say(uint8_t side, uint8_t flags, const char *payload)
{
    uint8_t other = side == CLIENT ? SERVER : CLIENT;
    built_clear(&b);
    built_text(&b, payload);
    built_tcp(&b, side == CLIENT ? 40000 : 80, side == CLIENT ? 80 : 40000, sent[side], sent[other], flags);
    built_ipv4(&b, 6, side, other, 0, 0);
    built_ethernet(&b, 0x0800);
    sent[side] += (uint32_t)strlen(payload) + ((flags & (SYN | FIN)) != 0);
    now_ns += 1000000;
    for (uint64_t point = 1; point <= 2; point++) {
        const struct input_packet packet = { .data = built_data(&b), .captured = built_size(&b), .length = built_size(&b), .time_ns = now_ns, .order_ns = now_ns, .point = point, .link_type = ETHERNET, .frame = ++frame };
        assert_int_equal(live_stream_packet(live, &packet), 0);
    }
}

static void call(void)
{
    say(CLIENT, ACK, "GET /reel HTTP/1.1\r\nHost: shop\r\n\r\n");
    say(SERVER, ACK, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/* Entries of a piece that tell, by protocol. */
static void piece_is(bool end, unsigned http, unsigned tcp)
{
    struct run_reader *reader = NULL;
    const struct record *record;
    struct views *views = NULL;
    size_t count = 0;
    unsigned seen_http = 0, seen_tcp = 0;
    assert_int_equal(live_stream_cut(live, end, &reader), 0);
    const struct run_view *list = run_views(reader, &count);
    assert_int_equal(views_new(list, count, &views), 0);
    int r;
    while ((r = run_next(reader, &record)) == 1) {
        struct view_fate fate;
        assert_int_equal(views_fate(views, record, &fate), 0);
        if (!fate.tells)
            continue;
        seen_http += strcmp(protocols[record->protocol]->name, "HTTP") == 0;
        seen_tcp += strcmp(protocols[record->protocol]->name, "TCP") == 0;
    }
    assert_int_equal(r, 0);
    views_free(views);
    run_close(reader);
    assert_int_equal(seen_http, http);
    assert_int_equal(seen_tcp, tcp);
    assert_int_equal(live_stream_entries(live), 0);
}

static void a_connection_outlives_the_pieces(void **state)
{
    (void)state;
    const struct shard_options options = { .redact = REDACT_ON };
    assert_int_equal(live_stream_new(&options, "/tmp", 16u * 1024 * 1024, &live), 0);
    sent[CLIENT] = 1000;
    sent[SERVER] = 7000;
    now_ns = INT64_C(1767225600000000000);
    say(CLIENT, SYN, "");
    say(SERVER, SYN | ACK, "");
    say(CLIENT, ACK, "");
    piece_is(false, 0, 0);
    call();
    call();
    say(CLIENT, ACK, "GET /half HTTP/1.1\r\n");
    piece_is(false, 2, 0);
    piece_is(false, 0, 0);
    say(CLIENT, ACK, "Host: shop\r\n\r\n"); /* the request that lay over the cut */
    say(SERVER, ACK, "HTTP/1.1 204 No Content\r\n\r\n");
    piece_is(false, 1, 0);
    call();
    say(CLIENT, ACK | FIN, "");
    say(SERVER, ACK | FIN, "");
    piece_is(true, 1, 1);
    live_stream_free(live);
    live_stream_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_connection_outlives_the_pieces) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
