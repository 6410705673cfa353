#!/bin/bash
# --stream: the entries of a capture, each once, as they come; over a pipe that stays open they come while it is silent; a stop ends well with all lines whole.
. "$(dirname "$0")/lib.sh"
need_command jq
need_built "$BIN/dissector"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tapeloop-$TEST.XXXXXX")
GOLDEN=$ROOT/tests/golden

# Numbers go by the order of coming, and names of addresses by what had been told by then.
plain() { jq -S -c 'del(.id, .conn_id, .src.name, .src.dns, .dst.name, .dst.dns)' "$1" | sort; }
compared=0
for capture in "$GOLDEN"/*.pcap; do
    grep -qE "^$(basename "$capture" .pcap)\$" "$GOLDEN/LIST" || continue # those with options of their own
    "$BIN/dissector" --input "$capture" --stream >"$WORK/stream" || fail "$capture with --stream ended with $?"
    plain "$WORK/stream" >"$WORK/ours"
    plain "${capture%.pcap}.ndjson" >"$WORK/expected"
    cmp -s "$WORK/ours" "$WORK/expected" || { diff "$WORK/ours" "$WORK/expected" >"$WORK/diff" || head -n 6 "$WORK/diff"; fail "$capture with --stream"; }
    [ "$(jq -s 'map(.id) == [range(1; length + 1)]' "$WORK/stream")" = true ] || fail "$capture: ids are not those of coming"
    compared=$((compared + $(wc -l <"$WORK/stream")))
done
[ "$compared" -gt 200 ] || fail "only $compared lines"

# A pipe: two thirds of a capture, then silence, then the rest.
capture=$GOLDEN/http1.pcap
size=$(stat -c %s "$capture")
mkfifo "$WORK/pipe"
begin() { # NAME OPTION...  the pipe's writing end is 9
    if [[ " $* " == *" --input - "* ]]; then ln -sf pipe "$WORK/stdin"; else ln -sf /dev/null "$WORK/stdin"; fi
    "$BIN/dissector" --stream --protocols HTTP "${@:2}" <"$WORK/stdin" >"$WORK/$1.out" 2>"$WORK/$1.err" &
    PID_OF[$1]=$!
    PIDS+=("$!")
    exec 9>"$WORK/pipe"
}
lines() { wc -l <"$WORK/$1.out"; }
some() { [ "$(lines "$1")" -gt 5 ]; }
begin live --input -
head -c $((size * 2 / 3)) "$capture" >&9
wait_for 20 "lines before the pipe's end" some live
early=$(lines live)
tail -c +$((size * 2 / 3 + 1)) "$capture" >&9
exec 9>&-
ended() { ! alive "${PID_OF[live]}"; }
wait_for 20 "the end" ended
all=$(jq -c 'select(.protocol == "HTTP")' "$GOLDEN/http1.ndjson" | wc -l)
[ "$(lines live)" = "$all" ] || fail "$(lines live) lines of $all"
[ "$early" -lt "$all" ] || fail "all lines came before all packets"

# An expression, over a pipe; and a stop while it is silent.
begin stopped --input "$WORK/pipe" --where 'status_code == 200'
head -c $((size * 2 / 3)) "$capture" >&9
matched() { [ "$(lines stopped)" -gt 2 ]; }
wait_for 20 "lines that match" matched
must_end_well stopped
exec 9>&-
jq -e -s 'length > 2 and all(.[]; .status_code == 200)' "$WORK/stopped.out" >/dev/null || fail "lines of the stopped one: $(cat "$WORK/stopped.out")"

# Three are enough, though the pipe stays open.
begin three --input - --limit 3
head -c $((size * 2 / 3)) "$capture" >&9
done_by_itself() { ! alive "${PID_OF[three]}"; }
wait_for 20 "the end behind three lines" done_by_itself
exec 9>&-
[ "$(lines three)" = 3 ] || fail "$(lines three) lines, not 3"

# Whoever is asked to stop stops, also while the pipe has not said a word, and where nothing is streamed.
for words in "--stream" "--workers 1" "--workers 2"; do
    ln -sf pipe "$WORK/stdin"
    # shellcheck disable=SC2086 # words
    TMPDIR=$WORK "$BIN/dissector" --input - $words <"$WORK/stdin" >"$WORK/silent.out" 2>"$WORK/silent.err" &
    silent=$!
    PIDS+=("$!")
    exec 9>"$WORK/pipe"
    catches_it() { [ "$(cat "/proc/$silent/comm")" = dissector ] && (( 0x$(awk '/^SigCgt/ { print $2 }' "/proc/$silent/status") & 0x4000 )); } # SIGTERM; and not this script's own handler, before the program is there
    wait_for 20 "a dissector that listens to signals" catches_it
    kill -TERM "$silent"
    stopped() { ! alive "$silent"; }
    wait_for 20 "the end of $words with a silent pipe" stopped
    exec 9>&-
    [ -z "$(find "$WORK" -name 'dissector.??????')" ] || fail "$words left its work folder"
done

"$BIN/dissector" --input "$capture" --stream --format sqlite --output "$WORK/x.sqlite" 2>"$WORK/err" && fail "a database was streamed"
grep -q 'leave out --stream' "$WORK/err" || fail "$(cat "$WORK/err")"
say "passed: $compared lines, $early of $all before the pipe's end"
