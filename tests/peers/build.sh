#!/bin/bash
# Builds the peers that Debian does not ship, pinned, once, into a cache outside the checkout: the newest nats-server and the nats command.
#   tests/peers/build.sh           builds what is missing; prints the folder of the programs
#   TAPELOOP_PEERS=DIR             cache (~/.cache/tapeloop-peers)
# Without Go 1.24 or newer it says so and exits with 77: the tests that want a peer are then skipped by name.
set -euo pipefail
peers=(
    "nats-server github.com/nats-io/nats-server/v2@v2.15.2"
    "nats github.com/nats-io/natscli/nats@v0.5.0" # 0.5.1 does not build
)
cache=${TAPELOOP_PEERS:-$HOME/.cache/tapeloop-peers}
mkdir -p "$cache/bin"
for peer in "${peers[@]}"; do
    read -r name module <<<"$peer"
    # The stamp is written after the program.
    if [ -x "$cache/bin/$name" ] && [ "$(cat "$cache/bin/$name.version" 2>/dev/null)" = "$module" ]; then
        continue
    fi
    if ! command -v go >/dev/null; then
        echo "peers: $name ${module#*@} needs Go 1.24 or newer, and there is no go command" >&2
        exit 77
    fi
    have=$(go env GOVERSION)
    if [ "$(printf '%s\n' go1.24 "$have" | sort -V | head -n 1)" != go1.24 ]; then
        echo "peers: $name ${module#*@} needs Go 1.24 or newer, here is $have" >&2
        exit 77
    fi
    echo "peers: building $name ${module#*@}" >&2
    work=$(mktemp -d "$cache/build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    GOFLAGS=-mod=mod GOBIN=$work go install -trimpath "$module" >&2
    mv "$work/$name" "$cache/bin/$name"
    rm -rf "$work"
    echo "$module" >"$cache/bin/$name.version"
done
echo "$cache/bin"
