"""Notices what this machine lacks and installs it, or says exactly what to install.

    python setup/system.py python       before .venv exists: Python's version, and whether it can make one
    python setup/system.py libraries    after pip: the shared libraries that OpenCV links but no wheel brings
    python setup/system.py servers      before the tests: the RTSP server and the broker that they start

Installs only as root on a machine with apt-get. Where nothing is missing it says nothing and exits with 0. Only the
standard library is used, because this runs before anything is installed.
"""

import os
import sys

if not (3, 11) <= sys.version_info < (3, 14):  # this file must start on an old Python to refuse it
    sys.exit(
        "camwatch runs on Python 3.11 to 3.13 (the pinned TensorFlow has wheels for these); "
        f"{sys.executable} is {sys.version.split()[0]}. Choose another: make install PYTHON=python3.12"
    )

import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

LIBRARY_PACKAGES = {
    "libGL.so.1": "libgl1",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxcb.so.1": "libxcb1",
    "libX11.so.6": "libx11-6",
    "libstdc++.so.6": "libstdc++6",
    "libz.so.1": "zlib1g",
}
"""Debian's package for each library OpenCV's wheel expects of the system."""

SERVER_PACKAGES = (
    "gir1.2-gst-rtsp-server-1.0",
    "glib-networking",
    "gstreamer1.0-plugins-bad",
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
    "mosquitto",
    "openssl",
    "prometheus",
    "python3-gi",
    "systemd",
)
"""GStreamer plays recordings as RTSP cameras; mosquitto is the broker, openssl makes its certificates. Prometheus is
scraped by the tests of rules and dashboard; systemd-analyze looks at the unit."""

POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian asks this program before a package starts its service; 101 means no."""


def say(line: str) -> None:
    """Print one line of progress."""
    print(f"camwatch setup: {line}", file=sys.stderr, flush=True)


def fail(line: str) -> NoReturn:
    """End with one line that says what is wrong and what to do."""
    sys.exit(f"camwatch setup: {line}")


def can_install() -> bool:
    """Whether this process may install Debian packages."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def by_hand(packages: list[str]) -> str:
    """The command a person would type."""
    return f"sudo apt-get install --no-install-recommends {' '.join(packages)}"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run without a terminal and keep the output."""
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1", "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        command,
        env=os.environ | quiet,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


@contextmanager
def services_stay_off() -> Iterator[None]:
    """Keep packages from starting their services while they are installed.

    A broker for tests must not begin to listen on the machine's own port. A policy already there stays.
    """
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\n# By camwatch's set-up, for the time of one apt-get run.\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def apt_install(packages: list[str]) -> None:
    """Install packages; the package lists are fetched only where the first try fails without them."""
    say(f"installing with apt-get: {' '.join(packages)}")
    wait = ("-o", "DPkg::Lock::Timeout=300")
    install = ("apt-get", "install", "--yes", "--no-install-recommends", *wait, *packages)
    with services_stay_off():
        done = run(*install)
        if done.returncode:
            updated = run("apt-get", "update", *wait)
            done = run(*install)
            if done.returncode:
                print(updated.stdout[-2000:], done.stdout[-4000:], sep="\n", file=sys.stderr)
                fail(f"apt-get could not install them (its words are above); by hand: {by_hand(packages)}")


def check_python() -> None:
    """See that this Python can make a virtual environment with pip in it."""
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if sys.base_prefix != "/usr":
        fail(f"{sys.executable} has no venv and ensurepip modules; choose another: make install PYTHON=...")
    if not can_install():
        fail(f"Python cannot make virtual environments here; install: {by_hand([package])}")
    apt_install([package])


def missing_libraries() -> list[str]:
    """Names of the shared libraries that OpenCV needs and the loader does not find; nothing is imported."""
    spec = importlib.util.find_spec("cv2")
    if spec is None or spec.origin is None:
        fail("opencv-python is not installed in this environment; run: make install")
    missing: set[str] = set()
    for extension in Path(spec.origin).parent.glob("*.so"):
        for line in run("ldd", str(extension)).stdout.splitlines():
            name, _, found = line.strip().partition(" => ")
            if found == "not found":
                missing.add(name)
    return sorted(missing)


def check_libraries() -> None:
    """See that `import cv2` will work."""
    missing = missing_libraries()
    if not missing:
        return
    packages = sorted({LIBRARY_PACKAGES[name] for name in missing if name in LIBRARY_PACKAGES})
    if can_install() and packages:
        apt_install(packages)
        missing = missing_libraries()
        packages = []
    if missing:
        known = f"; on Debian: {by_hand(packages)}" if packages else ""
        fail(f"OpenCV needs these libraries of the system: {', '.join(missing)}{known}")


def missing_servers() -> list[str]:
    """Debian packages for the system tests that are not installed."""
    known = run("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *SERVER_PACKAGES)
    installed = {line.split()[0] for line in known.stdout.splitlines() if line.endswith(" installed")}
    return [package for package in SERVER_PACKAGES if package not in installed]


def check_servers() -> None:
    """See that the system tests find their servers; what cannot be installed is named, and its tests skip."""
    if shutil.which("dpkg-query") is None:
        say("not Debian: tests that miss GStreamer's RTSP server, mosquitto or openssl will be skipped")
        return
    missing = missing_servers()
    if not missing:
        return
    if not can_install():
        say(f"some system tests will be skipped; to run them: {by_hand(missing)}")
        return
    apt_install(missing)
    if "mosquitto" in missing:
        # The tests start their own on a free port; the package's service would come up with the next boot.
        run("update-rc.d", "mosquitto", "disable")


def main() -> None:
    """Run the checks named on the command line."""
    checks = {"python": check_python, "libraries": check_libraries, "servers": check_servers}
    names = sys.argv[1:]
    if not names or any(name not in checks for name in names):
        fail(f"usage: python setup/system.py {'|'.join(checks)}")
    for name in names:
        checks[name]()


if __name__ == "__main__":
    main()
