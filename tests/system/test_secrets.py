"""No password, token or login leaves the daemon: not in logs, figures, pages, messages, files, nor in /proc.

The daemon runs with everything logged (debug level in all of its processes), with cameras and a broker that refuse it,
and with exceptions and aborts at moments at which the secrets are at hand.
"""

import base64
import os
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.rigs.authority import Authority
from tests.rigs.mosquitto import Mosquitto, Subscriber
from tests.system.daemon import Daemon, configuration

pytestmark = [pytest.mark.system, pytest.mark.weights, pytest.mark.timeout(600)]

RIGHT = "r1ght@pass/w0rd"
"""Has to be percent-encoded in an address."""
WRONG = "wr0ng-passw0rd"
QUERY, LOGIN = "qu3ry-s3cret", "l0gin-n4me"
BROKER, TOKEN = "br0ker-passw0rd", "t0ken-0f-metrics-0123"

LOUD = """
import logging, os, signal, sys

# Everything that anybody logs, in every process of the daemon.
logging.Logger.isEnabledFor = lambda self, level: True


def fail(number, frame):
    # An exception whose text has what the process holds: the address of a camera.
    while frame is not None:
        reader = frame.f_locals.get("self")
        if hasattr(reader, "_url"):
            raise RuntimeError(f"forced at {reader._url}")
        settings = frame.f_locals.get("settings")
        if hasattr(settings, "readers"):
            raise RuntimeError("forced at " + " and ".join(each.source for each in settings.readers.values()))
        frame = frame.f_back


if "camwatch" in " ".join(sys.orig_argv):
    signal.signal(signal.SIGUSR1, fail)
"""
"""`sitecustomize.py`: Python runs it before anything else."""


def forms() -> dict[str, list[bytes]]:
    """Every secret as it might be written: plain, percent-encoded once or twice, and as Basic authentication has it."""
    found = {}
    for secret in (RIGHT, WRONG, QUERY, LOGIN, BROKER, TOKEN):
        quoted = urllib.parse.quote(secret, safe="")
        texts = {secret, quoted, urllib.parse.quote(quoted, safe=""), repr(secret)[1:-1]}
        texts |= {base64.b64encode(f"cam:{text}".encode()).decode() for text in (secret, quoted)}
        found[secret] = [text.encode() for text in texts]
    return found


def leaks(where: str, data: bytes | str) -> list[str]:
    """Which secrets stand in this."""
    raw = data.encode() if isinstance(data, str) else data
    return [f"{secret} in {where}" for secret, texts in forms().items() if any(text in raw for text in texts)]


def get(port: int, path: str, token: str | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read() + str(error.headers).encode()


def files_below(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place) / name for name in names)


def in_files(folder: Path) -> list[str]:
    return [leak for file in files_below(folder) for leak in leaks(str(file), file.read_bytes())]


def in_processes(daemon: Daemon) -> list[str]:
    """What /proc tells everybody, or the same user, of each process of the daemon."""
    found: list[str] = []
    processes = [psutil.Process(daemon.pid), *daemon.children()]
    assert len(processes) >= 6
    for process in processes:
        for name in ("cmdline", "environ", "comm", "maps"):
            found += leaks(f"/proc/{name} of {process.cmdline()[:4]}", Path(f"/proc/{process.pid}/{name}").read_bytes())
    return found


@pytest.fixture
def loud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python that is started from here logs everything, and fails on SIGUSR1."""
    folder = tmp_path / "loud"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(LOUD)
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Files that are made without a mode of their own are everybody's."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def cameras(made_scenes: Any, rtsp_server: Callable[..., Any], tmp_path: Path) -> dict[str, Any]:
    """One that works and others that do not, each with a secret in its address."""
    clip = made_scenes.sam_always
    real = rtsp_server({"/front": clip}, auth="basic", user=f"cam:{RIGHT}")
    digest = rtsp_server({"/front": clip}, auth="digest", user=f"cam:{RIGHT}")
    encrypted = rtsp_server({"/front": clip}, auth="basic", tls=Authority(tmp_path / "authority").sign("camera"))
    quoted = urllib.parse.quote(RIGHT, safe="")
    return {
        "good": {"source": real.url("/front", user=f"cam:{quoted}")},
        "digest": {"source": digest.url("/front", user=f"cam:{quoted}")},
        "cellar": {"source": real.url("/front", user=f"cam:{WRONG}")},
        "shed": {"source": encrypted.url("/front", user=f"cam:{WRONG}"), "stall_timeout": "2s"},
        "attic": {"source": f"http://127.0.0.1:9/video?usr={LOGIN}&pwd={QUERY}"},
        "yard": {"source": f"rtsp://{LOGIN}:{quoted}@127.0.0.1:9/path"},
    }


def wrong_login(config: dict[str, Any]) -> dict[str, Any]:
    return config | {"mqtt": config["mqtt"] | {"password": WRONG}}


def test_a_leak_would_be_noticed() -> None:
    quoted = urllib.parse.quote(RIGHT, safe="")
    for text in (f"rtsp://cam:{quoted}@h/1", f"the password is {RIGHT}", f"usr={LOGIN}", f"Bearer {TOKEN}"):
        assert len(leaks("here", text)) == 1
    basic = base64.b64encode(f"cam:{RIGHT}".encode()).decode()
    assert leaks("here", f"Authorization: Basic {basic}") == [f"{RIGHT} in here"]
    assert leaks("here", "rtsp://***@127.0.0.1:9/path") == []


def test_secrets_stay_inside(
    tmp_path: Path,
    made_scenes: Any,
    cameras: dict[str, Any],
    mosquitto: Callable[..., Mosquitto],
    daemon: Callable[[dict[str, Any]], Daemon],
    free_port: int,
    loud: None,
    open_umask: None,
) -> None:
    broker = mosquitto(users={"camwatch": BROKER, "reader": "reader"})
    config = configuration(tmp_path, broker, made_scenes.faces, cameras, free_port)
    config["mqtt"]["password"] = BROKER
    config["http"]["token"] = TOKEN
    state = tmp_path / "state"
    with Subscriber(broker, "#", username="reader", password="reader") as subscriber:
        process = daemon(config)
        process.wait_ready()
        subscriber.wait_for(lambda ms: any(m.topic.endswith("/camera/good/image") for m in ms), timeout=90)
        for camera in ("cellar", "shed", "attic", "yard"):
            process.wait_for(lambda name=camera: f"{name}: no pictures" in process.log, 60, f"{camera} is not refused")

        assert get(free_port, "/metrics")[0] == 401
        assert get(free_port, "/metrics", WRONG)[0] == 401
        assert get(free_port, "/metrics", TOKEN)[0] == 200
        for token in (None, WRONG, TOKEN):
            for path in ("/", "/metrics", "/healthz", "/readyz", f"/metrics?token={TOKEN[:-1]}"):
                assert leaks(path, get(free_port, path, token)[1]) == []
        assert in_processes(process) == []
        subscriber.publish("camwatch/test/camera/yard/enabled/set", b"OFF")
        process.wait_for((state / "switches.json").exists, 20, "the switch is not kept")

        # Another token and a wrong login, without a restart.
        config["http"]["token"] = f"an0ther-{QUERY}-of-metrics"
        process.config.write_text(yaml.safe_dump(wrong_login(config)))
        process.signal(signal.SIGHUP)
        process.wait_for(lambda: get(free_port, "/metrics", config["http"]["token"])[0] == 200, 60, "no new token")
        assert get(free_port, "/metrics", TOKEN)[0] == 401
        process.wait_for(lambda: "refuses us: Not authorized" in process.log, 60, "the broker lets it in")

        # Exceptions with an address in their text, and stacks of a process that is aborted.
        reader = process.reader("good")
        assert reader is not None
        reader.send_signal(signal.SIGUSR1)
        process.wait_for(lambda: "RuntimeError: forced at rtsp://***@" in process.log, 30, "the reader did not fail")
        process.wait_for(lambda: process.reader("digest") is not None, 30)
        (process.reader("digest") or reader).send_signal(signal.SIGABRT)
        process.wait_for(lambda: "Fatal Python error: Aborted" in process.log, 30, "the reader was not aborted")
        process.signal(signal.SIGUSR1)
        assert process.wait_ended(60) == 1
    assert process.log.count("RuntimeError: forced at ") == 2
    assert "Traceback" in process.log  # those that were forced
    assert "DEBUG" in process.log
    assert "rtsp://***@127.0.0.1:9/" in process.log

    assert leaks("the log", process.log) == []
    assert in_files(state) == []
    assert in_files(tmp_path / "faces") == []
    for message in subscriber.messages:
        assert leaks(message.topic, message.topic.encode() + message.payload) == []

    checked = subprocess.run(
        [sys.executable, "-m", "camwatch", "check", "--probe", str(process.config)], capture_output=True, check=False
    )
    assert checked.returncode == 1
    assert b"token: '***'" in checked.stdout
    assert b"source: rtsp://***@127.0.0.1:9/" in checked.stdout
    assert leaks("check", checked.stdout + checked.stderr) == []

    # Everybody could have read what was made without a mode: the folder and all that is in it are the user's alone.
    made = [state, *state.rglob("*")]
    assert {file.name for file in made} >= {"events.sqlite", "switches.json", "kept.json", "snapshots"}
    assert [f"{file} {stat.S_IMODE(file.stat().st_mode):o}" for file in made if file.stat().st_mode & 0o077] == []
