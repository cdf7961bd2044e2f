"""Which waiting pictures make the next batch: a pure decision over the rings' counters."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Take:
    """Picture number `index` of a camera's ring."""

    camera: str
    index: int


def choose(
    waiting: Mapping[str, range], *, max_batch: int, slots: int, first: int = 0, lossless: Set[str] = frozenset()
) -> list[Take]:
    """Choose at most `max_batch` pictures.

    Where all that wait fit, all are taken, so that a short pause costs nobody a frame. Where they do not, each
    camera gives its newest one, in turn, beginning with camera number `first`: rates fall evenly, latency stays
    bounded and the older ones are passed over. A lossless camera (a recording whose reader waits for room) always
    gives its oldest first.

    Args:
        waiting: For each camera the numbers of its waiting pictures (`FrameRing.waiting`).
        max_batch: The most pictures to take.
        slots: How many pictures a ring holds; older numbers are gone already.
        first: Which camera has the first turn; the caller raises it with every batch.
        lossless: Cameras that must not lose a picture.

    Returns:
        What to take, in rising order within a camera.
    """
    present = {camera: numbers[-slots:] for camera, numbers in waiting.items() if len(numbers)}
    order = _rotated(list(present), first)
    if sum(len(numbers) for numbers in present.values()) <= max_batch:
        return [Take(camera, index) for camera in order for index in present[camera]]
    chosen = order[:max_batch]
    takes = {c: [present[c][0]] if c in lossless else [present[c][-1]] for c in chosen}
    room = max_batch - len(chosen)
    for camera in chosen:
        if camera in lossless and room > 0:
            extra = list(present[camera][1 : 1 + room])
            takes[camera] += extra
            room -= len(extra)
    return [Take(camera, index) for camera in chosen for index in takes[camera]]


def _rotated(cameras: Sequence[str], first: int) -> list[str]:
    if not cameras:
        return []
    start = first % len(cameras)
    return [*cameras[start:], *cameras[:start]]
