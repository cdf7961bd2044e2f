"""One contestant in a process of its own: tasks come as JSON lines on stdin, answers go as JSON lines to stdout.

    {"contestant": "mtcnn", "threads": 1, "files": [], "options": {}}    first line; answered when all is loaded
    {"do": "prepare", "slot": "a", "task": {...}, "warm": 1}             runs it 1 + warm times; answers what was found
    {"do": "turn", "slot": "a"}                                          runs it once; answers the cost
    {"do": "clear"}                                                      forgets all slots
    {"do": "memory"}                                                     answers resident memory

Times are of one frame or face. An answer with `unable` says why there is none. The process ends with stdin.
"""

import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from camwatch.tools.bench.machine import resident_mb
from camwatch.tools.bench.work import Contestant, Prepared, Unable


def main() -> int:
    """Serve until stdin ends."""
    # Whatever a package prints must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lines = iter(sys.stdin)
    job = json.loads(next(lines))
    started = time.monotonic()
    try:
        contestant = load(job)
    except Unable as reason:
        say(answers, {"unable": str(reason)})
        return 0
    about = getattr(contestant, "about", {})
    say(answers, {"ready": time.monotonic() - started, "about": about})
    slots: dict[str, Prepared] = {}
    for line in lines:
        asked = json.loads(line)
        try:
            match asked["do"]:
                case "prepare":
                    prepared = slots[asked["slot"]] = contestant.prepare(asked["task"])
                    say(answers, {"found": _warm(prepared, asked["warm"])})
                case "turn":
                    say(answers, _timed(slots[asked["slot"]]))
                case "clear":
                    slots.clear()
                    gc.collect()
                    say(answers, {})
                case "memory":
                    say(answers, resident_mb())
        except Unable as reason:
            say(answers, {"unable": str(reason)})
    return 0


def load(job: dict[str, Any]) -> Contestant:
    """The contestant that a job names.

    Raises:
        Unable: It cannot take part.
    """
    threads, files = int(job["threads"]), [Path(name) for name in job["files"]]
    limit_cores(threads)  # first: libraries make their threads when they are imported
    from camwatch.tools.bench.rivals import FacenetPytorch, Script, limit_threads

    limit_threads(threads)
    match job["contestant"]:
        case "camwatch":
            from camwatch.tools.bench import ours

            return ours.load(threads, files, job["options"])
        case "mtcnn":
            return Script(threads, files)
        case "facenet-pytorch":
            return FacenetPytorch(threads, files)
        case "machine":
            from camwatch.tools.bench.rates import Rates

            return Rates(threads)
    raise Unable(f"no contestant {job['contestant']!r}")


def limit_cores(count: int) -> None:
    """No more cores than threads for this process: then the number holds, whatever pools a library keeps besides.

    All contestants get the same cores, as only one of them works at a time.
    """
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def say(answers: TextIO, message: dict[str, Any]) -> None:
    """One line."""
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def _warm(prepared: Prepared, times: int) -> Any:
    """The answer of the first run; further ones only warm up."""
    found = prepared.run()
    for _ in range(times):
        prepared.run()
    return found


def _timed(prepared: Prepared) -> dict[str, float]:
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    prepared.run()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu / prepared.units, "wall": wall / prepared.units}


if __name__ == "__main__":
    sys.exit(main())
