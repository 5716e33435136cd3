#!/bin/bash
# Installs the Debian package into a clean system without Python, uses it as people would, and removes it.
#
#   sudo .ci/installer/check_linux.sh PACKAGE.deb OUT
#
# OUT gets log.txt, the output of the self-test and of the doctor, and screenshots of the window, for review.
# The system is a minimal Debian, made by debootstrap in a temporary folder; the app runs in it without a network.
# Needs root (through sudo if that needs no password), debootstrap and access to the package mirror.
# MIRROR and SUITE override the defaults.
set -euo pipefail

[ $# = 2 ] || { echo "usage: $0 PACKAGE.deb OUT"; exit 2; }
if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || { echo "Making a clean system needs root: sudo $0 $*"; exit 1; }
    exec sudo -n env MIRROR="${MIRROR:-}" SUITE="${SUITE:-}" "$0" "$@"
fi
PATH=$PATH:/usr/sbin:/sbin
command -v debootstrap >/dev/null || { echo "Install debootstrap first: sudo apt-get install debootstrap"; exit 1; }
package=$(realpath "$1") out=$(realpath -m "$2")
mirror=${MIRROR:-http://deb.debian.org/debian} suite=${SUITE:-bookworm}
here=$(dirname "$(realpath "$0")")
mkdir -p "$out"
root=$(mktemp -d)
chmod 755 "$root" # other users see it as /
trap 'rm -rf --one-file-system "$root"' EXIT

say() { echo "== $*" | tee -a "$out/log.txt"; }
: >"$out/log.txt"

say "A minimal $suite in $root"
debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$out/debootstrap.txt"
chroot "$root" bash -c '! command -v python3 && ! command -v python' || { say "FAILED: there is a Python"; exit 1; }
mkdir -p "$root/check"
cp "$here/check_inside.sh" "$root/check/"
ln "$package" "$root/check/package.deb" 2>/dev/null || cp "$package" "$root/check/package.deb"

# Runs one part of the checks in its own process and mount namespaces, so that processes left running can be counted.
inside() {
    unshare --mount --pid --fork --net --kill-child chroot "$root" /bin/bash /check/check_inside.sh "$1" \
        2>&1 | tee -a "$out/log.txt"
    cp "$root"/check/out/* "$out/" 2>/dev/null || true
}
apt_get() { chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends "$@" >>"$out/apt.txt" 2>&1; }

say "Installing the package with what it depends on, and nothing else"
apt_get update
apt_get install /check/package.deb
rm "$root/check/package.deb"
chroot "$root" apt-get clean
say "Without a screen"
inside plain
say "With a screen: Xvfb, and what photographs it"
apt_get install xvfb x11-utils x11-apps netpbm
inside screen
say "Taking it away"
inside remove
say "All of it works"
