"""The real daemon as a child process, and what tests ask of it."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.rigs.mosquitto import Message, Mosquitto


class Daemon:
    """`camwatch run` on a configuration; ended by its own pid."""

    def __init__(self, config: dict[str, Any], folder: Path, *, module: str = "camwatch") -> None:
        """Write the configuration and start; `module` is what Python runs."""
        self._module = module
        self.http_port = config["http"]["port"]
        self.config = folder / "camwatch.yml"
        self.config.write_text(yaml.safe_dump(config))
        self._lines: list[str] = []
        self._process: subprocess.Popen[str]
        self.start()

    def start(self) -> None:
        """Start it, or start it again."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._module, "run", str(self.config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._collector = threading.Thread(target=self._collect, args=[self._process], daemon=True)
        self._collector.start()

    @property
    def pid(self) -> int:
        """Of the main process."""
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything printed so far."""
        return "".join(self._lines)

    def child(self, words: str) -> psutil.Process:
        """The child process whose command line holds these words; of several readers the first."""
        found = [p for p in self.children() if words in _words(p)]
        assert found, f"no child {words!r}"
        return found[0]

    def reader(self, camera: str) -> psutil.Process | None:
        """The reader process of a camera: the one that holds its ring, by the name of the shared memory."""
        for child in self.children():
            with contextlib.suppress(psutil.Error, OSError):
                if "reader_main" in _words(child):
                    links = [str(fd.readlink()) for fd in Path(f"/proc/{child.pid}/fd").iterdir()]
                    if any(f"memfd:camwatch-{camera} " in f"{link} " for link in links):
                        return child
        return None

    def count(self, words: str) -> int:
        """How many children have these words on their command line."""
        return sum(words in _words(p) for p in self.children())

    def has_child(self, words: str, *, but_not: int) -> bool:
        """Whether a child other than this one runs whose command line holds these words."""
        return any(words in _words(p) for p in self.children() if p.pid != but_not)

    def children(self) -> list[psutil.Process]:
        """All child processes."""
        return psutil.Process(self.pid).children(recursive=True)

    def wait_for(self, condition: Callable[[], object], seconds: float = 60.0, what: str = "") -> None:
        """Wait until a condition holds; fails with the log where it does not or where the daemon ends."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self._process.poll() is None, f"the daemon ended with {self._process.returncode}:\n{self.log}"
            assert time.monotonic() < deadline, f"{what or 'not reached'} within {seconds} s:\n{self.log[-4000:]}"
            time.sleep(0.1)

    def wait_ready(self) -> None:
        """Wait until /readyz says so."""
        self.wait_for(lambda: self.get("/readyz")[0] == 200, 120.0, "not ready")

    def get(self, path: str) -> tuple[int, str]:
        """An HTTP answer: status and text; status 0 while nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metrics(self) -> dict[str, float]:
        """Samples by name and labels."""
        lines = re.findall(r"^(camwatch_\S+?(?:\{[^}]*\})?) (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        return {name: float(value) for name, value in lines}

    def signal(self, number: int) -> None:
        """Send a signal to the main process."""
        self._process.send_signal(number)

    def wait_ended(self, seconds: float) -> int:
        """Wait until it has ended by itself, and all it said is here; the exit status."""
        code = self._process.wait(seconds)
        self._collector.join(seconds)
        return code

    def stop(self) -> tuple[int, float]:
        """SIGTERM; the exit status and the seconds it took."""
        started = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(30)
        return code, time.monotonic() - started

    def close(self) -> None:
        """End it whatever happens."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def _collect(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            self._lines.extend(process.stdout)


def _words(process: psutil.Process) -> str:
    """The command line; empty for one that has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def configuration(folder: Path, broker: Mosquitto, faces: Path, cameras: dict[str, Any], port: int) -> dict[str, Any]:
    """A configuration for loopback servers; the broker's password is `hunter2`."""
    return {
        "node": "test",
        "mqtt": {"host": "127.0.0.1", "port": broker.port, "username": "camwatch", "password": "hunter2"},
        "recognition": {"faces": str(faces)},
        "events": {"state": str(folder / "state"), "visit_gap": "2s"},
        "http": {"host": "127.0.0.1", "port": port},
        "cameras": cameras,
    }


def events(messages: list[Message]) -> list[dict[str, Any]]:
    """The events among messages, live and late, in the order of arrival."""
    return [json.loads(m.payload) for m in messages if m.topic in ("camwatch/test/event", "camwatch/test/event/late")]


def kinds(messages: list[Message], camera: str) -> list[tuple[str, str | None]]:
    """What was said of a camera: (event_type, person), without repeated deliveries."""
    unique = {e["event_id"]: e for e in events(messages) if e["camera"] == camera}
    return [(e["event_type"], e["person"]) for e in unique.values()]


def check_visits(messages: list[Message]) -> None:
    """The contract's rules for every visit: at most one of each kind, one `ended` and it is the last, seq in order."""
    visits: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for event in events(messages):
        visits[event["visit_id"]][event["event_id"]] = event
    for visit in visits.values():
        told = list(visit.values())
        count = Counter(e["event_type"] for e in told)
        assert max(count.values()) == 1, told
        assert [e["seq"] for e in told] == sorted(e["seq"] for e in told), told
        if "ended" in count:
            assert told[-1]["event_type"] == "ended", told
        for event in told:
            named = event["event_type"] == "recognized" or (count["recognized"] and event["event_type"] == "ended")
            assert (event["person"] is not None) == bool(named), event
