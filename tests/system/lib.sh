# Shared by the system tests: sourced first by each, never run. Bash, coreutils, iproute2, jq and our own tools of tests/tools.
#
# A test exits 0 (passed), 77 (skipped; the reason is the last line on standard error) or anything else (failed). Traffic runs only in network namespaces that the test made; processes are
# ended by the id with which they were started; whatever happens, the trap at the end of this file takes away namespaces, processes and the temporary folder.
#   B          variant of the build to test (build/gcc)
#   FULL=1     the long versions; otherwise short ones that check the same
#   KEEP=1     leave the temporary folder for a look
#   NATS_SERVER  nats-server to use (that of PATH)
set -uo pipefail
shopt -s inherit_errexit nullglob
set -eE

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
B=${B:-build/gcc}
case $B in /*) ;; *) B=$ROOT/$B ;; esac
BIN=$B/bin
TOOLS=$B/tests/tools
FULL=${FULL:-0}
TEST=$(basename "$0" .sh)
PATH=$PATH:/usr/sbin:/sbin
NATS_SERVER=${NATS_SERVER:-$(command -v nats-server || true)}
PIDS=()
NETS=()
MOUNTS=()
PORT=4222 # free in a namespace of our own
export NATS_URL=nats://127.0.0.1:$PORT
export LC_ALL=C TZ=UTC

say() { printf '%s: %s\n' "$TEST" "$*" >&2; }
skip() { say "skipped: $*"; exit 77; }
fail() {
    say "FAILED: $*"
    local i
    for ((i = 1; i < ${#FUNCNAME[@]}; i++)); do printf '    %s:%s %s\n' "$(basename "${BASH_SOURCE[i]}")" "${BASH_LINENO[i - 1]}" "${FUNCNAME[i]}" >&2; done
    exit 1
}
quick_or_full() { if [ "$FULL" = 1 ]; then echo "$2"; else echo "$1"; fi; }

need_command() { local c; for c; do command -v "$c" >/dev/null || skip "no $c here"; done; }
need_root() { [ "$(id -u)" = 0 ] || skip "needs root for a network namespace"; }
need_built() { local p; for p; do [ -x "$p" ] || fail "$p is not built (make all tools)"; done; }
start_test() {
    need_root
    need_command ip jq tshark capinfos lz4
    [ -x "$NATS_SERVER" ] || skip "no nats-server here"
    need_built "$BIN/capturer" "$BIN/snapshotter" "$BIN/dissector" "$BIN/tapeloop" "$TOOLS/traffic" "$TOOLS/traffic_check" "$TOOLS/box_watch" "$TOOLS/frames"
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/tapeloop-$TEST.XXXXXX")
    chmod 755 "$WORK"
    DATA=$WORK/data
    mkdir "$DATA"
    # Programs of our own, whatever is being built meanwhile.
    cp -r "$BIN" "$WORK/bin"
    BIN=$WORK/bin
    net_make
}

# ---- network ----------------------------------------------------------------------------------------------------
# One namespace with a veth pair tx0 -> rx0 and lo up; the first one is $NET. `in_net COMMAND...` runs inside it.
net_new() { # NAME
    ip netns add "$1"
    NETS+=("$1")
    ip -n "$1" link set lo up
}
net_make() {
    NET=tl-$TEST-$$
    NET=${NET//_/-}
    net_new "$NET"
    veth_make tx0 rx0 "${MTU:-9000}"
}
# No IPv6 of the kernel's own on it: its neighbour discovery is not our traffic.
veth_make() { # SENDER RECEIVER MTU
    ip -n "$NET" link add name "$1" mtu "$3" numtxqueues 1 numrxqueues 1 type veth peer name "$2" mtu "$3" numtxqueues 1 numrxqueues 1
    local i
    for i in "$1" "$2"; do
        in_net sysctl -qw "net.ipv6.conf.$i.disable_ipv6=1" "net.ipv4.conf.$i.rp_filter=0"
        ip -n "$NET" link set "$i" up
    done
}
in_net() { ip netns exec "${NET_OF:-$NET}" "$@"; }

# ---- processes --------------------------------------------------------------------------------------------------
# start NAME COMMAND...: in the background inside the namespace, output in $WORK/NAME.out and .err; its id is in $PID and ${PID_OF[NAME]}.
declare -A PID_OF=()
start() {
    local name=$1
    shift
    rm -f "$WORK/$name.out" # or the `ready` of an earlier one would be taken for this one's
    # ip netns exec replaces itself by the command, so this is the command's own id.
    ip netns exec "${NET_OF:-$NET}" "$@" >"$WORK/$name.out" 2>>"$WORK/$name.err" </dev/null &
    PID=$!
    PID_OF[$name]=$PID
    PIDS+=("$PID")
}
alive() { # neither gone nor a zombie
    local state
    state=$(awk '/^State/ { print $2 }' "/proc/$1/status" 2>/dev/null) || return 1
    [ -n "$state" ] && [ "$state" != Z ]
}
# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] || fail "waited in vain for: $what"
        sleep 0.1
    done
}
is_ready() { grep -qsx ready "$WORK/$1.out"; }
wait_ready() { # NAME [SECONDS]
    local until=$((SECONDS + ${2:-20}))
    until is_ready "$1"; do
        alive "${PID_OF[$1]}" || { tail -n 20 "$WORK/$1.err" >&2; fail "$1 ended before it was ready"; }
        [ $SECONDS -lt $until ] || { tail -n 20 "$WORK/$1.err" >&2; fail "$1 was not ready in time"; }
        sleep 0.05
    done
}
# end NAME [SIGNAL]: asks, waits up to 20 s; its exit code is in $ENDED.
end() {
    local name=$1 pid=${PID_OF[$1]}
    kill -"${2:-TERM}" "$pid" 2>/dev/null || true
    local until=$((SECONDS + 20))
    ENDED=0
    # The shell tells of every process that a signal ended: not here, where that was the aim.
    { while alive "$pid" && [ $SECONDS -lt $until ]; do sleep 0.05; done; } 2>/dev/null
    ! alive "$pid" || { kill -KILL "$pid"; fail "$name did not end within 20 s of SIG${2:-TERM}"; }
    { wait "$pid" || ENDED=$?; } 2>/dev/null
}
must_end_well() { end "$1" "${2:-TERM}"; [ "$ENDED" = 0 ] || { tail -n 20 "$WORK/$1.err" >&2; fail "$1 ended with $ENDED"; }; }
# Sanitizers write their findings to the standard error of the process.
no_sanitizer_report() {
    local f
    for f in "$WORK"/*.err; do
        if grep -qE 'ERROR: (Address|Leak|Thread)Sanitizer|WARNING: ThreadSanitizer|runtime error:' "$f"; then
            grep -EA25 -m1 'ERROR: (Address|Leak|Thread)Sanitizer|WARNING: ThreadSanitizer|runtime error:' "$f" >&2
            fail "a sanitizer complained in $(basename "$f")"
        fi
    done
}

# ---- the product ------------------------------------------------------------------------------------------------
tl() { in_net "$BIN/tapeloop" "$@"; }
# Everything with one command, as a user starts it. up_start STORAGE [OPTION...]
up_start() {
    local size=$1
    shift
    start up "$BIN/tapeloop" up --data "$DATA" --interface rx0 --storage-size "$size" --port "$PORT" "$@"
    wait_ready up 30
}
up_stop() { must_end_well up; }
# The parts one by one, for the tests that kill them.
nats_start() {
    mkdir -p "$WORK/nats"
    start nats "$NATS_SERVER" -a 127.0.0.1 -p "$PORT" -js -sd "$WORK/nats"
    wait_for 20 "nats-server" nats_answers
}
nats_answers() { in_net bash -c 'exec 3<>/dev/tcp/127.0.0.1/'"$PORT"' && read -r -t 2 line <&3 && [[ $line == INFO* ]]'; }
streams_apply() { tl streams apply >"$WORK/streams.out" 2>&1 || { cat "$WORK/streams.out" >&2; fail "tapeloop streams apply"; }; }
NODE=node-1
capturer_start() { # STORAGE [OPTION...]
    local size=$1
    shift
    start capturer "$BIN/capturer" --node "$NODE" --data "$DATA/tape" --interface rx0 --listen 127.0.0.1:0 --storage-size "$size" "$@"
    wait_ready capturer
}
snapshotter_start() { # [NAME [OPTION...]]
    local name=${1:-snapshotter}
    shift || true
    start "$name" "$BIN/snapshotter" --store "$DATA/snapshots" --listen 127.0.0.1:0 "$@"
    wait_ready "$name"
}
dissector_start() { # [NAME [OPTION...]]
    local name=${1:-dissector}
    shift || true
    start "$name" "$BIN/dissector" --store "$DATA/snapshots" --instance "$name" "$@"
    wait_ready "$name"
}
# What a dissection says of its rows: the digest that is equal where they are.
digest_of() { tl dissection show "$1" --name "$2" --json | jq -er .dissection.digest; } # SNAPSHOT NAME
sealed_segments() { find "$DATA" -path '*/segments/*' -name '[0-9]*.pcapng.lz4' -not -path '*/snapshots/*' | sort -V; }
snapshot_folder() { # NAME
    local found
    found=$(find "$DATA" -type d -name "$1" -path '*snapshots*' -not -path '*/.work/*' -not -path '*/.dissections/*' | head -n 1)
    [ -n "$found" ] || fail "snapshot $1 has no folder below $DATA"
    echo "$found"
}
snapshot_create() { # NAME OPTION...  expects exit code ${EXPECT:-0}
    local name=$1 code=0
    shift
    tl snapshot create "$name" "$@" --wait >"$WORK/create-$name.out" 2>"$WORK/create-$name.err" || code=$?
    [ $code = "${EXPECT:-0}" ] || { cat "$WORK/create-$name.out" "$WORK/create-$name.err" >&2; fail "snapshot create $name: exit code $code, not ${EXPECT:-0}"; }
}
# Complete or partial, but made.
snapshot_made() {
    local code=0
    tl snapshot create "$@" --wait || code=$?
    [ $code = 0 ] || [ $code = 3 ]
}
snapshot_export() { tl snapshot export "$@" 2>"$WORK/export.err" || { cat "$WORK/export.err" >&2; fail "snapshot export $*"; }; }
# One request through JetStream, by the plain client; succeeds when the stream has it (PubAck without an error).
request_send() { in_net "$ROOT/tests/system/plain_nats.bash" request snapshot.request 3 <"$1" | jq -e '.seq and (.error | not)'; }
# Has the last packet sent before now reached the disk? Flush and write take at most a second by promise.
settle() { sleep "${1:-1.5}"; }
now_ns() { date +%s%N; }
rfc3339() { date -u -d "@$1" +%Y-%m-%dT%H:%M:%S.%NZ; } # seconds with fraction
now_rfc3339() { date -u +%Y-%m-%dT%H:%M:%S.%NZ; }

# ---- traffic ----------------------------------------------------------------------------------------------------
send() { # OPTION...  in the foreground; its line of JSON is in $SENT_LINE, packets sent in $SENT
    SENT_LINE=$(in_net "$TOOLS/traffic" --interface tx0 "$@")
    sent_read
}
send_start() { start traffic "$TOOLS/traffic" --interface tx0 "$@"; }
send_stop() { end traffic; SENT_LINE=$(cat "$WORK/traffic.out"); sent_read; }
# Calls (tests/tools/calls.c) over the wire: KIND CALLS SEED [PACKETS-PER-SECOND]; packets sent in $SENT.
send_calls() {
    need_built "$TOOLS/calls" "$TOOLS/replay"
    "$TOOLS/calls" "$1" "$2" "$3" "$WORK/calls.pcap" 2>"$WORK/calls.err" || { cat "$WORK/calls.err" >&2; fail "no capture of calls"; }
    SENT=$(in_net "$TOOLS/replay" tx0 "${4:-20000}" "$WORK/calls.pcap" | jq -r .sent)
}
sent_read() {
    SENT=$(jq -r .sent <<<"$SENT_LINE")
    # Packets that the veth itself threw away were never offered to anybody.
    [ "$(jq -r .tx_dropped <<<"$SENT_LINE")" = 0 ] || fail "the sending side dropped packets itself: $SENT_LINE"
}
rx_dropped() { in_net cat /sys/class/net/rx0/statistics/rx_dropped; }
check_traffic() { # FILE OPTION...  the verdict is in $VERDICT
    local file=$1 code=0
    shift
    VERDICT=$("$TOOLS/traffic_check" "$@" "$file" 2>"$WORK/check.err") || code=$?
    [ $code = 0 ] || { cat "$WORK/check.err" >&2; fail "the packets are not as sent: $VERDICT"; }
}

# ---- assertions -------------------------------------------------------------------------------------------------
equal() { [ "$1" = "$2" ] || fail "$3: $1 is not $2"; } # IS SHOULD WHAT
at_most() { [ "$1" -le "$2" ] || fail "$3: $1 is more than $2"; }
at_least() { [ "$1" -ge "$2" ] || fail "$3: $1 is less than $2"; }
must_fail() { # WHAT COMMAND...
    local what=$1
    shift
    if "$@" >"$WORK/must_fail.out" 2>&1; then cat "$WORK/must_fail.out" >&2; fail "$what passed, though it must not"; fi
}
packets_in() { capinfos -Mc "$1" | awk -F': *' '/Number of packets/ { print $2 }'; }
bit_flip() { # FILE OFFSET
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
    printf '%b' "\\x$(printf %02x $((byte ^ 4)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# ---- the end ----------------------------------------------------------------------------------------------------
cleanup() {
    local code=$? pid m n
    trap - EXIT ERR INT TERM
    set +e
    for pid in "${PIDS[@]}"; do alive "$pid" && kill -TERM "$pid" 2>/dev/null; done
    for pid in "${PIDS[@]}"; do
        for _ in {1..60}; do alive "$pid" || break; sleep 0.05; done
        alive "$pid" && kill -KILL "$pid" 2>/dev/null
    done
    # What `tapeloop up` started dies with it; if a bug left something, it is still in our namespace.
    for n in "${NETS[@]}"; do
        for pid in $(ip netns pids "$n" 2>/dev/null); do say "left running in $n: $pid $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)"; kill -KILL "$pid" 2>/dev/null; done
    done
    wait 2>/dev/null
    for n in "${NETS[@]}"; do ip netns del "$n" 2>/dev/null; done
    for m in "${MOUNTS[@]}"; do umount "$m" 2>/dev/null; done
    if [ -n "${WORK:-}" ]; then
        if [ "${KEEP:-0}" = 1 ]; then say "kept: $WORK"; else chmod -R u+w "$WORK" 2>/dev/null; rm -rf "$WORK"; fi
    fi
    exit $code
}
trap cleanup EXIT
trap 'say "error in line $LINENO: $BASH_COMMAND"' ERR
trap 'exit 130' INT TERM
