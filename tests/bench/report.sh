#!/bin/bash
# Turns the lines of the benchmarks into docs/benchmarks.md. usage: report.sh RESULTS
set -euo pipefail
results=$1
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
version_of() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo "?"; }
# least / median / greatest of a column of numbers on standard input, with this format
spread() { sort -g | awk -v f="$1" '{ v[NR] = $1 } END { if (!NR) { print "-"; exit } m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; printf f " / " f " / " f "\n", v[1], m, v[NR] }'; }
pick() { awk -F'\t' -v kind="$1" -v a="$2" -v b="$3" -v c="$4" '$1 == kind && $2 == a && (b == "" || $3 == b) && $c != "-" { print $c }' "$results"; }
# Parts that were not measured now stay as they are: kept PART prints the old page's, marks and all.
kept() { [ ! -f docs/benchmarks.md ] || awk -v mark="<!-- $1 -->" '$0 == mark { on = 1 } $0 ~ /^<!-- .* -->$/ && $0 != mark { on = 0 } on' docs/benchmarks.md; }
# shellcheck disable=SC2120 # who sources this gives it
measured() { # [RUNS]
    echo "Measured on $(date -u +%Y-%m-%d) at $(git rev-parse --short HEAD 2>/dev/null || echo '?')$(git diff --quiet HEAD -- lib services cli 2>/dev/null || echo ' with changes'); least / median / greatest of ${1:-$runs} interleaved runs."; }
runs=$(awk -F'\t' '$1 ~ /^(capture|dissect)$/ && $4 > n { n = $4 } $1 ~ /^(snapshot|export|filter)$/ && $3 > n { n = $3 } END { print n }' "$results")

cat <<END
# Benchmarks

\`make bench\` writes this page. Each part says when and at which commit it was measured; figures are least / median / greatest of interleaved runs.

| | |
|---|---|
| machine | $(nproc) CPUs ($(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)), $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), Linux $(uname -r | sed 's/-.*//'), $(. /etc/os-release && echo "$PRETTY_NAME") |
| compiler | $(gcc --version | head -n 1), -O2 |
| tcpdump; dumpcap, mergecap and tshark; stenotype | $(version_of tcpdump); $(version_of wireshark-common); $(version_of stenographer) |

END

if grep -q '^capture' "$results"; then
    echo '<!-- capture -->'
    echo '## Capture, flat out'
    echo
    measured
    cat <<'END'

The project's generator sends prepared TCP and UDP packets of 4096 flows over IPv4 into a veth pair as fast as one CPU can (the last one; the kernel's half of receiving runs there too); each recorder has all of its threads
on the first CPU, a kernel ring of 64 MiB, the same disk, and no other limit. Packets written are counted in the files afterwards, by a reader of the tests' own; loss is what was sent and is not in
the files. CPU is user and system time of the whole finished process, from start to end, divided by the packets written. The write-back of buffered files by kernel threads is in nobody's figure: that
favours tcpdump and dumpcap. `capturer` hashes every block, keeps its index of blocks, and runs without a bus; as it comes it compresses (LZ4) while its writer has time, `capturer-stored` is `--compress never`.
stenotype writes the ring's blocks to the disk as they are, unhashed, in files that need its own reader: as it comes with an index of every packet, `stenotype-bare` without any (`--no_index`).

END
    for size in $(awk -F'\t' '$1 == "capture" { print $2 }' "$results" | sort -nu); do
        echo "### $size bytes"
        echo
        echo "| recorder | CPU-seconds per million written | loss, % | sent, thousand packets/s |"
        echo "|---|---|---|---|"
        for who in $(awk -F'\t' -v s="$size" '$1 == "capture" && $2 == s { print $3 }' "$results" | awk '!seen[$0]++'); do
            echo "| $who | $(pick capture "$size" "$who" 10 | spread %.3f) | $(pick capture "$size" "$who" 9 | spread %.3f) | $(pick capture "$size" "$who" 8 | awk '{ print $1 / 1000 }' | spread %.0f) |"
        done
        echo
        for peer in $(awk -F'\t' -v s="$size" '$1 == "capture" && $2 == s && $3 != "capturer" { print $3 }' "$results" | awk '!seen[$0]++'); do
            awk -F'\t' -v s="$size" -v p="$peer" '$1 == "capture" && $2 == s { if ($3 == "capturer") a[$4] = $10; if ($3 == p) b[$4] = $10 } END { for (r in a) if (r in b && b[r] > 0 && a[r] != "-") print a[r] / b[r] }' "$results" |
                spread %.2f | sed "s|^|- capturer / $peer, run by run: |"
        done
        echo
    done
else
    kept capture
fi
two() { # KIND TITLE PEER TEXT
    if ! grep -q "^$1" "$results"; then
        kept "$1"
        return
    fi
    printf '<!-- %s -->\n## %s\n\n%s\n\n%s\n\n' "$1" "$2" "$(measured)" "$4"
    echo "| | seconds | CPU-seconds | MiB | packets |"
    echo "|---|---|---|---|---|"
    local who
    for who in tapeloop "$3"; do
        echo "| $who | $(pick "$1" "$who" "" 4 | spread %.2f) | $(pick "$1" "$who" "" 5 | spread %.2f) | $(pick "$1" "$who" "" 6 | awk '{ print $1 / 1048576 }' | spread %.0f | sed 's|.* / \(.*\) / .*|\1|') | $(pick "$1" "$who" "" 7 | spread %.0f | sed 's|.* / \(.*\) / .*|\1|') |"
    done
    echo
    local column name
    for column in 4 5; do
        name=$([ $column = 4 ] && echo seconds || echo CPU-seconds)
        awk -F'\t' -v k="$1" -v p="$3" -v c=$column '$1 == k { if ($2 == "tapeloop") a[$3] = $c; if ($2 == p) b[$3] = $c } END { for (r in a) if (r in b && b[r] > 0) print a[r] / b[r] }' "$results" |
            spread %.2f | sed "s|^|- tapeloop / $3, $name, run by run: |"
    done
    echo
}
two snapshot "A snapshot" cp+sha256sum "\`tapeloop snapshot create --wait\` (seal, pin, pull over HTTP on loopback, check of every block, SHA-256 of every object, flush, manifest, event) beside \`cp\` of the same segments and indexes, \`sha256sum\` of the copies and \`sync\`. Sources out of the page cache before each run."
two export "An unfiltered export" mergecap "\`tapeloop snapshot export\` (decompress, check, merge, cut to the window, stream over HTTP on loopback, write) beside \`mergecap\` of the same segments."
two filter "A filtered export" tcpdump "\`tapeloop snapshot export --bpf '${FILTER:-udp and ip}'\` from the compressed segments beside \`tcpdump -r -w\` over the same packets already merged and uncompressed in one pcapng file. Both took the same number of packets."
. "$here/report_dissect.sh"
cat <<'END'
<!-- repeat -->
## To repeat

    sudo make bench                       # all of it; some minutes, on an otherwise idle machine
    sudo RUNS=5 SIZES=512 PARTS=capture tests/bench/run.sh
    sudo SIZE_MIB=4096 PARTS=snapshot tests/bench/run.sh
    sudo PARTS="dissect workers queries" tests/bench/run.sh # all of the dissector
END
