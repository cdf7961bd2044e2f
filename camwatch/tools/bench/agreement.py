"""Do two detectors find the same faces? Pure functions on boxes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SURE = 0.9
"""Confidence from which on a face counts: one of the reference must be found, one of the other side may be extra."""
OVERLAP = 0.5
"""Intersection over union from which on two boxes are the same face."""
SMALL = 60.0
"""Faces less high than this many pixels are counted apart."""

Found = tuple[float, float, float, float, float]
"""A face: x1, y1, x2, y2 in pixels, confidence 0..1."""


class Origin(NamedTuple):
    """Which picture of the footage a face comes from, and where it is there: its middle and height in pixels."""

    source: int
    x: float
    y: float
    height: float


Origins = Callable[[int, Found], Origin | None]
"""Tells the origin of a face of picture number so and so."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the faces that were found are those of the reference.

    Attributes:
        missed: Heights of the reference's sure faces that were not found, whatever the confidence.
        matched: Heights of those that were.
        found: Sure faces that were found.
        extra: Heights of those of them that the reference has not at all, whatever the confidence.
        overlaps: Intersection over union of each pair, ascending.
        origins: Of the reference's sure faces, where they are known.
        asked: Of faces, missed and extra ones, how many are as high as the smallest face asked for. Lower ones are
            found by luck, on either side.
    """

    missed: tuple[float, ...]
    matched: tuple[float, ...]
    found: int
    extra: tuple[float, ...]
    overlaps: tuple[float, ...]
    origins: tuple[Origin, ...] = ()
    asked: tuple[int, int, int] = (0, 0, 0)

    @property
    def faces(self) -> int:
        """How many sure faces the reference has."""
        return len(self.missed) + len(self.matched)

    def quantile(self, share: float) -> float | None:
        """The overlap that this share of the pairs does not reach; None without pairs."""
        return float(np.quantile(self.overlaps, share)) if self.overlaps else None

    def told(self) -> dict[str, int | float | None]:
        """As it stands in results."""
        heights = self.missed + self.matched
        return {
            "faces": self.faces,
            "distinct": different(self.origins) if self.origins else None,
            "small": sum(height < SMALL for height in heights),
            "smallest": min(heights, default=None),
            "missed": len(self.missed),
            "found": self.found,
            "extra": len(self.extra),
            "asked": self.asked[0],
            "missed_asked": self.asked[1],
            "extra_asked": self.asked[2],
            "iou_median": self.quantile(0.5),
            "iou_1_percent": self.quantile(0.01),
            "iou_min": self.quantile(0.0),
        }


def compare(
    reference: Sequence[Sequence[Found]],
    ours: Sequence[Sequence[Found]],
    *,
    min_face: float = 0.0,
    origins: Origins | None = None,
) -> Agreement:
    """Pair the faces of each picture, best overlap first, each face at most once.

    A sure face of the reference is missed where the other side has none there, however unsure. A sure face of the other
    side is extra where the reference has none there, however unsure. camwatch itself reports sure faces only, so what
    it is less sure of is missed.

    Args:
        reference: Faces of each picture.
        ours: Faces of the same pictures.
        min_face: Height of the smallest face that was asked for.
        origins: See `Origins`; None where nobody knows.
    """
    return together(
        _compared(number, theirs, mine, min_face, origins)
        for number, (theirs, mine) in enumerate(zip(reference, ours, strict=True))
    )


def together(parts: Iterable[Agreement]) -> Agreement:
    """Many comparisons as one."""
    all_of = list(parts)
    return Agreement(
        missed=tuple(height for part in all_of for height in part.missed),
        matched=tuple(height for part in all_of for height in part.matched),
        found=sum(part.found for part in all_of),
        extra=tuple(height for part in all_of for height in part.extra),
        overlaps=tuple(sorted(overlap for part in all_of for overlap in part.overlaps)),
        origins=tuple(origin for part in all_of for origin in part.origins),
        asked=(
            sum(part.asked[0] for part in all_of),
            sum(part.asked[1] for part in all_of),
            sum(part.asked[2] for part in all_of),
        ),
    )


def different(origins: Iterable[Origin]) -> int:
    """How many faces there are, if those in the same place of the same picture are one."""
    known: dict[int, list[Origin]] = {}
    for each in origins:
        seen = known.setdefault(each.source, [])
        if not any(max(abs(each.x - one.x), abs(each.y - one.y)) < one.height / 2 for one in seen):
            seen.append(each)
    return sum(map(len, known.values()))


def _compared(
    number: int, theirs: Sequence[Found], mine: Sequence[Found], min_face: float, origins: Origins | None
) -> Agreement:
    pairs = _pairs(theirs, mine)
    hit, met = {a for a, _, _ in pairs}, {b for _, b, _ in pairs}
    sure, mine_sure = _sure(theirs), _sure(mine)
    known = [origins(number, theirs[a]) for a in sorted(sure)] if origins else []
    missed, matched = _heights(theirs, sure - hit), _heights(theirs, sure & hit)
    extra = _heights(mine, mine_sure - met)
    high = [sum(height >= min_face for height in heights) for heights in (missed + matched, missed, extra)]
    return Agreement(
        missed=missed,
        matched=matched,
        found=len(mine_sure),
        extra=extra,
        overlaps=tuple(overlap for a, _, overlap in pairs if a in sure),
        origins=tuple(each for each in known if each is not None),
        asked=(high[0], high[1], high[2]),
    )


def _heights(faces: Sequence[Found], numbers: set[int]) -> tuple[float, ...]:
    return tuple(faces[number][3] - faces[number][1] for number in sorted(numbers))


def _sure(faces: Sequence[Found]) -> set[int]:
    return {number for number, face in enumerate(faces) if face[4] >= SURE}


def _pairs(theirs: Sequence[Found], mine: Sequence[Found]) -> list[tuple[int, int, float]]:
    if not theirs or not mine:
        return []
    overlap = _overlaps(np.asarray(theirs, np.float64), np.asarray(mine, np.float64))
    pairs = []
    while (best := float(overlap.max())) >= OVERLAP:
        a, b = (int(i) for i in np.unravel_index(int(overlap.argmax()), overlap.shape))
        pairs.append((a, b, best))
        overlap[a], overlap[:, b] = -1.0, -1.0
    return pairs


def _overlaps(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of each of a (n, 5) with each of b (m, 5)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:4], b[None, :, 2:4])
    common = np.clip(high - low, 0, None).prod(-1)
    areas = [np.clip(boxes[:, 2:4] - boxes[:, :2], 0, None).prod(-1) for boxes in (a, b)]
    return np.asarray(common / np.maximum(areas[0][:, None] + areas[1][None] - common, 1e-9))
