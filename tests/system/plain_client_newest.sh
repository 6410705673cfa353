#!/bin/bash
# plain_client.sh with the newest nats-server and the `nats` command, which tests/peers/build.sh makes once where Go is there; where it is not, that script says so and ends with 77: skipped.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$("$here/../peers/build.sh")
NATS_SERVER=$bin/nats-server NATS_COMMAND=$bin/nats exec "$here/plain_client.sh"
