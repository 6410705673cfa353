# Facts, one a line, of what the dissector says: from its NDJSON with --redact off. The same lines as theirs.jq.
def low: ascii_downcase;
def plain: gsub("[^!-~]+"; "_") | .[0:200];
def hex4: . as $n | [12, 8, 4, 0] | map(($n / pow(2; .) | floor) % 16 | "0123456789abcdef"[.:. + 1]) | join("");
def question: ((.dns_questions // [""])[0] | plain | low | if . == "." then "<root>" else . end) + "/" + ((.dns_question_types // [""])[0] | if . == "" then "" else ($types[.] // ltrimstr("TYPE") | tostring) end);
def key: [.src, .dst] | map("\(.ip)_\(.port)") | sort | join("-");
def pair($name): if .request_at and .response_at then "\($name) pair \(.request_at.frame) \(.response_at.frame)" else empty end;

# Without a Host header, the host of CONNECT is that of the target (RFC 9110, 9.3.6); tshark shows none.
def host: if .method == "CONNECT" and .host == .url and (.request.headers // {} | has("host") | not) then "" else .host // "" end;
def http:
    (if .method then "HTTP request \(.request_at.frame) \(.method | plain) \(.url // "" | plain) \(host | plain)" else empty end),
    (if .status_code then "HTTP response \(.response_at.frame) \(.status_code)" else empty end),
    (if .status_code and .method then pair("HTTP") else empty end);
def http2:
    (if .method then "HTTP/2 request \(.request_at.frame) \(.method | plain) \(.url // "" | plain) \(.host // "" | plain)" else empty end),
    (if .status_code then "HTTP/2 response \(.response_at.frame) \(.status_code)" else empty end),
    (if .status_code and .method then pair("HTTP/2") else empty end);
def grpc:
    (if .request_at then "GRPC call \(.request_at.frame) \(.grpc_method // "" | plain)" else empty end),
    (if .response_at and .grpc_status then "GRPC status \(.response_at.frame) \(.grpc_status)" else empty end);
def websocket:
    ({"continuation":0,"text":1,"binary":2,"close":8,"ping":9,"pong":10}) as $opcodes |
    "WS message \((.request_at // .response_at).frame) \($opcodes[.ws_opcode] // .ws_opcode) \(.ws_request_payload_length // .ws_response_payload_length // 0)";
def dns:
    (.response_at.frame // .request_at.frame) as $last | (.dns_id // 0 | hex4) as $id |
    (if .dns_request then "DNS request \(.request_at.frame) \($id) \(question)" else empty end),
    (if .dns_response then "DNS response \($last) \($id) code=\((.status_code // 0) % 16) \(question) answers=\((.dns_answers // []) | length)",
        ([.dns_answer_types // [], .dns_answers // []] | transpose | map(select((.[0] == "A" or .[0] == "AAAA" or .[0] == "CNAME") and .[1] != "") | "\(.[0])=\(.[1] | low)") | select(length > 0) | "DNS addresses \($last) \($id) \(sort | join(","))")
        else empty end),
    (if .dns_request and .dns_response then pair("DNS") else empty end);
def tls:
    key as $key | (.response_at.frame // .request_at.frame) as $last |
    (if .tls_request_size then "TLS client \(.request_at.frame) name=\(.tls_sni // "") ja3=\(.tls_ja3 // "") alpn=\(.tls_alpn_offered // [] | map(plain) | join(","))" else empty end),
    (if .tls_response_size and .tls_ja3s then "TLS server \($last) version=\(.tls_version // "" | if test("draft") then "0x7f" + (capture("draft (?<n>[0-9]+)").n | tonumber | hex4 | .[2:]) else $versions[.] // . end) cipher=\($ciphers[.tls_cipher // ""] // .tls_cipher) ja3s=\(.tls_ja3s // "")" else empty end),
    (if .tls_alpn then "TLS chosen \($last) alpn=\(.tls_alpn | plain)" else empty end),
    (if .tls_certificate_serial then "TLS certificate \($key) \(.tls_certificate_serial | sub("^0+(?=.)"; ""))" else empty end),
    (if .tls_alert then "TLS alert \($key) \(.tls_alert | sub("^[a-z]* "; "") | ($alerts[.] // .))" else empty end);
def redis:
    (if .request_at then "REDIS command \(.request_at.frame) \(.redis_command // "" | plain)" else empty end),
    pair("REDIS"),
    (if .redis_error then "REDIS error \(.response_at.frame) \(.redis_error | plain)" else empty end);
def postgresql:
    key as $key | .postgresql_command as $c |
    (if $c == "Query" then "POSTGRESQL query \(.request_at.frame) \(.postgresql_query // "" | plain)"
    elif $c == "Execute" then "POSTGRESQL execute \(.request_at.frame)", (.postgresql_query // empty | "POSTGRESQL parse \($key) \(plain)")
    elif $c == "Parse" then "POSTGRESQL parse \($key) \(.postgresql_query // "" | plain)"
    elif $c == "SSLRequest" then "POSTGRESQL ssl \(.request_at.frame)"
    elif $c == "StartupMessage" then "POSTGRESQL startup \(.request_at.frame) user=\(.postgresql_user // "" | plain)"
    else empty end),
    (if (.request_at and .response_at) and ($c == "Query" or $c == "Execute" or $c == "StartupMessage" or ($c == "Parse" and .postgresql_error_code)) then pair("POSTGRESQL"),
        (if .postgresql_error_message // "" | startswith("not executed") then "POSTGRESQL answer \(.request_at.frame) skipped"
        elif .postgresql_error_code then "POSTGRESQL answer \(.request_at.frame) error=\(.postgresql_error_code)"
        elif $c == "StartupMessage" then empty
        else "POSTGRESQL answer \(.request_at.frame) \(.postgresql_command_tag // "" | gsub(", "; ",") | plain)" + (if .postgresql_command_tag // "" | test("(^|, )(SELECT|SHOW|FETCH)") then " rows=\(.postgresql_rows // 0)" else "" end) end)
    else empty end),
    (if .postgresql_error_code then "POSTGRESQL error \($key) \(.postgresql_error_code)" else empty end),
    (if .postgresql_command_tag and $c != "SSLRequest" then (.postgresql_command_tag | split(", ")[] | "POSTGRESQL tag \($key) \(plain)") else empty end);
def mysql:
    key as $key | .mysql_command as $c |
    (if $c == "HANDSHAKE" then "MYSQL login \(.request_at.frame) user=\(.mysql_user // "" | plain)"
    elif $c == "SSL_REQUEST" then "MYSQL tls \(.request_at.frame)"
    elif ($c // "" | startswith("COM_")) and .request_at then "MYSQL command \(.request_at.frame) \($commands[$c] // $c) \(if $c == "COM_QUERY" or $c == "COM_STMT_PREPARE" then .mysql_query elif $c == "COM_INIT_DB" then .mysql_database else null end // "" | plain)"
    else empty end),
    (if .mysql_server_version then "MYSQL greeting \($key) \(.mysql_server_version)" else empty end),
    (if .request_at and .response_at and .mysql_command != "SSL_REQUEST" then pair("MYSQL"),
        (if .mysql_error_code then "MYSQL answer \(.request_at.frame) error=\(.mysql_error_code)" elif $c == "HANDSHAKE" then empty else "MYSQL answer \(.request_at.frame) affected=\(.mysql_affected_rows // 0)" end)
    else empty end),
    (if .mysql_error_code then "MYSQL error \(.response_at.frame) \(.mysql_error_code)" else empty end);
def tcp:
    [["\(.src.ip) \(.src.port)", "\(.conn_local_pkts // 0)/\(.conn_local_bytes // 0)"], ["\(.dst.ip) \(.dst.port)", "\(.conn_remote_pkts // 0)/\(.conn_remote_bytes // 0)"]] | sort | "TCP connection \(.[0][0]) \(.[1][0]) \(.[0][1]) \(.[1][1])";

# (-n) The request that an upgrade to HTTP/2 came with is answered as the first stream.
foreach inputs as $entry ({}; {entry: $entry, switched: (.switched + if $entry.status_code == 101 then {"\($entry.request_at.frame)": true} else {} end)}; .switched as $switched | .entry | "\(.incomplete // "whole")\t\(.conn_id)\t" + (
if .protocol == "HTTP" and .http_version != "2" and .status_code != 101 and .request_at and $switched["\(.request_at.frame)"] then "HTTP/2 response \(.response_at.frame) \(.status_code)"
elif .protocol == "HTTP" and .http_version != "2" then http
elif .protocol == "HTTP" then http2
elif .protocol == "GRPC" then http2, grpc
elif .protocol == "GQL" then if .http_version == "2" then http2 else http end
elif .protocol == "WS" then websocket
elif .protocol == "DNS" then dns
elif .protocol == "TLS" then tls
elif .protocol == "REDIS" then redis
elif .protocol == "POSTGRESQL" then postgresql
elif .protocol == "MYSQL" then mysql
elif .protocol == "TCP" then tcp
else empty end))
