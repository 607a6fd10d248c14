#!/bin/sh
# Install the system packages clarilink uses, when root on a Debian; otherwise say which are missing and go on.
# `system-packages.sh test` adds what only the tests need.
#   libportaudio2      sound devices
#   codec2             the reference codec in `clarilink evaluate`
#   pulseaudio, libasound2-plugins   virtual sound cards for the tests
#   libhamlib-utils    rigctld, a peer of the keying tests
#   gcc, libc6-dev, python3-dev      to build PESQ, one of the measures of `clarilink evaluate`
#   python3-venv       the environment itself
# For the tests:
#   direwolf, minimodem, socat       real modems that modem drivers talk through
#   libhamlib-utils                  rigctld, which keys radios
#   systemd                          systemd-analyze, which reads the units
#   chromium, tmux                   the browser and the terminal that consoles are tried in
#   make, gcc-arm-none-eabi          the firmware reference: on this machine, and its size on a Cortex-M0
set -eu

command -v dpkg-query >/dev/null 2>&1 || exit 0
packages="libportaudio2 codec2 pulseaudio libasound2-plugins gcc libc6-dev python3-dev"
[ "${1:-}" != test ] || packages="$packages direwolf minimodem socat libhamlib-utils systemd chromium tmux make gcc-arm-none-eabi"
missing=""
for package in $packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
python3 -c "import ensurepip" >/dev/null 2>&1 || missing="$missing python3-venv"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >/dev/null
    # shellcheck disable=SC2086 # a list of names
    apt-get install -y -q --no-install-recommends $missing >/dev/null || for package in $missing; do
        # One that cannot be had does not keep the others away.
        apt-get install -y -q --no-install-recommends "$package" >/dev/null ||
            echo "not installed: $package; what needs it will say so" >&2
    done
else
    echo "not installed:$missing (as root: apt-get install$missing); what needs them will say so" >&2
fi
