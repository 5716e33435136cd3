#!/bin/bash
# The checks inside the clean system: check_linux.sh runs this with the name of a part. Exits with status 1 at the first
# failure.
set -euo pipefail

ANN="/home/Ånn von Tëst" BOB=/home/bob
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /dev/shm
mkdir -p /check/out
chmod 777 /check/out

fail() { echo "FAILED: $*"; exit 1; }

# as USER HOME COMMAND...: run it with only a login's environment
as() {
    local user=$1 home=$2
    shift 2
    setpriv --reuid="$user" --regid="$user" --clear-groups \
        env -i HOME="$home" PATH=/usr/bin:/bin LANG=C.UTF-8 ${DISPLAY:+DISPLAY="$DISPLAY"} "$@"
}

# Prints the processes that run besides this script's own and the display.
left_running() {
    local name
    for status in /proc/[0-9]*/comm; do
        name=$(cat "$status" 2>/dev/null) || continue
        case $name in bash | cat | Xvfb | check_inside.sh) ;; *) echo "$name" ;; esac
    done
}

nothing_left() { [ -z "$(left_running)" ] || { sleep 3; [ -z "$(left_running)" ]; } || fail "left running: $(left_running)"; }

# one_sentence STATUS WORDS COMMAND...: it exits with STATUS and prints one line that contains WORDS
one_sentence() {
    local status=$1 words=$2 said got=0
    shift 2
    said=$("$@" 2>&1 >/dev/null) || got=$?
    [ "$got" = "$status" ] || fail "exit $got and not $status: $said"
    [ "$(wc -l <<<"$said")" = 1 ] || fail "more than a sentence: $said"
    grep -q "$words" <<<"$said" || fail "not said: $words, but: $said"
    echo "  exit $status: $said"
}

# Libraries that a file needs and that neither the app nor the system has. torchvision's finds torch's once that is
# loaded, and the driver's library comes with the driver.
dangling() {
    find /opt/cret-desktop/_internal -type f -name '*.so*' | while read -r library; do
        LD_LIBRARY_PATH=/opt/cret-desktop/_internal ldd "$library" 2>/dev/null | grep "not found" |
            sed "s|^|${library##*/}|" || true
    done | grep -v -e libcuda.so.1 -e '^_C_stable.so' || true
}

plain() {
    id ann 2>/dev/null || { groupadd ann; useradd -g ann -d "$ANN" -m ann; useradd -U -d "$BOB" -m bob; }
    echo "- version"
    as ann "$ANN" cret-desktop --version
    echo "- libraries"
    [ -z "$(dangling)" ] || fail "not there: $(dangling)"
    echo "- self-test"
    as ann "$ANN" cret-desktop self-test --json >/check/out/self-test.json || { cat /check/out/self-test.json; fail self-test; }
    grep -q '"ok": true, "parts"' /check/out/self-test.json || fail "the self-test is not ok"
    [ -z "$(find "$ANN" -type f -iname '*cret*')" ] || fail "the self-test left something"
    echo "- the demo"
    as ann "$ANN" cret-desktop demo "$ANN/demo" | tee /check/out/demo.txt
    cp "$ANN/demo/window.png" /check/out/demo.png
    cp -r "$ANN/demo/videos" /check/videos
    echo "- index and search, in a home with spaces and letters"
    as ann "$ANN" cret-desktop index /check/videos
    as ann "$ANN" cret-desktop search "a cat looking into the camera" --limit 3 | tee /check/out/search.txt
    grep -q cat.mp4 /check/out/search.txt || fail "the cat was not found"
    as ann "$ANN" cret-desktop doctor >/check/out/doctor.txt
    echo "- another person on this machine, with a library of its own"
    as bob "$BOB" cret-desktop index /check/videos/cat.mp4
    [ "$(as bob "$BOB" cret-desktop status --json | grep -c '"files": 1,')" = 1 ] || fail "bob sees another's library"
    echo "- a folder that cannot be written to"
    [ -z "$(find /opt/cret-desktop -newer /check/out/self-test.json)" ] || fail "something wrote into its folder"
    echo "- no home"
    one_sentence 5 "cannot be used" as bob /nowhere/at/all cret-desktop index /check/videos/cat.mp4
    one_sentence 5 "has no home folder" setpriv --reuid=54321 --regid=54321 --clear-groups \
        env -i PATH=/usr/bin:/bin cret-desktop status
    echo "- a full disk at the first start"
    mkdir -p /home/full
    mount -t tmpfs -o size=64k,mode=777 tmpfs /home/full
    one_sentence 5 "Free some space" as bob /home/full cret-desktop index /check/videos/cat.mp4
    umount /home/full
    nothing_left
}

screen() {
    Xvfb :7 -screen 0 1280x800x24 -nolisten tcp &
    local server=$! window
    export DISPLAY=:7
    until xdpyinfo >/dev/null 2>&1; do sleep 0.2; done
    echo "- a picture of the window, drawn by the system's screen"
    as ann "$ANN" QT_QPA_PLATFORM=xcb cret-desktop window --query "an espresso in a red cup" --screenshot /check/out/window.png
    echo "- the window itself, started as a launcher does, searched, ended by a signal"
    as ann "$ANN" cret-desktop-gui --query "an espresso in a red cup" &
    window=$!
    for _ in $(seq 120); do
        xwininfo -root -tree | grep -q '"[^"]*CRET Desktop"' && break
        sleep 0.5
    done
    xwininfo -root -tree | grep -q '"[^"]*CRET Desktop"' || fail "no window came"
    sleep 20 # the answer, on a slow machine
    xwd -root -silent | xwdtopnm 2>/dev/null | pnmtopng >/check/out/screen.png 2>/dev/null
    pkill_window
    wait "$window" || fail "the window ended with $?"
    nothing_left
    kill "$server"
    wait "$server" || true
}

pkill_window() {
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/exe" 2>/dev/null)" = /opt/cret-desktop/cret-desktop-gui ] || continue
        grep -q multiprocessing "$process/cmdline" || kill -TERM "${process#/proc/}"
    done
}

remove() {
    dpkg -r cret-desktop >/dev/null
    local left
    left=$(find / -xdev \( -path /home -o -path /check -o -path /proc -o -path /var/lib/dpkg -o -path /var/log \) -prune \
        -o -iname '*cret-desktop*' -print)
    [ -z "$left" ] || fail "left behind: $left"
    [ ! -e /opt/cret-desktop ] || fail "/opt/cret-desktop is still there"
    [ -f "$ANN/.local/share/CRET Desktop/library/catalog.sqlite" ] || fail "the library is gone"
    echo "- nothing is left but the libraries of the people"
}

"$1"
