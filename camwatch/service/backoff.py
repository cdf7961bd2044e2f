"""How long to wait before the next attempt: exponential with full jitter, reset after a healthy spell.

The jitter spreads the attempts of many cameras that lost the same switch (the "full jitter" of Brooker,
"Exponential Backoff and Jitter", 2015, with a floor so that a retry is never immediate).
"""

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """The delays of one thing that is retried. Time is an argument.

    Attributes:
        first: Upper bound of the first delay, seconds.
        limit: Upper bound of every delay, seconds.
        healthy: After this many seconds of working, the next failure counts as the first again.
    """

    first: float = 1.0
    limit: float = 8.0
    healthy: float = 30.0
    rng: random.Random = field(default_factory=random.Random)
    failures: int = 0
    working_since: float | None = None

    def worked(self, now: float) -> None:
        """Note that the thing works at `now` (monotonic seconds)."""
        if self.working_since is None:
            self.working_since = now

    def delay(self, now: float) -> float:
        """Note a failure at `now` and return the seconds to wait before the next attempt."""
        if self.working_since is not None and now - self.working_since >= self.healthy:
            self.failures = 0
        self.working_since = None
        ceiling = min(self.limit, self.first * 2.0 ** min(self.failures, 16))
        self.failures += 1
        return self.rng.uniform(ceiling / 2, ceiling)
