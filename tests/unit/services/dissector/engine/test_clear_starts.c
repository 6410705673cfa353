/* TLS that begins behind something else in clear: STARTTLS and the like, proxies, requests for it of databases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/support/protocol_rig.h"
#include "tests/unit/services/dissector/protocols/tls/tls_builder.h"

#define SAY(rig, side, message) rig_say(rig, side, (message).data, (ssize_t)(message).size)
#define LITERAL(text) text, sizeof(text) - 1

struct line { enum side side; const char *text; size_t size; };
#define CLIENT(text) { SIDE_CLIENT, LITERAL(text) }
#define SERVER(text) { SIDE_SERVER, LITERAL(text) }

static struct tls_builder client_hello(void)
{
    struct tls_builder ciphers = TLS_NUMBERS(0x1301, 0xc02f), e = { .size = 0 }, versions = TLS_NUMBERS(0x0304, 0x0303);
    tls_put_server_name(&e, "www.example.org");
    tls_put_number_list(&e, 43, 1, &versions);
    struct tls_builder hello = tls_client_hello(0x0303, 1, 32, &ciphers, &e);
    return tls_record(22, &hello);
}

static struct tls_builder server_hello(void)
{
    struct tls_builder e = { .size = 0 };
    tls_put_extension(&e, 43, "\3\4", 2);
    struct tls_builder hello = tls_server_hello(0x0303, NULL, 32, 0x1301, &e);
    return tls_record(22, &hello);
}

/* The entry of the handshake behind the lines; piece: bytes of a packet. */
static void check(const char *name, uint16_t port, const struct line *lines, size_t count, size_t piece)
{
    struct rig *rig = rig_new(port, REDACT_OFF);
    for (size_t i = 0; i < count; i++)
        rig_say(rig, lines[i].side, lines[i].text, (ssize_t)lines[i].size);
    struct tls_builder client = client_hello(), server = server_hello();
    rig_say_cut(rig, SIDE_CLIENT, client.data, client.size, piece);
    rig_say_cut(rig, SIDE_SERVER, server.data, server.size, piece);
    rig_say(rig, SIDE_CLIENT, "\x17\3\3\0\2ab", 7);
    rig_finish(rig);
    size_t found = 0;
    for (size_t i = 0; i < rig_count(rig); i++)
        if (strcmp(rig_protocol(rig, i), "TLS") == 0) {
            found++;
            assert_string_equal(rig_text(rig, i, "tls_sni"), "www.example.org");
            assert_string_equal(rig_text(rig, i, "tls_version"), "TLS 1.3");
            assert_string_equal(rig_incomplete(rig, i), "");
        }
    if (found != 1)
        fail_msg("%s: %zu handshakes in packets of %zu bytes", name, found, piece);
    rig_free(rig);
}
#define CHECK(name, port, lines)                                                       \
    do {                                                                               \
        for (size_t piece = 0; piece < sizeof pieces / sizeof *pieces; piece++)        \
            check(name, port, lines, sizeof(lines) / sizeof *(lines), pieces[piece]);  \
    } while (0)
static const size_t pieces[] = { 4000, 100, 7, 1 };

static void mail(void **state)
{
    (void)state;
    static const struct line smtp[] = { SERVER("220 mail.example.org ESMTP ready\r\n"), CLIENT("EHLO client.example.org\r\n"), SERVER("250-mail.example.org\r\n250-PIPELINING\r\n250 STARTTLS\r\n"), CLIENT("STARTTLS\r\n"),
                                        SERVER("220 2.0.0 Ready to start TLS\r\n") };
    static const struct line imap[] = { SERVER("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"), CLIENT("a1 CAPABILITY\r\n"), SERVER("* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\n"), CLIENT("a2 STARTTLS\r\n"), SERVER("a2 OK begin\r\n") };
    static const struct line pop3[] = { SERVER("+OK POP3 ready\r\n"), CLIENT("CAPA\r\n"), SERVER("+OK\r\nSTLS\r\n.\r\n"), CLIENT("STLS\r\n"), SERVER("+OK Begin TLS negotiation\r\n") };
    static const struct line ftp[] = { SERVER("220 (vsFTPd 3.0.3)\r\n"), CLIENT("AUTH TLS\r\n"), SERVER("234 Proceed with negotiation.\r\n") };
    CHECK("SMTP", 25, smtp);
    CHECK("IMAP", 143, imap);
    CHECK("POP3", 110, pop3);
    CHECK("FTP", 21, ftp);
}

static void proxies(void **state)
{
    (void)state;
    static const struct line connect[] = { CLIENT("CONNECT www.example.org:443 HTTP/1.1\r\nHost: www.example.org:443\r\n\r\n"), SERVER("HTTP/1.1 200 Connection established\r\n\r\n") };
    static const struct line socks5[] = { CLIENT("\5\1\0"), SERVER("\5\0"), CLIENT("\5\1\0\3\17www.example.org\1\xbb"), SERVER("\5\0\0\1\12\0\0\1\1\xbb") };
    static const struct line socks4[] = { CLIENT("\4\1\1\xbb\12\0\0\1\0"), SERVER("\0\x5a\1\xbb\12\0\0\1") };
    static const struct line proxy[] = { CLIENT("PROXY TCP4 10.0.0.1 10.0.0.2 40000 443\r\n") }; /* in a packet of its own */
    CHECK("CONNECT", 3128, connect);
    CHECK("SOCKS 5", 1080, socks5);
    CHECK("SOCKS 4", 1080, socks4);
    CHECK("the PROXY protocol", 443, proxy);
}

static void databases(void **state)
{
    (void)state;
    static const struct line postgresql[] = { CLIENT("\0\0\0\10\4\322\26\57"), SERVER("S") };
    static const struct line mysql[] = {
        SERVER("\x4a\0\0\0\n8.0.36\0\1\0\0\0abcdefgh\0\xff\xff\xff\2\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0abcdefghijkl\0caching_sha2_password\0"),
        CLIENT("\40\0\0\1\x85\xae\xff\x19\0\0\0\1\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0") };
    CHECK("PostgreSQL", 5432, postgresql);
    CHECK("MySQL", 3306, mysql);
}

/* What only looks a little like it is not taken for a hello, and a connection of something unknown is not looked at for ever. */
static void other_things(void **state)
{
    (void)state;
    struct rig *rig = rig_new(25, REDACT_OFF);
    rig_say(rig, SIDE_SERVER, "220 mail.example.org ESMTP ready\r\n", -1);
    rig_say(rig, SIDE_CLIENT, "EHLO client.example.org\r\n", -1);
    rig_say(rig, SIDE_CLIENT, "GET / HTTP/1.1\r\nHost: in a mail\r\n\r\n", -1); /* a line of a mail is no request */
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", -1);
    rig_say(rig, SIDE_CLIENT, "\x16\3\1\0\x05\1\0\0\1\0", 10);
    for (unsigned i = 0; i < 100; i++)
        rig_say(rig, i % 2 ? SIDE_CLIENT : SIDE_SERVER, "250 OK\r\n", -1);
    struct tls_builder client = client_hello(), server = server_hello();
    SAY(rig, SIDE_CLIENT, client);
    SAY(rig, SIDE_SERVER, server);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 0);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(mail), cmocka_unit_test(proxies), cmocka_unit_test(databases), cmocka_unit_test(other_things) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
