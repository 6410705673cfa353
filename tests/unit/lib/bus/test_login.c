/* Every way to log in, against a server that demands it. */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bus/bus.h"
#include "bus/nkey.h"
#include "tests/support/nats_server.h"

static char folder[] = "/tmp/tapeloop-login-XXXXXX";
static char seed_path[64], cert_path[64], key_path[64];

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

/* A certificate for 127.0.0.1 that signs itself. */
static void make_certificate(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    assert_true(key && certificate);
    (void)X509_set_version(certificate, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    (void)X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    (void)X509_set_pubkey(certificate, key);
    (void)X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)"127.0.0.1", -1, -1, 0);
    (void)X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    static const struct { int nid; const char *value; } extensions[] = { { NID_subject_alt_name, "IP:127.0.0.1" }, { NID_basic_constraints, "CA:TRUE" } };
    for (size_t i = 0; i < 2; i++) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, extensions[i].nid, extensions[i].value);
        assert_int_equal(1, X509_add_ext(certificate, extension, -1));
        X509_EXTENSION_free(extension);
    }
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE *file = fopen(cert_path, "we");
    assert_int_equal(1, PEM_write_X509(file, certificate));
    (void)fclose(file);
    file = fopen(key_path, "we");
    assert_int_equal(1, PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
    (void)fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(seed_path, sizeof seed_path, "%s/seed", folder);
    (void)snprintf(cert_path, sizeof cert_path, "%s/cert.pem", folder);
    (void)snprintf(key_path, sizeof key_path, "%s/key.pem", folder);
    write_text(seed_path, "SUAB2ESD3IWDYVRFWFIZIEEW3SNIS2MJ6U7CF2MX4TP434GTOO26J5TAIQ\n"); /* made for this test */
    make_certificate();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    support_remove_folder(folder);
    return 0;
}

/* The server takes the right options and refuses the wrong ones. */
static void check(const char *extra, struct bus_options right, struct bus_options wrong)
{
    struct nats_server server;
    struct bus *bus = NULL;
    char error[256] = "";
    nats_server_start(&server, extra);
    if (!right.server)
        right.server = server.url;
    if (!wrong.server)
        wrong.server = server.url;
    /* Signing fails at random once in 256 in this libnats: a second try is no help for a wrong login. */
    int r = bus_open(&right, true, &bus, error);
    if (r < 0)
        r = bus_open(&right, true, &bus, error);
    if (r < 0)
        fail_msg("%s", error);
    assert_int_equal(0, bus_publish(bus, "x", "1", 1, NULL, 0));
    bus_close(bus);
    assert_true(bus_open(&wrong, true, &bus, error) < 0);
    assert_true(strlen(error) > 10);
    nats_server_stop(&server);
}

static void test_user(void **state)
{
    (void)state;
    check("authorization { user: me, password: secret }", (struct bus_options){ .user = "me", .password = "secret" }, (struct bus_options){ .user = "me", .password = "x" });
}

static void test_token(void **state)
{
    (void)state;
    check("authorization { token: secret }", (struct bus_options){ .token = "secret" }, (struct bus_options){ 0 });
}

static void test_nkey(void **state)
{
    (void)state;
    char public_key[BUS_NKEY_TEXT_MAX], extra[160];
    assert_int_equal(0, bus_nkey_public(seed_path, public_key));
    assert_int_equal(strlen(public_key), 56);
    (void)snprintf(extra, sizeof extra, "authorization { users: [ { nkey: %s } ] }", public_key);
    check(extra, (struct bus_options){ .nkey = seed_path }, (struct bus_options){ 0 });
    char other[64];
    (void)snprintf(other, sizeof other, "%s/other", folder);
    write_text(other, "SUAB2ESD3IWDYVRFWFIZIEEW3SNIS2MJ6U7CF2MX4TP434GTOO26J5TAIA\n"); /* its checksum is wrong */
    assert_int_equal(-EBADMSG, bus_nkey_public(other, public_key));
    assert_int_equal(-EBADMSG, bus_nkey_public(cert_path, public_key));
    assert_int_equal(-ENOENT, bus_nkey_public("/nowhere/seed", public_key));
    struct bus *bus = NULL;
    char error[256] = "";
    const struct bus_options missing = { .nkey = "/nowhere/seed" };
    assert_int_equal(-EINVAL, bus_open(&missing, true, &bus, error));
    assert_non_null(strstr(error, "nkey file"));
}

static void test_tls(void **state)
{
    (void)state;
    char extra[256];
    (void)snprintf(extra, sizeof extra, "tls { cert_file: \"%s\", key_file: \"%s\", ca_file: \"%s\", verify: true }", cert_path, key_path, cert_path);
    check(extra, (struct bus_options){ .tls_ca = cert_path, .tls_cert = cert_path, .tls_key = key_path }, (struct bus_options){ .tls_ca = cert_path });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_user),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_nkey),
        cmocka_unit_test(test_tls),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
