"""Which waiting pictures make the next batch: a pure decision over the rings' counters."""

from collections.abc import Mapping, Set
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Take:
    """Picture number `index` of a camera's ring."""

    camera: str
    index: int


def choose(
    waiting: Mapping[str, range],
    *,
    max_batch: int,
    slots: int,
    last_served: Mapping[str, int],
    lossless: Set[str] = frozenset(),
) -> list[Take]:
    """Choose at most `max_batch` pictures.

    Where all that wait fit, all are taken, so that a short pause costs nobody a frame. Where they do not, each
    camera gives its newest one, who has waited for longest first: rates fall evenly, latency stays bounded and the
    older ones are passed over. A lossless camera (a recording whose reader waits for room) always gives its oldest
    first.

    Args:
        waiting: For each camera the numbers of its waiting pictures (`FrameRing.waiting`).
        max_batch: The most pictures to take.
        slots: How many pictures a ring holds; older numbers are gone already.
        last_served: A serial number of each camera's last picture, one for every picture taken, so that there are no
            ties; cameras never served come first.
        lossless: Cameras that must not lose a picture.

    Returns:
        What to take, in rising order within a camera.
    """
    present = {camera: numbers[-slots:] for camera, numbers in waiting.items() if len(numbers)}
    order = sorted(present, key=lambda camera: last_served.get(camera, -1))
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


class BatchSize:
    """How many frames may share a batch, so that it takes about a second whatever the machine and the pictures.

    Latency stays bounded and the heartbeat regular, also where a single 4K frame takes seconds. Failures halve it.

    Args:
        most: What the configuration allows.
        seconds: What a batch may take.
        guess: Seconds a frame is expected to take before any was measured.
    """

    def __init__(self, most: int, *, seconds: float = 1.0, guess: float = 0.5) -> None:
        """Begin carefully."""
        self._most, self._seconds, self._per_frame = most, seconds, guess
        self._limit = most

    @property
    def frames(self) -> int:
        """The most frames for the next batch."""
        return max(1, min(self._limit, int(self._seconds / max(self._per_frame, 1e-6))))

    def worked(self, frames: int, seconds: float) -> None:
        """A batch of so many frames took so long. A slow one counts at once, quick ones little by little."""
        self._per_frame = max(seconds / frames, 0.7 * self._per_frame)
        self._limit = min(self._most, self._limit + 1)

    def failed(self) -> None:
        """A batch failed: memory may be short."""
        self._limit = max(1, min(self._limit, self.frames) // 2)
