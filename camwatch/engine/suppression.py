"""Non-maximum suppression by the rule of the `mtcnn` 1.0.0 package: pure functions over arrays.

The usual greedy rule removes a box that overlaps a better box *which was kept*. The package removes a box that
overlaps *any* better box, kept or not, and the networks' thresholds were chosen around that: the greedy rule lets
extra faces through. It also makes the comparisons independent of each other, so they are done for many groups at
once, in blocks of bounded size.
"""

from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Measure = Literal["union", "smaller"]
"""What an intersection is compared with: the area of the union (IoU), or the area of the smaller box."""

_BLOCK_PAIRS = 1 << 19


def keep(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    groups: NDArray[np.int64],
    threshold: float,
    measure: Measure = "union",
) -> NDArray[np.bool_]:
    """Decide which boxes stay: those that overlap no better box of their own group by more than the threshold.

    Of two boxes with equal scores the earlier one is the better.

    Args:
        boxes: (n, 4) x1, y1, x2, y2 in any one unit.
        scores: (n,) higher is better.
        groups: (n,) boxes with different numbers are never compared.
        threshold: Overlap from 0 to 1; exactly this much is still allowed.
        measure: How the overlap is measured.

    Returns:
        (n,) True where a box stays.
    """
    order = np.lexsort((-scores, groups))
    sorted_boxes = boxes[order]
    sorted_groups = groups[order]
    rank = np.arange(len(order))
    rivals = np.searchsorted(sorted_groups, sorted_groups, side="right") - rank - 1
    kept = np.ones(len(order), dtype=np.bool_)
    for start, stop in _blocks(rivals):
        better = np.repeat(rank[start:stop], rivals[start:stop])
        before = np.repeat(np.cumsum(rivals[start:stop]) - rivals[start:stop], rivals[start:stop])
        worse = better + 1 + np.arange(len(better)) - before
        kept[worse[_overlaps(sorted_boxes, better, worse, threshold, measure)]] = False
    result = np.empty_like(kept)
    result[order] = kept
    return result


def _blocks(rivals: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges of rows with about `_BLOCK_PAIRS` pairs each (one row more at most), so that memory stays bounded."""
    block = np.cumsum(rivals) // _BLOCK_PAIRS
    edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(rivals)]
    return list(pairwise(edges))


def _overlaps(
    boxes: NDArray[np.float32],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    threshold: float,
    measure: Measure,
) -> NDArray[np.intp]:
    """Positions of the pairs of boxes that overlap by more than the threshold."""
    x1, y1, x2, y2 = np.ascontiguousarray(boxes.T)
    width = np.minimum(x2[first], x2[second]) - np.maximum(x1[first], x1[second])
    near = np.flatnonzero(width > 0)  # most pairs end here, which halves the work
    first, second = first[near], second[near]
    height = np.minimum(y2[first], y2[second]) - np.maximum(y1[first], y1[second])
    intersection = width[near] * np.maximum(height, 0)
    area = (x2 - x1) * (y2 - y1)
    smaller = np.minimum(area[first], area[second])
    against = smaller if measure == "smaller" else area[first] + area[second] - intersection
    overlapping: NDArray[np.intp] = near[(height > 0) & (intersection > threshold * against)]
    return overlapping
