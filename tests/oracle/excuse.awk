# One rule over the facts that one side alone has; score.sh gives the rule's keys as variables. Reads: frames that the rule's filter matches; the dissector's facts with why their entry is incomplete and its connection; the facts.
# Those that the rule excuses go to standard output, the others to the file `open`.
function key_of(line, words,    w, k, i, n, key) {
    split(line, w, " ")
    n = split(words, k, ",")
    for (i = 1; i <= n; i++) key = key " " w[k[i]]
    return key
}
# Another request of that connection was sent before the one was answered.
function pipelined(connection,    i, n) {
    n = pairs[connection]
    for (i = 2; i <= n; i++) if (asked[connection, i] < latest[connection, i - 1]) return 1
    return 0
}
function good(    i, n, reasons) {
    if ($0 !~ fact) return 0
    if (frames != "" && !($3 in shown) && !($2 == "pair" && $4 in shown)) return 0
    if (twin != "" && !(key_of($0, twin) in has)) return 0
    if (unless != "" && (key_of($0, unless) in has)) return 0
    if (incomplete != "") {
        n = split(incomplete, reasons, " ")
        for (i = 1; i <= n; i++) if (reason[$0] == reasons[i]) break
        if (i > n) return 0
    }
    if (only == "pipelined" && !pipelined(connection_at[$1, "response", $4])) return 0
    if (only == "unsure") {
        reasons[1] = reason_at[$1, "request", $3]; reasons[2] = reason_at[$1, "response", $4]
        if (reasons[1] reasons[2] !~ /started_before|gap|truncated/) return 0
    }
    if (only == "repeated" && times[$1, question[$3]] < 2) return 0
    return 1
}
BEGIN {
    while ((getline line <against) > 0) if (twin unless != "") has[key_of(line, twin unless)] = 1
    printf "" >open
}
FILENAME ~ /frames$/ { shown[$1] = 1; next }
FILENAME ~ /entries.facts$/ {
    split($0, f, "\t"); split(f[3], w, " ")
    reason[f[3]] = f[1]
    reason_at[w[1], w[2], w[3]] = f[1]
    if (w[2] == "request" || w[2] == "response") connection_at[w[1], w[2], w[3]] = f[2]
    if (w[2] == "request") { question[w[3]] = w[4] " " w[5]; times[w[1], w[4] " " w[5]]++ }
    if (w[2] == "pair") {
        n = ++pairs[f[2]]
        asked[f[2], n] = w[3]
        latest[f[2], n] = n > 1 && latest[f[2], n - 1] > w[4] ? latest[f[2], n - 1] : w[4]
    }
    next
}
{
    if (good()) print "(" rule ") " side ": " $0
    else print >open
}
