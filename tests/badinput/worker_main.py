"""The process in which one kind of input is read: a hang or a crash in it is a finding, not the bench's end.

    python -m tests.badinput.worker_main KIND SEED COUNT FOLDER

What it is at stands in `FOLDER/progress` and `FOLDER/input`, so that who watches knows what it died of.
"""

import json
import mmap
import os
import resource
import struct
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import hypothesis
from hypothesis.strategies import SearchStrategy

from tests.badinput.judge import Judge, tree
from tests.badinput.kind import Kind
from tests.badinput.kinds import kind_called

PROGRESS = struct.Struct("<QdQQd")
"""Inputs begun, when the last one did (monotonic seconds), refused, accepted, seconds of the slowest."""
MOST_MEMORY = 12 << 30
_CHUNK = 2000


class _Full(Exception):  # noqa: N818 - no error: the inputs asked for have been read
    """Enough inputs."""


class Worker:
    """Reads inputs of one kind and writes down what is wrong."""

    def __init__(self, kind: Kind, count: int, folder: Path) -> None:
        """Make the folders, then the reader in the inner one; its working folder and its home are others."""
        self._kind, self._count, self._folder = kind, count, folder
        self._box = folder / "box"
        for name in ("box", "home", "elsewhere"):
            (folder / name).mkdir()
        (folder / "elsewhere" / "precious").write_text("untouched")
        os.environ["HOME"] = str(folder / "home")
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(folder / "hypothesis")
        os.chdir(folder / "elsewhere")
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        file = (folder / "progress").open("w+b")
        file.truncate(PROGRESS.size)
        self._progress = mmap.mmap(file.fileno(), PROGRESS.size)
        self._input = (folder / "input").open("w+b", buffering=0)
        self._begun = self._refused = self._accepted = 0
        self._worst = 0.0
        self._findings = (folder / "findings").open("a")
        self._told: dict[str, int] = {}
        self._judge = Judge(folder)
        self._read = kind.reads(self._box)
        self._outside = self._elsewhere()
        self._peak = 0

    def run(self, seed: int) -> None:
        """Read the named inputs, then drawn ones until there are enough."""
        for name, value in self._kind.named.items():
            self.feed(f"named: {name}", value)
        per_source = -(-max(self._count - self._begun, 0) // len(self._kind.sources))
        for number, (name, source) in enumerate(self._kind.sources.items()):
            until = min(self._begun + per_source, self._count)
            if isinstance(source, SearchStrategy):
                self._explore(name, source, seed * 1000 + number, until)
            else:
                random = Random(f"{seed} {self._kind.name} {name}")
                while self._begun < until:
                    self.feed(name, source(random))
        if self._elsewhere() != self._outside:
            self._tell("trespass: files outside the reader's folder have changed", "any", b"")
        self._mark(0.0)

    def _explore(self, name: str, strategy: SearchStrategy[Any], seed: int, until: int) -> None:
        settings = hypothesis.settings(
            max_examples=_CHUNK,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        turn = 0
        while self._begun < until and turn < 1000:

            @hypothesis.seed(seed + turn)
            @settings
            @hypothesis.given(strategy)
            def explore(value: Any) -> None:
                if self._begun >= until:
                    raise _Full
                self.feed(name, value)

            try:
                explore()
            except _Full:
                return
            turn += 1

    def feed(self, source: str, value: Any) -> None:
        """Read one input and judge the answer."""
        shown = value if isinstance(value, bytes) else repr(value).encode("utf-8", "backslashreplace")
        self._input.seek(0)
        self._input.write(source.encode() + b"\n" + shown)
        self._input.truncate()
        self._begun += 1
        started = time.monotonic()
        self._mark(started)
        error: BaseException | None = None
        self._judge.begin()
        try:
            self._read(value)
        except Exception as raised:
            error = raised
        refused, wrong = self._judge.end(error, secret=self._kind.keeps_secret(value))
        took = time.monotonic() - started
        self._refused += refused
        self._accepted += not refused
        self._worst = max(self._worst, took)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        if self._peak and peak - self._peak > self._kind.megabytes:
            wrong.append(f"memory: {peak - self._peak} MB")
        self._peak = peak
        if took > self._kind.seconds:
            wrong.append(f"slow: {took:.1f} s")
        for each in wrong:
            self._tell(each, source, shown)

    def _mark(self, started: float) -> None:
        self._progress[:] = PROGRESS.pack(self._begun, started, self._refused, self._accepted, self._worst)

    def _tell(self, text: str, source: str, shown: bytes) -> None:
        key = text.split(": ")[0]
        self._told[key] = self._told.get(key, 0) + 1
        if self._told[key] > 3:
            return
        path = self._folder / f"finding-{len(list(self._folder.glob('finding-*')))}"
        path.write_bytes(shown)
        line = {"finding": text, "source": source, "input": str(path), "shown": repr(shown[:160])}
        self._findings.write(json.dumps(line) + "\n")
        self._findings.flush()

    def _elsewhere(self) -> list[dict[str, tuple[int, int]]]:
        return [tree(self._folder / name) for name in ("home", "elsewhere")]


def main() -> int:
    """Read until there are enough."""
    name, seed, count, folder = sys.argv[1:]
    Worker(kind_called(name), int(count), Path(folder)).run(int(seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
