#!/bin/bash
# Memory: the resident size of every service, each second under load and requests, is flat: the median of the last quarter is at most 5 % and 2 MiB above that of the second quarter. Prints the figures.
#   MINUTES   5 in the full version, else half a minute
. "$(dirname "$0")/lib.sh"
start_test
seconds=$(quick_or_full 30 $((${MINUTES:-5} * 60)))
nats_start
streams_apply
capturer_start 256Mi
snapshotter_start
send_start --rate 20000
cycle() { # a snapshot of the last second, exported and deleted
    snapshot_create "$1" --last 1s
    tl snapshot export "$1" --output - 2>/dev/null >/dev/null || fail "export under load"
    tl snapshot delete "$1" >/dev/null || fail "delete under load"
}
# Pools and the allocator's arenas fill first: that is not growth.
sleep 1
for ((n = 0; n < 10; n++)); do cycle warm-$n; done
began=$SECONDS
names=(capturer snapshotter)
: >"$WORK/samples"
for ((n = 0; SECONDS - began < seconds; n++)); do
    for name in "${names[@]}"; do echo "$name $(awk '/^VmRSS/ { print $2 }' "/proc/${PID_OF[$name]}/status")" >>"$WORK/samples"; done
    if [ $((n % 5)) = 2 ]; then
        cycle load-$n
    fi
    sleep 0.8
done
send_stop
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
quarter() { awk -v n="$1" -v q="$2" '$1 == n { v[++c] = $2 } END { for (i = int(c * (q - 1) / 4) + 1; i <= c * q / 4; i++) print v[i] }' "$WORK/samples"; }
for name in "${names[@]}"; do
    second=$(quarter $name 2 | median)
    last=$(quarter $name 4 | median)
    most=$(awk -v n=$name '$1 == n && $2 > m { m = $2 } END { print m }' "$WORK/samples")
    say "$name: second quarter $second KiB, last quarter $last KiB, most $most KiB, over $seconds s"
    at_most "$last" $((second + second * 5 / 100 + 2048)) "resident KiB of $name at the end"
done
must_end_well snapshotter
must_end_well capturer
no_sanitizer_report
say passed
