#!/bin/bash
# A NATS client in a few lines of the text protocol, so that the tests can speak to the bus without a line of our own code.
#   plain_nats.bash request SUBJECT [SECONDS]      payload on standard input; prints the answer; 1: nobody answers
#   plain_nats.bash publish SUBJECT [HEADER]...    payload on standard input, headers as "Name: value"; waits until the server has it
#   plain_nats.bash watch COUNT SECONDS SUBJECT... prints "subscribed", then each message in one line: subject, headers joined by "|", payload, with tabs between; 1: fewer came in time
# Server: NATS_URL (nats://127.0.0.1:4222). Source: docs.nats.io, "Client Protocol" (INFO, CONNECT, PUB, HPUB, SUB, MSG, HMSG, PING, PONG, -ERR).
set -u
export LC_ALL=C
address=${NATS_URL:-nats://127.0.0.1:4222}
address=${address#nats://}
CR=$'\r'

connect() {
    exec 3<>"/dev/tcp/${address%:*}/${address##*:}" || exit 2
    read -r -t 5 line <&3 || exit 2
    printf 'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"name":"plain client","lang":"bash","version":"1"}\r\n' >&3
    settled
}
settled() { # everything sent so far has been handled
    printf 'PING\r\n' >&3
    while read -r -t 5 line <&3; do
        case $line in
        PONG*) return 0 ;;
        -ERR*) echo "$line" >&2; exit 2 ;;
        esac
    done
    exit 2
}
take() { # BYTES: that many and the line end; in $DATA
    DATA=
    [ "$1" = 0 ] || IFS= read -r -d '' -N "$1" -t 10 DATA <&3
    read -r -t 10 line <&3
}
next_message() { # SECONDS; in $SUBJECT, $HEADERS, $DATA
    local until=$((SECONDS + $1)) left words
    while left=$((until - SECONDS)); [ $left -gt 0 ] && read -r -t "$left" line <&3; do
        line=${line%"$CR"}
        read -r -a words <<<"$line"
        case ${words[0]:-} in
        PING) printf 'PONG\r\n' >&3 ;;
        -ERR) echo "$line" >&2; return 2 ;;
        MSG)
            SUBJECT=${words[1]} HEADERS=
            take "${words[-1]}"
            return 0 ;;
        HMSG)
            SUBJECT=${words[1]}
            local head=${words[-2]} total=${words[-1]}
            IFS= read -r -d '' -N "$head" -t 10 HEADERS <&3
            take $((total - head))
            HEADERS=${HEADERS%"$CR"$'\n'"$CR"$'\n'}
            HEADERS=${HEADERS//"$CR"$'\n'/|}
            return 0 ;;
        esac
    done
    return 1
}

what=${1:?request, publish or watch}
shift
case $what in
request)
    payload=$(cat)
    connect
    inbox=_INBOX.plain.$$.$RANDOM$RANDOM
    printf 'SUB %s 1\r\nPUB %s %s %s\r\n%s\r\n' "$inbox" "$1" "$inbox" ${#payload} "$payload" >&3
    next_message "${2:-5}" || exit 1
    case $HEADERS in "NATS/1.0 503"*) echo "nobody answers $1" >&2; exit 1 ;; esac
    printf '%s\n' "$DATA" ;;
publish)
    payload=$(cat)
    connect
    if [ $# -gt 1 ]; then
        printf -v head 'NATS/1.0\r\n'
        for h in "${@:2}"; do head+=$h$CR$'\n'; done
        head+=$CR$'\n'
        printf 'HPUB %s %s %s\r\n%s%s\r\n' "$1" ${#head} $((${#head} + ${#payload})) "$head" "$payload" >&3
    else
        printf 'PUB %s %s\r\n%s\r\n' "$1" ${#payload} "$payload" >&3
    fi
    settled ;;
watch)
    connect
    sid=0
    for subject in "${@:3}"; do printf 'SUB %s %s\r\n' "$subject" $((++sid)) >&3; done
    settled
    echo subscribed
    until=$((SECONDS + $2))
    for ((n = 0; n < $1; n++)); do
        next_message $((until - SECONDS)) || exit 1
        printf '%s\t%s\t%s\n' "$SUBJECT" "$HEADERS" "${DATA//$'\n'/ }"
    done ;;
esac
