/* Names, URLs and headers. See redact.h; bodies, SQL and Redis have files of their own. */
#include "services/dissector/redact/redact.h"

#include <stdint.h>

#include "services/dissector/redact/pairs.h"
#include "services/dissector/redact/writer.h"

#define NAME_BYTES_MAX 64 /* the longest secret name has 13; this leaves room for percent signs and prefixes */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = redact_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "user[password]", "user.password", "password[]" and "password[0]" are called by their last part that is no number. */
static void last_part(const char **name, size_t *size)
{
    for (size_t at; *size >= 2 && (*name)[*size - 1] == ']'; *size = at) {
        for (at = *size - 1; at && (*name)[at - 1] >= '0' && (*name)[at - 1] <= '9';)
            at--;
        if (!at || (*name)[--at] != '[')
            break;
    }
    bool bracket = *size && (*name)[*size - 1] == ']';
    if (bracket)
        --*size;
    for (size_t i = *size; i; i--)
        if ((*name)[i - 1] == '[' || (!bracket && (*name)[i - 1] == '.')) {
            *name += i;
            *size -= i;
            return;
        }
}

/* Lower case, percent signs decoded, without "-", "_" and spaces: access_token, access-token and accessToken are one name. */
static size_t normalise(const char *name, size_t size, char *dst)
{
    size_t n = 0;
    for (size_t i = 0; i < size && n < NAME_BYTES_MAX; i++) {
        char c = name[i];
        if (c == '%' && i + 2 < size && hex_digit(name[i + 1]) >= 0 && hex_digit(name[i + 2]) >= 0) {
            c = (char)(hex_digit(name[i + 1]) * 16 + hex_digit(name[i + 2]));
            i += 2;
        }
        if (c != '-' && c != '_' && c != ' ' && c != '+')
            dst[n++] = redact_lower(c);
    }
    return n;
}

static bool is_listed(const char *name, size_t size)
{
    switch (size) {
    case 3: return REDACT_IS(name, 3, "key") || REDACT_IS(name, 3, "sig");
    case 4: return REDACT_IS(name, 4, "code");
    case 5: return REDACT_IS(name, 5, "token");
    case 6: return REDACT_IS(name, 6, "secret") || REDACT_IS(name, 6, "apikey");
    case 7: return REDACT_IS(name, 7, "idtoken");
    case 8: return REDACT_IS(name, 8, "password");
    case 9: return REDACT_IS(name, 9, "signature");
    case 11: return REDACT_IS(name, 11, "accesstoken");
    case 12: return REDACT_IS(name, 12, "refreshtoken") || REDACT_IS(name, 12, "clientsecret");
    default: return false;
    }
}

bool redact_is_secret_name(const char *name, size_t size)
{
    static const bool special[256] = { ['%'] = true, ['-'] = true, ['_'] = true, [' '] = true, ['+'] = true, ['.'] = true, ['['] = true, [']'] = true };
    char plain[NAME_BYTES_MAX];
    if (size < 3 || size > NAME_BYTES_MAX * 3)
        return false;
    size_t n = 0;
    while (n < size && !special[(uint8_t)name[n]])
        n++;
    if (n == size) /* a plain word, as most are */
        return is_listed(name, size);
    n = normalise(name, size, plain);
    const char *p = plain;
    last_part(&p, &n);
    return (n >= 4 && memcmp(p, "xamz", 4) == 0) || (n >= 5 && memcmp(p, "xgoog", 5) == 0) || is_listed(p, n); /* of signed URLs */
}

/* The user info of the authority that begins at `at` and ends before any of `ends`. Returns where the host begins. */
static size_t cut_user_info(struct redact_writer *w, size_t at, size_t size, const char *ends)
{
    size_t end = redact_find_any(w->text, at, size, ends);
    const char *sign = end > at ? memrchr(w->text + at, '@', end - at) : NULL;
    if (!sign)
        return at;
    redact_writer_cut(w, at, (size_t)(sign - w->text));
    return (size_t)(sign - w->text) + 1;
}

/* Whether "%xy" stands at `at`, and xy is the character. */
static bool is_encoded(const char *text, size_t at, size_t size, const char *characters)
{
    if (size - at < 3 || text[at] != '%')
        return false;
    int high = hex_digit(text[at + 1]), low = hex_digit(text[at + 2]);
    return high >= 0 && low >= 0 && high + low > 0 && strchr(characters, high * 16 + low);
}

/* Whether cut_encoded() could find anything: few URLs have an encoded "=". */
static bool has_encoded(const char *text, size_t at, size_t size)
{
    const char *percent;
    for (; at < size && (percent = memchr(text + at, '%', size - at)); at++) {
        at = (size_t)(percent - text);
        if (size - at >= 3 && text[at + 1] == '3' && redact_lower(text[at + 2]) == 'd')
            return true;
    }
    return false;
}

/* A URL in a value, whose signs are encoded ("next=%2Flogin%3Ftoken%3Dabc"): the secrets among its pairs between `at` and `size`, which last until a sign of either kind. */
static void cut_encoded(struct redact_writer *w, size_t at, size_t size)
{
    const char *percent;
    for (size_t name = at; at < size && (percent = memchr(w->text + at, '%', size - at));) {
        at = (size_t)(percent - w->text);
        if (is_encoded(w->text, at, size, "?&#;")) {
            name = at + 3;
        } else if (is_encoded(w->text, at, size, "=")) {
            size_t value = at + 3, end = value;
            if (redact_is_secret_name(w->text + name, at - name)) {
                while (end < size && w->text[end] != '&' && !is_encoded(w->text, end, size, "&#"))
                    end++;
                redact_writer_cut(w, value, end);
                at = end;
                continue;
            }
            name = value;
        }
        at++;
    }
}

enum { CHAR_URL = 1 /* a pair of a URL begins behind it */, CHAR_FORM = 2, CHAR_EQUALS = 4, CHAR_COLON = 8 };
static const uint8_t classes[256] = { ['?'] = CHAR_URL, ['&'] = CHAR_URL | CHAR_FORM, ['#'] = CHAR_URL, [';'] = CHAR_URL | CHAR_FORM, ['='] = CHAR_EQUALS, [':'] = CHAR_COLON };

/* Without an '@' there is no user info: from one '=' to the next, and the name is what stands before it. */
static void cut_values(struct redact_writer *w, size_t at, size_t size, uint8_t separator, const char *ends, bool encoded)
{
    const char *equals;
    size_t from = at;
    while (from < size && (equals = memchr(w->text + from, '=', size - from))) {
        size_t value = (size_t)(equals - w->text) + 1, name = value - 1;
        while (name > at && !(classes[(uint8_t)w->text[name - 1]] & (separator | CHAR_EQUALS)))
            name--;
        bool begins = name == at || w->text[name - 1] != '='; /* or it is a part of a value */
        if (encoded)
            cut_encoded(w, from, name);
        from = value;
        if (begins && redact_is_secret_name(w->text + name, value - 1 - name)) {
            from = redact_find_any(w->text, value, size, ends);
            redact_writer_cut(w, value, from);
        }
    }
    if (encoded)
        cut_encoded(w, from, size);
}

void redact_pairs(struct redact_writer *w, size_t at, size_t size, enum redact_pairs_of of)
{
    const uint8_t separator = of == REDACT_PAIRS_OF_URL ? CHAR_URL : CHAR_FORM;
    const char *ends = of == REDACT_PAIRS_OF_URL ? "&#" : "&";
    if (at < size && !memchr(w->text + at, '@', size - at)) {
        cut_values(w, at, size, separator, ends, has_encoded(w->text, at, size));
        return;
    }
    while (at < size) {
        size_t end = at, equals = SIZE_MAX, colon = SIZE_MAX;
        for (uint8_t class; end < size && !((class = classes[(uint8_t)w->text[end]]) & separator); end++) {
            if (class & CHAR_EQUALS && equals == SIZE_MAX)
                equals = end;
            else if (class & CHAR_COLON && colon == SIZE_MAX)
                colon = end;
        }
        if (equals != SIZE_MAX && redact_is_secret_name(w->text + at, equals - at)) {
            end = redact_find_any(w->text, equals + 1, size, ends);
            redact_writer_cut(w, equals + 1, end);
        } else {
            const char *nested = colon != SIZE_MAX ? memmem(w->text + colon, end - colon, "://", 3) : NULL;
            size_t host = nested ? (size_t)(nested - w->text) + 3 : at;
            if (nested) {
                cut_encoded(w, at, host);
                host = cut_user_info(w, host, end, "/?#&");
            }
            cut_encoded(w, host, end);
        }
        at = end + 1;
    }
}

/* Where the authority of a whole URL ("scheme://", "//") begins; 0: there is none at the front. */
static size_t authority_at(const char *text, size_t size)
{
    size_t i = 0;
    while (i < size && ((text[i] >= '0' && text[i] <= '9') || (redact_lower(text[i]) >= 'a' && redact_lower(text[i]) <= 'z') || text[i] == '+' || text[i] == '-' || text[i] == '.'))
        i++;
    if (i && i < size && text[i] == ':')
        i++;
    else if (i)
        return 0;
    return size - i >= 2 && text[i] == '/' && text[i + 1] == '/' ? i + 2 : 0;
}

ssize_t redact_url(const char *text, size_t size, char *dst, size_t room)
{
    bool user = size && memchr(text, '@', size);
    if (size == 0 || (!user && !memchr(text, '=', size)))
        return REDACT_SAME;
    struct redact_writer w = redact_writer_over(text, dst, room);
    size_t at = user ? authority_at(text, size) : 0;
    if (at)
        at = cut_user_info(&w, at, size, "/?#");
    else if (user && text[0] != '/' && text[0] != '?') { /* the authority alone, "user:password@host:443" */
        size_t end = redact_find_any(text, 0, size, "@/?#=&"), colon = redact_find_any(text, 0, size, ":@");
        if (end < size && text[end] == '@' && colon < end && !REDACT_IS(text, colon, "mailto"))
            at = cut_user_info(&w, 0, size, "/?#");
    }
    redact_pairs(&w, at, size, REDACT_PAIRS_OF_URL);
    return redact_writer_end(&w, size);
}

enum header_kind { HEADER_PLAIN, HEADER_SECRET, HEADER_SCHEME, HEADER_COOKIE, HEADER_SET_COOKIE, HEADER_SUBPROTOCOLS, HEADER_URL };

/* Called for every header: one comparison for most of them. */
static enum header_kind kind_of(const char *name, size_t size)
{
#define NAMED(literal) (memcmp(name, literal, sizeof(literal) - 1) == 0)
    if (size > 4 && memcmp(name + size - 4, "-bin", 4) == 0) /* gRPC metadata in base64 */
        size -= 4;
    if (size > 12 && NAMED("grpcgateway-")) { /* HTTP's headers as a gateway hands them on in metadata */
        name += 12;
        size -= 12;
    }
    switch (size) {
    case 6: return NAMED("cookie") ? HEADER_COOKIE : NAMED("apikey") ? HEADER_SECRET : HEADER_PLAIN;
    case 7: return NAMED("cookie2") ? HEADER_COOKIE : NAMED("referer") ? HEADER_URL : NAMED("api-key") ? HEADER_SECRET : HEADER_PLAIN;
    case 8: return NAMED("location") ? HEADER_URL : HEADER_PLAIN;
    case 9: return NAMED("x-api-key") ? HEADER_SECRET : HEADER_PLAIN;
    case 10: return NAMED("set-cookie") ? HEADER_SET_COOKIE : HEADER_PLAIN;
    case 11: return NAMED("set-cookie2") ? HEADER_SET_COOKIE : HEADER_PLAIN;
    case 12: return NAMED("x-auth-token") ? HEADER_SECRET : HEADER_PLAIN;
    case 13: return NAMED("authorization") ? HEADER_SCHEME : NAMED("private-token") || NAMED("x-vault-token") ? HEADER_SECRET : HEADER_PLAIN;
    case 14: return NAMED("x-access-token") || NAMED("x-goog-api-key") ? HEADER_SECRET : NAMED("x-original-url") || NAMED("x-original-uri") ? HEADER_URL : HEADER_PLAIN;
    case 15: return NAMED("x-forwarded-uri") ? HEADER_URL : HEADER_PLAIN;
    case 16: return NAMED("content-location") ? HEADER_URL : HEADER_PLAIN;
    case 19: return NAMED("proxy-authorization") ? HEADER_SCHEME : HEADER_PLAIN;
    case 20: return NAMED("x-amz-security-token") ? HEADER_SECRET : HEADER_PLAIN;
    case 21: return NAMED("x-envoy-original-path") ? HEADER_URL : HEADER_PLAIN;
    case 22: return NAMED("sec-websocket-protocol") ? HEADER_SUBPROTOCOLS : HEADER_PLAIN;
    default: return HEADER_PLAIN;
    }
#undef NAMED
}

/* How much of the value is an authentication scheme (RFC 9110 section 11.4: a token, then a space); 0: there is none, and all of it may be the secret. */
#define SCHEME_BYTES_MAX 24 /* AWS4-HMAC-SHA256 has 16; a long first word is a credential */
static size_t scheme_size(const char *text, size_t size)
{
    size_t i = 0;
    while (i < size && i <= SCHEME_BYTES_MAX && ((text[i] >= '0' && text[i] <= '9') || (redact_lower(text[i]) >= 'a' && redact_lower(text[i]) <= 'z') || text[i] == '-' || text[i] == '_'))
        i++;
    if (!i || i > SCHEME_BYTES_MAX || i == size || text[i] != ' ' || (text[0] >= '0' && text[0] <= '9'))
        return 0;
    while (i < size && text[i] == ' ')
        i++;
    return i;
}

/* "name=value; name=value": every value; of a Set-Cookie the first alone, the rest are attributes. A piece without a name is a value. */
static void cut_cookies(struct redact_writer *w, size_t size, bool first_alone)
{
    for (size_t at = 0; at < size;) {
        while (at < size && (w->text[at] == ' ' || w->text[at] == '\t'))
            at++;
        const char *semicolon = memchr(w->text + at, ';', size - at);
        size_t end = semicolon ? (size_t)(semicolon - w->text) : size;
        const char *equals = memchr(w->text + at, '=', end - at);
        redact_writer_cut(w, equals ? (size_t)(equals - w->text) + 1 : at, end);
        if (first_alone)
            return;
        at = end + 1;
    }
}

/* How much of a subprotocol's name is not a credential: browsers cannot set headers of a WebSocket, so tokens travel here. Kubernetes has a prefix for them, others a name before them ("bearer, eyJ..."), some nothing. */
#define SUBPROTOCOL_BYTES_MAX 64 /* names are short; what is longer is a credential */
static size_t subprotocol_plain(const char *text, size_t size, const char *before, size_t before_size)
{
    static const char kubernetes[] = "base64url.bearer.authorization.k8s.io.";
    if (size > sizeof kubernetes - 1 && strncasecmp(text, kubernetes, sizeof kubernetes - 1) == 0)
        return sizeof kubernetes - 1;
    bool named = REDACT_IS(before, before_size, "bearer") || REDACT_IS(before, before_size, "authorization") || REDACT_IS(before, before_size, "jwt") || redact_is_secret_name(before, before_size);
    return named || size > SUBPROTOCOL_BYTES_MAX || (size > 3 && memcmp(text, "eyJ", 3) == 0 && memchr(text, '.', size)) ? 0 : size;
}

static void cut_subprotocols(struct redact_writer *w, size_t size)
{
    const char *before = "";
    for (size_t at = 0, before_size = 0; at < size;) {
        while (at < size && (w->text[at] == ' ' || w->text[at] == '\t' || w->text[at] == ','))
            at++;
        size_t end = redact_find_any(w->text, at, size, ", \t"), plain = subprotocol_plain(w->text + at, end - at, before, before_size);
        if (at + plain < end)
            redact_writer_cut(w, at + plain, end);
        before = w->text + at;
        before_size = end - at;
        at = end;
    }
}

bool redact_is_plain_header(const char *name, size_t size) { return kind_of(name, size) == HEADER_PLAIN; }

ssize_t redact_header(const char *name, size_t name_size, const char *text, size_t size, char *dst, size_t room)
{
    enum header_kind kind = kind_of(name, name_size);
    if (kind == HEADER_PLAIN || size == 0)
        return REDACT_SAME;
    if (kind == HEADER_URL)
        return redact_url(text, size, dst, room);
    struct redact_writer w = redact_writer_over(text, dst, room);
    if (kind == HEADER_COOKIE || kind == HEADER_SET_COOKIE)
        cut_cookies(&w, size, kind == HEADER_SET_COOKIE);
    else if (kind == HEADER_SUBPROTOCOLS)
        cut_subprotocols(&w, size);
    else
        redact_writer_cut(&w, kind == HEADER_SCHEME ? scheme_size(text, size) : 0, size);
    return redact_writer_end(&w, size);
}
