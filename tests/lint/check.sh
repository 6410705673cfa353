#!/bin/bash
# Checks a tree against the rules that every change keeps. Usage: tests/lint/check.sh [ROOT]
# Prints "PATH:LINE: RULE: what is wrong" for each finding; exit code 1 when there are any. tests/lint/self_test.sh shows that each rule finds what it is for.
#
# Two lists beside this file may only shrink: long_functions.txt ("PATH FUNCTION LINES") and untested.txt ("PATH").
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "${1:-$here/../..}" || exit 2
lists=${LINT_LISTS:-$here}
export LC_ALL=C

FUNCTION_LINES_MAX=70
FILE_LINES_MAX=600

sources() { find lib services cli tests -name '*.[ch]' -not -path '*/.*' 2>/dev/null | sort; }
scripts() {
    find deploy tests .ci -type f \( -name '*.sh' -o -name '*.bash' -o -path '.ci/run' \) 2>/dev/null | sort
}
texts() {
    sources
    scripts
    find lib services cli tests docs deploy proto -type f \( -name '*.md' -o -name '*.proto' -o -name '*.json' -o -name '*.txt' \) -not -path '*/seeds/*' 2>/dev/null
    find . -maxdepth 1 -type f \( -name '*.md' -o -name Makefile \)
}

# Who may include whom, and where each third-party header lives. The same page is docs/ARCHITECTURE.md.
check_includes() {
    sources | xargs -r awk '
    function rank(folder) {
        if (folder ~ /^lib\/(units|mem|bytes|files|digest)$/) return 1
        if (folder ~ /^lib\/(log|table|options|json|store)$/) return 2
        if (folder ~ /^lib\/(packet|capfile|wire|loop)$/) return 3
        if (folder ~ /^lib\/(bus|http)$/) return 4
        if (folder ~ /^lib\/(lifecycle|jobs)$/) return 5
        if (folder ~ /^(services\/[^\/]+|cli)$/) return 6
        if (folder ~ /^tests/) return 7
        return 0
    }
    function folder_of(path,    part) {
        split(path, part, "/")
        return part[1] == "lib" || part[1] == "services" ? part[1] "/" part[2] : part[1]
    }
    function finding(rule, text) { printf "%s:%d: %s: %s\n", FILENAME, FNR, rule, text }
    function home(pattern, place,    mirrored) {
        mirrored = FILENAME
        sub(/^tests\/unit\//, "", mirrored) # a test lives where its source does
        if (name ~ pattern && FILENAME !~ place && mirrored !~ place && FILENAME !~ /^tests\/(tools|bench)\//)
            finding("home", "<" name "> is included in " substr(place, 2) " only")
    }
    FNR == 1 {
        from = folder_of(FILENAME)
        if (!rank(from)) finding("layers", from " has no layer: give it one in docs/ARCHITECTURE.md and tests/lint/check.sh")
    }
    !/^[ \t]*#[ \t]*include/ { next }
    { name = $0; sub(/^[^"<]*["<]/, "", name); sub(/[">].*/, "", name) }
    /</ {
        home("^uv\\.h$", "^lib/loop/")
        home("^(nats/)?nats\\.h$", "^lib/bus/")
        home("^(curl/|microhttpd\\.h$)", "^lib/http/")
        home("^jansson\\.h$", "^lib/json/")
        home("^pcap[./]", "^lib/packet/")
        home("^protobuf-c/", "^lib/wire/")
        home("^(lz4|xxhash)", "^lib/capfile/")
        home("^(liburing|bpf/|cap-ng|libmnl/)", "^services/capturer/")
        home("^sqlite3\\.h$", "^services/dissector/(database|query)/")
        home("^openssl/(x509|x509v3|bio|err)\\.h$", "^(services/dissector/protocols|tests)/")
        home("^(nghttp2|zlib\\.h|brotli|zstd)", "^services/dissector/protocols/")
        home("^pcre2\\.h$", "^services/dissector/query/")
        home("^cmocka\\.h$", "^tests/")
        next
    }
    name ~ /\.pb-c\.h$/ { if (FILENAME !~ /^lib\/wire\//) finding("home", "generated messages are included through wire/wire.h"); next }
    name !~ /\// { next } # beside the file, or generated
    {
        split(name, part, "/")
        to = part[1] == "services" || part[1] == "cli" || part[1] == "tests" ? folder_of(name) : "lib/" part[1]
        if (to == from) next
        if (to == "lib/log" && from ~ /^lib\// && from != "lib/lifecycle") finding("silent", "libraries return errors; services log them")
        if (!rank(to)) finding("layers", name " is in no known folder")
        else if (rank(to) == 6 && rank(from) == 6) finding("layers", from " and " to " meet in proto/ and on the bus only")
        else if (rank(to) >= rank(from)) finding("layers", from " may not include " to ", which is not below it")
    }'
}

# A function here begins with "{" in the first column and ends with "}" there. Prints PATH NAME LINES LINE of all.
function_lengths() {
    sources | xargs -r awk '
    FNR == 1 { inside = 0; head = "" }
    /^\{/ { inside = 1; start = FNR; next }
    inside && /^\}/ {
        name = head
        sub(/\(.*/, "", name); sub(/.*[ \t*]/, "", name)
        print FILENAME, name, FNR - start + 1, start
        inside = 0; head = ""; next
    }
    !inside && /^[A-Za-z_].*\(/ { head = $0 }'
}

check_lengths() {
    function_lengths | awk -v most=$FUNCTION_LINES_MAX '
    FILENAME != "-" { if ($1 !~ /^#/ && NF == 3) listed[$1 " " $2] = $3; next }
    {
        key = $1 " " $2
        seen[key] = $3
        if ($3 > most && !(key in listed)) printf "%s:%d: length: %s has %d lines, more than %d\n", $1, $4, $2, $3, most
        else if ($3 > most && $3 > listed[key]) printf "%s:%d: length: %s grew from %d lines to %d\n", $1, $4, $2, listed[key], $3
    }
    END {
        for (key in listed) {
            split(key, part, " ")
            if (!(key in seen) || seen[key] < listed[key]) printf "%s:1: length: %s is shorter now: say so in long_functions.txt\n", part[1], part[2]
        }
    }' "$lists/long_functions.txt" -
    { sources; scripts; } | xargs -r wc -l | awk -v most=$FILE_LINES_MAX '$2 != "total" && $1 > most { printf "%s:%d: length: the file has %d lines, more than %d\n", $2, $1, $1, most }'
}

# Comments and texts in quotes do not count.
check_calls() {
    sources | xargs -r awk '
    FNR == 1 { comment = 0 }
    {
        line = $0
        gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
        if (comment) { if (!sub(/^.*\*\//, "", line)) next; comment = 0 }
        gsub(/\/\*([^*]|\*[^\/])*\*\//, "", line)
        if (sub(/\/\*.*/, "", line)) comment = 1
        sub(/\/\/.*/, "", line)
        line = " " line
        if (match(line, /[^A-Za-z0-9_.>](strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca|tmpnam|mktemp|atoi|atol|atoll)[ ]*\(/) ||
            (FILENAME !~ /^tests\// && match(line, /[^A-Za-z0-9_.>](system|popen)[ ]*\(/))) # a test may ask a stock program
            printf "%s:%d: banned: %s)\n", FILENAME, FNR, substr(line, RSTART + 1, RLENGTH - 1)
        if (FILENAME ~ /^lib\// && match(line, /[^A-Za-z0-9_](exit)[ ]*\(/))
            printf "%s:%d: banned: a library does not end the process\n", FILENAME, FNR
        if (FILENAME !~ /^(tests\/unit\/)?lib\/mem\// && match(line, /[^A-Za-z0-9_]malloc_trim[ ]*\(/))
            printf "%s:%d: banned: malloc_trim is called by mem_trim only\n", FILENAME, FNR
    }'
}

check_tests() {
    local source test
    find lib -name '*.c' 2>/dev/null | sort | while read -r source; do
        # Its own test, or that of the folder where several files make one module behind one header.
        test=tests/unit/$(dirname "$source")/test_$(basename "$source")
        [ -e "$test" ] || test=tests/unit/$(dirname "$source")/test_$(basename "$(dirname "$source")").c
        if [ ! -e "$test" ] && ! grep -qsx "$source" "$lists/untested.txt"; then
            echo "$source:1: untested: there is no test for it in tests/unit/$(dirname "$source")"
        elif [ -e "$test" ] && grep -qsx "$source" "$lists/untested.txt"; then
            echo "$source:1: untested: it has a test now: take it out of untested.txt"
        fi
    done
    grep -sv '^#' "$lists/untested.txt" | while read -r source; do
        [ -e "$source" ] || echo "$source:1: untested: it is gone: take it out of untested.txt"
    done
    find tests/fuzz -name 'fuzz_*.c' 2>/dev/null | while read -r source; do
        test=$(basename "$source" .c)
        [ -n "$(ls -A "tests/fuzz/seeds/${test#fuzz_}" 2>/dev/null)" ] || echo "$source:1: untested: there are no seeds in tests/fuzz/seeds/${test#fuzz_}"
    done
}

# A protocol is in four places: its file, the registry, a golden capture and a fuzz target. Of whole connections the engine tells: its target is fuzz_shard.c, and every capture has some.
check_protocols() {
    local folder=services/dissector/protocols line name
    grep -snoE '&protocol_[a-z0-9_]+' $folder/registry.c | tr ':' ' ' | while read -r line name; do
        name=${name#&protocol_}
        grep -rqE --include='*.c' "^const struct protocol protocol_$name = .*\.connection = true" $folder && continue
        [ -e "tests/fuzz/fuzz_$name.c" ] || echo "$folder/registry.c:$line: untested: protocol $name has no fuzz target tests/fuzz/fuzz_$name.c"
        grep -qsE "^$name(_| |\$)" tests/golden/LIST || echo "$folder/registry.c:$line: untested: protocol $name has no golden capture: a line $name or ${name}_... in tests/golden/LIST"
    done
}

check_text() {
    sources | xargs -r grep -nP '\t' | sed -E 's/^([^:]*:[0-9]+):.*/\1: text: tab/'
    texts | xargs -r grep -nP '[ \t]+$' | sed -E 's/^([^:]*:[0-9]+):.*/\1: text: space at the end of the line/'
    sources | xargs -r grep -nP '[^\x00-\x7F]' | sed -E 's/^([^:]*:[0-9]+):.*/\1: text: not ASCII/'
    texts | xargs -r grep -nE '\b(TODO|FIXME|XXX)\b' | grep -v '^tests/lint/' | sed -E 's/^([^:]*:[0-9]+):.*/\1: text: an open end/'
    local file
    texts | while read -r file; do
        [ ! -s "$file" ] || [ -z "$(tail -c 1 "$file")" ] || echo "$file:1: text: no newline at the end of the file"
    done
}

check_scripts() {
    if command -v shellcheck >/dev/null; then
        scripts | xargs -r shellcheck -s bash -S warning -e SC2034 -f gcc | sed -E 's/^([^:]*:[0-9]+):[0-9]+: /\1: shellcheck: /'
    else
        echo "lint: shellcheck is not installed, scripts were only parsed" >&2
    fi
    local file shell
    scripts | while read -r file; do
        shell="bash"
        head -n 1 "$file" | grep -q '^#!/bin/sh' && shell="sh"
        $shell -n "$file" 2>&1 | sed "s|^|$file:1: shellcheck: |"
    done
}

found=$({ check_includes; check_lengths; check_calls; check_tests; check_protocols; check_text; check_scripts; } | sort -u -t: -k1,1 -k2,2n -k3)
[ -z "$found" ] && exit 0
printf '%s\n' "$found"
exit 1
