/* Following one request of a work queue (snapshot.request, dissect.request): the events about it, from before it was published until it has ended. */
#ifndef CLI_JOB_WATCH_H
#define CLI_JOB_WATCH_H
#include "cli/ask.h"

/* One kind of request. wish: what the request asked for, of the kind's own type. Messages: of the kind's event or progress. Every slot is filled. */
struct job_watch_kind {
    const char *accepted, *ready, *failed, *progress_subject;           /* subjects */
    const char *bucket;                                                 /* of the claims */
    const ProtobufCMessageDescriptor *event, *progress;
    void (*key)(const void *wish, char *key /* BUS_SUBJECT_MAX */);      /* in the bucket */
    bool (*is_about)(const void *wish, const ProtobufCMessage *message);/* event or progress names what the wish names */
    bool (*is_same)(const void *wish, const ProtobufCMessage *event);   /* another request's event is this one's too: both asked for the same */
    bool (*is_end)(const ProtobufCMessage *event);
    ProtobufCMessage **(*final)(Tapeloop__V1__Claim *claim);            /* where the claim has its last event */
    bool (*claims_same)(const void *wish, const Tapeloop__V1__Claim *claim); /* the claim is of a request that asked for the same */
};
enum job_watch_state { JOB_UNHEARD, JOB_ACCEPTED, JOB_ENDED };

struct job_watch;
/* Subscribes; wish stays the caller's. -errno. */
int job_watch_open(struct bus *bus, const struct job_watch_kind *kind, const void *wish, struct job_watch **ret);
void job_watch_close(struct job_watch *watch); /* NULL is fine */
/* After the publish: the request's sequence in its stream. Events heard before count too. */
void job_watch_expect(struct job_watch *watch, uint64_t sequence);
/* Waits up to timeout_ms for news (a new state or progress) and fills what is not NULL, for wire_free: the accepted or final event, the last progress; NULL where there is none yet. */
enum job_watch_state job_watch_wait(struct job_watch *watch, int timeout_ms, ProtobufCMessage **ret_event, ProtobufCMessage **ret_progress);
/* Reads the claim: finds an end whose event was lost with a connection. */
void job_watch_ask(struct job_watch *watch);
/* Whether an event belongs to the request. header: of ce-request, NULL where there is none. Pure. */
bool job_watch_matches(const struct job_watch_kind *kind, const void *wish, uint64_t sequence, const ProtobufCMessage *event, const char *header);

/* Publishes a request as JSON and waits for the stream's word. 0; CLI_FAILED, having said why. */
int job_publish(const struct cli_options *options, struct bus *bus, const char *subject, const ProtobufCMessage *request, uint64_t *ret_sequence);
#endif
