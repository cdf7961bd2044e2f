"""Stills made as poor as the frames of a camera: small, in motion, dark, noisy, compressed; the same at every run."""

import hashlib
from collections.abc import Iterator

import cv2
import numpy as np

from camwatch.records import Picture

HEIGHTS = (40.0, 70.0)
"""Pixels of face height that frames are reduced to, evenly."""
_SMEAR = 0.08  # of the face's height, at most: a face that moves while the shutter is open
_DARK = (0.9, 2.2)  # exponents of brightness: above 1 is darker
_NOISE = 8.0  # standard deviation, of 255
_QUALITY = (30, 75)  # of JPEG


def frames(picture: Picture, face_height: float, name: str) -> Iterator[Picture]:
    """Ever other poor copies of one still.

    Args:
        picture: (h, w, 3) uint8, RGB.
        face_height: Of the face in it, pixels.
        name: Of the still: what is drawn for it depends on nothing else.
    """
    rng = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()[:8]))
    while True:
        height = rng.uniform(*HEIGHTS)
        scale = min(1.0, height / face_height)
        size = max(24, round(picture.shape[1] * scale)), max(24, round(picture.shape[0] * scale))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        smeared = _smeared(np.asarray(small, np.float32), rng.uniform(0, _SMEAR) * height, rng.uniform(0, np.pi))
        dark = 255 * (np.clip(smeared, 0, 255) / 255) ** rng.uniform(*_DARK)
        noisy = np.clip(dark + rng.normal(0, rng.uniform(0, _NOISE), dark.shape), 0, 255).astype(np.uint8)
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(*_QUALITY))]
        _, data = cv2.imencode(".jpg", cv2.cvtColor(noisy, cv2.COLOR_RGB2BGR), quality)
        yield np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)


def _smeared(picture: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]", length: float, angle: float) -> Picture:
    """Moved over so many pixels in one direction while it was taken."""
    steps = max(1, round(2 * length))
    total = np.zeros_like(picture)
    for part in np.linspace(-0.5, 0.5, steps) if steps > 1 else [0.0]:
        move = np.array([[1, 0, part * length * np.cos(angle)], [0, 1, part * length * np.sin(angle)]], np.float32)
        size = picture.shape[1], picture.shape[0]
        total += cv2.warpAffine(picture, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return total / steps
