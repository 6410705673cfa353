# Facts, one a line, of what tshark says: from `tshark -T json --no-duplicate-keys` over the layers that tests/oracle/score.sh asks for. $keys: the endpoints of each frame's connection; $gaps: frames that
# show that packets are missing before them, by those endpoints.
# What tshark does not say of databases, which answer belongs to which command, follows from the order of the packets as each protocol has it.
def all($key): [.. | objects | select(has($key)) | .[$key] | if type == "array" then .[] else . end];
def each: if type == "array" then .[] elif . == null then empty else . end;
def low: if type == "array" then .[0] else . end | strings | ascii_downcase;
def yes: . == "1" or . == "True" or . == true;
def plain: gsub("[^!-~]+"; "_") | .[0:200];
def hex: {"0":0,"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":9,"a":10,"b":11,"c":12,"d":13,"e":14,"f":15} as $d | ltrimstr("0x") | low | [splits("")] | map(select(. != "")) | reduce .[] as $c (0; . * 16 + $d[$c]);
def bytes: split(":") | map(hex) | implode;
def arguments: [."resp.bulk_string" | each | objects | ."resp.bulk_string.value" // "" | if . == "" then . else bytes end];
# How many of the bytes from the first are a character of UTF-8 (RFC 3629), 0 where they are none; of one that is not ASCII.
def character: (if .[0] < 194 or .[0] > 244 then 0 elif .[0] < 224 then 2 elif .[0] < 240 then 3 else 4 end) as $n |
    if $n == 0 or length < $n or any(.[1:$n][]; . < 128 or . > 191) or (.[0] == 224 and .[1] < 160) or (.[0] == 237 and .[1] > 159) or (.[0] == 240 and .[1] < 144) or (.[0] == 244 and .[1] > 143) then 0 else $n end;
# An argument as redis-cli writes it, but for characters that are not ASCII, which stand as they are (and are one "_" here, see plain).
def quoted: def hex2: [(. / 16 | floor), . % 16] | map("0123456789abcdef"[.:. + 1]) | join("");
    if test("^[!#-&(-\\[\\]-~]+$") then . else explode as $all | "\"" + (reduce range($all | length) as $i ({text: "", left: 0}; $all[$i] as $c |
        (if .left > 0 then 0 elif $c > 127 then $all[$i:$i + 4] | character else 0 end) as $n |
        if .left > 0 then .left -= 1 elif $n > 0 then .text += "_" | .left = $n - 1
        else .text += ($c | if . == 34 then "\\\"" elif . == 92 then "\\\\" elif . == 10 then "\\n" elif . == 13 then "\\r" elif . == 9 then "\\t" elif . < 32 or . > 126 then "\\x" + hex2 else ([.] | implode) end) end) | .text) + "\"" end;

def http($frame):
    (all("http.request.method")[0]) as $method | (all("http.response.code")[0]) as $code |
    (if $method then "HTTP request \($frame) \($method | plain) \(all("http.request.uri")[0] // "" | plain) \(."http.host" // "" | each | plain | sub("_$"; ""))" else empty end),
    (if $code then "HTTP response \($frame) \($code)" else empty end),
    (if $code and ."http.request_in" then "HTTP pair \(."http.request_in") \($frame)" else empty end);

def dns($frame):
    (all("dns.flags.response")[0]) as $response | select($response != null) |
    (."dns.id" | ltrimstr("0x") | low) as $id | "\(all("dns.qry.name")[0] // "" | plain | low)/\(all("dns.qry.type")[0] // "")" as $question |
    if $response | yes then
        "DNS response \($frame) \($id) code=\(all("dns.flags.rcode")[0]) \($question) answers=\(."dns.count.answers" // ."dns.count.prerequisites")",
        ((.Answers // {} | objects | [.[] | objects | if has("dns.a") then "A=" + ."dns.a" elif has("dns.aaaa") then "AAAA=" + ."dns.aaaa" elif has("dns.cname") then "CNAME=" + (."dns.cname" | low) else empty end] | select(length > 0) | "DNS addresses \($frame) \($id) \(sort | join(","))")),
        (all("dns.response_to")[0] | values | "DNS pair \(.) \($frame)")
    else "DNS request \($frame) \($id) \($question)" end;

def tls($frame):
    ($keys["\($frame)"] // "?") as $key |
    (.. | objects | select(has("tls.handshake.type")) | ."tls.handshake.type" as $type |
        if $type == "1" then
            "TLS client \($frame) name=\(all("tls.handshake.extensions_server_name")[0] // "") ja3=\(all("tls.handshake.ja3")[0] // "") alpn=\(all("tls.handshake.extensions_alpn_str") | map(plain) | join(","))"
        elif $type == "2" then
            "TLS server \($frame) version=\((all("tls.handshake.extensions.supported_version")[0] // all("tls.handshake.version")[0]) | low) cipher=\(all("tls.handshake.ciphersuite")[0] | low) ja3s=\(all("tls.handshake.ja3s")[0] // "")",
            (all("tls.handshake.extensions_alpn_str")[0] | values | "TLS chosen \($frame) alpn=\(plain)")
        elif $type == "11" then
            (all("x509af.serialNumber")[0] // empty | gsub(":"; "") | sub("^0x"; "") | low | sub("^0+(?=.)"; "") | "TLS certificate \($key) \(.)")
        else empty end),
    (.. | objects | select(has("tls.alert_message.desc")) | "TLS alert \($key) \(."tls.alert_message.desc")");

# A line of text as the server splits it (quotes that do not end go to the end of the line, though the server refuses that); null where a byte is given by its number.
def split_line: if test("\\\\x") then null else
    reduce (explode + [32])[] as $c ({quote: 0, word: null, out: []};
        if .escaped then .word += [{"110":10,"114":13,"116":9,"98":8,"97":7}["\($c)"] // $c] | .escaped = false
        elif .back then .word += (if $c == 39 then [39] else [92, $c] end) | .back = false
        elif .quote == 34 and $c == 92 then .escaped = true
        elif .quote == 39 and $c == 92 then .back = true
        elif .quote != 0 and $c == .quote then .quote = 0
        elif .quote == 0 and ($c == 34 or $c == 39) then .quote = $c | .word = (.word // [])
        elif .quote == 0 and ($c == 32 or $c == 9) then if .word then .out += [.word | implode] | .word = null else . end
        else .word = (.word // []) + [$c] end) | if .quote == 0 then .out else .out + [.word[:-1] | implode] end end;
# Commands, a list of words each: arrays, or lines of text, which are "fragments" to tshark (null where it is neither).
def inline: bytes | select(endswith("\n")) | split("\n") | map(rtrimstr("\r") | select(. != "")) | select(all(.[]; test("^[A-Za-z]"))) | map(split_line) | select(all(.[]; .));
def commands($payload): if ."resp.fragment" == null then [."resp.array" | each | objects | arguments] elif ."resp.array" then null else [$payload | strings | inline][0] end;

def redis($frame; $client; $payload):
    # Everything from the server is an answer, of which errors are facts.
    if $client then commands($payload) // [."resp.array" | each | objects | arguments] | .[] | select(length > 0) | "REDIS command \($frame) \(map(quoted) | join(" ") | plain)"
    else (all("resp.error")[] | "REDIS error \($frame) \(plain)") end;

def postgresql($frame):
    ($keys["\($frame)"] // "?") as $key | ."pgsql.type" as $type |
    if $type == "Simple query" then "POSTGRESQL query \($frame) \(."pgsql.query" | plain)"
    elif $type == "Parse" then "POSTGRESQL parse \($key) \(."pgsql.query" // "" | plain)"
    elif $type == "Execute" then "POSTGRESQL execute \($frame)"
    elif $type == "SSL request" then "POSTGRESQL ssl \($frame)"
    elif $type == "Startup message" then
        [[."pgsql.parameter_name" | each], [."pgsql.parameter_value" | each]] | transpose | map({(.[0] // ""): .[1]}) | add | "POSTGRESQL startup \($frame) user=\(.user // "" | plain)"
    elif $type == "Error" then (all("pgsql.code")[0] | values | "POSTGRESQL error \($key) \(.)")
    elif $type == "Command completion" then "POSTGRESQL tag \($key) \(."pgsql.tag" // "" | plain)"
    else empty end;

def mysql($frame):
    (."mysql.request" | objects | "MYSQL command \($frame) \(."mysql.command") \(."mysql.query" // ."mysql.schema" // "" | plain)"),
    (."mysql.login_request" | objects | if (."mysql.user" // "") == "" and all("mysql.caps.sl")[0] == "1" then "MYSQL tls \($frame)" else "MYSQL login \($frame) user=\(."mysql.user" // "" | plain)" end),
    (."mysql.server_greeting" | objects | ."mysql.version" // empty | "MYSQL greeting \($keys["\($frame)"] // "?") \(.)"),
    (all("mysql.error_code")[0] | values | "MYSQL error \($frame) \(.)");

# What spans frames is gathered by connection, in the order of the frames: [{frame, stream, from, to, said: one layer}].
def spoken($layer): [.[] | . as $l | ($l.tcp | if type == "array" then last else . end) as $tcp | $l[$layer] | each | objects |
    {frame: $l.frame."frame.number", stream: $tcp."tcp.stream", from: $tcp."tcp.srcport", to: $tcp."tcp.dstport", payload: $tcp."tcp.payload", said: .}] | group_by(.stream)[] |
    ($gaps[$keys[.[0].frame] // ""] // []) as $missing |
    if $missing == [] then . else [., [null] + .[:-1]] | transpose | map((.[1].frame // "0" | tonumber) as $before | .[0] | (.frame | tonumber) as $at | .gap = any($missing[]; . > $before and . <= $at)) end;

# Answers come in the order of the commands. Behind a command that makes the server speak unasked, or not at all, the order alone does not tell; nor where tshark reads a piece as a "fragment" only. What waits at a gap may
# have been answered in it. A long array comes from tshark in pieces: `missing` elements are still to come.
def values_of: to_entries[] | select(.key | test("^resp\\.(string|error|integer|bulk_string|array)$")) | .value | each;
def redis_pairs: spoken("resp") | reduce .[] as $m ({asked: [], missing: 0, out: [], lost: false};
    if $m.gap then .asked = [] | .missing = 0 else . end |
    if .lost then .
    elif ($ports | index($m.to)) then
        ($m.said | commands($m.payload) | if . then map(map(ascii_downcase)) else null end) as $commands |
        if $commands == null or any($commands[]; .[0] == "subscribe" or .[0] == "psubscribe" or .[0] == "ssubscribe" or .[0] == "monitor" or .[0] == "psync" or .[0] == "sync" or .[0:2] == ["hello", "3"] or .[0:2] == ["client", "reply"] or .[0:2] == ["client", "tracking"])
        then .lost = true
        else .asked += [range($commands | length) | $m.frame] end
    elif $m.said."resp.fragment" != null then .lost = true
    else
        ([$m.said | values_of] | length) as $first | ([$m.said | .. | objects | values_of] | length) as $all | ([$m.said | .. | objects | ."resp.array.length"? // empty | tonumber | select(. > 0)] | add // 0) as $long |
        (.missing + (if .missing == 0 then $first else 0 end) + $long - $all) as $missing |
        ((if .missing > 0 then 1 else $first end) - (if $missing > 0 then 1 elif .missing > 0 then $missing else 0 end)) as $n | .missing = ([$missing, 0] | max) |
        .out += [range([$n, (.asked | length)] | min) as $i | "REDIS pair \(.asked[$i]) \($m.frame)"] | .asked = .asked[$n:] end) | .out[];

# A query is answered up to "Ready for query"; of the extended protocol each message has its answer, and behind an error none has until the next Sync.
def postgresql_answer($q): "POSTGRESQL pair \($q.frame) \($q.at)",
    "POSTGRESQL answer \($q.frame) \(if $q.error then "error=\($q.error)" else ($q.tags | join(",") | plain) + (if any($q.tags[]; test("^(SELECT|SHOW|FETCH)")) then " rows=\($q.rows)" else "" end) end)";
def postgresql_pairs: spoken("pgsql") | reduce .[] as $m ({asked: [], skipped: [], out: []};
    if $m.gap then .asked = [] else . end | $m.said."pgsql.type" as $type | {frame: $m.frame, kind: $type, tags: [], rows: 0, error: null, at: null} as $new |
    if $m.said."pgsql.frontend" == "1" or $m.said."pgsql.frontend" == true then
        if $type == "Simple query" or $type == "Execute" or $type == "Parse" or $type == "Sync" or $type == "Startup message" then .asked += [$new] else . end
    elif $type == "Data row" then (if (.asked | length) > 0 then first(.asked | to_entries[] | select(.value.kind != "Parse")).key as $i | .asked[$i].rows += 1 else . end)
    elif $type == "Parse completion" then (if .asked[0].kind == "Parse" then .asked = .asked[1:] else . end)
    elif $type == "Command completion" or $type == "Portal suspended" or $type == "Empty query" then
        (if $type == "Command completion" then [$m.said."pgsql.tag" // ""] else [] end) as $tags |
        if .asked[0].kind == "Simple query" then .asked[0].tags += $tags | .asked[0].at = $m.frame
        elif .asked[0].kind == "Execute" then .out += [postgresql_answer(.asked[0] | .tags += $tags | .at = $m.frame)] | .asked = .asked[1:]
        else . end
    elif $type == "Error" then
        $m.said."pgsql.code" as $code |
        if .asked[0].kind == "Simple query" or .asked[0].kind == "Startup message" then .asked[0].error = $code | .asked[0].at = $m.frame
            | if .asked[0].kind == "Startup message" then .out += [postgresql_answer(.asked[0])] | .asked = .asked[1:] else . end
        elif .asked[0].kind == "Parse" or .asked[0].kind == "Execute" then
            (.asked | map(.kind) | index("Sync") // length) as $sync |
            (first(.asked[:$sync][] | select(.kind == "Execute")) // .asked[0]) as $failed |
            .out += [postgresql_answer($failed | .error = $code | .at = $m.frame)] | .skipped = ([.asked[:$sync][] | select(.kind == "Execute")])[1:] | .asked = .asked[$sync:]
        else . end
    elif $type == "Ready for query" then
        if .asked[0].kind == "Simple query" then .out += [postgresql_answer(.asked[0] | .at = $m.frame)] | .asked = .asked[1:]
        elif .asked[0].kind == "Startup message" then .out += ["POSTGRESQL pair \(.asked[0].frame) \($m.frame)"] | .asked = .asked[1:]
        elif .asked[0].kind == "Sync" then .out += [.skipped[] | "POSTGRESQL pair \(.frame) \($m.frame)", "POSTGRESQL answer \(.frame) skipped"] | .skipped = [] | .asked = .asked[1:] else . end
    else . end) | .out[];

# The number of a packet begins anew with each command: the command has 0, the answer 1 and on (after 255 comes 0). COM_QUIT, COM_STMT_SEND_LONG_DATA and COM_STMT_CLOSE have no answer. A log-in ends with OK or an error;
# an error 65535 is MariaDB's report of progress.
def mysql_answer: "MYSQL pair \(.frame) \(.at)", (if .error then "MYSQL answer \(.frame) error=\(.error)" elif .login then empty else "MYSQL answer \(.frame) affected=\(.affected)" end);
def mysql_pairs: spoken("mysql") | reduce .[] as $m ({asked: [], open: null, before: "", client: "", out: []};
    if $m.gap then .asked = [] | if .open.at then .out += [.open] else . end | .open = null else . end |
    $m.said."mysql.packet_number" as $number | {frame: $m.frame, at: null, error: null, affected: 0} as $new |
    if $m.said."mysql.login_request" then .client = $m.from | .open = if ($m.said."mysql.login_request"."mysql.user" // "") == "" then null else $new + {login: true} end
    elif $m.said."mysql.request" and $number == "0" then .client = $m.from | ($m.said."mysql.request"."mysql.command") as $command | if $command == "1" or $command == "24" or $command == "25" then . else .asked += [$new] end
    elif $m.from == .client or .client == "" then .
    else
        (if $number == "1" and .before != "0" and (.asked | length) > 0 then (if .open.at then .out += [.open] else . end) | .open = .asked[0] | .asked = .asked[1:] else . end) | .before = $number |
        if .open and (.open.done | not) then .open.at = $m.frame | .open.error = (([$m.said."mysql.error_code" | select(. != null and . != "65535")][0]) // .open.error)
            | .open.affected += ($m.said."mysql.affected_rows" // "0" | tonumber) | .open.done = (.open.login == true and ($m.said."mysql.response_code" | . == "0x00" or . == "0xff"))
        else . end
    end) | (.out[], (.open | select(.at))) | mysql_answer;

def http2_frames: [.[] | . as $l | .http2 | each | objects | ."http2.stream" | each | objects | select(has("http2.type")) | ."http2.type" as $type | select($type == "0" or $type == "1" or $type == "9" or $type == "5") |
    {frame: $l.frame."frame.number", from: "\($l.tcp."tcp.stream") \(all("http2.push_promise.promised_stream_id")[0] // ."http2.streamid")", side: (if $type == "5" then $l.tcp."tcp.dstport" else $l.tcp."tcp.srcport" end), type: $type, end: ($type == "9" or (all("http2.flags.end_stream")[0] // "0" | yes)),
     method: all("http2.headers.method")[0], path: all("http2.headers.path")[0], host: all("http2.headers.authority")[0], status: all("http2.headers.status")[0], grpc: (all("http2.headers.content_type")[0] // "" | startswith("application/grpc")),
     grpc_status: ([.. | objects | select(."http2.header.name"? == "grpc-status") | ."http2.header.value"][0]), messages: ([$l.grpc | each | objects | ."grpc.message_length" | each])}];
def http2:
    http2_frames | group_by(.from)[] |
    (map(select(.method))[0]) as $request | (map(select(.status and .status != "100" and .status != "103"))[0]) as $response |
    ($request.side // "") as $client |
    # Where a reset, or the end of the capture, comes before END_STREAM, the last frame that there was.
    def at_end(f): (map(select(f and .end)) | last | .frame) // (map(select(f)) | last | .frame);
    at_end(.side == $client) as $request_at | at_end(.side != $client) as $response_at |
    (if $request then "HTTP/2 request \($request_at) \($request.method | plain) \($request.path // "" | plain) \($request.host // "" | plain)" else empty end),
    (if $response then "HTTP/2 response \($response_at) \($response.status)" else empty end),
    (if $request and $response then "HTTP/2 pair \($request_at) \($response_at)" else empty end),
    (if $request.grpc then "GRPC call \($request_at) \($request.path // "" | split("/") | last | plain)" else empty end),
    (map(select(.side != $client and .grpc_status))[0] as $trailer | if $request.grpc and $trailer then "GRPC status \($trailer.frame) \($trailer.grpc_status)" else empty end);

def websocket_frames: [.[] | . as $l | .websocket | each | objects | {frame: $l.frame."frame.number", from: "\($l.tcp."tcp.stream") \($l.tcp."tcp.srcport")", masked: ."websocket.mask",
    opcode: ."websocket.opcode", fin: (."websocket.fin" | yes), length: ((."websocket.payload_length_ext_64" // ."websocket.payload_length_ext_16" // ."websocket.payload_length") | tonumber)}];
def websocket:
    websocket_frames | group_by(.from)[] | reduce .[] as $f ({open: null, out: []};
        if ($f.opcode | tonumber) >= 8 then .out += [$f]
        else .open = (if $f.opcode == "0" and .open then .open | .length += $f.length else $f end) | if $f.fin then .out += [.open + {frame: $f.frame}] | .open = null else . end end) |
    .out[] | "WS message \(.frame) \(.opcode) \(.length)";

([.[]._source.layers]) as $all |
($all | http2), ($all | websocket), ($all | redis_pairs), ($all | postgresql_pairs), ($all | mysql_pairs),
($all[] | (.frame."frame.number") as $frame |
    (.http | each | objects | http($frame)),
    ((.dns, .mdns | each | objects) | dns($frame)),
    (.tls | each | objects | tls($frame)),
    (.dtls | each | objects | walk(if type == "object" then with_entries(.key |= sub("^dtls[.]"; "tls.")) else . end) | tls($frame)),
    (.tcp as $tcp | .resp | each | objects | redis($frame; ($tcp | if type == "array" then .[0] else . end | ."tcp.dstport" as $port | ($ports | index($port)) != null); ($tcp | if type == "array" then .[0] else . end | ."tcp.payload"))),
    (.pgsql | each | objects | postgresql($frame)),
    (.mysql | each | objects | mysql($frame)))
