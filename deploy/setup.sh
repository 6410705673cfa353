#!/bin/sh
# Installs the Debian packages of deploy/packages.txt that are missing. Usage: deploy/setup.sh [build] [run] [test] [captures]   (by default all but the last)
# Does nothing where all are there. Without root, or on another system than Debian 12, says exactly what is missing and stops with 2.
set -eu
list=$(dirname "$0")/packages.txt
[ $# -gt 0 ] || set -- build run test

missing=
while read -r kind package _; do
    case " $* " in *" $kind "*) ;; *) continue ;; esac
    if ! command -v dpkg-query >/dev/null 2>&1 || [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null || true)" != "ii " ]; then
        missing="$missing $package"
    fi
done <<END
$(sed 's/#.*//' "$list" | grep -v '^[[:space:]]*$')
END
[ -n "$missing" ] || exit 0

system=unknown
# shellcheck source=/dev/null
[ ! -r /etc/os-release ] || system=$(. /etc/os-release && echo "${ID:-unknown} ${VERSION_ID:-}")
if [ "$system" != "debian 12" ]; then
    echo "setup: this is $system; Tapeloop builds on Debian 12, and packages are installed there only. Debian names of what is needed and not found:" >&2
    # shellcheck disable=SC2086 # a list of names
    printf '    %s\n' $missing >&2
    exit 2
fi
if [ "$(id -u)" != 0 ]; then
    echo "setup: packages are missing, and installing them needs root. Run this, or the same command with sudo:" >&2
    echo "    sudo apt-get install --no-install-recommends$missing" >&2
    exit 2
fi
echo "setup: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
before=$(mktemp)
policy=/usr/sbin/policy-rc.d
made_policy=
# Some of the packages bring services (nats-server, nginx, stenographer). Here they are only programs to run: nothing is started now, nor at the next boot.
if [ ! -e "$policy" ]; then
    made_policy=$policy
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
trap 'rm -f "$before" $made_policy' EXIT
dpkg-query -W -f='${Package}\n' | sort >"$before"
apt-get update -q >&2
# shellcheck disable=SC2086 # a list of names
apt-get install -y -q --no-install-recommends $missing >&2
if command -v systemctl >/dev/null 2>&1; then
    dpkg-query -W -f='${Package}\n' | sort | comm -13 "$before" - | xargs -r dpkg -L | sed -n 's|.*/systemd/system/\([^/@]*\.service\)$|\1|p' | sort -u | while read -r unit; do
        systemctl disable --quiet "$unit" >/dev/null 2>&1 || true
    done
fi
