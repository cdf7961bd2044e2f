#!/bin/bash
# Installs the service on a copy of this machine that a real systemd has booted, and tries it: start, reload, a reload
# of a wrong file, kill -9, a main process that hangs, stop, uninstall. The machine itself is not changed.
#
#   sudo systemd/prove.sh FOLDER       FOLDER takes 4 GB, is made, and can be thrown away
#
# Needs: apt-get install systemd-container mosquitto curl python3-venv, `make install` for the recordings, and a package
# index or a mirror as pip is set up. PYTHON names an interpreter outside of home folders. Takes about six minutes,
# two of them waiting for the watchdog. Ends with 0 if all was well.
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
work=$(mkdir -p "${1:?which folder?}" && cd "$1" && pwd)
python=${PYTHON:-/usr/bin/python3}
root=$work/root
broker=18831
http=18471
booted=
mosquitto=

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
finish() {
    [ -z "$mosquitto" ] || kill "$mosquitto" 2>/dev/null || true
    if [ -n "$booted" ]; then
        inside 'systemctl poweroff --no-block' 2>/dev/null || true
        for _ in $(seq 20); do kill -0 "$booted" 2>/dev/null || break; sleep 1; done
        kill -9 "$booted" 2>/dev/null || true
    fi
    mountpoint -q "$root" && umount "$root"
}
trap finish EXIT

[ "$(id -u)" = 0 ] || fail "it mounts and boots: run it as root"
for program in systemd-nspawn mosquitto curl "$python"; do
    command -v "$program" >/dev/null || fail "$program is not installed"
done

say "a copy of this machine, and its systemd"
rm -rf "$work/upper" "$work/work"
mkdir -p "$root" "$work/upper" "$work/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$root"
rm -f "$root/etc/machine-id"
systemd-nspawn --register=no --keep-unit --directory="$root" --boot --console=pipe --link-journal=no \
    --machine=camwatch-prove systemd.unit=basic.target >"$work/console.log" 2>&1 </dev/null &
booted=$!
init=
for _ in $(seq 30); do
    init=$(pgrep -P "$booted" || true)
    [ -z "$init" ] || ! nsenter -t "$init" -a systemctl is-system-running 2>/dev/null | grep -q 'running\|degraded' || break
    sleep 1
done
[ -n "$init" ] || fail "it does not boot: $(tail -n 3 "$work/console.log")"
inside() { nsenter -t "$init" -a /bin/sh -ec "$1"; }
shown() { inside "systemctl show -p $1 --value camwatch"; }
logged() { inside "journalctl --no-pager -o cat -u camwatch" | grep -q "$1"; }
active_within() {
    for _ in $(seq "$1"); do
        [ "$(shown ActiveState)" = active ] && return
        sleep 1
    done
    inside 'journalctl --no-pager -u camwatch -n 40'
    fail "not active within $1 s"
}

say "install"
inside "cd '$repository' && PYTHON='$python' sh systemd/install.sh"

say "a broker, a recording as camera, a person"
printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$broker" >"$work/mosquitto.conf"
mosquitto -c "$work/mosquitto.conf" >"$work/mosquitto.log" 2>&1 &
mosquitto=$!
recording() { "$repository/.venv/bin/python" -c "from camwatch.tools.footage import locate; print(locate('$1'))"; }
install -D -m 0644 "$(recording noface_face.mov)" "$root/srv/camwatch/visit.mov"
install -m 0644 "$(recording single_face.jpg)" "$root/srv/camwatch/photo.jpg"
inside 'camwatch enroll Ann /srv/camwatch/photo.jpg --faces /var/lib/camwatch/faces
    chown -R camwatch: /var/lib/camwatch/faces'
configure() {
    cat >"$root/etc/camwatch/camwatch.yml" <<END
mqtt: {host: 127.0.0.1, port: $broker}
recognition: {faces: /var/lib/camwatch/faces}
events: {state: /var/lib/camwatch/state}
http: {port: $http}
cameras:
  front: {source: /srv/camwatch/visit.mov, loop: true}
$1
END
}
configure ''

say "start: systemctl returns once camwatch is ready"
inside 'systemctl start camwatch' || active_within 1
curl -fsS "http://127.0.0.1:$http/readyz" >/dev/null || fail "started and not ready"
for _ in $(seq 60); do ! logged 'front: this is' || break; sleep 1; done
logged 'front: this is' || fail "nobody was seen within a minute"
main=$(shown MainPID)

say "reload of a wrong file: it goes on"
configure '  yard: ['
inside 'systemctl reload camwatch'
logged 'camwatch goes on with the configuration it had' || fail "a wrong configuration was not told of"
[ "$(shown MainPID) $(shown ActiveState)" = "$main active" ] || fail "a wrong configuration did harm"

say "reload with a camera more"
configure '  yard: {source: /srv/camwatch/visit.mov, loop: true}'
inside 'systemctl reload camwatch'
for _ in $(seq 60); do ! logged 'yard: delivers pictures' || break; sleep 1; done
logged 'yard: delivers pictures' || fail "the new camera is not there"
[ "$(shown MainPID) $(shown StatusText)" = "$main watching 2 cameras" ] || fail "it was not a reload"

say "kill -9: started again, and no process left of the one before"
inside "kill -9 $main"
sleep 2
! inside 'pgrep -f [c]amwatch.service' >/dev/null || fail "children were left over"
active_within 90

say "a main process that hangs: the watchdog ends it"
main=$(shown MainPID)
inside "kill -STOP $main"
for _ in $(seq 130); do [ "$(shown MainPID)" = "$main" ] || break; sleep 1; done
logged 'Watchdog timeout' || fail "the watchdog did not bite"
active_within 90

say "stop"
before=$(date +%s%N)
inside 'systemctl stop camwatch'
echo "stopped within $((($(date +%s%N) - before) / 1000000)) ms"
[ "$(shown Result)" = success ] || fail "it was not a clean stop: $(shown Result)"
! inside 'pgrep -f [c]amwatch.service' >/dev/null || fail "children were left over"

say "exposure"
inside 'systemd-analyze security camwatch.service --no-pager' | tail -n 1

say "uninstall"
inside "cd '$repository' && sh systemd/install.sh --uninstall"
if [ -e "$root/opt/camwatch" ] || [ ! -e "$root/etc/camwatch/camwatch.yml" ]; then fail "uninstalled too much or too little"; fi
inside "cd '$repository' && sh systemd/install.sh --uninstall --purge"
if [ -e "$root/etc/camwatch" ] || [ -e "$root/var/lib/camwatch" ]; then fail "--purge leaves something"; fi

say "all was well"
