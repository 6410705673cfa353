#!/bin/bash
# kill -9 of capturer, snapshotter and nats-server at random moments under traffic and under requests: no sealed segment is lost or changed, no torn file is visible, every request is done, no debris is left.
#   ROUNDS   kills (20; 9 in the short version)
#   SEED     of the random moments (printed, so that a run can be had again)
. "$(dirname "$0")/lib.sh"
start_test
rounds=${ROUNDS:-$(quick_or_full 9 20)}
SEED=${SEED:-$RANDOM}
say "seed $SEED"
RANDOM=$SEED
nats_start
streams_apply
capturer_start 2Gi
snapshotter_start
from=$(now_rfc3339)
rate=8000
may_miss=0
send_start --rate $rate
sleep 4

# Every sealed file that was ever seen keeps its bytes until it is recycled (the box here is never full).
declare -A seen=()
segments_look() {
    local file sum
    while read -r file; do
        sum=$(sha256sum <"$file" | cut -d' ' -f1)
        if [ -z "${seen[$file]:-}" ]; then
            lz4 -t "$file" 2>/dev/null || fail "a torn segment is visible: $file"
            "$BIN/tapeloop" segment verify "$file" >"$WORK/verify.out" 2>&1 || { cat "$WORK/verify.out" >&2; fail "a sealed segment does not verify: $file"; }
        fi
        [ -z "${seen[$file]:-}" ] || [ "${seen[$file]}" = "$sum" ] || fail "a sealed segment changed: $file"
        seen[$file]=$sum
    done < <(sealed_segments)
    for file in "${!seen[@]}"; do [ -e "$file" ] || fail "a sealed segment is lost: $file"; done
}

names=()
for ((round = 1; round <= rounds; round++)); do
    victim=$(case $((RANDOM % 3)) in 0) echo capturer ;; 1) echo snapshotter ;; 2) echo nats ;; esac)
    # All three come up in the first three rounds.
    case $round in 1) victim=capturer ;; 2) victim=snapshotter ;; 3) victim=nats ;; esac
    name=crash-$round
    asked=$(date +%s)
    printf '{"name":"%s","from":"%s","to":"%s"}' $name "$(rfc3339 $((asked - 4)))" "$(rfc3339 $asked)" >"$WORK/request"
    # Asked through JetStream with its acknowledgement, by a client of a few lines of bash: from here on it must be done.
    wait_for 20 "the request to be taken by the stream" request_send "$WORK/request"
    names+=("$name")
    sleep 0.$((RANDOM % 9))$((RANDOM % 10))
    dead_ns=$(now_ns)
    end $victim KILL
    say "round $round: killed $victim"
    sleep 0.$((RANDOM % 9))
    case $victim in
    capturer)
        capturer_start 2Gi
        # What a killed capturer may cost: the second that was not yet flushed, and the time in which it was dead.
        may_miss=$((may_miss + rate + rate * (($(now_ns) - dead_ns) / 1000000) / 1000)) ;;
    snapshotter) snapshotter_start ;;
    nats) nats_start ;;
    esac
    segments_look
done
send_stop
settle
to=$(now_rfc3339)

state_of() { tl snapshot show --json "$1" 2>/dev/null | jq -r '.snapshot.state // empty'; }
done_all() {
    local n state
    for n in "${names[@]}"; do
        state=$(state_of "$n")
        [ "$state" = ready ] || { echo "$n: ${state:-unknown}" >"$WORK/undone"; return 1; }
    done
}
until=$((SECONDS + 60))
until done_all; do
    [ $SECONDS -lt $until ] || fail "a request was not done: $(cat "$WORK/undone")"
    sleep 0.5
done
for name in "${names[@]}"; do tl snapshot verify "$name" >"$WORK/verify.out" 2>&1 || { cat "$WORK/verify.out" >&2; fail "snapshot $name does not verify"; }; done
segments_look

# Whatever was recorded is there once, whole and in order; what passed while the capturer was dead is missing, and said to be.
EXPECT=3 snapshot_create all --from "$from" --to "$to"
snapshot_export all --output "$WORK/all.pcapng"
verdict=$("$TOOLS/traffic_check" --count "$SENT" "$WORK/all.pcapng" 2>"$WORK/check.err" || true)
say "$verdict"
equal "$(jq '.duplicate + .corrupt + .disorder + .time_back + .foreign + .cut' <<<"$verdict")" 0 "faults in what was recorded: $(cat "$WORK/check.err")"
jq -e '[.nodes[].gaps[]? | select(.reason == "not recording")] | length > 0' "$(snapshot_folder all)/manifest.json" >/dev/null || fail "the manifest does not say when nothing was recorded"
at_most "$(jq .missing <<<"$verdict")" $may_miss "packets missing after the kills"

must_end_well snapshotter
must_end_well capturer
debris=$(find "$DATA" \( -path '*/.work/*' -o -name '*.tmp' -o -path '*/segments/.*' \) | head)
[ -z "$debris" ] || fail "debris: $debris"
for file in $(sealed_segments); do lz4 -t "$file" 2>/dev/null || fail "a torn segment is visible at the end: $file"; done
no_sanitizer_report
say "passed: ${#seen[@]} segments, ${#names[@]} requests"
