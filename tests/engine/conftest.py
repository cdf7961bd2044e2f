"""What the engine's tests share: real pictures, and the faces in them."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.engine.alignment import chip
from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.engine.photos import read_photo
from camwatch.records import Picture
from tests.conftest import Footage

PHOTOS = (
    "multi_face.jpg",
    "single_face.jpg",
    "0-f1-su-ph.jpg",
    "0-f15-hao-ph.jpg",
    "15-f13-anc-ph.jpg",
    "45-m7-di-ph.jpg",
    "BWPictureHuman.jpg",
    "free-mountain-vector-01.jpg",
)


@pytest.fixture(scope="session")
def photos(footage: Footage) -> dict[str, Picture]:
    """Real pictures, none with a side over 720."""
    found = {}
    for name in PHOTOS:
        picture = read_photo(footage.path(name))
        scale = min(1.0, 720 / max(picture.shape))
        size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
        found[name] = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return found


@pytest.fixture(scope="session")
def chips(analyzer: FaceAnalyzer, footage: Footage) -> NDArray[np.uint8]:
    """Real faces, and their mirror images: (n, 160, 160, 3)."""
    names = ("multi_face.jpg", "single_face.jpg", "0-f1-su-ph.jpg", "45-m7-di-ph.jpg")
    pictures = [read_photo(footage.path(name)) for name in names]
    found = [
        chip(picture, face.box)
        for picture, faces in zip(pictures, analyzer.detect(pictures, 40), strict=True)
        for face in faces
    ]
    assert len(found) >= 8
    return np.concatenate([found, np.array(found)[:, :, ::-1]])
