#!/bin/bash
# The dissector's input and decoding beside stock tshark, over real captures: the same number of frames, and the same frames hold TCP or UDP with the same ports and lengths. What differs is excused by a rule below, or it is a fault.
#   TAPELOOP_CORPUS   folder of captures (../shared/corpus beside the checkout)
. "$(dirname "$0")/lib.sh"
TAPELOOP_CORPUS=${TAPELOOP_CORPUS:-$ROOT/../shared/corpus}
[ -d "$TAPELOOP_CORPUS" ] || skip "no folder of captures at TAPELOOP_CORPUS ($TAPELOOP_CORPUS)"
need_command tshark
need_built "$TOOLS/decode_count"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tapeloop-$TEST.XXXXXX")

# Prints every difference that no rule excuses. Files: ours (frame, transport, ports, payload), tshark's (frame, protocols, ports by transport, length, more fragments, fragment offset).
compare() {
    awk -F '\t' '
    function excused_missing(p, more) {
        if (p ~ /(icmp|icmpv6):(ip|ipv6):/) return 1                        # quoted in an ICMP error: nobody sent it here
        if (p ~ /^(arcnet|fddi|nflog|radiotap|wlan|ipoib|juniper|pktap|user_dlt)/) return 1 # link types that no node records
        if (p ~ /(cfp|ieee8021ah|vntag|macsec|nsh|pim|l2tp|ayiya|teredo|gtp):/ || p ~ /gre:(ppp|wlan|ip:tcp:nbss)/ || p ~ /pbb/) return 1 # not entered
        if (p ~ /(vxlan|geneve):eth:ethertype:ip:(icmp|igmp)/) return 1     # what counts is inside, and that is neither
        return more                                                         # tshark looks into a first fragment without the others, too
    }
    FNR == NR { split($0, f, " "); transport[f[1]] = f[2]; source[f[1]] = f[3]; destination[f[1]] = f[4]; payload[f[1]] = f[5]; next }
    {
        frames = $1
        has = $3 != "" || $5 != ""
        if (has && !($1 in transport)) {
            if (!excused_missing($2, $8 ~ /1|True/ || $9 ~ /1|True/)) print "frame " $1 " is missing: " $2
        } else if (!has && $1 in transport) {
            print "frame " $1 " is too many: " $2
        } else if (has) {
            n = split(transport[$1] == "tcp" ? $3 : $5, a, ","); split(transport[$1] == "tcp" ? $4 : $6, b, ","); split($7, len, ",")
            # Tunnels that tshark enters and we do not end further out.
            if ((a[n] != source[$1] || b[n] != destination[$1]) && $2 !~ /(ayiya|teredo|gtp|nsh|udp:gre)/) print "frame " $1 " has ports " source[$1] " and " destination[$1] ": " $2
            else if (transport[$1] == "tcp" && n == 1 && len[1] != "" && len[1] != payload[$1]) print "frame " $1 " has " payload[$1] " bytes, not " len[1] ": " $2
        }
    }' "$1" "$2"
}

# Files in which tshark 4.0 is wrong, or right in another way.
declare -A excused=(
    [LINKTYPE_IPV6_invalid.pcap]="IPv4 in a file that says IPv6: we read it" [ipv6-mobility-dst-opts.pcap]="tshark stops at a destination option"
    [fragmented-1.pcap]="overlapping fragments that contradict each other" [ipv6-reassembly-state-leak.pcap]="fragments of 45 seconds: ours wait 30" [vxlan_port_8472.pcap]="Linux' old VXLAN port"
    [pppoe-over-qinq.pcap]="an IP packet longer than its PPPoE frame" [tcp_header_heapoverflow.pcap]="a TCP header that is cut" [udp-length-heapoverflow.pcap]="a UDP length under 8"
)
excuse() { [[ ${1##*/} == bigtcp-* ]] || [ -n "${excused[${1##*/}]:-}" ]; } # BIG TCP: tshark 4.0 does not know it

mapfile -d '' files < <(find "$TAPELOOP_CORPUS" -type f \( -name '*.pcap' -o -name '*.pcapng' -o -name '*.trace' \) -print0 | sort -z)
[ ${#files[@]} -gt 0 ] || skip "no captures below $TAPELOOP_CORPUS"
step=$(quick_or_full 23 1)
compared=0 differ=0 frames=0
for ((i = 0; i < ${#files[@]}; i += step)); do
    file=${files[i]}
    # A link type that tshark refuses: nothing to compare with.
    tshark -n -r "$file" -T fields -e frame.number -e frame.protocols -e tcp.srcport -e tcp.dstport -e udp.srcport -e udp.dstport -e tcp.len -e ip.flags.mf -e ipv6.fraghdr.more \
        -o tcp.desegment_tcp_streams:FALSE >"$WORK/theirs" 2>"$WORK/errors" || { grep -q "doesn't support" "$WORK/errors" && continue; }
    "$TOOLS/decode_count" --frames "$file" >"$WORK/ours" || fail "$file cannot be read"
    counted=$("$TOOLS/decode_count" "$file" | sed 's/.* frames \([0-9]*\) .*/\1/')
    compared=$((compared + 1)) frames=$((frames + counted))
    [ "$counted" = "$(wc -l <"$WORK/theirs")" ] || { say "$file: $counted frames, tshark has $(wc -l <"$WORK/theirs")"; differ=$((differ + 1)); }
    excuse "$file" && continue
    compare "$WORK/ours" "$WORK/theirs" >"$WORK/differences"
    [ -s "$WORK/differences" ] || continue
    say "$file: $(wc -l <"$WORK/differences") differences"
    head -n 5 "$WORK/differences" >&2
    differ=$((differ + 1))
done
at_least "$compared" 20 "captures compared"
equal "$differ" 0 "captures that differ from tshark"
say "passed: $frames frames of $compared captures"
