#!/bin/bash
# Verify: a bit flipped, a block taken out, a file cut, a file grown by zeros, in a segment of the tape and in a snapshot; and in a snapshot also in its index and manifest, and a file gone: each is named by
# `verify`. What was not touched passes.
. "$(dirname "$0")/lib.sh"
start_test
up_start 128Mi
from=$(now_rfc3339)
send --rate 20000 --count 40000
settle 0.2
to=$(now_rfc3339)
snapshot_create kept --from "$from" --to "$to"
folder=$(snapshot_folder kept)
segment=$(sealed_segments | head -n 1)
index=$segment.idx
[ -e "$index" ] || index=${segment%.pcapng.lz4}.idx
name=$(basename "$segment")

# Offsets of the LZ4 blocks behind the frame header: word, bytes, word, ... up to the end mark.
block_offsets() {
    local at=7 word
    while word=$(od -An -tu4 -j $at -N 4 "$1" | tr -d ' ') && [ "${word:-0}" != 0 ]; do
        echo "$at $((4 + (word & 0x7fffffff)))"
        at=$((at + 4 + (word & 0x7fffffff)))
    done
}
block_out() { # FILE: takes the middle block out
    local -a blocks
    local at size
    mapfile -t blocks < <(block_offsets "$1")
    at_least ${#blocks[@]} 3 "blocks of $1"
    read -r at size <<<"${blocks[$((${#blocks[@]} / 2))]}"
    { head -c "$at" "$1"; tail -c +$((at + size + 1)) "$1"; } >"$WORK/without"
    cp "$WORK/without" "$1"
}
harm() { # KIND FILE
    local size
    size=$(stat -c %s "$2")
    chmod u+w "$2"
    case $1 in
    flipped) bit_flip "$2" $((size * ${PLACE:-50} / 100)) ;;
    block) block_out "$2" ;;
    cut) truncate -s $((size - ${BYTES:-100})) "$2" ;;
    grown) truncate -s $((size + 4096)) "$2" ;;
    gone) rm "$2" ;;
    edited) sed -i '0,/"packets": *"[0-9]*"/s//"packets": "7"/' "$2" ;; # one number, everything else well formed
    esac
}

# A segment of the tape, by hand.
mkdir "$WORK/tape"
segment_fresh() { rm -f "$WORK"/tape/*; cp "$segment" "$index" "$WORK/tape/"; }
segment_verify() { "$BIN/tapeloop" segment verify "$WORK/tape/$name"; }
segment_fresh
segment_verify >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; fail "an untouched segment is refused"; }
for kind in flipped block cut grown; do
    segment_fresh
    harm $kind "$WORK/tape/$name"
    must_fail "segment, $kind" segment_verify
    grep -q "$name" "$WORK/must_fail.out" || { cat "$WORK/must_fail.out" >&2; fail "segment, $kind: not named"; }
    say "segment, $kind: $(grep -m1 -i -E "$name" "$WORK/must_fail.out" | sed "s|$WORK||g")"
done
for place in 1 20 80 99; do # header, blocks, the tail
    segment_fresh
    PLACE=$place harm flipped "$WORK/tape/$name"
    must_fail "segment, a bit flipped at $place %" segment_verify
done
segment_fresh
BYTES=1 harm cut "$WORK/tape/$name"
must_fail "segment, cut by one byte" segment_verify
segment_fresh
harm flipped "$WORK/tape/$(basename "$index")"
must_fail "segment, its index flipped" segment_verify

# A snapshot, through the bus.
cp -a "$folder" "$WORK/fresh"
snapshot_fresh() { # the same folder again, so that the service needs no restart
    find "$folder" -mindepth 1 -type d -exec chmod u+w {} +
    chmod u+w "$folder"
    find "$folder" -mindepth 1 -delete
    cp -a "$WORK/fresh/." "$folder/"
}
mapfile -t objects < <(jq -r '.objects[].path' "$folder/manifest.json")
part=$(jq -r '[.objects[] | select(.kind == "segment")][0].path' "$folder/manifest.json")
part_index=$(jq -r '[.objects[] | select(.kind == "index")][0].path // empty' "$folder/manifest.json")
at_least ${#objects[@]} 2 "objects in the snapshot"
tl snapshot verify kept >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; fail "an untouched snapshot is refused"; }
snapshot_harmed() { # KIND OBJECT
    find "$folder" -type d -exec chmod u+w {} +
    harm "$1" "$folder/$2"
    must_fail "snapshot, $2 $1" tl snapshot verify kept
    grep -qF "$(basename "$2")" "$WORK/must_fail.out" || { cat "$WORK/must_fail.out" >&2; fail "snapshot, $2 $1: not named"; }
    say "snapshot, $1: $(grep -m1 -F "$(basename "$2")" "$WORK/must_fail.out")"
    snapshot_fresh
}
for kind in flipped block cut grown gone; do snapshot_harmed $kind "$part"; done
[ -z "$part_index" ] || for kind in flipped cut grown gone; do snapshot_harmed $kind "$part_index"; done
for kind in flipped cut edited; do snapshot_harmed $kind manifest.json; done
tl snapshot verify kept >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; fail "the snapshot, whole again, is refused"; }
tl snapshot verify --json kept | jq -e '.intact == true' >/dev/null || fail "verify --json does not say intact"
up_stop
no_sanitizer_report
say passed
