# The part of docs/benchmarks.md about dissection: sourced by report.sh, whose functions and $results it uses.
: "${results:?sourced by report.sh}"
ratios() { # KIND TOOL COLUMN: the peer's figure by ours, run by run
    awk -F'\t' -v k="$1" -v t="$2" -v c="$3" '$1 == "dissect" && $2 == k { if ($3 == t) a[$4] = $c; if ($3 == "tshark") b[$4] = $c } END { for (r in a) if (r in b && a[r] > 0) print b[r] / a[r] }' "$results" | spread %.1f
}
pick_dissect() { awk -F'\t' -v k="$1" -v t="$2" -v c="$3" '$1 == "dissect" && $2 == k && $3 == t { print $c }' "$results"; }
if grep -q '^dissect' "$results"; then
    echo '<!-- dissect -->'
    echo '## Dissection'
    echo
    measured
    cat <<'END'

Captures made from a seed (`tests/tools/calls.c`), in the page cache, each program on the first CPU alone: `http` is 473,000 HTTP/1.1 calls of 12 request and 8 response headers with small JSON bodies, 50 calls a connection; `dns`
two thirds as many queries; `mixed` both, and as much again that is nobody's protocol. `ndjson` is `dissector --input FILE --protocols ... --fields ... --stream` with the fields that `tshark -n -Y FILTER -T fields` is asked for: times,
addresses, methods, URLs, all headers and bodies, names and answers, as they come; `ndjson-sorted` the same in the order of time (without `--stream`: all entries are held until the end); `ndjson-all` and `sqlite` write every field in that order, with parsed parameters, cookies and places in the capture, the database with its indexes, zones and digest. All are redacted. tshark shows
the headers as they stand, pairs with a display filter's single pass, and redacts nothing. CPU is user and system time of the whole process. Before each run some memory is touched and given back (`tests/tools/warm_memory.c`): pages that this virtual machine had returned to its host cost the first program that takes them many times what they cost later.

| capture | | CPU-seconds | thousand packets/CPU-second | peak MiB | tshark's CPU / this, run by run |
|---|---|---|---|---|---|
END
    for kind in http dns mixed; do
        for tool in ndjson ndjson-sorted ndjson-all sqlite tshark; do
            echo "| $kind | $tool | $(pick_dissect $kind $tool 6 | spread %.2f) | $(awk -F'\t' -v k=$kind -v t=$tool '$1 == "dissect" && $2 == k && $3 == t { print $8 / $6 / 1000 }' "$results" | spread %.0f) | $(pick_dissect $kind $tool 7 | spread %.0f) | $([ $tool = tshark ] || ratios $kind $tool 6) |"
        done
    done
    echo
else
    kept dissect
fi
if grep -q '^workers' "$results"; then
    echo '<!-- workers -->'
    echo '## Workers'
    echo
    measured "$(awk -F'\t' '$1 == "workers" && $4 > n { n = $4 } END { print n }' "$results")"
    cat <<END

The stages as the work queue deals them out, through files: the HTTP capture in 16 pieces, by one thread and by two, one after the other and in turns (\`tests/tools/dissect_stages.c\`); seconds are wall time. Finalising is one item, with indexes.
The last row is what this machine gives in the same minutes: two processes at once that share nothing but the machine, each with one worker and every other piece, instead of the two workers.

| stage | one worker | two workers | one / two, run by run |
|---|---|---|---|
END
    stage_row() { # TITLE STAGE TWO
        figures() { awk -F'\t' -v s="$1" -v n="$2" '$1 == "workers" && $2 == s && $3 == n { print $5 }' "$results" | spread %.2f; }
        echo "| $1 | $(figures "$2" 1) | $(figures "$2" "$3") | $(awk -F'\t' -v s="$2" -v n="$3" '$1 == "workers" && $2 == s { v[$3, $4] = $5; r[$4] } END { for (i in r) if (v[n, i] > 0) print v[1, i] / v[n, i] }' "$results" | spread %.2f) |"
    }
    stage_row map+reduce map+reduce 2
    stage_row finalise finalise 2
    stage_row 'map+reduce, two processes' map+reduce apart
    echo
    echo "- finalising, thousand entries/s: $(awk -F'\t' '$1 == "workers" && $2 == "finalise" && $5 > 0 { print $6 / $5 / 1000 }' "$results" | spread %.0f)"
    echo
else
    kept workers
fi
if grep -q '^query' "$results"; then
    echo '<!-- query -->'
    echo '## First pages of queries'
    echo
    measured
    cat <<'END'

A dissection of a million calls (some of them DNS), warm: milliseconds of wall time until the first page of at most 100 rows is there, as least / median / greatest of 21; entries looked at. Those in the lower half read every row by nature (`contains`,
`matches`, headers). How the compiler chooses: an index of `entry` is probed where it gives at most 1,000 candidates; otherwise packed columns (table `slice`)
of 4,096 entries at a time say which of them are read, after zones that cannot match are skipped.

| expression | first page, ms | rows | entries looked at | more? |
|---|---|---|---|---|
END
    awk -F'\t' '$1 == "query" && $2 != "conjunctions" { e = $9; gsub(/\|/, "\\|", e); printf "| `%s` | %s / %s / %s | %s | %s | %s |\n", e == "" ? " " : e, $2, $3, $4, $6, $7, $8 }' "$results"
    echo
    awk -F'\t' '$1 == "query" && $2 == "conjunctions" {
        printf "Beside these, %d filters and conjunctions: each, every two and every three of different kinds (protocol, time, status, namespace, pod, path), with values that are common, rare, absent or never seen together, and some of all six.\n\n", $3
        printf "- slowest first page with rows, ms: %s (`%s`)\n- slowest without any, ms: %s (`%s`)\n- most CPU of any, ms: %s with rows, %s without\n", $4, $5, $6, $7, $8, $9 }' "$results"
    echo
else
    kept query
fi
