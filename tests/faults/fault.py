"""What a fault is, and one that was done."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.faults.world import World

Figures = dict[str, float]


def nothing() -> None:
    """Some faults go away by themselves."""


def always() -> bool:
    """Some faults need no proof that they have been noticed."""
    return True


@dataclass(frozen=True, slots=True)
class Cure:
    """How a fault goes away.

    Attributes:
        undo: Takes the cause away.
        proof: Whether what was broken has been replaced; asked before anything counts as well.
    """

    undo: Callable[[], object] = nothing
    proof: Callable[[], bool] = always


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind.

    Attributes:
        name: For the table.
        target: `camera`, `server`, `inference`, `broker`, `gallery`, `config`, `state`; or `all` where nothing else
            may be broken at the same time.
        do: Breaks it; given the world, the name of the camera or server, and dice.
        lasts: Seconds until it is mended, from and to.
        weight: How often it is drawn, against others.
        needs_disks: Whether it needs small disks, which only root may mount.
    """

    name: str
    target: str
    do: Callable[[World, str, random.Random], Cure]
    lasts: tuple[float, float] = (0.0, 0.0)
    weight: float = 1.0
    needs_disks: bool = False


@dataclass(slots=True)
class Injected:
    """One fault that was done.

    Attributes:
        cameras: Those that it kept from being seen.
        begin_utc: When it was done.
        until: When it is to be mended, monotonic seconds.
        mended: When its cause went away, monotonic.
        since: The same; or, where another fault stood in the way of the recovery, when the cause of that went away.
        recovered: Seconds from then until all was well again; None where it never was.
        end_utc: When that was.
    """

    fault: Fault
    where: str
    cameras: frozenset[str]
    begin_utc: float
    cure: Cure
    until: float
    mended: float | None = None
    since: float = 0.0
    mended_figures: Figures = field(default_factory=dict)
    recovered: float | None = None
    end_utc: float | None = None
