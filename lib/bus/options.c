#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/internal.h"
#include "bus/nkey.h"
#include "mem/cleanup.h"

#define SERVERS_MAX 16 /* seeds of a cluster; the rest is learnt from the first that answers */

static natsStatus set_servers(natsOptions *options, const char *list)
{
    mem_auto_free char *text = strdup(list ? list : "nats://127.0.0.1:4222");
    const char *servers[SERVERS_MAX];
    int count = 0;
    char *rest = text;
    for (char *server = text ? strtok_r(text, ", ", &rest) : NULL; server && count < SERVERS_MAX; server = strtok_r(NULL, ", ", &rest))
        servers[count++] = server;
    return !text ? NATS_NO_MEMORY : count ? natsOptions_SetServers(options, servers, count) : NATS_INVALID_ARG;
}

static natsStatus set_timing(natsOptions *options)
{
    natsStatus s = natsOptions_SetTimeout(options, BUS_WRITE_DEADLINE_MS);
    if (s == NATS_OK)
        s = natsOptions_SetWriteDeadline(options, BUS_WRITE_DEADLINE_MS);
    if (s == NATS_OK)
        s = natsOptions_SetPingInterval(options, BUS_PING_INTERVAL_MS);
    if (s == NATS_OK)
        s = natsOptions_SetMaxPingsOut(options, 2);
    if (s == NATS_OK)
        s = natsOptions_SetAllowReconnect(options, true);
    if (s == NATS_OK)
        s = natsOptions_SetMaxReconnect(options, -1);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectWait(options, BUS_RECONNECT_WAIT_MS);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectJitter(options, BUS_RECONNECT_WAIT_MS, BUS_RECONNECT_WAIT_MS);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectBufSize(options, 1); /* what cannot be sent now is refused now: nothing old is sent behind its caller's back */
    if (s == NATS_OK)
        s = natsOptions_SetFailRequestsOnDisconnect(options, true);
    return s;
}

static natsStatus set_login(natsOptions *options, const struct bus_options *given)
{
    natsStatus s = NATS_OK;
    if (given->user)
        s = natsOptions_SetUserInfo(options, given->user, given->password ? given->password : "");
    if (s == NATS_OK && given->token)
        s = natsOptions_SetToken(options, given->token);
    if (s == NATS_OK && given->creds)
        s = natsOptions_SetUserCredentialsFromFiles(options, given->creds, NULL);
    if (s == NATS_OK && given->nkey) {
        char public_key[BUS_NKEY_TEXT_MAX];
        s = bus_nkey_public(given->nkey, public_key) == 0 ? natsOptions_SetNKeyFromSeed(options, public_key, given->nkey) : NATS_INVALID_ARG;
    }
    return s;
}

static natsStatus set_tls(natsOptions *options, const struct bus_options *given)
{
    natsStatus s = NATS_OK;
    if (given->tls_ca || given->tls_cert)
        s = natsOptions_SetSecure(options, true);
    if (s == NATS_OK && given->tls_ca)
        s = natsOptions_LoadCATrustedCertificates(options, given->tls_ca);
    if (s == NATS_OK && given->tls_cert)
        s = natsOptions_LoadCertificatesChain(options, given->tls_cert, given->tls_key ? given->tls_key : given->tls_cert);
    return s;
}

/* Replies carry tokens: with inboxes of their own, users can be kept from listening to each other's by permissions. */
static natsStatus set_inbox(natsOptions *options, const struct bus_options *given, char *prefix)
{
    char token[BUS_SUBJECT_MAX];
    bus_node_token(given->user ? given->user : "", token);
    bool own = *token && (size_t)snprintf(prefix, BUS_INBOX_MAX, "_INBOX.%s", token) < BUS_INBOX_MAX;
    if (!own)
        (void)snprintf(prefix, BUS_INBOX_MAX, "_INBOX");
    return own ? natsOptions_SetCustomInboxPrefix(options, prefix) : NATS_OK;
}

int bus_options_build(const struct bus_options *given, natsOptions **ret, char *inbox_prefix, char *error)
{
    natsOptions *options = NULL;
    const char *what = "connection options";
    natsStatus s = natsOptions_Create(&options);
    if (s == NATS_OK)
        s = set_timing(options);
    if (s == NATS_OK && given->name)
        s = natsOptions_SetName(options, given->name);
    if (s == NATS_OK)
        s = set_inbox(options, given, inbox_prefix);
    if (s == NATS_OK) {
        what = "the server address (write it as nats://HOST:PORT)";
        s = set_servers(options, given->server);
    }
    if (s == NATS_OK) {
        what = "the login (user, token, credentials file or nkey file)";
        s = set_login(options, given);
    }
    if (s == NATS_OK) {
        what = "the TLS files";
        s = set_tls(options, given);
    }
    if (s != NATS_OK) {
        const char *why = nats_GetLastError(NULL), *place = why && *why == '(' ? strstr(why, "): ") : NULL; /* (opts.c:492): what happened */
        why = place ? place + 3 : why;
        (void)snprintf(error, BUS_ERROR_TEXT_MAX, "cannot use %s: %s%s%.100s", what, natsStatus_GetText(s), why && *why ? ": " : "", why ? why : "");
        natsOptions_Destroy(options);
        return bus_error(s);
    }
    *ret = options;
    return 0;
}
