"""A real Prometheus for tests: Debian's, as a process of its own on a free loopback port, scraping every second.

    with Prometheus(f"127.0.0.1:{port}", rules=FILE) as prometheus:
        prometheus.query("up")
"""

import ctypes
import json
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1

PROMETHEUS_MISSING: str | None = (
    None if shutil.which("prometheus") else "no prometheus here; install with apt-get: prometheus"
)
"""Why `Prometheus` cannot run on this machine, or None."""


class Prometheus:
    """Runs from construction to `close`.

    Args:
        target: Host and port to scrape, as the job `camwatch`.
        rules: A file of rules.

    Raises:
        RuntimeError: It does not start; the message has the end of its log.
    """

    def __init__(self, target: str, *, rules: Path) -> None:
        """Configure and start."""
        self._folder = Path(tempfile.mkdtemp(prefix="prometheus-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        self._base = f"http://{address}"
        scrape = {"job_name": "camwatch", "static_configs": [{"targets": [target]}]}
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [scrape],
        }
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address={address}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self._base}/-/ready", timeout=2):
                    return
            except OSError:
                time.sleep(0.05)
        said = (self._folder / "log").read_text(errors="replace")[-2000:]
        self.close()
        raise RuntimeError(f"prometheus does not start:\n{said}")

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now.

        Raises:
            ValueError: Prometheus refuses it.
        """
        return self._series("query", {"query": expression})

    def query_range(self, expression: str, *, seconds: float, step: float = 1.0) -> list[dict[str, Any]]:
        """The series that an expression gave at every step of the last seconds."""
        now = time.time()
        return self._series("query_range", {"query": expression, "start": now - seconds, "end": now, "step": step})

    def rules(self) -> list[dict[str, Any]]:
        """All rules with their health."""
        groups = self._get("rules", {})["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def close(self) -> None:
        """End it and remove its data."""
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

    def _series(self, path: str, words: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get(path, words)["result"]
        return found

    def _get(self, path: str, words: dict[str, Any]) -> Any:
        try:
            with urllib.request.urlopen(f"{self._base}/api/v1/{path}?{urllib.parse.urlencode(words)}", timeout=10) as a:
                return json.load(a)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(f"{words.get('query')}: {error.read().decode()}") from error


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
