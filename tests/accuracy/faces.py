"""The faces of a kit's stills, embedded once: as photos to enroll, as they are, and as a camera would see them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from camwatch.engine.alignment import crop
from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.engine.photos import enroll_photo, read_photo
from camwatch.errors import PhotoError
from camwatch.pipeline import observe
from camwatch.records import Face, Frame, Picture
from tests.accuracy.degraded import frames

FRAMES = 10
"""Poor frames made of each still."""
_MIN_FACE = 20
_TRIES = 3  # frames made for each one that is needed, before a still is given up
_BATCH = 16


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Faces that were found, one in each cell; rows are stills, columns frames of them.

    Attributes:
        embeddings: (n, k, 512) float32, unit length.
        height, sharpness, turn: (n, k), see `Quality`.
        area: (n, k), of the box in pixels.
        blur: (n, k), variance of the Laplacian of the face as it is, of which other products make something.
    """

    embeddings: NDArray[np.float32]
    height: NDArray[np.float64]
    sharpness: NDArray[np.float64]
    turn: NDArray[np.float64]
    area: NDArray[np.float64]
    blur: NDArray[np.float64]

    def at(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> "Seen":
        """Some of the cells; both arrays are (m, j), as is the result."""
        parts = (self.embeddings, self.height, self.sharpness, self.turn, self.area, self.blur)
        return Seen(*(part[rows, columns] for part in parts))

    @property
    def pooled(self) -> NDArray[np.float32]:
        """(n, 512) float32: the mean over the frames of each row, unit length, as a visit's."""
        total = self.embeddings.sum(axis=1, dtype=np.float64)
        return np.asarray(total / np.linalg.norm(total, axis=1, keepdims=True), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """One face for each still of a kit.

    Attributes:
        photos: (n, m, 512) float32: as enrolled, the face itself first, then its mirror image and what else there is.
        people: (n,) whose it is, by number; `names` has the names in that order.
        probed: How many people have stills enough to be searched for: they are the first numbers.
        single: (n, 1) faces as they are; `frames` (n, 10) as a camera would have seen them.
        network: Id of the embedding network.
        lost: Stills that were left out, since no face was found in them.
    """

    photos: NDArray[np.float32]
    people: NDArray[np.int64]
    names: tuple[str, ...]
    probed: int
    single: Seen
    frames: Seen
    network: str
    lost: tuple[str, ...] = ()

    def of(self, person: int) -> NDArray[np.int64]:
        """The rows of one person."""
        return np.flatnonzero(self.people == person)


def read(analyzer: FaceAnalyzer, kit: Path) -> Faces:
    """The face of each of a kit's clean stills, by the product's own classes."""
    lfw = json.loads((kit / "labels.json").read_text())["lfw"]
    stills = [(person, file) for person, files in lfw["gallery"].items() for file in files]
    stills += [(one["person"], one["file"]) for one in lfw["probes"]]
    stills += [(one["true_name"], one["file"]) for one in lfw["unknown"]]
    owners, photos, singles, poor, lost = [], [], [], [], []
    for name, file in stills:
        picture = read_photo(kit / file)
        single = next(_found(analyzer, [picture], file), None)
        try:
            photo = enroll_photo(analyzer, name, kit / file, strict=False)
        except PhotoError:
            single = None
        seen = [] if single is None else _seen(analyzer, picture, single[1].detection.box.height, file)
        if single is None or len(seen) < FRAMES:
            lost.append(file)
            continue
        owners.append(name)
        photos.append(photo.embeddings)
        singles.append([single])
        poor.append(seen)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(owners))}
    people, probed = np.array([numbers[name] for name in owners]), sum(name in lfw["gallery"] for name in numbers)
    embedded = _cells(singles), _cells(poor)
    return Faces(np.stack(photos), people, tuple(numbers), probed, *embedded, analyzer.network, tuple(lost))


def _seen(analyzer: FaceAnalyzer, picture: Picture, height: float, file: str) -> list[tuple[Picture, Face]]:
    """The first frames of a still in which its face is found."""
    made = frames(picture, height, file)
    seen: list[tuple[Picture, Face]] = []
    for _ in range(_TRIES):
        if len(seen) < FRAMES:
            seen += _found(analyzer, list(islice(made, FRAMES)), file)
    return seen[:FRAMES]


def _found(analyzer: FaceAnalyzer, pictures: Sequence[Picture], file: str) -> Iterator[tuple[Picture, Face]]:
    """Of each picture the largest face, where there is one."""
    given = [Frame(f"{file} {number}", 0, 0.0, 0.0, None, one) for number, one in enumerate(pictures)]
    seen = observe(analyzer, given, min_face={one.camera: _MIN_FACE for one in given})
    for picture, observation in zip(pictures, seen, strict=True):
        usable = [face for face in observation.faces if face.embedding is not None]
        if usable:
            yield picture, max(usable, key=lambda one: one.detection.box.width * one.detection.box.height)


def _cells(found: Sequence[Sequence[tuple[Picture, Face]]]) -> Seen:
    faces = [(picture, face) for row in found for picture, face in row]
    embeddings = np.array([face.embedding for _, face in faces], np.float32).reshape(len(found), -1, 512)
    columns = np.array([_measured(*each) for each in faces]).T
    return Seen(embeddings, *(column.reshape(len(found), -1) for column in columns))


def _measured(picture: Picture, face: Face) -> tuple[float, ...]:
    """Height, sharpness, turn, area and blur."""
    box, quality = face.detection.box, face.quality
    blur = float(cv2.Laplacian(crop(picture, box), cv2.CV_64F).var())
    return quality.height, quality.sharpness, quality.turn, box.width * box.height, blur
