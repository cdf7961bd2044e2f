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

    A camera is stuck when frames have been in flight for `patience` seconds and none of them was analysed. A camera
    that delivers nothing is noted, not a reason to restart us: a new daemon does not plug it in again. The loop that
    turns observations into decisions calls `judge` once a second; it is stuck when that was `patience` ago.
    """

    patience: float = 20.0
    _moved: dict[str, tuple[int, float]] = field(default_factory=dict)
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
        self._moved = {camera: moved for camera, moved in self._moved.items() if camera in counts}
        for camera, count in counts.items():
            analyzed, since = self._moved.get(camera, (-1, now))
            if count.analyzed != analyzed or count.in_flight <= 0:
                self._moved[camera] = (count.analyzed, now)
            elif now - since > self.patience:
                problems.append(f"{camera}: frames have been waiting for {now - since:.0f} s")
        notes = tuple(f"{camera}: {why}" for camera, why in down.items())
        self._verdict, self._judged_at = Verdict(tuple(problems), notes), now
