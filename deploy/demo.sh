#!/bin/bash
# The demonstration: two network namespaces with real HTTP and DNS traffic between them, the whole stack beside the servers, one snapshot.request published by hand, what comes of it, and the calls in it.
# Touches nothing outside its own namespaces and its own temporary folder, ends by itself within a minute, and takes everything away again.
# Environment: B, the folder of the build (build/gcc).
set -uo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
B=${B:-build/gcc}
case $B in /*) ;; *) B=$ROOT/$B ;; esac
BIN=$B/bin
NATS_CLIENT=$ROOT/tests/system/plain_nats.bash
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C TZ=UTC

SERVER=tl-demo-server-$$
CLIENT=tl-demo-client-$$
PIDS=()
WORK=

bold=$([ -t 1 ] && printf '\033[1m')
plain=$([ -t 1 ] && printf '\033[0m')
step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
show() { # prints a command as a user would type it, then runs it beside the servers
    printf '$ %s\n' "$*"
    in_server env PATH="$BIN:$PATH" NATS_URL="$NATS_URL" "$@"
}
fail() {
    printf '\ndemo: %s\n' "$*" >&2
    for log in up nginx dnsmasq; do
        if [ -s "$WORK/$log.log" ]; then printf -- '--- the end of %s.log:\n' "$log" >&2; tail -n 15 "$WORK/$log.log" >&2; fi
    done
    exit 1
}
# In the background ip itself, not these functions: it becomes the command, so that the id is the command's own.
in_server() { ip netns exec "$SERVER" "$@"; }
in_client() { ip netns exec "$CLIENT" "$@"; }
alive() { kill -0 "$1" 2>/dev/null; }

cleanup() {
    local code=$? pid
    trap - EXIT INT TERM
    for pid in "${PIDS[@]}"; do alive "$pid" && kill -TERM "$pid" 2>/dev/null; done
    for pid in "${PIDS[@]}"; do
        for _ in {1..100}; do alive "$pid" || break; sleep 0.1; done
        alive "$pid" && kill -KILL "$pid" 2>/dev/null
    done
    for pid in $(ip netns pids "$SERVER" 2>/dev/null; ip netns pids "$CLIENT" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null; done # of the traffic, in the moment
    wait 2>/dev/null
    ip netns del "$CLIENT" 2>/dev/null
    ip netns del "$SERVER" 2>/dev/null
    [ -z "$WORK" ] || rm -rf "$WORK"
    exit $code
}

check() {
    local missing=() c
    [ "$(id -u)" = 0 ] || { echo "demo: it makes network namespaces and captures in them, so it needs root: sudo make demo" >&2; exit 1; }
    for c in ip nginx dnsmasq dig curl tshark capinfos jq nats-server; do command -v "$c" >/dev/null || missing+=("$c"); done
    [ ${#missing[@]} = 0 ] || { echo "demo: missing: ${missing[*]} (sudo make demo installs the packages of deploy/packages.txt on Debian 12)" >&2; exit 1; }
    for c in tapeloop capturer snapshotter dissector; do [ -x "$BIN/$c" ] || { echo "demo: $BIN/$c is not built: run make" >&2; exit 1; }; done
}

make_network() {
    ip netns add "$SERVER" && ip netns add "$CLIENT" || fail "network namespaces cannot be made here"
    ip link add name s0 netns "$SERVER" type veth peer name c0 netns "$CLIENT" || fail "a veth pair cannot be made here"
    ip -n "$SERVER" addr add 10.87.0.2/24 dev s0
    ip -n "$CLIENT" addr add 10.87.0.1/24 dev c0
    ip -n "$SERVER" addr add fd87::2/64 dev s0 nodad
    ip -n "$CLIENT" addr add fd87::1/64 dev c0 nodad
    for pair in "$SERVER lo" "$SERVER s0" "$CLIENT lo" "$CLIENT c0"; do
        read -r net dev <<<"$pair"
        ip -n "$net" link set "$dev" up
    done
}

start_servers() {
    mkdir -p "$WORK/www/catalogue"
    echo '<h1>The shop of the demonstration</h1>' >"$WORK/www/index.html"
    for n in 1 2 3; do echo "{\"item\":$n,\"name\":\"reel $n\"}" >"$WORK/www/catalogue/$n.json"; done
    cat >"$WORK/nginx.conf" <<CONF
daemon off;
master_process off;
pid $WORK/nginx.pid;
error_log stderr warn;
events {}
http {
    access_log off;
    client_body_temp_path $WORK/nginx.body;
    proxy_temp_path $WORK/nginx.proxy;
    fastcgi_temp_path $WORK/nginx.fastcgi;
    uwsgi_temp_path $WORK/nginx.uwsgi;
    scgi_temp_path $WORK/nginx.scgi;
    server {
        listen 10.87.0.2:80;
        listen [fd87::2]:80;
        root $WORK/www;
        location = /login { return 302 /; }
        log_not_found off;
        location = /broken { return 503 "out of tape\n"; }
    }
}
CONF
    ip netns exec "$SERVER" nginx -c "$WORK/nginx.conf" -e stderr >"$WORK/nginx.log" 2>&1 &
    PIDS+=($!)
    ip netns exec "$SERVER" dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --log-facility=- --user=root --pid-file="$WORK/dnsmasq.pid" --bind-interfaces \
        --listen-address=10.87.0.2 --host-record=shop.demo.test,10.87.0.2,fd87::2 --host-record=db.demo.test,10.87.0.9 --local=/demo.test/ >"$WORK/dnsmasq.log" 2>&1 &
    PIDS+=($!)
    for _ in {1..50}; do
        in_client curl -s -o "$WORK/answer" http://10.87.0.2/ && in_client dig +short +time=1 +tries=1 @10.87.0.2 shop.demo.test >"$WORK/answer" && return
        sleep 0.1
    done
    fail "the HTTP and DNS servers do not answer"
}

# What a shop's customers do, a few times a second until the file `stop` is there.
make_traffic() {
    local n=0 web=(curl -s -o /dev/null --max-time 2 --resolve shop.demo.test:80:10.87.0.2)
    while [ ! -e "$WORK/stop" ]; do
        n=$((n % 3 + 1))
        in_client dig +short +time=1 +tries=1 @10.87.0.2 shop.demo.test
        in_client "${web[@]}" http://shop.demo.test/ "http://shop.demo.test/catalogue/$n.json"
        in_client "${web[@]}" -d 'user=reel&sum=42' http://shop.demo.test/login
        in_client "${web[@]}" http://shop.demo.test/broken http://shop.demo.test/nowhere
        in_client curl -s -o /dev/null --max-time 2 "http://[fd87::2]/catalogue/$n.json"
        in_client dig +short +time=1 +tries=1 @10.87.0.2 AAAA shop.demo.test
        in_client dig +short +time=1 +tries=1 @10.87.0.2 "missing-$n.demo.test"
        sleep 0.1
    done >/dev/null 2>&1
}

start_stack() {
    local n=0
    ip netns exec "$SERVER" "$BIN/tapeloop" up --data "$WORK/data" --interface s0 --storage-size 256Mi --port 0 --node demo-node >"$WORK/up.out" 2>"$WORK/up.log" &
    UP=$!
    PIDS+=("$UP")
    until grep -qx ready "$WORK/up.out"; do
        alive "$UP" || fail "tapeloop up has ended"
        [ $((n++)) -lt 300 ] || fail "tapeloop up is not ready after 30 s"
        sleep 0.1
    done
    NATS_URL=$(cat "$WORK/data/nats.url")
    export NATS_URL
    grep '^tapeloop:' "$WORK/up.log"
    cat "$WORK/up.out"
}

ask_for_snapshot() {
    local request='{"name":"incident-42","last":"5s","labels":{}}' n=0 subject headers payload
    ip netns exec "$SERVER" "$NATS_CLIENT" watch 1000 60 snapshot.accepted snapshot.progress snapshot.ready snapshot.failed >"$WORK/events" 2>"$WORK/events.err" &
    local watcher=$!
    PIDS+=("$watcher")
    until grep -q '^subscribed' "$WORK/events"; do
        [ $((n++)) -lt 50 ] || fail "the plain NATS client cannot subscribe"
        sleep 0.1
    done
    printf 'publish to snapshot.request: %s\n' "$request"
    printf 'the stream answers:          %s\n\n' "$(in_server "$NATS_CLIENT" request snapshot.request 5 <<<"$request")"
    n=0
    until grep -qE '^snapshot\.(ready|failed)' "$WORK/events"; do
        [ $((n++)) -lt 300 ] || fail "neither snapshot.ready nor snapshot.failed has come within 30 s"
        sleep 0.1
    done
    kill "$watcher" 2>/dev/null
    while IFS=$'\t' read -r subject headers payload; do
        [ -n "$payload" ] || continue
        printf '%s%s%s\n' "$bold" "$subject" "$plain"
        printf '%s\n' "$headers" | tr '|' '\n' | grep -E '^ce-(id|type|time|source)' | sed 's/^/    /'
        jq -c 'del(.nodes[]?.ledger.interfaces)' <<<"$payload" | cut -c1-700 | sed 's/^/    /'
    done < <(tail -n +2 "$WORK/events")
    grep -q '^snapshot\.ready' "$WORK/events" || fail "the snapshot has failed"
}

read_export() {
    show tapeloop snapshot export incident-42 --output "$WORK/incident-42.pcapng" || fail "the export has failed"
    show capinfos -Mcuae "$WORK/incident-42.pcapng" || fail "capinfos cannot read the export"
    step "HTTP requests and the answers' codes in it, as tshark reads them"
    printf '$ tshark -r incident-42.pcapng -Y http ...\n'
    tshark -r "$WORK/incident-42.pcapng" -Y 'http.request' -T fields -e http.request.method -e http.host -e http.request.uri 2>/dev/null | sort | uniq -c | sort -rn
    tshark -r "$WORK/incident-42.pcapng" -Y 'http.response' -T fields -e http.response.code 2>/dev/null | sort | uniq -c | sort -rn
    step "DNS names in it"
    printf '$ tshark -r incident-42.pcapng -Y dns ...\n'
    tshark -r "$WORK/incident-42.pcapng" -Y 'dns.flags.response == 1' -T fields -e dns.qry.name -e dns.qry.type -e dns.flags.rcode 2>/dev/null | sort | uniq -c | sort -rn
    [ "$(tshark -r "$WORK/incident-42.pcapng" -Y 'http.request' 2>/dev/null | wc -l)" -gt 0 ] || fail "the export holds no HTTP request"
    [ "$(tshark -r "$WORK/incident-42.pcapng" -Y 'dns' 2>/dev/null | wc -l)" -gt 0 ] || fail "the export holds no DNS"
}

# The calls between the two namespaces, each with the side that asked and the side that answered.
read_calls() {
    show tapeloop dissect incident-42 --wait || fail "the dissection has failed"
    step "8. The calls between the two namespaces"
    show tapeloop calls 'http' --snapshot incident-42 --limit 8 || fail "there is no answer about HTTP"
    show tapeloop calls 'dns' --snapshot incident-42 --limit 5 || fail "there is no answer about DNS"
    show tapeloop calls 'http && status_code >= 400' --snapshot incident-42 --group-by path --group-by status_code || fail "there is no answer about errors"
    local id
    id=$(show tapeloop calls 'http && status_code == 503 && incomplete == ""' --snapshot incident-42 --limit 1 --json | sed 1d | jq -r '.calls[0].id')
    step "9. One of them whole, and its connection as a capture"
    show tapeloop call "$id" --snapshot incident-42 | grep -vE '^(response|request)\.(body|headers\.user-agent) ' | head -n 40
    show tapeloop call "$id" --snapshot incident-42 --pcap "$WORK/call.pcapng" >"$WORK/call.txt" || fail "the call's connection cannot be exported"
    printf '$ tshark -r call.pcapng\n'
    tshark -r "$WORK/call.pcapng" 2>/dev/null | head -n 12
    [ "$(tshark -r "$WORK/call.pcapng" -Y 'http.response.code == 503' 2>/dev/null | wc -l)" -gt 0 ] || fail "the capture does not hold the call"
}

check
trap cleanup EXIT
trap 'exit 130' INT TERM
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tapeloop-demo.XXXXXX") || exit 1

step "1. Two network namespaces, nginx and dnsmasq in one, their customers in the other"
make_network
start_servers
make_traffic &
PIDS+=($!)
echo "10.87.0.1 (client)  <-- veth -->  10.87.0.2 (shop.demo.test: nginx, dnsmasq)"

step "2. The whole stack beside the servers: nats-server, capturer, snapshotter, dissector"
start_stack

step "3. It records, by proof of a packet that has come back from the tape"
sleep 7 # a window of 5 s that the tape holds as a whole
show tapeloop status || fail "not everything records"

step "4. A snapshot.request as plain JSON, from a client that speaks NATS's text protocol in a few lines of bash; events as they came"
ask_for_snapshot

step "5. The snapshot, and its proof"
show tapeloop snapshot show incident-42 || fail "the snapshot cannot be shown"
show tapeloop snapshot verify incident-42 || fail "the snapshot is not intact"

step "6. One capture file, cut exactly to the window"
read_export

step "7. What was said in it, worked out by a dissector: an SQLite database beside the snapshot, which stays as it is"
read_calls

step "10. A snapshot by one command"
show tapeloop snapshot create second --last 3s --wait || fail "the second snapshot has failed"

step "11. Stop: the tape is sealed, nothing is left running"
touch "$WORK/stop"
kill -TERM "$UP"
code=0
wait "$UP" || code=$?
[ "$code" = 0 ] || fail "tapeloop up ended with code $code"
echo "tapeloop up ended with code 0"

cat <<TEXT

Go on with your own traffic:
    sudo $BIN/tapeloop up                                     # this machine's interfaces, 1 GiB of tape in /var/lib/tapeloop
    $BIN/tapeloop snapshot create first --last 30s --wait     # from another terminal
    $BIN/tapeloop snapshot export first --output first.pcapng
    $BIN/tapeloop dissect first --wait
    $BIN/tapeloop calls 'http && status_code >= 500' --snapshot first
TEXT
