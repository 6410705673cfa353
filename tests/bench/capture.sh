#!/bin/bash
# Capture: CPU-seconds per million packets written, and loss, flat out at 64, 512 and 1500 bytes, beside tcpdump, dumpcap and stenotype, on the same veth with the same ring of 64 MiB.
#   RUNS=3 SECONDS_EACH=5 SIZES="64 512 1500" RECORDERS="capturer capturer-stored tcpdump dumpcap stenotype stenotype-bare"
# Appends to $RESULTS, one line per run: capture SIZE RECORDER RUN OFFERED WRITTEN CPU RATE LOSS_PERCENT CPU_PER_MILLION
. "$(dirname "$0")/bench.sh"
need_built "$TOOLS/traffic" "$TOOLS/traffic_check" "$TOOLS/cpu_run" "$TOOLS/steno_count"
RUNS=${RUNS:-3}
EACH=${SECONDS_EACH:-5}
SIZES=${SIZES:-64 512 1500}
RECORDERS=${RECORDERS:-capturer capturer-stored tcpdump dumpcap stenotype stenotype-bare}
RING_MIB=64
# The sender, and with it the kernel's half of receiving, has the last CPU; every recorder has all its threads on the first.
SENDER_CPU=$(($(nproc) - 1))
RECORDER_CPU=0
TAPE=$WORK/tape

record() { start recorder "$TOOLS/cpu_run" --cpu $RECORDER_CPU "$WORK/cost" "$@"; }
recorder_start() {
    rm -rf "$TAPE"
    mkdir -m 777 "$TAPE"
    case $1 in
    capturer*)
        local -a store=()
        [ "$1" = capturer ] || store=(--compress never)
        # No bus anywhere: recording does not need one.
        record "$BIN/capturer" --server nats://127.0.0.1:9 --node bench --data "$TAPE" --interface rx0 --ring-size ${RING_MIB}Mi --storage-size 12Gi --listen 127.0.0.1:0 "${store[@]}"
        wait_for 20 capturer grep -qx ready "$WORK/recorder.out" ;;
    tcpdump)
        record tcpdump -n -i rx0 -B $((RING_MIB * 1024)) -s 262144 -Z root -w "$TAPE/out.pcap"
        wait_for 20 tcpdump grep -q 'listening on' "$WORK/recorder.err" ;;
    dumpcap)
        record dumpcap -q -i rx0 -B $RING_MIB -s 262144 -w "$TAPE/out.pcapng"
        wait_for 20 dumpcap grep -q '^File' "$WORK/recorder.err" ;;
    stenotype | stenotype-bare)
        mkdir -m 777 "$TAPE/PKT0" "$TAPE/IDX0"
        # Bare: without the index that it comes with, which nothing can be looked up without.
        local -a bare=()
        [ "$1" = stenotype ] || bare=(--no_index)
        record stenotype --iface=rx0 --dir="$TAPE" --threads=1 --blocks=$RING_MIB --aiops=$((RING_MIB / 2)) "${bare[@]}" --no_watchdogs --seccomp=none --blockage_sec=1
        wait_for 20 stenotype stenotype_runs ;;
    esac
    sleep 0.7
}
stenotype_runs() { compgen -G "$TAPE/PKT0/.*[0-9]*"; }
stenotype_stop() {
    local i
    kill -INT "${PID_OF[recorder]}"
    for i in {1..50}; do
        sleep 0.2
        alive "${PID_OF[recorder]}" || return 0
        in_net "$TOOLS/traffic" --interface tx0 --ipv4 --size 64 --count 1 >/dev/null
        SENT=$((SENT + 1))
    done
}
recorder_stop() {
    sleep 1.5
    # stenotype looks at its signal only when a packet comes.
    if [[ $1 == stenotype* ]]; then stenotype_stop; fi
    end recorder INT
    [ -s "$WORK/cost" ] || fail "$1 left no account"
}
written_by() {
    case $1 in
    capturer*) for f in $(find "$TAPE" -path '*/segments/*' -name '[0-9]*.pcapng.lz4' | sort -V); do lz4 -dcq "$f"; done | packets_of - ;;
    tcpdump) packets_of "$TAPE/out.pcap" ;;
    dumpcap) packets_of "$TAPE/out.pcapng" ;;
    stenotype*) find "$TAPE/PKT0" -type f -print0 | xargs -0 "$TOOLS/steno_count" ;;
    esac
}
# The generator's packets only: not the canaries, and not what the kernel says by itself.
packets_of() { { "$TOOLS/traffic_check" --ipv4 --size "$size" --skew 1 --flows 4096 --count 4096 --foreign "$1" 2>/dev/null || true; } | jq .packets; }

one() { # SIZE RECORDER RUN
    local size=$1 recorder=$2 run=$3 written cpu
    rm -f "$WORK/cost" "$WORK/recorder.err"
    recorder_start "$recorder"
    send --ipv4 --size "$size" --skew 1 --prepared 4096 --flows 4096 --seconds "$EACH" --cpu $SENDER_CPU
    recorder_stop "$recorder"
    written=$(written_by "$recorder")
    cpu=$(jq .cpu "$WORK/cost")
    # What the sending itself lost is not the recorder's loss: the sender sends refused frames again and drops none (checked by send).
    awk -v OFS='\t' -v size="$size" -v who="$recorder" -v run="$run" -v offered="$SENT" -v written="$written" -v cpu="$cpu" -v rate="$(jq .rate <<<"$SENT_LINE")" \
        'BEGIN { print "capture", size, who, run, offered, written, cpu, rate, (offered - written) * 100 / offered, written ? cpu * 1e6 / written : "-" }' | tee -a "$RESULTS"
    rm -rf "$TAPE"
}

for r in $RECORDERS; do [[ $r == capturer* ]] || need_command "${r%-bare}"; done
for ((run = 1; run <= RUNS; run++)); do
    for size in $SIZES; do
        for recorder in $RECORDERS; do one "$size" "$recorder" "$run"; done
    done
done
