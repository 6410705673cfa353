#!/bin/bash
# A client that knows nothing of our code: the NATS text protocol in bash, and the `nats` command where it was built. Publishes snapshot.request as JSON and receives snapshot.accepted and
# snapshot.ready as JSON with CloudEvents headers; asks for the list. With the nats-server of the system; plain_client_newest.sh does the same with the newest one.
. "$(dirname "$0")/lib.sh"
start_test
plain() { in_net "$ROOT/tests/system/plain_nats.bash" "$@"; }

event_check() { # LINE SUBJECT NAME
    local subject headers payload
    IFS=$'\t' read -r subject headers payload <<<"$1"
    equal "$subject" "$2" "subject"
    local h
    for h in "ce-specversion: 1.0" "ce-id: " "ce-source: " "ce-type: " "ce-time: " "ce-subject: "; do
        [[ "|$headers|" == *"|$h"* ]] || fail "no header $h in: $headers"
    done
    equal "$(jq -r .name <<<"$payload")" "$3" "name in $subject"
}

one_server() { # SERVER
    NATS_SERVER=$1
    local version request=snap-$RANDOM
    version=$("$NATS_SERVER" --version | grep -o '[0-9.]*' | head -n 1)
    rm -rf "$DATA" "$WORK/nats"
    mkdir "$DATA"
    nats_start
    streams_apply
    capturer_start 128Mi
    snapshotter_start
    local from
    from=$(now_rfc3339)
    send --rate 5000 --count 10000
    settle
    plain watch 2 30 'snapshot.accepted' 'snapshot.ready' >"$WORK/events" 2>"$WORK/events.err" &
    local watcher=$!
    PIDS+=("$watcher")
    wait_for 10 "the subscription" grep -q subscribed "$WORK/events"
    printf '{"name":"%s","from":"%s"}' $request "$from" | plain publish snapshot.request
    wait $watcher || { cat "$WORK/events" "$WORK/events.err" >&2; fail "$version: not two events within 30 s"; }
    event_check "$(sed -n 2p "$WORK/events")" snapshot.accepted $request
    event_check "$(sed -n 3p "$WORK/events")" snapshot.ready $request
    local ready
    ready=$(sed -n 3p "$WORK/events" | cut -f3)
    equal "$(jq -r .completeness <<<"$ready")" complete "completeness"
    equal "$(jq -r .packets <<<"$ready")" 10000 "packets in snapshot.ready"
    equal "$(jq -r '.nodes[0].name' <<<"$ready")" "$NODE" "node in snapshot.ready"
    jq -e '.from and .to and .coveredFrom and .coveredTo and .bytes' <<<"$ready" >/dev/null || fail "snapshot.ready lacks a window or bytes: $ready"
    printf '{}' | plain request snapshot.list >"$WORK/list" || fail "snapshot.list does not answer"
    jq -e --arg n $request '.snapshots[] | select(.name == $n and .state == "ready")' "$WORK/list" >/dev/null || fail "snapshot.list: $(cat "$WORK/list")"
    printf '{"name":"%s"}' $request | plain request snapshot.verify 20 | jq -e '.intact == true' >/dev/null || fail "snapshot.verify over the bus"
    printf '' | plain request '$SRV.PING' | jq -e '.type == "io.nats.micro.v1.ping_response"' >/dev/null || fail "service discovery does not answer"
    # A late subscriber finds the event kept: stream EVENTS.
    printf '{"last_by_subj":"snapshot.ready"}' | plain request '$JS.API.STREAM.MSG.GET.EVENTS' | jq -re .message.data | base64 -d | jq -e --arg n $request '.name == $n' >/dev/null || fail "snapshot.ready is not kept"
    say "nats-server $version: $request ready, $(jq -r .packets <<<"$ready") packets"
    [ -z "${NATS_COMMAND:-}" ] || nats_command "$version"
    must_end_well snapshotter
    must_end_well capturer
    end nats
}

nats_command() {
    local request=cli-$RANDOM
    start natssub "$NATS_COMMAND" sub --count 1 snapshot.ready
    wait_for 10 "nats sub" grep -q Subscribing "$WORK/natssub.out" "$WORK/natssub.err"
    sleep 0.3
    send --rate 5000 --count 2500 --start 10000
    in_net "$NATS_COMMAND" pub snapshot.request "{\"name\":\"$request\",\"last\":\"2s\"}" >"$WORK/natspub" 2>&1 || { cat "$WORK/natspub" >&2; fail "nats pub"; }
    wait_for 30 "snapshot.ready for the nats command" grep -q "$request" "$WORK/natssub.out"
    in_net "$NATS_COMMAND" request snapshot.list '{}' --raw 2>/dev/null | jq -e --arg n $request '.snapshots[] | select(.name == $n)' >/dev/null || fail "nats request snapshot.list"
    say "nats-server $1: the nats command got $request"
}

one_server "$NATS_SERVER"
no_sanitizer_report
say passed
