#!/bin/bash
# The bus gone under traffic: the capturer records on, and afterwards the stream SEGMENTS has every sealed segment exactly once and in order, and the snapshot over the whole time has every packet.
# Then the same with the capturer killed while the bus is away.
. "$(dirname "$0")/lib.sh"
start_test
away=$(quick_or_full 8 30)
plain() { in_net "$ROOT/tests/system/plain_nats.bash" "$@"; }
nats_start
streams_apply
capturer_start 1Gi
snapshotter_start
from=$(now_rfc3339)
send_start --rate 15000
sleep 2
end nats KILL
say "bus away for $away s"
sleep $((away / 2))
before=$(sealed_segments | wc -l)
sleep $((away - away / 2))
alive "${PID_OF[capturer]}" || fail "the capturer ended with the bus"
[ "$(sealed_segments | wc -l)" -gt "$before" ] || fail "no segment was sealed while the bus was away"
nats_start
sleep 2
send_stop
first=$SENT
settle
to=$(now_rfc3339)
wait_for 30 "a snapshot after the bus came back" tl snapshot create whole --from "$from" --to "$to" --wait
snapshot_export whole --output "$WORK/whole.pcapng"
check_traffic "$WORK/whole.pcapng" --count "$first"

# Ids in the stream, in the order of the stream: header Nats-Msg-Id.
catalogue() {
    local last at reply
    last=$(printf '' | plain request '$JS.API.STREAM.INFO.SEGMENTS' | jq .state.last_seq)
    for ((at = 1; at <= last; at++)); do
        reply=$(printf '{"seq":%s}' $at | plain request '$JS.API.STREAM.MSG.GET.SEGMENTS') || continue
        [ "$(jq -r '.message.subject // ""' <<<"$reply")" = "segment.sealed.$NODE" ] || continue
        jq -r '.message.hdrs // ""' <<<"$reply" | base64 -d | tr -d '\r' | sed -n 's/^Nats-Msg-Id: //p'
    done
}
on_disk() { sealed_segments | sed 's|.*/||; s|\.pcapng\.lz4||; s|-|/|'; }
catalogue_complete() {
    catalogue >"$WORK/catalogue"
    [ "$(sed 's|^[^/]*/[^/]*/||' "$WORK/catalogue")" = "$(on_disk)" ]
}
wait_for 30 "a complete catalogue" catalogue_complete
equal "$(sort "$WORK/catalogue" | uniq -d | wc -l)" 0 "segments published twice"
equal "$(cut -d/ -f4 "$WORK/catalogue")" "$(cut -d/ -f4 "$WORK/catalogue" | sort -n)" "order of the catalogue"
# Alive: without one of them it is not complete.
on_disk | head -n -1 >"$WORK/less"
must_fail "a catalogue that lacks one" cmp "$WORK/less" <(sed 's|^[^/]*/[^/]*/||' "$WORK/catalogue")
say "$(wc -l <"$WORK/catalogue") segments in the catalogue, $first packets"

# The capturer killed meanwhile, and the bus too.
end nats KILL
send --rate 15000 --count 45000 --start "$first"
end capturer KILL
capturer_start 1Gi
send --rate 15000 --count 45000 --start $((first + 45000))
settle
end capturer KILL
capturer_start 1Gi
nats_start
sleep 2
wait_for 30 "a snapshot after all that" snapshot_made later --last 10s
wait_for 40 "a complete catalogue after the kills" catalogue_complete
equal "$(sort "$WORK/catalogue" | uniq -d | wc -l)" 0 "segments published twice"
equal "$(cut -d/ -f4 "$WORK/catalogue")" "$(cut -d/ -f4 "$WORK/catalogue" | sort -n)" "order of the catalogue"
must_end_well snapshotter
must_end_well capturer
no_sanitizer_report
say passed
