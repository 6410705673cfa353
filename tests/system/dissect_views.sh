#!/bin/bash
# Many connections at once, each seen by two to four interfaces of which every one loses packets of its own: what one of them has comes out whole, the same for 1, 2 and 5 workers, from NDJSON and from SQLite.
#   FULL=1   ten times as many
. "$(dirname "$0")/lib.sh"
need_command jq python3 sqlite3
need_built "$BIN/dissector"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tapeloop-$TEST.XXXXXX")
connections=$(quick_or_full 60 600)
calls=5

PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$ROOT/tests/captures python3 - "$WORK/seen.pcapng" "$connections" "$calls" <<'EOP'
import random
import sys
import make_views as views

path, connections, calls = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
dice = random.Random(4)
capture = views.Capture(views.INTERFACES)
for number in range(connections):
    connection = views.Connection(dice.randrange(1 << 32), dice.randrange(1 << 32))
    connection.handshake()
    for i in range(calls):
        connection.call(f"/c{number}/{i}", (f"c{number} {i} ".encode() * 200)[:dice.randrange(20, 1500)], dice.randrange(40, 400))
    connection.end()
    count = dice.randrange(2, len(views.INTERFACES) + 1)
    chosen = dice.sample(range(len(views.INTERFACES)), count)
    keeper = [dice.randrange(count) for _ in connection.packets]
    odds = dice.uniform(0.05, 0.4)
    translated = number % 4 == 0
    skewed = number % 3 == 0 and not translated and views.INTERFACES.index("tunnel0") not in chosen  # other addresses: one connection only where the times overlap
    seen = []
    for nth, interface in enumerate(chosen):
        lost = [at > 2 and keeper[at] != nth and dice.random() < odds for at in range(len(connection.packets))]
        client, server = ("10.0.0.1", 1024 + number), ("10.0.0.2", 80) if not translated or nth == 0 else (f"10.0.1.{nth}", 8080)
        seen.append((interface, client, server, dice.randrange(80_000_000 if skewed else 30_000), lambda at, _, lost=lost: not lost[at], views.as_is))
    views.pass_by(capture, connection, views.START_NS + dice.randrange(2 * 10**9), seen)
capture.write(path)
EOP

for workers in 1 2 5; do
    "$BIN/dissector" --input "$WORK/seen.pcapng" --workers $workers >"$WORK/$workers.ndjson" || fail "the dissector ends with $? for $workers workers"
    cmp -s "$WORK/1.ndjson" "$WORK/$workers.ndjson" || fail "$workers workers say something else than one"
    "$BIN/dissector" --input "$WORK/seen.pcapng" --workers $workers --format sqlite --output "$WORK/$workers.sqlite" || fail "the dissector ends with $? for $workers workers and SQLite"
    [ "$(sqlite3 "$WORK/$workers.sqlite" "SELECT value FROM info WHERE name = 'digest'")" = "$(sqlite3 "$WORK/1.sqlite" "SELECT value FROM info WHERE name = 'digest'")" ] || fail "$workers workers make other rows than one"
done
whole='select(.protocol == "HTTP" and .status_code == 200 and (.incomplete // "") == "" and (.path | ltrimstr("/") | sub("/"; " ")) as $said | .response.body | startswith($said + " "))'
found=$(jq -c "$whole" "$WORK/1.ndjson" | wc -l)
[ "$found" = $((connections * calls)) ] || fail "$found of $((connections * calls)) calls are whole"
[ "$(jq -c 'select(.protocol == "TCP" and .conn_missing_bytes > 0)' "$WORK/1.ndjson" | wc -l)" = 0 ] || fail "bytes are missing that one of the interfaces has"
filled=$(jq -c 'select(.conn_filled_bytes > 0)' "$WORK/1.ndjson" | wc -l)
[ "$filled" -gt $((connections / 2)) ] || fail "only $filled connections were filled: nothing is tested"
wrong=$(jq -c 'select(.conn_filled_bytes > 0) | select(.conn_filled_bytes != ([.conn_views[] | capture("gave (?<n>[0-9]+) bytes").n | tonumber] | add))' "$WORK/1.ndjson" | wc -l)
[ "$wrong" = 0 ] || fail "what views gave is not what was filled"

# A pipe is read once: gaps stay, and are told; no pair is wrong.
"$BIN/dissector" --input - <"$WORK/seen.pcapng" >"$WORK/pipe.ndjson" || fail "the dissector ends with $? on a pipe"
wrong=$(jq -c 'select(.protocol == "HTTP" and .path and .response.body and (.incomplete // "") == "") | select(((.path | ltrimstr("/") | sub("/"; " ")) + " ") as $said | .response.body | startswith($said) | not)' "$WORK/pipe.ndjson" | wc -l)
[ "$wrong" = 0 ] || fail "$wrong wrong pairs from a pipe"
echo "$found calls of $connections connections whole, $filled of them filled; $(jq -c "$whole" "$WORK/pipe.ndjson" | wc -l) without filling"
