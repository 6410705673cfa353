#!/bin/bash
# A dissection asked for by plain JSON: accepted, ready, the same rows for 1, 2 and 5 workers and as the command makes from the files; the name is the idempotence key; what cannot be done is said; list, show, calls, call, delete.
. "$(dirname "$0")/lib.sh"
start_test
plain() { in_net "$ROOT/tests/system/plain_nats.bash" "$@"; }
publish() { printf '%s' "$1" | plain publish dissect.request; }
nats_start
streams_apply
capturer_start 128Mi
snapshotter_start
plain watch 100000 600 'dissect.accepted' 'dissect.ready' 'dissect.failed' 'dissect.deleted' >"$WORK/events" 2>/dev/null &
PIDS+=($!)
wait_for 10 "the subscription" grep -q subscribed "$WORK/events"
events_of() { awk -F'\t' -v s="$1" '$1 == s { print $3 }' "$WORK/events" | jq -c --arg n "$2" 'select(.name == $n)'; }
ids_of() { awk -F'\t' -v s="$1" '$1 == s { print $2 "\t" $3 }' "$WORK/events" | grep -F "\"name\":\"$2\"" | grep -o 'ce-id: [^|]*'; }
has_event() { [ "$(events_of "$1" "$2" | wc -l)" -ge "${3:-1}" ]; }

calls=$(quick_or_full 12000 60000)
send_calls mixed "$calls" 7
settle
EXPECT=3 snapshot_create shop --last 60s # the tape does not reach back that far
at_least "$(find "$(snapshot_folder shop)" -name '*.lz4' | wc -l)" 2 "segments of the snapshot"
manifest=$(sha256sum "$(snapshot_folder shop)/manifest.json")

# While nobody is there; then by one worker.
publish '{"snapshot":"shop","name":"one"}'
sleep 1
has_event dissect.accepted one && fail "somebody took it though no dissector runs"
dissector_start d1
wait_for 60 "the dissection by one worker" has_event dissect.ready one
has_event dissect.accepted one || fail "it was never accepted"
events_of dissect.ready one | jq -e --argjson sent "$SENT" '(.packets | tonumber) == $sent and (.entries | tonumber) > 0 and (.digest | length) == 64' >/dev/null ||
    fail "ready does not say what it read: $SENT packets were sent, $(events_of dissect.ready one)"
one=$(digest_of shop one)

# By two and by five, each in a process of its own.
dissector_start d2
publish '{"snapshot":"shop","name":"two"}'
wait_for 60 "the dissection by two workers" has_event dissect.ready two
for i in 3 4 5; do dissector_start "d$i"; done
publish '{"snapshot":"shop","name":"five"}'
wait_for 60 "the dissection by five workers" has_event dissect.ready five
equal "$(digest_of shop two)" "$one" "digest of two workers' rows"
equal "$(digest_of shop five)" "$one" "digest of five workers' rows"
equal "$(sha256sum "$(snapshot_folder shop)/manifest.json")" "$manifest" "the snapshot's manifest"
[ -z "$(find "$DATA/snapshots/.dissections/shop" -mindepth 1 -maxdepth 1 -name '.*')" ] || fail "work folders were left: $(ls -a "$DATA/snapshots/.dissections/shop")"
equal "$(tl snapshot show shop --json | jq -r '[.dissections[].name] | join(" ")')" "five one two" "dissections that the snapshot shows"

# The same rows as the command makes from the same files, without a bus.
in_net "$BIN/dissector" --input "$(snapshot_folder shop)" --output "$WORK/files.ndjson" 2>"$WORK/files.err" || { cat "$WORK/files.err" >&2; fail "dissector --input"; }
equal "$(events_of dissect.ready one | jq -r .entries)" "$(wc -l <"$WORK/files.ndjson")" "entries on the bus, and from the files"
tl calls --snapshot shop --dissection one --group-by protocol --json | jq -c '[.calls[] | {(.protocol): .count}] | add' >"$WORK/groups.json"
jq -s -c 'group_by(.protocol) | map({(.[0].protocol): length}) | add' "$WORK/files.ndjson" >"$WORK/groups.files.json"
jq -e --slurpfile other "$WORK/groups.files.json" '. == $other[0]' "$WORK/groups.json" >/dev/null || fail "entries by protocol: $(cat "$WORK/groups.json") on the bus, $(cat "$WORK/groups.files.json") from the files"

# The same again is the same event once more; something else of that name is refused; so is what cannot be.
publish '{"snapshot":"shop","name":"one","redact":"on"}'
wait_for 20 "the same once more" has_event dissect.ready one 2
equal "$(ids_of dissect.ready one | sort -u | wc -l)" 1 "different ce-ids of one dissection"
publish '{"snapshot":"shop","name":"one","where":"dns"}'
wait_for 20 "the refusal of a name that is taken" has_event dissect.failed one
events_of dissect.failed one | jq -e '.reason | test("taken")' >/dev/null || fail "the refusal does not say why"
publish '{"snapshot":"nowhere","name":"bad1"}'
publish '{"snapshot":"shop","name":"bad2","where":"metod == \"GET\""}'
publish '{"snapshot":"shop","name":"bad3","protocols":["SMTP"]}'
for i in 1 2 3; do wait_for 20 "refusal $i" has_event dissect.failed "bad$i"; done
events_of dissect.failed bad1 | jq -e '.reason | test("no snapshot nowhere")' >/dev/null || fail "bad1: $(events_of dissect.failed bad1)"
events_of dissect.failed bad2 | jq -e '.reason | test("metod")' >/dev/null || fail "bad2: $(events_of dissect.failed bad2)"
events_of dissect.failed bad3 | jq -e '.reason | test("SMTP")' >/dev/null || fail "bad3: $(events_of dissect.failed bad3)"

# The command: waits, lists, asks.
tl dissect shop --name errors --where 'http && status_code >= 500' --wait >"$WORK/errors.out" 2>&1 || { cat "$WORK/errors.out" >&2; fail "dissect --wait"; }
code=0
tl dissect nowhere --wait >"$WORK/out" 2>"$WORK/err" || code=$?
equal $code 1 "exit code of a dissection of nothing"
equal "$(tl dissection list --json | jq -r '[.dissections[].name] | join(" ")')" "errors five one two" "dissections that are listed"
errors=$(jq -c 'select(.protocol == "HTTP" and .status_code >= 500)' "$WORK/files.ndjson" | wc -l)
equal "$(tl calls --snapshot shop --dissection errors --group-by protocol --json | jq '[.calls[].count] | add // 0')" "$errors" "entries that --where has kept"

code=0
tl calls --snapshot shop --dissection errors >/dev/full 2>"$WORK/err" || code=$?
equal $code 1 "exit code of a table that could not be written"

# Pages that go on where one ended are the whole.
cursor='' pages=0 rows=0
while :; do
    tl calls dns --snapshot shop --dissection one --fields id,summary --limit 1000 --cursor "$cursor" --json >"$WORK/page.json" || fail "a page of calls"
    rows=$((rows + $(jq '.calls | length' "$WORK/page.json"))) pages=$((pages + 1))
    cursor=$(jq -r .cursor "$WORK/page.json")
    [ -n "$cursor" ] || break
    at_most $pages 100 "pages"
done
equal $rows "$(jq -c 'select(.protocol == "DNS")' "$WORK/files.ndjson" | wc -l)" "rows of all pages"
tl calls 'http && status_code == ' --snapshot shop --dissection one >"$WORK/out" 2>"$WORK/err" && fail "a broken expression was answered"
grep -q column "$WORK/err" || fail "the refusal does not say where: $(cat "$WORK/err")"

# One call whole, and its connection as a capture.
id=$(tl calls http --snapshot shop --dissection one --fields id --limit 1 --json | jq -r '.calls[0].id')
tl call "$id" --snapshot shop --dissection one --json >"$WORK/call.json" || fail "call $id"
jq -e --argjson id "$id" '.id == $id and .protocol == "HTTP" and (.request.headers | length) > 0' "$WORK/call.json" >/dev/null || fail "call $id is not whole: $(cat "$WORK/call.json")"
tl call "$id" --snapshot shop --dissection one --pcap "$WORK/call.pcapng" >"$WORK/out" || fail "call --pcap"
at_least "$(tshark -r "$WORK/call.pcapng" -Y http.request 2>/dev/null | wc -l)" 1 "requests in the capture of the call's connection"
equal "$(tshark -r "$WORK/call.pcapng" -T fields -e tcp.port 2>/dev/null | tr ',' '\n' | sort -u | wc -l)" 2 "ports in it"

# Deleted: gone, said, and its name is free.
tl dissection delete shop --name two >"$WORK/out" || fail "dissection delete"
wait_for 10 "dissect.deleted" has_event dissect.deleted two
[ ! -e "$DATA/snapshots/.dissections/shop/two" ] || fail "a deleted dissection left its files"
publish '{"snapshot":"shop","name":"two","protocols":["DNS"]}'
wait_for 60 "the new dissection of that name" has_event dissect.ready two 2
equal "$(tl calls --snapshot shop --dissection two --group-by protocol --json | jq -r '[.calls[].protocol] | join(" ")')" DNS "protocols of a dissection of DNS alone"
tl dissect shop --name few --limit 10 --wait >"$WORK/few.out" 2>"$WORK/few.err" || { cat "$WORK/few.err" >&2; fail "dissect --limit"; }
equal "$(tl dissection show shop --name few --json | jq -r .dissection.entries)" 10 "entries of a dissection that is limited to ten"
equal "$(tl calls --snapshot shop --dissection few --fields id,timestamp --json | jq -c .calls)" "$(tl calls --snapshot shop --dissection one --fields id,timestamp --limit 10 --json | jq -c .calls)" "the ten that were kept, and the earliest ten"
tl snapshot delete shop >"$WORK/out" || fail "snapshot delete"
[ ! -e "$DATA/snapshots/.dissections/shop" ] || fail "the dissections outlived their snapshot"
equal "$(tl dissection list --json | jq '.dissections | length')" 0 "dissections after their snapshot was deleted"
for i in 1 2 3 4 5; do must_end_well "d$i"; done
no_sanitizer_report
say "passed: $SENT packets, $(wc -l <"$WORK/files.ndjson") entries, digest $one"
