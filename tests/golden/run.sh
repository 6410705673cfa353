#!/bin/bash
# Golden captures: what `dissector --input NAME.pcap --format ndjson` says of each capture of the LIST must be what NAME.ndjson says.
# Usage: tests/golden/run.sh [--update] [NAME]...      names: globs of those in the LIST (default: all)
#   B   variant of the build (build/gcc)
# --update writes the expected output anew: look at its diff before it is committed. Needs neither root nor network.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
B=${B:-build/gcc}
case $B in /*) ;; *) B=$here/../../$B ;; esac
export LC_ALL=C TZ=UTC
update=0
if [ "${1:-}" = --update ]; then
    update=1
    shift
fi
[ $# -gt 0 ] || set -- '*'
[ -x "$B/bin/dissector" ] || { echo "golden: $B/bin/dissector is not built (make)" >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/golden.XXXXXX")
trap 'rm -rf "$work"' EXIT

wanted() {
    local name=$1 glob
    shift
    for glob; do
        # shellcheck disable=SC2053 # a glob is meant
        [[ $name != $glob ]] || return 0
    done
    return 1
}

# A capture that nothing lists tests nothing.
unlisted() {
    local file name
    for file in "$here"/*.pcap "$here"/*.pcapng "$here"/*.ndjson; do
        [ -e "$file" ] || continue
        name=$(basename "$file")
        name=${name%.*}
        grep -qE "^$name(\$|[[:space:]])" "$here/LIST" || echo "golden: $(basename "$file") is not in the LIST"
    done
}

passed=0 failed=0
# Workers must not matter: two of them have to say the same.
check() { # NAME CAPTURE OPTION...
    local name=$1 capture=$2 code=0 workers
    shift 2
    for workers in 1 2; do
        "$B/bin/dissector" --input "$capture" --format ndjson --workers $workers "$@" >"$work/$workers" 2>"$work/error" || code=$?
        [ $code = 0 ] || { echo "not ok golden/$name: dissector ended with $code: $(tail -n 1 "$work/error")"; return 1; }
    done
    if ! cmp -s "$work/1" "$work/2"; then
        echo "not ok golden/$name: two workers say something else than one"
        diff "$work/1" "$work/2" | head -n 10
        return 1
    fi
    if [ $update = 1 ]; then
        cmp -s "$work/1" "$here/$name.ndjson" || { cp "$work/1" "$here/$name.ndjson"; echo "updated $name"; }
        return 0
    fi
    if ! cmp -s "$work/1" "$here/$name.ndjson"; then
        echo "not ok golden/$name: $(wc -l <"$work/1") entries, $(wc -l <"$here/$name.ndjson") expected"
        diff -u "$here/$name.ndjson" "$work/1" | cut -c 1-600 | head -n 40
        return 1
    fi
}

while read -r name options; do
    case $name in '' | '#'*) continue ;; esac
    wanted "$name" "$@" || continue
    capture=$here/$name.pcap
    [ -e "$capture" ] || capture=$here/$name.pcapng
    # shellcheck disable=SC2086 # several options
    if check "$name" "$capture" $options; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done <"$here/LIST"
missing=$(unlisted)
[ -z "$missing" ] || { echo "$missing"; failed=$((failed + 1)); }
[ $((passed + failed)) -gt 0 ] || { echo "golden: no capture matches: $*" >&2; exit 1; }
echo "golden: $passed passed, $failed failed"
[ "$failed" = 0 ]
