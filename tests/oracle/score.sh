#!/bin/bash
# What stock tshark says of captures, beside what the dissector says: a score per protocol, and every difference.
# Usage: tests/oracle/score.sh [--quiet] FILE...
#   B      variant whose dissector is used (build/gcc)
#   JOBS   captures looked at together (2)
#   LEAST  percent of agreement below which a protocol fails (99)
# Facts, one a line, are made of both (theirs.jq, ours.jq, and connections here) and compared as sorted lines. A message's frame is that of its last byte, as tshark shows reassembled messages.
# Where segments are not in order, tshark runs twice, once with them put in order, once without: the one loses messages behind a gap, the other those in swapped segments; the union counts.
# So does it where it does not look for a protocol at a port: once as it is, once told the port.
# A difference is excused by a rule of tests/tshark-rules alone; see README there. `agreement` leaves what is excused out, `strictly` counts it as a difference. --quiet lists those without a rule only. Ends with 1 where a protocol is below LEAST, or the
# dissector says something that tshark does not say, and no rule excuses it.
set -euo pipefail
start=$PWD
cd "$(dirname "$0")/../.."
B=${B:-build/gcc} JOBS=${JOBS:-2} LEAST=${LEAST:-99}
here=tests/oracle rules=tests/tshark-rules
export LC_ALL=C TZ=UTC B

layers='frame tcp http http2 grpc websocket dns mdns tls dtls x509af resp pgsql mysql'
said='(http || http2 || websocket || dns || mdns || tls || dtls || resp || pgsql || mysql) && !icmp && !icmpv6'
alerts='{"close_notify":0,"end_of_early_data":1,"unexpected_message":10,"bad_record_mac":20,"decryption_failed":21,"record_overflow":22,"decompression_failure":30,"handshake_failure":40,"no_certificate":41,
"bad_certificate":42,"unsupported_certificate":43,"certificate_revoked":44,"certificate_expired":45,"certificate_unknown":46,"illegal_parameter":47,"unknown_ca":48,"access_denied":49,"decode_error":50,"decrypt_error":51,
"export_restriction":60,"protocol_version":70,"insufficient_security":71,"internal_error":80,"inappropriate_fallback":86,"user_canceled":90,"no_renegotiation":100,"missing_extension":109,"unsupported_extension":110,
"certificate_unobtainable":111,"unrecognized_name":112,"bad_certificate_status_response":113,"bad_certificate_hash_value":114,"unknown_psk_identity":115,"certificate_required":116,"no_application_protocol":120}'
versions='{"SSL 3.0":"0x0300","TLS 1.0":"0x0301","TLS 1.1":"0x0302","TLS 1.2":"0x0303","TLS 1.3":"0x0304","DTLS 1.0":"0xfeff","DTLS 1.2":"0xfefd","DTLS 1.3":"0xfefc"}'
commands='{"COM_SLEEP":0,"COM_QUIT":1,"COM_INIT_DB":2,"COM_QUERY":3,"COM_FIELD_LIST":4,"COM_CREATE_DB":5,"COM_DROP_DB":6,"COM_REFRESH":7,"COM_SHUTDOWN":8,"COM_STATISTICS":9,"COM_PROCESS_INFO":10,"COM_PROCESS_KILL":12,
"COM_DEBUG":13,"COM_PING":14,"COM_CHANGE_USER":17,"COM_BINLOG_DUMP":18,"COM_REGISTER_SLAVE":21,"COM_STMT_PREPARE":22,"COM_STMT_EXECUTE":23,"COM_STMT_SEND_LONG_DATA":24,"COM_STMT_CLOSE":25,"COM_STMT_RESET":26,
"COM_SET_OPTION":27,"COM_STMT_FETCH":28,"COM_BINLOG_DUMP_GTID":30,"COM_RESET_CONNECTION":31}'

# Names of DNS types and TLS cipher suites, from tshark's own tables: {name: number}.
tables() {
    tshark -G values 2>/dev/null | awk -F'\t' -v types="$1/types" -v ciphers="$1/ciphers" '
    function number(text,   i, n) { # hexadecimal behind 0x; Debian'"'"'s awk has no strtonum
        if (text !~ /^0[xX]/) return text + 0
        for (i = 3; i <= length(text); i++) n = n * 16 + index("0123456789abcdef", tolower(substr(text, i, 1))) - 1
        return n
    }
    $1 == "V" && $2 == "dns.qry.type" { sub(/ .*/, "", $4); printf "%s\t%d\n", $4, number($3) >types }
    $1 == "V" && $2 == "tls.handshake.ciphersuite" { printf "%s\t0x%04x\n", $4, number($3) >ciphers }'
    jq -Rn '[inputs | split("\t") | {(.[0]): (.[1] | tonumber)}] | add + {"ANY": 255}' "$1/types" >"$1/types.json"
    jq -Rn '[inputs | split("\t") | {(.[0]): .[1]}] | add' "$1/ciphers" >"$1/ciphers.json"
}

# The same fact again is another one. (`sort -u` over both runs then keeps as many as the better of them has.)
numbered() { awk 'NF && !(/^POSTGRESQL parse / && times[$0]) { n = ++times[$0]; print $0 (n > 1 ? " #" n : "") }'; }
own_numbered() { awk -F'\t' -v OFS='\t' 'NF && !($3 ~ /^POSTGRESQL parse / && times[$3]) { n = ++times[$3]; if (n > 1) $3 = $3 " #" n; print }'; }

# What tshark does not see by itself (it looks for some protocols at known ports alone, and on a port that is one protocol's for no other): the ports on which the dissector found it.
hints() { # WORK
    jq -r 'select(.dst.port and .request_at) | (if .protocol == "GRPC" or (.protocol == "HTTP" and .http_version == "2") then "http2" else {HTTP: "http", REDIS: "resp", POSTGRESQL: "pgsql", MYSQL: "mysql", TLS: "tls", DNS: "dns"}[.protocol] // empty end) as $name
        | "\(.request_at.frame) \(.dst.port) \($name)"' "$1/entries" | awk -v seen="$1/frames" '
    BEGIN { while ((getline line <seen) > 0) { split(line, f, " "); said[f[1]] = ":" f[3] ":" } }
    $3 == "tls" && said[$1] ~ /:udp:/ { $3 = "dtls" }
    said[$1] && index(said[$1], ":" $3 ":") == 0 && !($3 == "dns" && said[$1] ~ /:mdns:/) { print (said[$1] ~ /:udp:/ ? "udp" : "tcp") ".port==" $2 "," $3 }' | sort -u
}

# One reading of the capture: WORK/json, and beside it WORK/packets and WORK/hits (packets.lua) where segments are taken as they come.
look() { # FILE WORK TRUE|FALSE [-d HINT]...
    local file=$1 work=$2 order=$3 lua=()
    shift 3
    [ "$order" = TRUE ] || lua=(-X "lua_script:$here/packets.lua")
    PACKETS=$work/packets HITS=$work/hits FILTERS=$work/../filters \
        tshark -2 -n -r "$file" "$@" "${lua[@]}" -o "tcp.reassemble_out_of_order:$order" -Y "$said" -T json --no-duplicate-keys -J "$layers" >"$work/json" 2>"$work/tshark.log" || true
    [ -e "$work/packets" ] || { echo "tshark: $(tail -n 1 "$work/tshark.log")" >>"$work/errors"; : >"$work/packets"; : >"$work/hits"; }
}

theirs() { # WORK
    jq -r --argjson ports "$(jq -cs 'map(select(.protocol == "REDIS").dst.port | tostring) + ["6379"] | unique' "$1/entries")" --slurpfile frames "$1/keys" \
        "\$frames[0] as \$keys | \$frames[1] as \$gaps | $(cat $here/theirs.jq)" "$1/json" 2>>"$1/errors" | numbered || true
}

# Where the dissector alone tells of a message of HTTP, WORK/heads: what tshark says of the heads alone, which it shows without waiting for the bodies.
heads() { # FILE WORK [-d HINT]...
    local file=$1 work=$2 order orders=FALSE
    shift 2
    : >"$work/heads"
    comm -13 "$work/theirs" "$work/ours" | grep -q '^HTTP ' || return 0
    [ ! -s "$work/disordered" ] || orders="FALSE TRUE"
    for order in $orders; do
        tshark -2 -n -r "$file" "$@" -o "tcp.reassemble_out_of_order:$order" -o http.desegment_body:FALSE -Y http -T json --no-duplicate-keys -J 'frame tcp http' >"$work/json" 2>"$work/tshark.log" || true
        theirs "$work" | grep '^HTTP ' >>"$work/heads" || true
    done
}

# Packets and payload bytes of each side of a connection. Leaves in WORK: `frames` (frame, endpoints, protocols, virtual network, interface, initial sequence number, sequence number, acknowledgement, payload bytes, sender), the same as JSON and gaps in `keys`, `disordered` where segments are not in order, and `said` where one of the
# protocols is there at all.
connections() { # WORK
    : >"$1/disordered"
    : >"$1/said"
    awk -F'\t' -v work="$1" '
    BEGIN { printf "{" >work "/keys"; printf "" >work "/frames" }
    END {
        n = 0
        printf "}\n{" >work "/keys"
        for (key in gaps) printf "%s\"%s\":[%s]", (n++ ? "," : ""), key, gaps[key] >work "/keys"
        printf "}\n" >work "/keys"
    }
    $2 ~ /:icmp/ { next }
    $2 ~ /:(http|http2|websocket|dns|mdns|tls|dtls|resp|pgsql|mysql)(:|$)/ { print 1 >work "/said" }
    {
        # Of addresses and ports, those of the layers that carry the segment: what lies inside of its payload may have some, too.
        n = split($2, layers, ":"); v4 = v6 = udps = ip = 0
        for (i = 1; i <= n && layers[i] != "tcp"; i++) {
            if (layers[i] == "udp") { udps++; at4 = v4; at6 = v6; at = ip }
            if (layers[i] == "ip") { v4++; ip = 4 }
            if (layers[i] == "ipv6") { v6++; ip = 6 }
        }
        if ($1 == "") { v4 = at4; v6 = at6; ip = at }
        from = (ip == 6 ? nth($5, v6) : nth($3, v4)) " " ($1 != "" ? nth($7, 1) : nth($12, udps)); to = (ip == 6 ? nth($6, v6) : nth($4, v4)) " " ($1 != "" ? nth($8, 1) : nth($13, udps))
        a = from; b = to; gsub(/ /, "_", a); gsub(/ /, "_", b)
        key = a < b ? a "-" b : b "-" a
        # %.0f: mawk writes what is more than 31 bits with six digits otherwise
        printf "%s %s %s %s %s %s %.0f %.0f %d %s\n", $11, key, $2, ($16 $17 != "" ? $16 $17 : "-"), ($18 != "" ? $18 : "-"), ($1 != "" && $19 ~ /^(1|[Tt]rue)/ ? $20 : "-"), $20, $21, $9, a >work "/frames"
        printf "%s\"%s\":\"%s\"", (keys++ ? "," : ""), $11, key >work "/keys"
        if ($14 $15 != "") gaps[key] = gaps[key] (gaps[key] != "" ? "," : "") $11
    }
    $1 == "" { next }
    {
        if ($10 != "") print 1 >work "/disordered"
        if (!($1 in one)) { one[$1] = from < to ? from : to; two[$1] = from < to ? to : from }
        side = from == one[$1] ? 1 : 2
        packets[$1, side]++; bytes[$1, side] += $9
    }
    function nth(values, n,    v) { split(values, v, ","); return v[n] }
    function count(s, side) { return sprintf("%d/%d", packets[s, side], bytes[s, side]) }
    END {
        for (s in one) {
            back = one[s] == two[s] && count(s, 2) < count(s, 1) # the endpoints do not tell the sides apart
            print "TCP connection", one[s], two[s], count(s, back ? 2 : 1), count(s, back ? 1 : 2)
        }
    }' "$1/packets" | sort | numbered
}

# Facts that one side alone has become `(RULE) SIDE: FACT` or `SIDE: FACT`.
excuse() { # WORK
    { comm -23 "$1/theirs" "$1/ours" | sed 's/^/tshark\t/'; comm -13 "$1/theirs" "$1/ours" | sed 's/^/dissector\t/'; } >"$1/open"
    [ ! -s "$1/open" ] || awk -f $here/excuse.awk "$rules"/*.rule "$1/frames" "$1/hits" "$1/entries.facts" "$1/ours" "$1/theirs" "$1/heads" pass=1 "$1/open" pass=2 "$1/open"
}

one() { # FILE TABLES OUT
    local file=$1 tables=$2 out=$3 work name hint=() h
    work=$(mktemp -d "$tables/one.XXXXXX")
    name=${file#"${file%/*/*}"/}
    "$B/bin/dissector" --input "$file" --redact off >"$work/entries" 2>/dev/null || true
    jq -nr --slurpfile types "$tables/types.json" --slurpfile ciphers "$tables/ciphers.json" --argjson alerts "$alerts" --argjson versions "$versions" --argjson commands "$commands" \
        "$(sed 's/\$types\[/$types[0][/; s/\$ciphers\[/$ciphers[0][/' $here/ours.jq)" "$work/entries" 2>>"$work/errors" | own_numbered >"$work/entries.facts"
    cut -f 3 "$work/entries.facts" | sort -u >"$work/ours"
    look "$file" "$work" FALSE
    connections "$work" >"$work/facts"
    while read -r h; do hint+=(-d "$h"); done < <(hints "$work")
    if [ -s "$work/said" ]; then
        theirs "$work" >>"$work/facts"
        [ ! -s "$work/disordered" ] || { look "$file" "$work" TRUE; theirs "$work" >>"$work/facts"; }
    fi
    if [ ${#hint[@]} != 0 ]; then
        look "$file" "$work" FALSE "${hint[@]}"
        theirs "$work" >>"$work/facts"
        [ ! -s "$work/disordered" ] || { look "$file" "$work" TRUE "${hint[@]}"; theirs "$work" >>"$work/facts"; }
    fi
    sort -u "$work/facts" >"$work/theirs"
    heads "$file" "$work" "${hint[@]}"
    {
        comm -12 "$work/theirs" "$work/ours" | sed 's/^/= /'
        excuse "$work"
        sed 's/^/! /' "$work/errors"
    } | sed "s|^|$name\t|" >"$out"
    rm -rf "$work"
}

if [ "${1:-}" = --one ]; then
    one "$4" "$2" "$3/$(printf '%s' "$4" | tr / _)"
    exit
fi
quiet=0
[ "${1:-}" != --quiet ] || { quiet=1; shift; }
[ $# -gt 0 ] || { echo "usage: score.sh [--quiet] FILE..." >&2; exit 2; }
files=()
for file; do
    case $file in /*) ;; *) file=$start/$file ;; esac
    [ -r "$file" ] || { echo "score: $file cannot be read" >&2; exit 2; }
    files+=("$file")
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tables "$work"
for rule in $rules/*.rule; do
    sed -nE "s/^(frames|stream|also): /$(basename "$rule" .rule)\t\1\t/p" "$rule"
done >"$work/filters"
mkdir "$work/out"
missed=0
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$JOBS" "$0" --one "$work" "$work/out" || missed=1
find "$work/out" -type f -print0 | sort -z | xargs -0 cat >"$work/all"
awk -F'\t' -v quiet=$quiet '$2 !~ /^= / && !(quiet && $2 ~ /^\(/) { print $1 ": " $2 }' "$work/all"
awk -F'\t' -v least="$LEAST" '
$2 ~ /^! / { broken++; next }
{
    rule = ""; line = $2
    if (line ~ /^= /) { split(line, w, " "); agreed[w[2]]++; seen[w[2]] = 1; next }
    if (match(line, /^\([^)]*\) /)) { rule = substr(line, 2, RLENGTH - 3); line = substr(line, RLENGTH + 1) }
    split(line, w, " "); seen[w[2]] = 1
    if (rule != "") { excused[w[2]]++; excuses[w[1], w[2]]++; used[rule]++; by[rule, w[2]]++ }
    else if (w[1] == "tshark:") theirs[w[2]]++
    else ours[w[2]]++
}
END {
    printf "%-12s %8s  %-15s  %-15s %9s %9s\n", "protocol", "agreed", "tshark only", "dissector only", "agreement", "strictly"
    printf "%-12s %8s  %7s %7s  %7s %7s %9s %9s\n", "", "", "open", "excused", "open", "excused", "", ""
    n = split("HTTP HTTP/2 GRPC WS DNS TLS REDIS POSTGRESQL MYSQL TCP", order, " ")
    for (i = 1; i <= n; i++) {
        p = order[i]
        if (!(p in seen)) continue
        all = agreed[p] + theirs[p] + ours[p]
        percent = all ? 100 * agreed[p] / all : 100
        if (percent < least) low = low " " p
        printf "%-12s %8d  %7d %7d  %7d %7d %8.2f%% %8.2f%%\n", p, agreed[p], theirs[p], excuses["tshark:", p], ours[p], excuses["dissector:", p], percent, 100 * agreed[p] / (all + excused[p])
    }
    for (r in used) {
        line = sprintf("rule %-25s %d:", r, used[r])
        for (i = 1; i <= n; i++) if ((r, order[i]) in by) line = line " " order[i] " " by[r, order[i]]
        print line | "sort"
    }
    close("sort")
    if (broken) { print broken " lines of errors from jq"; exit 1 }
    for (p in ours) if (ours[p]) wrong = wrong " " p
    if (wrong != "") print "said by the dissector alone, without a rule:" wrong
    if (low != "") print "below " least " %:" low
    if (wrong low != "") exit 1
}' "$work/all"
[ $missed = 0 ] || { echo "score: some capture could not be looked at" >&2; exit 1; }
