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
    backlog: int = 0,
    slots: int,
    last_served: Mapping[str, int],
    lossless: Set[str] = frozenset(),
) -> list[Take]:
    """Choose at most `max_batch` pictures.

    Where all that wait fit, all are taken. Where they do not, but no more wait than `backlog`, one camera after another
    gives all of its own, who was not served for longest first, and the rest waits for the next batches: a burst costs
    nobody a frame. Where more wait, the machine cannot keep up: each camera gives its newest one in the same order and
    the older ones are passed over, so that rates fall evenly and latency stays bounded. A lossless camera (a recording
    whose reader waits for room) always gives its oldest first.

    Args:
        waiting: For each camera the numbers of its waiting pictures (`FrameRing.waiting`).
        max_batch: The most pictures to take.
        backlog: How many may wait in all before any is passed over. A lossless camera counts as one: its ring is
            always full.
        slots: How many pictures a ring holds; older numbers are gone already. Of a live camera whose ring is full the
            oldest is left out too: its slot may be written to at any moment.
        last_served: A serial number of each camera's last picture, one for every picture taken, so that there are no
            ties; cameras never served come first.
        lossless: Cameras that must not lose a picture.

    Returns:
        What to take, in rising order within a camera.
    """
    present = {
        camera: numbers[-slots if camera in lossless else 1 - slots :]
        for camera, numbers in waiting.items()
        if len(numbers)
    }
    order = sorted(present, key=lambda camera: last_served.get(camera, -1))
    if sum(1 if camera in lossless else len(present[camera]) for camera in order) <= max(backlog, max_batch):
        return [Take(camera, index) for camera in order for index in present[camera]][:max_batch]
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
    """How many frames may share a batch, and how many may wait, whatever the machine and the pictures.

    A frame waits for the batch at work and is then analysed with the others of its own: twice `seconds` bounds what
    batching adds to its latency. Larger batches win little (a tenth of the time, for four times the frames). A single
    frame may take longer than `seconds`, as in 4K on a slow core. Failures halve the size.

    Args:
        most: What the configuration allows.
        lanes: How many batches are at work side by side.
        seconds: What a batch may take.
        patience: Seconds of work that may wait before the machine counts as overloaded.
        guess: Seconds a frame is expected to take before any was measured.
    """

    def __init__(
        self, most: int, *, lanes: int = 1, seconds: float = 0.25, patience: float = 0.5, guess: float = 0.5
    ) -> None:
        """Begin carefully."""
        self._lanes = lanes
        self._most, self._seconds, self._patience = most, seconds, patience
        self._per_frame = self._typical = guess
        self._limit = most

    @property
    def frames(self) -> int:
        """The most frames for the next batch."""
        return max(1, min(self._limit, int(self._seconds / max(self._per_frame, 1e-6))))

    @property
    def backlog(self) -> int:
        """The most frames that may wait; one slow batch alone does not make an overload."""
        return int(self._patience * self._lanes / max(self._typical, 1e-6))

    def worked(self, frames: int, seconds: float) -> None:
        """A batch of so many frames took so long. A slow one counts at once, quick ones little by little."""
        self._per_frame = max(seconds / frames, 0.7 * self._per_frame)
        self._typical += 0.2 * (seconds / frames - self._typical)
        self._limit = min(self._most, self._limit + 1)

    def failed(self) -> None:
        """A batch failed: memory may be short."""
        self._limit = max(1, min(self._limit, self.frames) // 2)
