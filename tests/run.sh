#!/bin/bash
# Runs tests, each as one process with a time limit, and prints one line per test. Usage: tests/run.sh [GLOB]...      (default: all)
# A test's name is unit/PATH, fuzz/NAME (its seeds, replayed) or system/NAME; GLOB matches whole names: 'unit/lib/*', 'system/loss'.
#   B          variant of the build (build/gcc)
#   TIMEOUT_S  per unit test and replay (120); a system test has SYSTEM_TIMEOUT_S (600, with FULL=1 3600)
#   KINDS      which kinds to run ("unit fuzz system")
#   FULL=1     the long versions of the system tests
# Exit code 77 of a test means skipped; the last line it wrote says why. The last line here: N passed, N failed, N skipped. Logs: $B/logs/.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export B=${B:-build/gcc} LC_ALL=C TZ=UTC
kinds=${KINDS:-unit fuzz system}
unit_limit=${TIMEOUT_S:-120}
system_limit=${SYSTEM_TIMEOUT_S:-$([ "${FULL:-0}" = 1 ] && echo 3600 || echo 600)}
[ $# -gt 0 ] || set -- '*'
globs=("$@")
passed=0 failed=0 skipped=0
not_ok=()

wanted() {
    local glob
    for glob in "${globs[@]}"; do
        # shellcheck disable=SC2053 # a glob is meant
        [[ $1 == $glob ]] && return 0
    done
    return 1
}

# run_test NAME LIMIT COMMAND...
run_test() {
    local name=$1 limit=$2 log code took
    shift 2
    wanted "$name" || return 0
    log=$B/logs/${name//\//_}.log
    took=$SECONDS
    # The test gets a session of its own, and no terminal; after a time-out what it still runs is ended too.
    timeout --kill-after=20 "$limit" "$@" >"$log" 2>&1 </dev/null
    code=$?
    took=$((SECONDS - took))
    case $code in
    0)
        passed=$((passed + 1))
        echo "ok     $name ($took s)"
        ;;
    77)
        skipped=$((skipped + 1))
        echo "skip   $name: $(grep . "$log" | tail -n 1)"
        ;;
    *)
        failed=$((failed + 1))
        not_ok+=("$name")
        if [ "$code" = 124 ] || [ "$code" = 137 ]; then
            echo "not ok $name: still running after $limit s"
        else
            echo "not ok $name: exit code $code ($took s)"
        fi
        tail -n "${TAIL_LINES:-40}" "$log" | sed 's/^/    /'
        ;;
    esac
}

run_units() {
    local source test
    while read -r source; do
        test=${source%.c}
        run_test "unit/${test#tests/unit/}" "$unit_limit" "$B/$test"
    done < <(find tests/unit -name 'test_*.c' | sort)
}

run_replays() {
    local source name
    for source in tests/fuzz/fuzz_*.c; do
        name=$(basename "$source" .c)
        name=${name#fuzz_}
        run_test "fuzz/$name" "$unit_limit" "$B/tests/fuzz/fuzz_$name" "tests/fuzz/seeds/$name"
    done
}

run_systems() {
    local script
    for script in tests/system/*.sh; do
        [ "$(basename "$script")" = lib.sh ] || run_test "system/$(basename "$script" .sh)" "$system_limit" bash "$script"
    done
}

mkdir -p "$B/logs"
for kind in $kinds; do
    case $kind in
    unit) run_units ;;
    fuzz) run_replays ;;
    system) run_systems ;;
    *) echo "run.sh: there is no kind of test called $kind" >&2; exit 2 ;;
    esac
done
[ ${#not_ok[@]} = 0 ] || printf 'failed: %s\n' "${not_ok[*]}"
[ $((passed + failed + skipped)) -gt 0 ] || { echo "run.sh: no test matches: ${globs[*]}" >&2; failed=1; }
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
