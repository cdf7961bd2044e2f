"""`python -m tests.system.stand_in run CONFIG`: the daemon with a stand-in for inference, whose moments tests choose.

The stand-in loads nothing and finds no faces. What each of its lives does stands in the JSON file that STAND_IN names:
`{"0": {...}, "*": {...}}`, by the number of the life: `late_ready` says that it is ready only as its last word,
`fatal_after` that it gives up after so many seconds if it is to use a GPU, `linger` how long it takes to stop.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from camwatch.records import Observation
from camwatch.service import inference
from camwatch.service.histogram import FRAMES, Histogram
from camwatch.service.messages import Message, observation_message
from camwatch.service.ring import Counter, FrameRing
from camwatch.service.supervisor import Child
from camwatch.service.worker import Worker

PLAN = "STAND_IN"


def main() -> int:
    """The daemon where it is told to run, else the stand-in itself, as the daemon starts it."""
    if sys.argv[1:2] != ["run"]:
        return _stand_in()
    from camwatch.cli.program import main as camwatch

    def child(**given: Any) -> Child:
        return Child(**{**given, "module": "tests.system.stand_in"})

    inference.Child = child  # type: ignore[misc,assignment]
    return camwatch()


def _stand_in() -> int:
    worker = Worker.from_command_line()
    file = Path(os.environ[PLAN])
    life = len(list(file.parent.glob("life-*")))
    (file.parent / f"life-{life}").touch()
    plan = json.loads(file.read_text())
    do = plan.get(str(life), plan.get("*", {}))
    ready = Message("ready", {"network": "stand-in"})
    while do.get("late_ready") and not worker.stopping:
        worker.beat(_stats)
        worker.wait(0.05)
    if "fatal_after" in do and worker.job["device"] == "gpu":
        time.sleep(do["fatal_after"])
        worker.send(Message("fatal", {"error": "there is no GPU"}))
        worker.exit(2)
    worker.send(ready)
    rings = {c: FrameRing(fd, c, slot_bytes=worker.job["slot_bytes"]) for c, fd in worker.job["rings"].items()}
    for ring in rings.values():
        ring.recover()
    while not worker.stopping:
        for camera, ring in rings.items():
            frame = ring.take(ring.waiting()[0]) if ring.waiting() else None
            if frame is not None:
                worker.send(observation_message(_nobody(camera, frame)))
                ring.add(Counter.ANALYZED)
        worker.beat(_stats)
        worker.wait(0.05)
    time.sleep(do.get("linger", 0.0))
    return 0


def _nobody(camera: str, frame: Any) -> Observation:
    return Observation(camera, frame.seq, frame.captured_at, frame.monotonic, 64, 48, ())


def _stats() -> dict[str, Any]:
    return {"stages": {}, "batches": Histogram(FRAMES).to_list(), "capped": {}}


if __name__ == "__main__":
    sys.exit(main())
