"""The figures of the live benchmark, from text that a daemon and the kernel gave; nothing here runs anything."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OUTCOMES = ("analyzed", "idle", "dropped_busy", "dropped_stale", "decode_error")
CAPTURED = 0.97
"""Share of the frames due that must be captured; the rest is where a clip begins anew and where the time is cut."""
_SAMPLE = re.compile(r"^(camwatch_\w+)(?:\{([^}]*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')

Labels = frozenset[tuple[str, str]]
Samples = dict[tuple[str, Labels], float]


def parse(text: str) -> Samples:
    """The camwatch samples of a Prometheus text."""
    return {
        (name, frozenset(_LABEL.findall(labels or ""))): float(value) for name, labels, value in _SAMPLE.findall(text)
    }


def growth(before: Mapping[tuple[str, Labels], float], after: Mapping[tuple[str, Labels], float]) -> Samples:
    """By how much each sample has grown; one that was not there before began at 0."""
    return {key: value - before.get(key, 0.0) for key, value in after.items()}


def total(samples: Mapping[tuple[str, Labels], float], name: str, **labels: str) -> float:
    """The sum of a metric over all samples that have these labels."""
    wanted = set(labels.items())
    return sum(value for (key, has), value in samples.items() if key == name and wanted <= has)


def by_label(samples: Mapping[tuple[str, Labels], float], name: str, label: str, **labels: str) -> dict[str, float]:
    """A metric's samples with these labels, by the value of another one."""
    wanted = set(labels.items())
    found: dict[str, float] = {}
    for (key, has), value in samples.items():
        named = dict(has)
        if key == name and wanted <= has and label in named:
            found[named[label]] = found.get(named[label], 0.0) + value
    return found


def quantile(samples: Mapping[tuple[str, Labels], float], name: str, share: float, **labels: str) -> float | None:
    """A quantile of a histogram, linear within its bucket as Prometheus' histogram_quantile has it.

    What lies in the last bucket counts as its lower bound. None without observations.
    """
    buckets = by_label(samples, f"{name}_bucket", "le", **labels)
    bounds = sorted((math.inf if le == "+Inf" else float(le), count) for le, count in buckets.items())
    if not bounds or bounds[-1][1] <= 0:
        return None
    need, low, below = share * bounds[-1][1], 0.0, 0.0
    for bound, count in bounds:
        if count >= need and count > below:
            return low if math.isinf(bound) else low + (bound - low) * (need - below) / (count - below)
        low, below = bound, count
    return low


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One process at one moment; `cpu` in seconds since its start, `switches` of the scheduler, bytes."""

    cpu: float
    rss: int
    pss: int
    threads: int
    switches: int


@dataclass(frozen=True, slots=True)
class Load:
    """What one process, or one of several like it, took: share of a core, megabytes, switches a second."""

    cpu: float
    rss_mb: float
    pss_mb: float
    threads: float
    switches: float


def load(before: ProcessSample, after: ProcessSample, seconds: float) -> Load:
    """Between two samples that are `seconds` apart."""
    return Load(
        cpu=(after.cpu - before.cpu) / seconds,
        rss_mb=after.rss / 1e6,
        pss_mb=after.pss / 1e6,
        threads=after.threads,
        switches=(after.switches - before.switches) / seconds,
    )


def mean(loads: Sequence[Load]) -> Load:
    """The mean of several; all 0 of none."""
    if not loads:
        return Load(0.0, 0.0, 0.0, 0.0, 0.0)
    parts = zip(*((each.cpu, each.rss_mb, each.pss_mb, each.threads, each.switches) for each in loads), strict=True)
    return Load(*(sum(values) / len(loads) for values in parts))


def holds(
    frames: Mapping[str, float],
    p95: float | None,
    *,
    expected: int,
    arrived: int,
    captured: float,
    due: float,
    restarts: Mapping[str, float],
    wrong: Mapping[str, int],
) -> list[str]:
    """Why so many cameras do not hold; empty where they do.

    Args:
        frames: Frames by outcome.
        p95: Seconds from the first face of a visit to its name at a subscriber.
        expected: Visits that were shown.
        arrived: Names that came.
        captured: Frames that the readers took.
        due: Frames that they should have taken of those that the cameras sent.
        restarts: How often each of the daemon's processes was started again.
        wrong: How often each name came that is not the visitor's.
    """
    reasons = [f"{name} restarted" for name, count in restarts.items() if count]
    reasons += [f"{name} named {count} times, who was not there" for name, count in wrong.items()]
    if captured < CAPTURED * due:
        reasons.append(f"{captured / due:.1%} of the frames sent were captured")
    if frames["dropped_stale"]:
        reasons.append(f"{frames['dropped_stale']:.0f} frames dropped late")
    if frames["dropped_busy"] >= 0.01 * sum(frames.values()):
        reasons.append(f"{frames['dropped_busy'] / max(sum(frames.values()), 1):.1%} of the frames dropped busy")
    if expected and (p95 is None or p95 >= 1.0):
        reasons.append("no visit was named" if p95 is None else f"p95 to the name {p95:.2f} s")
    if arrived < expected - 1:  # one may stand on the edge of the time measured
        reasons.append(f"{arrived} of {expected} visits named")
    return reasons


def verdict(tried: Sequence[tuple[bool, int, bool]]) -> list[str]:
    """What a search found, one line for each setting of the motion gate.

    Args:
        tried: Of each run: whether the gate was on, how many cameras, whether they held.
    """
    lines = []
    for gate in dict.fromkeys(gate for gate, _, _ in tried):
        most = max((cameras for on, cameras, held in tried if held and on == gate), default=0)
        lines.append(f"gate {'on' if gate else 'off'}: holds {most} cameras")
    return lines


def next_try(tried: Mapping[int, bool], most: int, *, start: int) -> int | None:
    """Which number of cameras to try next in the search for the largest that holds; None when it is found.

    Args:
        tried: Numbers tried, and whether they held.
        most: The largest number of interest.
        start: The first to try.
    """
    good = max((number for number, held in tried.items() if held), default=0)
    bad = min((number for number, held in tried.items() if not held and number > good), default=None)
    if not tried:
        return max(1, min(start, most))
    if bad is None:
        return None if good >= most else min(most, max(good + 1, math.ceil(good * 1.5)))
    if bad - good <= max(1, good // 16):
        return None
    return (good + bad) // 2
