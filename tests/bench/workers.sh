#!/bin/bash
# One worker beside two, with the files between the stages, as the work queue deals them out: an HTTP capture in 16 pieces of equal length. Pairs of runs, in turns.
# Beside each pair, what the machine itself gives: two processes at once that share nothing, each with one worker and every other piece.
#   WORKER_RUNS=9 (a pair takes seconds, and its ratio is of wall times)  CALLS=473000
# Appends to $RESULTS: workers STAGE N RUN SECONDS ITEMS; of the two processes, N is `apart`, and SECONDS the longer of both. The capture is in the page cache.
. "$(dirname "$0")/bench.sh"
need_command editcap
need_built "$TOOLS/calls" "$TOOLS/dissect_stages" "$TOOLS/warm_memory"
packets=$("$TOOLS/calls" http "${CALLS:-473000}" 1 "$WORK/http.pcap" | cut -d' ' -f1)
editcap -c $((packets / 16 + 1)) "$WORK/http.pcap" "$WORK/piece.pcap"
rm "$WORK/http.pcap"
pieces=("$WORK"/piece_*.pcap)
cat "${pieces[@]}" >/dev/null
halves=([0]="" [1]="")
for ((i = 0; i < ${#pieces[@]}; i++)); do halves[i % 2]+=" ${pieces[i]}"; done
said() { # N RUN
    while read -r stage seconds count; do printf 'workers\t%s\t%s\t%s\t%s\t%s\n' "$stage" "$1" "$2" "$seconds" "$count"; done | tee -a "$RESULTS"
}
for ((run = 1; run <= ${WORKER_RUNS:-9}; run++)); do
    for workers in $((1 + run % 2)) $((2 - run % 2)); do
        warmed
        "$TOOLS/dissect_stages" "$workers" "$WORK" "${pieces[@]}" >"$WORK/stages" || fail "dissect_stages $workers"
        said "$workers" "$run" <"$WORK/stages"
    done
    warmed
    # shellcheck disable=SC2086 # a list of names without spaces
    for half in 0 1; do
        "$TOOLS/dissect_stages" 1 "$WORK" ${halves[half]} >"$WORK/half.$half" &
        PIDS+=($!)
        both[half]=$!
    done
    wait "${both[0]}" && wait "${both[1]}" || fail "dissect_stages of halves"
    awk '$1 == "map+reduce" { if ($2 > longest) longest = $2; items += $3 } END { print "map+reduce", longest, items }' "$WORK"/half.? | said apart "$run"
done
