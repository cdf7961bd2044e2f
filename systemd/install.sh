#!/bin/sh
# Installs camwatch from this checkout as a systemd service; run it again to upgrade. docs/systemd.md tells more.
#
#   sudo systemd/install.sh                       install or upgrade
#   sudo systemd/install.sh --uninstall           remove the service; configuration, photos and history stay
#   sudo systemd/install.sh --uninstall --purge   remove these too
#   systemd/install.sh --root DIR                 only lay out the files, below DIR: no packages, no user, no service
#
# PYTHON names the interpreter (3.11 to 3.13), EXTRAS what to install of pyproject.toml's extras (openvino).
set -eu

PYTHON=${PYTHON:-python3}
EXTRAS=${EXTRAS-openvino}
USER_NAME=camwatch
UNIT=camwatch.service

say() { printf 'camwatch install: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
wrong() { say "$*"; exit 2; }
# An unset variable behind --root must not lay hands on the machine itself.
below() { case $1 in '' | / | //*) wrong "--root needs a folder, and '$1' is the whole machine" ;; esac; }

root=
action=install
purge=no
while [ $# -gt 0 ]; do
    case $1 in
        --root)
            [ $# -ge 2 ] || wrong "--root needs a folder"
            root=$2
            below "$root"
            shift
            ;;
        --root=*)
            root=${1#--root=}
            below "$root"
            ;;
        --uninstall) action=uninstall ;;
        --purge) purge=yes ;;
        -h | --help)
            sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        *) wrong "unknown argument $1; --help lists what there is" ;;
    esac
    shift
done
[ "$purge" = no ] || [ "$action" = uninstall ] || wrong "--purge goes with --uninstall"
case $root in
    '' | /*) ;;
    *) root=$PWD/$root ;;
esac

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
prefix=$root/opt/camwatch
etc=$root/etc/camwatch
data=$root/var/lib/camwatch
unit=$root/etc/systemd/system/$UNIT
command=$root/usr/local/bin/camwatch

staged() { [ -n "$root" ]; }

# Only what is below --root may be touched without being root.
staged || [ "$(id -u)" -eq 0 ] || fail "must be run as root: sudo $0"
staged || command -v systemctl >/dev/null || fail "no systemd here (no systemctl)"

# Puts a file where none is: what a person has written stays.
put_new() { # SOURCE TARGET MODE GROUP
    if [ -e "$2" ] || [ -L "$2" ]; then
        say "$2 is kept"
        return
    fi
    install -m "$3" "$1" "$2"
    staged || chgrp "$4" "$2"
    say "$2 is new"
}

add_user() {
    if ! getent passwd "$USER_NAME" >/dev/null; then
        useradd --system --user-group --home-dir /var/lib/camwatch --no-create-home \
            --shell /usr/sbin/nologin "$USER_NAME"
        say "user $USER_NAME is new"
    fi
    for folder in "$data" "$data/faces" "$data/state"; do
        install -d -m 0700 -o "$USER_NAME" -g "$USER_NAME" "$folder"
    done
    # For webcams and GPUs, where the unit lets the service see any.
    for group in video render; do
        if getent group "$group" >/dev/null; then usermod --append --groups "$group" "$USER_NAME"; fi
    done
}

# A fresh environment beside the one in use, which takes its place only when it works.
install_packages() {
    "$PYTHON" "$here/setup/system.py" python
    # An environment is only links to the interpreter that made it.
    case $("$PYTHON" -c 'import os, sys; print(os.path.realpath(sys.base_prefix))') in
        /home/* | /root/*) fail "$PYTHON is in a home folder, where the service may not look: PYTHON names another" ;;
    esac
    new=$prefix/venv-$(date +%Y%m%d-%H%M%S)
    sources=$(mktemp -d)
    trap 'rm -rf "$sources" "$new"' EXIT
    trap 'exit 1' INT TERM HUP
    say "installing packages into $new (2.7 GB, some minutes)"
    "$PYTHON" -m venv "$new"
    # Built from a copy: the build would leave files of root's in the checkout.
    cp -R "$here/pyproject.toml" "$here/README.md" "$here/camwatch" "$sources"
    pip="$new/bin/python -m pip --disable-pip-version-check --no-input install --quiet --root-user-action ignore"
    $pip --constraint "$here/constraints.txt" setuptools wheel
    $pip --constraint "$here/constraints.txt" --no-build-isolation "$sources${EXTRAS:+[$EXTRAS]}"
    "$new/bin/python" "$here/setup/system.py" libraries
    version=$("$new/bin/python" -m camwatch --version) || fail "the new environment does not work; nothing was changed"
    ln -s "${new##*/}" "$prefix/venv.new"
    mv -T "$prefix/venv.new" "$prefix/venv"
    trap - EXIT INT TERM HUP
    rm -rf "$sources"
    say "$version is in $prefix/venv"
}

remove_old_packages() {
    used=$(readlink "$prefix/venv")
    for old in "$prefix"/venv-*; do
        if [ "${old##*/}" != "$used" ]; then rm -rf "$old"; fi
    done
}

do_install() {
    # Whether the service may see what is inside must not depend on who installs it.
    umask 022
    mkdir -p "$prefix" "$etc" "$(dirname "$unit")" "$(dirname "$command")"
    if staged; then
        say "below $root: no packages, no user, no service"
    else
        rm -f "$prefix/venv.new"
        install_packages
        add_user
    fi
    put_new "$here/config/camwatch.minimal.yml" "$etc/camwatch.yml" 0640 "$USER_NAME"
    put_new "$here/config/secrets.example.yaml" "$etc/secrets.yaml" 0600 root
    install -m 0644 "$here/systemd/$UNIT" "$unit"
    if [ -L "$command" ] || [ ! -e "$command" ]; then ln -sfn /opt/camwatch/venv/bin/camwatch "$command"; fi
    staged && return
    systemctl daemon-reload
    if systemctl --quiet is-active "$UNIT"; then
        systemctl restart "$UNIT"
        say "camwatch runs again; journalctl -u camwatch shows its log"
    else
        next_steps
    fi
    remove_old_packages
}

next_steps() {
    cat >&2 <<END

Next:
  1. sudoedit $etc/camwatch.yml        the broker and the cameras
     sudoedit $etc/secrets.yaml        passwords and camera addresses
  2. sudo camwatch enroll NAME PHOTO... --faces $data/faces
     sudo chown -R $USER_NAME: $data/faces
  3. sudo camwatch check --probe $etc/camwatch.yml
  4. sudo systemctl enable --now camwatch
     journalctl -fu camwatch
END
}

do_uninstall() {
    staged || systemctl disable --now "$UNIT" 2>/dev/null || true
    rm -f "$unit"
    if [ "$(readlink "$command" 2>/dev/null)" = /opt/camwatch/venv/bin/camwatch ]; then rm -f "$command"; fi
    rm -rf "$prefix"
    if [ "$purge" = yes ]; then
        rm -rf "$etc" "$data" "$unit.d"
        if ! staged && getent passwd "$USER_NAME" >/dev/null; then userdel "$USER_NAME"; fi
        say "camwatch is gone, with its configuration, photos and history"
    else
        say "camwatch is gone; $etc and $data are kept (--uninstall --purge removes them too)"
    fi
    staged || systemctl daemon-reload
}

"do_$action"
