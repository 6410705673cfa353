#!/bin/bash
# Shows that each rule of check.sh finds what it is for, and is silent about what is right. Each case is a small tree of its own.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0 cases=0

# A tree that keeps every rule.
clean_tree() {
    rm -rf "$work/tree" "$work/lists"
    mkdir -p "$work/tree/lib/units" "$work/tree/lib/bus" "$work/tree/tests/unit/lib/units" "$work/tree/services/a" "$work/tree/cli" "$work/tree/deploy" "$work/lists"
    printf '#include "units/units.h"\n#include <stdio.h>\n' >"$work/tree/lib/units/x.c"
    printf '#include <cmocka.h>\n#include "units/units.h"\n' >"$work/tree/tests/unit/lib/units/test_x.c"
    printf '#include "lib.h"\n#include "bus/bus.h"\n#include "services/a/b.h"\n' >"$work/tree/services/a/main.c"
    printf '#!/bin/sh\necho "$1"\n' >"$work/tree/deploy/x.sh"
    : >"$work/lists/long_functions.txt"
    : >"$work/lists/untested.txt"
}

# case_of RULE|none FILE CONTENT: the tree with that file is refused by the rule, or by none.
case_of() {
    local rule=$1 file=$2 said
    cases=$((cases + 1))
    mkdir -p "$(dirname "$work/tree/$file")"
    printf '%b' "$3" >"$work/tree/$file"
    said=$(LINT_LISTS=$work/lists "$here/check.sh" "$work/tree" 2>/dev/null)
    if [ "$rule" = none ] && [ -n "$said" ]; then
        echo "lint self-test: found in a good tree: $said" >&2
        failed=$((failed + 1))
    elif [ "$rule" != none ] && ! grep -q "^$file:[0-9]*: $rule: " <<<"$said"; then
        echo "lint self-test: $rule did not notice $file: $3" >&2
        [ -z "$said" ] || printf '    %s\n' "$said" >&2
        failed=$((failed + 1))
    fi
    clean_tree
}

lines() { local i; for ((i = 0; i < $1; i++)); do printf '    x();\\n'; done; }

clean_tree
case_of none lib/units/x.c '/* strcpy( in a comment */\nconst char *s = "sprintf(";\nfield.system(1);\n'
case_of layers lib/units/x.c '#include "bus/bus.h"\n'
case_of layers lib/bus/x.c '#include "http/server.h"\n'
case_of layers lib/bus/x.c '#include "services/a/b.h"\n'
case_of layers services/a/x.c '#include "services/b/y.h"\n'
case_of layers services/a/x.c '#include "cli/y.h"\n'
case_of layers cli/x.c '#include "services/a/y.h"\n'
case_of layers services/a/x.c '#include "tests/tools/y.h"\n'
case_of layers lib/misc/x.h 'int x;\n'
case_of none tests/unit/lib/bus/test_x.c '#include <nats.h>\n'
case_of none services/a/x.c '#include "lifecycle/lifecycle.h"\n#include "log/log.h"\n'
case_of silent lib/bus/x.c '#include "log/log.h"\n'
case_of home services/a/x.c '#include <uv.h>\n'
case_of home services/a/x.c '#include <nats/nats.h>\n'
case_of home lib/bus/x.c '#include <curl/curl.h>\n'
case_of home lib/wire/x.h '#include <jansson.h>\n'
case_of home services/a/x.c '#include <pcap/pcap.h>\n'
case_of home services/a/x.c '#include <lz4.h>\n'
case_of home services/a/x.c '#include <liburing.h>\n'
case_of home services/a/x.c '#include <openssl/x509.h>\n'
case_of home services/a/x.c '#include <cmocka.h>\n'
case_of home services/a/x.c '#include "tapeloop.pb-c.h"\n'
case_of none services/a/x.c "int f(void)\n{\n$(lines 68)}\n"
case_of length services/a/x.c "int f(void)\n{\n$(lines 69)}\n"
echo 'services/a/x.c f 71' >"$work/lists/long_functions.txt"
case_of none services/a/x.c "int f(void)\n{\n$(lines 69)}\n"
echo 'services/a/x.c f 71' >"$work/lists/long_functions.txt"
case_of length services/a/x.c "int f(void)\n{\n$(lines 70)}\n"
echo 'services/a/x.c f 75' >"$work/lists/long_functions.txt"
case_of length services/a/x.c "int f(void)\n{\n$(lines 69)}\n"
case_of length services/a/x.c "$(lines 601)"
for call in strcpy strcat sprintf gets strtok alloca system popen atoi; do
    case_of banned services/a/x.c "    $call(x);\n"
done
case_of none tests/tools/x.c '    system("lz4");\n'
case_of banned lib/units/x.c '    exit(1);\n'
case_of none services/a/x.c '    exit(1);\n'
case_of none lib/units/x.c '    _exit(1);\n'
case_of banned services/a/x.c '    (void)malloc_trim(0);\n'
case_of untested lib/units/y.c 'int y;\n'
echo lib/units/y.c >"$work/lists/untested.txt"
case_of none lib/units/y.c 'int y;\n'
echo lib/units/x.c >"$work/lists/untested.txt"
case_of untested lib/units/x.c 'int x;\n'
case_of untested tests/fuzz/fuzz_z.c 'int z;\n'
protocol_x() { # the other places of a protocol
    mkdir -p "$work/tree/services/dissector/protocols" "$work/tree/tests/fuzz/seeds/x" "$work/tree/tests/golden"
    for place; do
        case $place in
        target) echo 'int x;' >"$work/tree/tests/fuzz/fuzz_x.c"; echo x >"$work/tree/tests/fuzz/seeds/x/0" ;;
        golden) printf '# x\nxy\nx_1 --option\n' >"$work/tree/tests/golden/LIST" ;;
        other) printf '# x\nxy\n' >"$work/tree/tests/golden/LIST" ;;
        connection) echo 'const struct protocol protocol_x = { .name = "X", .connection = true };' >"$work/tree/services/dissector/protocols/x.c" ;;
        esac
    done
}
registry='const struct protocol *const protocols[] = {\n    &protocol_x,\n};\n'
protocol_x target golden
case_of none services/dissector/protocols/registry.c "$registry"
protocol_x connection
case_of none services/dissector/protocols/registry.c "$registry"
protocol_x golden
case_of untested services/dissector/protocols/registry.c "$registry"
protocol_x target
case_of untested services/dissector/protocols/registry.c "$registry"
protocol_x target other
case_of untested services/dissector/protocols/registry.c "$registry"
case_of text services/a/x.c '\tx();\n'
case_of text services/a/x.c 'int x; \n'
case_of text services/a/x.c 'int x; // \0342\0200\0246\n'
case_of text services/a/x.c 'int x; // TODO\n'
case_of text services/a/x.c 'int x;'
case_of text docs/x.md 'words \n'
case_of shellcheck deploy/y.sh '#!/bin/sh\nif\n'
if command -v shellcheck >/dev/null; then
    case_of shellcheck deploy/y.sh '#!/bin/bash\ncd $1\n'
fi
[ "$failed" = 0 ] || { echo "lint self-test: $failed of $cases cases failed" >&2; exit 1; }
echo "lint self-test: $cases cases"
