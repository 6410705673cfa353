# Facts that one side alone has, `SIDE<tab>FACT` in the last file, become `(RULE) SIDE: FACT` or `SIDE: FACT`. Before it: the rules (tests/tshark-rules/README says what their keys mean); hits of their filters, as packets.lua writes
# them; frames with their connection; the dissector's facts with why their entry is incomplete and its connection; the facts of both sides.
function words(line, list,    w, k, i, n, key) {
    split(line, w, " ")
    n = split(list, k, ",")
    for (i = 1; i <= n; i++) key = key " " w[k[i]]
    return key
}
# Another request of that connection was sent before the one was answered.
function pipelined(connection,    i, n) {
    n = pairs[connection]
    for (i = 2; i <= n; i++) if (asked[connection, i] < latest[connection, i - 1]) return 1
    return 0
}
function incomplete(fact, reasons,    n, r, i) {
    n = split(reasons, r, " ")
    for (i = 1; i <= n; i++) if (reason[fact] == r[i]) return 1
    return 0
}
# One of the fact's frames, or of its connection's, is a hit of the rule's filter.
function in_frames(rule, w) { return (rule, "frames", w[3]) in hit || (w[2] == "pair" && (rule, "frames", w[4]) in hit) }
# The response came in a segment that acknowledges nothing of the request.
function unacknowledged(request, response,    ahead) {
    ahead = acknowledged[response] - sequence[request]
    if (ahead < -2147483648) ahead += 4294967296
    return ahead <= 0
}
function endpoints(w) {
    if (w[2] == "connection") return w[3] "_" w[4] < w[5] "_" w[6] ? w[3] "_" w[4] "-" w[5] "_" w[6] : w[5] "_" w[6] "-" w[3] "_" w[4]
    return w[3] ~ /^[0-9]+$/ ? connection[w[3]] : w[3]
}
function in_stream(rule, which, w) { return (rule, which, endpoints(w)) in touched }
function good(rule, side, fact,    w, other) {
    split(fact, w, " ")
    other = side == "tshark" ? "dissector" : "tshark"
    if (index(" " is[rule, "side"] " ", " " side " ") == 0 || fact !~ is[rule, "fact"]) return 0
    if ((rule, "frames") in is && !in_frames(rule, w)) return 0
    if ((rule, "stream") in is && !in_stream(rule, "stream", w)) return 0
    if ((rule, "also") in is && !in_stream(rule, "also", w)) return 0
    if ((rule, "twin") in is && !((other, is[rule, "twin"], words(fact, is[rule, "twin"])) in has)) return 0
    if ((rule, "unless") in is && (other, is[rule, "unless"], words(fact, is[rule, "unless"])) in has) return 0
    if ((rule, "incomplete") in is && !incomplete(fact, is[rule, "incomplete"])) return 0
    if (is[rule, "only"] == "pipelined" && !pipelined(connection_at[w[1], "response", w[4]])) return 0
    if (is[rule, "only"] == "unsure" && unsure[w[1], w[3]] unsure[w[1], w[4]] !~ /started_before|gap|truncated/) return 0
    if (is[rule, "only"] == "networks" && networks[endpoints(w)] < 2) return 0
    if (is[rule, "only"] == "views" && points[endpoints(w)] < 2 && !(endpoints(w) in first && others[first[endpoints(w)]] > 1)) return 0
    if (is[rule, "only"] == "unacknowledged" && !unacknowledged(w[3], w[4])) return 0
    if (is[rule, "only"] == "repeated" && times[w[1], question[w[3]]] < 2) return 0
    return 1
}
FILENAME ~ /\.rule$/ {
    if (FNR == 1) {
        rule = FILENAME
        gsub(/.*\/|\.rule$/, "", rule)
        names[++rules] = rule
        is[rule, "side"] = "tshark dissector"
    }
    if (match($0, /^[a-z]+: /)) {
        key = substr($0, 1, RLENGTH - 2)
        is[rule, key] = substr($0, RLENGTH + 1)
        if (key == "twin" || key == "unless") lists[is[rule, key]] = 1
    }
    next
}
FILENAME ~ /frames$/ {
    connection[$1] = $2; sequence[$1] = $7; acknowledged[$1] = $8
    if ($4 != "-" && !(($2, $4) in network)) { network[$2, $4] = 1; networks[$2]++ }
    if ($5 != "-" && !(($2, $5) in point)) { point[$2, $5] = 1; points[$2]++ }
    if ($6 != "-" && !(($2, $6) in began)) { began[$2, $6] = 1; others[$6]++; first[$2] = $6 }
    next
}
FILENAME ~ /hits$/ {
    if ($1 == "error") print "! rule " $2 ": " $0
    else if ($2 == "frames") hit[$1, $2, $3] = 1
    else touched[$1, $2, connection[$3]] = 1
    next
}
FILENAME ~ /entries.facts$/ {
    split($0, f, "\t"); split(f[3], w, " ")
    reason[f[3]] = f[1]
    if (w[2] == "request" || w[2] == "response") connection_at[w[1], w[2], w[3]] = f[2]
    if (w[2] != "pair" && f[1] != "whole") unsure[w[1], w[3]] = f[1]
    if (w[2] == "request") { question[w[3]] = w[4] " " w[5]; times[w[1], w[4] " " w[5]]++ }
    if (w[2] == "pair") {
        n = ++pairs[f[2]]
        asked[f[2], n] = w[3]
        latest[f[2], n] = n > 1 && latest[f[2], n - 1] > w[4] ? latest[f[2], n - 1] : w[4]
    }
    next
}
FILENAME ~ /(ours|theirs)$/ {
    side = FILENAME ~ /ours$/ ? "dissector" : "tshark"
    for (list in lists) has[side, list, words($0, list)] = 1
    next
}
{
    split($0, f, "\t")
    for (i = 1; i <= rules; i++) if (good(names[i], f[1], f[2])) break
    print (i <= rules ? "(" names[i] ") " : "") f[1] ": " f[2]
}
