#!/bin/bash
# The dissector against stock tshark: over the golden captures, and over real ones where they are, at least 99 % of the facts of each protocol are the same, and the dissector says nothing else that tshark does not, unless a rule
# of tests/tshark-rules excuses it by name. First: a dissector that errs once is found out.
#   TAPELOOP_CORPUS   folder of captures (../shared/corpus beside the checkout)
#   FULL=1            all of them (otherwise some dozens), and, as root, captures of real servers that are made anew
#   JOBS              captures looked at together (as many as there are processors)
. "$(dirname "$0")/lib.sh"
need_command tshark jq awk
need_built "$BIN/dissector"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tapeloop-$TEST.XXXXXX")
TAPELOOP_CORPUS=${TAPELOOP_CORPUS:-$ROOT/../shared/corpus}

score() { # NAME FILE...
    local name=$1
    shift
    B=$B JOBS=${JOBS:-$(nproc)} "$ROOT/tests/oracle/score.sh" --quiet "$@" >"$WORK/$name" 2>&1 || { cat "$WORK/$name" >&2; fail "$name: tshark says something else, and no rule excuses it"; }
    cat "$WORK/$name"
}

# One value of one entry is changed: the score must end with 1 and name the fact.
errs() { # CAPTURE SED-EXPRESSION FACT
    mkdir -p "$WORK/wrong/bin"
    printf '#!/bin/sh\n%q "$@" | sed %q\n' "$BIN/dissector" "$2" >"$WORK/wrong/bin/dissector"
    chmod +x "$WORK/wrong/bin/dissector"
    if B=$WORK/wrong "$ROOT/tests/oracle/score.sh" --quiet "$ROOT/tests/golden/$1.pcap" >"$WORK/errs"; then fail "nobody notices: $1, $2"; fi
    grep -qF "dissector: $3" "$WORK/errs" || { cat "$WORK/errs" >&2; fail "not found out: $3"; }
}
errs http1 's/"status_code":404/"status_code":405/' 'HTTP response'
errs dns_udp '0,/"dns_request":true/s/"frame":\([0-9]*\)}/"frame":\10}/' 'DNS pair'
errs redis_pipeline '0,/"redis_type":"GET"/s/"response_at":{"frame":[0-9]*}/"response_at":{"frame":999}/' 'REDIS pair'
errs postgresql 's/"postgresql_rows":3,/"postgresql_rows":4,/' 'POSTGRESQL answer'
errs mysql 's/"mysql_affected_rows":3/"mysql_affected_rows":2/' 'MYSQL answer'
errs tls_1_2 '0,/"tls_sni":"/s/"tls_sni":"/"tls_sni":"x/' 'TLS client'
# Where rules excuse other differences: a response one packet too early, one that is given to another request, a connection with more bytes.
errs http1 's/"response_at":{"frame":26}/"response_at":{"frame":25}/' 'HTTP response'
errs http1 's/"response_at":{"frame":169}/"response_at":{"frame":0}/; s/"response_at":{"frame":171}/"response_at":{"frame":169}/; s/"response_at":{"frame":0}/"response_at":{"frame":171}/' 'HTTP pair'
errs http1 '0,/"conn_remote_bytes":/s/"conn_remote_bytes":/"conn_remote_bytes":1/' 'TCP connection'

score golden "$ROOT"/tests/golden/*.pcap "$ROOT"/tests/golden/*.pcapng
at_least "$(awk '$1 == "HTTP" { print $2 }' "$WORK/golden")" 100 "facts of HTTP in the golden captures"
for rule in "$ROOT"/tests/tshark-rules/*.rule; do
    for key in smallest fact; do grep -q "^$key: " "$rule" || fail "$(basename "$rule") has no $key"; done
    grep -q '^# .' "$rule" || fail "$(basename "$rule") gives no reason"
    ! grep -qEv '^(# |(smallest|fact|side|frames|stream|also|twin|beside|unless|incomplete|only): )' "$rule" || fail "$(basename "$rule") has a line that says nothing"
done

# Conversations of the same servers and clients as they are today: times, sizes of segments and random values are others each time.
if [ "$FULL" = 1 ] && [ "$(id -u)" = 0 ]; then
    mkdir "$WORK/anew"
    for make in http dns_tls databases; do "$ROOT/tests/captures/make_$make.sh" "$WORK/anew" >"$WORK/made" 2>&1 || { cat "$WORK/made" >&2; fail "make_$make.sh"; }; done
    score anew_score "$WORK"/anew/*.pcap
    at_least "$(awk '$1 == "HTTP" { print $2 }' "$WORK/anew_score")" 50 "facts of HTTP in captures made anew"
fi

if [ ! -d "$TAPELOOP_CORPUS/zeek" ]; then
    say "left out: the real captures (no folder at TAPELOOP_CORPUS, $TAPELOOP_CORPUS)"
    exit 0
fi
mapfile -d '' files < <(find "$TAPELOOP_CORPUS/zeek" "$TAPELOOP_CORPUS/tcpdump" -type f \( -name '*.pcap' -o -name '*.pcapng' -o -name '*.trace' \) -print0 | sort -z)
if [ "$FULL" != 1 ]; then
    some=()
    for file in "${files[@]}"; do case $file in */http/* | */dns/* | */tls/* | */mysql/* | */postgresql/* | */redis/* | */websocket/* | */tcpdump/dns* | */tcpdump/resp*) some+=("$file") ;; esac; done
    files=()
    for ((i = 0; i < ${#some[@]}; i += 8)); do files+=("${some[i]}"); done
fi
score corpus "${files[@]}"
say "passed: ${#files[@]} real captures"
