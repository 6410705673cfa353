#!/bin/bash
# Real DNS and TLS captures with packets missing, at every place, and joined at every packet: what is said is what the whole capture says of that message or handshake, or nothing.
#   FULL=1   every packet of every capture (otherwise every seventh)
. "$(dirname "$0")/lib.sh"
need_command editcap capinfos jq
need_built "$BIN/dissector"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tapeloop-$TEST.XXXXXX")
step=$(quick_or_full 7 1)
golden=$ROOT/tests/golden

calls() { "$BIN/dissector" --input "$1" --where 'dns || tls' | jq -c '.port = .src.port'; }
# An entry is compared with those of its connection, DNS with the same identifier. What a truncated message still says of its answers is a beginning.
cat >"$WORK/wrong.jq" <<'END'
def agrees($t): . as $e | all("protocol", "dns_id", "dns_opcode", "dns_questions", "dns_question_types", "dns_answers", "dns_answer_names", "dns_response_code", "status_code", "dns_client_subnet", "dns_edns",
    "tls_sni", "tls_alpn", "tls_alpn_offered", "tls_version", "tls_cipher", "tls_ja3", "tls_ja3s", "tls_ja4", "tls_alert", "tls_resumed", "tls_hello_retry", "tls_certificate", "tls_certificate_serial",
    "tls_client_certificate"; . as $name | $e[$name] == null or $e[$name] == $t[$name]);
. as $entry | select([$truth[] | select(.port == $entry.port and .dns_id == $entry.dns_id) as $t | $entry | agrees($t)] | any | not)
END
check() { # NAME WHAT EDITCAP-ARGUMENT...: the capture without something.
    local name=$1 what=$2
    shift 2
    editcap -F pcap "$@" >/dev/null
    calls "$WORK/cut.pcap" >"$WORK/is"
    jq -c --slurpfile truth "$WORK/truth" -f "$WORK/wrong.jq" "$WORK/is" >"$WORK/wrong"
    [ ! -s "$WORK/wrong" ] || { head -n 3 "$WORK/wrong" >&2; fail "$name $what: wrong"; }
    found=$(wc -l <"$WORK/is")
}
total=0
for name in dns_udp dns_tcp dns_dnssec tls_1_2 tls_1_3 tls_nginx tls_failures; do
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
    say "$name: $whole entries in $packets packets; one packet lost costs $most_lost entries at most"
    [ $most_lost -le 2 ] || fail "$name: one packet lost cost $most_lost entries of $whole"
done
say "passed: $total captures"
