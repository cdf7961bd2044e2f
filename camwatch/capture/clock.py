"""The wall clock as seen from a running stream: steady through steps, but not wrong for ever."""

TOLERANCE = 0.5
"""Seconds by which the wall clock may differ before it counts as stepped."""
SETTLE = 60.0
"""Seconds a step must last before it is followed."""


class WallClock:
    """UTC times of one stream, anchored to the monotonic clock when the connection was made.

    A wall clock that is stepped (NTP after boot, an administrator) would put a hole into a visit, or turn time back.
    So the times go on steadily, and only a step that has lasted `SETTLE` seconds is followed, in one jump:
    otherwise every later event of a camera that never reconnects would carry a wrong time.
    """

    def __init__(self, wall: float, monotonic: float) -> None:
        """Anchor both clocks, read at the same moment (UTC seconds, monotonic seconds)."""
        self._offset = wall - monotonic
        self._stepped: float | None = None

    def at(self, wall: float, monotonic: float) -> float:
        """UTC seconds for a moment at which the clocks read this."""
        if abs(wall - monotonic - self._offset) <= TOLERANCE:
            self._stepped = None
        elif self._stepped is None:
            self._stepped = monotonic
        elif monotonic - self._stepped >= SETTLE:
            self._offset = wall - monotonic
            self._stepped = None
        return self._offset + monotonic
