#!/bin/bash
# The checks themselves: a capture by dumpcap of the generator's packets passes, and each fault put into it by hand (a packet lost, doubled, changed, swapped, cut, times turned back or rounded) is found;
# the box watcher sees a file too many, also an unlinked one. A check that cannot fail proves nothing.
. "$(dirname "$0")/lib.sh"
need_root
need_command ip jq dumpcap editcap mergecap
need_built "$TOOLS/traffic" "$TOOLS/traffic_check" "$TOOLS/box_watch" "$TOOLS/frames" "$TOOLS/cpu_run"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tapeloop-$TEST.XXXXXX")
net_make
plan=(--seed 7 --flows 8)

start dump dumpcap -q -i rx0 -B 64 -w "$WORK/sent.pcapng"
wait_for 10 "dumpcap" grep -q File "$WORK/dump.err"
sleep 0.5
send "${plan[@]}" --count 20000 --rate 50000
sleep 1
end dump INT
equal "$SENT" 20000 "packets sent"
check_traffic "$WORK/sent.pcapng" "${plan[@]}" --count 20000

# found FAULT COMMAND-OUTPUT-FILE: the checker must name just this kind.
found() {
    local code=0 verdict
    verdict=$("$TOOLS/traffic_check" "${plan[@]}" --count 20000 "$2" 2>/dev/null) || code=$?
    [ $code = 1 ] || fail "$1 was not noticed: $verdict"
    [ "$(jq -r ".$1" <<<"$verdict")" -gt 0 ] || fail "$1 was not named: $verdict"
    say "found $1"
}
cut=$WORK/fault.pcapng
editcap "$WORK/sent.pcapng" "$cut" 777
found missing "$cut"
editcap -r "$WORK/sent.pcapng" "$WORK/one.pcapng" 777
mergecap -w "$cut" "$WORK/sent.pcapng" "$WORK/one.pcapng"
found duplicate "$cut"
editcap -r "$WORK/sent.pcapng" "$WORK/head.pcapng" 1-100
editcap -r "$WORK/sent.pcapng" "$WORK/tail.pcapng" 101-20000
mergecap -a -w "$cut" "$WORK/tail.pcapng" "$WORK/head.pcapng"
found disorder "$cut"
found time_back "$cut"
editcap -s 60 "$WORK/sent.pcapng" "$cut"
found corrupt "$cut"
found cut "$cut"
editcap -F pcap "$WORK/sent.pcapng" "$cut"
found resolution "$cut"
# One bit of a payload: behind the pcapng header blocks, in the middle of the file.
cp "$WORK/sent.pcapng" "$cut"
bit_flip "$cut" $(($(stat -c %s "$cut") / 2))
must_fail "a flipped bit" "$TOOLS/traffic_check" "${plan[@]}" --count 20000 "$cut"
head -c $(($(stat -c %s "$WORK/sent.pcapng") - 10)) "$WORK/sent.pcapng" >"$cut"
must_fail "a cut file" "$TOOLS/traffic_check" "${plan[@]}" --count 20000 "$cut"
must_fail "an empty file" "$TOOLS/traffic_check" "${plan[@]}" --count 20000 /dev/null

# The frames of a capture: same when the same, different by one line when one packet is gone.
"$TOOLS/frames" print --kept "$WORK/sent.pcapng" >"$WORK/all"
equal "$(wc -l <"$WORK/all")" 20000 "frames that must be recorded"
editcap "$WORK/sent.pcapng" "$cut" 5
"$TOOLS/frames" print --kept "$cut" >"$WORK/less"
must_fail "a comparison with a frame gone" cmp "$WORK/all" "$WORK/less"

# The watcher: within the box, above it, and above it by a file that has no name any more.
mkdir "$WORK/box"
head -c 1000000 /dev/zero >"$WORK/box/a"
"$TOOLS/box_watch" --most 2000000 "$WORK/box" >"$WORK/watch" & pid=$!
sleep 0.5; kill -TERM $pid; wait $pid || fail "the watcher complained about a box that was not full"
equal "$(jq .most_length "$WORK/watch")" 1000000 "watched bytes"
"$TOOLS/box_watch" --most 2000000 "$WORK/box" >"$WORK/watch" & pid=$!
sleep 0.3; head -c 1500000 /dev/zero >"$WORK/box/b"; sleep 0.3; rm "$WORK/box/b"; sleep 0.1
kill -TERM $pid
code=0; wait $pid || code=$?
equal $code 1 "the watcher's verdict on a box that was too full for 0.3 s"
exec 9<>"$WORK/box/c"
head -c 1500000 /dev/zero >&9
rm "$WORK/box/c"
"$TOOLS/box_watch" --most 2000000 --pid $$ "$WORK/box" >"$WORK/watch" & pid=$!
sleep 0.5; kill -TERM $pid
code=0; wait $pid || code=$?
exec 9>&-
equal $code 1 "the watcher's verdict on an unlinked open file"

# What a process cost: work until the process's own clock says 0.3 s is 0.3 s, however busy the machine is; sleep is none.
"$TOOLS/cpu_run" "$WORK/cost" bash -c 'until read -ra own </proc/$$/stat && ((own[13] + own[14] >= 3 * '"$(getconf CLK_TCK)"' / 10)); do :; done'
jq -e '.cpu > 0.25 and .cpu < 0.5 and .wall > 0.25' "$WORK/cost" >/dev/null || fail "cost of a busy process: $(cat "$WORK/cost")"
"$TOOLS/cpu_run" "$WORK/cost" sleep 0.3
jq -e '.cpu < 0.1 and .wall >= 0.3' "$WORK/cost" >/dev/null || fail "cost of a sleeping process: $(cat "$WORK/cost")"
say passed
