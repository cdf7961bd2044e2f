"""What a contestant is asked to do, and what it answers; passed between processes as JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Task = Mapping[str, Any]
"""`kind` and what it needs, the same words for every contestant:

    detect    size, min_face, batch, frames    find the faces of pictures; with `walls`, of `material.walls`
    embed     size, frames, boxes, batch       embed the chips of boxes: number of the picture, x1, y1, x2, y2
    pipeline  scene, frames, min_face          find and embed, and decide where the contestant does that
    crowd     size, faces, batch, min_face     find and embed all faces of `batch` pictures with so many in each
    work      size, min_face, frames           how much there is to compute
    rates     -                                what the machine computes in a second
    profile   size, min_face, batch, frames    where the time of one frame goes
"""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A task ready to run.

    Attributes:
        run: Does all of it once; returns what was found, in a form that JSON can hold.
        units: Frames or faces that one run goes through.
    """

    run: Callable[[], Any]
    units: int


class Unable(Exception):  # noqa: N818 - no fault: the message says why
    """A contestant cannot take part, or cannot do one kind of task; the message is the reason."""


class Contestant(Protocol):
    """Somebody who can be timed."""

    def prepare(self, task: Task) -> Prepared:
        """Get everything ready that is not to be timed.

        Raises:
            Unable: This contestant does no such thing.
        """


def batches(count: int, size: int) -> list[slice]:
    """0 to count in ranges of at most `size`."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
