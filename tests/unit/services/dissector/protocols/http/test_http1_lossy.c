/* Connections with pipelined requests, each of which has a number that its response repeats: whatever packets are lost, swapped or said twice, no request gets another's response; and where none is lost, each gets its own. */
#include "tests/support/protocol_script.h"

#define PORT 80
#define SEEDS 150
#define ROUNDS 12
#define BODY_MAX 4000
#define PACKETS_MAX 4000
#define STREAM_BYTES_MAX (1024 * 1024)

struct planned { enum side side; uint8_t flags; uint32_t seq, ack, size; const uint8_t *data; };
static struct planned plan[PACKETS_MAX];
static size_t planned;
static uint8_t streams[2][STREAM_BYTES_MAX]; /* what each side says in all, in order */
static uint32_t said[2], sent[2];
static uint64_t random_state;

static uint32_t roll(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % below;
}

static void say(enum side side, const char *text)
{
    size_t size = strlen(text);
    assert_true(said[side] + size < STREAM_BYTES_MAX);
    memcpy(streams[side] + said[side], text, size);
    said[side] += (uint32_t)size;
}

static void say_body(enum side side, uint32_t size)
{
    assert_true(said[side] + size < STREAM_BYTES_MAX);
    memset(streams[side] + said[side], 'x', size);
    said[side] += size;
}

static void send_packet(enum side side, uint8_t flags, uint32_t size)
{
    assert_true(planned < PACKETS_MAX);
    plan[planned++] = (struct planned){ side, flags, 1 + sent[side], 1 + sent[!side], size, streams[side] + sent[side] };
    sent[side] += size;
}

/* What is said and not sent yet, in segments of various sizes, with an acknowledgement now and then. */
static void send_said(enum side side)
{
    static const uint32_t sizes[] = { 30, 200, 1448 };
    while (sent[side] < said[side]) {
        uint32_t left = said[side] - sent[side], size = sizes[roll(3)];
        send_packet(side, 24, size < left ? size : left);
        if (roll(4) == 0)
            send_packet(side_other(side), 16, 0);
    }
}

static void exchange(uint32_t *number)
{
    static const char *const methods[] = { "GET", "HEAD", "POST" };
    static const uint32_t sizes[] = { 0, 1, 50, BODY_MAX };
    char text[256];
    for (uint32_t requests = 1 + roll(5); requests; requests--, ++*number) {
        uint32_t method = roll(3), request = method == 2 ? sizes[roll(4)] : 0, response = sizes[roll(4)];
        (void)snprintf(text, sizeof text, "%s /%u HTTP/1.1\r\nContent-Length: %u\r\n\r\n", methods[method], *number, request);
        say(SIDE_CLIENT, text);
        say_body(SIDE_CLIENT, request);
        if (method != 1 && roll(3) == 0) {
            (void)snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nLocation: /%u\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", *number, response + 1);
            say(SIDE_SERVER, text);
            say_body(SIDE_SERVER, response + 1);
            say(SIDE_SERVER, "\r\n0\r\n\r\n");
        } else {
            (void)snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nLocation: /%u\r\nContent-Length: %u\r\n\r\n", *number, response);
            say(SIDE_SERVER, text);
            say_body(SIDE_SERVER, method == 1 ? 0 : response);
        }
    }
    send_said(SIDE_CLIENT);
    send_said(SIDE_SERVER);
    if (roll(3) == 0)
        send_packet(SIDE_CLIENT, 16, 0);
}

static void play(struct rig *rig, const struct planned *p)
{
    rig->seq[p->side] = p->seq;
    rig->acked[p->side] = p->ack;
    rig_packet(rig, p->side, p->flags, p->data, p->size, p->size);
}

enum harm { NONE, SWAP, TWICE, TENTH, SOME, HARMS };
static void play_all(struct rig *rig, enum harm harm)
{
    uint32_t phase = roll(10);
    for (size_t i = 0; i < planned; i++) {
        if ((harm == TENTH && i % 10 == phase) || (harm == SOME && roll(30) == 0))
            continue;
        if (harm == SWAP && roll(10) == 0) {
            size_t other = i + 1 + roll(2);
            if (other < planned) {
                struct planned kept = plan[i];
                plan[i] = plan[other];
                plan[other] = kept;
            }
        }
        play(rig, &plan[i]);
        if (harm == TWICE && roll(10) == 0)
            play(rig, &plan[i - roll((uint32_t)(i < 5 ? i + 1 : 5))]);
    }
}

static void no_request_gets_the_response_of_another(void **state)
{
    (void)state;
    size_t pairs = 0, all = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        enum harm harm = (enum harm)(seed % HARMS);
        uint32_t number = 0;
        random_state = seed;
        planned = 0;
        said[0] = said[1] = sent[0] = sent[1] = 0;
        for (unsigned round = 0; round < ROUNDS; round++)
            exchange(&number);
        struct rig *rig = rig_new_without_handshake(PORT, REDACT_OFF, 6);
        rig->seq[0] = rig->acked[1] = rig->seq[1] = rig->acked[0] = 0;
        rig_packet(rig, SIDE_CLIENT, 2, NULL, 0, 0);
        rig_packet(rig, SIDE_SERVER, 18, NULL, 0, 0);
        play_all(rig, harm);
        rig->seq[0] = rig->acked[1] = 1 + sent[0];
        rig->seq[1] = rig->acked[0] = 1 + sent[1];
        rig_finish(rig);
        size_t whole = 0;
        for (size_t i = 0; i < rig_count(rig); i++) {
            if ((rig_record(rig, i)->flags & (RECORD_HAS_REQUEST | RECORD_HAS_RESPONSE)) != (RECORD_HAS_REQUEST | RECORD_HAS_RESPONSE))
                continue;
            const char *path = rig_text(rig, i, "path"), *location = rig_text(rig, i, "response.headers");
            if (strncmp(location, "location=", 9) != 0 || strncmp(location + 9, path, strlen(path)) != 0 || location[9 + strlen(path)] != ',')
                fail_msg("seed %u: %s has the response of %s", (unsigned)seed, path, location);
            whole += rig_incomplete(rig, i)[0] == '\0';
            pairs++;
        }
        if (harm < TENTH)
            assert_int_equal(whole, number);
        all += number;
        rig_free(rig);
    }
    assert_true(pairs > all * 3 / 4); /* and most are still found */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(no_request_gets_the_response_of_another) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
