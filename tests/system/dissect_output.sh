#!/bin/bash
# Where entries go with --input: a reader that has seen enough, a disk that is full, an output that is the input. Nothing half written stands under the output's name, and no capture is lost.
. "$(dirname "$0")/lib.sh"
need_root
need_built "$BIN/dissector" "$TOOLS/calls"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tapeloop-$TEST.XXXXXX")
GOLDEN=$ROOT/tests/golden
run() { "$BIN/dissector" "$@" 2>"$WORK/err"; }

# A pipe without a reader: nothing to complain about.
mkfifo "$WORK/pipe"
for words in "--workers 1" "--workers 2" "--stream"; do
    exec 8<>"$WORK/pipe" 9>"$WORK/pipe" 8>&- # one end, nobody at the other
    # shellcheck disable=SC2086 # words
    run --input "$GOLDEN/postgresql_bench.pcap" $words >&9 || fail "$words with a reader that left ended with $?: $(cat "$WORK/err")"
    exec 9>&-
    [ ! -s "$WORK/err" ] || fail "$words complained of a reader that left: $(cat "$WORK/err")"
done

# A full disk.
code=0
run --input "$GOLDEN/postgresql_bench.pcap" >/dev/full || code=$?
equal "$code" 1 "exit code where standard output is full"
grep -q 'standard output.*No space left' "$WORK/err" || fail "$(cat "$WORK/err")"
mkdir "$WORK/small"
mount -t tmpfs -o size=40k tmpfs "$WORK/small"
MOUNTS+=("$WORK/small")
for words in "--format ndjson" "--format sqlite" "--format sqlite --workers 2"; do
    code=0
    # shellcheck disable=SC2086 # words
    run --input "$GOLDEN/postgresql_bench.pcap" $words --output "$WORK/small/out" || code=$?
    equal "$code" 1 "exit code of $words on a full disk"
    grep -qE 'No space left|is full' "$WORK/err" || fail "$words: $(cat "$WORK/err")"
    equal "$(find "$WORK/small" -type f)" "" "what $words left on a full disk"
done
code=0
"$TOOLS/calls" http 30000 1 "$WORK/many.pcap" >/dev/null # more than goes into the memory
run --input "$WORK/many.pcap" --memory 16Mi --work "$WORK/small" --output "$WORK/out" || code=$?
equal "$code" 1 "exit code with a full --work"
grep -q 'No space left' "$WORK/err" || fail "$(cat "$WORK/err")"
equal "$(find "$WORK/small" -mindepth 1)" "" "what is left in a full --work"
[ ! -e "$WORK/out" ] || fail "an output although the work folder was full"

# The capture itself, under whatever name.
cp "$GOLDEN/http1.pcap" "$WORK/a.pcap"
ln "$WORK/a.pcap" "$WORK/hard.pcap"
ln -s a.pcap "$WORK/soft.pcap"
for name in a hard soft; do
    code=0
    run --input "$WORK/a.pcap" --output "$WORK/$name.pcap" || code=$?
    equal "$code" 2 "exit code with $name.pcap as output"
    cmp -s "$GOLDEN/http1.pcap" "$WORK/a.pcap" || fail "the capture is lost"
done
say "passed"
