#!/bin/bash
# Several nodes: two capturers on one bus make one snapshot, exported in order of time and by node; one of them down makes the snapshot partial and is named, unless the request said complete; exit codes 0, 3, 1.
. "$(dirname "$0")/lib.sh"
start_test
veth_make tx1 rx1 9000
nats_start
streams_apply
start one "$BIN/capturer" --node node.one --data "$DATA/one" --interface rx0 --storage-size 128Mi --listen 127.0.0.1:0
start two "$BIN/capturer" --node node.two --data "$DATA/two" --interface rx1 --storage-size 128Mi --listen 127.0.0.1:0
wait_ready one
wait_ready two
snapshotter_start
from=$(now_rfc3339)
# The plan's halves: even flows to one, the same plan from another number to the other.
send --rate 10000 --count 20000
in_net "$TOOLS/traffic" --interface tx1 --rate 10000 --count 20000 --start 20000 >"$WORK/second"
settle 0.2
to=$(now_rfc3339)
snapshot_create both --from "$from" --to "$to"
snapshot_export both --output "$WORK/both.pcapng"
check_traffic "$WORK/both.pcapng" --count 40000
snapshot_export both --node node.two --output "$WORK/two.pcapng"
check_traffic "$WORK/two.pcapng" --count 20000 --start 20000
must_fail "the packets of one node as if they were all" "$TOOLS/traffic_check" --count 40000 "$WORK/two.pcapng"
snapshot_export both --bpf 'udp and ip' --output "$WORK/udp.pcapng"
equal "$(packets_in "$WORK/udp.pcapng")" "$(tshark -r "$WORK/both.pcapng" -Y 'ip && udp' 2>/dev/null | wc -l)" "packets of a filtered export"
equal "$(packets_in "$WORK/udp.pcapng")" 10000 "UDP packets over IPv4"
must_fail "a filter that is none" tl snapshot export both --bpf 'this is no filter' --output "$WORK/none.pcapng"
half=$(tshark -r "$WORK/both.pcapng" -Y 'frame.number == 15000' -T fields -e frame.time_epoch 2>/dev/null)
snapshot_export both --from "$(rfc3339 "$half")" --output "$WORK/half.pcapng"
equal "$(packets_in "$WORK/half.pcapng")" 25001 "packets from the 15000th on"
tl snapshot create one-only --from "$from" --to "$to" --node node.one --wait >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; fail "a snapshot of one node by --node"; }
equal "$(jq -r .packets "$(snapshot_folder one-only)/manifest.json")" 20000 "packets of one node"
tl nodes --json | jq -e '[.nodes[] | .node] | sort == ["node.one", "node.two"]' >/dev/null || fail "tapeloop nodes: $(tl nodes --json)"

end two KILL
EXPECT=3 snapshot_create partly --from "$from" --to "$to"
manifest=$(snapshot_folder partly)/manifest.json
equal "$(jq -r .completeness "$manifest")" partial "completeness with a node down"
equal "$(jq -r '.nodes[] | select(.name == "node.two") | .state' "$manifest")" unreachable "state of the node that is down"
[ -n "$(jq -r '.nodes[] | select(.name == "node.two") | .reason // ""' "$manifest")" ] || fail "no reason for the missing node"
jq -r '.reason' "$manifest" | grep -q 'node.two' || fail "the node that is down is not named: $(jq -r .reason "$manifest")"
snapshot_export partly --output "$WORK/partly.pcapng"
check_traffic "$WORK/partly.pcapng" --count 20000
printf '{"name":"wholly","from":"%s","to":"%s","complete":true}' "$from" "$to" >"$WORK/request"
in_net "$ROOT/tests/system/plain_nats.bash" watch 1 60 snapshot.failed >"$WORK/failed" &
watcher=$!
PIDS+=("$watcher")
wait_for 10 "the subscription" grep -q subscribed "$WORK/failed"
wait_for 10 "the request" request_send "$WORK/request"
wait $watcher || fail "no snapshot.failed for a complete snapshot with a node down"
sed -n 2p "$WORK/failed" | cut -f3 | jq -e '.name == "wholly" and (.reason | test("node.two"))' >/dev/null || fail "the failure does not name the node: $(cat "$WORK/failed")"
EXPECT=1 snapshot_create nothing --from 2020-01-01T00:00:00Z --to 2020-01-01T00:00:01Z
must_end_well snapshotter
must_end_well one
no_sanitizer_report
say passed
