#!/bin/bash
# The words of the command: help of every command, errors that say what to do, JSON that is JSON, the manual pages and the completion made from the tables. Needs no root, no bus and no packet.
. "$(dirname "$0")/lib.sh"
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}exitcode=99" UBSAN_OPTIONS=halt_on_error=1:exitcode=99 # no finding may pass for an exit code of ours
need_command jq man
need_built "$BIN/tapeloop" "$BIN/capturer" "$BIN/snapshotter" "$BIN/dissector"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tapeloop-$TEST.XXXXXX")
export HOME=$WORK
unset "${!TAPELOOP_@}"
export NATS_URL=nats://127.0.0.1:9 # nobody is there
TL=$BIN/tapeloop

run() { # EXPECTED-CODE COMMAND...: output in $WORK/out and $WORK/err
    local expected=$1 code=0
    shift
    "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || code=$?
    [ $code = "$expected" ] || { cat "$WORK/out" "$WORK/err" >&2; fail "$*: exit code $code, not $expected"; }
}
says() { grep -qF -- "$1" "$WORK/err" || { cat "$WORK/err" >&2; fail "standard error does not say: $1"; }; }
is_error() { jq -e --arg code "$1" '.error.code == $code and (.error.message | length) > 10' "$WORK/out" >"$WORK/jq" || { cat "$WORK/out" >&2; fail "no JSON error with code $1"; }; }

# Help: of the whole, of each command, by both spellings.
run 0 "$TL" --help
mapfile -t commands < <(awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 } on { sub(/^ +/, ""); sub(/  .*/, ""); gsub(/ \[?[A-Z.]+\]?/, ""); print }' "$WORK/out")
at_least ${#commands[@]} 21 "commands in the overview"
for command in "${commands[@]}"; do
    read -r -a words <<<"$command"
    run 0 "$TL" "${words[@]}" --help
    grep -q "^Usage: tapeloop $command" "$WORK/out" || fail "help of $command does not begin with its usage"
    grep -q '^Exit codes:' "$WORK/out" || fail "help of $command does not tell the exit codes"
    grep -q -- '--json' "$WORK/out" || fail "$command has no --json"
    [ ! -s "$WORK/err" ] || fail "help of $command writes to standard error"
    cp "$WORK/out" "$WORK/help"
    run 0 "$TL" help "${words[@]}"
    cmp "$WORK/help" "$WORK/out" || fail "help $command and $command --help differ"
done
say "help of ${#commands[@]} commands"
run 0 "$TL" --version
run 0 "$TL" snapshot --help
run 2 "$TL"
run 2 "$TL" snapshot

# Wrong use: 2, a sentence, and the same as JSON.
run 2 "$TL" nonsense; says nonsense
run 2 "$TL" snapshot nonsense; says nonsense
run 2 "$TL" snapshot create; says NAME
run 2 "$TL" snapshot create --json; is_error invalid
run 2 "$TL" snapshot create x; says --last
run 2 "$TL" snapshot create x --last 30s --from 2026-01-01T00:00:00Z; says "not both"
run 2 "$TL" snapshot create x --last soon; says 30s
run 2 "$TL" snapshot create x --from yesterday; says 2026-
run 2 "$TL" snapshot create x --from 2026-01-02T00:00:00Z --to 2026-01-01T00:00:00Z; says "before"
run 2 "$TL" snapshot create x --last 30s --label zone; says KEY=VALUE
run 2 "$TL" snapshot create x --lst 30s; says "did you mean --last"
run 2 "$TL" snapshot export x; says --output
run 2 "$TL" snapshot export x --output - --json; is_error invalid
run 2 "$TL" snapshot export x --output y --format cap; says pcapng
run 2 "$TL" up --storage-size lots; says 10Gi
run 2 "$TL" up --storage-size 1Mi --json; is_error invalid
run 2 "$TL" status surplus; says surplus
run 2 "$TL" calls --live --fields ''; says "--fields needs names"
run 2 "$TL" calls --live --group-by ''; says "--group-by needs names"
run 2 "$TL" calls --live --fields 'id,*'; says --json
run 2 "$TL" calls --live --fields a,b,c,d,e,f,g,h,i,j,k,l,m; says --json
run 1 "$TL" calls --live --fields a,b,c,d,e,f,g,h,i,j,k,l; says nats-server
run 1 "$TL" calls --live; says nats-server
run 2 "$TL" call $'1\xff' --live --json; is_error invalid
run 2 "$TL" call $'1\e[31m' --live; says '1?[31m'
run 2 "$TL" dissect; says SNAPSHOT
run 2 "$TL" dissect x --redact some; says strict
run 2 "$TL" dissect x --timeout 5s; says --wait
run 2 "$TL" dissection; run 2 "$TL" dissection show; says SNAPSHOT
run 2 "$TL" calls http; says --snapshot
run 2 "$TL" calls http --json; is_error invalid
run 2 "$TL" calls http --snapshot x --fields path --group-by path; says --group-by
run 2 "$TL" calls http --snapshot x --fields '*'; says --json
run 2 "$TL" calls http --snapshot x --from 2026-01-02T00:00:00Z --to 2026-01-01T00:00:00Z; says "before"
run 2 "$TL" call; says ID
run 2 "$TL" call first --snapshot x; says first
run 2 "$TL" call 7; says --snapshot
run 2 "$TL" call 7 --snapshot x --pcap - --json; is_error invalid

# No bus: 1, and what to do about it; also with the connection options in front.
for command in status nodes "nodes forget x" "snapshot list" "snapshot show x" "snapshot verify x" "snapshot delete x" "snapshot cancel x" "snapshot create x --last 1s" \
    "snapshot export x --output $WORK/never" "dissect x" "dissect x --wait" "dissection list" "dissection show x" "dissection cancel x" "dissection delete x" "calls --snapshot x" \
    "call 7 --snapshot x --pcap $WORK/never" "streams apply" "streams check"; do
    read -r -a words <<<"$command"
    run 1 "$TL" "${words[@]}"; says NATS_URL; says nats://127.0.0.1:9
    run 1 "$TL" "${words[@]}" --json; is_error unavailable
    [ ! -s "$WORK/err" ] || fail "$command --json writes to standard error too"
    run 1 "$TL" --server nats://127.0.0.1:7 "${words[@]}"; says nats://127.0.0.1:7
done
[ ! -e "$WORK/never" ] && [ ! -e "$WORK/never.part" ] || fail "an export that could not be left a file"

# Files that are no segments.
echo "not a segment" >"$WORK/file"
run 1 "$TL" segment verify "$WORK/file"; says "$WORK/file"
run 1 "$TL" segment verify --json "$WORK/file" "$WORK/missing"
jq -e '.intact == false and (.segments | length) == 2 and ([.segments[].intact] | any | not)' "$WORK/out" >"$WORK/jq" || fail "segment verify --json: $(cat "$WORK/out")"

# `up` without its parts: one sentence each, nothing left behind.
mkdir "$WORK/alone"
cp "$TL" "$WORK/alone/"
run 1 env PATH=/nonexistent "$WORK/alone/tapeloop" up --data "$WORK/data" --nats-server /nonexistent/nats-server; says /nonexistent/nats-server
run 1 env PATH="$WORK/alone" "$WORK/alone/tapeloop" up --data "$WORK/data" --nats-server /bin/true; says capturer
run 1 env PATH="$WORK/alone" "$WORK/alone/tapeloop" up --json --data "$WORK/data" --nats-server /bin/true; is_error not_found
[ ! -e "$WORK/data" ] || fail "an up that could not start made its folder"
run 2 "$TL" up --data "$WORK/data" --nats-server /bin/true --listen everywhere; says 127.0.0.1
run 1 "$TL" up --data "$WORK/data" --port 0 --nats-server /bin/false; says "nats-server cannot start"

# Manual pages render without a warning; every command and option is in them.
for page in "tapeloop 1" "capturer 8" "snapshotter 8" "dissector 8"; do
    read -r name section <<<"$page"
    run 0 "$BIN/$name" --generate-manual
    cp "$WORK/out" "$WORK/$name.$section"
    LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -E UTF-8 -l "$WORK/$name.$section" >"$WORK/page" 2>"$WORK/err" || fail "man cannot render $name($section)"
    [ ! -s "$WORK/err" ] || { cat "$WORK/err" >&2; fail "man warns about $name($section)"; }
    col -bx <"$WORK/page" >"$WORK/page.txt" 2>"$WORK/err" || cp "$WORK/page" "$WORK/page.txt"
    at_least "$(wc -l <"$WORK/page.txt")" 30 "lines of $name($section)"
    grep -q -- '--log-level' "$WORK/page.txt" || fail "$name($section) lacks the shared options"
done
for command in "${commands[@]}"; do grep -q "tapeloop $command" "$WORK/tapeloop.1" || fail "tapeloop(1) lacks $command"; done

# The completion, sourced by a bash of its own.
run 0 "$TL" --generate-completion
cp "$WORK/out" "$WORK/completion"
complete_line() { # WORD... : what may stand for the last word
    bash -u -c 'compopt() { :; }; . "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tapeloop; printf "%s\n" "${COMPREPLY[@]}"' - "$WORK/completion" "$@" 2>"$WORK/err"
    [ ! -s "$WORK/err" ] || { cat "$WORK/err" >&2; fail "completion complains"; }
}
complete_line tapeloop "" | grep -qx snapshot || fail "completion does not offer snapshot"
complete_line tapeloop sn | grep -qx snapshot || fail "completion does not offer snapshot for sn"
complete_line tapeloop snapshot cr | grep -qx create || fail "completion does not offer create"
complete_line tapeloop snapshot create --la | grep -qx -- --last || fail "completion does not offer --last"
complete_line tapeloop snapshot export x --format "" | grep -qx pcap || fail "completion does not offer pcap"
complete_line tapeloop up --interface l | grep -qx lo || fail "completion does not offer lo"
say passed
