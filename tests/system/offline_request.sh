#!/bin/bash
# Requests: published while no snapshotter runs and done when one comes up, meaning the time of asking; the same name twice; the same name for something else; bad requests, each with a sentence; two
# snapshotters sharing the work; a full store.
. "$(dirname "$0")/lib.sh"
start_test
plain() { in_net "$ROOT/tests/system/plain_nats.bash" "$@"; }
publish() { printf '%s' "$1" | plain publish snapshot.request; }
nats_start
streams_apply
capturer_start 256Mi
plain watch 100000 600 'snapshot.accepted' 'snapshot.ready' 'snapshot.failed' 'snapshot.deleted' >"$WORK/events" 2>/dev/null &
PIDS+=($!)
wait_for 10 "the subscription" grep -q subscribed "$WORK/events"
# event SUBJECT NAME: its payload, newest first seen; events_of counts.
events_of() { awk -F'\t' -v s="$1" '$1 == s { print $3 }' "$WORK/events" | jq -c --arg n "$2" 'select(.name == $n)'; }
ids_of() { awk -F'\t' -v s="$1" '$1 == s { print $2 "\t" $3 }' "$WORK/events" | grep -F "\"name\":\"$2\"" | grep -o 'ce-id: [^|]*'; }
has_event() { [ "$(events_of "$1" "$2" | wc -l)" -ge "${3:-1}" ]; }

# While nobody is there. `last` means the seconds before it was asked, not before it was done.
send --rate 10000 --count 20000
settle 1
publish '{"name":"offline","last":"10s"}'
sleep 4
send --rate 10000 --count 5000 --start 20000
has_event snapshot.ready offline && fail "somebody did it though no snapshotter runs"
snapshotter_start first
wait_for 20 "the request made while nobody was there" has_event snapshot.ready offline
equal "$(events_of snapshot.ready offline | jq -r .packets)" 20000 "packets of the seconds before the asking"
snapshot_export offline --output "$WORK/offline.pcapng"
check_traffic "$WORK/offline.pcapng" --count 20000

# The same again is the same snapshot, the same event once more; for something else the name is taken.
window="\"from\":\"$(rfc3339 $(($(date +%s) - 30)))\",\"to\":\"$(rfc3339 "$(date +%s)")\""
publish "{\"name\":\"twice\",$window}"
wait_for 20 "the first of two" has_event snapshot.ready twice
manifest=$(sha256sum "$(snapshot_folder twice)/manifest.json")
publish "{\"name\":\"twice\",$window}"
wait_for 20 "the second of two" has_event snapshot.ready twice 2
equal "$(ids_of snapshot.ready twice | sort -u | wc -l)" 1 "different ce-ids of one snapshot"
equal "$(sha256sum "$(snapshot_folder twice)/manifest.json")" "$manifest" "manifest after the second request"
equal "$(tl snapshot list --json | jq '[.snapshots[] | select(.name == "twice")] | length')" 1 "snapshots of that name"
publish '{"name":"twice","last":"1s"}'
wait_for 20 "the refusal of a name that is taken" has_event snapshot.failed twice
events_of snapshot.failed twice | jq -e '.reason | test("taken|exists|another|other")' >/dev/null || fail "the refusal does not say why: $(events_of snapshot.failed twice)"
equal "$(sha256sum "$(snapshot_folder twice)/manifest.json")" "$manifest" "manifest after the refused request"

# Bad requests: failed, with a sentence; the worker lives on.
bad=(
    'no time|{"name":"bad-1"}'
    'both|{"name":"bad-2","last":"5s","from":"2020-01-01T00:00:00Z"}'
    'end before begin|{"name":"bad-3","from":"2020-01-02T00:00:00Z","to":"2020-01-01T00:00:00Z"}'
    'no time at all|{"name":"bad-4","from":"yesterday"}'
    'not a duration|{"name":"bad-5","last":"soon"}'
    'nothing recorded then|{"name":"bad-6","from":"2020-01-01T00:00:00Z","to":"2020-01-01T00:00:01Z"}'
    'no such node|{"name":"bad-7","last":"5s","nodes":["nowhere"],"complete":true}'
    'path|{"name":"../bad","last":"5s"}'
    'slash|{"name":"a/b","last":"5s"}'
    'dots|{"name":"..","last":"5s"}'
    'unknown word|{"name":"bad-8","last":"5s","colour":"red"}'
)
for row in "${bad[@]}"; do
    name=$(jq -r .name <<<"${row#*|}")
    publish "${row#*|}"
    wait_for 20 "snapshot.failed for: $row" has_event snapshot.failed "$name"
    reason=$(events_of snapshot.failed "$name" | head -n 1 | jq -r '.reason // ""')
    [ ${#reason} -ge 20 ] && [[ $reason == *' '* ]] || fail "no sentence for: $row: '$reason'"
    say "${row%%|*}: $reason"
done
# Not even JSON, nothing at all, and too long: no name can be told, and the queue goes on.
failed_before=$(grep -c '^snapshot.failed' "$WORK/events")
publish '{"name":'
publish 'hello'
wait_for 20 "snapshot.failed for what is no JSON" eval '[ "$(grep -c "^snapshot.failed" "$WORK/events")" -ge '$((failed_before + 2))' ]'
publish '{"name":"after","last":"60s"}'
wait_for 20 "a good request after the bad ones" has_event snapshot.ready after

# A window that ends in the future is waited for.
publish "{\"name\":\"future\",\"from\":\"$(now_rfc3339)\",\"to\":\"$(rfc3339 $(($(date +%s) + 4)))\"}"
send --rate 5000 --count 10000 --start 25000
has_event snapshot.ready future && fail "a window was closed before its end"
wait_for 20 "a window that ended in the future" has_event snapshot.ready future
equal "$(events_of snapshot.ready future | jq -r .packets)" 10000 "packets of a window that ended in the future"

# Two share the work: each of eight is done once, and both did some.
snapshotter_start second
for i in 1 2 3 4 5 6 7 8; do publish "{\"name\":\"shared-$i\",\"last\":\"90s\"}"; done
for i in 1 2 3 4 5 6 7 8; do wait_for 30 "shared-$i" has_event snapshot.ready shared-$i; done
for i in 1 2 3 4 5 6 7 8; do
    equal "$(ids_of snapshot.ready shared-$i | sort -u | wc -l)" 1 "ce-ids of shared-$i"
    tl snapshot verify shared-$i >/dev/null || fail "shared-$i does not verify"
done
# One of them killed with work at hand: the other does it.
for i in 1 2 3 4; do publish "{\"name\":\"left-$i\",\"last\":\"120s\"}"; done
end first KILL
for i in 1 2 3 4; do wait_for 90 "left-$i" has_event snapshot.ready left-$i; done

# Delete, and the name can be used again.
tl snapshot delete offline >"$WORK/delete.out" 2>&1 || { cat "$WORK/delete.out" >&2; fail "snapshot delete"; }
wait_for 10 "snapshot.deleted" has_event snapshot.deleted offline
must_fail "show of a deleted snapshot" tl snapshot show offline
[ -z "$(find "$DATA/snapshots" -name offline)" ] || fail "a deleted snapshot left a folder"
publish '{"name":"offline","last":"5m"}'
wait_for 20 "a snapshot under a name that was deleted" has_event snapshot.ready offline 2
must_end_well second

# A store without room: failed with a sentence, and nothing left behind.
mkdir "$WORK/small"
mount -t tmpfs -o size=3m tmpfs "$WORK/small"
MOUNTS+=("$WORK/small")
DATA_KEPT=$DATA DATA=$WORK/small
start small "$BIN/snapshotter" --store "$WORK/small" --listen 127.0.0.1:0
sleep 1
if alive "${PID_OF[small]}"; then
    publish '{"name":"no-room","last":"5m"}'
    wait_for 60 "snapshot.failed for a full store" has_event snapshot.failed no-room
    reason=$(events_of snapshot.failed no-room | head -n 1 | jq -r .reason)
    [[ $reason == *[Ss]pace* || $reason == *room* || $reason == *full* ]] || fail "the sentence does not speak of room: $reason"
    say "full store: $reason"
    [ -z "$(find "$WORK/small" -path "*/.work/*" -type f -not -name "*.lock")" ] || fail "debris in a full store: $(find "$WORK/small" -path "*/.work/*")"
    must_end_well small
else
    # A second store for the same bucket is refused (its id differs): then the full store is shown with a bus of its own.
    grep -qi 'store' "$WORK/small.err" || { cat "$WORK/small.err" >&2; fail "the snapshotter on another store ended without a word"; }
    say "another store is refused: $(tail -n 1 "$WORK/small.err")"
    must_end_well capturer
    end nats
    rm -rf "$WORK/nats"
    nats_start
    streams_apply
    DATA=$DATA_KEPT capturer_start 256Mi
    send --rate 10000 --count 20000 --start 40000
    settle
    start small "$BIN/snapshotter" --store "$WORK/small" --listen 127.0.0.1:0
    wait_ready small
    plain watch 1 60 snapshot.failed >"$WORK/full" &
    watcher=$!
    wait_for 10 "the subscription" grep -q subscribed "$WORK/full"
    publish '{"name":"no-room","last":"1m"}'
    wait $watcher || fail "no snapshot.failed from a full store"
    reason=$(sed -n 2p "$WORK/full" | cut -f3 | jq -r .reason)
    [[ $reason == *[Ss]pace* || $reason == *room* || $reason == *full* ]] || fail "the sentence does not speak of room: $reason"
    say "full store: $reason"
    [ -z "$(find "$WORK/small" -path "*/.work/*" -type f -not -name "*.lock")" ] || fail "debris in a full store: $(find "$WORK/small" -path "*/.work/*")"
    must_end_well small
fi
must_end_well capturer
no_sanitizer_report
say passed
