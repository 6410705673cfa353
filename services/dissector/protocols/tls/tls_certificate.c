#include "services/dissector/protocols/tls/tls_certificate.h"
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>
#include "services/dissector/protocols/dns/dns_records.h"

struct tls_certificate { X509 *x509; GENERAL_NAMES *names; };

struct tls_certificate *tls_certificate_read(const uint8_t *data, size_t size)
{
    if (size > TLS_CERTIFICATE_BYTES_MAX)
        return NULL;
    struct tls_certificate *certificate = calloc(1, sizeof *certificate);
    const uint8_t *at = data;
    if (certificate)
        certificate->x509 = d2i_X509(NULL, &at, (long)size);
    if (certificate && certificate->x509)
        certificate->names = X509_get_ext_d2i(certificate->x509, NID_subject_alt_name, NULL, NULL);
    ERR_clear_error(); /* libcrypto's queue would keep what was wrong with each */
    if (certificate && !certificate->x509) {
        free(certificate);
        return NULL;
    }
    return certificate;
}

void tls_certificate_free(struct tls_certificate *certificate)
{
    if (!certificate)
        return;
    GENERAL_NAMES_free(certificate->names);
    X509_free(certificate->x509);
    free(certificate);
}

static void put_name(const X509_NAME *name, struct text_buffer *t)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0) {
        long size = BIO_get_mem_data(bio, &text);
        if (size > 0)
            text_buffer_bytes(t, (const uint8_t *)text, (size_t)size < TLS_CERTIFICATE_NAME_MAX ? (size_t)size : TLS_CERTIFICATE_NAME_MAX, "");
    }
    BIO_free(bio);
    ERR_clear_error();
}

void tls_certificate_subject(const struct tls_certificate *certificate, struct text_buffer *t) { put_name(X509_get_subject_name(certificate->x509), t); }
void tls_certificate_issuer(const struct tls_certificate *certificate, struct text_buffer *t) { put_name(X509_get_issuer_name(certificate->x509), t); }

static void put_time(const ASN1_TIME *time, struct text_buffer *t)
{
    struct tm tm;
    char text[TLS_CERTIFICATE_TIME_MAX];
    if (time && ASN1_TIME_to_tm(time, &tm) == 1)
        text_buffer_put(t, text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm));
    ERR_clear_error();
}

void tls_certificate_not_before(const struct tls_certificate *certificate, struct text_buffer *t) { put_time(X509_get0_notBefore(certificate->x509), t); }
void tls_certificate_not_after(const struct tls_certificate *certificate, struct text_buffer *t) { put_time(X509_get0_notAfter(certificate->x509), t); }

void tls_certificate_serial(const struct tls_certificate *certificate, struct text_buffer *t)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate->x509);
    int size = serial ? ASN1_STRING_length(serial) : 0;
    if (size > 0)
        text_buffer_hex(t, ASN1_STRING_get0_data(serial), (size_t)size);
}

bool tls_certificate_name(const struct tls_certificate *certificate, unsigned i, struct text_buffer *t)
{
    if (!certificate->names || i >= TLS_CERTIFICATE_NAMES_MAX || (int)i >= sk_GENERAL_NAME_num(certificate->names))
        return false;
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(certificate->names, (int)i);
    if (name->type == GEN_DNS || name->type == GEN_URI || name->type == GEN_EMAIL) {
        const ASN1_STRING *text = name->d.ia5;
        text_buffer_bytes(t, ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text), "");
    } else if (name->type == GEN_IPADD && ASN1_STRING_length(name->d.iPAddress) == 4) {
        dns_ipv4_text(ASN1_STRING_get0_data(name->d.iPAddress), t);
    } else if (name->type == GEN_IPADD && ASN1_STRING_length(name->d.iPAddress) == 16) {
        dns_ipv6_text(ASN1_STRING_get0_data(name->d.iPAddress), t);
    }
    return true;
}
