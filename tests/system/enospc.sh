#!/bin/bash
# Somebody else's file fills the disk: the capturer recycles its own oldest, says so, and goes on recording; the newest packets are on the tape, every sealed file is whole, and when there is room again all is
# as before.
. "$(dirname "$0")/lib.sh"
start_test
mkdir "$WORK/disk" "$WORK/else"
mount -t tmpfs -o size=200m tmpfs "$WORK/disk"
MOUNTS+=("$WORK/disk")
nats_start
streams_apply
DATA=$WORK/disk
capturer_start 128Mi
DATA=$WORK/else
snapshotter_start
DATA=$WORK/disk
send --rate 20000 --count 60000
settle
at_least "$(sealed_segments | wc -l)" 5 "segments before"
# 80 MB of ours are there; the other one takes all the rest.
dd if=/dev/zero of="$WORK/disk/other" bs=64k 2>/dev/null || true
equal "$(df --output=avail "$WORK/disk" | tail -n 1 | tr -d ' ')" 0 "room left"
send --rate 20000 --count 60000 --start 60000
settle 2
alive "${PID_OF[capturer]}" || fail "the capturer died of a full disk"
recording() { tl nodes --json | jq -e '.nodes[0].state == "recording"'; }
wait_for 10 "state recording on a full disk" recording
from=$(now_rfc3339)
send --rate 10000 --count 10000 --start 120000
settle
DATA=$WORK/else
snapshot_create full --from "$from" --to "$(now_rfc3339)"
snapshot_export full --output "$WORK/full.pcapng"
DATA=$WORK/disk
check_traffic "$WORK/full.pcapng" --count 10000 --start 120000
for file in $(sealed_segments); do "$BIN/tapeloop" segment verify "$file" >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; fail "a sealed segment is not whole"; }; done
rm "$WORK/disk/other"
from=$(now_rfc3339)
send --rate 20000 --count 20000 --start 130000
settle
DATA=$WORK/else
snapshot_create free --from "$from" --to "$(now_rfc3339)"
snapshot_export free --output "$WORK/free.pcapng"
check_traffic "$WORK/free.pcapng" --count 20000 --start 130000
must_end_well snapshotter
must_end_well capturer
no_sanitizer_report
say passed
