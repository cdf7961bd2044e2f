"""How usable a face is: its size, how sharp it is, how far it is turned.

None of the figures decides alone. On degraded pictures sharpness tells most of what goes wrong, on clean ones
nothing does; detector confidence and the embedding's length before normalization are no measures of quality with
these networks. So the parts are kept beside the score, and the score only ranks faces.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from camwatch.engine.alignment import crop
from camwatch.records import Box, Detection, Picture, Quality

SIDE = 112
"""Faces are compared for sharpness at this size in pixels."""
FULL_HEIGHT = 100.0
"""Box height in pixels from which more pixels help the network no more."""
FULL_SHARPNESS = 200.0
"""Variance of the Laplacian from which a face counts as sharp."""
_SPOTS = 8
_BRIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)


def quality(picture: Picture, detection: Detection) -> Quality:
    """Measure a detected face.

    Args:
        picture: The full picture, (h, w, 3) uint8, RGB.
        detection: Box and landmarks in its pixels; the box may leave the picture.
    """
    height = detection.box.height
    sharp = sharpness(crop(picture, detection.box))
    turned = turn(detection)
    return Quality(height, sharp, turned, score(height, sharp, turned))


def sketch(picture: Picture, box: Box) -> NDArray[np.float32]:
    """A face in 8 x 8 grey spots, (64,) float32, zero mean and unit length, to notice that another one took its place.

    Args:
        picture: The full picture, (h, w, 3) uint8, RGB.
        box: In its pixels; may leave it, but not lie outside.
    """
    spots = cv2.resize(crop(picture, box), (_SPOTS, _SPOTS), interpolation=cv2.INTER_AREA)
    grey = spots.reshape(-1, 3) @ _BRIGHTNESS
    grey -= grey.mean()
    return np.asarray(grey / max(float(np.linalg.norm(grey)), 1e-6), np.float32)


def sharpness(face: Picture) -> float:
    """Variance of the Laplacian of the grey face at 112 x 112 pixels; 0 for an empty crop.

    A face of few pixels counts as blurred, for it has been enlarged; above 40 a face is usually fine.
    """
    if not face.size:
        return 0.0
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    shrinks = min(grey.shape[:2]) > SIDE
    grey = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def turn(detection: Detection) -> float:
    """How far the nose is off the middle of the eyes, along the eyes, in eye distances: 0 frontal, at most 1."""
    (left_x, left_y), (right_x, right_y), (nose_x, nose_y), *_ = detection.landmarks
    eye_x, eye_y = right_x - left_x, right_y - left_y
    squared = eye_x * eye_x + eye_y * eye_y
    if squared < 1e-6:
        return 1.0
    offset_x, offset_y = nose_x - (left_x + right_x) / 2, nose_y - (left_y + right_y) / 2
    return min(1.0, abs(offset_x * eye_x + offset_y * eye_y) / squared)


def score(height: float, sharp: float, turned: float) -> float:
    """One figure, 0..1: the geometric mean of size, sharpness (by its logarithm) and frontality, each 0..1."""
    size = min(1.0, max(0.0, height / FULL_HEIGHT))
    detail = min(1.0, math.log1p(max(0.0, sharp)) / math.log1p(FULL_SHARPNESS))
    return float((size * detail * max(0.0, 1.0 - turned)) ** (1 / 3))
