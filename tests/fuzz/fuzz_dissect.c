/* What dissectors read of a dissection: a request of the bus; the manifest, the plan and the items of the work folder; a job; and a snapshot's folder that the command line names. Refused, or what is made of it holds together.
 * The first byte chooses. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "mem/cleanup.h"
#include "services/dissector/input/plan.h"
#include "services/dissector/jobs/plan.h"
#include "services/dissector/jobs/publish.h"
#include "services/dissector/jobs/request.h"

static const struct workplace place = { .snapshot = "a", .name = "default", .key = "a/default", .snapshot_folder = "/store/a", .annex = "/store/a.annex", .work = "/store/a.annex/.default.1", .published = "/store/a.annex/default" };

static ProtobufCMessage *decode(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size)
{
    char error[WIRE_ERROR_TEXT_MAX] = "";
    ProtobufCMessage *message = NULL;
    return wire_decode(type, data, size, NULL, &message, NULL, error) < 0 ? NULL : message;
}

/* Completed once, it is complete, and asks for the same. */
static void read_request(const uint8_t *data, size_t size)
{
    char error[REQUEST_ERROR_TEXT_MAX] = "", snapshot[STORE_NAME_MAX + 1], name[STORE_NAME_MAX + 1];
    char first[DIGEST_TEXT_MAX], again[DIGEST_TEXT_MAX];
    dissect_request_guess(data, size, snapshot, name, sizeof name);
    wire_auto ProtobufCMessage *message = decode(&tapeloop__v1__dissect_request__descriptor, data, size);
    Tapeloop__V1__DissectRequest *request = (Tapeloop__V1__DissectRequest *)message;
    if (!request)
        return;
    if (dissect_request_complete(request, error) < 0) {
        if (error[0] == '\0')
            abort();
        return;
    }
    dissect_request_digest(request, "0", first);
    if (dissect_request_complete(request, error) < 0)
        abort();
    dissect_request_digest(request, "0", again);
    if (strcmp(first, again) != 0 || request->name[0] == '\0' || request->redact[0] == '\0')
        abort();
}

/* made: by plan_make, which makes none that plan_job_open refuses. */
static void open_plan(const Tapeloop__V1__DissectPlan *plan, bool made)
{
    struct plan_job *job = NULL;
    if (plan_job_open(&place, plan, "w", &job) < 0) {
        if (made)
            abort();
        return;
    }
    if (job->job.inputs_count != plan_items(plan, PLAN_MAP) || plan_items(plan, PLAN_REDUCE) * plan_group_shards(plan) != STAGE_SHARDS)
        abort();
    for (uint32_t i = 0; i < job->job.inputs_count; i++) {
        const struct stage_input *input = &job->job.inputs[i];
        if (strncmp(input->path, "/store/a/", 9) != 0 || input->node >= job->job.nodes_count || (input->previous != UINT32_MAX && input->previous + 1 != i))
            abort();
    }
    plan_job_free(job);
}

static void read_plan(const uint8_t *data, size_t size)
{
    wire_auto ProtobufCMessage *plan = decode(&tapeloop__v1__dissect_plan__descriptor, data, size);
    if (plan)
        open_plan((const Tapeloop__V1__DissectPlan *)plan, false);
}

static void read_manifest(const uint8_t *data, size_t size)
{
    char error[PLAN_ERROR_TEXT_MAX] = "";
    Tapeloop__V1__DissectRequest request = TAPELOOP__V1__DISSECT_REQUEST__INIT;
    wire_auto Tapeloop__V1__DissectPlan *plan = NULL;
    wire_auto ProtobufCMessage *manifest = decode(&tapeloop__v1__manifest__descriptor, data, size);
    if (!manifest)
        return;
    if (plan_make((const Tapeloop__V1__Manifest *)manifest, &request, &plan, error) == 0)
        open_plan(plan, true);
    else if (error[0] == '\0')
        abort();
}

static void read_item(const uint8_t *data, size_t size)
{
    struct publish_sums sums = { 0 };
    wire_auto ProtobufCMessage *item = decode(&tapeloop__v1__dissect_item__descriptor, data, size);
    for (unsigned i = 0; item && i < 4; i++)
        for (enum plan_stage stage = 0; stage < PLAN_STAGES; stage++)
            if (publish_add(&sums, stage, "node/1/0/1", (const Tapeloop__V1__DissectItem *)item) < 0 || sums.counters_count > PUBLISH_COUNTERS_MAX)
                abort();
    if (strnlen(sums.reason, sizeof sums.reason) == sizeof sums.reason || strnlen(sums.digest, sizeof sums.digest) == sizeof sums.digest)
        abort();
    publish_sums_free(&sums);
}

static void read_job(const uint8_t *data, size_t size)
{
    enum plan_stage stage;
    wire_auto ProtobufCMessage *message = decode(&tapeloop__v1__dissect_job__descriptor, data, size);
    const Tapeloop__V1__DissectJob *job = (const Tapeloop__V1__DissectJob *)message;
    if (job && plan_stage_parse(job->stage, &stage) == 0 && strcmp(plan_stage_name(stage), job->stage) != 0)
        abort();
}

static char folder[64], manifest_path[96];

static void remove_folder(void)
{
    (void)unlink(manifest_path);
    (void)rmdir(folder);
}

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/fuzz_dissect.XXXXXX");
    if (!mkdtemp(folder) || atexit(remove_folder) != 0)
        abort();
    snprintf(manifest_path, sizeof manifest_path, "%s/manifest.json", folder);
}

/* A snapshot by the command line: every input lies in the folder. */
static void read_folder(const uint8_t *data, size_t size)
{
    char error[INPUT_ERROR_TEXT_MAX] = "";
    __attribute__((cleanup(input_plan_free_p))) struct input_plan *plan = NULL;
    if (!folder[0])
        make_folder();
    FILE *f = fopen(manifest_path, "we");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0)
        abort();
    const char *names[] = { folder };
    if (input_plan_new(names, 1, &plan, error) < 0) {
        if (error[0] == '\0')
            abort();
        return;
    }
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct input *input = &plan->inputs[i];
        if (strncmp(input->path, folder, strlen(folder)) != 0 || strstr(input->path, "/../") || input->node >= plan->nodes_count || (input->previous != INPUT_NONE && input->previous + 1 != i))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(const uint8_t *, size_t) = { read_request, read_plan, read_manifest, read_item, read_job, read_folder };
    if (size > 0)
        readers[data[0] % (sizeof readers / sizeof *readers)](data + 1, size - 1);
    return 0;
}
