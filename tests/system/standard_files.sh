#!/bin/bash
# tshark, capinfos and lz4 accept every sealed segment, every part of a snapshot and every export, without a word of complaint; packet counts agree with the manifest everywhere.
. "$(dirname "$0")/lib.sh"
start_test
up_start 256Mi
from=$(now_rfc3339)
# Small and larger packets, two seconds of nothing (timed flushes make blocks of one packet), then a burst.
send --rate 2000 --count 4000 --flows 4
first=$SENT
sleep 2
send --rate 40000 --count 40000 --start $first --flows 4
sent=$((first + SENT))
settle 0.2
to=$(now_rfc3339)
snapshot_create files --from "$from" --to "$to"
folder=$(snapshot_folder files)
manifest=$folder/manifest.json

accept() { # FILE: every stock tool takes it; capinfos counts packets ($COUNT), tshark operating-system events as well ($FRAMES)
    local file=$1 quiet
    case $file in *.lz4) lz4 -t "$file" 2>"$WORK/lz4.err" || { cat "$WORK/lz4.err" >&2; fail "lz4 -t $file"; } ;; esac
    capinfos -M "$file" >"$WORK/capinfos" 2>&1 || { cat "$WORK/capinfos" >&2; fail "capinfos $file"; }
    if grep -qiE 'cut short|damaged|corrupt|isn.t|error' "$WORK/capinfos"; then cat "$WORK/capinfos" >&2; fail "capinfos complains about $file"; fi
    COUNT=$(awk -F': *' '/Number of packets/ { print $2 }' "$WORK/capinfos")
    quiet=$(tshark -n -r "$file" -T fields -e frame.number 2>"$WORK/tshark.err" | tail -n 1)
    if grep -v 'Running as user' "$WORK/tshark.err" | grep -q .; then cat "$WORK/tshark.err" >&2; fail "tshark complains about $file"; fi
    FRAMES=${quiet:-0}
}

objects=0
while IFS=$'\t' read -r path packets canaries events bytes sha; do
    accept "$folder/$path"
    equal "$COUNT" $((packets + canaries)) "packets and canaries of $path, by capinfos"
    equal "$FRAMES" $((packets + canaries + events)) "packets, canaries and events of $path, by tshark"
    equal "$(stat -c %s "$folder/$path")" "$bytes" "bytes of $path"
    equal "$(sha256sum <"$folder/$path" | cut -d' ' -f1)" "$sha" "SHA-256 of $path"
    objects=$((objects + 1))
done < <(jq -r '.objects[] | select(.kind == "segment") | [.path, .packets // "0", .canaries // "0", .events // "0", .bytes, .sha256] | @tsv' "$manifest")
at_least $objects 4 "segments in the snapshot"
[ -z "$(find "$folder" -perm /222 -type f)" ] || fail "files of a finished snapshot can be written: $(find "$folder" -perm /222 -type f | head -n 3)"

for format in pcapng pcap; do
    snapshot_export files --format $format --output "$WORK/export.$format"
    accept "$WORK/export.$format"
    equal "$COUNT" "$(jq -r .packets "$manifest")" "packets of the $format export and the manifest"
    equal "$FRAMES" "$COUNT" "frames that tshark and capinfos count in the $format export"
    grep -q 'nanoseconds' "$WORK/capinfos" || fail "capinfos does not say nanoseconds of the $format export"
    check_traffic "$WORK/export.$format" --count $sent --flows 4
done
# Every sealed segment of the tape: stopping seals what was open.
up_stop
segments=0
while read -r file; do
    accept "$file"
    segments=$((segments + 1))
    [ -s "$file.idx" ] || [ -s "${file%.pcapng.lz4}.idx" ] || fail "$file has no index beside it"
done < <(sealed_segments)
at_least $segments 4 "sealed segments"
# The check is alive: a segment without its last bytes is refused by one of the three.
head -c -3 "$(sealed_segments | head -n 1)" >"$WORK/cut.pcapng.lz4"
(accept "$WORK/cut.pcapng.lz4") 2>/dev/null && fail "a cut segment was accepted"
no_sanitizer_report
say "passed: $segments segments, $objects parts"
