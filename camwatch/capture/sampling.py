"""Which frames to keep for a rate, from their times alone."""

import math

RECENT = 0.1
"""Weight of the newest frame interval in the expected one."""
PULL = 0.05
"""Share of its distance to the time of arrival by which a live stream's time is corrected with each frame."""
DRIFT = 2.0
"""The most seconds of distance from the time of arrival. One frame alone that goes as far has leapt."""


class FrameSampler:
    """Chooses frames nearest to a grid of 1/fps seconds.

    The grid is fixed at the first frame, so there is no drift: 25 frames a second sampled at 5 give exactly 5 a
    second however the frames jitter. A frame is due when it is nearer to the next grid point than the frame expected
    after it. A stream slower than `fps` is kept whole. Gaps leave the grid as it is; a jump back in time (a loop, a
    camera that restarts) starts a new one.

    Args:
        fps: Frames to keep in a second.

    Raises:
        ValueError: `fps` is not a positive number.
    """

    def __init__(self, fps: float) -> None:
        """Before the first frame."""
        if not 0 < fps < math.inf:
            raise ValueError(f"fps must be more than 0, not {fps!r}")
        self._fps = fps
        self._origin = 0.0
        self._next = 0.0
        self._kept: float | None = None
        self._last = 0.0
        self._interval: float | None = None

    def due(self, t: float) -> bool:
        """Whether to keep the frame of time `t` (seconds on any one clock); call it once for every frame."""
        slot = 1 / self._fps
        if self._kept is None or t < self._kept - slot / 2:
            self._origin = t
            self._interval = None
        else:
            self._expect(max(0.0, t - self._last))
            if t < self._next - self._slack(slot):
                self._last = t
                return False
        passed = math.floor((t + self._slack(slot) - self._origin) * self._fps + 1e-6)  # 1e-6: rounding
        self._next = self._origin + (passed + 1) * slot
        self._kept = self._last = t
        return True

    def _expect(self, interval: float) -> None:
        """Learn the stream's frame interval, slowly, and hardly from a gap."""
        if self._interval is None:
            self._interval = interval
        else:
            self._interval += RECENT * (min(interval, 2 * self._interval + 1e-3) - self._interval)

    def _slack(self, slot: float) -> float:
        """How long before its grid point a frame may come."""
        return min(self._interval or 0.0, slot) / 2


class StreamTime:
    """One time line for a stream's frames, to sample and to look for motion by.

    Presentation times tell the distance of two frames free of the network's jitter. But live streams also send frames
    without them (often the first), repeat them, leap by hours, or run at a wrong speed. So the time of arrival stands
    in for what is missing, and gently pulls the time line: a right clock is hardly touched, a wrong one is led.

    Args:
        live: Whether frames arrive at the pace at which they were taken; if not, arrival tells nothing.
    """

    def __init__(self, *, live: bool) -> None:
        """Before the first frame."""
        self._live = live
        self._told: float | None = None
        self._shift: float | None = None
        self._time: float | None = None
        self._arrived = 0.0

    def at(self, pts: float | None, monotonic: float) -> float:
        """The time of the next frame, in seconds from an arbitrary start.

        Args:
            pts: As the stream told it.
            monotonic: When it arrived.
        """
        usual = monotonic if self._time is None else self._time + monotonic - self._arrived
        if pts is None or (self._live and pts == self._told):
            time = usual
        elif not self._live:
            time = pts
        else:
            time = usual if self._shift is None else pts + self._shift
            if abs(time - usual) > DRIFT:
                time = usual
            most = (monotonic - self._arrived) / 2
            time += min(max(PULL * (monotonic - time), -most), most)
            time = min(max(time, monotonic - DRIFT), monotonic + DRIFT)
            self._shift = time - pts
        self._told, self._time, self._arrived = pts, time, monotonic
        return time
