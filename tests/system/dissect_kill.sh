#!/bin/bash
# kill -9 of a dissector in the middle of a dissection changes nothing: what it had in hand is done by whoever is there, and the rows are the same; also where the killed one saw the whole through, and where it
# was the bus that died.
. "$(dirname "$0")/lib.sh"
start_test
nats_start
streams_apply
capturer_start 128Mi
snapshotter_start
send_calls mixed "$(quick_or_full 20000 60000)" 11
settle
EXPECT=3 snapshot_create shop --last 60s # the tape does not reach back that far
dissector_start first
tl dissect shop --name reference --wait >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; fail "the reference"; }
reference=$(digest_of shop reference)
entries=$(tl dissection show shop --name reference --json | jq -r .dissection.entries)

item_of() { find "$DATA/snapshots/.dissections/shop" -path "*/.$1.*" -name '*-[0-9]*.json' | head -n 1; }
has_item() { [ -n "$(item_of "$1")" ]; }
is_ready_dissection() { tl dissection show shop --name "$1" --json | jq -e '.dissection.state == "ready"'; }
round=0
for pause in $(quick_or_full "0 0.2" "0 0.05 0.1 0.2 0.4 0.8"); do
    round=$((round + 1))
    name=killed-$round
    tl dissect shop --name "$name" >"$WORK/out" 2>&1 &
    asker=$!
    wait_for 20 "the first item of $name" has_item "$name"
    sleep "$pause"
    # The shell tells of every process that a signal ended: not here, where that was the aim.
    { kill -KILL "${PID_OF[first]}"; wait "${PID_OF[first]}" || true; } 2>/dev/null
    wait $asker || true
    if [ $((round % 2)) = 1 ]; then dissector_start first; else dissector_start "other-$round"; fi
    # Queue and claim wait for the dead one first.
    wait_for 120 "the end of $name" is_ready_dissection "$name"
    equal "$(digest_of shop "$name")" "$reference" "digest after kill number $round"
    equal "$(tl dissection show shop --name "$name" --json | jq -r .dissection.entries)" "$entries" "entries after kill number $round"
    [ $((round % 2)) = 1 ] || dissector_start first
done

# One of two, while the other one sees it through.
tl dissect shop --name shared >"$WORK/out" 2>&1 &
asker=$!
wait_for 20 "the first item of the shared one" has_item shared
{ kill -KILL "${PID_OF[first]}"; wait "${PID_OF[first]}" || true; } 2>/dev/null
wait $asker || true
wait_for 120 "the end of the shared one" is_ready_dissection shared
equal "$(digest_of shop shared)" "$reference" "digest where one of several was killed"
# The bus itself.
dissector_start first
tl dissect shop --name busless >"$WORK/out" 2>&1 &
asker=$!
wait_for 20 "the first item of the one without a bus" has_item busless
{ kill -KILL "${PID_OF[nats]}"; wait "${PID_OF[nats]}" || true; } 2>/dev/null
wait $asker || true
sleep 2
nats_start
wait_for 120 "the end of the one without a bus" is_ready_dissection busless
equal "$(digest_of shop busless)" "$reference" "digest where the bus was killed"
clean() { [ -z "$(find "$DATA/snapshots/.dissections/shop" -mindepth 1 -maxdepth 1 -name '.*')" ]; }
wait_for 90 "no work folder is left" clean
no_sanitizer_report
say "passed: $((round + 2)) kills, $entries entries each, digest $reference"
