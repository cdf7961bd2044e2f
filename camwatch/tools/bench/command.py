"""`camwatch bench`: loads everybody, measures, prints tables or JSON."""

import importlib.util
import json
import re
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TextIO, get_args

from camwatch import __version__
from camwatch.engine.runtime import Precision, RuntimeName
from camwatch.errors import CamwatchError, InputError
from camwatch.tools.bench.daemon import daemon
from camwatch.tools.bench.handover import handover
from camwatch.tools.bench.machine import describe
from camwatch.tools.bench.material import PACKAGED, WALLS, pictures
from camwatch.tools.bench.report import tables
from camwatch.tools.bench.sections import SECTIONS
from camwatch.tools.bench.team import Plan, called, team
from camwatch.tools.progress import Steps

SCHEMA = 2
"""Version of the results; raised when a figure changes its name or meaning."""
ONCE = ("handover", "start")
"""Sections that are not measured for each number of threads."""
NAMES = (*SECTIONS, *ONCE)


def bench(
    *,
    only: str | None,
    threads: str,
    rounds: int,
    seconds: float,
    videos: Sequence[Path],
    sizes: str | None,
    min_faces: str | None,
    runtimes: str | None,
    precisions: str | None,
    json_output: bool,
    results: TextIO | None = None,
    notes: TextIO | None = None,
    plan: Plan | None = None,
) -> int:
    """Measure what each stage costs here, beside `mtcnn`, the script and facenet-pytorch, on the same frames.

    What may be several has commas between.

    Args:
        only: Sections, of `NAMES`; all where None.
        threads: Numbers of CPU threads: for each, everything is measured anew in new processes.
        rounds: Rounds of each comparison at most.
        seconds: Of each comparison, after which no further round is begun.
        videos: Videos and pictures to use in place of the packaged footage.
        sizes: Picture sizes for finding faces, `640x360`; the plan's where None.
        min_faces: Smallest faces; the plan's where None.
        runtimes: What computes camwatch's networks; TensorFlow where None, and OpenVINO where it is installed.
        precisions: In which precision; what is fastest here where None.
        json_output: One JSON object in place of the tables.
        results: Where results go; stdout by default.
        notes: Where the rest goes; stderr by default.
        plan: How much is measured, where it is not said above.

    Returns:
        The exit status: 1 where a section failed, 130 where Ctrl-C ended it and 143 where SIGTERM did; what was done is
        printed all the same.

    Raises:
        InputError: There is no such section, file, runtime or precision, or nothing to measure with it.
    """
    results, notes = results or sys.stdout, notes or sys.stderr
    wanted, counts = _wanted(only), _numbers("--threads", threads, least=1)
    base = plan or Plan()
    chosen = Plan(
        rounds=rounds,
        seconds=seconds,
        sizes=_sizes(sizes) if sizes is not None else base.sizes,
        min_faces=_numbers("--min-face", min_faces, least=12) if min_faces is not None else base.min_faces,
        batches=base.batches,
        frames=base.frames,
        scene_frames=base.scene_frames,
        files=tuple(videos),
        note=lambda line: print(f"bench: {line}", file=notes, flush=True),
    )
    engines = _engines(runtimes, precisions)
    pictures((64, 36), 1, chosen.files)  # a wrong file is told before anything slow begins
    settings = {"rounds": rounds, "seconds": seconds}
    told: dict[str, Any] = {"schema": SCHEMA, "results": []}
    ended = 0
    with Steps("measuring", stream=notes, shown=not results.isatty()) as steps, _sigterm_interrupts() as terminated:
        try:
            with closing(_measured(wanted, counts, engines, chosen)) as entries:
                for entry in entries:
                    told["results"].append(entry | {"settings": settings | {"footage": _footage(entry, chosen)}})
                    steps.advance(text=entry["section"])
        except KeyboardInterrupt:  # an hour's work is not to be lost
            ended = 143 if terminated else 130
            chosen.note("interrupted: these are the sections that were done")
    print(json.dumps(told, indent=1) if json_output else "\n".join(tables(told)), file=results)
    failed = [
        f"{entry['section']}: {each['failed']}"
        for entry in told["results"]
        for each in (entry, *entry.get("rows", ()))
        if "failed" in each
    ]
    for line in failed:
        print(f"camwatch: {line}", file=notes)
    return ended or int(bool(failed))


def _footage(entry: Mapping[str, Any], plan: Plan) -> list[str]:
    return [file.name for file in plan.files] or list(WALLS if entry["section"] == "agreement" else PACKAGED)


def _measured(
    wanted: Sequence[str], counts: Sequence[int], engines: Sequence[Mapping[str, str]], plan: Plan
) -> Generator[dict[str, Any]]:
    """Section by section. One that fails says so, and does not take the others with it."""
    if "handover" in wanted:
        plan.note("handover: a ring and a queue")
        yield _whole("handover", None, lambda: {"comparisons": handover(rounds=plan.rounds, seconds=plan.seconds)})
    if "start" in wanted:
        yield _whole("start", None, lambda: {"rows": _starts(engines, plan)})
    sections = [name for name in wanted if name in SECTIONS]
    done = len(wanted) > len(sections)
    for count in counts if sections else ():
        with ExitStack() as stack:
            try:
                everybody = stack.enter_context(team(count, engines, plan, sections))
            except CamwatchError as error:
                if isinstance(error, InputError) and not done:
                    raise
                yield from (_whole(name, count, partial(_fail, error)) for name in sections)
                continue
            for name in sections:
                entry = _whole(name, count, partial(SECTIONS[name], everybody, plan))
                chosen = {worker.name: worker.about for worker in everybody.ours if worker.about}
                yield entry | {"absent": dict(everybody.absent), "chosen": chosen}
                done = True


def _whole(name: str, threads: int | None, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A section with where and when it was measured: results of several runs are put together section by section."""
    machine = describe()
    about = {
        "section": name,
        "threads": threads,
        "camwatch": __version__,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        figures = measure()
    except CamwatchError as error:
        figures = {"failed": str(error)}
    return about | {"machine": machine | {"load_average_after": describe()["load_average"]}} | figures


def _fail(error: CamwatchError) -> dict[str, Any]:
    return {"failed": str(error)}


@contextmanager
def _sigterm_interrupts() -> Iterator[list[int]]:
    """SIGTERM does what Ctrl-C does: it ends what was started. The list has the signal once it has come."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only that one may say what a signal does
        yield came
        return

    def interrupt(number: int, _: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt the ending
        came.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)


def _wanted(only: str | None) -> list[str]:
    asked = _of("--only", only, NAMES)
    return [name for name in NAMES if name in asked or asked == [None]]


def _of(option: str, text: str | None, known: Sequence[str]) -> list[str | None]:
    """The words of an option, each of them known; a single None for nothing."""
    asked = _words(text)
    unknown = [word for word in asked if word is not None and word not in known]
    if unknown:
        raise InputError(f"{option}: {unknown[0]!r} is none of {', '.join(known)}")
    return asked


def _words(text: str | None) -> list[str | None]:
    """What stands between commas; a single None for nothing."""
    return [word.strip() for word in (text or "").split(",") if word.strip()] or [None]


def _numbers(option: str, text: str, *, least: int) -> tuple[int, ...]:
    try:
        found = tuple(int(word) for word in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < least:
        raise InputError(f"{option}: {text!r} is not a list of numbers from {least}, such as {least},{2 * least}")
    return found


def _sizes(text: str) -> tuple[str, ...]:
    if not re.fullmatch(r"[1-9]\d{1,4}x[1-9]\d{1,4}(,[1-9]\d{1,4}x[1-9]\d{1,4})*", text):
        raise InputError(f"--size: {text!r} is not a list of sizes such as 640x360,1280x720")
    return tuple(text.split(","))


def _engines(runtimes: str | None, precisions: str | None) -> list[dict[str, str]]:
    """camwatch in each runtime and precision: those asked for, else TensorFlow, and OpenVINO where it is installed."""
    if runtimes is None:
        runtimes = "tensorflow,openvino" if importlib.util.find_spec("openvino") else "tensorflow"
    chosen = _of("--runtime", runtimes, get_args(RuntimeName)), _of("--precision", precisions, get_args(Precision))
    return [_options(runtime, precision) for runtime in chosen[0] for precision in chosen[1]]


def _options(runtime: str | None, precision: str | None) -> dict[str, str]:
    named = {"runtime": runtime, "precision": precision}
    return {name: value for name, value in named.items() if value is not None}


def _starts(engines: Sequence[Mapping[str, str]], plan: Plan) -> list[dict[str, Any]]:
    rows = []
    for options in engines:
        name = called(options)
        plan.note(f"start: the daemon, {name}")
        try:
            rows.append({"label": name} | daemon(options, seconds=min(plan.seconds, 30.0), files=plan.files))
        except CamwatchError as error:
            rows.append({"label": name, "failed": str(error)})
    return rows
