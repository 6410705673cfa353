#!/bin/bash
# The dissector against stock tshark: over the golden captures, and over real ones where they are, at least 99 % of the facts of each protocol are the same; every other one is excused by a rule of tests/tshark-rules by name.
#   TAPELOOP_CORPUS   folder of captures (../shared/corpus beside the checkout)
#   FULL=1            all of them (otherwise some dozens)
. "$(dirname "$0")/lib.sh"
need_command tshark jq awk
need_built "$BIN/dissector"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tapeloop-$TEST.XXXXXX")
TAPELOOP_CORPUS=${TAPELOOP_CORPUS:-$ROOT/../shared/corpus}

score() { # NAME FILE...
    local name=$1
    shift
    B=$B JOBS=$(nproc) "$ROOT/tests/oracle/score.sh" --quiet "$@" >"$WORK/$name" 2>&1 || { cat "$WORK/$name" >&2; fail "$name: tshark says something else, and no rule excuses it"; }
    cat "$WORK/$name"
}

score golden "$ROOT"/tests/golden/*.pcap "$ROOT"/tests/golden/*.pcapng
at_least "$(awk '$1 == "HTTP" { print $2 }' "$WORK/golden")" 100 "facts of HTTP in the golden captures"
for rule in "$ROOT"/tests/tshark-rules/*.rule; do
    for key in smallest fact; do grep -q "^$key: " "$rule" || fail "$(basename "$rule") has no $key"; done
    grep -q '^# .' "$rule" || fail "$(basename "$rule") gives no reason"
    ! grep -qEv '^(# |(smallest|fact|side|frames|stream|also|twin|unless|incomplete|only): )' "$rule" || fail "$(basename "$rule") has a line that says nothing"
done

if [ ! -d "$TAPELOOP_CORPUS/zeek" ]; then
    say "left out: the real captures (no folder at TAPELOOP_CORPUS, $TAPELOOP_CORPUS)"
    exit 0
fi
mapfile -d '' files < <(find "$TAPELOOP_CORPUS/zeek" -type f \( -name '*.pcap' -o -name '*.pcapng' -o -name '*.trace' \) -print0 | sort -z)
if [ "$FULL" != 1 ]; then
    some=()
    for file in "${files[@]}"; do case $file in */http/* | */dns/* | */tls/* | */mysql/* | */postgresql/* | */redis/* | */websocket/*) some+=("$file") ;; esac; done
    files=()
    for ((i = 0; i < ${#some[@]}; i += 8)); do files+=("${some[i]}"); done
fi
score corpus "${files[@]}"
say "passed: ${#files[@]} real captures"
