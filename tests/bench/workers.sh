#!/bin/bash
# One worker beside two, with the files between the stages, as the work queue deals them out: an HTTP capture in 16 pieces of equal length. Pairs of runs, in turns.
#   WORKER_RUNS=9 (a pair takes seconds, and its ratio is of wall times)  CALLS=473000
# Appends to $RESULTS: workers STAGE N RUN SECONDS ITEMS. The capture is in the page cache.
. "$(dirname "$0")/bench.sh"
need_command editcap
need_built "$TOOLS/calls" "$TOOLS/dissect_stages"
packets=$("$TOOLS/calls" http "${CALLS:-473000}" 1 "$WORK/http.pcap" | cut -d' ' -f1)
editcap -c $((packets / 16 + 1)) "$WORK/http.pcap" "$WORK/piece.pcap"
rm "$WORK/http.pcap"
pieces=("$WORK"/piece_*.pcap)
cat "${pieces[@]}" >/dev/null
for ((run = 1; run <= ${WORKER_RUNS:-9}; run++)); do
    for workers in $((1 + run % 2)) $((2 - run % 2)); do
        "$TOOLS/dissect_stages" "$workers" "$WORK" "${pieces[@]}" >"$WORK/stages" || fail "dissect_stages $workers"
        while read -r stage seconds entries; do printf 'workers\t%s\t%s\t%s\t%s\t%s\n' "$stage" "$workers" "$run" "$seconds" "$entries"; done <"$WORK/stages" | tee -a "$RESULTS"
    done
done
