#!/bin/bash
# --fields leaves out what nobody wants, and changes nothing else: over the golden captures, with sets of names such that any two names are in different ones, the lines are those of all fields with the others taken out by jq.
. "$(dirname "$0")/lib.sh"
need_command jq
need_built "$BIN/dissector"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tapeloop-$TEST.XXXXXX")
GOLDEN=$ROOT/tests/golden

# Names of fields as they stand in lines: of the objects src, dst, request and response each one's own; other objects are one field's value.
names='def leaves: to_entries[] | .key as $k | if ($k | IN("src", "dst", "request", "response")) then (.value | to_entries[] | "\($k).\(.key)") else $k end;
    [inputs | leaves] | unique | .[]'
cat "$GOLDEN"/*.ndjson | jq -rn "$names" >"$WORK/names"
count=$(wc -l <"$WORK/names")
[ "$count" -gt 100 ] || fail "only $count names in the golden captures"

take='($names | split(",")) as $wanted | reduce $wanted[] as $n ({}; ($n | split(".")) as $p | ($in | getpath($p)) as $v | if $v == null then . else setpath($p; $v) end)'
inputs=()
for capture in "$GOLDEN"/*.pcap; do inputs+=(--input "$capture"); done
"$BIN/dissector" "${inputs[@]}" >"$WORK/all" || fail "all captures at once ended with $?"
compared=0
for ((bit = 1; bit < count; bit *= 2)); do
    for side in 0 1; do
        set=$(awk -v bit=$bit -v side=$side 'int(NR / bit) % 2 == side' "$WORK/names" | paste -sd,)
        "$BIN/dissector" "${inputs[@]}" --fields "$set" >"$WORK/ours" || fail "--fields $set ended with $?"
        jq -S -c . "$WORK/ours" >"$WORK/ours.sorted" || fail "--fields $set gave no JSON"
        jq -S -c --arg names "$set" ". as \$in | $take" "$WORK/all" >"$WORK/expected"
        cmp -s "$WORK/ours.sorted" "$WORK/expected" || { diff "$WORK/ours.sorted" "$WORK/expected" >"$WORK/diff" || head -n 6 "$WORK/diff"; fail "--fields $set"; }
        compared=$((compared + $(wc -l <"$WORK/ours")))
    done
done
[ "$compared" -gt 1000 ] || fail "only $compared lines"

# Workers write the same; an expression sees fields that are not written.
capture=$GOLDEN/http1.pcap
for workers in 1 2; do
    "$BIN/dissector" --input "$capture" --workers $workers --fields id,url --where 'http && request.headers["host"] != "" && method == "GET"' >"$WORK/$workers" || fail "with $workers workers"
done
cmp "$WORK/1" "$WORK/2" || fail "two workers write something else"
[ "$(wc -l <"$WORK/1")" = "$(jq -c 'select(.method == "GET" and .request.headers.host != null)' "$GOLDEN/http1.ndjson" | wc -l)" ] || fail "the expression did not see what is not written"

# An expression may ask for the names of addresses, which DNS answers tell, though nobody wants to see them: 10.0.0.1 asks 10.0.0.53 for foo.example, which is 10.0.0.2, and sends a SYN there.
bytes() { printf '%b' "$(sed 's/[^0-9a-f]//g; s/../\\x&/g' <<<"$1")"; }
question='03 666f6f 07 6578616d706c65 00 0001 0001'
{
    bytes 'd4c3b2a1 0200 0400 00000000 00000000 ffff0000 65000000'
    bytes "64000000 00000000 39000000 39000000 45000039 00000000 40110000 0a000001 0a000035 15b5 0035 0025 0000 0007 0100 0001 0000 0000 0000 $question"
    bytes "64000000 10000000 49000000 49000000 45000049 00000000 40110000 0a000035 0a000001 0035 15b5 0035 0000 0007 8180 0001 0001 0000 0000 $question c00c 0001 0001 0000012c 0004 0a000002"
    bytes '64000000 20000000 28000000 28000000 45000028 00000000 40060000 0a000001 0a000002 03e8 0050 00000064 00000000 5002ffff 00000000'
} >"$WORK/names.pcap"
for options in '' '--fields id'; do
    # shellcheck disable=SC2086 # words are meant
    named=$("$BIN/dissector" --input "$WORK/names.pcap" --where 'dst.dns == "foo.example"' $options | wc -l)
    [ "$named" = 1 ] || fail "$named entries with a name, $options"
done

"$BIN/dissector" --input "$capture" --fields urls >"$WORK/out" 2>"$WORK/err" && fail "a wrong name was taken"
grep -q 'no field urls' "$WORK/err" || fail "the wrong name is not said: $(cat "$WORK/err")"
"$BIN/dissector" --input "$capture" --fields url --format sqlite --output "$WORK/x.sqlite" 2>"$WORK/err" && fail "a database took --fields"
grep -q 'a database has all fields' "$WORK/err" || fail "$(cat "$WORK/err")"
say "passed: $compared lines, $count names"
