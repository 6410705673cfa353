#!/bin/bash
# What stock tshark says of captures, beside what the dissector says: a score per protocol, and every difference.
# Usage: tests/oracle/score.sh [--quiet] FILE...
#   B      variant whose dissector is used (build/gcc)
#   JOBS   captures looked at together (2)
#   LEAST  percent of agreement below which a protocol fails (99)
# Facts, one a line, are made of both (theirs.jq, ours.jq, and connections here) and compared as sorted lines. A message's frame is that of its last byte, as tshark shows reassembled messages.
# Where segments are not in order, tshark runs twice, once with them put in order, once without: the one loses messages behind a gap, the other those in swapped segments; the union counts.
# So does it where it looks for a protocol at known ports alone: once as it is, once told the port.
# A difference is excused by a rule of tests/tshark-rules alone; see README there. --quiet lists those without a rule only. Ends with 1 where a protocol is below LEAST.
set -euo pipefail
cd "$(dirname "$0")/../.."
B=${B:-build/gcc} JOBS=${JOBS:-2} LEAST=${LEAST:-99}
here=tests/oracle rules=tests/tshark-rules
export LC_ALL=C TZ=UTC B

layers='frame tcp http http2 grpc websocket dns mdns tls x509af resp pgsql mysql'
said='(http || http2 || websocket || dns || mdns || tls || resp || pgsql || mysql) && !icmp && !icmpv6'
alerts='{"close_notify":0,"end_of_early_data":1,"unexpected_message":10,"bad_record_mac":20,"decryption_failed":21,"record_overflow":22,"decompression_failure":30,"handshake_failure":40,"no_certificate":41,
"bad_certificate":42,"unsupported_certificate":43,"certificate_revoked":44,"certificate_expired":45,"certificate_unknown":46,"illegal_parameter":47,"unknown_ca":48,"access_denied":49,"decode_error":50,"decrypt_error":51,
"export_restriction":60,"protocol_version":70,"insufficient_security":71,"internal_error":80,"inappropriate_fallback":86,"user_canceled":90,"no_renegotiation":100,"missing_extension":109,"unsupported_extension":110,
"certificate_unobtainable":111,"unrecognized_name":112,"bad_certificate_status_response":113,"bad_certificate_hash_value":114,"unknown_psk_identity":115,"certificate_required":116,"no_application_protocol":120}'
versions='{"SSL 3.0":"0x0300","TLS 1.0":"0x0301","TLS 1.1":"0x0302","TLS 1.2":"0x0303","TLS 1.3":"0x0304"}'
commands='{"COM_SLEEP":0,"COM_QUIT":1,"COM_INIT_DB":2,"COM_QUERY":3,"COM_FIELD_LIST":4,"COM_CREATE_DB":5,"COM_DROP_DB":6,"COM_REFRESH":7,"COM_SHUTDOWN":8,"COM_STATISTICS":9,"COM_PROCESS_INFO":10,"COM_PROCESS_KILL":12,
"COM_DEBUG":13,"COM_PING":14,"COM_CHANGE_USER":17,"COM_BINLOG_DUMP":18,"COM_REGISTER_SLAVE":21,"COM_STMT_PREPARE":22,"COM_STMT_EXECUTE":23,"COM_STMT_SEND_LONG_DATA":24,"COM_STMT_CLOSE":25,"COM_STMT_RESET":26,
"COM_SET_OPTION":27,"COM_STMT_FETCH":28,"COM_BINLOG_DUMP_GTID":30,"COM_RESET_CONNECTION":31}'

# Names of DNS types and TLS cipher suites, from tshark's own tables: {name: number}.
tables() {
    tshark -G values 2>/dev/null | awk -F'\t' -v types="$1/types" -v ciphers="$1/ciphers" '
    $1 == "V" && $2 == "dns.qry.type" { sub(/ .*/, "", $4); printf "%s\t%d\n", $4, strtonum($3) >types }
    $1 == "V" && $2 == "tls.handshake.ciphersuite" { printf "%s\t0x%04x\n", $4, strtonum($3) >ciphers }'
    jq -Rn '[inputs | split("\t") | {(.[0]): (.[1] | tonumber)}] | add + {"ANY": 255}' "$1/types" >"$1/types.json"
    jq -Rn '[inputs | split("\t") | {(.[0]): .[1]}] | add' "$1/ciphers" >"$1/ciphers.json"
}

# The same fact again is another one. (`sort -u` over both runs then keeps as many as the better of them has.)
numbered() { awk 'NF && !(/^POSTGRESQL parse / && times[$0]) { n = ++times[$0]; print $0 (n > 1 ? " #" n : "") }'; }
own_numbered() { awk -F'\t' -v OFS='\t' 'NF && !($3 ~ /^POSTGRESQL parse / && times[$3]) { n = ++times[$3]; if (n > 1) $3 = $3 " #" n; print }'; }

# Where tshark looks for a protocol at known ports alone: the ports on which the dissector found it.
hints() {
    jq -r 'select(.dst.port) | if .protocol == "GRPC" or (.protocol == "HTTP" and .http_version == "2") then "tcp.port==\(.dst.port),http2" elif .protocol == "REDIS" then "tcp.port==\(.dst.port),resp"
        elif .protocol == "POSTGRESQL" then "tcp.port==\(.dst.port),pgsql" elif .protocol == "MYSQL" then "tcp.port==\(.dst.port),mysql" else empty end' "$1" | sort -u
}

theirs() { # FILE WORK TRUE|FALSE [-d HINT]...
    local file=$1 work=$2 order=$3
    shift 3
    tshark -2 -n -r "$file" "$@" -o "tcp.reassemble_out_of_order:$order" -Y "$said" -T json --no-duplicate-keys -J "$layers" >"$work/json" 2>/dev/null || true
    jq -r --argjson ports "$(jq -cs 'map(select(.protocol == "REDIS").dst.port | tostring) + ["6379"] | unique' "$work/entries")" -f $here/theirs.jq "$work/json" 2>>"$work/errors" | numbered || true
}

# Also notes whether segments are not in order, and whether any of the protocols are there at all.
# Packets and payload bytes of each side of a connection; addresses are the innermost ones.
connections() { # FILE DISORDERED SAID
    : >"$2"
    : >"$3"
    { tshark -2 -n -r "$1" -T fields -E occurrence=l -e tcp.stream -e frame.protocols -e ip.src -e ip.dst -e ipv6.src -e ipv6.dst -e tcp.srcport -e tcp.dstport -e tcp.len -e tcp.analysis.flags 2>/dev/null || true; } | awk -F'\t' -v disordered="$2" -v said="$3" '
    $2 ~ /:icmp/ { next }
    $2 ~ /:(http|http2|websocket|dns|mdns|tls|resp|pgsql|mysql)(:|$)/ { print 1 >said }
    $1 == "" { next }
    {
        if ($10 != "") print 1 >disordered
        inner = $2; sub(/:tcp.*/, "", inner)
        six = match(inner, /:ipv6[^:]*(:ipv6\.[a-z]*)*$/) || $3 == ""
        from = (six ? $5 : $3) " " $7; to = (six ? $6 : $4) " " $8
        if (!($1 in one)) { one[$1] = from < to ? from : to; two[$1] = from < to ? to : from }
        side = from == one[$1] ? 1 : 2
        packets[$1, side]++; bytes[$1, side] += $9
    }
    END { for (s in one) printf "TCP connection %s %s %d/%d %d/%d\n", one[s], two[s], packets[s, 1], bytes[s, 1], packets[s, 2], bytes[s, 2] }' | sort | numbered
}

# Lines of facts on standard input that one side alone has become `(RULE) SIDE: FACT` or `SIDE: FACT`. The keys of a rule: tests/tshark-rules/README.
excuse() { # FILE WORK NAME SIDE
    local file=$1 work=$2 name=$3 side=$4 rule line key value glob globs matches
    cat >"$work/open"
    for rule in "$rules"/*.rule; do
        [ -s "$work/open" ] || break
        local -A is=([side]='tshark dissector' [captures]='*')
        while IFS= read -r line; do
            key=${line%%: *} value=${line#*: }
            is[$key]=$value
        done < <(grep -E '^[a-z]+: ' "$rule")
        [[ " ${is[side]} " == *" $side "* ]] && grep -qE "${is[fact]}" "$work/open" || continue
        matches=0
        read -ra globs <<<"${is[captures]}"
        for glob in "${globs[@]}"; do
            # shellcheck disable=SC2053 # a glob is meant
            [[ $name != $glob ]] || matches=1
        done
        [ $matches = 1 ] || continue
        if [ -n "${is[where]:-}" ]; then
            tshark -2 -n -r "$file" "${hint[@]}" -Y "${is[where]}" -T fields -e frame.number >"$work/where" 2>/dev/null || true
            [ -s "$work/where" ] || continue
        fi
        : >"$work/frames"
        [ -z "${is[frames]:-}" ] || tshark -2 -n -r "$file" "${hint[@]}" -Y "${is[frames]}" -T fields -e frame.number >"$work/frames" 2>/dev/null || true
        awk -v rule="$(basename "$rule" .rule)" -v side="$side" -v open="$work/still" -v fact="${is[fact]}" -v frames="${is[frames]:-}" -v twin="${is[twin]:-}" -v incomplete="${is[incomplete]:-}" -v only="${is[only]:-}" -v unless="${is[unless]:-}" \
            -v against="$work/$([ "$side" = tshark ] && echo ours || echo theirs)" -f $here/excuse.awk "$work/frames" "$work/entries.facts" "$work/open"
        mv "$work/still" "$work/open"
    done
    sed "s/^/$side: /" "$work/open"
}

one() { # FILE TABLES OUT
    local file=$1 tables=$2 out=$3 work name order orders=(FALSE) hint=() h
    work=$(mktemp -d "$tables/one.XXXXXX")
    name=${file#"${file%/*/*}"/}
    "$B/bin/dissector" --input "$file" --redact off >"$work/entries" 2>/dev/null || true
    jq -nr --slurpfile types "$tables/types.json" --slurpfile ciphers "$tables/ciphers.json" --argjson alerts "$alerts" --argjson versions "$versions" --argjson commands "$commands" \
        "$(sed 's/\$types\[/$types[0][/; s/\$ciphers\[/$ciphers[0][/' $here/ours.jq)" "$work/entries" 2>>"$work/errors" | own_numbered >"$work/entries.facts"
    cut -f 3 "$work/entries.facts" | sort -u >"$work/ours"
    while read -r h; do hint+=(-d "$h"); done < <(hints "$work/entries")
    connections "$file" "$work/disordered" "$work/said" >"$work/connections"
    [ ! -s "$work/disordered" ] || orders+=(TRUE)
    {
        cat "$work/connections"
        for order in "${orders[@]}"; do
            [ ! -s "$work/said" ] || theirs "$file" "$work" "$order"
            [ ${#hint[@]} = 0 ] || theirs "$file" "$work" "$order" "${hint[@]}"
        done
    } | sort -u >"$work/theirs"
    {
        comm -12 "$work/theirs" "$work/ours" | sed 's/^/= /'
        comm -23 "$work/theirs" "$work/ours" | excuse "$file" "$work" "$name" tshark
        comm -13 "$work/theirs" "$work/ours" | excuse "$file" "$work" "$name" dissector
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
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tables "$work"
mkdir "$work/out"
printf '%s\0' "$@" | xargs -0 -n 1 -P "$JOBS" "$0" --one "$work" "$work/out" || echo "score: some capture could not be looked at" >&2
find "$work/out" -type f -print0 | sort -z | xargs -0 cat >"$work/all"
awk -F'\t' -v quiet=$quiet '$2 !~ /^= / && !(quiet && $2 ~ /^\(/) { print $1 ": " $2 }' "$work/all"
awk -F'\t' -v least="$LEAST" '
$2 ~ /^! / { broken++; next }
{
    rule = ""; line = $2
    if (line ~ /^= /) { split(line, w, " "); agreed[w[2]]++; seen[w[2]] = 1; next }
    if (match(line, /^\([^)]*\) /)) { rule = substr(line, 2, RLENGTH - 3); line = substr(line, RLENGTH + 1) }
    split(line, w, " "); seen[w[2]] = 1
    if (rule != "") { excused[w[2]]++; used[rule]++ }
    else if (w[1] == "tshark:") theirs[w[2]]++
    else ours[w[2]]++
}
END {
    printf "%-12s %8s %8s %8s %8s %9s\n", "protocol", "agreed", "tshark", "only", "excused", "agreement"
    printf "%-12s %8s %8s %8s %8s %9s\n", "", "", "only", "ours", "by rule", ""
    n = split("HTTP HTTP/2 GRPC WS DNS TLS REDIS POSTGRESQL MYSQL TCP", order, " ")
    for (i = 1; i <= n; i++) {
        p = order[i]
        if (!(p in seen)) continue
        all = agreed[p] + theirs[p] + ours[p]
        percent = all ? 100 * agreed[p] / all : 100
        if (percent < least) low = low " " p
        printf "%-12s %8d %8d %8d %8d %8.2f%%\n", p, agreed[p], theirs[p], ours[p], excused[p], percent
    }
    for (r in used) printf "rule %-20s %d\n", r, used[r] | "sort"
    close("sort")
    if (broken) { print broken " lines of errors from jq"; exit 1 }
    if (low != "") { print "below " least " %:" low; exit 1 }
}' "$work/all"
