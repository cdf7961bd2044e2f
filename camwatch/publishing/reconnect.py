"""When to try the broker again: jittered exponential backoff, slow where trying cannot help."""

import random

FIRST = 0.5
LONGEST = 10.0
REFUSED = 60.0
STABLE = 10.0
"""Seconds a connection must last before the next failure counts as the first again."""


class Reconnect:
    """Counts failures and says how long to wait after each.

    Args:
        rng: Source of the jitter, so that many nodes do not come back to a restarted broker at once.
    """

    def __init__(self, rng: random.Random) -> None:
        """Begin without failures."""
        self._rng = rng
        self._failures = 0

    def delay(self, *, connected_for: float, refused: bool) -> float:
        """Seconds to wait before the next attempt.

        Args:
            connected_for: How long the connection that just ended had been up; 0 where it never was.
            refused: The broker said no in a way that only a human can change.
        """
        if connected_for >= STABLE:
            self._failures = 0
        longest = min(FIRST * 2**self._failures, LONGEST)
        # Stops where the longest delay is reached: a year of failures must not overflow.
        self._failures = min(self._failures + 1, 10)
        return self._rng.uniform(0.5, 1.0) * (REFUSED if refused else longest)
