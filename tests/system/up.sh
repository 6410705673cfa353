#!/bin/bash
# `tapeloop up`: two on one machine, each with its folder and port, say ready, record, do not see each other's snapshots, stop cleanly on SIGTERM and on SIGINT and leave no process behind; a second one on
# the same folder is refused with a sentence; started again it goes on with what is there; killed, it leaves nothing running.
. "$(dirname "$0")/lib.sh"
start_test
veth_make tx1 rx1 9000
up_one() { # NAME FOLDER INTERFACE PORT
    start "$1" "$BIN/tapeloop" up --data "$WORK/$2" --interface "$3" --storage-size 128Mi --port "$4" --node "$2"
    wait_ready "$1" 30
}
at() { # PORT COMMAND...
    local port=$1
    shift
    NATS_URL=nats://127.0.0.1:$port tl "$@"
}
up_one a north rx0 4222
up_one b south rx1 4333
from=$(now_rfc3339)
send --rate 5000 --count 3000
in_net "$TOOLS/traffic" --interface tx1 --rate 5000 --count 2000 >/dev/null
settle 0.2
to=$(now_rfc3339)
at 4222 snapshot create one --from "$from" --to "$to" --wait >/dev/null 2>&1 || fail "a snapshot at the first"
at 4333 snapshot create two --from "$from" --to "$to" --wait >/dev/null 2>&1 || fail "a snapshot at the second"
equal "$(at 4222 snapshot list --json | jq -r '[.snapshots[].name] | join(" ")')" one "snapshots of the first"
equal "$(at 4333 snapshot list --json | jq -r '[.snapshots[].name] | join(" ")')" two "snapshots of the second"
at 4333 snapshot export two --output - 2>/dev/null >"$WORK/two.pcapng"
check_traffic "$WORK/two.pcapng" --count 2000
at 4222 status >"$WORK/status" 2>&1 || { cat "$WORK/status" >&2; fail "status of a healthy node is not 0"; }
at 4222 status --json | jq -e '.recording == true' >/dev/null || fail "status --json: $(at 4222 status --json)"
must_fail "a second one on the same folder" timeout 20 ip netns exec "$NET" "$BIN/tapeloop" up --data "$WORK/north" --interface rx0 --port 4444
grep -q . "$WORK/must_fail.out" || fail "a second one on the same folder is refused without a word"
say "same folder: $(tail -n 1 "$WORK/must_fail.out" | sed "s|$WORK|...|g")"
must_end_well b INT
must_end_well a TERM
[ -z "$(ip netns pids "$NET")" ] || fail "left running: $(for p in $(ip netns pids "$NET"); do tr '\0' ' ' <"/proc/$p/cmdline"; done)"
must_fail "status with nothing running" at 4222 status

up_one a north rx0 4222
equal "$(at 4222 snapshot list --json | jq -r '[.snapshots[].name] | join(" ")')" one "snapshots after a restart"
at 4222 snapshot verify one >/dev/null || fail "the snapshot does not verify after a restart"
snapshot_again() { at 4222 snapshot create again --from "$from" --to "$to" --wait; }
snapshot_again >"$WORK/again" 2>&1 || { cat "$WORK/again" >&2; fail "a window from before the restart"; }
at 4222 snapshot export again --output - 2>/dev/null >"$WORK/again.pcapng"
check_traffic "$WORK/again.pcapng" --count 3000
end a KILL
nobody() { [ -z "$(ip netns pids "$NET")" ]; }
wait_for 20 "everything to end with a killed up" nobody
no_sanitizer_report
say passed
