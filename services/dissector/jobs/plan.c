#include "services/dissector/jobs/plan.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "capfile/segment_index.h"
#include "json/json.h"
#include "mem/cleanup.h"
#include "services/dissector/jobs/request.h"
#include "units/units.h"

static const char *const stage_names[PLAN_STAGES] = { "map", "reduce", "finalise" };

const char *plan_stage_name(enum plan_stage stage)
{
    assert((size_t)stage < PLAN_STAGES);
    return stage_names[stage];
}

int plan_stage_parse(const char *name, enum plan_stage *ret)
{
    for (size_t i = 0; i < PLAN_STAGES; i++)
        if (strcmp(name, stage_names[i]) == 0) {
            *ret = (enum plan_stage)i;
            return 0;
        }
    return -EINVAL;
}

uint32_t plan_items(const Tapeloop__V1__DissectPlan *plan, enum plan_stage stage)
{
    return stage == PLAN_MAP ? (uint32_t)plan->n_inputs : stage == PLAN_REDUCE ? plan->groups : 1;
}

int plan_read_manifest(const struct workplace *place, Tapeloop__V1__Manifest **ret, char sha256[static DIGEST_TEXT_MAX], char *error)
{
    char path[STORE_LOCATION_MAX + 32], problem[WIRE_ERROR_TEXT_MAX] = "";
    mem_auto_free char *text = NULL;
    size_t size = 0;
    ProtobufCMessage *message = NULL;
    if (!place->snapshot_folder[0]) {
        snprintf(error, PLAN_ERROR_TEXT_MAX, "there is no snapshot %s in the store: make it with snapshot.request first, or look at snapshot.list", place->snapshot);
        return -ENOENT;
    }
    snprintf(path, sizeof path, "%s/" WORKPLACE_MANIFEST, place->snapshot_folder);
    int r = json_read_text(path, PLAN_BYTES_MAX, &text, &size);
    if (r == 0)
        r = wire_decode_json(&tapeloop__v1__manifest__descriptor, text, size, PLAN_BYTES_MAX, &message, problem);
    if (r < 0) {
        snprintf(error, PLAN_ERROR_TEXT_MAX, "the manifest of snapshot %s cannot be read: %.256s", place->snapshot, problem[0] ? problem : strerror(-r));
        return r == -ENOMEM ? r : -EBADMSG;
    }
    digest_of(text, size, sha256);
    *ret = (Tapeloop__V1__Manifest *)message;
    return 0;
}

/* A segment on its way into the plan. */
struct found { const Tapeloop__V1__ManifestObject *object; struct segment_identity identity; };

static int compare_found(const void *a, const void *b)
{
    const struct segment_identity *x = &((const struct found *)a)->identity, *y = &((const struct found *)b)->identity;
    int order = strcmp(x->node, y->node);
    if (order != 0)
        return order;
    if (x->tape_id != y->tape_id)
        return x->tape_id < y->tape_id ? -1 : 1;
    if (x->lane != y->lane)
        return x->lane < y->lane ? -1 : 1;
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

static int add_input(Tapeloop__V1__DissectPlan *plan, const struct found *found)
{
    Tapeloop__V1__DissectInput *input = WIRE_NEW(Tapeloop__V1__DissectInput, tapeloop__v1__dissect_input__descriptor);
    if (!input)
        return -ENOMEM;
    input->bytes = found->object->bytes;
    int r = wire_set_string(&input->path, found->object->path);
    if (r == 0)
        r = wire_set_string(&input->segment_id, found->object->segment_id);
    if (r == 0)
        r = wire_set_string(&input->node, found->identity.node);
    if (r == 0)
        r = wire_append(&plan->n_inputs, &plan->inputs, input);
    if (r < 0)
        wire_free(input);
    return r;
}

static int add_node(Tapeloop__V1__DissectPlan *plan, const char *node)
{
    if (plan->n_nodes > 0 && strcmp(plan->nodes[plan->n_nodes - 1], node) == 0)
        return 0;
    char *copy = strdup(node);
    int r = copy ? wire_append(&plan->n_nodes, &plan->nodes, copy) : -ENOMEM;
    if (r < 0)
        free(copy);
    return r;
}

static uint32_t choose_groups(uint64_t bytes)
{
    uint32_t groups = 4;
    while (groups < PLAN_GROUPS_MAX && (uint64_t)groups * PLAN_GROUP_BYTES < bytes)
        groups *= 2;
    return groups;
}

/* Array elements grow one by one in wire_append; a plan has as many as a manifest. */
static int fill(Tapeloop__V1__DissectPlan *plan, const struct found *found, size_t count)
{
    uint64_t bytes = 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = add_input(plan, &found[i]);
        if (r == 0)
            r = add_node(plan, found[i].identity.node);
        bytes += found[i].object->bytes;
    }
    plan->groups = choose_groups(bytes);
    return r;
}

static int find_segments(const Tapeloop__V1__Manifest *manifest, struct found *found, size_t *ret_count, char *error)
{
    size_t count = 0;
    for (size_t i = 0; i < manifest->n_objects; i++) {
        const Tapeloop__V1__ManifestObject *object = manifest->objects[i];
        if (strcmp(object->kind, "segment") != 0)
            continue;
        if (segment_id_parse(object->segment_id, &found[count].identity) < 0 || strstr(object->path, "..") || object->path[0] == '/') {
            snprintf(error, PLAN_ERROR_TEXT_MAX, "the snapshot's manifest is damaged: its object number %zu is no proper segment", i);
            return -EBADMSG;
        }
        found[count++].object = object;
    }
    if (count == 0) {
        snprintf(error, PLAN_ERROR_TEXT_MAX, "the snapshot holds no segment: there is nothing to dissect");
        return -ENODATA;
    }
    if (count > 1)
        qsort(found, count, sizeof *found, compare_found);
    *ret_count = count;
    return 0;
}

int plan_make(const Tapeloop__V1__Manifest *manifest, const Tapeloop__V1__DissectRequest *request, Tapeloop__V1__DissectPlan **ret, char *error)
{
    wire_auto Tapeloop__V1__DissectPlan *plan = WIRE_NEW(Tapeloop__V1__DissectPlan, tapeloop__v1__dissect_plan__descriptor);
    mem_auto_free struct found *found = calloc(manifest->n_objects + 1, sizeof *found);
    size_t count = 0;
    snprintf(error, PLAN_ERROR_TEXT_MAX, "out of memory");
    if (!plan || !found)
        return -ENOMEM;
    int r = find_segments(manifest, found, &count, error);
    if (r == 0)
        r = fill(plan, found, count);
    if (r < 0)
        return r;
    plan->request = (Tapeloop__V1__DissectRequest *)wire_copy(&request->base);
    if (!plan->request)
        return -ENOMEM;
    if (units_parse_time(manifest->from, &plan->from_ns) < 0 || units_parse_time(manifest->to, &plan->to_ns) < 0)
        plan->from_ns = plan->to_ns = 0;
    *ret = mem_take(plan);
    return 0;
}

int plan_write(const struct workplace *place, const Tapeloop__V1__DissectPlan *plan)
{
    char path[WORKPLACE_PATH_MAX];
    mem_auto_free char *text = NULL;
    int r = wire_encode_pretty(&plan->base, &text);
    workplace_path(place, WORKPLACE_PLAN, path);
    return r < 0 ? r : json_write_text(path, text, strlen(text), 0644);
}

int plan_read(const struct workplace *place, Tapeloop__V1__DissectPlan **ret)
{
    char path[WORKPLACE_PATH_MAX], error[WIRE_ERROR_TEXT_MAX];
    mem_auto_free char *text = NULL;
    size_t size = 0;
    ProtobufCMessage *message = NULL;
    workplace_path(place, WORKPLACE_PLAN, path);
    int r = json_read_text(path, PLAN_BYTES_MAX, &text, &size);
    if (r == 0)
        r = wire_decode_json(&tapeloop__v1__dissect_plan__descriptor, text, size, PLAN_BYTES_MAX, &message, error);
    if (r < 0)
        return r;
    *ret = (Tapeloop__V1__DissectPlan *)message;
    return 0;
}

void plan_job_free(struct plan_job *job)
{
    if (!job)
        return;
    free(job->inputs);
    free(job->paths);
    free(job);
}
static void plan_job_free_p(struct plan_job **job) { plan_job_free(*job); }

/* The same lane's segment right before it, if it is there: its last fragments belong to this one's first. */
static uint32_t previous_of(const Tapeloop__V1__DissectPlan *plan, uint32_t number, struct segment_identity *before)
{
    struct segment_identity identity;
    uint32_t previous = UINT32_MAX;
    if (segment_id_parse(plan->inputs[number]->segment_id, &identity) < 0)
        memset(&identity, 0, sizeof identity);
    else if (number > 0 && strcmp(before->node, identity.node) == 0 && before->tape_id == identity.tape_id && before->lane == identity.lane && before->sequence + 1 == identity.sequence)
        previous = number - 1;
    *before = identity;
    return previous;
}

static int fill_inputs(const struct workplace *place, const Tapeloop__V1__DissectPlan *plan, struct plan_job *job)
{
    struct segment_identity before = { 0 };
    size_t room = 1, at = 0;
    uint32_t node = 0;
    for (size_t i = 0; i < plan->n_inputs; i++)
        room += strlen(place->snapshot_folder) + 1 + strlen(plan->inputs[i]->path) + 1;
    job->inputs = calloc(plan->n_inputs + 1, sizeof *job->inputs);
    job->paths = malloc(room);
    if (!job->inputs || !job->paths)
        return -ENOMEM;
    for (uint32_t i = 0; i < plan->n_inputs; i++) {
        const Tapeloop__V1__DissectInput *input = plan->inputs[i];
        while (node < plan->n_nodes && strcmp(plan->nodes[node], input->node) != 0)
            node++;
        if (node == plan->n_nodes)
            return -EBADMSG;
        char *path = job->paths + at;
        at += (size_t)snprintf(path, room - at, "%s/%s", place->snapshot_folder, input->path) + 1;
        job->inputs[i] = (struct stage_input){ .path = path, .segment_id = input->segment_id, .node = node, .bytes = input->bytes, .previous = previous_of(plan, i, &before) };
    }
    return 0;
}

int plan_job_open(const struct workplace *place, const Tapeloop__V1__DissectPlan *plan, const char *writer, struct plan_job **ret)
{
    MEM_CLEANUP(plan_job_free_p) struct plan_job *job = calloc(1, sizeof *job);
    enum redact_level redact = REDACT_ON;
    const Tapeloop__V1__DissectRequest *request = plan->request;
    if (!job)
        return -ENOMEM;
    if (!request || plan->groups == 0 || plan->groups > STAGE_SHARDS || STAGE_SHARDS % plan->groups != 0 || plan->n_inputs > UINT32_MAX - 1 ||
        dissect_request_redact(request->redact, &redact) < 0)
        return -EBADMSG;
    int r = fill_inputs(place, plan, job);
    if (r < 0)
        return r;
    snprintf(job->output, sizeof job->output, "%s/" WORKPLACE_RESULT "/" WORKPLACE_DATABASE, place->work);
    snprintf(job->writer, sizeof job->writer, "%s", writer);
    job->job = (struct stage_job){
        .snapshot_folder = place->snapshot_folder, .work_folder = place->work, .output_path = job->output, .writer = job->writer, .format = "sqlite",
        .inputs = job->inputs, .inputs_count = (uint32_t)plan->n_inputs, .nodes = (const char *const *)plan->nodes, .nodes_count = (uint32_t)plan->n_nodes,
        .from_ns = plan->from_ns, .to_ns = plan->to_ns, .protocols = (const char *const *)request->protocols, .protocols_count = (uint32_t)request->n_protocols,
        .where = request->where, .redact = redact,
        .limits = { .entries = request->limits ? request->limits->entries : 0, .body_bytes = request->limits ? request->limits->body_bytes : 0 },
    };
    *ret = mem_take(job);
    return 0;
}
