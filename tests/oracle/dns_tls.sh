#!/bin/bash
# What stock tshark says of DNS and TLS in captures, beside what the dissector says. Usage: tests/oracle/dns_tls.sh FILE...
#   B   variant whose dissector is used (build/gcc)
# A fact per line: messages of DNS with frame, identifier, code, question, number of answers; which response belongs to which query; hellos of TLS with server name, fingerprint, cipher suite; the
# server's certificate by its serial number; alerts. Prints every difference as "FILE: only tshark|only dissector: FACT", those excused with the rule's name before it, and then the score.
#
# Where stock tshark errs, or means something else, these rules excuse a difference (the smallest capture that shows it stands behind each):
#   malformed       it calls the frame malformed or short, and tells less of it, or more                                             (zeek/dns/dns-invalid-names.pcap)
#   repeated        a query that was sent again: it gives the answer to the last one or to none, we to the oldest                    (zeek/ipv6-fragmented-dns.pcap)
#   multicast       it pairs mDNS by the identifier, which is always 0                                                               (zeek/dns/mdns-no-assoc.pcap)
#   no-question     an answer without a question: our entry has the request's                                                        (golden/dns_udp.pcap)
#   other-port      it does not look for TLS on a port that is another protocol's                                                    (zeek/tls/https-to-http.pcap)
#   client          a certificate that the client sent: we tell its subject alone                                                    (zeek/tls/client-certificate.pcap)
#   ssl-2           hellos in the form of SSL 2.0 are not read                                                                       (zeek/tls/ssl-v2.pcap)
set -euo pipefail
cd "$(dirname "$0")/../.."
B=${B:-build/gcc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

# Frames' layers as JSON. Twice: out-of-order segments put right helps with some captures and loses everything behind a real gap in others; the union counts.
tshark_json() {
    tshark -2 -n -r "$1" -Y '(dns || mdns || tls) && !icmp && !icmpv6' -o "tcp.reassemble_out_of_order:$2" -T json --no-duplicate-keys -J 'frame dns mdns tls x509af' 2>/dev/null || true
}

tshark_facts() {
    jq -r '
    def all($key): [.. | objects | select(has($key)) | .[$key] | if type == "array" then .[] else . end];
    def each: if type == "array" then .[] elif . == null then empty else . end;
    def low: ascii_downcase;
    def flag($v): $v == "1" or $v == "True" or $v == true;
    .[]._source.layers | (.frame."frame.number") as $frame |
    ((.dns, .mdns | each | objects) as $d | ($d | all("dns.flags.response")[0]) as $qr | select($qr != null) |
        (if flag($qr) then "dns response" else "dns request" end) + " frame=\($frame) id=\($d."dns.id" | ltrimstr("0x") | low)"
        + (if flag($qr) then " code=\($d | all("dns.flags.rcode")[0])" else "" end)
        + " question=\($d | all("dns.qry.name")[0] // "" | low)/\($d | all("dns.qry.type")[0] // "")"
        + (if flag($qr) then " answers=\($d."dns.count.answers" // $d."dns.count.prerequisites")" else "" end),
        ($d | all("dns.response_to")[0] | values | "dns pair \(.) \($frame)")),
    ((.tls | each | objects) as $t |
        ($t | .. | objects | select(has("tls.handshake.type")) |
            if ."tls.handshake.type" == "1" then
                "tls client frame=\($frame) name=\(all("tls.handshake.extensions_server_name")[0] // "") ja3=\(all("tls.handshake.ja3")[0] // "")"
            elif ."tls.handshake.type" == "2" then
                "tls server frame=\($frame) ja3s=\(all("tls.handshake.ja3s")[0] // "")"
            elif ."tls.handshake.type" == "11" then
                (all("x509af.serialNumber")[0] // empty | gsub(":"; "") | sub("^0x"; "") | low | sub("^0+(?=.)"; "") | "tls certificate frame=\($frame) serial=\(.)")
            else empty end),
        ($t | .. | objects | select(has("tls.alert_message.desc")) | "tls alert frame=\($frame) description=\(."tls.alert_message.desc")"))' "$1" 2>/dev/null | sort -u
}

types='{"A":1,"NS":2,"MD":3,"MF":4,"CNAME":5,"SOA":6,"MB":7,"MG":8,"MR":9,"NULL":10,"WKS":11,"PTR":12,"HINFO":13,"MINFO":14,"MX":15,"TXT":16,"RP":17,"AFSDB":18,"SIG":24,"KEY":25,"AAAA":28,"LOC":29,"NXT":30,"SRV":33,
"NAPTR":35,"KX":36,"CERT":37,"A6":38,"DNAME":39,"OPT":41,"APL":42,"DS":43,"SSHFP":44,"IPSECKEY":45,"RRSIG":46,"NSEC":47,"DNSKEY":48,"DHCID":49,"NSEC3":50,"NSEC3PARAM":51,"TLSA":52,"SMIMEA":53,"HIP":55,"CDS":59,
"CDNSKEY":60,"OPENPGPKEY":61,"CSYNC":62,"ZONEMD":63,"SVCB":64,"HTTPS":65,"SPF":99,"TKEY":249,"TSIG":250,"IXFR":251,"AXFR":252,"MAILB":253,"MAILA":254,"ANY":255,"URI":256,"CAA":257,"DLV":32769}'
alerts='{"close_notify":0,"end_of_early_data":1,"unexpected_message":10,"bad_record_mac":20,"decryption_failed":21,"record_overflow":22,"decompression_failure":30,"handshake_failure":40,"no_certificate":41,
"bad_certificate":42,"unsupported_certificate":43,"certificate_revoked":44,"certificate_expired":45,"certificate_unknown":46,"illegal_parameter":47,"unknown_ca":48,"access_denied":49,"decode_error":50,"decrypt_error":51,
"export_restriction":60,"protocol_version":70,"insufficient_security":71,"internal_error":80,"inappropriate_fallback":86,"user_canceled":90,"no_renegotiation":100,"missing_extension":109,"unsupported_extension":110,
"certificate_unobtainable":111,"unrecognized_name":112,"bad_certificate_status_response":113,"bad_certificate_hash_value":114,"unknown_psk_identity":115,"certificate_required":116,"no_application_protocol":120}'

dissector_facts() {
    "$B/bin/dissector" --input "$1" --redact off | jq -r --argjson types "$types" --argjson alerts "$alerts" '
    def hex4: . as $n | [12, 8, 4, 0] | map(($n / pow(2; .) | floor) % 16 | "0123456789abcdef"[.:. + 1]) | join("");
    def low: ascii_downcase;
    def question: ((.dns_questions // [""])[0] | low | if . == "." then "<root>" else . end) + "/" + ((.dns_question_types // [""])[0] | if . == "" then "" else ($types[.] // ltrimstr("TYPE") | tostring) end);
    (.response_at.frame // .request_at.frame) as $last |
    if .protocol == "DNS" then
        (if .dns_request then "dns request frame=\(.request_at.frame) id=\(.dns_id // 0 | hex4) question=\(question)" else empty end),
        (if .dns_response then "dns response frame=\($last) id=\(.dns_id // 0 | hex4) code=\((.status_code // 0) % 16) question=\(question) answers=\((.dns_answers // []) | length)" else empty end),
        (if .dns_request and .dns_response then "dns pair \(.request_at.frame) \(.response_at.frame)" else empty end)
    elif .protocol == "TLS" then
        (if .tls_request_size then "tls client frame=\(.request_at.frame) name=\(.tls_sni // "") ja3=\(.tls_ja3 // "")" else empty end),
        (if .tls_version then "tls server frame=\($last) ja3s=\(.tls_ja3s // "")" else empty end),
        (if .tls_certificate_serial then "tls certificate serial=\(.tls_certificate_serial | sub("^0+(?=.)"; ""))" else empty end),
        (if .tls_alert then "tls alert description=\(.tls_alert | sub("^[a-z]* "; "") | ($alerts[.] // .))" else empty end)
    else empty end' | sort -u
}

# One fact a line of what tshark says about frames and of facts that rules look at.
notes() {
    tshark -2 -n -r "$1" -Y '_ws.malformed || _ws.short || frame.cap_len < frame.len' -T fields -e frame.number 2>/dev/null | sed 's/^/malformed /'
    tshark -2 -n -r "$1" -Y 'mdns' -T fields -e frame.number 2>/dev/null | sed 's/^/multicast /'
    tshark -2 -n -r "$1" -Y 'tcp.len > 0 && !tls' -T fields -e frame.number 2>/dev/null | sed 's/^/without-tls /'
    tshark -2 -n -r "$1" -Y 'tls.handshake.certificate && tls.handshake.type == 16' -T fields -e frame.number 2>/dev/null | sed 's/^/client /'
    tshark -2 -n -r "$1" -Y 'tls.handshake.challenge || tls.handshake.connection_id_length' -T fields -e frame.number 2>/dev/null | sed 's/^/ssl-2 /'
}

excuse() { # NOTES THEIRS <DIFFERENCES
    awk '
    FILENAME ~ /notes$/ { is[$1 " " $2] = 1; if ($1 == "client") clients = 1; next }
    FILENAME ~ /theirs$/ {
        if ($1 " " $2 == "dns request" ) { split($3, f, "="); what[f[2]] = $4 " " $5; times[$4 " " $5]++ }
        if ($1 " " $2 == "dns response" && $6 == "question=/") bare[$3 " " $4] = 1
        next
    }
    {
        fact = $0; sub(/^[^:]*: only [a-z]*: /, "", fact); split(fact, w, " ")
        rule = ""; frame = w[3]; sub(/^frame=/, "", frame); other = w[2] == "pair" ? w[4] : frame
        tshark = $0 ~ /: only tshark: /
        if (fact ~ /pointer that loops/ || is["malformed " frame] || is["malformed " other]) rule = "malformed"
        else if (w[2] == "pair" && (is["multicast " frame] || is["multicast " other])) rule = "multicast"
        else if (w[2] == "pair" && times[what[frame]] > 1) rule = "repeated"
        else if (fact ~ /^dns response/ && bare[w[3] " " w[4]]) rule = "no-question"
        else if (!tshark && fact ~ /^tls client/ && is["without-tls " frame]) rule = "other-port"
        else if (tshark && fact ~ /^tls certificate/ && clients) rule = "client"
        else if (tshark && fact ~ /^tls/ && is["ssl-2 " frame]) rule = "ssl-2"
        print (rule ? "(" rule ") " : "") $0
    }' "$1" "$2" -
}

agreed=0 differ=0 excused=0
for file; do
    name=${file#"${file%/*/*}"/}
    for order in FALSE TRUE; do
        tshark_json "$file" $order >"$work/json"
        tshark_facts "$work/json"
    done | sort -u | sed -E 's/^(tls (certificate|alert)) frame=[0-9]+/\1/' | sort -u >"$work/theirs"
    dissector_facts "$file" >"$work/ours"
    {
        comm -23 "$work/theirs" "$work/ours" | sed "s|^|$name: only tshark: |"
        comm -13 "$work/theirs" "$work/ours" | sed "s|^|$name: only dissector: |"
    } >"$work/all"
    if [ -s "$work/all" ]; then
        notes "$file" >"$work/notes"
        excuse "$work/notes" "$work/theirs" <"$work/all" | tee "$work/differences"
        excused=$((excused + $(grep -c '^(' "$work/differences" || true)))
        differ=$((differ + $(grep -vc '^(' "$work/differences" || true)))
    fi
    agreed=$((agreed + $(comm -12 "$work/theirs" "$work/ours" | wc -l)))
done
awk -v agreed=$agreed -v differ=$differ -v excused=$excused \
    'BEGIN { printf "%d facts agree, %d differ, %d more differ and are excused: %.2f %%\n", agreed, differ, excused, agreed + differ ? 100 * agreed / (agreed + differ) : 100 }'
