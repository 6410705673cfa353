#!/bin/bash
# make lint: first that the rules find what they are for, then that the tree keeps them.
set -uo pipefail
here=$(dirname "$0")
"$here/self_test.sh" || exit 1
if "$here/check.sh"; then
    echo "lint: clean"
else
    echo "lint: the findings above" >&2
    exit 1
fi
