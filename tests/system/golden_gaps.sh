#!/bin/bash
# Real HTTP captures with packets missing, at every place, and joined at every packet: what is said of method, path, host and status is what the whole capture says, or nothing; and what has not been touched is still found.
# An entry is compared with those of its connection that begin at the same moment, or, where its request is missing, with any of its connection.
#   FULL=1   every packet of every capture (otherwise every seventh)
. "$(dirname "$0")/lib.sh"
need_command editcap capinfos jq
need_built "$BIN/dissector"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tapeloop-$TEST.XXXXXX")
step=$(quick_or_full 7 1)
golden=$ROOT/tests/golden

calls() { "$BIN/dissector" --input "$1" --where http | jq -c '{port: .src.port, timestamp, method, path, host, status_code, grpc_status, grpc_message, incomplete, request_at, response_at}'; }
cat >"$WORK/wrong.jq" <<'EOF'
def agrees($truth): . as $e | all("method", "path", "host", "status_code", "grpc_status", "grpc_message"; . as $name | $e[$name] == null or $e[$name] == $truth[$name]);
. as $entry | [$truth[] | select(.port == $entry.port)] as $same
| [$same[] | select(.timestamp == $entry.timestamp)] as $exact
| (if $entry.method and ($exact | length) > 0 then $exact else $same end) as $candidates
| select([$candidates[] as $t | $entry | agrees($t)] | any | not)
EOF
# check NAME WHAT EDITCAP-ARGUMENT...: the capture without something.
check() {
    local name=$1 what=$2
    shift 2
    editcap -F pcap "$@" >/dev/null
    calls "$WORK/cut.pcap" >"$WORK/is"
    jq -c --slurpfile truth "$WORK/truth" -f "$WORK/wrong.jq" "$WORK/is" >"$WORK/wrong"
    [ ! -s "$WORK/wrong" ] || { head -n 3 "$WORK/wrong" >&2; fail "$name $what: wrong"; }
    found=$(wc -l <"$WORK/is")
}
total=0
for name in http1 http2_nginx http2_nghttp http2_upgrade grpc; do
    capture=$golden/$name.pcap
    packets=$(capinfos -Mc "$capture" | awk '/Number of packets/ { print $NF }')
    calls "$capture" >"$WORK/truth"
    whole=$(wc -l <"$WORK/truth")
    most_lost=0
    for ((i = 1; i <= packets; i += step)); do
        check $name "without packet $i" "$capture" "$WORK/cut.pcap" $i
        [ $((whole - found)) -le $most_lost ] || most_lost=$((whole - found))
        check $name "without packets $i to $((i + 2))" "$capture" "$WORK/cut.pcap" $i-$((i + 2))
        check $name "from packet $i on" -r "$capture" "$WORK/cut.pcap" $i-"$packets"
        total=$((total + 3))
    done
    say "$name: $whole calls in $packets packets; one packet lost costs $most_lost calls at most"
    [ $most_lost -le 5 ] || fail "$name: one packet lost cost $most_lost calls of $whole"
done
say "passed: $total captures"
