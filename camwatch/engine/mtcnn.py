"""Finding faces: the MTCNN cascade over many pictures at once.

P-Net proposes boxes on a pyramid of each picture, R-Net and O-Net refine them, and suppression after each step
removes repeats; the candidates of all pictures go through R-Net and O-Net together. Weights, thresholds and
suppression rule are those of the `mtcnn` 1.0.0 package, and so are the faces found, without that package's fault of
finding none where `min_face_size` is above 20. One step is our own: a face that is missed by little gets a second look.

Source: Zhang et al., "Joint Face Detection and Alignment using Multitask Cascaded Convolutional Networks", 2016,
https://arxiv.org/abs/1604.02878.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from camwatch.engine import networks
from camwatch.engine.candidates import (
    Candidates,
    Floats,
    around,
    best,
    join,
    landmarks,
    lonely,
    propose,
    shifted,
    sigmoid,
    squared,
    suppress,
)
from camwatch.engine.crops import cut
from camwatch.engine.pyramid import CELL, STRIDE, Layout, blank, paint, plan
from camwatch.engine.runtime import Network, Precision, Run, Runtime, open_runtime
from camwatch.engine.weights import ONET, PNET, RNET, file_sha256, locate, mtcnn_weights
from camwatch.errors import InputError
from camwatch.records import Box, Detection, Landmarks, Picture

SURE = 0.9
"""Confidence from which a detection is a face. What O-Net gives less is mostly none, and is looked at again."""
_LOOKED_AGAIN = 8  # faces of one picture at most
_MANY = 16  # canvases
_CROP_STEP = 8  # calls are filled up to a multiple of this, so that few sizes occur


@dataclass(frozen=True, slots=True)
class Calls:
    """How much one call of each network computes at most.

    Attributes:
        canvas: Canvas pixels for P-Net.
        rnet: Crops for R-Net.
        onet: Crops for O-Net.
    """

    canvas: int
    rnet: int
    onet: int

    def canvases(self, pixels: int) -> int:
        """How many canvases of so many pixels; many are a power of two, as JAX fills calls up to one."""
        count = max(1, self.canvas // pixels)
        return count if count < _MANY else 1 << (count.bit_length() - 1)


CALLS = {"cpu": Calls(1 << 18, 128, 64), "gpu": Calls(1 << 22, 1024, 512)}
"""By device. On a CPU more would not stay in the cache, and is slower; a GPU would mostly wait for the next."""


def mtcnn_descriptions() -> tuple[Network, Network, Network]:
    """P-, R- and O-Net of the `mtcnn` package as something to compile; hashed here, read when described.

    Raises:
        WeightsError: A file is missing or not the expected one.
    """
    pnet, rnet, onet = (file_sha256(locate(file), file.sha256) for file in (PNET, RNET, ONET))
    return (
        Network("pnet", pnet, lambda build: networks.pnet(build, mtcnn_weights().pnet)),
        Network("rnet", rnet, lambda build: networks.rnet(build, mtcnn_weights().rnet)),
        Network("onet", onet, lambda build: networks.onet(build, mtcnn_weights().onet)),
    )


class FaceDetector:
    """MTCNN with a bound on memory and time whatever the pictures show. Several threads may use one.

    Attributes:
        calls: How much the networks compute in one call.
        capped: How many candidates were given up, in all calls so far, because a picture had too many.
    """

    def __init__(
        self,
        *,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.8),
        max_candidates: int = 1000,
        runtime: Runtime | None = None,
        precision: Precision = "float32",
        calls: Calls | None = None,
    ) -> None:
        """Build the networks.

        Args:
            thresholds: Face probability that P-, R- and O-Net must exceed.
            max_candidates: In each picture, how many boxes R-Net looks at; P-Net may propose 4 times as many, and
                O-Net looks at a quarter of them. The best are kept. A busy street has about 200.
            runtime: What computes the networks; TensorFlow by default.
            precision: Of R- and O-Net; `bfloat16` is faster where the processor has it. P-Net is always in float32.
            calls: How much the networks compute in one call; None for what suits the runtime's device.

        Raises:
            WeightsError: The packaged weights are missing or not the expected ones.
        """
        runtime = runtime or open_runtime("tensorflow")
        self.calls = calls or CALLS[runtime.device]
        self.capped = 0
        self._counting = threading.Lock()
        self._thresholds = thresholds
        self._max_candidates = max_candidates
        first, *others = mtcnn_descriptions()
        # bfloat16 loses small faces here, and moves boxes; not in the networks after it: decision 013
        self._pnet = runtime.compile(first, "float32")
        self._rnet, self._onet = (runtime.compile(each, precision) for each in others)
        self._plan = lru_cache(maxsize=16)(plan)

    def detect(self, pictures: Sequence[Picture], *, min_face: int | Sequence[int]) -> list[list[Detection]]:
        """Find the faces in each picture.

        Args:
            pictures: (height, width, 3) uint8 RGB each; sizes may differ.
            min_face: Side of the smallest face to find in pixels, at least 12; one for all or one for each picture.

        Returns:
            For each picture its faces, the most confident first; none for a picture smaller than `min_face`. Boxes
            are not rounded and may leave the picture.

        Raises:
            InputError: `min_face` is below 12.
            ValueError: A picture is not (height, width, 3) uint8, or there are not as many `min_face` as pictures.
        """
        parts = []
        groups = _groups(pictures, min_face)
        # OpenCV would copy a view anew for every crop
        pictures = [np.ascontiguousarray(picture) for picture in pictures]
        for (height, width, smallest), members in groups.items():
            layout = self._plan(width, height, smallest)
            if layout.levels:
                parts.append(self._proposals(pictures, members, layout))
        if not parts:
            return [[] for _ in pictures]
        return self._faces(pictures, self._refined(pictures, join(parts)))

    def _proposals(self, pictures: Sequence[Picture], members: Sequence[int], layout: Layout) -> Candidates:
        """P-Net on all levels of those pictures, which are of one size; square boxes for R-Net."""
        parts = []
        for chunk in _chunks(len(members), self.calls.canvases(layout.width * layout.height)):
            numbers = np.array(members[chunk])
            canvases = blank(layout, len(numbers))
            for number, canvas in zip(numbers, canvases, strict=True):
                paint(pictures[number], layout, canvas)
            part = self._windows(canvases, layout)
            part = part.take(suppress(part, 0.7))
            parts.append(Candidates(part.boxes, part.scores, numbers[part.owners]))
        proposals = self._cap(join(parts), self._max_candidates)
        return Candidates(squared(proposals.boxes), proposals.scores, proposals.owners)

    def _windows(self, canvases: NDArray[np.uint8], layout: Layout) -> Candidates:
        """P-Net on a few canvases, in strips of rows where they are large, and suppression within each level."""
        parts, levels = [], []
        strip = max(self.calls.canvas // (len(canvases) * layout.width * STRIDE), CELL)
        for rows in _chunks(len(layout.owner), strip):
            pixels = canvases[:, rows.start * STRIDE : (rows.stop - 1) * STRIDE + CELL]
            answer = self._pnet(pixels)
            part, level = propose(answer, layout, threshold=self._thresholds[0], first_row=rows.start)
            parts.append(part)
            levels.append(level)
        windows, level = join(parts), np.concatenate(levels)
        chosen = best(windows, 4 * self._max_candidates)
        self._count_capped(len(windows) - len(chosen))
        windows, level = windows.take(chosen), level[chosen]
        return windows.take(suppress(windows, 0.5, levels=level))

    def _refined(self, pictures: Sequence[Picture], proposals: Candidates) -> Candidates:
        """R-Net on proposals; square boxes for O-Net."""
        regression, scores = _score(self._rnet, pictures, proposals, side=24, most=self.calls.rnet)
        refined = Candidates(shifted(proposals.boxes, regression), scores, proposals.owners)
        refined = refined.take(scores > self._thresholds[1])
        refined = self._cap(refined.take(suppress(refined, 0.7)), max(1, self._max_candidates // 4))
        return Candidates(squared(refined.boxes), refined.scores, refined.owners)

    def _faces(self, pictures: Sequence[Picture], refined: Candidates) -> list[list[Detection]]:
        """O-Net on refined boxes."""
        regression, scores = _score(self._onet, pictures, refined, side=48, most=self.calls.onet)
        marks = landmarks(refined.boxes, regression[:, 4:])
        faces = Candidates(shifted(refined.boxes, regression[:, :4]), scores, refined.owners)
        chosen = np.flatnonzero((scores > self._thresholds[2]) & (faces.boxes[:, 2:] > faces.boxes[:, :2]).all(1))
        faces, marks = faces.take(chosen), marks[chosen]
        kept = suppress(faces, 0.7, "smaller")
        faces, marks = self._looked_again(pictures, faces.take(kept)), marks[kept]
        found: list[list[Detection]] = [[] for _ in pictures]
        for number in np.argsort(-faces.scores, kind="stable"):
            found[faces.owners[number]].append(_detection(faces, marks, number))
        return found

    def _looked_again(self, pictures: Sequence[Picture], faces: Candidates) -> Candidates:
        """The faces, with another score where O-Net doubted one and is sure after all, on average over many crops.

        What it says of one crop hangs on a few pixels. Of a face it is as sure from a little beside or nearer, of
        something else that resembled one it is not. What touches a sure face is a part of it, and stays in doubt.
        """
        doubted = lonely(faces, SURE)
        doubted = doubted[best(faces.take(doubted), _LOOKED_AGAIN)]
        if not len(doubted):
            return faces
        crops = around(squared(faces.boxes[doubted]))
        owners = np.repeat(faces.owners[doubted], crops.shape[1])
        seen = Candidates(crops.reshape(-1, 4), np.zeros(len(owners), np.float32), owners)
        _, scores = _score(self._onet, pictures, seen, side=48, most=self.calls.onet)
        mean = scores.reshape(crops.shape[:2]).mean(1)
        better = faces.scores.copy()
        better[doubted] = np.where(mean >= SURE, mean, better[doubted])
        return Candidates(faces.boxes, better, faces.owners)

    def _cap(self, candidates: Candidates, limit: int) -> Candidates:
        """The best of each picture; counts the others."""
        chosen = best(candidates, limit)
        self._count_capped(len(candidates) - len(chosen))
        return candidates if len(chosen) == len(candidates) else candidates.take(chosen)

    def _count_capped(self, count: int) -> None:
        with self._counting:
            self.capped += count


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


def _score(
    network: Run, pictures: Sequence[Picture], candidates: Candidates, *, side: int, most: int
) -> tuple[Floats, Floats]:
    """Regression and face probability of every candidate, in calls of few different sizes."""
    parts = [np.zeros((0, 5 if side == 24 else 15), np.float32)]
    for chunk in _chunks(len(candidates), most):
        count = chunk.stop - chunk.start
        crops = np.zeros((-(-count // _CROP_STEP) * _CROP_STEP, side, side, 3), np.uint8)
        cut(pictures, candidates.boxes[chunk], candidates.owners[chunk], side, crops[:count])
        parts.append(network(crops)[:count])
    answers = np.concatenate(parts)
    return answers[:, :-1], sigmoid(answers[:, -1])


def _detection(faces: Candidates, marks: Floats, number: int) -> Detection:
    x1, y1, x2, y2 = faces.boxes[number].tolist()
    left_eye, right_eye, nose, left_mouth, right_mouth = ((float(x), float(y)) for x, y in marks[number])
    points: Landmarks = left_eye, right_eye, nose, left_mouth, right_mouth
    return Detection(Box(x1, y1, x2, y2), points, float(faces.scores[number]))
