#!/bin/bash
# Fuzzes each target, or those whose names match the arguments, with its seeds. Usage: tests/fuzz/run.sh [GLOB]...     (make fuzz builds first)
#   B             variant with the libFuzzer programs (build/fuzz)
#   FUZZ_SECONDS  per target (300)
#   FUZZ_JOBS     targets at a time (one per processor)
# What breaks a target is left in $B/found/, to be fixed and then kept in tests/fuzz/seeds/.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build/fuzz}
seconds=${FUZZ_SECONDS:-300}
jobs=${FUZZ_JOBS:-$(nproc)}
[ $# -gt 0 ] || set -- '*'

fuzz_one() {
    local name=$1 log=$B/found/$1.log
    mkdir -p "$B/corpus/$name" "$B/found"
    if "$B/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=25 -max_len=1048576 -print_final_stats=1 -artifact_prefix="$B/found/$name-" \
        "$B/corpus/$name" "tests/fuzz/seeds/$name" >"$log" 2>&1; then
        echo "ok     fuzz/$name ($(awk '/stat::number_of_executed_units/ {print $2}' "$log") runs in $seconds s)"
    else
        echo "not ok fuzz/$name"
        tail -n 30 "$log" | sed 's/^/    /'
        return 1
    fi
}

names=()
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    name=${name#fuzz_}
    for glob; do
        # shellcheck disable=SC2053 # a glob is meant
        if [[ $name == $glob ]]; then
            names+=("$name")
            break
        fi
    done
done
[ ${#names[@]} -gt 0 ] || { echo "fuzz: no target matches: $*" >&2; exit 1; }
failed=0 running=0
for name in "${names[@]}"; do
    if [ "$running" -ge "$jobs" ]; then
        wait -n || failed=$((failed + 1))
        running=$((running - 1))
    fi
    fuzz_one "$name" &
    running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
    wait -n || failed=$((failed + 1))
    running=$((running - 1))
done
echo "$((${#names[@]} - failed)) passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
