#include "services/dissector/jobs/coordinate.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "log/log.h"
#include "mem/cleanup.h"
#include "services/dissector/jobs/item.h"
#include "services/dissector/jobs/publish.h"
#include "units/units.h"

/* The items of one stage, as last seen. */
struct round {
    struct dissection *dissection;
    enum plan_stage stage;
    uint32_t count, first;          /* all before `first` are done */
    bool *done;
    uint32_t *attempts;             /* as last seen */
    struct publish_sums *sums;
    unsigned dealt;                 /* times */
    int64_t moved_ns;               /* when something was last seen to change */
    int64_t written_ns;             /* when the store was last seen to take what is written */
};

static int deal_item(const struct round *round, uint32_t number)
{
    struct dissection *dissection = round->dissection;
    Tapeloop__V1__DissectJob wish = TAPELOOP__V1__DISSECT_JOB__INIT;
    mem_auto_free void *data = NULL;
    size_t size = 0;
    char subject[BUS_SUBJECT_MAX], token[BUS_SUBJECT_MAX], id[BUS_SUBJECT_MAX];
    wish.snapshot = dissection->place.snapshot;
    wish.name = dissection->place.name;
    wish.request = dissection->lease.message.sequence;
    wish.stage = (char *)(uintptr_t)plan_stage_name(round->stage);
    wish.number = number;
    int r = wire_encode(&wish.base, WIRE_PROTOBUF, &data, &size);
    if (r < 0)
        return r;
    bus_node_token(dissection->place.snapshot, token);
    snprintf(subject, sizeof subject, "dissect.job.%.256s", token);
    snprintf(id, sizeof id, "%s-%" PRIu64 "-%s-%u-%u.%u", dissection->service->store_id, wish.request, wish.stage, number, claim_attempt(dissection->lease.claim), round->dealt);
    const struct bus_header type = { .name = "Content-Type", .value = "application/protobuf" };
    uint64_t sequence;
    return bus_publish_stream(dissection->service->bus, subject, data, size, &type, 1, id, BUS_ANY, &sequence, NULL);
}

static enum dissection_verdict deal(struct round *round)
{
    enum dissection_verdict verdict = DISSECTION_GOES_ON;
    for (uint32_t i = round->first; i < round->count && verdict == DISSECTION_GOES_ON; i++) {
        if (round->done[i])
            continue;
        int r = deal_item(round, i);
        lease_advance(&round->dissection->lease);
        verdict = r < 0 ? dissection_judge(round->dissection, r, "cannot deal out the work") : dissection_interrupted(round->dissection);
    }
    round->dealt++;
    round->moved_ns = units_now_mono_ns();
    return verdict;
}

/* Takes in what one item's file says. */
static enum dissection_verdict take_in(struct round *round, uint32_t number, bool *ret_running, unsigned *percents)
{
    struct dissection *dissection = round->dissection;
    wire_auto Tapeloop__V1__DissectItem *item = NULL;
    int r = item_read(&dissection->place, round->stage, number, &item);
    if (r == -ENOENT)
        return DISSECTION_GOES_ON;
    if (r < 0)
        return dissection_fail(dissection, DISSECTION_RETRY, "cannot read how far %s item %u is: %s", plan_stage_name(round->stage), number, strerror(-r));
    if (item->attempts != round->attempts[number]) {
        if (round->attempts[number] > 0 && item->attempts > round->attempts[number])
            atomic_fetch_add(&dissection->failures, item->attempts - round->attempts[number]);
        round->attempts[number] = item->attempts;
        round->moved_ns = round->written_ns = units_now_mono_ns();
    }
    if (item_is(item, ITEM_DEAD)) {
        const char *input = round->stage == PLAN_MAP ? dissection->plan->inputs[number]->segment_id : "";
        return dissection_fail(dissection, DISSECTION_FAILED, "%s item %u%s%.300s%s could not be done in %u attempt%s: %.500s", plan_stage_name(round->stage), number, *input ? " (segment " : "", input,
                               *input ? ")" : "", item->attempts, item->attempts == 1 ? "" : "s", item->error);
    }
    if (item_is(item, ITEM_DONE)) {
        round->done[number] = true;
        atomic_fetch_add(&dissection->items_done, 1);
        round->moved_ns = round->written_ns = units_now_mono_ns();
        if (publish_add(round->sums, round->stage, round->stage == PLAN_MAP ? dissection->plan->inputs[number]->segment_id : "", item) < 0)
            return dissection_fail(dissection, DISSECTION_RETRY, "out of memory");
        atomic_store(&dissection->packets, round->sums->packets);
        atomic_store(&dissection->entries, round->sums->reduced_entries);
    }
    *ret_running = item_is(item, ITEM_RUNNING);
    int percent = *ret_running ? item_told(&dissection->place, round->stage, number) : 0;
    *percents += percent > 0 ? (unsigned)percent : 0;
    return DISSECTION_GOES_ON;
}

static enum dissection_verdict look(struct round *round)
{
    struct dissection *dissection = round->dissection;
    enum dissection_verdict verdict = dissection_interrupted(dissection);
    unsigned running = 0, percents = 0;
    if (verdict == DISSECTION_GOES_ON && access(dissection->place.work, F_OK) < 0 && errno == ENOENT)
        return dissection_fail(dissection, DISSECTION_FAILED, "snapshot %s was deleted while it was dissected", dissection->place.snapshot);
    bool whole = round->first == 0 && round->dealt == 0; /* the first look finds all that an earlier attempt has done */
    for (uint32_t i = round->first, seen = 0; verdict == DISSECTION_GOES_ON && i < round->count && (whole || seen < COORDINATE_WINDOW); i++) {
        bool runs = false;
        if (round->done[i])
            continue;
        verdict = take_in(round, i, &runs, &percents);
        running += runs;
        seen++;
    }
    while (round->first < round->count && round->done[round->first])
        round->first++;
    atomic_store(&dissection->items_running, running);
    atomic_store(&dissection->percent, running ? percents / running : 0);
    if (running > 0)
        round->moved_ns = units_now_mono_ns(); /* the queue looks after those that stand still */
    lease_advance(&dissection->lease);
    return verdict;
}

static enum dissection_verdict store_judge(struct dissection *dissection, int r)
{
    const char *location = dissection->service->store->location;
    if (r == -EROFS)
        return dissection_fail(dissection, DISSECTION_FAILED, "the store %.300s is read-only: mount it writable, then ask again", location);
    if (r == -EACCES || r == -EPERM)
        return dissection_fail(dissection, DISSECTION_FAILED, "the store %.300s may not be written by the dissector's user: give it the right, then ask again", location);
    if (r == -ENOSPC || r == -EDQUOT)
        return dissection_fail(dissection, DISSECTION_FAILED, "the store %.300s is full: delete snapshots or dissections, or give it more room, then ask again", location);
    return dissection_fail(dissection, DISSECTION_RETRY, "cannot work in the store %.300s: %s", location, strerror(-r));
}

/* Workers that cannot write how far an item is have no other way to say so. */
static enum dissection_verdict prove_store(struct round *round)
{
    int r = workplace_probe(&round->dissection->place);
    round->written_ns = units_now_mono_ns();
    return r == -ENOSPC || r == -EDQUOT || r == -EROFS ? store_judge(round->dissection, r) : DISSECTION_GOES_ON; /* what may pass by itself, passes */
}

static enum dissection_verdict run_round(struct round *round)
{
    enum dissection_verdict verdict = look(round);
    if (verdict == DISSECTION_GOES_ON && round->first < round->count)
        verdict = deal(round);
    while (verdict == DISSECTION_GOES_ON && round->first < round->count) {
        usleep(COORDINATE_LOOK_MS * 1000);
        verdict = look(round);
        if (verdict == DISSECTION_GOES_ON && round->first < round->count && units_now_mono_ns() - round->moved_ns > COORDINATE_QUIET_NS)
            verdict = deal(round);
        if (verdict == DISSECTION_GOES_ON && units_now_mono_ns() - round->written_ns > COORDINATE_PROVE_NS)
            verdict = prove_store(round);
    }
    return verdict;
}

static enum dissection_verdict run_stage(struct dissection *dissection, enum plan_stage stage, struct publish_sums *sums)
{
    uint32_t count = plan_items(dissection->plan, stage);
    mem_auto_free bool *done = calloc(count, sizeof *done);
    mem_auto_free uint32_t *attempts = calloc(count, sizeof *attempts);
    if (!done || !attempts)
        return dissection_fail(dissection, DISSECTION_RETRY, "out of memory");
    struct round round = { .dissection = dissection, .stage = stage, .count = count, .done = done, .attempts = attempts, .sums = sums, .moved_ns = units_now_mono_ns(), .written_ns = units_now_mono_ns() };
    atomic_store(&dissection->stage, stage == PLAN_MAP ? DISSECTION_MAPPING : stage == PLAN_REDUCE ? DISSECTION_REDUCING : DISSECTION_FINALISING);
    return run_round(&round);
}

/* The ticker reads the names while this goes on: only the folders are written. */
static int find_place(const struct store *store, struct workplace *place)
{
    struct workplace found;
    int r = workplace_find(store, place->snapshot, place->name, place->sequence, true, &found);
    if (r < 0)
        return r;
    memcpy(place->snapshot_folder, found.snapshot_folder, sizeof place->snapshot_folder);
    memcpy(place->annex, found.annex, sizeof place->annex);
    memcpy(place->work, found.work, sizeof place->work);
    memcpy(place->published, found.published, sizeof place->published);
    return 0;
}

/* The plan of an earlier attempt stands: what was done by it counts. */
static enum dissection_verdict make_place(struct dissection *dissection)
{
    struct workplace *place = &dissection->place;
    wire_auto Tapeloop__V1__DissectPlan *before = NULL;
    int r = find_place(dissection->service->store, place);
    if (r == 0 && workplace_is_published(place))
        return publish_adopt(dissection);
    if (r == 0)
        r = workplace_make(place);
    if (r == 0)
        r = plan_read(place, &before);
    if (r == 0) {
        wire_free(dissection->plan);
        dissection->plan = mem_take(before);
    } else if (r == -ENOENT) {
        r = plan_write(place, dissection->plan);
    }
    return r < 0 ? store_judge(dissection, r) : DISSECTION_GOES_ON;
}

enum dissection_verdict coordinate(struct dissection *dissection)
{
    MEM_CLEANUP(publish_sums_free) struct publish_sums sums = { 0 };
    enum dissection_verdict verdict = make_place(dissection);
    if (verdict == DISSECTION_GOES_ON)
        atomic_store(&dissection->items_total, plan_items(dissection->plan, PLAN_MAP) + plan_items(dissection->plan, PLAN_REDUCE) + 1);
    for (int stage = PLAN_MAP; stage < PLAN_STAGES && verdict == DISSECTION_GOES_ON; stage++)
        verdict = run_stage(dissection, (enum plan_stage)stage, &sums);
    if (verdict == DISSECTION_GOES_ON) {
        atomic_store(&dissection->stage, DISSECTION_PUBLISHING);
        int r = publish(dissection, &sums, &verdict);
        if (r < 0)
            verdict = store_judge(dissection, r);
    }
    if (verdict == DISSECTION_READY || verdict == DISSECTION_FAILED) /* nobody needs it any more; items that still come are dropped */
        (void)workplace_clear(&dissection->place);
    return verdict;
}
