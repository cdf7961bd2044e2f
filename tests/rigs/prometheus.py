"""A real Prometheus for tests: a process of its own on a free loopback port, with a temporary store.

    with Prometheus("127.0.0.1:8470", rules=[Path("camwatch.rules.yml")]) as prometheus:
        prometheus.wait_scraped(5, timeout=20)
        prometheus.query("camwatch_camera_up")

Its HTTP API: https://prometheus.io/docs/prometheus/latest/querying/api/.
"""

import ctypes
import json
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from tests.rigs.ports import free_port

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_PROGRAM = shutil.which("prometheus")

PROMETHEUS_MISSING: str | None = None if _PROGRAM else "no prometheus here; install with apt-get: prometheus"
"""Why `Prometheus` cannot run on this machine, or None."""


class Prometheus:
    """Runs from construction to `close`, and scrapes one target as the job `camwatch`.

    Args:
        target: Host and port whose `/metrics` it scrapes.
        rules: Files of rules that it loads.
        interval: How often it scrapes and evaluates, as Prometheus writes durations.
        token: A file with the token that it sends along.

    Raises:
        RuntimeError: It does not start; the message has its log.
    """

    def __init__(
        self, target: str, *, rules: Sequence[Path] = (), interval: str = "1s", token: Path | None = None
    ) -> None:
        """Write the configuration, start and wait until it answers."""
        if _PROGRAM is None:
            raise RuntimeError(PROMETHEUS_MISSING)
        self._folder = Path(tempfile.mkdtemp(prefix="prometheus-"))
        self._address = f"127.0.0.1:{free_port()}"
        job: dict[str, Any] = {"job_name": "camwatch", "static_configs": [{"targets": [target]}]}
        if token is not None:
            job["authorization"] = {"credentials_file": str(token)}
        config = {
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "rule_files": [str(file) for file in rules],
            "scrape_configs": [job],
        }
        file = self._folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(config))
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    _PROGRAM,
                    f"--config.file={file}",
                    f"--storage.tsdb.path={self._folder / 'store'}",
                    f"--web.listen-address={self._address}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )
        deadline = time.monotonic() + 20
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self.log
                self.close()
                raise RuntimeError(f"prometheus does not start:\n{said[-4000:]}")
            time.sleep(0.05)

    @property
    def url(self) -> str:
        """Where its pages and its API are."""
        return f"http://{self._address}"

    @property
    def log(self) -> str:
        """Everything it has said so far."""
        return (self._folder / "log").read_text(errors="replace")

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression has now.

        Raises:
            ValueError: Prometheus does not understand it; the message says why.
        """
        result: list[dict[str, Any]] = self.api("query", query=expression)["result"]
        return result

    def api(self, path: str, **parameters: str) -> Any:
        """The data of an answer of `/api/v1/PATH`.

        Raises:
            ValueError: The answer is an error; the message is Prometheus' own.
        """
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError as error:
            told = json.load(error)
        if told["status"] != "success":
            raise ValueError(f"{parameters}: {told['errorType']}: {told['error']}")
        return told["data"]

    def wait_scraped(self, times: int, timeout: float) -> None:
        """Wait until the target has been scraped successfully so many times.

        Raises:
            AssertionError: It is not, in time; the message says how scraping goes.
        """
        deadline = time.monotonic() + timeout
        while True:
            found = self.query('sum_over_time(up{job="camwatch"}[1h])')
            if found and float(found[0]["value"][1]) >= times:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"not scraped {times} times within {timeout} s: {self.api('targets')}")
            time.sleep(0.1)

    def close(self) -> None:
        """End it and remove its store."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        """It is already running."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it."""
        self.close()

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
