#!/bin/bash
# What is on the wire is what is on the tape: hand-made frames of every kind (tags put back, extension headers, fragments, 8 KiB of payload) come out byte for byte and those of other protocols do not; interfaces
# that come, go and come back are covered; lo is recorded once; `auto` takes a bridge's members and not the bridge; GRO super-packets and BIG TCP are not cut.
. "$(dirname "$0")/lib.sh"
need_command tcpreplay
start_test
need_built "$TOOLS/craft" "$TOOLS/tcp_bulk"

window_open() { FROM=$(now_rfc3339); }
window_export() { # NAME: closes the window, makes a snapshot, exports to $WORK/NAME.pcapng
    settle 0.2
    snapshot_create "$1" --from "$FROM" --to "$(now_rfc3339)"
    snapshot_export "$1" --output "$WORK/$1.pcapng"
}
names_in() { tshark -r "$1" -T fields -e frame.interface_name 2>/dev/null | sort | uniq -c | awk '{ print $2 "=" $1 }' | paste -sd' '; }

# ---- frames of every kind
"$TOOLS/craft" "$WORK/kept.pcap" "$WORK/other.pcap" >"$WORK/craft"
"$TOOLS/frames" merge "$WORK/all.pcap" 9018 "$WORK/other.pcap" "$WORK/kept.pcap" "$WORK/other.pcap" >/dev/null
up_start 256Mi --interface 'late*' --interface lo
window_open
in_net tcpreplay --intf1=tx0 --pps=500 "$WORK/all.pcap" >"$WORK/tcpreplay.out" 2>&1 || { cat "$WORK/tcpreplay.out" >&2; fail tcpreplay; }
settle 0.2
snapshot_create craft --from "$FROM" --to "$(now_rfc3339)"
# lo carries the bus itself here; the hand-made frames are those of rx0, told by their Ethernet addresses.
snapshot_export craft --bpf 'ether src 02:00:00:00:00:01' --output "$WORK/craft.pcapng"
"$TOOLS/frames" print "$WORK/kept.pcap" >"$WORK/should"
"$TOOLS/frames" print "$WORK/craft.pcapng" >"$WORK/is"
cmp -s "$WORK/should" "$WORK/is" || { diff "$WORK/should" "$WORK/is" >&2 || true; fail "hand-made frames: not the same came out"; }
equal "$(names_in "$WORK/craft.pcapng")" "rx0=$(jq .kept "$WORK/craft")" "interface of the hand-made frames"
[ -z "$(tshark -r "$WORK/craft.pcapng" -Y 'eth.src != 02:00:00:00:00:01' 2>/dev/null)" ] || fail "frames of somebody else"
say "$(wc -l <"$WORK/is") kinds of frames, byte for byte"

# ---- lo: every datagram once
window_open
for ((i = 1; i <= 50; i++)); do in_net bash -c "printf 'number %04d' $i >/dev/udp/127.0.0.1/9999" 2>/dev/null || true; done
settle 0.2
snapshot_create loopback --from "$FROM" --to "$(now_rfc3339)"
snapshot_export loopback --bpf 'udp dst port 9999' --output "$WORK/loopback.pcapng"
equal "$(tshark -r "$WORK/loopback.pcapng" -T fields -e data.data 2>/dev/null | sort -u | wc -l)" 50 "different datagrams over lo"
equal "$(packets_in "$WORK/loopback.pcapng")" 50 "datagrams over lo"
equal "$(names_in "$WORK/loopback.pcapng")" "lo=50" "interface of the datagrams"

# ---- interfaces that come and go
late() { # FIRST COUNT: a new pair, traffic over it, and gone again
    veth_make ltx0 late0 9000
    sleep "${LATE:-1.5}"
    in_net "$TOOLS/traffic" --interface ltx0 --rate 5000 --start "$1" --count "$2" >/dev/null
    sleep 0.3
    ip -n "$NET" link del ltx0
}
window_open
late 0 2000
send --rate 5000 --start 2000 --count 2000
late 4000 2000
settle 0.2
snapshot_create late --from "$FROM" --to "$(now_rfc3339)"
snapshot_export late --bpf 'net 10.77.0.0/16 or ip6 net fd77::/16' --output "$WORK/late.pcapng"
check_traffic "$WORK/late.pcapng" --count 6000
equal "$(names_in "$WORK/late.pcapng")" "late0=4000 rx0=2000" "interfaces that came and went"
up_stop

# ---- super-packets, IPv4 and IPv6, and larger than 64 KiB where the kernel can
OTHER=$NET-b
net_new "$OTHER"
ip -n "$NET" link add name big0 type veth peer name big1 netns "$OTHER"
ip -n "$NET" addr add 10.9.9.1/24 dev big0
ip -n "$NET" addr add fd99::1/64 dev big0 nodad
ip -n "$OTHER" addr add 10.9.9.2/24 dev big1
ip -n "$OTHER" addr add fd99::2/64 dev big1 nodad
big=0
if ip -n "$OTHER" link set big1 gso_max_size 190000 gro_max_size 190000 2>/dev/null && ip -n "$NET" link set big0 gso_max_size 190000 gro_max_size 190000 2>/dev/null; then big=1; fi
ip -n "$NET" link set big0 up
ip -n "$OTHER" link set big1 up
start up "$BIN/tapeloop" up --data "$WORK/data2" --interface big0 --storage-size 2Gi --port "$PORT"
DATA=$WORK/data2
wait_ready up 30
bulk() { # ADDRESS: 64 MiB over one connection; checks that they are all on the tape, in packets above 9000 bytes
    local bytes=$((64 * 1024 * 1024)) name=$2
    start sink "$TOOLS/tcp_bulk" listen 7777
    wait_for 5 "the sink" grep -q listening "$WORK/sink.out"
    window_open
    NET_OF=$OTHER in_net "$TOOLS/tcp_bulk" send "$1" 7777 $bytes
    wait_for 10 "all bytes at the sink" grep -qx $bytes "$WORK/sink.out"
    window_export "$name"
    # Bytes of the stream covered by what was recorded (retransmissions counted once), and the greatest packet.
    tshark -n -r "$WORK/$name.pcapng" -o tcp.desegment_tcp_streams:FALSE -Y 'tcp.dstport == 7777' -T fields -e frame.len -e frame.cap_len -e tcp.seq -e tcp.len 2>/dev/null >"$WORK/$name.tsv"
    awk -F'\t' '$1 != $2 { print "cut: " $0; bad = 1 } END { exit bad }' "$WORK/$name.tsv" >&2 || fail "$name: super-packets were cut"
    equal "$(sort -t$'\t' -k3,3n "$WORK/$name.tsv" | awk -F'\t' 'BEGIN { next_byte = 1 } $3 <= next_byte && $3 + $4 > next_byte { next_byte = $3 + $4 } END { print next_byte - 1 }')" $bytes "$name: bytes of the stream on the tape"
    LONGEST=$(cut -f1 "$WORK/$name.tsv" | sort -n | tail -n 1)
    at_least "$LONGEST" 9000 "$name: longest packet"
    say "$name: $bytes bytes, longest packet $LONGEST"
}
bulk 10.9.9.1 gro4
bulk fd99::1 gro6
if [ $big = 1 ]; then at_least "$LONGEST" 65550 "BIG TCP: longest packet over IPv6"; else say "left out: BIG TCP (ip cannot set gso_max_size here)"; fi
up_stop

# ---- auto: a bridge with two members and an address; a packet that crosses it is there by its members, not by the bridge
ip -n "$NET" link add name br0 type bridge
for i in 0 1; do
    ip -n "$NET" link add name "port$i" type veth peer name "host$i"
    in_net sysctl -qw "net.ipv6.conf.host$i.disable_ipv6=1"
    ip -n "$NET" link set "port$i" master br0
    ip -n "$NET" link set "port$i" up
    ip -n "$NET" link set "host$i" up
done
in_net sysctl -qw net.ipv6.conf.br0.disable_ipv6=1
ip -n "$NET" link set br0 up
sleep 1
start up "$BIN/tapeloop" up --data "$WORK/data3" --interface auto --storage-size 256Mi --port "$PORT"
DATA=$WORK/data3
wait_ready up 30
window_open
in_net "$TOOLS/traffic" --interface tx0 --rate 5000 --count 1000 >/dev/null
in_net "$TOOLS/traffic" --interface host0 --size 64:1400 --rate 5000 --start 1000 --count 1000 >/dev/null
settle 0.2
snapshot_create auto --from "$FROM" --to "$(now_rfc3339)"
snapshot_export auto --bpf 'net 10.77.0.0/16 or ip6 net fd77::/16' --output "$WORK/auto.pcapng"
seen=$(names_in "$WORK/auto.pcapng")
say "auto: $seen"
[[ " $seen " != *" br0="* ]] || fail "auto recorded a bridge besides its members: $seen"
[[ " $seen " == *" port0=1000 "* ]] || fail "auto did not record a bridge's member: $seen"
[[ " $seen " == *" rx0=1000 "* ]] || fail "auto did not record rx0: $seen"
up_stop
no_sanitizer_report
say passed
