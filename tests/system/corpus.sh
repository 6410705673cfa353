#!/bin/bash
# Real captures replayed by tcpreplay through a veth pair: every TCP and UDP frame comes out of the export byte for byte and in order, nothing else does.
#   TAPELOOP_CORPUS   folder of captures (../shared/corpus beside the checkout)
. "$(dirname "$0")/lib.sh"
TAPELOOP_CORPUS=${TAPELOOP_CORPUS:-$ROOT/../shared/corpus}
[ -d "$TAPELOOP_CORPUS" ] || skip "no folder of captures at TAPELOOP_CORPUS ($TAPELOOP_CORPUS)"
need_command tcpreplay
MTU=65535 start_test

mapfile -d '' files < <(find "$TAPELOOP_CORPUS" -type f \( -name '*.pcap' -o -name '*.pcapng' -o -name '*.trace' \) -print0 | sort -z)
[ ${#files[@]} -gt 0 ] || skip "no captures below $TAPELOOP_CORPUS"
# The longest frame that the pair takes: MTU and Ethernet header.
"$TOOLS/frames" merge "$WORK/corpus.pcap" 65549 "${files[@]}" >"$WORK/merged" 2>"$WORK/left-out"
say "$(cat "$WORK/merged"), $(grep -c ^skipped "$WORK/left-out" || true) files with something left out"
up_start 1Gi
from=$(now_rfc3339)
in_net tcpreplay --intf1=tx0 --pps="$(quick_or_full 40000 20000)" "$WORK/corpus.pcap" >"$WORK/tcpreplay.out" 2>&1 || { cat "$WORK/tcpreplay.out" >&2; fail tcpreplay; }
settle 0.2
to=$(now_rfc3339)
frames=$(jq .frames "$WORK/merged")
sent=$(awk '/Successful packets/ { print $3 }' "$WORK/tcpreplay.out")
equal "$sent" "$frames" "frames that tcpreplay sent"
snapshot_create corpus --from "$from" --to "$to"
snapshot_export corpus --output "$WORK/export.pcapng"
"$TOOLS/frames" print --kept "$WORK/corpus.pcap" >"$WORK/should"
"$TOOLS/frames" print "$WORK/export.pcapng" >"$WORK/is"
if ! cmp -s "$WORK/should" "$WORK/is"; then
    diff "$WORK/should" "$WORK/is" | head -n 20 >&2 || true
    fail "$(wc -l <"$WORK/should") frames should be there, $(wc -l <"$WORK/is") are; missing $(diff "$WORK/should" "$WORK/is" | grep -c '^<' || true), too many $(diff "$WORK/should" "$WORK/is" | grep -c '^>' || true)"
fi
at_least "$(wc -l <"$WORK/should")" 1000 "TCP and UDP frames in the corpus"
at_least $((frames - $(wc -l <"$WORK/should"))) 100 "other frames, which must not come out"
equal "$(jq -r .packets "$(snapshot_folder corpus)/manifest.json")" "$(wc -l <"$WORK/is")" "packets of the manifest"
up_stop
no_sanitizer_report
say "passed: $(wc -l <"$WORK/is") frames of $frames"
