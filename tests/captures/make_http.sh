#!/bin/bash
# Makes captures of HTTP/1, HTTP/2, gRPC and WebSocket between stock servers and clients (nginx, nghttpd, nghttpx, python3-grpcio, python3-websockets; curl, nghttp), in a network namespace of its own.
# Usage: sudo tests/captures/make_http.sh FOLDER [NAME]...      names: http1 http2_nginx http2_nghttp http2_upgrade grpc websocket (default: all)
# The captures of tests/golden/ were made so; they are only made again when something is to be added, for times and numbers are others each time.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C TZ=UTC
die() { echo "make_http.sh: $*" >&2; exit 1; }
[ $# -ge 1 ] || die "where to?"
out=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- http1 http2_nginx http2_nghttp http2_upgrade grpc websocket
[ "$(id -u)" = 0 ] || die "needs root for a network namespace"
for command in ip tcpdump nginx curl nghttp nghttpd nghttpx /usr/bin/python3; do
    PATH=$PATH:/usr/sbin:/sbin command -v $command >/dev/null || die "no $command here"
done
PATH=$PATH:/usr/sbin:/sbin
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

# capture NAME PORT COMMAND...: what goes through the port meanwhile.
capture() {
    local name=$1 port=$2 pid
    shift 2
    start tcpdump-"$name" tcpdump -i lo -s 0 -U --immediate-mode -B 8192 -w "$work/$name.pcap" "tcp port $port"
    pid=${pids[-1]}
    wait_for "tcpdump" grep -q listening "$work/tcpdump-$name.err"
    "$@" >"$work/$name.out" 2>&1 || { cat "$work/$name.out" >&2; die "$name"; }
    sleep 0.5 # the last acknowledgements
    kill "$pid"
    wait "$pid" || true
    cp "$work/$name.pcap" "$out/$name.pcap"
    echo "$name: $(stat -c %s "$out/$name.pcap") bytes"
}

# ---- nginx ------------------------------------------------------------------------------------------------------
site() {
    mkdir -p "$work/site"
    printf 'hello, world\n' >"$work/site/hello.txt"
    for ((i = 0; i < 40; i++)); do echo "line $i of a text that compresses well"; done >"$work/site/text.txt"
    touch -d 2026-01-01T00:00:00Z "$work"/site/*
}
start_nginx() {
    ! listens 8081 || return 0
    site
    chmod 755 "$work"
    cat >"$work/nginx.conf" <<EOF
daemon off;
master_process off;
worker_processes 1;
pid $work/nginx.pid;
error_log $work/nginx.error;
events { worker_connections 64; }
http {
    access_log off;
    default_type text/plain;
    gzip on;
    gzip_types text/plain application/json;
    gzip_min_length 100;
    client_body_temp_path $work/body;
    proxy_temp_path $work/proxy;
    fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi;
    scgi_temp_path $work/scgi;
    server {
        listen 127.0.0.1:8080;
        listen 127.0.0.1:8081 http2;
        root $work/site;
        location /pipelined { return 200 "\$arg_number"; }
        location /chunks { proxy_pass http://127.0.0.1:8083; }
        location /login { proxy_pass http://127.0.0.1:8083; }
        location /api { proxy_pass http://127.0.0.1:8083; }
        location /fails { return 503 "later"; }
    }
    server { # reads whole bodies before it answers, which \`return' alone does not in HTTP/2
        listen 127.0.0.1:8083;
        location /chunks { return 201 "taken"; }
        location /login { add_header Set-Cookie "session=abcdef; Path=/; HttpOnly"; add_header Set-Cookie "theme=dark"; return 302 /hello.txt; }
        location /api { default_type application/json; return 200 '{"items":[1,2,3],"token":"t0ps3cret"}'; }
    }
}
EOF
    start nginx nginx -c "$work/nginx.conf"
    wait_for nginx listens 8081
}
# One curl each: curl 7.88 fails when it uses a connection in clear HTTP/2 again.
talk_to_nginx() { # BASE OPTION...
    local base=$1 options=(-sS -o /dev/null -A client/1.0 --max-time 10)
    shift
    in_net curl "${options[@]}" "$@" "$base/hello.txt?a=1&b=two%20words&token=secret" -b 'session=abcdef; theme=dark'
    in_net curl "${options[@]}" "$@" -I "$base/hello.txt"
    in_net curl "${options[@]}" "$@" --compressed "$base/text.txt"
    in_net curl "${options[@]}" "$@" "$base/api"
    in_net curl "${options[@]}" "$@" -d 'user=me&password=secret' "$base/login"
    in_net curl "${options[@]}" "$@" -H 'Content-Type: application/json' -d '{"name":"x","password":"secret"}' -u me:secret "$base/api/items/7"
    in_net curl "${options[@]}" "$@" "$base/nothing"
    in_net curl "${options[@]}" "$@" "$base/fails"
    in_net curl "${options[@]}" "$@" -r 10-29 "$base/text.txt"
    in_net curl "${options[@]}" "$@" -z 'Thu, 01 Jan 2026 00:00:00 GMT' "$base/hello.txt"
    in_net curl "${options[@]}" "$@" -X PUT -H 'Expect: 100-continue' --data-binary @"$work/site/text.txt" "$base/chunks"
}
talk_http1() {
    talk_to_nginx http://127.0.0.1:8080
    in_net curl -sS -0 -o /dev/null -o /dev/null -A client/1.0 http://127.0.0.1:8080/hello.txt http://127.0.0.1:8080/text.txt
    in_net curl -sS -o /dev/null -o /dev/null -A client/1.0 http://127.0.0.1:8080/hello.txt http://127.0.0.1:8080/fails
    in_net curl -sS -o /dev/null -H 'Transfer-Encoding: chunked' --data-binary @"$work/site/text.txt" http://127.0.0.1:8080/chunks
    in_net /usr/bin/python3 "$here/peers.py" pipeline 8080
}

talk_http2() {
    talk_to_nginx http://127.0.0.1:8081 --http2-prior-knowledge
    in_net nghttp -n -m 5 http://127.0.0.1:8081/hello.txt?one=1 http://127.0.0.1:8081/api http://127.0.0.1:8081/fails
}

# ---- nghttpd ----------------------------------------------------------------------------------------------------
start_nghttpd() {
    site
    start nghttpd nghttpd --no-tls -a 127.0.0.1 -d "$work/site" --push /hello.txt=/text.txt --trailer 'x-trailer: yes' --echo-upload 8082
    wait_for nghttpd listens 8082
}
# Several at a time, a request body with trailers, a pushed response, padding, CONTINUATION, a small and a large table for HPACK.
talk_nghttp() {
    local base=http://127.0.0.1:8082
    in_net nghttp -n "$base/hello.txt" "$base/text.txt" "$base/nothing"
    in_net nghttp -n -d "$work/site/text.txt" -H 'content-type: text/plain' --trailer 'x-sum: 1' "$base/hello.txt"
    in_net nghttp -n -b 64 -m 3 --no-push "$base/text.txt?padded=1"
    in_net nghttp -n --continuation --no-push -H 'cookie: a=1; b=2' "$base/hello.txt"
    in_net nghttp -n --header-table-size 0 --no-push -m 4 "$base/hello.txt?table=none"
    in_net nghttp -n --header-table-size 65536 --encoder-header-table-size 1024 --no-push -m 4 -H 'x-long: 0123456789012345678901234567890123456789' "$base/hello.txt?table=large"
}
# nghttpd knows no upgrade; nghttpx does, in front of nginx.
start_nghttpx() {
    start_nginx
    start nghttpx nghttpx --conf=/dev/null '--frontend=127.0.0.1,8084;no-tls' --backend=127.0.0.1,8080 --single-process
    wait_for nghttpx listens 8084
}
talk_upgrade() {
    in_net nghttp -n -u http://127.0.0.1:8084/hello.txt http://127.0.0.1:8084/nothing
    in_net curl -sS -o /dev/null --http2 -A client/1.0 http://127.0.0.1:8084/text.txt
}

# ---- gRPC and WebSocket -----------------------------------------------------------------------------------------
start_peer() { # ROLE PORT
    start "$1" /usr/bin/python3 "$here/peers.py" "$1" "$2"
    wait_for "$1" grep -qx ready "$work/$1.out"
}
talk_peer() { in_net /usr/bin/python3 "$here/peers.py" "$@"; }

for name; do
    case $name in
    http1 | http2_nginx) start_nginx ;;
    http2_nghttp) start_nghttpd ;;
    http2_upgrade) start_nghttpx ;;
    grpc) start_peer grpc_server 50051 ;;
    websocket) start_peer websocket_server 8765 ;;
    *) die "no capture of that name: $name" ;;
    esac
    case $name in
    http1) capture $name 8080 talk_http1 ;;
    http2_nginx) capture $name 8081 talk_http2 ;;
    http2_nghttp) capture $name 8082 talk_nghttp ;;
    http2_upgrade) capture $name 8084 talk_upgrade ;;
    grpc) capture $name 50051 talk_peer grpc_client 50051 ;;
    websocket) capture $name 8765 talk_peer websocket_client 8765 ;;
    esac
done
