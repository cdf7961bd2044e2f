"""Do two detectors find the same faces? Pure functions on boxes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SURE = 0.9
"""Confidence from which on a face counts: one that only one detector found, and less surely, is no difference."""
OVERLAP = 0.5
"""Intersection over union from which on two boxes are the same face."""

Found = tuple[float, float, float, float, float]
"""A face: x1, y1, x2, y2 in pixels, confidence 0..1."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the faces that were found are those of the reference.

    Attributes:
        faces: Sure faces of the reference.
        missed: Those of them that were not found.
        found: Sure faces that were found.
        extra: Those of them that the reference has not at all.
        overlaps: Intersection over union of each pair, ascending.
    """

    faces: int
    missed: int
    found: int
    extra: int
    overlaps: tuple[float, ...]

    def quantile(self, share: float) -> float | None:
        """The overlap that this share of the pairs does not reach; None without pairs."""
        return float(np.quantile(self.overlaps, share)) if self.overlaps else None

    def told(self) -> dict[str, int | float | None]:
        """As it stands in results."""
        return {
            "faces": self.faces,
            "missed": self.missed,
            "found": self.found,
            "extra": self.extra,
            "iou_median": self.quantile(0.5),
            "iou_1_percent": self.quantile(0.01),
            "iou_min": self.quantile(0.0),
        }


def compare(reference: Sequence[Sequence[Found]], ours: Sequence[Sequence[Found]]) -> Agreement:
    """Pair the faces of each picture, best overlap first, each face at most once.

    A face of either side that the other has with less confidence than `SURE` is not missed and not extra.

    Args:
        reference: Faces of each picture.
        ours: Faces of the same pictures.
    """
    faces = missed = found = extra = 0
    overlaps: list[float] = []
    for theirs, mine in zip(reference, ours, strict=True):
        pairs = _pairs(theirs, mine)
        hit, met = {a for a, _, _ in pairs}, {b for _, b, _ in pairs}
        sure, mine_sure = _sure(theirs), _sure(mine)
        faces, missed = faces + len(sure), missed + len(sure - hit)
        found, extra = found + len(mine_sure), extra + len(mine_sure - met)
        overlaps += [overlap for a, _, overlap in pairs if a in sure]
    return Agreement(faces, missed, found, extra, tuple(sorted(overlaps)))


def together(parts: Iterable[Agreement]) -> Agreement:
    """Many comparisons as one."""
    faces = missed = found = extra = 0
    overlaps: list[float] = []
    for part in parts:
        faces, missed, found, extra = (
            faces + part.faces,
            missed + part.missed,
            found + part.found,
            extra + part.extra,
        )
        overlaps += part.overlaps
    return Agreement(faces, missed, found, extra, tuple(sorted(overlaps)))


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
