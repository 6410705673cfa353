#!/bin/bash
# A capture of a link type that is not known is no success without rows: the dissector names file, link type and packets, and ends with 3; what can be read beside it is. Packets without IP are counted in the closing line.
. "$(dirname "$0")/lib.sh"
need_command jq
need_built "$BIN/dissector"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tapeloop-$TEST.XXXXXX")

# The header of a pcap file (little-endian, microseconds); one packet of 42 bytes with what stands at byte 12 of it.
header() { printf '\xd4\xc3\xb2\xa1\x02\x00\x04\x00\0\0\0\0\0\0\0\0\x00\x00\x04\x00%b\0\0' "$1"; }
packet() { printf '\x01\0\0\0\0\0\0\0\x2a\0\0\0\x2a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0%b' "$1"; head -c 28 /dev/zero; }
{ header '\xbd\x00'; packet '\x08\x00'; packet '\x08\x00'; } >"$WORK/usb.pcap"
{ header '\x01\x00'; packet '\x88\xcc'; packet '\x08\x06'; } >"$WORK/lldp.pcap"

run() { # FILE OPTION...
    local input=$1
    shift
    code=0
    "$BIN/dissector" --input "$input" --work "$WORK" --output "$WORK/out" "$@" 2>"$WORK/err" || code=$?
}
for workers in 1 2; do
    run "$WORK/usb.pcap" --workers $workers
    [ $code = 3 ] || fail "a capture that cannot be read ends with $code by $workers workers"
    grep -q "usb.pcap: 2 packets are not read, of link type 189 (USB_LINUX); known are .*ETHERNET" "$WORK/err" || { cat "$WORK/err" >&2; fail "the link type is not named"; }
    [ ! -s "$WORK/out" ] || fail "entries of a capture that cannot be read"

    run "$WORK/usb.pcap" --input "$ROOT/tests/golden/http1.pcap" --workers $workers
    [ $code = 3 ] || fail "one capture of two that cannot be read ends with $code"
    [ "$(wc -l <"$WORK/out")" = "$(wc -l <"$ROOT/tests/golden/http1.ndjson")" ] || fail "the other capture was not read"

    run "$WORK/lldp.pcap" --workers $workers
    [ $code = 0 ] || { cat "$WORK/err" >&2; fail "packets without IP end with $code"; }
    grep -q "2 packets hold no IP" "$WORK/err" || { cat "$WORK/err" >&2; fail "packets without IP are not counted"; }
done
