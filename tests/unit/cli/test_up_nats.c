/* Ports, addresses and the configuration file of the nats-server of `tapeloop up`. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/up_nats.h"
#include "json/json.h"

static void addresses(void **state)
{
    (void)state;
    char text[128];
    up_nats_url("127.0.0.1", 4222, text, sizeof text);
    assert_string_equal(text, "nats://127.0.0.1:4222");
    up_nats_url("0.0.0.0", 1, text, sizeof text);
    assert_string_equal(text, "nats://127.0.0.1:1");
    up_nats_url("::", 2, text, sizeof text);
    assert_string_equal(text, "nats://[::1]:2");
    up_nats_address("::1", 0, text, sizeof text);
    assert_string_equal(text, "[::1]:0");
}

static void a_port_is_free_or_taken(void **state)
{
    (void)state;
    uint16_t port = 0, again = 0;
    assert_int_equal(up_nats_claim_port("127.0.0.1", 0, &port), 0);
    assert_true(port > 0);
    assert_int_equal(up_nats_claim_port("127.0.0.1", port, &again), 0);
    assert_int_equal(again, port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(up_nats_claim_port("127.0.0.1", ntohs(address.sin_port), &again), -EADDRINUSE);
    assert_int_equal(again, port);
    assert_int_equal(up_nats_claim_port("everywhere", 0, &again), -EINVAL);
    assert_int_equal(up_nats_claim_port("192.0.2.1", 0, &again), -EADDRNOTAVAIL);
    (void)close(fd);
}

static void configuration_quotes_the_folder(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_up_nats-\"XXXXXX", path[128], *text = NULL;
    size_t size = 0;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(up_nats_configure(folder, "::1", 4223), 0);
    (void)snprintf(path, sizeof path, "%s/nats.conf", folder);
    assert_int_equal(json_read_text(path, 4096, &text, &size), 0);
    assert_non_null(strstr(text, "listen: \"[::1]:4223\""));
    assert_non_null(strstr(text, "store_dir: \"/tmp/test_up_nats-\\\""));
    free(text);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(up_nats_configure("/tmp/a\nb", "::1", 4223), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(addresses), cmocka_unit_test(a_port_is_free_or_taken), cmocka_unit_test(configuration_quotes_the_folder) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
