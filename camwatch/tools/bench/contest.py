"""The side that asks: contestants in processes of their own, the same task for several of them, in turns."""

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from camwatch.errors import CamwatchError
from camwatch.tools.bench.timing import Cost, Spread, interleaved, ratios, spread
from camwatch.tools.bench.work import Task, Unable

_LOADING, _WORKING, _ENDING = 300.0, 900.0, 10.0  # seconds to wait for an answer


@dataclass(frozen=True, slots=True)
class Entry:
    """One contestant in one comparison.

    Attributes:
        label: What results call it.
        worker: Who runs it.
        task: What it does.
    """

    label: str
    worker: "Worker"
    task: Task


class Worker:
    """A contestant's process.

    Args:
        name: What results call the contestant.
        contestant: `camwatch`, `mtcnn`, `facenet-pytorch` or `machine`.
        threads: CPU threads for everything in it, and cores that it may use.
        files: The user's footage.
        options: For `camwatch`: what `FaceAnalyzer` is told besides.
    """

    def __init__(
        self,
        name: str,
        contestant: str,
        *,
        threads: int,
        files: Sequence[Path] = (),
        options: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing is started before `with`."""
        self.name, self.about = name, dict[str, str]()
        self._environment = _environment(contestant, threads)
        self._job = {
            "contestant": contestant,
            "threads": threads,
            "files": [str(file) for file in files],
            "options": dict(options or {}),
        }
        self._stack = ExitStack()
        self._buffer = b""

    def __enter__(self) -> Self:
        """Start it and wait until it has loaded.

        Raises:
            Unable: It cannot take part.
            CamwatchError: It died.
        """
        with ExitStack() as stack:
            self._errors = stack.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(
                [sys.executable, "-m", "camwatch.tools.bench.worker_main"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=self._environment,
            )
            stack.push(self._end)
            self.about = self._ask(self._job, _LOADING)["about"]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._stack.__exit__(kind, error, trace)

    def prepare(self, task: Task, slot: str = "", *, warm: int = 0) -> Any:
        """Get a task ready and run it once, and `warm` times more; returns what was found.

        The task stays ready in its slot, until `clear`.

        Raises:
            Unable: The contestant does no such thing.
            CamwatchError: It died or takes too long.
        """
        return self._ask({"do": "prepare", "task": task, "slot": slot, "warm": warm}, _WORKING)["found"]

    def turn(self, slot: str = "") -> Cost:
        """Run the task of a slot once.

        Raises:
            CamwatchError: It died or takes too long.
        """
        answer = self._ask({"do": "turn", "slot": slot}, _WORKING)
        return Cost(answer["cpu"], answer["wall"])

    def clear(self) -> None:
        """Forget all tasks."""
        self._ask({"do": "clear"}, _WORKING)

    def memory(self) -> dict[str, float]:
        """Resident memory, MB, `now` and at the `peak`."""
        return self._ask({"do": "memory"}, _WORKING)

    def _ask(self, message: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None  # they are pipes
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failed("died") from None
        answer = self._line(seconds)
        if "unable" in answer:
            raise Unable(answer["unable"])
        return answer

    def _line(self, seconds: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._buffer:
            if not select.select([descriptor], [], [], seconds)[0]:
                raise self._failed(f"gave no answer for {seconds:.0f} s")
            data = os.read(descriptor, 1 << 20)
            if not data:
                raise self._failed("died")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failed(self, how: str) -> CamwatchError:
        self._process.kill()  # a late answer would be taken for that to the next question
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return CamwatchError(f"bench: {self.name} {how}{f': {lines[-1]}' if lines else ''}")

    def _end(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """At once, where something went wrong: nobody wants the answer that it may be working on."""
        if kind is not None:
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # it has died with a question unread
                    pipe.close()
        try:
            self._process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What came out where several did the same work.

    Attributes:
        found: The answer of each entry, by label.
        costs: Of each entry, round by round.
        unable: Why an entry did not take part, by label.
    """

    found: dict[str, Any]
    costs: dict[str, list[Cost]]
    unable: dict[str, str]

    def told(self, rivals: Sequence[str], *, name: str = "ms") -> dict[str, Any]:
        """As it stands in results: costs in milliseconds, and how many times ours each rival's is."""
        rows = [
            {
                "label": label,
                f"cpu_{name}": _scaled([cost.cpu for cost in costs]),
                f"wall_{name}": _scaled([cost.wall for cost in costs]),
            }
            for label, costs in self.costs.items()
        ]
        pairs = []
        for ours in self.costs:
            for rival in rivals:
                if rival in self.costs and ours not in rivals:
                    cpu, wall = ratios(self.costs[rival], self.costs[ours])
                    pairs.append({"ours": ours, "rival": rival, "cpu": asdict(cpu), "wall": asdict(wall)})
        return {
            "rows": rows,
            "ratios": pairs,
            "not_run": [{"label": label, "reason": reason} for label, reason in self.unable.items()],
        }


def compare(entries: Sequence[Entry], *, rounds: int, seconds: float, warm: int = 1) -> Comparison:
    """Time entries in turns, after each was run once for its answer and `warm` times more.

    Args:
        entries: The contestants; who cannot do it is left out and its reason kept.
        rounds: See `timing.interleaved`.
        seconds: See `timing.interleaved`.
        warm: Runs before the first that counts.

    Raises:
        CamwatchError: A contestant died.
    """
    found: dict[str, Any] = {}
    unable: dict[str, str] = {}
    turns: dict[str, Callable[[], Cost]] = {}
    for entry in entries:
        try:
            found[entry.label] = entry.worker.prepare(entry.task, entry.label, warm=warm)
        except Unable as reason:
            unable[entry.label] = str(reason)
            continue
        turns[entry.label] = partial(entry.worker.turn, entry.label)
    costs = interleaved(turns, rounds=rounds, seconds=seconds)
    for worker in {id(entry.worker): entry.worker for entry in entries}.values():
        worker.clear()
    return Comparison(found, costs, unable)


def _scaled(seconds: Sequence[float]) -> dict[str, float]:
    told: Spread = spread([value * 1e3 for value in seconds])
    return asdict(told)


def _environment(contestant: str, threads: int) -> dict[str, str]:
    """Every library that computes gets the same number of threads; waiting threads sleep."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    settings = dict.fromkeys(names, str(threads))
    settings |= {"OMP_WAIT_POLICY": "PASSIVE", "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    if contestant != "camwatch":
        settings["KERAS_BACKEND"] = "tensorflow"  # mtcnn knows no other
    return os.environ | settings
