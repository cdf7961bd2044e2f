"""Runs kinds of bad input in processes of their own, watches them, and adds up what came of it."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.badinput.kind import Kind
from tests.badinput.worker_main import PROGRESS

ROOT = Path(__file__).parents[2]
START = 90.0
"""Seconds in which a process must come to its first input; some import much."""
_TURN = 0.1


@dataclass(slots=True)
class Tally:
    """What came of one kind; findings as lines, each with the file that has the input, where it was kept."""

    kind: str
    inputs: int = 0
    refused: int = 0
    accepted: int = 0
    worst: float = 0.0
    findings: list[str] = field(default_factory=list)


def run(kind: Kind, *, seed: int, count: int, keep: Path | None = None) -> Tally:
    """Let a kind read `count` inputs; after a hang or a crash another process goes on with other inputs.

    Args:
        kind: Which.
        seed: The same seed draws the same inputs.
        count: How many.
        keep: Where inputs that found something are kept.
    """
    tally = Tally(kind.name)
    for life in range(20):
        left = count - tally.inputs
        if left <= 0:
            break
        with tempfile.TemporaryDirectory(prefix="camwatch-badinput-") as folder:
            trouble = _live(kind, seed + 7919 * life, left, Path(folder), tally)
            _collect(Path(folder), tally, keep, f"{kind.name}-{seed}-{life}")
            if trouble:
                _note(tally, Path(folder) / "input", trouble, keep, f"{kind.name}-{seed}-{life}-last")
    return tally


def _live(kind: Kind, seed: int, count: int, folder: Path, tally: Tally) -> str | None:
    """One process from start to end; what was wrong with its end."""
    command = [sys.executable, "-m", "tests.badinput.worker_main", kind.name, str(seed), str(count), str(folder)]
    begun = time.monotonic()
    with (folder / "output").open("w+b") as output:
        environ = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "OPENCV_LOG_LEVEL": "SILENT"}
        process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        trouble = None
        try:
            while process.poll() is None:
                time.sleep(_TURN)
                inputs, at, *_ = _progress(folder)
                now = time.monotonic()
                if (at and now - at > kind.seconds * 3) or (not inputs and now - begun > START):
                    trouble = f"hang: {now - at:.0f} s"
                    break
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        printed = output.read().decode("utf-8", "replace")
    inputs, _, refused, accepted, worst = _progress(folder)
    tally.inputs += max(inputs, 1)
    tally.refused += refused
    tally.accepted += accepted
    tally.worst = max(tally.worst, worst)
    if trouble is None and process.returncode:
        trouble = f"crash: status {process.returncode}: {printed.strip()[-1500:]}"
    elif trouble is None and "Traceback" in printed:
        trouble = f"traceback: {printed.strip()[-1500:]}"
    return trouble


def _progress(folder: Path) -> tuple[int, float, int, int, float]:
    path = folder / "progress"
    data = path.read_bytes() if path.exists() else b""
    inputs, at, refused, accepted, worst = PROGRESS.unpack(data.ljust(PROGRESS.size, b"\0"))
    return inputs, at, refused, accepted, worst


def _collect(folder: Path, tally: Tally, keep: Path | None, name: str) -> None:
    path = folder / "findings"
    for line in path.read_text().splitlines() if path.exists() else ():
        found = json.loads(line)
        _note(tally, Path(found["input"]), f"{found['finding']} [{found['source']}]", keep, name, found["shown"])


def _note(tally: Tally, file: Path, text: str, keep: Path | None, name: str, shown: str = "") -> None:
    if keep is not None and file.exists():
        kept = keep / f"{name}-{file.name}".replace(" ", "-")
        kept.write_bytes(file.read_bytes())
        shown = str(kept)
    elif not shown and file.exists():
        shown = repr(file.read_bytes()[:300])
    tally.findings.append(f"{text}: {shown}")


def shares(kinds: Sequence[Kind], total: int) -> list[int]:
    """How many inputs of each kind there are among a total, the named ones of each at least."""
    whole = sum(kind.share for kind in kinds)
    return [max(len(kind.named) + len(kind.sources), -(-round(total * kind.share) // round(whole))) for kind in kinds]


def run_all(
    kinds: Sequence[Kind], *, seed: int, total: int, keep: Path | None, say: Callable[[str], None]
) -> list[Tally]:
    """Every kind, one after the other."""
    tallies = []
    for kind, count in zip(kinds, shares(kinds, total), strict=True):
        started = time.monotonic()
        tally = run(kind, seed=seed, count=count, keep=keep)
        say(f"{kind.name}: {tally.inputs} in {time.monotonic() - started:.0f} s, findings {len(tally.findings)}")
        for finding in tally.findings:
            say(f"  {finding}")
        tallies.append(tally)
    return tallies


def table(tallies: Iterable[Tally]) -> str:
    """The result for people, as Markdown."""
    lines = ["| kind | inputs | refused | accepted | worst, s | findings |", "|---|---|---|---|---|---|"]
    whole = Tally("all")
    for tally in tallies:
        lines.append(_row(tally))
        whole.inputs += tally.inputs
        whole.refused += tally.refused
        whole.accepted += tally.accepted
        whole.worst = max(whole.worst, tally.worst)
        whole.findings += tally.findings
    return "\n".join([*lines, _row(whole)])


def _row(tally: Tally) -> str:
    figures = f"{tally.inputs} | {tally.refused} | {tally.accepted} | {tally.worst:.2f} | {len(tally.findings)}"
    return f"| {tally.kind} | {figures} |"
