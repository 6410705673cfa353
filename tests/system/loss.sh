#!/bin/bash
# Alone: it sends as fast as both processors can, and is skipped where that does not succeed.
# No loss: 200,000 packets/s of 64 to 9000 bytes for ten seconds, TCP and UDP over IPv4 and IPv6, in sixteen flows; the export holds every one exactly once, byte for byte, in order per flow, in
# nanoseconds; and the manifest's ledger says the same. (That the checker finds each kind of fault is selfcheck.sh's business.)
. "$(dirname "$0")/lib.sh"
start_test
rate=200000
seconds=$(quick_or_full 4 10)
up_start "$(quick_or_full 4Gi 8Gi)"
from=$(now_rfc3339)
send --rate $rate --count $((rate * seconds))
settle 0.2
to=$(now_rfc3339)
equal "$SENT" $((rate * seconds)) "packets sent"
snapshot_create loss --from "$from" --to "$to"
tl snapshot export loss --output - 2>"$WORK/export.err" >"$WORK/export.pcapng" || { cat "$WORK/export.err" >&2; fail "export"; }
check_traffic "$WORK/export.pcapng" --count "$SENT"
say "$VERDICT"
# One packet more than was sent must be missed: the check is alive.
must_fail "a packet that was never sent" "$TOOLS/traffic_check" --count $((SENT + 1)) "$WORK/export.pcapng"

folder=$(snapshot_folder loss)
manifest=$folder/manifest.json
equal "$(jq -r '.packets // "0"' "$manifest")" "$SENT" "packets of the manifest"
equal "$(jq -r '.completeness' "$manifest")" complete "completeness"
equal "$(jq -r '[.nodes[].ledger.droppedKernelPackets // "0" | tonumber] | add' "$manifest")" 0 "dropped by the kernel"
equal "$(jq -r '[.nodes[].ledger.droppedDiskPackets // "0" | tonumber] | add' "$manifest")" 0 "dropped for want of disk"
up_stop
no_sanitizer_report
# Nothing was lost; but a machine that has other work may not have been able to send so fast.
jq -e ".rate > $rate * 0.97" <<<"$SENT_LINE" >/dev/null || skip "no loss, but only $(jq .rate <<<"$SENT_LINE") of $rate packets/s could be sent here"
say passed
