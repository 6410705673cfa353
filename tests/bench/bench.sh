# Shared by the benchmarks: sourced first by each. Uses the helpers of the system tests.
#   RESULTS    file that gets a line per run ($B/bench/results.tsv)
#   BENCH_DIR  folder on the disk to measure on (a temporary one)
. "$(dirname "${BASH_SOURCE[0]}")/../system/lib.sh"
need_root
need_command ip jq lz4
RESULTS=${RESULTS:-$B/bench/results.tsv}
mkdir -p "$(dirname "$RESULTS")"
WORK=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/tapeloop-$TEST.XXXXXX")
chmod 777 "$WORK"
DATA=$WORK/data
mkdir "$DATA"
net_make
# Written back and out of the page cache, so that no reader has it easier than another.
uncached() { local f; for f; do dd if="$f" iflag=nocache count=0 status=none; done; }
# So that a run does not pay for what the one before it has still to write, nor for memory that the machine gave away (tests/tools/warm_memory.c): more than any of the programs takes.
WARM_MIB=${WARM_MIB:-3072}
warmed() {
    sync
    "$TOOLS/warm_memory" "$WARM_MIB"
}
