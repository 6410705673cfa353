#!/bin/bash
# `dissector --input` beside `tshark -T fields` with the same fields, on generated captures, each on the first CPU alone.
#   RUNS=3  CALLS=473000 (of HTTP; DNS and the mixed one are made in proportion)
# Appends to $RESULTS: dissect KIND TOOL RUN SECONDS CPU_SECONDS PEAK_MIB PACKETS LINES. The captures are in the page cache.
. "$(dirname "$0")/bench.sh"
need_command tshark
need_built "$BIN/dissector" "$TOOLS/calls" "$TOOLS/cpu_run" "$TOOLS/warm_memory"
RUNS=${RUNS:-3}
CALLS=${CALLS:-473000}
declare -A PACKETS
made() { # KIND CALLS
    PACKETS[$1]=$("$TOOLS/calls" "$1" "$2" 1 "$WORK/$1.pcap" | cut -d' ' -f1)
    cat "$WORK/$1.pcap" >/dev/null
}
made http "$CALLS"
made dns $((CALLS * 2 / 3))
made mixed $((CALLS * 4 / 3))

common=(-e frame.time_epoch -e ip.src -e ip.dst -e tcp.srcport -e tcp.dstport -e udp.srcport -e udp.dstport)
http_fields=(-e http.request.method -e http.request.uri -e http.host -e http.user_agent -e http.cookie -e http.request.line -e http.response.code -e http.response.line -e http.content_length -e http.time -e http.file_data)
dns_fields=(-e dns.id -e dns.qry.name -e dns.qry.type -e dns.flags.rcode -e dns.a -e dns.resp.ttl -e dns.time)
# The same by our names.
our_common=timestamp,src.ip,src.port,dst.ip,dst.port,elapsed_time
our_http=method,url,host,request.headers,request.cookies,request.body,status_code,response.headers,response.body,request_body_size,response_body_size
our_dns=dns_id,dns_questions,dns_question_types,dns_response_code,dns_answers,dns_ttl
# timed KIND TOOL RUN OUTPUT COMMAND...
timed() {
    local kind=$1 tool=$2 run=$3 output=$4
    shift 4
    warmed
    "$TOOLS/cpu_run" --cpu 0 "$WORK/cost" "$@" >"$WORK/out" 2>"$WORK/err" || { cat "$WORK/err" >&2; fail "$*"; }
    printf 'dissect\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$kind" "$tool" "$run" "$(jq .wall "$WORK/cost")" "$(jq .cpu "$WORK/cost")" "$(jq '.rss_kib / 1024' "$WORK/cost")" "${PACKETS[$kind]}" \
        "$([ "$output" = - ] && wc -l <"$WORK/out" || echo -)" | tee -a "$RESULTS"
    rm -f "$WORK/out" "$WORK"/*.sqlite*
}
one_kind() { # KIND RUN PROTOCOLS OUR-FIELDS FILTER FIELD...
    local kind=$1 run=$2 protocols=$3 fields=$our_common,$4 filter=$5 file=$WORK/$1.pcap
    shift 5
    timed "$kind" ndjson "$run" - "$BIN/dissector" --input "$file" --protocols "$protocols" --fields "$fields" --stream --work "$WORK"
    timed "$kind" ndjson-sorted "$run" - "$BIN/dissector" --input "$file" --protocols "$protocols" --fields "$fields" --work "$WORK"
    timed "$kind" ndjson-all "$run" - "$BIN/dissector" --input "$file" --protocols "$protocols" --work "$WORK"
    timed "$kind" sqlite "$run" file "$BIN/dissector" --input "$file" --protocols "$protocols" --work "$WORK" --format sqlite --output "$WORK/$kind.sqlite"
    timed "$kind" tshark "$run" - tshark -n -r "$file" -Y "$filter" -T fields "${common[@]}" "$@"
}
for ((run = 1; run <= RUNS; run++)); do
    one_kind http $run HTTP $our_http http "${http_fields[@]}"
    one_kind dns $run DNS $our_dns dns "${dns_fields[@]}"
    one_kind mixed $run HTTP,DNS $our_http,$our_dns 'http or dns' "${http_fields[@]}" "${dns_fields[@]}"
done
