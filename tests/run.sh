#!/bin/bash
# Runs tests, each as one process with a time limit, several at once, and prints one line per test in the order of their names. Usage: tests/run.sh [GLOB]...      (default: all)
# A test's name is unit/PATH, fuzz/NAME (its seeds, replayed) or system/NAME; GLOB matches whole names: 'unit/lib/*', 'system/loss'.
# A test whose source has a line that begins with "Alone:" behind its comment sign, and says why, runs when no other does, after all others.
#   B          variant of the build (build/gcc)
#   TEST_JOBS  tests at once (two per processor: most tests wait longer than they work)
#   TIMEOUT_S  per unit test and replay (120); a system test has SYSTEM_TIMEOUT_S (600, with FULL=1 3600)
#   KINDS      which kinds to run ("unit fuzz system")
#   FULL=1     the long versions of the system tests
# Exit code 77 of a test means skipped; the last line it wrote says why. The last line here: N passed, N failed, N skipped. Logs: $B/logs/.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export B=${B:-build/gcc} LC_ALL=C TZ=UTC
kinds=${KINDS:-unit fuzz system}
jobs=${TEST_JOBS:-$((2 * $(nproc)))}
unit_limit=${TIMEOUT_S:-120}
system_limit=${SYSTEM_TIMEOUT_S:-$([ "${FULL:-0}" = 1 ] && echo 3600 || echo 600)}
[ $# -gt 0 ] || set -- '*'
globs=("$@")
passed=0 failed=0 skipped=0
not_ok=()

# Of each test, by its number: names in the order of running and printing, and what is known of it.
names=() limits=() commands=() begun=() codes=() took=()
alone_from=0 # the tests from this number on run alone
declare -A test_of_process=()

wanted() {
    local glob
    for glob in "${globs[@]}"; do
        # shellcheck disable=SC2053 # a glob is meant
        [[ $1 == $glob ]] && return 0
    done
    return 1
}

# found SOURCE NAME LIMIT COMMAND: a test of the turn's sort (alone or not).
found() {
    wanted "$2" || return 0
    if grep -qE '^(#| \*|/\*) Alone: ' "$1"; then [ "$turn" = alone ] || return 0; else [ "$turn" = together ] || return 0; fi
    names+=("$2") limits+=("$3") commands+=("$4")
}

find_units() {
    local source test
    while read -r source; do
        test=${source%.c}
        found "$source" "unit/${test#tests/unit/}" "$unit_limit" "$B/$test"
    done < <(find tests/unit -name 'test_*.c' | sort)
}

find_replays() {
    local source name
    for source in tests/fuzz/fuzz_*.c; do
        name=$(basename "$source" .c)
        name=${name#fuzz_}
        found "$source" "fuzz/$name" "$unit_limit" "$B/tests/fuzz/fuzz_$name tests/fuzz/seeds/$name"
    done
}

find_systems() {
    local script
    for script in tests/system/*.sh; do
        [ "$(basename "$script")" = lib.sh ] || found "$script" "system/$(basename "$script" .sh)" "$system_limit" "bash $script"
    done
}

find_tests() {
    local kind turn
    for turn in together alone; do
        [ $turn = together ] || alone_from=${#names[@]}
        for kind in $kinds; do
            case $kind in
            unit) find_units ;;
            fuzz) find_replays ;;
            system) find_systems ;;
            *) echo "run.sh: there is no kind of test called $kind" >&2; exit 2 ;;
            esac
        done
    done
}

log_of() { echo "$B/logs/${names[$1]//\//_}.log"; }

start() { # NUMBER
    begun[$1]=$SECONDS
    # The test gets a session of its own, and no terminal; after a time-out what it still runs is ended too. A shell starts what runs beside it deaf to Ctrl-C: not a test, which may send it.
    # shellcheck disable=SC2086 # command and arguments
    env --default-signal=INT,QUIT timeout --kill-after=20 "${limits[$1]}" ${commands[$1]} >"$(log_of "$1")" 2>&1 </dev/null &
    test_of_process[$!]=$1
}

await_one() {
    local process code=0 number
    # The shell tells of every process that a signal ended: tell() does.
    { wait -n -p process "${!test_of_process[@]}" || code=$?; } 2>/dev/null
    number=${test_of_process[$process]}
    unset "test_of_process[$process]"
    codes[number]=$code
    took[number]=$((SECONDS - begun[number]))
}

tell() { # NUMBER
    local name=${names[$1]} code=${codes[$1]} log
    log=$(log_of "$1")
    case $code in
    0)
        passed=$((passed + 1))
        echo "ok     $name (${took[$1]} s)"
        ;;
    77)
        skipped=$((skipped + 1))
        echo "skip   $name: $(grep . "$log" | tail -n 1)"
        ;;
    *)
        failed=$((failed + 1))
        not_ok+=("$name")
        if [ "$code" = 124 ] || [ "$code" = 137 ]; then
            echo "not ok $name: still running after ${limits[$1]} s"
        else
            echo "not ok $name: exit code $code (${took[$1]} s)"
        fi
        tail -n "${TAIL_LINES:-40}" "$log" | sed 's/^/    /'
        ;;
    esac
}

run_tests() {
    local next=0 told=0 most=$jobs
    while [ $told -lt ${#names[@]} ]; do
        [ $next -lt "$alone_from" ] || most=1
        if [ $next -lt ${#names[@]} ] && [ ${#test_of_process[@]} -lt "$most" ]; then
            start $next
            next=$((next + 1))
            continue
        fi
        await_one
        while [ -n "${codes[told]:-}" ]; do
            tell $told
            told=$((told + 1))
        done
    done
}

# Whatever ends this script ends the tests that run.
trap '[ ${#test_of_process[@]} = 0 ] || kill "${!test_of_process[@]}" 2>/dev/null' EXIT
trap 'exit 130' INT TERM
mkdir -p "$B/logs"
find_tests
run_tests
[ ${#not_ok[@]} = 0 ] || printf 'failed: %s\n' "${not_ok[*]}"
[ $((passed + failed + skipped)) -gt 0 ] || { echo "run.sh: no test matches: ${globs[*]}" >&2; failed=1; }
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
