"""Frames a second of a camera, averaged over the last seconds. Pure; time is an argument."""

from collections import deque

WINDOW = 10
"""Seconds over which the rate is averaged."""


class Rate:
    """Frames analysed, as counted at the end of each of the last seconds."""

    def __init__(self) -> None:
        """Begin without a mark."""
        self._marks: deque[tuple[float, int]] = deque(maxlen=WINDOW)
        self._shown = self._next_mark = 0.0

    def update(self, now: float, analyzed: int) -> float:
        """The rate now, from one mark a second.

        Args:
            now: Seconds.
            analyzed: Frames analysed so far.
        """
        if self._marks and now < self._next_mark and now >= self._marks[-1][0]:
            return self._shown
        self._next_mark = now + 0.9
        self._marks.append((now, analyzed))
        (t0, n0), (t1, n1) = self._marks[0], self._marks[-1]
        self._shown = (n1 - n0) / (t1 - t0) if t1 > t0 else 0.0
        return self._shown
