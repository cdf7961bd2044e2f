"""Candidates cut out of pictures and scaled to the size that a network wants: pure functions over arrays."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from camwatch.records import Picture

OUTSIDE = 127
"""Grey that is seen beyond the edges of a picture: what the networks take for nothing."""

_FLAGS = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
_FARTHEST = 32000  # pixels: OpenCV reaches no farther into a picture


def cut(
    pictures: Sequence[Picture],
    boxes: NDArray[np.float32],
    owners: NDArray[np.int64],
    side: int,
    out: NDArray[np.uint8],
) -> None:
    """Cut boxes out and scale them to squares, bilinearly and without smoothing, as MTCNN's networks were trained.

    The corner pixels of a crop are the corners of its box, on the grid that `tf.image.crop_and_resize` uses.

    Args:
        pictures: (height, width, 3) uint8 each.
        boxes: (n, 4) x1, y1, x2, y2 in picture pixels; may leave the picture.
        owners: (n,) the picture of each box.
        side: Pixels of a crop's side.
        out: (n, side, side, 3) uint8, contiguous; the crops are written here.
    """
    if not len(boxes):
        return
    sizes = np.array([picture.shape[1::-1] for picture in pictures], np.float64)[owners]
    start = boxes[:, :2] * ((sizes - 1) / sizes)
    step = (boxes[:, 2:] - boxes[:, :2]) * ((sizes - 1) / sizes) / (side - 1)
    maps = np.zeros((len(boxes), 2, 3))
    maps[:, 0, 0], maps[:, 1, 1], maps[:, :, 2] = step[:, 0], step[:, 1], start
    for mapping, owner, crop in zip(maps, owners.tolist(), out, strict=True):
        picture = pictures[owner]
        if max(picture.shape) > _FARTHEST:
            picture, mapping[:, 2] = _near(picture, mapping, side)
        cv2.warpAffine(picture, mapping, (side, side), dst=crop, flags=_FLAGS, borderValue=(OUTSIDE, OUTSIDE, OUTSIDE))


def _near(picture: Picture, mapping: NDArray[np.float64], side: int) -> tuple[Picture, NDArray[np.float64]]:
    """The part of a huge picture that a crop shows, and where the crop starts in it."""
    first = np.clip(np.floor(mapping[:, 2]) - 1, 0, None).astype(int)
    last = np.ceil(mapping[:, 2] + np.diagonal(mapping) * side).astype(int) + 2
    near = picture[first[1] : max(last[1], first[1] + 1), first[0] : max(last[0], first[0] + 1)]
    return (near, mapping[:, 2] - first) if near.size else (picture[:1, :1], mapping[:, 2] * 0 - 2 * side)
