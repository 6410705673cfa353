/* Fetching over HTTP (libcurl's only home). One handle per thread. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
struct http_client;
int http_client_new(struct http_client **ret);
void http_client_free(struct http_client *client);
/* Seconds under 1 KiB/s after which a fetch ends with -ETIMEDOUT; 15 unless set. 0: never, for streams that may be silent for long or are written to someone who pauses. */
void http_client_set_stall(struct http_client *client, unsigned seconds);
/* GET url with the token header (NULL: none), bytes [from, to) (to 0: everything). sink gets the body in pieces and returns 0 to go on or -errno to stop.
 * Returns 0, the sink's error, -EACCES (401, 403), -ENOENT (404, 410), -ERANGE (416), -ECONNREFUSED and the like, -EIO (any other status; a body shorter than asked). error (256 bytes) gets a sentence. */
int http_client_get(struct http_client *client, const char *url, const char *token, uint64_t from, uint64_t to,
                    int (*sink)(void *context, const void *data, size_t size), void *context, char *error);
#endif
