#!/bin/bash
# A snapshot of SIZE_MIB (1024) of packets beside `cp` and `sha256sum` of the same segment files; then an unfiltered export of it beside `mergecap`, and a filtered one beside `tcpdump -r -w`.
#   RUNS=3
# Appends to $RESULTS: snapshot|export|filter TOOL RUN SECONDS CPU_SECONDS BYTES PACKETS. Seconds are wall time until the last byte is with the kernel; CPU is that of every process of ours or of
# theirs that took part (the capturer's share as segment server included).
. "$(dirname "$0")/bench.sh"
need_command mergecap tcpdump sha256sum
need_built "$BIN/capturer" "$BIN/snapshotter" "$BIN/tapeloop" "$TOOLS/traffic" "$TOOLS/cpu_run"
RUNS=${RUNS:-3}
SIZE_MIB=${SIZE_MIB:-1024}
FILTER=${FILTER:-udp and ip}

nats_start
streams_apply
capturer_start $((SIZE_MIB * 4))Mi
snapshotter_start
from=$(now_rfc3339)
# Sizes from 64 to 1500 bytes; at a rate that every part holds.
send --size 64:1500 --skew 1 --flows 64 --rate 200000 --count $((SIZE_MIB * 1024 * 1024 / 850))
settle
to=$(now_rfc3339)

cpu_of() { # PID...: CPU seconds of running processes so far
    local pid
    for pid; do awk '{ sub(/^.*\) /, ""); print $12 + $13 }' "/proc/$pid/stat"; done | awk -v hz="$(getconf CLK_TCK)" '{ s += $1 } END { print s / hz }'
}
# timed KIND TOOL RUN AFTER COMMAND...: AFTER sets BYTES and PACKETS.
timed() {
    local kind=$1 tool=$2 run=$3 after=$4 began ended before cost
    local -a ours=()
    shift 4
    [ "$tool" != tapeloop ] || ours=("${PID_OF[capturer]}" "${PID_OF[snapshotter]}")
    before=$(cpu_of "${ours[@]}")
    began=$(date +%s%N)
    "$TOOLS/cpu_run" "$WORK/cost" "$@" >"$WORK/timed.out" 2>"$WORK/timed.err" || { cat "$WORK/timed.err" >&2; fail "$*"; }
    ended=$(date +%s%N)
    cost=$(awk -v a="$before" -v b="$(cpu_of "${ours[@]}")" -v c="$(jq .cpu "$WORK/cost")" 'BEGIN { print b - a + c }')
    $after
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$kind" "$tool" "$run" "$(awk -v n=$((ended - began)) 'BEGIN { print n / 1e9 }')" "$cost" "$BYTES" "$PACKETS" | tee -a "$RESULTS"
}
in_ns=(ip netns exec "$NET")
parts() { find "$DATA/tape" -path '*/segments/*' -type f -name '[0-9]*' | sort -V; }
BYTES=0 PACKETS=0

snapshot_size() {
    local folder
    folder=$(snapshot_folder "$name")
    BYTES=$(jq -r '[.objects[].bytes | tonumber] | add' "$folder/manifest.json")
    PACKETS=$(jq -r .packets "$folder/manifest.json")
}
copied_size() { BYTES=$(du -sb "$WORK/copy" | cut -f1); }
for ((run = 1; run <= RUNS; run++)); do
    name=bench-$run
    mapfile -t files < <(parts)
    uncached "${files[@]}"
    timed snapshot tapeloop $run snapshot_size "${in_ns[@]}" "$BIN/tapeloop" snapshot create $name --from "$from" --to "$to" --wait
    mapfile -t files < <(parts)
    uncached "${files[@]}"
    rm -rf "$WORK/copy"
    mkdir "$WORK/copy"
    # shellcheck disable=SC2016 # expanded by the inner shell
    timed snapshot cp+sha256sum $run copied_size bash -c 'to=$1; shift; cp "$@" "$to" && sha256sum "$to"/* >"$to/SHA256" && sync -f "$to"' copy "$WORK/copy" "${files[@]}"
    rm -rf "$WORK/copy"
    [ $run = "$RUNS" ] || tl snapshot delete $name >/dev/null
done

folder=$(snapshot_folder "$name")
mapfile -t segments < <(jq -r '.objects[] | select(.kind == "segment") | .path' "$folder/manifest.json" | sed "s|^|$folder/|")
out_size() { BYTES=$(stat -c %s "$WORK/out"); PACKETS=$(packets_in "$WORK/out"); }
for ((run = 1; run <= RUNS; run++)); do
    uncached "${segments[@]}"
    timed export tapeloop $run out_size "${in_ns[@]}" "$BIN/tapeloop" snapshot export "$name" --output "$WORK/out"
    mv "$WORK/out" "$WORK/whole"
    uncached "${segments[@]}"
    timed export mergecap $run out_size mergecap -w "$WORK/out" "${segments[@]}"
    rm "$WORK/out"
    # tcpdump reads what has been merged for it; the export reads the snapshot.
    uncached "${segments[@]}" "$WORK/whole"
    timed filter tapeloop $run out_size "${in_ns[@]}" "$BIN/tapeloop" snapshot export "$name" --bpf "$FILTER" --output "$WORK/out"
    filtered=$PACKETS
    rm "$WORK/out"
    uncached "$WORK/whole"
    timed filter tcpdump $run out_size tcpdump -n -r "$WORK/whole" -w "$WORK/out" "$FILTER"
    equal "$PACKETS" "$filtered" "packets that both filters took"
    rm "$WORK/out" "$WORK/whole"
done
must_end_well snapshotter
must_end_well capturer
