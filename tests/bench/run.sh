#!/bin/bash
# `make bench`: measures and writes docs/benchmarks.md. Needs root, two CPUs, 16 GiB of disk in BENCH_DIR (the temporary folder), and a machine with nothing else to do.
#   RUNS=3 SECONDS_EACH=5 SIZES="64 512 1500" SIZE_MIB=1024 PARTS="capture snapshot dissect workers queries"
#   REPORT=FILE   (docs/benchmarks.md)
set -euo pipefail
cd "$(dirname "$0")/../.."
export B=${B:-build/gcc} RUNS=${RUNS:-3} LC_ALL=C
export RESULTS=$PWD/$B/bench/results.tsv
mkdir -p "$(dirname "$RESULTS")"
: >"$RESULTS"
for part in ${PARTS:-capture snapshot dissect workers queries}; do tests/bench/"$part".sh; done
tests/bench/report.sh "$RESULTS" >"$RESULTS.md"
mkdir -p docs
mv "$RESULTS.md" "${REPORT:-docs/benchmarks.md}"
echo "written: ${REPORT:-docs/benchmarks.md}"
