# Facts that one side alone has, `SIDE<tab>FACT` in the last file, become `(RULE) SIDE: FACT` or `SIDE: FACT`. Before it: the rules (tests/tshark-rules/README says what their keys mean); hits of their filters, as packets.lua writes
# them; frames with their connection; the dissector's facts with why their entry is incomplete and its connection; the facts of both sides; those of HTTP's heads; and that last file once more (pass=1), for twins.
function words(line, list,    w, k, i, n, key) {
    split(line, w, " ")
    n = split(list, k, ",")
    for (i = 1; i <= n; i++) key = key " " w[k[i]]
    return key
}
function other_side(side) { return side == "tshark" ? "dissector" : "tshark" }
function incomplete(fact, reasons,    n, r, i) {
    n = split(reasons, r, " ")
    for (i = 1; i <= n; i++) if (reason[fact] == r[i]) return 1
    return 0
}
# One of the fact's frames, or of its connection's, is a hit of the rule's filter.
function in_frames(rule, w) { return (rule, "frames", w[3]) in hit || (w[2] == "pair" && (rule, "frames", w[4]) in hit) }
function endpoints(w) {
    if (w[2] == "connection") return w[3] "_" w[4] < w[5] "_" w[6] ? w[3] "_" w[4] "-" w[5] "_" w[6] : w[5] "_" w[6] "-" w[3] "_" w[4]
    return w[3] ~ /^[0-9]+$/ ? connection[w[3]] : w[3]
}
function in_stream(rule, which, w) { return (rule, which, endpoints(w)) in touched }

# How far a is ahead of b, in numbers that begin anew after 4294967295.
function ahead(a, b,    d) {
    d = a - b
    if (d < -2147483648) d += 4294967296
    return d > 2147483648 ? d - 4294967296 : d
}
# The response came in a segment that acknowledges nothing of the request.
function unacknowledged(request, response) { return acknowledged[request] acknowledged[response] != "00" && ahead(acknowledged[response], sequence[request]) <= 0 }
function end_of(frame) { return (sequence[frame] + bytes[frame]) % 4294967296 }
# Frame `late` brings nothing of that direction that had not come with `early` or before it, and `early` was the first that brought its last byte.
function same_byte(early, late,    c, i, f) {
    if (early == late) return 1
    c = connection[early]
    if (early + 0 > late + 0 || c == "" || connection[late] != c || !bytes[early] || (bytes[late] && sender[late] != sender[early])) return 0
    for (i = 1; i <= frames[c]; i++) {
        f = frame[c, i]
        if (f + 0 > late + 0) break
        if (f == early || sender[f] != sender[early] || !bytes[f]) continue
        if (f + 0 < early + 0 ? end_of(f) == end_of(early) : ahead(end_of(f), end_of(early)) > 0) return 0
    }
    return 1
}
# What a fact says, without its frames.
function saying(fact,    w, i, n, text) {
    n = split(fact, w, " ")
    text = w[1] " " w[2]
    for (i = w[2] == "pair" ? 5 : 4; i <= n; i++) text = text " " w[i]
    return text
}
# The other side says the same of that last byte, the dissector at the frame that brought it, tshark at a later one of the same connection that brought nothing new.
function at_byte(side, fact, w,    key, i, v, us) {
    key = other_side(side) SUBSEP saying(fact)
    us = side == "dissector"
    for (i = 1; i <= said[key]; i++) {
        split(says[key, i], v, " ")
        if ((us ? same_byte(w[3], v[3]) : same_byte(v[3], w[3])) && (w[2] != "pair" || (us ? same_byte(w[4], v[4]) : same_byte(v[4], w[4])))) return 1
    }
    return 0
}
# Requests and final responses of HTTP in the order of their frames, by tshark: the pair is of two with the same place in it.
function in_order(w,    c, i) {
    c = connection[w[3]]
    for (i = 1; i <= order[c, "request"]; i++) if (place[c, "request", i] == w[3] && place[c, "response", i] == w[4]) return 1
    return 0
}
# Of tshark's pair: the dissector gives that response to another request, which has the same place as the response.
function in_order_instead(w,    v) {
    v[3] = request_of[w[1], w[4]]; v[4] = w[4]
    return v[3] != "" && v[3] != w[3] && in_order(v)
}
# The same packets and bytes in all, told as one connection or as several.
function same_sum(w) { return sum["tshark", words(w[1] " " w[2] " " w[3] " " w[4] " " w[5] " " w[6], "3,4,5,6")] == sum["dissector", words(w[1] " " w[2] " " w[3] " " w[4] " " w[5] " " w[6], "3,4,5,6")] }
# The last head of HTTP of that kind at or before a frame.
function head_before(kind, at,    c, i, found) {
    c = connection[at]
    for (i = 1; i <= heads[c, kind]; i++) if (head[c, kind, i] + 0 <= at + 0 && head[c, kind, i] + 0 > found + 0) found = head[c, kind, i]
    return found
}
# What the dissector says of a message that is not whole is what its head says.
function by_head(fact, w,    request, response) {
    if (w[2] == "pair") return ("HTTP pair " head_before("request", w[3]) " " head_before("response", w[4])) in of_head
    sub(/ #[0-9]+$/, "", fact)
    sub(" " w[3] " ", " " head_before(w[2], w[3]) " ", fact)
    return fact in of_head
}
# At the same time as that connection there is another one with the same initial sequence number.
function seen_otherwise(c,    n, i, o) {
    n = c in first ? others[first[c]] : 0
    for (i = 1; i <= n; i++) {
        o = alike[first[c], i]
        if (o != c && frame[o, 1] + 0 < frame[c, frames[c]] + 0 && frame[c, 1] + 0 < frame[o, frames[o]] + 0) return 1
    }
    return 0
}
function unsure_of(w,    p) { p = w[1] == "GRPC" ? "HTTP/2" : w[1]; return unsure[p, w[3]] (w[2] == "pair" ? " " unsure[p, w[4]] : "") }
function holds(only, side, fact, w) {
    if (only == "pipelined") return side == "dissector" ? in_order(w) : in_order_instead(w)
    if (only == "interim") return w[2] != "pair" || w[4] in interim
    if (only == "unsure") return unsure_of(w) ~ /started_before|gap|truncated/
    if (only == "nameless") return unsure_of(w) ~ /hpack|gap/
    if (only == "networks") return networks[endpoints(w)] >= 2
    if (only == "views") return points[endpoints(w)] >= 2 || seen_otherwise(endpoints(w))
    if (only == "unacknowledged") return unacknowledged(w[3], w[4])
    if (only == "repeated") return times[w[1], question[w[3]]] >= 2
    if (only == "byte") return at_byte(side, fact, w)
    if (only == "sum") return same_sum(w)
    if (only == "head") return by_head(fact, w)
    if (only == "unheard") return !((other_side(side), w[1], endpoints(w)) in heard)
    return 0
}
function good(rule, side, fact,    w, other) {
    split(fact, w, " ")
    other = other_side(side)
    if (index(" " is[rule, "side"] " ", " " side " ") == 0 || fact !~ is[rule, "fact"]) return 0
    if ((rule, "frames") in is && !in_frames(rule, w)) return 0
    if ((rule, "stream") in is && !in_stream(rule, "stream", w)) return 0
    if ((rule, "also") in is && !in_stream(rule, "also", w)) return 0
    if ((rule, "twin") in is && !((other, is[rule, "twin"], endpoints(w), words(fact, is[rule, "twin"])) in twin)) return 0
    if ((rule, "beside") in is && !((other, is[rule, "beside"], endpoints(w), words(fact, is[rule, "beside"])) in beside)) return 0
    if ((rule, "unless") in is && (other, is[rule, "unless"], words(fact, is[rule, "unless"])) in has) return 0
    if ((rule, "incomplete") in is && !incomplete(fact, is[rule, "incomplete"])) return 0
    return !((rule, "only") in is) || holds(is[rule, "only"], side, fact, w)
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
        if (key == "twin" || key == "unless" || key == "beside") lists[is[rule, key]] = 1
    }
    next
}
FILENAME ~ /frames$/ {
    connection[$1] = $2; sequence[$1] = $7; acknowledged[$1] = $8; bytes[$1] = $9; sender[$1] = $10
    frame[$2, ++frames[$2]] = $1
    if ($4 != "-" && !(($2, $4) in network)) { network[$2, $4] = 1; networks[$2]++ }
    if ($5 != "-" && !(($2, $5) in point)) { point[$2, $5] = 1; points[$2]++ }
    if ($6 != "-" && !(($2, $6) in began)) { began[$2, $6] = 1; alike[$6, ++others[$6]] = $2; first[$2] = $6 }
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
    if (w[2] != "pair" && f[1] != "whole") unsure[w[1], w[3]] = f[1]
    if (w[2] == "request") { question[w[3]] = w[4] " " w[5]; times[w[1], w[4] " " w[5]]++ }
    next
}
FILENAME ~ /heads$/ {
    of_head[$0] = 1
    if ($4 !~ /^1(00|02|03)$/) head[connection[$3], $2, ++heads[connection[$3], $2]] = $3
    next
}
FILENAME ~ /(ours|theirs)$/ {
    side = FILENAME ~ /ours$/ ? "dissector" : "tshark"
    split($0, w, " ")
    heard[side, w[1], endpoints(w)] = 1
    if (side == "tshark" && w[1] == "HTTP" && w[2] == "response" && w[4] ~ /^1(00|02|03)$/) interim[w[3]] = 1
    if (side == "dissector" && w[2] == "pair") request_of[w[1], w[4]] = w[3]
    for (list in lists) has[side, list, words($0, list)] = beside[side, list, endpoints(w), words($0, list)] = 1
    key = side SUBSEP saying($0)
    says[key, ++said[key]] = $0
    if (w[1] == "TCP") {
        split(w[7] "/" w[8], counts, "/")
        key = side SUBSEP words($0, "3,4,5,6")
        for (i = 1; i <= 4; i++) total[key, i] += counts[i]
        sum[key] = total[key, 1] "/" total[key, 2] " " total[key, 3] "/" total[key, 4]
    }
    if (side == "tshark" && w[1] == "HTTP" && (w[2] == "request" || (w[2] == "response" && w[4] !~ /^1(00|02|03)$/))) {
        # In the order of the frames (the lines are sorted as text).
        c = connection[w[3]]
        for (i = ++order[c, w[2]]; i > 1 && place[c, w[2], i - 1] + 0 > w[3] + 0; i--) place[c, w[2], i] = place[c, w[2], i - 1]
        place[c, w[2], i] = w[3]
    }
    next
}
pass == 1 {
    split($0, f, "\t"); split(f[2], w, " ")
    for (list in lists) twin[f[1], list, endpoints(w), words(f[2], list)] = 1
    next
}
{
    split($0, f, "\t")
    for (i = 1; i <= rules; i++) if (good(names[i], f[1], f[2])) break
    print (i <= rules ? "(" names[i] ") " : "") f[1] ": " f[2]
}
