#!/bin/bash
# Real captures, committed with what must be said of them: tests/golden/.
. "$(dirname "$0")/lib.sh"
need_built "$BIN/dissector"
B=$B "$ROOT/tests/golden/run.sh" || fail "what is said of a golden capture has changed"
