#!/bin/bash
# No silent loss: a capturer with a small ring is stopped for two seconds under traffic. What the kernel then threw away is counted, to the packet: sent = written + dropped, in the snapshot's manifest, in
# epb_dropcount beside the place, and in the node's heartbeat; the manifest has the gap, and the snapshot is partial. While it stood still the node was not shown as recording.
. "$(dirname "$0")/lib.sh"
start_test
nats_start
streams_apply
capturer_start 512Mi --ring-size 4Mi
snapshotter_start
recording() { [ "$(tl nodes --json | jq -r '.nodes[0].recording')" = "$1" ]; }
wait_for 10 "the node to be shown as recording" recording true
from=$(now_rfc3339)
send_start --rate 30000
sleep 1
kill -STOP "${PID_OF[capturer]}"
sleep 2
kill -CONT "${PID_OF[capturer]}"
sleep 1
send_stop
settle
to=$(now_rfc3339)
EXPECT=3 snapshot_create gap --from "$from" --to "$to"
manifest=$(snapshot_folder gap)/manifest.json
snapshot_export gap --output "$WORK/gap.pcapng"
verdict=$("$TOOLS/traffic_check" --count "$SENT" "$WORK/gap.pcapng" 2>"$WORK/check.err" || true)
say "$verdict"
missing=$(jq .missing <<<"$verdict")
at_least "$missing" 10000 "packets lost by standing still for two seconds"
equal "$(jq '.duplicate + .corrupt + .disorder + .time_back + .foreign + .cut' <<<"$verdict")" 0 "faults in what was recorded: $(cat "$WORK/check.err")"
ledger() { jq -r ".nodes[0].ledger.$1 // \"0\"" "$manifest"; }
equal "$(ledger offeredPackets)" "$SENT" "packets offered by the manifest's ledger"
equal "$(ledger droppedKernelPackets)" "$missing" "packets dropped by the manifest's ledger"
equal "$(ledger writtenPackets)" $((SENT - missing)) "packets written by the manifest's ledger"
equal "$(jq .drops <<<"$verdict")" "$missing" "sum of epb_dropcount"
equal "$(jq '[.nodes[0].gaps[]? | .packets // "0" | tonumber] | add' "$manifest")" "$missing" "packets in the manifest's gaps"
heartbeat_agrees() { tl nodes --json | jq -e --arg d "$missing" --arg o "$SENT" '.nodes[0].ledger | .droppedKernelPackets == $d and .offeredPackets == $o'; }
wait_for 10 "the heartbeat's ledger" heartbeat_agrees

# Standing still is seen, by whoever asks.
kill -STOP "${PID_OF[capturer]}"
wait_for 20 "the node to be shown as not recording" recording false
kill -CONT "${PID_OF[capturer]}"
wait_for 20 "the node to be shown as recording again" recording true
must_end_well snapshotter
must_end_well capturer
no_sanitizer_report
say "passed: $missing of $SENT lost, all accounted for"
