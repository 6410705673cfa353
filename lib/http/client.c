/* Fetching over HTTP with libcurl. See client.h. */
#include "http/client.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/range.h"
#include "http/token.h"

#define ERROR_TEXT_MAX 256
#define BUFFER_BYTES (512 * 1024L) /* libcurl's largest: fewer calls of the sink */
#define CONNECT_TIMEOUT_MS 5000L
#define STALL_BYTES_PER_S 1024L
#define STALL_S 15
#define KEEPALIVE_S 60L

struct http_client { CURL *curl; unsigned stall_s; };

/* One fetch. */
struct fetch {
    CURL *curl;
    uint64_t from, to, got;
    int (*sink)(void *context, const void *data, size_t size);
    void *context;
    bool checked;
    int rc;             /* why the body was refused or the sink stopped */
    const char *reason; /* with rc, where it was not the sink */
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;
static void init_curl(void) { curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT); }

int http_client_new(struct http_client **ret)
{
    (void)pthread_once(&curl_once, init_curl);
    struct http_client *client = curl_ready == CURLE_OK ? calloc(1, sizeof *client) : NULL;
    if (!client)
        return -ENOMEM;
    client->curl = curl_easy_init();
    if (!client->curl) {
        free(client);
        return -ENOMEM;
    }
    client->stall_s = STALL_S;
    *ret = client;
    return 0;
}

void http_client_set_stall(struct http_client *client, unsigned seconds) { client->stall_s = seconds; }

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    free(client);
}

static int refuse_body(struct fetch *fetch, const char *reason)
{
    fetch->rc = -EIO;
    fetch->reason = reason;
    return -EIO;
}

/* Only the body that was asked for reaches the sink: not an error's text, not another range. */
static int check_head(struct fetch *fetch)
{
    long status = 0;
    (void)curl_easy_getinfo(fetch->curl, CURLINFO_RESPONSE_CODE, &status);
    fetch->checked = true;
    if (status != 200 && status != 206)
        return refuse_body(fetch, NULL); /* the status says why */
    if (!fetch->to)
        return status == 200 ? 0 : refuse_body(fetch, "the server sent a part where everything was asked for");
    struct curl_header *header;
    uint64_t from, to;
    if (status != 206)
        return refuse_body(fetch, "the server does not know ranges");
    if (curl_easy_header(fetch->curl, "Content-Range", 0, CURLH_HEADER, -1, &header) != CURLHE_OK || range_parse_content(header->value, &from, &to) < 0)
        return refuse_body(fetch, "the server's Content-Range cannot be read");
    if (from != fetch->from || to != fetch->to)
        return refuse_body(fetch, "the server sent another range than was asked for");
    return 0;
}

static size_t take_body(char *data, size_t unit, size_t count, void *context)
{
    struct fetch *fetch = context;
    size_t size = unit * count;
    if (!fetch->checked && check_head(fetch) < 0)
        return CURL_WRITEFUNC_ERROR;
    if (fetch->to && size > fetch->to - fetch->from - fetch->got) {
        (void)refuse_body(fetch, "the server sent more than was asked for");
        return CURL_WRITEFUNC_ERROR;
    }
    fetch->got += size;
    fetch->rc = size ? fetch->sink(fetch->context, data, size) : 0;
    return fetch->rc < 0 ? CURL_WRITEFUNC_ERROR : size;
}

static int status_error(long status)
{
    switch (status) {
    case 200:
    case 206: return 0;
    case 401:
    case 403: return -EACCES;
    case 404:
    case 410: return -ENOENT;
    case 416: return -ERANGE;
    default: return -EIO;
    }
}

static int curl_error(CURL *curl, CURLcode code)
{
    long os_error = 0, sent = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &sent);
    switch (code) {
    case CURLE_OK: return 0;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return sent ? -EIO : -EINVAL; /* also said of an answer that is not HTTP */
    case CURLE_COULDNT_RESOLVE_HOST: return -EHOSTUNREACH;
    case CURLE_COULDNT_CONNECT:
        (void)curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_error);
        return os_error > 0 ? -(int)os_error : -ECONNREFUSED;
    case CURLE_OPERATION_TIMEDOUT: return -ETIMEDOUT;
    case CURLE_OUT_OF_MEMORY: return -ENOMEM;
    default: return -EIO;
    }
}

/* Sentence and code for how the fetch went. */
static int conclude(struct fetch *fetch, CURLcode code, const char *curl_says, char *error)
{
    long status = 0;
    (void)curl_easy_getinfo(fetch->curl, CURLINFO_RESPONSE_CODE, &status);
    int by_status = status ? status_error(status) : 0;
    if (by_status < 0) {
        (void)snprintf(error, ERROR_TEXT_MAX, "the server answered %ld", status);
        return by_status;
    }
    if (fetch->rc < 0) {
        (void)snprintf(error, ERROR_TEXT_MAX, "%s", fetch->reason ? fetch->reason : strerror(-fetch->rc));
        return fetch->rc;
    }
    if (code != CURLE_OK) {
        (void)snprintf(error, ERROR_TEXT_MAX, "%s", *curl_says ? curl_says : curl_easy_strerror(code));
        return curl_error(fetch->curl, code);
    }
    if (fetch->to && fetch->got != fetch->to - fetch->from) {
        (void)snprintf(error, ERROR_TEXT_MAX, "%" PRIu64 " bytes came where %" PRIu64 " were asked for", fetch->got, fetch->to - fetch->from);
        return -EIO;
    }
    return 0;
}

static void set_options(const struct http_client *client, struct fetch *fetch, const char *url, const char *range, struct curl_slist *headers, char *curl_says)
{
    CURL *curl = fetch->curl;
    curl_easy_reset(curl); /* keeps the connection */
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*"); /* nodes are reached directly; a token is shown to nobody else */
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES_PER_S);
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)client->stall_s); /* 0 is off */
    (void)curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L); /* finds a server that has gone, also in a silent stream */
    (void)curl_easy_setopt(curl, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
    (void)curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, curl_says);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, fetch);
    if (range)
        (void)curl_easy_setopt(curl, CURLOPT_RANGE, range);
}

int http_client_get(struct http_client *client, const char *url, const char *token, uint64_t from, uint64_t to,
                    int (*sink)(void *context, const void *data, size_t size), void *context, char *error)
{
    assert(to == 0 ? from == 0 : from < to);
    struct fetch fetch = { .curl = client->curl, .from = from, .to = to, .sink = sink, .context = context };
    char range[64], header[sizeof TOKEN_HEADER + 2 + TOKEN_TEXT_MAX], curl_says[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    if (token) {
        int n = snprintf(header, sizeof header, TOKEN_HEADER ": %s", token);
        headers = n < (int)sizeof header && !strpbrk(token, "\r\n") ? curl_slist_append(NULL, header) : NULL;
        if (!headers) {
            (void)snprintf(error, ERROR_TEXT_MAX, "the token cannot be sent");
            return -EINVAL;
        }
    }
    (void)snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, from, to ? to - 1 : 0);
    set_options(client, &fetch, url, to ? range : NULL, headers, curl_says);
    CURLcode code = curl_easy_perform(client->curl);
    int rc = conclude(&fetch, code, curl_says, error);
    (void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
    (void)curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, NULL);
    curl_slist_free_all(headers);
    return rc;
}
