"""Timing in turns: every contestant does its work once in each round, so that a busy machine is busy for all.

Pure but for the clock that is passed in. Times are seconds for one frame (or face) unless said otherwise.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

LEAST_ROUNDS = 5
"""Rounds that are run whatever the time: of fewer, quartiles say nothing. (Unless fewer were asked for.)"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one turn took for each frame: CPU time of all the process's threads, and time on the wall."""

    cpu: float
    wall: float


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of some values, and the quartiles around it."""

    median: float
    low: float
    high: float
    count: int


def interleaved(
    turns: Mapping[str, Callable[[], Cost]],
    *,
    rounds: int,
    seconds: float,
    timer: Callable[[], float] = time.monotonic,
) -> dict[str, list[Cost]]:
    """Let everybody have a turn in each round; who begins moves on by one with every round.

    Args:
        turns: The contestants by name.
        rounds: How many rounds at most.
        seconds: No round is begun after so long, but for the first `LEAST_ROUNDS`.
        timer: Seconds from any start.

    Returns:
        The costs of each contestant, round by round; all lists have the same length.
    """
    names = list(turns)
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    started = timer()
    for number in range(rounds):
        if number >= LEAST_ROUNDS and timer() - started >= seconds:
            break
        first = number % len(names) if names else 0
        for name in names[first:] + names[:first]:
            costs[name].append(turns[name]())
    return costs


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles, linear between neighbours.

    Raises:
        ValueError: There are no values.
    """
    if not values:
        raise ValueError("no values to spread")
    ordered = sorted(values)
    return Spread(_at(ordered, 0.5), _at(ordered, 0.25), _at(ordered, 0.75), len(ordered))


def ratios(rival: Sequence[Cost], ours: Sequence[Cost]) -> tuple[Spread, Spread]:
    """How many times the rival's cost is ours: of CPU time and of wall time, compared within each round.

    Raises:
        ValueError: They did not have the same number of rounds, or none.
    """
    pairs = list(zip(rival, ours, strict=True))
    return spread([a.cpu / b.cpu for a, b in pairs]), spread([a.wall / b.wall for a, b in pairs])


def _at(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
