#!/bin/bash
# The connection of a call inside a tunnel is cut out of the snapshot like any other: tapeloop call ID --pcap finds all its packets, and no others, in VXLAN, Geneve and IP in IP, and where the packets around them came in fragments.
. "$(dirname "$0")/lib.sh"
start_test
need_built "$TOOLS/calls" "$TOOLS/replay" "$TOOLS/tunnel"
nats_start
streams_apply
capturer_start 128Mi
snapshotter_start
dissector_start

seed=1
for kind in none vxlan geneve ipip fragments; do
    "$TOOLS/calls" http 60 $((seed++)) "$WORK/$kind.plain.pcap" 2>/dev/null || fail "no capture of calls"
    if [ $kind = none ]; then
        cp "$WORK/none.plain.pcap" "$WORK/none.pcap"
    elif [ $kind = fragments ]; then
        "$TOOLS/tunnel" vxlan "$WORK/$kind.plain.pcap" "$WORK/$kind.pcap" 200 || fail "no $kind"
    else
        "$TOOLS/tunnel" $kind "$WORK/$kind.plain.pcap" "$WORK/$kind.pcap" || fail "no $kind"
    fi
    in_net "$TOOLS/replay" tx0 20000 "$WORK/$kind.pcap" >"$WORK/replay.out" || fail "replay of $kind"
    settle
    EXPECT=3 snapshot_create "in-$kind" --last 1h # the tape does not reach back that far
    tl dissect "in-$kind" --wait >"$WORK/dissect.out" 2>"$WORK/dissect.err" || { cat "$WORK/dissect.err" >&2; fail "dissect in-$kind"; }
    # The last one: earlier calls came in another tunnel, or in none.
    id=$(tl calls http --snapshot "in-$kind" --fields id --limit 1000 --json | jq -r '.calls[-1].id')
    tl call "$id" --snapshot "in-$kind" --json >"$WORK/call.json" || fail "call $id"
    tl call "$id" --snapshot "in-$kind" --pcap "$WORK/$kind.call.pcapng" >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; fail "call $id --pcap in $kind"; }
    read -r source source_port destination destination_port < <(jq -r '[.src.ip, .src.port, .dst.ip, .dst.port] | join(" ")' "$WORK/call.json")
    ours="ip.addr==$source && ip.addr==$destination && tcp.port==$source_port && tcp.port==$destination_port"
    expected=$(tshark -r "$WORK/$kind.plain.pcap" -Y "$ours" 2>/dev/null | wc -l)
    at_least "$expected" 5 "packets of the connection in $kind"
    # Those that came in fragments are shown once, with the last of them.
    equal "$(tshark -r "$WORK/$kind.call.pcapng" -Y "$ours" 2>/dev/null | wc -l)" "$expected" "packets of the connection that are whole in what was cut out of $kind"
    frames=$(tshark -r "$WORK/$kind.pcap" -Y "$ours" -T fields -e ip.fragment.count 2>/dev/null | awk '{ n += $1 ? $1 : 1 } END { print n }')
    [ $kind != fragments ] || at_least "$frames" $((expected + 1)) "frames of the connection in $kind"
    equal "$(packets_in "$WORK/$kind.call.pcapng")" "$frames" "frames of the connection cut out of $kind"
    at_least "$(tshark -r "$WORK/$kind.call.pcapng" -Y http.request 2>/dev/null | wc -l)" 1 "requests in what was cut out of $kind"
done
must_end_well dissector
must_end_well snapshotter
must_end_well capturer
say "passed"
