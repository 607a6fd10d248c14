#!/bin/sh
# Install the system packages clarilink uses, when root on a Debian; otherwise say which are missing and go on.
#   libportaudio2      sound devices
#   codec2             the reference codec in `clarilink evaluate`
#   pulseaudio, libasound2-plugins   virtual sound cards for the tests
#   libhamlib-utils    rigctld, a peer of the keying tests
#   gcc, libc6-dev, python3-dev      to build PESQ, one of the measures of `clarilink evaluate`
#   python3-venv       the environment itself
set -eu

command -v dpkg-query >/dev/null 2>&1 || exit 0
missing=""
for package in libportaudio2 codec2 pulseaudio libasound2-plugins libhamlib-utils gcc libc6-dev python3-dev; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
python3 -c "import ensurepip" >/dev/null 2>&1 || missing="$missing python3-venv"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >/dev/null
    # shellcheck disable=SC2086 # a list of names
    apt-get install -y -q --no-install-recommends $missing >/dev/null
else
    echo "not installed:$missing (as root: apt-get install$missing); what needs them will say so" >&2
fi
