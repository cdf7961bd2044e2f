"""Boxes on their way through the cascade: pure functions over arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camwatch.engine.pyramid import CELL, STRIDE, Layout
from camwatch.engine.suppression import Measure, keep

Floats = NDArray[np.float32]
_STEP, _NEARER = 0.08, 0.85


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Boxes that may hold a face, in any number of pictures.

    Attributes:
        boxes: (n, 4) float32 x1, y1, x2, y2 in picture pixels; may leave the picture.
        scores: (n,) float32 face probability by the last network.
        owners: (n,) int64, the picture that each box belongs to.
    """

    boxes: Floats
    scores: Floats
    owners: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of boxes."""
        return len(self.scores)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Candidates":
        """Those at a mask's True values, or at indices."""
        return Candidates(self.boxes[chosen], self.scores[chosen], self.owners[chosen])


def sigmoid(logits: Floats) -> Floats:
    """Probabilities of logits, any shape."""
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def propose(
    answer: Floats, layout: Layout, *, threshold: float, first_row: int = 0
) -> tuple[Candidates, NDArray[np.int64]]:
    """Turn P-Net's answer into boxes.

    Args:
        answer: (n, rows, columns, 5): shifts of the corners in units of the window, logit of a face.
        layout: Where the levels lie.
        threshold: Probabilities above it count.
        first_row: The row of the whole canvas' output with which this answer begins.

    Returns:
        Candidates whose owners count from 0 to n - 1; and the level (n,) that each was found in.
    """
    owner = layout.owner[first_row : first_row + answer.shape[1]]
    where = np.nonzero((answer[..., 4] > np.log(threshold / (1 - threshold))) & (owner >= 0))
    pictures, rows, columns = where
    levels = owner[rows, columns].astype(np.int64)
    cells = np.stack([columns, rows + first_row], -1) - layout.origins[levels]
    corner = (cells * STRIDE + 1).astype(np.float32)
    side = CELL - 1
    found = answer[where]
    shift = found[:, :4] * side
    window = np.concatenate([corner + shift[:, :2], corner + side + shift[:, 2:]], -1)
    boxes = (window / layout.scales[levels, None]).astype(np.float32, copy=False)
    return Candidates(boxes, sigmoid(found[:, 4]), pictures.astype(np.int64)), levels


def join(parts: list[Candidates]) -> Candidates:
    """All of them as one; there must be at least one part."""
    return Candidates(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.owners for part in parts]),
    )


def best(candidates: Candidates, limit: int) -> NDArray[np.intp]:
    """Indices of the `limit` best boxes of each picture, in no particular order."""
    order = np.lexsort((-candidates.scores, candidates.owners))
    owners = candidates.owners[order]
    rank = np.arange(len(order)) - np.searchsorted(owners, owners)
    return order[rank < limit]


def suppress(
    candidates: Candidates,
    threshold: float,
    measure: Measure = "union",
    levels: NDArray[np.int64] | None = None,
) -> NDArray[np.bool_]:
    """Which boxes survive the others of their picture (and level, where levels are given)."""
    groups = candidates.owners
    if levels is not None and len(levels):
        groups = groups * (int(levels.max()) + 1) + levels
    return keep(candidates.boxes, candidates.scores, groups, threshold, measure)


def squared(boxes: Floats) -> Floats:
    """The boxes made square around their centres, as large as their longer side: (n, 4) in and out."""
    size = boxes[:, 2:] - boxes[:, :2]
    side = size.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + (size - side) / 2
    return np.concatenate([corner, corner + side], -1)


def around(boxes: Floats) -> Floats:
    """Each square seen a little from beside and nearer, (n, 18, 4): nine places at full size and at `_NEARER` of it."""
    sides = (boxes[:, 2:] - boxes[:, :2])[:, None]
    centres = (boxes[:, :2] + boxes[:, 2:])[:, None] / 2
    steps = np.array([(x, y) for x in (-_STEP, 0, _STEP) for y in (-_STEP, 0, _STEP)], np.float32)
    seen = [
        np.concatenate([centres + steps * sides - sides * (size / 2), centres + steps * sides + sides * (size / 2)], -1)
        for size in (1, _NEARER)
    ]
    return np.concatenate(seen, 1).astype(np.float32)


def lonely(candidates: Candidates, sure: float) -> NDArray[np.intp]:
    """Candidates below a score that touch none, in their picture, of those that reach it."""
    doubted = np.flatnonzero(candidates.scores < sure)
    sure_ones = candidates.take(candidates.scores >= sure)
    boxes, others = candidates.boxes[doubted, None], sure_ones.boxes[None]
    apart = (boxes[..., :2] >= others[..., 2:]).any(-1) | (boxes[..., 2:] <= others[..., :2]).any(-1)
    foreign = candidates.owners[doubted, None] != sure_ones.owners[None]
    return np.asarray(doubted[(apart | foreign).all(1)], np.intp)


def shifted(boxes: Floats, regression: Floats) -> Floats:
    """The boxes (n, 4) with their corners moved by (n, 4) fractions of their size."""
    return boxes + regression * np.tile(_sizes(boxes), 2)


def landmarks(boxes: Floats, regression: Floats) -> Floats:
    """O-Net's landmarks in picture pixels.

    Args:
        boxes: (n, 4) what O-Net saw.
        regression: (n, 10) 5 x, then 5 y as fractions of the box.

    Returns:
        (n, 5, 2) x and y of image-left eye, image-right eye, nose, image-left and image-right mouth corner.
    """
    fractions = regression.reshape(-1, 2, 5).transpose(0, 2, 1)
    return fractions * _sizes(boxes)[:, None] + boxes[:, None, :2] - 1


def _sizes(boxes: Floats) -> Floats:
    """Width and height (n, 2) as MTCNN counts them: both edge pixels belong to the box."""
    return boxes[:, 2:] - boxes[:, :2] + 1
