# Facts, one a line, of what tshark says: from `tshark -T json --no-duplicate-keys` over the layers that tests/oracle/score.sh asks for.
def all($key): [.. | objects | select(has($key)) | .[$key] | if type == "array" then .[] else . end];
def each: if type == "array" then .[] elif . == null then empty else . end;
def low: if type == "array" then .[0] else . end | strings | ascii_downcase;
def yes: . == "1" or . == "True" or . == true;
def plain: gsub("[^!-~]+"; "_") | .[0:200];
def hex: {"0":0,"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":9,"a":10,"b":11,"c":12,"d":13,"e":14,"f":15} as $d | ltrimstr("0x") | low | [splits("")] | map(select(. != "")) | reduce .[] as $c (0; . * 16 + $d[$c]);
def bytes: split(":") | map(hex) | implode;
# An argument as redis-cli writes it.
def quoted: def hex2: [(. / 16 | floor), . % 16] | map("0123456789abcdef"[.:. + 1]) | join("");
    if test("^[!#-&(-\\[\\]-~]+$") then . else "\"" + ([explode[] | if . == 34 then "\\\"" elif . == 92 then "\\\\" elif . == 10 then "\\n" elif . == 13 then "\\r" elif . == 9 then "\\t"
        elif . < 32 or . > 126 then "\\x" + hex2 else ([.] | implode) end] | join("")) + "\"" end;

def http($frame):
    (all("http.request.method")[0]) as $method | (all("http.response.code")[0]) as $code |
    (if $method then "HTTP request \($frame) \($method | plain) \(all("http.request.uri")[0] // "" | plain) \(."http.host" // "" | each | plain)" else empty end),
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
    . as $layer |
    (.. | objects | select(has("tls.handshake.type")) | ."tls.handshake.type" as $type |
        if $type == "1" then
            "TLS client \($frame) name=\(all("tls.handshake.extensions_server_name")[0] // "") ja3=\(all("tls.handshake.ja3")[0] // "") alpn=\(all("tls.handshake.extensions_alpn_str") | map(plain) | join(","))"
        elif $type == "2" then
            "TLS server \($frame) version=\((all("tls.handshake.extensions.supported_version")[0] // all("tls.handshake.version")[0]) | low) cipher=\(all("tls.handshake.ciphersuite")[0] | low) ja3s=\(all("tls.handshake.ja3s")[0] // "")",
            (all("tls.handshake.extensions_alpn_str")[0] | values | "TLS chosen \($frame) alpn=\(plain)")
        elif $type == "11" then
            (all("x509af.serialNumber")[0] // empty | gsub(":"; "") | sub("^0x"; "") | low | sub("^0+(?=.)"; "") | "TLS certificate \(.)")
        else empty end),
    (.. | objects | select(has("tls.alert_message.desc")) | "TLS alert \(."tls.alert_message.desc")");

def redis($frame; $client):
    # A command is an array of strings; everything from the server is an answer, of which errors are facts.
    if $client then
        (."resp.array" | each | objects | all("resp.bulk_string.value") | select(length > 0) | "REDIS command \($frame) \(map(if . == "" then . else bytes end | quoted) | join(" ") | plain)")
    else (all("resp.error")[] | "REDIS error \($frame) \(plain)") end;

def postgresql($frame):
    ."pgsql.type" as $type |
    if $type == "Simple query" then "POSTGRESQL query \($frame) \(."pgsql.query" | plain)"
    elif $type == "Parse" then "POSTGRESQL parse \(."pgsql.query" // "" | plain)"
    elif $type == "Execute" then "POSTGRESQL execute \($frame)"
    elif $type == "SSL request" then "POSTGRESQL ssl \($frame)"
    elif $type == "Startup message" then
        [[."pgsql.parameter_name" | each], [."pgsql.parameter_value" | each]] | transpose | map({(.[0] // ""): .[1]}) | add | "POSTGRESQL startup \($frame) user=\(.user // "" | plain)"
    elif $type == "Error" then (all("pgsql.code")[0] | values | "POSTGRESQL error \(.)")
    elif $type == "Command completion" then "POSTGRESQL tag \(."pgsql.tag" // "" | plain)"
    else empty end;

def mysql($frame):
    (."mysql.request" | objects | "MYSQL command \($frame) \(."mysql.command") \(."mysql.query" // ."mysql.schema" // "" | plain)"),
    (."mysql.login_request" | objects | if (."mysql.user" // "") == "" and all("mysql.caps.sl")[0] == "1" then "MYSQL tls \($frame)" else "MYSQL login \($frame) user=\(."mysql.user" // "" | plain)" end),
    (."mysql.server_greeting" | objects | ."mysql.version" // empty | "MYSQL greeting \(.)"),
    (all("mysql.error_code")[0] | values | "MYSQL error \($frame) \(.)");

# What spans frames is gathered first: frames of HTTP/2 by stream and side, of WebSocket by connection and side.
def http2_frames: [.[] | . as $l | .http2 | each | objects | ."http2.stream" | each | objects | select(has("http2.type")) | ."http2.type" as $type | select($type == "0" or $type == "1" or $type == "9" or $type == "5") |
    {frame: $l.frame."frame.number", from: "\($l.tcp."tcp.stream") \(all("http2.push_promise.promised_stream_id")[0] // ."http2.streamid")", side: (if $type == "5" then $l.tcp."tcp.dstport" else $l.tcp."tcp.srcport" end), type: $type, end: ($type == "9" or (all("http2.flags.end_stream")[0] // "0" | yes)),
     method: all("http2.headers.method")[0], path: all("http2.headers.path")[0], host: all("http2.headers.authority")[0], status: all("http2.headers.status")[0], grpc: (all("http2.headers.content_type")[0] // "" | startswith("application/grpc")),
     grpc_status: ([.. | objects | select(."http2.header.name"? == "grpc-status") | ."http2.header.value"][0]), messages: ([$l.grpc | each | objects | ."grpc.message_length" | each])}];
def http2:
    http2_frames | group_by(.from)[] |
    (map(select(.method))[0]) as $request | (map(select(.status and .status != "100" and .status != "103"))[0]) as $response |
    ($request.side // "") as $client |
    ((map(select(.side == $client and .end)) | last | .frame) // $request.frame) as $request_at | ((map(select(.side != $client and .end)) | last | .frame) // $response.frame) as $response_at |
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
($all | http2), ($all | websocket),
($all[] | (.frame."frame.number") as $frame |
    (.http | each | objects | http($frame)),
    ((.dns, .mdns | each | objects) | dns($frame)),
    (.tls | each | objects | tls($frame)),
    (.tcp as $tcp | .resp | each | objects | redis($frame; ($tcp | if type == "array" then .[0] else . end | ."tcp.dstport" as $port | ($ports | index($port)) != null))),
    (.pgsql | each | objects | postgresql($frame)),
    (.mysql | each | objects | mysql($frame)))
