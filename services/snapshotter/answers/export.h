/* Export downloads: snapshot.export makes an offer (URL and token), the HTTP server streams it to whoever brings the token. Thread-safe. */
#ifndef SNAPSHOTTER_ANSWERS_EXPORT_H
#define SNAPSHOTTER_ANSWERS_EXPORT_H
#include "services/snapshotter/service.h"

#define EXPORT_OFFERS_MAX 256                               /* some 2 KiB each, until they expire */
#define EXPORT_OFFER_NS (INT64_C(600) * 1000000000)         /* time to begin a download; once begun it may take as long as it takes */
#define EXPORT_PATH_PREFIX "/exports/"

struct exports;
/* Starts the HTTP server. error: 256. */
int exports_start(struct service *service, struct exports **ret, char *error);
/* Ends downloads under way. NULL is fine. */
void exports_stop(struct exports *exports);
/* host:port as written into URLs. */
const char *exports_address(const struct exports *exports);
#endif
