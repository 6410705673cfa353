#!/bin/bash
# An item that cannot be done fails its dissection after five attempts, with a sentence that names the segment, and is kept among the dead letters; other work goes on meanwhile.
. "$(dirname "$0")/lib.sh"
start_test
plain() { in_net "$ROOT/tests/system/plain_nats.bash" "$@"; }
nats_start
streams_apply
capturer_start 128Mi
snapshotter_start
send_calls mixed 4000 3
settle
EXPECT=3 snapshot_create sound --last 60s # the tape does not reach back that far
EXPECT=3 snapshot_create poisoned --last 60s # the tape does not reach back that far
segment=$(find "$(snapshot_folder poisoned)" -name '*.lz4' | sort | head -n 1)
rm -f "$segment"
plain watch 100 120 dead.dissect.job >"$WORK/dead" 2>/dev/null &
PIDS+=($!)
wait_for 10 "the subscription" grep -q subscribed "$WORK/dead"
dissector_start first
tl dissect poisoned >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; fail "the request was not taken"; }
tl dissect sound --wait >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; fail "other work was held up"; }
failed() { tl dissection show poisoned --json | jq -e '.dissection.state == "failed"'; }
wait_for 60 "the end of the poisoned one" failed
tl dissection show poisoned --json | jq -r .dissection.reason >"$WORK/reason"
grep -q "5 attempts" "$WORK/reason" || fail "the reason does not count the attempts: $(cat "$WORK/reason")"
grep -q "segment $NODE/" "$WORK/reason" || fail "the reason does not name the segment: $(cat "$WORK/reason")"
grep -q dead.dissect.job "$WORK/dead" || fail "there is no dead letter"
[ -z "$(find "$DATA/snapshots/.dissections" -mindepth 2 -maxdepth 2 -name '.*')" ] || fail "work folders were left"
must_end_well first
no_sanitizer_report
say "passed: $(cat "$WORK/reason")"
