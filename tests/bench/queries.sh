#!/bin/bash
# First pages of queries over a dissection of a million calls, warm.
# Appends to $RESULTS: query LEAST MEDIAN GREATEST CPU ROWS LOOKED MORE EXPRESSION; query conjunctions HOW_MANY MS EXPRESSION MS EXPRESSION CPU CPU (the slowest with rows, and without; the most CPU).
. "$(dirname "$0")/bench.sh"
need_built "$TOOLS/database_bench" "$TOOLS/query_bench"
"$TOOLS/database_bench" --entries 1000000 --folder "$WORK" --format sqlite --dns 5 --keep >"$WORK/made" || fail "database_bench"
databases=("$WORK"/*.sqlite)
"$TOOLS/query_bench" "${databases[0]}" 21 | sed 's/^/query\t/' | tee -a "$RESULTS"
