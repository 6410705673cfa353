#!/bin/bash
# Real captures, and each of them with packets missing, swapped, doubled and cut to 64 bytes: the dissector ends by itself and well (0, or 3 where a capture is not whole), says nothing of a sanitizer, and writes lines of JSON.
# The same bytes in, the same rows out: 1, 2 and 5 workers say the same, and so do the stages through files, as the work queue deals them out.
#   TAPELOOP_CORPUS   folder of captures (../shared/corpus beside the checkout)
#   SEED              of what happens to the captures (1)
#   JOBS              captures looked at together (the number of cores)
#   FULL=1            all of them, with the build under sanitizers (make SAN=address,undefined; B=build/gcc-address-undefined) where that is there; otherwise some
. "$(dirname "$0")/lib.sh"
TAPELOOP_CORPUS=${TAPELOOP_CORPUS:-$ROOT/../shared/corpus}
[ -d "$TAPELOOP_CORPUS" ] || skip "no folder of captures at TAPELOOP_CORPUS ($TAPELOOP_CORPUS)"
need_command jq
SEED=${SEED:-1}
LIMIT_S=60 # for one capture; a quiet machine takes a fraction of a second
strict=$ROOT/build/gcc-address-undefined/bin/dissector
dissector=$BIN/dissector
[ "$FULL" = 1 ] && [ -x "$strict" ] && dissector=$strict
stages=$TOOLS/dissect_stages
[ "$dissector" = "$strict" ] && stages=$ROOT/build/gcc-address-undefined/tests/tools/dissect_stages
need_built "$dissector" "$TOOLS/mangle" "$stages"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tapeloop-$TEST.XXXXXX")
cp "$dissector" "$stages" "$WORK"
export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

# A line for each thing that is wrong.
run() { # NAME INPUT OUTPUT OPTION...
    local name=$1 input=$2 output=$3 code=0
    shift 3
    timeout --kill-after=5 $LIMIT_S "$WORK/dissector" --input "$input" --work "$WORK" "$@" >"$output" 2>"$output.error" || code=$?
    case $code in
        0 | 3) ;;
        1) [ "$(head -c 4 "$input" | wc -c)" -lt 4 ] || grep -q 'not a capture' "$output.error" || echo "$name: ended with 1: $(tail -n 1 "$output.error")" ;;
        124 | 137) echo "$name: not over after $LIMIT_S s" ;;
        *) echo "$name: ended with $code: $(grep -m 1 -E 'ERROR|runtime error' "$output.error" || tail -n 1 "$output.error")" ;;
    esac
    ! grep -qE 'Sanitizer|runtime error' "$output.error" || { mkdir -p "$WORK/reports"; cp "$output.error" "$WORK/reports/${name//[\/ ]/_}"; }
}

check() { # FILE
    local file=$1 name=${1#"$TAPELOOP_CORPUS"/} at workers variant
    at=$WORK/$BASHPID
    for workers in 1 2 5; do run "$name --workers $workers" "$file" "$at.out.$workers" --workers $workers; done
    cmp -s "$at.out.1" "$at.out.2" && cmp -s "$at.out.1" "$at.out.5" || echo "$name: 1, 2 and 5 workers do not say the same"
    if timeout --kill-after=5 $LIMIT_S "$WORK/dissect_stages" --ndjson "$at.out.stages" 3 "$WORK" "$file" 2>"$at.out.stages.error"; then
        cmp -s "$at.out.1" "$at.out.stages" || echo "$name: the stages do not say the same"
    elif [ -s "$at.out.1" ] || grep -qE 'Sanitizer|runtime error' "$at.out.stages.error"; then
        echo "$name: the stages ended with an error: $(head -n 3 "$at.out.stages.error")"
    fi
    jq -e . <"$at.out.1" >"$at.json" 2>&1 || [ ! -s "$at.out.1" ] || echo "$name: not lines of JSON"
    if "$TOOLS/mangle" "$SEED" "$file" "$at" 2>"$at.mangle"; then
        for variant in drop swap double short; do run "$name, $variant" "$at.$variant" "$at.out"; done
    fi
    rm -f "$at".*
}

mapfile -d '' files < <(find "$TAPELOOP_CORPUS" -type f \( -name '*.pcap' -o -name '*.pcapng' -o -name '*.trace' -o -name '*.cap' \) -print0 | sort -z)
every=$(quick_or_full 24 1)
jobs=${JOBS:-$(nproc)}
for ((j = 0; j < jobs; j++)); do
    (for ((i = j * every; i < ${#files[@]}; i += jobs * every)); do check "${files[i]}"; echo >>"$WORK/count.$j"; done >"$WORK/wrong.$j") &
    PIDS+=($!)
    waiting[j]=$!
done
wait "${waiting[@]}"
cat "$WORK"/wrong.* >"$WORK/wrong"
at_least "$(cat "$WORK"/count.* | wc -l)" $((${#files[@]} / every)) "captures looked at"
if [ -s "$WORK/wrong" ] || [ -d "$WORK/reports" ]; then
    cat "$WORK/wrong" >&2
    for report in "$WORK"/reports/*; do say "$(basename "$report")"; head -n 40 "$report" >&2; done
    fail "$(wc -l <"$WORK/wrong") of ${#files[@]} captures and their variants"
fi
say "passed: $(cat "$WORK"/count.* | wc -l) captures of ${#files[@]}, each with four variants, by $([ "$dissector" = "$strict" ] && echo "the build under sanitizers" || echo "$B")"
