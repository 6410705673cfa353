/* The public key of a NATS user seed (an nkey), which libnats wants beside the seed's file. Inside lib/bus. */
#ifndef BUS_NKEY_H
#define BUS_NKEY_H
#define BUS_NKEY_TEXT_MAX 64 /* 56 characters of base32 */
/* Reads a seed file ("SU...", alone or in a credentials file's block). -errno of open; -EBADMSG: no user seed in it. */
int bus_nkey_public(const char *path, char *text);
#endif
