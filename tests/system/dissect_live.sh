#!/bin/bash
# The live tape: off by default; switched on and off while everything runs; its entries are those that the files give; pages, one call whole, --follow; bounded; raw capture does not notice.
. "$(dirname "$0")/lib.sh"
start_test
plain() { in_net "$ROOT/tests/system/plain_nats.bash" "$@"; }
switch_stopped() { printf '%s' "$1" | plain publish '$KV.settings.tap.capture.stopped'; }
state_is() { [ "$(tl status --json | jq -r '.live[0].state')" = "$1" ]; }
live_count() { # EXPRESSION: over all pages
    local cursor='' next total=0
    for _ in {1..200}; do
        tl calls "$1" --live --fields id --limit 5000 --cursor "$cursor" --json >"$WORK/live.page" || return 1
        total=$((total + $(jq '.calls | length' "$WORK/live.page")))
        next=$(jq -r .cursor "$WORK/live.page")
        [ "$next" != "$cursor" ] && [ "$(jq '.calls | length' "$WORK/live.page")" -gt 0 ] || break
        cursor=$next
    done
    echo $total
}
nats_start
streams_apply
capturer_start 128Mi --segment-age 1s
snapshotter_start
dissector_start first --tape "$DATA/tape" --node "$NODE" --live-data "$DATA/live" --live-size 64Mi --live-cpu 100
wait_for 10 "a dissector that says it is stopped" state_is stopped
send_calls mixed 500 21
settle 3
[ -z "$(ls "$DATA/live")" ] || fail "live databases were made while tap.capture.stopped is true"

switch_stopped false
wait_for 10 "the switch" state_is dissecting
settle 2.5 # what was open when it was switched on is sealed, and not of the live tape
began=$(now_rfc3339)
start follow "$BIN/tapeloop" calls http --live --follow --json
send_calls mixed "$(quick_or_full 3000 20000)" 22
caught_up() { [ "$(live_count "http && timestamp >= timestamp(\"$began\")")" -ge 100 ]; }
wait_for 30 "live calls" caught_up
wait_for 30 "calls that were followed" test -s "$WORK/follow.out"
jq -e -s 'length > 0 and all(.[]; .protocol == "HTTP")' "$WORK/follow.out" >/dev/null || fail "what was followed is no calls"
end follow

# Switched off, everything open comes out: now the rows are as many as the files give.
settle 3
switch_stopped true
wait_for 10 "the switch back" state_is stopped
settle 2
in_net "$BIN/dissector" --input "$DATA/tape" --output "$WORK/files.ndjson" 2>"$WORK/files.err" || { cat "$WORK/files.err" >&2; fail "dissector --input"; }
for protocol in HTTP DNS; do
    files=$(jq -c --arg began "$began" --arg protocol "$protocol" 'select(.protocol == $protocol and .timestamp >= $began)' "$WORK/files.ndjson" | wc -l)
    equal "$(live_count "protocol == \"$protocol\" && timestamp >= timestamp(\"$began\")")" "$files" "live $protocol entries"
    at_least "$files" 100 "$protocol entries"
done
# Groups count over all live databases.
at_least "$(ls "$DATA/live" | wc -l)" 2 "live databases"
tl calls "timestamp >= timestamp(\"$began\")" --live --group-by protocol --json | jq -c '[.calls[] | select(.protocol == "HTTP" or .protocol == "DNS") | {(.protocol): .count}] | add' >"$WORK/live.groups"
jq -s -c --arg began "$began" 'map(select((.protocol == "HTTP" or .protocol == "DNS") and .timestamp >= $began)) | group_by(.protocol) | map({(.[0].protocol): length}) | add' "$WORK/files.ndjson" >"$WORK/files.groups"
jq -e --slurpfile files "$WORK/files.groups" '. == $files[0]' "$WORK/live.groups" >/dev/null || fail "live groups $(cat "$WORK/live.groups"), of the files $(cat "$WORK/files.groups")"
tl calls --live --group-by conn_id >"$WORK/out" 2>"$WORK/err" && fail "connections of several live databases were counted as one"
grep -q conn_id "$WORK/err" || fail "the refusal does not say what cannot be grouped by: $(cat "$WORK/err")"

id=$(tl calls http --live --fields id --limit 1 --json | jq -r '.calls[0].id')
tl call "$id" --live --json | jq -e --argjson id "$id" '.id == $id and .protocol == "HTTP"' >/dev/null || fail "call $id of the live tape"
tl calls http --live --node elsewhere >"$WORK/out" 2>"$WORK/err" && fail "a node that is not there answered"
grep -q elsewhere "$WORK/err" || fail "the refusal does not name the node"
equal "$(tl nodes --json | jq '[.nodes[].ledger | ((.droppedKernelPackets // "0") | tonumber) + ((.droppedDiskPackets // "0") | tonumber)] | add')" 0 "packets that raw capture lost"
at_most "$(du -sb "$DATA/live" | cut -f1)" $((64 << 20)) "bytes of the live databases"
equal "$(tl status --json | jq -r '.live[0].recycled // "0"')" 0 "segments recycled before they were read"

# A segment whose bytes are not those that its index knows: what can be read is, and that it was not whole is told and counted.
damaged=$(sealed_segments | tail -n 1)
mkdir -p "$WORK/other/segments"
dissector_start other --tape "$WORK/other" --node other --live-data "$WORK/other.live" --live-cpu 100
switch_stopped false
of_other() { tl status --json | jq -r ".live[] | select(.node == \"other\") | .$1 // \"0\""; }
other_is() { [ "$(of_other "$1")" = "$2" ]; }
wait_for 10 "the other one's switch" other_is state dissecting
settle 1 # its first look at the empty tape
cp "$damaged" "$WORK/damaged"
printf '\x55\xaa\x55' | dd of="$WORK/damaged" bs=1 seek=$(($(stat -c %s "$damaged") / 2)) conv=notrunc status=none
cp "$damaged.idx" "$WORK/other/segments/"
mv "$WORK/damaged" "$WORK/other/segments/$(basename "$damaged")"
wait_for 20 "the damaged segment" other_is segments 1
wait_for 5 "its damage in the status" other_is failed 1
grep -q 'is damaged' "$WORK/other.err" || fail "the damage is not told: $(cat "$WORK/other.err")"
must_end_well other
must_end_well first
no_sanitizer_report
say "passed: $(ls "$DATA/live" | wc -l) live databases"
