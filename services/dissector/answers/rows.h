/* Rows of a query into a CallsReply, as many as one message of the bus takes. */
#ifndef DISSECTOR_ANSWERS_ROWS_H
#define DISSECTOR_ANSWERS_ROWS_H
#include "jobs/answers.h"
#include "services/dissector/query/query.h"

#define ROWS_BYTES_ENOUGH (480u * 1024) /* of all rows, as they will stand in the reply: no further one is taken */
#define ROW_BYTES_MAX (500u * 1024)     /* so that the last one, too, goes into one message of the bus */

#define ROWS_ID_BITS 32                 /* of an entry's number below the file's, where there are several files */
#define ROWS_CURSOR_TEXT_MAX 48

/* The reply while its rows come. */
struct rows {
    Tapeloop__V1__CallsReply *reply;
    uint64_t base;                      /* added to ids: of one file among several, its number << ROWS_ID_BITS; 0: there is one file */
    size_t bytes;
    bool full, too_large, no_memory;
    bool may_be_gone;                   /* a file that is not there has no rows, and that is no failure */
};
/* What the message asks for, of the file at path (borrowed). False: it is wrong, and the reply says so. */
bool rows_request(const Tapeloop__V1__CallsQuery *query, const char *path, struct query_request *ret, ProtobufCMessage *reply);
/* The cursor behind an entry of this file: its number, with several files "<file>.<number>". Returns text. */
char *rows_cursor(const struct rows *rows, uint64_t entry, char text[static ROWS_CURSOR_TEXT_MAX]);
/* id: not 0: that entry alone. An entry that does not fit into a message ends the page in front of it; the first one fails. False: it failed, and the reply says why. */
bool rows_run(struct rows *rows, uint64_t id, const struct query_request *request, struct query_result *ret);
/* The rows of what requests of this kind have gathered (query_request.gather). False: it failed, and the reply says why. */
bool rows_gathered(struct rows *rows, const struct query_request *request);
/* How far the answer looked; cursor "": there is no more. */
void rows_end(struct rows *rows, const struct query_result *result, const char *cursor);
#endif
