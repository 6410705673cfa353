#!/bin/bash
# The box: three times storageSize of traffic, a pin and a transfer in the middle, and a watcher that sums all files of the tape every 10 ms, by length and by blocks on disk, unlinked open ones too: never
# above the box; the oldest went first, what is left is the newest, and the tape does use the room it has.
. "$(dirname "$0")/lib.sh"
start_test
box=$((128 * 1024 * 1024))
nats_start
streams_apply
capturer_start 128Mi
snapshotter_start
"$TOOLS/box_watch" --most $box --pid "${PID_OF[capturer]}" "$DATA/tape" >"$WORK/watch" &
watcher=$!
PIDS+=("$watcher")
# 3 boxes in bytes at about 1370 on the tape per packet.
count=$((3 * box / 1300))
send_start --rate 40000 --count $count
sleep 4
snapshot_create middle --last 1s
middle=$(jq -r .packets "$(snapshot_folder middle)/manifest.json")
at_least "$middle" 10000 "packets of a second in the middle"
wait_for 60 "the sender" grep -q sent "$WORK/traffic.out"
send_stop
settle
end_ns=$(now_ns)
kill -TERM $watcher
code=0; wait $watcher || code=$?
watched=$(cat "$WORK/watch")
say "$watched of $box"
equal $code 0 "verdict of the watcher ($watched)"
at_least "$(jq .looks <<<"$watched")" 100 "looks at the box"
at_least "$(jq .most_blocks <<<"$watched")" $((box / 2)) "most bytes that the tape ever used"
written=$(jq -r .bytes <<<"$SENT_LINE")
at_least "$written" $((3 * box)) "bytes sent"
# First in, first out: the segments left are consecutive, and the newest packet is on the last one.
mapfile -t left < <(sealed_segments)
at_least ${#left[@]} 8 "sealed segments left"
numbers=$(printf '%s\n' "${left[@]##*/}" | sed 's/^0-//; s/\..*//')
equal "$(($(tail -n 1 <<<"$numbers") - $(head -n 1 <<<"$numbers") + 1))" "${#left[@]}" "consecutive segments left"
[ "$(head -n 1 <<<"$numbers")" -gt 1 ] || fail "nothing was recycled"
EXPECT=3 snapshot_create newest --last 1m # partial: the beginning has been recycled
snapshot_export newest --output "$WORK/newest.pcapng"
kept=$("$TOOLS/traffic_check" --count "$SENT" "$WORK/newest.pcapng" 2>/dev/null || true)
equal "$(jq '.duplicate + .corrupt + .disorder + .foreign + .cut' <<<"$kept")" 0 "faults in what is left ($kept)"
equal "$(($(jq .packets <<<"$kept") + $(jq .missing <<<"$kept")))" "$SENT" "packets left and gone"
[ $((end_ns - $(jq .last_ns <<<"$kept"))) -lt 20000000000 ] || fail "the newest packets are not on the tape: $kept"
must_end_well snapshotter
must_end_well capturer
no_sanitizer_report
say passed
