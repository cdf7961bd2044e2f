"""Cumulative histograms that cross a process boundary as plain lists and survive the restart of their owner."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds for durations in seconds."""
FRAMES = (1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0)
"""Upper bounds for pictures in a batch."""
SCORES = (0.0, 0.1, 0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 1.0)
"""Upper bounds for cosine similarities."""


@dataclass(slots=True)
class Histogram:
    """Counts by bucket; `counts` has one more entry than `bounds`, for what lies above the last."""

    bounds: tuple[float, ...] = SECONDS
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        """Begin with empty buckets unless some were given."""
        if not self.counts:
            self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def add(self, other: "Histogram") -> "Histogram":
        """A new histogram with the counts of both; the bounds must be the same."""
        both = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        return Histogram(self.bounds, both, self.total + other.total)

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """The upper bound of the bucket that holds this share of the values; None without values."""
        need, seen = share * self.count, 0
        if not self.count:
            return None
        for bound, n in zip((*self.bounds, float("inf")), self.counts, strict=True):
            seen += n
            if seen >= need:
                return bound
        return float("inf")

    def to_list(self) -> list[float]:
        """The counts and the total, for a message."""
        return [*self.counts, self.total]

    @classmethod
    def from_list(cls, values: Sequence[float], bounds: tuple[float, ...] = SECONDS) -> "Histogram":
        """The inverse of `to_list`."""
        return cls(bounds, [int(v) for v in values[:-1]], float(values[-1]))
