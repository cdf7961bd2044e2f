"""Whether a figure grows: a straight line through its samples, and how sure that line is. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tests.soak.samples import Sample, Taken

HOUR = 3600.0
SETTLING = 600.0
"""Seconds at the beginning that count for no slope: networks load, allocators take what they will keep."""
FEW = 5
"""Samples below which there is no line."""


@dataclass(frozen=True, slots=True)
class Slope:
    """One figure over the soak.

    Attributes:
        name: Whose, and of what.
        unit: For the table.
        first: The first sample that counts.
        last: The last one.
        most: The largest of all.
        hourly: Growth of the line in an hour; None with few samples.
        error: Its standard error, which takes the samples for independent and so is rather too small.
    """

    name: str
    unit: str
    first: float
    last: float
    most: float
    hourly: float | None
    error: float | None


def slope(name: str, unit: str, points: Sequence[tuple[float, float]]) -> Slope:
    """Fit a line by least squares.

    Args:
        name: Of the figure.
        unit: Of its values.
        points: Seconds and values, at least one.
    """
    at, values = (np.array(column, np.float64) for column in zip(*points, strict=True))
    counted = at >= min(SETTLING, at[-1] / 2)
    at, values, most = at[counted], values[counted], float(values.max())
    if len(at) < FEW or np.ptp(at) == 0:
        return Slope(name, unit, float(values[0]), float(values[-1]), most, None, None)
    hours = (at - at.mean()) / HOUR
    spread = float(hours @ hours)
    rise = float(hours @ (values - values.mean())) / spread
    rest = values - values.mean() - rise * hours
    error = float(np.sqrt(rest @ rest / (len(at) - 2) / spread))
    return Slope(name, unit, float(values[0]), float(values[-1]), most, rise, error)


def slopes(samples: Sequence[Sample]) -> list[Slope]:
    """All figures. Of a process that was started anew, its lives are put one after the other."""
    roles = sorted({role for sample in samples for role in sample.processes})
    asked: list[tuple[str, str, Callable[[Taken], float]]] = [
        ("memory (PSS)", "MiB", lambda taken: taken.pss),
        ("memory (RSS)", "MiB", lambda taken: taken.rss),
        ("descriptors", "", lambda taken: taken.descriptors),
        ("threads", "", lambda taken: taken.threads),
    ]
    found = []
    for role in roles:
        there = [(sample.at, sample.processes[role]) for sample in samples if role in sample.processes]
        found += [slope(f"{role}: {what}", unit, [(at, of(taken)) for at, taken in there]) for what, unit, of in asked]
    found.append(slope("shared segments", "", [(sample.at, sample.segments) for sample in samples]))
    found.append(slope("database", "KiB", [(sample.at, sample.database / 1024) for sample in samples]))
    found.append(slope("state folder", "KiB", [(sample.at, sample.state / 1024) for sample in samples]))
    found.append(slope("events that wait", "", [(sample.at, sample.outbox) for sample in samples]))
    return found


def lives(samples: Sequence[Sample]) -> dict[str, int]:
    """How many processes each role had."""
    pids: dict[str, set[int]] = {}
    for sample in samples:
        for role, taken in sample.processes.items():
            pids.setdefault(role, set()).add(taken.pid)
    return {role: len(found) for role, found in sorted(pids.items())}


def table(found: Sequence[Slope]) -> str:
    """As Markdown."""
    lines = ["| what | begin | end | most | an hour | ± |", "|---|---|---|---|---|---|"]
    for one in found:
        growth = "-" if one.hourly is None else f"{one.hourly:+.2f}"
        error = "-" if one.error is None else f"{one.error:.2f}"
        unit = f" {one.unit}" if one.unit else ""
        lines.append(f"| {one.name} | {one.first:.1f}{unit} | {one.last:.1f} | {one.most:.1f} | {growth} | {error} |")
    return "\n".join(lines)
