#!/bin/bash
# A bus with TLS both ways and the permissions of deploy/nats.conf: everything works over it; a wrong authority, an expired certificate, no certificate, a wrong password and a missing permission each end
# with a sentence that says what to do; a node cannot speak as another; a capturer whose login is refused records on and publishes when the login is mended.
. "$(dirname "$0")/lib.sh"
start_test
need_command openssl
TLS=$WORK/tls
mkdir "$TLS"

# ---- certificates -----------------------------------------------------------------------------------------------
authority() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" -keyout "$TLS/$1.key" -out "$TLS/$1.pem" 2>>"$WORK/openssl"
}
certificate() { # NAME AUTHORITY DAYS EXTENSION
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$TLS/$1.key" -out "$TLS/$1.csr" 2>>"$WORK/openssl"
    openssl x509 -req -in "$TLS/$1.csr" -CA "$TLS/$2.pem" -CAkey "$TLS/$2.key" -CAcreateserial -days "$3" -extfile <(echo "$4") -out "$TLS/$1.pem" 2>>"$WORK/openssl"
}
authority ca
authority stranger
certificate server ca 2 subjectAltName=IP:127.0.0.1
certificate elsewhere ca 2 subjectAltName=DNS:elsewhere.example
certificate late-server ca -1 subjectAltName=IP:127.0.0.1
certificate client ca 2 extendedKeyUsage=clientAuth
certificate late-client ca -1 extendedKeyUsage=clientAuth
certificate strange-client stranger 2 extendedKeyUsage=clientAuth

# ---- the server, as deploy/nats.conf has it ---------------------------------------------------------------------
bus_configure() { # CERTIFICATE OF THE SERVER [SED EXPRESSION]
    sed -e "s#/etc/nats/server#$TLS/$1#; s#/etc/nats#$TLS#; s#/var/lib/nats#$WORK/nats#; s#0\.0\.0\.0:4222#127.0.0.1:$PORT#; ${2:-}" "$ROOT/deploy/nats.conf" >"$WORK/nats.conf"
}
bus_start() {
    start nats "$NATS_SERVER" --config "$WORK/nats.conf"
    wait_for 20 "nats-server" nats_answers
}
export NATS_CA=$TLS/ca.pem NATS_CERT=$TLS/client.pem NATS_KEY=$TLS/client.key
as() { # USER COMMAND...
    local user=$1
    shift
    NATS_USER=$user NATS_PASSWORD=change-$user "$@"
}
operator() { as operator tl "$@"; }
# What the command must answer: exit code 1 and words of the sentence.
refused() { # WHAT WORDS COMMAND...
    local what=$1 words=$2 code=0
    shift 2
    "$@" >"$WORK/refused" 2>&1 || code=$?
    equal "$code" 1 "exit code of $what"
    grep -qiE -- "$words" "$WORK/refused" || { cat "$WORK/refused" >&2; fail "$what does not say '$words'"; }
    say "$what: $(tail -n 1 "$WORK/refused")"
}

# ---- everything works -------------------------------------------------------------------------------------------
bus_configure server
bus_start
operator streams apply >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; fail "streams apply"; }
operator streams check >/dev/null || fail "streams check"
as node-1 capturer_start 128Mi
as snapshotter snapshotter_start
as dissector dissector_start dissector --tape "$DATA/tape" --node "$NODE" --live-data "$DATA/live"
from=$(now_rfc3339)
send --rate 10000 --count 10000
settle 0.2
to=$(now_rfc3339)
operator snapshot create one --from "$from" --to "$to" --wait >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; fail "snapshot create"; }
operator snapshot show one --json | jq -e '.snapshot.packets == "10000"' >/dev/null || fail "snapshot show: $(operator snapshot show one --json)"
operator snapshot list --json | jq -e '[.snapshots[].name] == ["one"]' >/dev/null || fail "snapshot list"
operator snapshot verify one >/dev/null || fail "snapshot verify"
operator snapshot export one --output "$WORK/one.pcapng" 2>"$WORK/out" || { cat "$WORK/out" >&2; fail "snapshot export"; }
check_traffic "$WORK/one.pcapng" --count 10000
operator snapshot create two --from "$from" --to "$to" --wait >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; fail "a second snapshot"; }
operator snapshot delete two >/dev/null || fail "snapshot delete"
operator dissect one --wait >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; fail "dissect"; }
operator dissection list --json | jq -e '[.dissections[].name] == ["default"]' >/dev/null || fail "dissection list"
operator calls --snapshot one --group-by protocol >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; fail "calls"; }
operator calls --live >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; fail "calls --live"; }
refused "a dissection that is not there" "no dissection" operator dissection cancel one --name other
operator dissection delete one >/dev/null || fail "dissection delete"
refused "a snapshot that is not there" "no snapshot" operator snapshot cancel three
operator status >/dev/null || fail "status: $(operator status 2>&1)"
as reader tl status >/dev/null || fail "status as reader"
as reader tl snapshot list >/dev/null || fail "list as reader"
as reader tl dissection list >/dev/null || fail "list of dissections as reader"
if grep -F 'Violation' "$WORK/nats.err" | grep -vE 'User "reader"|user:reader'; then fail "deploy/nats.conf permits too little"; fi

# ---- and nothing else does --------------------------------------------------------------------------------------
refused "a user without the permission" "not permit" as reader tl snapshot create four --last 1s
refused "streams applied by a reader" "not permit" as reader tl streams apply
refused "calls asked for by a reader" "not permit" as reader tl calls --snapshot one
refused "an export by a reader" "not permit" as reader tl snapshot export one --output "$WORK/no.pcapng"
refused "a verify by a reader" "not permit" timeout 30 ip netns exec "$NET" env NATS_USER=reader NATS_PASSWORD=change-reader "$BIN/tapeloop" snapshot verify one
refused "a wrong password" "refuses the login.*check --user and --password" env NATS_USER=operator NATS_PASSWORD=wrong ip netns exec "$NET" "$BIN/tapeloop" status
refused "a snapshotter with a wrong password" "refuses the login" env NATS_USER=snapshotter NATS_PASSWORD=wrong ip netns exec "$NET" "$BIN/snapshotter" --store "$WORK/other" --listen 127.0.0.1:0
NATS_CA=$TLS/stranger.pem refused "a wrong authority" "no TLS.*check --tlsca" operator status
NATS_CERT=$TLS/late-client.pem NATS_KEY=$TLS/late-client.key refused "an expired certificate" "--tlscert" operator status
NATS_CERT=$TLS/strange-client.pem NATS_KEY=$TLS/strange-client.key refused "a certificate of another authority" "--tlscert" operator status
NATS_CERT='' NATS_KEY='' refused "no certificate" "--tlscert" operator status
NATS_CERT=$TLS/none.pem refused "a certificate that is not there" "TLS files" operator status
# A node's user under another node's name: it records, is told why nobody hears it, and the bus has nothing of it.
as node-1 start forger "$BIN/capturer" --node node-2 --data "$WORK/forger" --interface rx0 --storage-size 64Mi --segment-age 1s --listen 127.0.0.1:0
wait_ready forger
wait_for 30 "the refusal of another's announcement" grep -q 'node-1.*Violation.*"segment.sealed.node-2"\|Violation.*node-1.*"segment.sealed.node-2"' "$WORK/nats.err"
wait_for 30 "the refusal of another's heartbeat" grep -q 'Violation.*"$KV.nodes.node-2"' "$WORK/nats.err"
wait_for 30 "the forger's own words" grep -q 'does not permit it to this user' "$WORK/forger.err"
operator nodes --json | jq -e '[.nodes[].node] == ["node-1"]' >/dev/null || fail "a node that is none is known"
grep -q 'Subscription Violation.*Subject "node.node-2.pin"' "$WORK/nats.err" || fail "a node may listen to another's pins"
end forger
# A stranger's inbox is nobody's to listen to.
grep -q '"_INBOX.>"' "$ROOT/deploy/nats.conf" && fail "deploy/nats.conf lets a user listen to all replies"

# ---- a server that is not the right one -------------------------------------------------------------------------
for wrong in elsewhere late-server; do
    end nats
    bus_configure "$wrong"
    bus_start
    refused "a server with the certificate $wrong" "no TLS.*check --tlsca" operator status
done
end nats

# ---- a login that is refused and mended -------------------------------------------------------------------------
bus_configure server 's#change-node-1#another#; s#"snapshot.cancel"#"snapshot.other"#'
bus_start
sealed() { sealed_segments | grep -vc forger; }
before=$(sealed)
wait_for 60 "the refusal in the log" grep -q 'no bus, recording goes on.*refuses the login' "$WORK/capturer.err"
wait_for 60 "the snapshotter's word on what it may not hear" grep -q 'refuses something to this user.*snapshot.cancel' "$WORK/snapshotter.err"
from=$(now_rfc3339)
send --rate 10000 --count 10000
settle
to=$(now_rfc3339)
alive "${PID_OF[capturer]}" || fail "the capturer ended with its login"
end nats
bus_configure server
bus_start
snapshot_of_refusal() { operator snapshot create mended --from "$from" --to "$to" --wait; }
wait_for 60 "a snapshot after the login was mended" snapshot_of_refusal
operator snapshot export mended --output "$WORK/mended.pcapng" 2>/dev/null
check_traffic "$WORK/mended.pcapng" --count 10000
nothing_owed() { operator nodes --json | jq -e '.nodes[0].owed // 0 | tonumber == 0'; }
wait_for 30 "everything to be published" nothing_owed
at_least "$(sealed)" "$before" "segments"
must_end_well snapshotter
must_end_well capturer
no_sanitizer_report
say passed
