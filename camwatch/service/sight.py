"""Whether a camera can be believed where it shows nobody, and what time it is there.

While a camera is lost or inference away, that nobody is seen says nothing of who is there. Pure; time is an argument.
"""

import math
from collections.abc import Container, Iterable

from camwatch.records import Observation

ADVANCE_DELAY = 2.0
"""Seconds by which visits' time runs behind the clock where no frame comes, since frames may be under way."""
BLIND_LIMIT = 60.0
"""Seconds that a camera may be lost, or inference away, before visits end all the same."""


class Sight:
    """Remembers for each camera since when it is blind, and how its clock differs from ours."""

    def __init__(self) -> None:
        """Begin without cameras; one is known from its first observation on."""
        self._offset: dict[str, float] = {}
        self._blind: dict[str, float] = {}
        self._begun: dict[str, float] = {}

    def lost(self, camera: str, now: float) -> None:
        """From now on (monotonic seconds) nothing is seen by a camera, unless that was so already."""
        self._blind.setdefault(camera, now)

    def forget(self, camera: str) -> None:
        """The camera is no longer there."""
        for known in (self._offset, self._blind, self._begun):
            known.pop(camera, None)

    def begin(self, cameras: Iterable[str], now: float) -> None:
        """These cameras show another scene from now on (monotonic seconds)."""
        for camera in cameras:
            self.forget(camera)
            self._begun[camera] = now

    def is_past(self, observation: Observation) -> bool:
        """Whether a frame is from before the scene that the camera shows now: it was under way for long."""
        return observation.monotonic < self._begun.get(observation.camera, -math.inf)

    def observed(self, observation: Observation) -> bool:
        """Take in an observation; whether it is the first one after the camera was blind."""
        self._offset[observation.camera] = observation.captured_at - observation.monotonic
        return self._blind.pop(observation.camera, None) is not None

    def advance(
        self, now: float, *, seeing: Container[str], under_way: Container[str]
    ) -> Iterable[tuple[str, float | None, float]]:
        """How far time has come before each camera, as far as that is known.

        Args:
            now: Monotonic seconds.
            seeing: Cameras that deliver, with an inference that works.
            under_way: Those of which frames are being analysed: these carry the time, the clock would run ahead.

        Returns:
            For each camera its name, the UTC time until which it was blind where its sight has just come back, and the
            UTC time up to which visits may be ended.
        """
        found = []
        for camera, offset in self._offset.items():
            excused = None
            if camera not in seeing:
                if now - self._blind.setdefault(camera, now) <= BLIND_LIMIT:
                    continue
            elif camera in under_way:
                continue
            elif self._blind.pop(camera, None) is not None:
                excused = now + offset  # sight is back before the first frame of it
            found.append((camera, excused, now + offset - ADVANCE_DELAY))
        return found
