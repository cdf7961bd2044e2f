"""Whether the pipeline moves: from what the counters did, not from a timer that turns."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from camwatch.service.ring import FrameCounts


@dataclass(frozen=True, slots=True)
class Verdict:
    """`problems` make the service unhealthy; `notes` say what else is not as it should be."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether frames that are there reach decisions."""
        return not self.problems


@dataclass(slots=True)
class Health:
    """Watches every camera's accounting over time. Time is an argument.

    A camera is stuck when frames have come for `patience` seconds, to wait or to be dropped, and none was analysed. A
    camera that delivers nothing is noted, not a reason to restart us: a new daemon does not plug it in again. The loop
    that turns observations into decisions calls `judge` once a second; it is stuck when that was `patience` ago.
    """

    patience: float = 20.0
    _work: dict[str, "_Work"] = field(default_factory=dict)
    _verdict: Verdict = Verdict()
    _judged_at: float | None = None

    def verdict(self, now: float) -> Verdict:
        """What was found last, or that this is too long ago; for any thread."""
        if self._judged_at is not None and now - self._judged_at > self.patience:
            return Verdict((f"decisions: the main loop has been busy for {now - self._judged_at:.0f} s",))
        return self._verdict

    def judge(self, counts: Mapping[str, FrameCounts], down: Mapping[str, str], *, now: float) -> None:
        """Look at the counters, once a second.

        Args:
            counts: Each enabled camera's ring accounting.
            down: Cameras that deliver nothing, and why.
            now: Monotonic seconds.
        """
        problems = []
        self._work = {camera: self._work.get(camera) or _Work(now) for camera in counts}
        for camera, count in counts.items():
            without = self._work[camera].without(count, now, pause=self.patience / 2)
            if without > self.patience:
                problems.append(f"{camera}: frames come, and none has been analysed for {without:.0f} s")
        notes = tuple(f"{camera}: {why}" for camera, why in down.items())
        self._verdict, self._judged_at = Verdict(tuple(problems), notes), now


@dataclass(slots=True)
class _Work:
    """What became of one camera's frames.

    Attributes:
        since: When one was analysed last, or when there was nothing to do last; monotonic seconds.
        asked: When there was something to do last.
    """

    since: float
    asked: float = float("-inf")
    analyzed: int = -1
    dropped: int = 0

    def without(self, count: FrameCounts, now: float, *, pause: float) -> float:
        """Seconds for which frames have come and none was analysed; after a pause without frames it begins anew."""
        dropped = count.dropped_busy + count.dropped_stale
        if count.in_flight > 0 or dropped != self.dropped:
            self.asked = now
        if count.analyzed != self.analyzed or now - self.asked > pause:
            self.since = now
        self.analyzed, self.dropped = count.analyzed, dropped
        return now - self.since
