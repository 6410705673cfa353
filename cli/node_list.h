/* The nodes of the bus as their last heartbeats in the bucket `nodes` tell. */
#ifndef CLI_NODE_LIST_H
#define CLI_NODE_LIST_H
#include "cli/ask.h"
#include "json/json.h"

#define NODE_SILENT_NS (INT64_C(5) * 1000000000) /* a heartbeat comes every second: several missed in a row are silence */
#define NODE_LIST_MAX 10000                       /* twice the largest cluster that is planned for */

struct node {
    Tapeloop__V1__NodeHeartbeat *heartbeat;
    int64_t heard_ns;       /* the bus's time of the heartbeat */
    int64_t silent_ns;      /* since then, by this machine's clock; at least 0 */
    int64_t proof_age_ns;   /* of the lane whose last proof is oldest; -1: no lane has one */
    bool recording;         /* says so, and is not silent */
};
struct node_list { struct node *nodes; size_t count; };

/* Sorted by name. 0; CLI_FAILED, having said why. */
int node_list_read(const struct cli_options *options, struct bus *bus, struct node_list *ret);
void node_list_free(struct node_list *list);
/* What the node's state is in one word: that of its heartbeat, or silent. */
const char *node_state(const struct node *node);
/* Why it does not record; "" where there is nothing to say. Into text. */
const char *node_reason(const struct node *node, char *text, size_t cap);
/* The heartbeat with state as node_state says, `recording` and `lastHeard`. NULL: no memory. */
json_t *node_json(const struct node *node);
/* Packets that the kernel offered and that are not on the tape, without those that a filter refused. */
uint64_t node_lost_packets(const struct node *node);
/* The table that `status` and `nodes` show. */
void node_list_print(const struct node_list *list, size_t indent, FILE *out);
#endif
