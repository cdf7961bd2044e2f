"""The service: its unit and installer looked at as files, and what the real daemon tells a service manager."""

import contextlib
import os
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from camwatch.config.model import DEFAULT_FACES, DEFAULT_STATE, load
from camwatch.service import systemd
from camwatch.service.health import Health
from camwatch.service.inference import SILENCE
from tests.system.daemon import Daemon

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "camwatch.service"
INSTALLER = ROOT / "systemd" / "install.sh"
PROOF = ROOT / "systemd" / "prove.sh"
EXPOSURE = 15
"""The most that `systemd-analyze security` may say, in tenths, whatever its version looks at."""
STATED = re.compile(r"as systemd (\d+) rates it from 0 to 10: \*\*([0-9.]+)\*\*")
"""The figure in docs/systemd.md, and whose it is."""
STOP_WITHIN = 5.0
"""Seconds in which the daemon has ended after SIGTERM."""


# -- the unit


def settings() -> dict[str, list[str]]:
    """What the unit sets, by key; a key may stand there several times."""
    found = defaultdict(list)
    for line in UNIT.read_text("utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[key].append(value)
    return found


def seconds(text: str) -> float:
    """`90s` or `15min` as seconds."""
    return float(text.removesuffix("min")) * 60 if text.endswith("min") else float(text.removesuffix("s"))


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask systemd-analyze, or skip where there is none that can look at files alone."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze here; install with apt-get: systemd")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    if int(version.split(".")[0]) < 250:
        pytest.skip(f"systemd {version} is too old, 250 is needed")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def unit_here(tmp_path: Path) -> Path:
    """The unit with this Python in place of the one that is not installed here."""
    copy = tmp_path / UNIT.name
    text = UNIT.read_text("utf-8")
    assert "ExecStart=/opt/camwatch/venv/bin/python " in text
    copy.write_text(text.replace("/opt/camwatch/venv/bin/python", sys.executable))
    return copy


def test_systemd_has_nothing_to_say_against_the_unit(unit_here: Path) -> None:
    done = analyze("verify", "--man=no", str(unit_here))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_exposure_stays_low(unit_here: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", str(unit_here))
    assert done.returncode == 0, done.stdout
    [line] = [line for line in done.stdout.splitlines() if "Overall exposure" in line]
    stated = STATED.search((ROOT / "docs" / "systemd.md").read_text("utf-8"))
    assert stated is not None
    if stated[1] == analyze("--version").stdout.split()[1]:
        assert line.split(": ")[1].split()[0] == stated[2]


def test_times_of_the_unit_fit_those_of_the_daemon() -> None:
    unit = settings()
    assert seconds(unit["TimeoutStopSec"][0]) > STOP_WITHIN
    # Main gets the time to notice that inference hangs, and to start it again, before all is started again.
    assert seconds(unit["WatchdogSec"][0]) > Health().patience + SILENCE
    assert unit["KillMode"] == ["mixed"]  # told to stop all at once, children would look as if they had crashed
    assert unit["NotifyAccess"] == ["main"]


def test_the_unit_makes_the_folders_of_the_defaults() -> None:
    made = {Path("/var/lib", name) for name in settings()["StateDirectory"][0].split()}
    assert {DEFAULT_FACES, DEFAULT_STATE} <= made
    assert settings()["StateDirectoryMode"] == ["0700"]


# -- the installer


def install(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(INSTALLER), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def files(root: Path) -> dict[str, int]:
    """Files below a folder with their permissions."""
    return {
        str(path.relative_to(root)): stat.S_IMODE(path.lstat().st_mode)
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize(("shell", "script"), [("sh", INSTALLER), ("bash", PROOF)])
def test_the_scripts_are_sound_shell(shell: str, script: Path) -> None:
    assert subprocess.run([shell, "-n", str(script)], check=False).returncode == 0
    assert os.access(script, os.X_OK)
    if shellcheck := shutil.which("shellcheck"):
        done = subprocess.run([shellcheck, str(script)], capture_output=True, text=True, check=False)
        assert done.stdout == ""


def test_installing_again_keeps_what_a_person_wrote(tmp_path: Path) -> None:
    done = install("--root", str(tmp_path))
    assert done.returncode == 0, done.stderr
    command = "usr/local/bin/camwatch"
    expected = {
        "etc/camwatch/camwatch.yml": 0o640,
        "etc/camwatch/secrets.yaml": 0o600,
        "etc/systemd/system/camwatch.service": 0o644,
    }
    found = files(tmp_path)
    found.pop(command)
    assert found == expected
    assert (tmp_path / command).readlink() == Path("/opt/camwatch/venv/bin/camwatch")
    # What was installed is a configuration, with its secrets beside it.
    config = load(tmp_path / "etc/camwatch/camwatch.yml")
    assert config.recognition.faces == DEFAULT_FACES

    for name in ("camwatch.yml", "secrets.yaml"):
        (tmp_path / "etc/camwatch" / name).write_text("# mine\n")
    (tmp_path / "etc/systemd/system/camwatch.service").write_text("old\n")
    assert install("--root", str(tmp_path)).returncode == 0
    for name in ("camwatch.yml", "secrets.yaml"):
        assert (tmp_path / "etc/camwatch" / name).read_text() == "# mine\n"
    assert (tmp_path / "etc/systemd/system/camwatch.service").read_bytes() == UNIT.read_bytes()


def test_uninstalling_keeps_the_data_unless_told_otherwise(tmp_path: Path) -> None:
    assert install("--root", str(tmp_path)).returncode == 0
    photo = tmp_path / "var/lib/camwatch/faces/alice/1.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"a photo")
    neighbour = tmp_path / "etc/systemd/system/other.service"
    neighbour.write_text("")

    done = install("--root", str(tmp_path), "--uninstall")
    assert done.returncode == 0, done.stderr
    kept = {"etc/camwatch/camwatch.yml", "etc/camwatch/secrets.yaml", "etc/systemd/system/other.service"}
    assert set(files(tmp_path)) == kept | {"var/lib/camwatch/faces/alice/1.jpg"}

    assert install("--root", str(tmp_path), "--uninstall", "--purge").returncode == 0
    assert set(files(tmp_path)) == {"etc/systemd/system/other.service"}
    assert install("--root", str(tmp_path), "--uninstall", "--purge").returncode == 0  # nothing left is no error


@pytest.mark.parametrize(
    "arguments", [["--purge"], ["--root"], ["--root", ""], ["--root=/", "--uninstall"], ["--frobnicate"]]
)
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    done = install(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("camwatch install: ")
    assert len(done.stderr.splitlines()) == 1


# -- what a service manager is told


class Manager:
    """The receiving end of sd_notify(3), as systemd has it: who said what, and when."""

    def __init__(self, address: str) -> None:
        """Listen on a path, or on an abstract name that begins with `@`."""
        self.heard: list[tuple[float, int, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self._socket.setblocking(False)

    def listen(self) -> None:
        """Take what has arrived."""
        while True:
            try:
                data, extra, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(12))
            except BlockingIOError:
                return
            pid = struct.unpack("3i", extra[0][2])[0]
            self.heard += [(time.monotonic(), pid, line) for line in data.decode().splitlines()]

    def count(self, line: str, *, since: float = 0.0) -> int:
        """How often a line was heard."""
        self.listen()
        return sum(said == line and at >= since for at, _, said in self.heard)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


@pytest.fixture
def managers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Manager]]:
    """Starts the manager that processes started from here tell how they are."""
    with contextlib.ExitStack() as stack:

        def start(address: str) -> Manager:
            monkeypatch.setenv("NOTIFY_SOCKET", address)
            manager = Manager(address)
            stack.callback(manager.close)
            return manager

        yield start


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_messages_arrive_whole(managers: Callable[[str], Manager], tmp_path: Path, kind: str) -> None:
    manager = managers(str(tmp_path / "notify") if kind == "path" else f"@camwatch-test-{os.getpid()}")
    assert systemd.notify("READY=1\nSTATUS=watching 2 cameras")
    manager.listen()
    assert [(pid, line) for _, pid, line in manager.heard] == [
        (os.getpid(), "READY=1"),
        (os.getpid(), "STATUS=watching 2 cameras"),
    ]


def test_a_lost_manager_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not systemd.notify("READY=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    assert not systemd.notify("READY=1")


@pytest.mark.parametrize(
    ("usec", "pid", "interval"),
    [
        ("90000000", None, 45.0),
        ("90000000", "mine", 45.0),
        ("90000000", "1", None),
        ("", None, None),
        ("x", None, None),
    ],
)
def test_the_watchdog_is_meant_for_one_process(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str | None, interval: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if pid is not None:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "mine" else pid)
    assert systemd.watchdog_interval() == interval


class Impatient(Daemon):
    """The daemon, but frames may wait for 2 s only, not 20, until it counts as stuck."""

    code = (
        "import sys; from camwatch.service import daemon, health; "
        "daemon.Health = lambda: health.Health(patience=2.0); "
        "from camwatch.cli.program import main; sys.exit(main(sys.argv[1:]))"
    )

    def start(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", self.code, "run", str(self.config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._collect, args=[self._process], daemon=True).start()


@pytest.fixture
def impatient(tmp_path: Path, free_port: int, footage: Any, no_leftovers: None) -> Iterator[Callable[[], Impatient]]:
    """Starts the daemon with one person enrolled and a recording as its camera; nobody is at the broker's port."""
    faces = tmp_path / "faces"
    (faces / "Kim").mkdir(parents=True)
    (faces / "Kim" / "kim.jpg").write_bytes(footage.path("0-f15-hao-ph.jpg").read_bytes())
    clip = str(footage.path("single_face.mp4"))
    config = {
        "node": "test",
        "mqtt": {"host": "127.0.0.1", "port": 1},
        "recognition": {"faces": str(faces)},
        "events": {"state": str(tmp_path / "state")},
        "engine": {"precision": "float32"},  # spares it measuring which is faster
        "http": {"host": "127.0.0.1", "port": free_port},
        "cameras": {"door": {"source": clip, "loop": True, "motion": {"enabled": False}}},
    }
    started: list[Impatient] = []

    def start() -> Impatient:
        started.append(Impatient(config, tmp_path))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.mark.system
@pytest.mark.weights
def test_the_watchdog_is_fed_only_while_frames_reach_decisions(
    managers: Callable[[str], Manager],
    impatient: Callable[[], Impatient],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    manager = managers(str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    process = impatient()
    process.wait_for(lambda: manager.count("READY=1"), 120, "READY=1")
    assert process.get("/readyz")[0] == 200
    assert manager.count("STATUS=watching 1 cameras") == 1
    ready = time.monotonic()
    process.wait_for(lambda: manager.count("WATCHDOG=1", since=ready) >= 3, 10, "WATCHDOG=1")

    # A reload is announced and its end too, also that of a file that cannot be used.
    process.config.write_text("cameras: 1\n")
    process.signal(signal.SIGHUP)
    process.wait_for(lambda: manager.count("READY=1") == 2, 10, "READY=1 after the reload")
    said = [line for _, _, line in manager.heard if not line.startswith(("WATCHDOG", "STATUS"))]
    assert said[-3:-1] == ["RELOADING=1", said[-2]] and said[-1] == "READY=1"
    assert 0 < int(said[-2].removeprefix("MONOTONIC_USEC=")) <= time.monotonic() * 1e6
    assert "goes on with the configuration it had" in process.log

    # Nothing is analysed any more: main lives, answers, and tells systemd nothing.
    inference = process.child("inference_main")
    inference.send_signal(signal.SIGSTOP)
    process.wait_for(lambda: process.get("/healthz")[0] == 503, 10, "the hang is not noticed")
    manager.listen()
    stuck = time.monotonic()
    time.sleep(1.5)
    assert manager.count("WATCHDOG=1", since=stuck) == 0
    inference.send_signal(signal.SIGCONT)
    process.wait_for(lambda: manager.count("WATCHDOG=1", since=stuck) >= 2, 10, "WATCHDOG=1 after the hang")

    assert manager.count("STOPPING=1") == 0
    code, took = process.stop()
    assert code == 0
    assert took < STOP_WITHIN
    assert manager.count("STOPPING=1") == 1
    assert manager.heard[-1][2] == "STOPPING=1"
    assert manager.count("READY=1") == 2
    # NotifyAccess=main: systemd would not listen to a child.
    assert {pid for _, pid, _ in manager.heard} == {process.pid}
