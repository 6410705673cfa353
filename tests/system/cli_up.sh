#!/bin/bash
# `tapeloop up` as a user meets it: two on one machine with their own folders and ports; one folder for one; parts that die come back; SIGTERM, Ctrl-C and kill -9 leave no process;
# status, nodes, events, exit codes and JSON of the commands against them; an export that breaks off leaves no file.
. "$(dirname "$0")/lib.sh"
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}exitcode=99" UBSAN_OPTIONS=halt_on_error=1:exitcode=99 # no finding may pass for an exit code of ours
start_test
TL=$BIN/tapeloop

pids_in_net() { ip netns pids "$NET"; }
no_process_left() { [ -z "$(pids_in_net)" ]; }
code_of() { local code=0; "$@" >"$WORK/code.out" 2>"$WORK/code.err" || code=$?; echo $code; }
status_is() { [ "$(code_of at one status)" = "$1" ]; }
equal_code() { # EXPECTED COMMAND...
    local expected=$1 code
    shift
    code=$(code_of "$@")
    [ "$code" = "$expected" ] || { cat "$WORK/code.out" "$WORK/code.err" >&2; fail "$*: exit code $code, not $expected"; }
}
at() { NATS_URL=$(cat "$WORK/$1/nats.url") tl "${@:2}"; }
pid_below() { pgrep -P "$1" -x "$2"; } # PARENT NAME

# Two of them.
start one "$TL" up --data "$WORK/one" --interface rx0 --storage-size 256Mi --port 0 --node node.one --label zone=a
start two "$TL" up --data "$WORK/two" --interface rx0 --storage-size 64Mi --port 0 --node node-two --json
wait_ready one 30
wait_for 30 "the second one" jq -e .ready "$WORK/two.out"
equal "$(cat "$WORK/one.out")" ready "standard output of up"
equal "$(jq -r .server "$WORK/two.out")" "$(cat "$WORK/two/nats.url")" "address of the second bus"
[ "$(cat "$WORK/one/nats.url")" != "$(cat "$WORK/two/nats.url")" ] || fail "two buses on one port"
for n in one two; do
    equal_code 0 at $n status
    equal "$(at $n nodes --json | jq '.nodes | length')" 1 "nodes on a bus of its own"
done
at one status --json | jq -e '.recording and .bus.connected and (.snapshotters | length) == 1 and .nodes[0].node == "node.one" and .nodes[0].labels.zone == "a"' >"$WORK/jq" || fail "status --json: $(at one status --json)"
at one status >"$WORK/status"
grep -q 'node.one *recording' "$WORK/status" || fail "status: $(cat "$WORK/status")"

# A folder in use and a port in use are refused in a sentence, and hurt nobody.
equal_code 1 tl up --data "$WORK/one" --port 0
grep -q "in use by another tapeloop up (process ${PID_OF[one]})" "$WORK/code.err" || fail "the refusal of a folder in use: $(cat "$WORK/code.err")"
port=$(sed 's/.*://' "$WORK/one/nats.url")
equal_code 1 tl up --data "$WORK/three" --port "$port"
grep -q "port $port on 127.0.0.1 is taken" "$WORK/code.err" || fail "the refusal of a port in use: $(cat "$WORK/code.err")"
equal_code 0 at one status

# Asking, with and without --wait; partial is 3; unknown names are 1.
sleep 1 # the tape holds the whole second before
from=$(now_rfc3339)
send --size 4000:9000 --skew 1 --count 5000 --rate 5000
to=$(now_rfc3339)
settle
equal_code 0 at one snapshot create first --from "$from" --to "$to" --wait
# The same again is the same snapshot; asked for by four at once, one snapshot answers all.
equal_code 0 at one snapshot create first --from "$from" --to "$to" --wait
for n in 1 2 3 4; do at one snapshot create shared --from "$from" --to "$to" --wait >"$WORK/shared-$n.out" 2>&1 & shared[n]=$!; done
for n in 1 2 3 4; do wait "${shared[n]}" || fail "one of four that asked for the same: $(cat "$WORK/shared-$n.out")"; done
equal "$(at one snapshot list --json | jq "[.snapshots[] | select(.name == \"shared\")] | length")" 1 "snapshots that four asked for"
equal_code 0 at one snapshot create second --from "$from" --to "$to" --json
jq -e '.state == "accepted" or .state == "ready" or .state == "queued"' "$WORK/code.out" >"$WORK/jq" || fail "create --json without --wait: $(cat "$WORK/code.out")"
equal_code 1 at one snapshot create first --last 1s --wait
grep -q 'taken' "$WORK/code.err" || fail "a taken name is not called so: $(cat "$WORK/code.err")"
equal_code 1 at one snapshot create 'Bad Name' --last 1s
equal_code 3 at one snapshot create before --from "$(rfc3339 $(($(date +%s) - 3600)))" --wait
equal_code 1 at one snapshot create strict --from "$(rfc3339 $(($(date +%s) - 3600)))" --complete --wait --json
jq -e '.state == "failed" and (.error.message | length) > 10' "$WORK/code.out" >"$WORK/jq" || fail "a failure as JSON: $(cat "$WORK/code.out")"
equal_code 0 at one snapshot create labelled --from "$from" --to "$to" --label zone=a --wait
equal_code 1 at one snapshot create unlabelled --from "$from" --to "$to" --label zone=b --wait
equal_code 1 at one snapshot show nobody
equal_code 0 at one snapshot show first
equal_code 0 at one snapshot show first --objects
equal_code 0 at one snapshot verify first
at one snapshot list --json | jq -e '[.snapshots[].name] | index("first") != null and index("before") != null' >"$WORK/jq" || fail "snapshot list --json"
at one snapshot show first --json | jq -e '.snapshot.completeness == "complete" and (.manifest.objects | length) > 0' >"$WORK/jq" || fail "snapshot show --json"
equal "$(at two snapshot list --json | jq '.snapshots | length')" 0 "snapshots of the other one"
# A window that ends in the future is waited for; a timeout ends the waiting, a cancel the snapshot.
equal_code 1 at one snapshot create later --from "$(now_rfc3339)" --to "$(rfc3339 $(($(date +%s) + 600)))" --wait --timeout 1s
equal_code 0 at one snapshot cancel later
equal_code 1 at one snapshot cancel nobody

# Export: a file, standard output, a reader that has seen enough, a place where nothing can be written, a name that is none.
equal_code 0 at one snapshot export first --output "$WORK/first.pcapng"
at one snapshot export first --output - 2>"$WORK/export.err" >"$WORK/piped.pcapng"
cmp "$WORK/first.pcapng" "$WORK/piped.pcapng" || fail "the same export twice differs"
at one snapshot export first --output - 2>"$WORK/export.err" | head -c 100 >"$WORK/head" || fail "an export whose reader left: $(cat "$WORK/export.err")"
[ ! -s "$WORK/export.err" ] || fail "an export whose reader left complains: $(cat "$WORK/export.err")"
equal_code 1 at one snapshot export first --output "$WORK/no-such-folder/x.pcapng"
equal_code 1 at one snapshot export nobody --output "$WORK/nobody.pcapng"
equal_code 1 at one snapshot export first --bpf 'tcp port banana' --output "$WORK/nobody.pcapng"
equal_code 0 at one snapshot export first --output /dev/null
[ -z "$(find "$WORK" -maxdepth 1 -name 'nobody*' -o -maxdepth 1 -name '*.part')" ] || fail "a failed export left a file"

# A disk that takes no more, and a snapshotter that dies while it sends: an error, and no half file.
code=0
(trap '' XFSZ; ulimit -f 64; at one snapshot export first --output "$WORK/half.pcapng") 2>"$WORK/export.err" || code=$?
equal $code 1 "exit code of an export onto a full disk"
grep -q 'broke off' "$WORK/export.err" || fail "an export onto a full disk: $(cat "$WORK/export.err")"
mkfifo "$WORK/slow"
{ sleep 3; cat; } <"$WORK/slow" >"$WORK/slow.out" & reader=$!
NATS_URL=$(cat "$WORK/one/nats.url") start broken "$TL" snapshot export first --output "$WORK/slow"
sleep 1
kill -KILL "$(pid_below "${PID_OF[one]}" snapshotter)"
wait_gone() { ! alive "${PID_OF[broken]}"; }
wait_for 20 "the broken export to end" wait_gone
end broken
equal "$ENDED" 1 "exit code of an export that broke off"
grep -q 'broke off' "$WORK/broken.err" || fail "an export that broke off: $(cat "$WORK/broken.err")"
wait $reader
[ -z "$(find "$WORK" -maxdepth 1 -name 'half*' -o -maxdepth 1 -name '*.part')" ] || fail "a failed export left a file"
wait_for 30 "a snapshotter that is back" at one snapshot list

# Names for the shell, and through the completion script.
tl --generate-completion >"$WORK/completion"
NATS_URL=$(cat "$WORK/one/nats.url") in_net bash -c ". \"\$1\"; COMP_WORDS=(\"\$2\" snapshot show fir); COMP_CWORD=3; _tapeloop; echo \"\${COMPREPLY[*]}\"" - "$WORK/completion" "$TL" >"$WORK/completed"
equal "$(cat "$WORK/completed")" first "what the shell completes"
NATS_URL=$(cat "$WORK/one/nats.url") tl --complete snapshot | grep -qx first || fail "the shell is not told the snapshot's name"
NATS_URL=$(cat "$WORK/one/nats.url") tl --complete node | grep -qx node.one || fail "the shell is not told the node's name"

# Streams: checked, applied again without a change.
equal_code 0 at one streams check
equal_code 0 at one streams apply
equal_code 1 at one nodes forget node.one
grep -q 'still reports' "$WORK/code.err" || fail "forgetting a living node: $(cat "$WORK/code.err")"

# Who waits for a snapshot outlives the bus: the connection comes back, and so does the answer.
NATS_URL=$(cat "$WORK/one/nats.url") start waiting "$TL" snapshot create patient --from "$from" --to "$(rfc3339 $(($(date +%s) + 6)))" --wait
wait_for 10 "the request to be accepted" grep -q 'is accepted' "$WORK/waiting.err"
kill -KILL "$(pid_below "${PID_OF[one]}" nats-server)"
end_of_waiting() { ! alive "${PID_OF[waiting]}"; }
wait_for 60 "the end of a snapshot that was waited for while the bus died" end_of_waiting
end waiting
equal "$ENDED" 0 "exit code of create --wait over a restart of the bus ($(cat "$WORK/waiting.out" "$WORK/waiting.err"))"

# A part that is killed comes back by itself; what was asked for meanwhile is done.
for part in capturer snapshotter nats-server; do
    old=$(pid_below "${PID_OF[one]}" $part)
    kill -KILL "$old"
    came_back() { local new; new=$(pid_below "${PID_OF[one]}" $part) && [ "$new" != "$old" ]; }
    wait_for 20 "$part to come back" came_back
    wait_for 30 "a recording node after $part was killed" at one status
done
wait_for 30 "an answer after everything was killed once" at one snapshot list
equal_code 0 at one snapshot verify first

# Stopping: by SIGTERM, by Ctrl-C, and not at all (kill -9 of up itself).
must_end_well one TERM
[ ! -e "$WORK/one/nats.url" ] || fail "nats.url stays behind"
must_end_well two INT
wait_for 10 "every process to be gone" no_process_left
[ -z "$(find "$WORK/one/tape" -name '.*.lz4')" ] || fail "a segment was not sealed: $(find "$WORK/one/tape")"
start one "$TL" up --data "$WORK/one" --interface rx0 --storage-size 256Mi --port 0 --node node.one
: >"$WORK/one.out"
wait_ready one 30
equal_code 0 at one snapshot verify first
end one KILL
wait_for 20 "every process to be gone after kill -9 of up" no_process_left

# A node that has gone is silent, then forgotten.
start one "$TL" up --data "$WORK/one" --interface rx0 --storage-size 256Mi --port 0 --node node.new
: >"$WORK/one.out"
wait_ready one 30
wait_for 30 "a status that tells of the old node" status_is 3
wait_for 30 "the old node to be called silent" eval 'at one nodes --json | jq -e ".nodes[] | select(.node == \"node.one\") | .recording | not"'
wait_for 30 "the old node to be forgotten" at one nodes forget node.one
equal_code 0 at one status
must_end_well one INT
wait_for 10 "every process to be gone" no_process_left
no_sanitizer_report
say passed
