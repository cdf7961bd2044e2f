"""Handing pictures from one process to another: the ring of the daemon, and a `multiprocessing.Queue` that pickles.

Both begin with the planes that a decoder leaves and end with RGB in the other process. The queue's sender converts and
pickles, as a program without shared memory would; the ring's receiver converts straight out of the slot.
"""

import multiprocessing
import os
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import av
import numpy as np

from camwatch.capture.planes import Layout, Plane, Planes, planes_of
from camwatch.errors import CamwatchError
from camwatch.service.ring import FrameRing, create_ring
from camwatch.tools.bench.material import parse_size
from camwatch.tools.bench.timing import Cost, interleaved, ratios, spread

SIZES = ("640x360", "1280x720", "1920x1080")
_COUNT = 40  # pictures in one turn
_WAIT = 30.0


def handover(*, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Time both ways for each of `SIZES`, each picture handed over and acknowledged before the next.

    Args:
        rounds: See `timing.interleaved`.
        seconds: See `timing.interleaved`, for each size.

    Raises:
        CamwatchError: The other process died.
    """
    return [_one(size, rounds, seconds) for size in SIZES]


def _one(size: str, rounds: int, seconds: float) -> dict[str, Any]:
    planes = _planes(*parse_size(size))
    buffer = np.empty(planes.layout.nbytes, np.uint8)
    planes.copy_into(buffer)
    turns: dict[str, Callable[[], Cost]] = {
        "ring": lambda: _session(_RingSide(), planes),
        "pickling queue": lambda: _session(_QueueSide(), planes),
        "conversion alone": lambda: _conversion(planes.layout, buffer),
    }
    costs = interleaved(turns, rounds=rounds, seconds=seconds)
    moved = {name: _less(costs[name], costs["conversion alone"]) for name in ("ring", "pickling queue")}
    cpu, wall = ratios(costs["pickling queue"], costs["ring"])
    moved_cpu, moved_wall = ratios(moved["pickling queue"], moved["ring"])
    return {
        "size": size,
        "rows": [
            {
                "label": name,
                "cpu_ms": asdict(spread([cost.cpu * 1e3 for cost in each])),
                "wall_ms": asdict(spread([cost.wall * 1e3 for cost in each])),
            }
            for name, each in costs.items()
        ],
        "ratio": {"cpu": asdict(cpu), "wall": asdict(wall)},
        "ratio_without_conversion": {"cpu": asdict(moved_cpu), "wall": asdict(moved_wall)},
    }


def _less(costs: Sequence[Cost], part: Sequence[Cost]) -> list[Cost]:
    return [Cost(a.cpu - b.cpu, a.wall - b.wall) for a, b in zip(costs, part, strict=True)]


class _RingSide:
    """The ring and two bells: one says that a picture is there, the other that it was taken."""

    def __init__(self) -> None:
        self._memory = create_ring("bench")
        self._bell, self._answer = os.eventfd(0), os.eventfd(0)
        self._ring = FrameRing(self._memory, "bench")

    def send(self, planes: Planes) -> None:
        self._ring.write(planes, captured_at=0.0, monotonic=0.0, pts=None)
        os.eventfd_write(self._bell, 1)
        _await(self._answer)

    def receive(self) -> None:
        _await(self._bell)
        frame = self._ring.take(self._ring.waiting()[0])
        if frame is None:
            raise CamwatchError("bench: a picture was overwritten on its way")
        os.eventfd_write(self._answer, 1)

    def close(self) -> None:
        self._ring.close()
        for descriptor in (self._memory, self._bell, self._answer):
            os.close(descriptor)


class _QueueSide:
    """A queue, and a bell that says that the picture was taken."""

    def __init__(self) -> None:
        self._queue = _context().Queue(4)
        self._answer = os.eventfd(0)

    def send(self, planes: Planes) -> None:
        self._queue.put(planes.rgb(), timeout=_WAIT)
        _await(self._answer)

    def receive(self) -> None:
        self._queue.get(timeout=_WAIT)
        os.eventfd_write(self._answer, 1)

    def close(self) -> None:
        self._queue.close()
        self._queue.cancel_join_thread()  # what nobody takes any more would be waited for
        os.close(self._answer)


def _session(side: _RingSide | _QueueSide, planes: Planes) -> Cost:
    """One receiver process for `_COUNT` pictures; its CPU time counts too. The first two warm up."""
    ours, theirs = _context().Pipe(duplex=False)
    receiver = _context().Process(target=_receive, args=(side, theirs), daemon=True)
    receiver.start()
    theirs.close()
    try:
        for _ in range(2):
            side.send(planes)
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(_COUNT):
            side.send(planes)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        if not ours.poll(_WAIT):
            raise CamwatchError("bench: the process that takes pictures gave no answer")
        cpu += float(ours.recv())
    finally:
        ours.close()
        receiver.join(5.0)
        if receiver.is_alive():
            receiver.kill()
            receiver.join()
        side.close()
    return Cost(cpu / _COUNT, wall / _COUNT)


def _receive(side: _RingSide | _QueueSide, answer: Any) -> None:
    for _ in range(2):
        side.receive()
    cpu = time.process_time()
    for _ in range(_COUNT):
        side.receive()
    answer.send(time.process_time() - cpu)


def _conversion(layout: Layout, buffer: Plane) -> Cost:
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(_COUNT):
        layout.rgb(buffer)
    return Cost((time.process_time() - cpu) / _COUNT, (time.perf_counter() - wall) / _COUNT)


def _planes(width: int, height: int) -> Planes:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    image = av.VideoFrame.from_ndarray(noise, format="rgb24")
    return planes_of(image.reformat(format="yuv420p"))


def _await(descriptor: int) -> None:
    if not select.select([descriptor], [], [], _WAIT)[0]:
        raise CamwatchError("bench: the other process gave no answer")
    os.eventfd_read(descriptor)


def _context() -> Any:
    """Fork: the child inherits ring and bells, as the daemon's readers do."""
    return multiprocessing.get_context("fork")
