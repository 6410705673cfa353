#!/bin/bash
# Makes captures of DNS and TLS between stock servers and clients (bind9, dig, nsupdate; nginx, curl, openssl), in a network namespace of its own.
# Usage: sudo tests/captures/make_dns_tls.sh FOLDER [NAME]...      names: dns_udp dns_tcp dns_dnssec tls_1_2 tls_1_3 tls_nginx tls_failures dtls (default: all)
# The captures of tests/golden/ were made so; they are only made again when something is to be added, for times and numbers are others each time.
set -euo pipefail
export LC_ALL=C TZ=UTC
die() { echo "make_dns_tls.sh: $*" >&2; exit 1; }
[ $# -ge 1 ] || die "where to?"
out=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- dns_udp dns_tcp dns_dnssec tls_1_2 tls_1_3 tls_nginx tls_failures dtls
[ "$(id -u)" = 0 ] || die "needs root for a network namespace"
PATH=$PATH:/usr/sbin:/sbin
for command in ip tcpdump named dig nsupdate nginx curl openssl; do
    command -v $command >/dev/null || die "no $command here"
done
net=tl-captures-$$
work=$(mktemp -d "${TMPDIR:-/tmp}/captures.XXXXXX")
pids=()
leave() {
    local pid
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait || true
    ip netns delete "$net" || true
    rm -rf "$work"
}
ip netns add "$net"
trap leave EXIT
ip -n "$net" link set lo up
in_net() { ip netns exec "$net" "$@"; }
start() { # NAME COMMAND...
    local name=$1
    shift
    ip netns exec "$net" "$@" >"$work/$name.out" 2>"$work/$name.err" </dev/null &
    pids+=($!)
}
wait_for() { # WHAT COMMAND...
    local what=$1 i
    shift
    for ((i = 0; i < 100; i++)); do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    tail -n 5 "$work"/*.err >&2
    die "waited in vain for $what"
}
listens() { in_net ss -Hltn "sport = :$1" | grep -q .; }

# capture NAME FILTER COMMAND...: what passes meanwhile.
capture() {
    local name=$1 filter=$2 pid
    shift 2
    start tcpdump-"$name" tcpdump -i lo -s 0 -U --immediate-mode -B 8192 -w "$work/$name.pcap" "$filter"
    pid=${pids[-1]}
    wait_for "tcpdump" grep -q listening "$work/tcpdump-$name.err"
    "$@" >"$work/$name.out" 2>&1 || { cat "$work/$name.out" >&2; die "$name"; }
    sleep 0.5 # the last acknowledgements
    kill "$pid"
    wait "$pid" || true
    cp "$work/$name.pcap" "$out/$name.pcap"
    echo "$name: $(stat -c %s "$out/$name.pcap") bytes"
}

# ---- bind9 ------------------------------------------------------------------------------------------------------
start_named() {
    ! listens 53 || return 0
    mkdir -p "$work/named"
    local text i
    text=$(for ((i = 0; i < 9; i++)); do printf '"%0200d" ' $i; done)
    cat >"$work/named/example.test" <<END
\$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
ns AAAA ::1
www A 192.0.2.1
www A 192.0.2.2
www AAAA 2001:db8::1
web 60 CNAME www
@ MX 10 mail
@ MX 20 mail.example.net.
mail A 192.0.2.25
txt TXT "v=spf1 -all" "second string"
big TXT $text
_sip._tcp SRV 1 2 5060 sip
@ CAA 0 issue "ca.example.net; validationmethods=dns-01"
@ CAA 128 iodef "mailto:hostmaster@example.test"
@ HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1
svc SVCB 2 www port=8443
naptr NAPTR 100 10 "u" "E2U+sip" "!^.*\$!sip:info@example.test!" .
ssh SSHFP 4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789
_443._tcp TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
host HINFO "PC" "Linux"
uri URI 10 1 "https://example.test/"
loc LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
odd TYPE65280 \\# 4 CAFE0102
old DNAME example.net.
*.wild A 192.0.2.99
$(for ((i = 0; i < 30; i++)); do echo "h$i A 198.51.100.$i"; done)
END
    cp "$work/named/example.test" "$work/named/signed.test"
    cat >"$work/named.conf" <<END
options {
    directory "$work/named";
    pid-file none;
    session-keyfile none;
    listen-on { 127.0.0.1; };
    listen-on-v6 { ::1; };
    recursion no;
    notify no;
    allow-transfer { any; };
    version "captures";
    key-directory "$work/named";
};
dnssec-policy once { keys { csk lifetime unlimited algorithm ecdsap256sha256; }; };
zone "example.test" { type primary; file "example.test"; };
zone "signed.test" { type primary; file "signed.test"; dnssec-policy once; inline-signing yes; };
END
    chmod -R a+rX "$work"
    start named named -g -n 1 -c "$work/named.conf"
    wait_for named listens 53
    wait_for "signatures" bash -c "ip netns exec $net dig +dnssec @127.0.0.1 signed.test SOA | grep -q RRSIG"
}
ask() { in_net dig +tries=1 +time=2 "$@" || true; }
talk_dns_udp() {
    ask @127.0.0.1 www.example.test A
    ask @::1 www.example.test AAAA +noedns
    ask @127.0.0.1 WeB.Example.TEST A
    ask @127.0.0.1 example.test MX +norecurse
    local question
    for question in 'txt TXT' '_sip._tcp SRV' 'svc SVCB' 'naptr NAPTR' 'ssh SSHFP' '_443._tcp TLSA' 'host HINFO' 'uri URI' 'loc LOC' 'odd TYPE65280' 'a.old A' 'any.wild A' 'nothing A' 'www TXT'; do
        # shellcheck disable=SC2086 # name and type
        ask @127.0.0.1 ${question/ /.example.test }
    done
    ask @127.0.0.1 example.test SOA
    ask @127.0.0.1 example.test NS
    ask @127.0.0.1 example.test CAA
    ask @127.0.0.1 example.test HTTPS
    ask @127.0.0.1 example.com A                                # refused, with an extended error
    ask @127.0.0.1 version.bind CH TXT
    ask @127.0.0.1 www.example.test A +subnet=198.51.100.0/24
    ask @127.0.0.1 www.example.test A +edns=5 +noednsneg        # BADVERS
    ask @127.0.0.1 www.example.test A +opcode=STATUS
    ask @127.0.0.1 big.example.test TXT +ignore +bufsize=512    # truncated
    ask @127.0.0.2 www.example.test A                           # nobody there
    printf 'server 127.0.0.1\nzone example.test\nupdate add new.example.test 60 A 192.0.2.3\nsend\n' | in_net nsupdate || true
}
talk_dns_tcp() {
    ask @127.0.0.1 www.example.test A +tcp
    ask @127.0.0.1 big.example.test TXT +bufsize=512            # truncated, and again over TCP
    ask @127.0.0.1 +tcp +keepopen www.example.test A mail.example.test A nothing.example.test A example.test ANY
    ask @::1 example.test AXFR
}
talk_dns_dnssec() {
    ask @127.0.0.1 +dnssec www.signed.test A
    ask @127.0.0.1 +dnssec signed.test DNSKEY
    ask @127.0.0.1 +dnssec nothing.signed.test A
    ask @127.0.0.1 +dnssec signed.test SOA +cdflag
    ask @127.0.0.1 +dnssec signed.test CDS
    ask @127.0.0.1 +dnssec +tcp signed.test ANY
}

# ---- TLS --------------------------------------------------------------------------------------------------------
certificates() {
    [ ! -e "$work/server.pem" ] || return 0
    openssl ecparam -name prime256v1 -genkey -noout -out "$work/key.pem"
    openssl req -x509 -new -key "$work/key.pem" -days 3650 -subj '/CN=Captures CA' -out "$work/ca.pem"
    local name
    for name in server client; do
        openssl req -new -key "$work/key.pem" -subj "/C=DE/O=Captures/CN=$name.example.test" -out "$work/$name.csr"
        openssl x509 -req -in "$work/$name.csr" -CA "$work/ca.pem" -CAkey "$work/key.pem" -days 3650 -set_serial $((${#name} + 4096)) -out "$work/$name.pem" \
            -extfile <(printf 'subjectAltName=DNS:%s.example.test,DNS:*.%s.example.test,IP:127.0.0.1' "$name" "$name") 2>/dev/null
    done
    cat "$work/ca.pem" >>"$work/server.pem"
    chmod -R a+rX "$work"
}
serve() { # PORT OPTION...
    local port=$1
    shift
    certificates
    ! listens "$port" || return 0
    start "server-$port" openssl s_server -accept "127.0.0.1:$port" -cert "$work/server.pem" -cert_chain "$work/ca.pem" -key "$work/key.pem" -CAfile "$work/ca.pem" -quiet -WWW "$@"
    wait_for "port $port" listens "$port"
}
visit() { # PORT OPTION...
    local port=$1
    shift
    (printf 'GET /nothing HTTP/1.0\r\n\r\n'; sleep 0.3) | in_net openssl s_client -connect "127.0.0.1:$port" -CAfile "$work/ca.pem" -ign_eof "$@" || true
}
talk_tls_1_2() {
    visit 4432 -tls1_2 -servername server.example.test -alpn h2,http/1.1
    visit 4432 -tls1_2 -servername server.example.test -sess_out "$work/session" -no_ticket
    visit 4432 -tls1_2 -servername server.example.test -sess_in "$work/session" -no_ticket
    visit 4432 -tls1_2 -noservername -cipher DHE-RSA-AES128-SHA:ECDHE-ECDSA-CHACHA20-POLY1305
    visit 4433 -tls1_2 -servername server.example.test -cert "$work/client.pem" -key "$work/key.pem"
    visit 4434 -tls1 -cipher 'ALL:@SECLEVEL=0' -servername server.example.test
    visit 4434 -tls1_1 -cipher 'ALL:@SECLEVEL=0' -noservername
}
talk_tls_1_3() {
    visit 4432 -tls1_3 -servername server.example.test -alpn http/1.1
    visit 4432 -tls1_3 -servername server.example.test -sess_out "$work/session3"
    visit 4432 -tls1_3 -servername server.example.test -sess_in "$work/session3"
    visit 4435 -servername server.example.test -groups P-256:P-384   # the server wants the second: hello retry request
    visit 4433 -servername server.example.test -cert "$work/client.pem" -key "$work/key.pem" -ciphersuites TLS_CHACHA20_POLY1305_SHA256
}
talk_tls_failures() {
    visit 4432 -tls1_2 -servername server.example.test -cipher RSA          # no cipher suite in common
    visit 4433 -tls1_2 -servername server.example.test                      # a certificate is asked for, and there is none
    visit 4432 -tls1_1 -cipher 'ALL:@SECLEVEL=0'                            # a version that the server does not speak
    in_net curl -sS --tls-max 1.2 https://127.0.0.1:4432/ || true           # an issuer that the client does not know
    in_net curl -sS https://127.0.0.1:4432/ || true                         # the same, encrypted in TLS 1.3
    visit 4436 -servername other.example.test                               # a name that the server does not know
    in_net curl -sS http://127.0.0.1:4432/ || true                          # no TLS at all
}
# DTLS: a cookie, and a session taken up again.
serve_dtls() { # PORT OPTION...
    local port=$1
    shift
    certificates
    start "server-$port" openssl s_server -accept "127.0.0.1:$port" -cert "$work/server.pem" -key "$work/key.pem" -dtls -quiet "$@"
    wait_for "port $port" bash -c "ip netns exec $net ss -Hlun 'sport = :$port' | grep -q ."
}
visit_dtls() { # PORT OPTION...
    local port=$1
    shift
    (printf 'hello\n'; sleep 0.3) | in_net timeout 2 openssl s_client -connect "127.0.0.1:$port" -CAfile "$work/ca.pem" -dtls "$@" || true
}
talk_dtls() {
    visit_dtls 4437 -servername server.example.test -alpn webrtc,c-webrtc -sess_out "$work/session-dtls"
    visit_dtls 4437 -servername server.example.test -sess_in "$work/session-dtls"
}
start_nginx() {
    ! listens 8443 || return 0
    certificates
    cat >"$work/nginx.conf" <<END
daemon off;
master_process off;
worker_processes 1;
pid $work/nginx.pid;
error_log $work/nginx.error;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $work/body;
    proxy_temp_path $work/proxy;
    fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi;
    scgi_temp_path $work/scgi;
    ssl_certificate $work/server.pem;
    ssl_certificate_key $work/key.pem;
    server {
        listen 127.0.0.1:8443 ssl http2;
        server_name server.example.test;
        location / { return 200 "hello\n"; }
    }
}
END
    start nginx nginx -c "$work/nginx.conf"
    wait_for nginx listens 8443
}
talk_tls_nginx() {
    local options=(-sS --cacert "$work/ca.pem" --resolve server.example.test:8443:127.0.0.1)
    in_net curl "${options[@]}" https://server.example.test:8443/
    in_net curl "${options[@]}" --http1.1 --tls-max 1.2 https://server.example.test:8443/
    in_net curl "${options[@]}" --tls-max 1.2 https://server.example.test:8443/
    in_net curl "${options[@]}" https://127.0.0.1:8443/
}

for name; do
    case $name in
    dtls) serve_dtls 4437 -alpn webrtc -listen; capture "$name" 'udp' talk_dtls ;;
    dns_udp) start_named; capture "$name" 'udp port 53 or icmp' talk_dns_udp ;;
    dns_tcp) start_named; capture "$name" 'port 53' talk_dns_tcp ;;
    dns_dnssec) start_named; capture "$name" 'port 53' talk_dns_dnssec ;;
    tls_1_2 | tls_1_3 | tls_failures)
        serve 4432 -alpn http/1.1
        serve 4433 -Verify 1 -verify_return_error
        serve 4434 -cipher 'ALL:@SECLEVEL=0'
        serve 4435 -groups P-384
        serve 4436 -servername server.example.test -servername_fatal -cert2 "$work/server.pem" -key2 "$work/key.pem"
        capture "$name" 'tcp portrange 4432-4436' "talk_$name"
        ;;
    tls_nginx) start_nginx; capture "$name" 'tcp port 8443' talk_tls_nginx ;;
    *) die "no capture is called $name" ;;
    esac
done
