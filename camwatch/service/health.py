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
    turns observations into decisions is stuck when its last turn is `patience` old.
    """

    patience: float = 20.0
    _moved: dict[str, tuple[int, float]] = field(default_factory=dict)

    def judge(
        self, counts: Mapping[str, FrameCounts], down: Mapping[str, str], *, last_turn: float, now: float
    ) -> Verdict:
        """The state at `now` (monotonic seconds).

        Args:
            counts: Each enabled camera's ring accounting.
            down: Cameras that deliver nothing, and why.
            last_turn: When the main loop last came round.
            now: Monotonic seconds.

        Returns:
            The verdict.
        """
        problems = []
        if now - last_turn > self.patience:
            problems.append(f"decisions: the main loop has been busy for {now - last_turn:.0f} s")
        for camera, count in counts.items():
            analyzed, since = self._moved.get(camera, (-1, now))
            if count.analyzed != analyzed or count.in_flight == 0:
                self._moved[camera] = (count.analyzed, now)
            elif now - since > self.patience:
                problems.append(f"{camera}: frames have been waiting for {now - since:.0f} s")
        return Verdict(tuple(problems), tuple(f"{camera}: {why}" for camera, why in down.items()))
