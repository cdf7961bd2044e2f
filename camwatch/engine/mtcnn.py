"""Finding faces: the MTCNN cascade over many pictures at once.

P-Net proposes boxes on a pyramid of each picture, R-Net and O-Net refine them, and suppression after each step
removes repeats; the candidates of all pictures of a size go through R-Net and O-Net together. Weights, thresholds and
suppression rule are those of the `mtcnn` 1.0.0 package, and so are the faces found, without that package's fault of
finding none where `min_face_size` is above 20.

Source: Zhang et al., "Joint Face Detection and Alignment using Multitask Cascaded Convolutional Networks", 2016,
https://arxiv.org/abs/1604.02878.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from camwatch.engine.candidates import (
    Candidates,
    Floats,
    best,
    join,
    landmarks,
    propose,
    shifted,
    squared,
    suppress,
)
from camwatch.engine.pyramid import CELL, STRIDE, Layout, blank, paint, plan
from camwatch.engine.weights import MtcnnWeights, mtcnn_weights
from camwatch.errors import InputError
from camwatch.records import Box, Detection, Landmarks, Picture

if TYPE_CHECKING:
    from camwatch.engine.networks import CropNetwork

_PASS_PIXELS = 16 << 20  # pictures that go through the cascade together, 48 MB
_PNET_PIXELS = 1 << 18  # canvas pixels in one call of P-Net: more would not stay in the cache, and is slower
_RNET_CROPS, _ONET_CROPS = 128, 64  # crops in one call, for the same reason
_CROP_STEP = 8  # calls are filled up to a multiple of this, so that few sizes occur


class FaceDetector:
    """MTCNN with a bound on memory and time whatever the pictures show. For one thread.

    Attributes:
        capped: How many candidates were given up, in all calls so far, because a picture had too many.
    """

    def __init__(
        self,
        *,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.8),
        max_candidates: int = 1000,
        weights: MtcnnWeights | None = None,
    ) -> None:
        """Load TensorFlow and build the networks.

        Args:
            thresholds: Face probability that P-, R- and O-Net must exceed.
            max_candidates: In each picture, how many boxes R-Net looks at; P-Net may propose 4 times as many, and
                O-Net looks at a quarter of them. The best are kept. A busy street has about 200.
            weights: Already loaded weights; None loads the packaged ones.

        Raises:
            WeightsError: The packaged weights are missing or not the expected ones.
        """
        weights = weights or mtcnn_weights()
        from camwatch.engine import networks  # loads TensorFlow

        self.capped = 0
        self._thresholds = thresholds
        self._max_candidates = max_candidates
        self._pnet = networks.ProposalNetwork(weights.pnet)
        self._rnet = networks.rnet(weights.rnet)
        self._onet = networks.onet(weights.onet)
        self._on_cpu = networks.on_cpu
        self._plan = lru_cache(maxsize=16)(plan)

    def detect(self, pictures: Sequence[Picture], *, min_face: int | Sequence[int]) -> list[list[Detection]]:
        """Find the faces in each picture.

        Args:
            pictures: (height, width, 3) uint8 RGB each; sizes may differ, pictures of one size share the work.
            min_face: Side of the smallest face to find in pixels, at least 12; one for all or one for each picture.

        Returns:
            For each picture its faces, the most confident first; none for a picture smaller than `min_face`. Boxes
            are not rounded and may leave the picture.

        Raises:
            InputError: `min_face` is below 12.
            ValueError: A picture is not (height, width, 3) uint8, or there are not as many `min_face` as pictures.
        """
        found: list[list[Detection]] = [[] for _ in pictures]
        for (height, width, smallest), members in _groups(pictures, min_face).items():
            layout = self._plan(width, height, smallest)
            if not layout.levels:
                continue
            for chunk in _chunks(len(members), max(1, _PASS_PIXELS // (width * height))):
                numbers = members[chunk]
                faces = self._cascade(np.stack([pictures[number] for number in numbers]), layout)
                for number, detections in zip(numbers, faces, strict=True):
                    found[number] = detections
        return found

    def _cascade(self, pictures: NDArray[np.uint8], layout: Layout) -> list[list[Detection]]:
        """All three networks on pictures (n, height, width, 3) of one size."""
        proposals = self._proposals(pictures, layout)
        if not len(proposals):
            return [[] for _ in pictures]
        tensor = self._on_cpu(pictures)
        refined = self._refined(tensor, proposals)
        if not len(refined):
            return [[] for _ in pictures]
        return self._faces(tensor, refined)

    def _proposals(self, pictures: NDArray[np.uint8], layout: Layout) -> Candidates:
        """P-Net on all levels; square boxes for R-Net."""
        parts = []
        for chunk in _chunks(len(pictures), max(1, _PNET_PIXELS // (layout.width * layout.height))):
            canvases = blank(layout, len(pictures[chunk]))
            for picture, canvas in zip(pictures[chunk], canvases, strict=True):
                paint(picture, layout, canvas)
            part = self._windows(canvases, layout)
            part = part.take(suppress(part, 0.7))
            parts.append(Candidates(part.boxes, part.scores, part.owners + chunk.start))
        proposals = self._cap(join(parts), self._max_candidates)
        return Candidates(squared(proposals.boxes), proposals.scores, proposals.owners)

    def _windows(self, canvases: NDArray[np.uint8], layout: Layout) -> Candidates:
        """P-Net on a few canvases, in strips of rows where they are large, and suppression within each level."""
        parts, levels = [], []
        strip = max(_PNET_PIXELS // (len(canvases) * layout.width * STRIDE), CELL)
        for rows in _chunks(len(layout.owner), strip):
            pixels = canvases[:, rows.start * STRIDE : (rows.stop - 1) * STRIDE + CELL]
            regression, probability = self._pnet(pixels)
            part, level = propose(regression, probability, layout, threshold=self._thresholds[0], first_row=rows.start)
            parts.append(part)
            levels.append(level)
        windows, level = join(parts), np.concatenate(levels)
        chosen = best(windows, 4 * self._max_candidates)
        self.capped += len(windows) - len(chosen)
        windows, level = windows.take(chosen), level[chosen]
        return windows.take(suppress(windows, 0.5, levels=level))

    def _refined(self, pictures: Any, proposals: Candidates) -> Candidates:
        """R-Net on proposals; square boxes for O-Net."""
        regression, scores = _score(self._rnet, pictures, proposals, _RNET_CROPS)
        refined = Candidates(shifted(proposals.boxes, regression), scores, proposals.owners)
        refined = refined.take(scores > self._thresholds[1])
        refined = self._cap(refined.take(suppress(refined, 0.7)), max(1, self._max_candidates // 4))
        return Candidates(squared(refined.boxes), refined.scores, refined.owners)

    def _faces(self, pictures: Any, refined: Candidates) -> list[list[Detection]]:
        """O-Net on refined boxes."""
        regression, scores = _score(self._onet, pictures, refined, _ONET_CROPS)
        marks = landmarks(refined.boxes, regression[:, 4:])
        faces = Candidates(shifted(refined.boxes, regression[:, :4]), scores, refined.owners)
        chosen = np.flatnonzero((scores > self._thresholds[2]) & (faces.boxes[:, 2:] > faces.boxes[:, :2]).all(1))
        faces, marks = faces.take(chosen), marks[chosen]
        kept = suppress(faces, 0.7, "smaller")
        found: list[list[Detection]] = [[] for _ in pictures]
        for number in np.argsort(-faces.scores, kind="stable"):
            if kept[number]:
                found[faces.owners[number]].append(_detection(faces, marks, number))
        return found

    def _cap(self, candidates: Candidates, limit: int) -> Candidates:
        """The best of each picture; counts the others."""
        chosen = best(candidates, limit)
        self.capped += len(candidates) - len(chosen)
        return candidates if len(chosen) == len(candidates) else candidates.take(chosen)


def _groups(pictures: Sequence[Picture], min_face: int | Sequence[int]) -> dict[tuple[int, int, int], list[int]]:
    """Numbers of the pictures by height, width and smallest face."""
    smallest = [min_face] * len(pictures) if isinstance(min_face, int) else list(min_face)
    groups: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for number, (picture, side) in enumerate(zip(pictures, smallest, strict=True)):
        if side < CELL:
            raise InputError(f"min_face is {side}: the smallest face that can be found has {CELL} pixels")
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(f"picture {number}: {picture.dtype} {picture.shape}, not uint8 (height, width, 3)")
        groups[picture.shape[0], picture.shape[1], side].append(number)
    return groups


def _chunks(count: int, size: int) -> Iterator[slice]:
    """0 to count in ranges of at most `size`."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _score(network: "CropNetwork", pictures: Any, candidates: Candidates, most: int) -> tuple[Floats, Floats]:
    """Regression and face probability of every candidate, in calls of few different sizes."""
    height, width = pictures.shape[1:3]
    parts = []
    for chunk in _chunks(len(candidates), most):
        count = chunk.stop - chunk.start
        size = -(-count // _CROP_STEP) * _CROP_STEP
        corners = np.zeros((size, 4), np.float32)
        corners[:count] = candidates.boxes[chunk][:, [1, 0, 3, 2]] / np.array([height, width] * 2, np.float32)
        owners = np.zeros(size, np.int32)
        owners[:count] = candidates.owners[chunk]
        regression, scores = network(pictures, corners, owners)
        parts.append((regression[:count], scores[:count]))
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _detection(faces: Candidates, marks: Floats, number: int) -> Detection:
    x1, y1, x2, y2 = faces.boxes[number].tolist()
    left_eye, right_eye, nose, left_mouth, right_mouth = ((float(x), float(y)) for x, y in marks[number])
    points: Landmarks = left_eye, right_eye, nose, left_mouth, right_mouth
    return Detection(Box(x1, y1, x2, y2), points, float(faces.scores[number]))
