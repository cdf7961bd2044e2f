"""Datasets of the offline commands: one folder of pictures per person, each picture about one face."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from camwatch.engine.alignment import views
from camwatch.engine.photos import FaceFinder, find_faces, read_photo, shown_faces
from camwatch.errors import InputError, PhotoError, one_line
from camwatch.identification.faces import PhotoFile, scan
from camwatch.records import Box, Detection, Embedding, Picture

CHIP_SIDE = 160
"""Edge of the crops that the embedding network takes, pixels."""
_BATCH = 16
_BATCH_PIXELS = 24_000_000


class FaceNetworks(FaceFinder, Protocol):
    """The part of `FaceAnalyzer` that is used on datasets."""

    network: str


@dataclass(frozen=True, slots=True)
class Person:
    """A class of a dataset: a name, and that person's pictures by path."""

    name: str
    photos: tuple[PhotoFile, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A picture, (h, w, 3) uint8 RGB, and the box of the face that it is about."""

    photo: PhotoFile
    picture: Picture
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """A picture's embedding: the mean of the views that a photo is enrolled by, (512,) float32, unit length.

    Of a crop, which cannot be cut again, they are the crop and its mirror image. `single` is that of the face alone, as
    frames of a camera are searched. `height` is that of the face's box in pixels, None where the picture is a crop.
    """

    photo: PhotoFile
    embedding: Embedding
    single: Embedding
    height: float | None = None


def read_dataset(folder: Path, note: Callable[[str], None]) -> list[Person]:
    """The people of a dataset by name, their pictures by path.

    Args:
        folder: One folder of pictures per person; the folder's name is the person's, or what `person.json` in it says.
        note: Told one line for everything that was left out.

    Raises:
        PhotoError: There is no such folder, or no picture in any folder in it.
    """
    found = scan(folder, any_name=True)
    for problem in found.problems:
        note(problem)
    if not found.people:
        raise PhotoError(f"{folder}: nobody in it; it should hold one folder of photos for each person")
    by_name: dict[str, list[PhotoFile]] = {}
    for photo in (one for one in found.photos if not one.negative):
        by_name.setdefault(photo.person, []).append(photo)
    return [Person(name, tuple(photos)) for name, photos in by_name.items()]


def without_copies(people: Sequence[Person], note: Callable[[str], None]) -> list[Person]:
    """Each picture once: a copy would be searched for with itself enrolled, or be two people.

    Args:
        people: A dataset.
        note: Told one line for every copy.

    Returns:
        The people with a picture of their own; who shares one with somebody before them has it no more.
    """
    first: dict[str, PhotoFile] = {}
    own = []
    for person in people:
        photos = tuple(photo for photo in person.photos if first.setdefault(photo.sha256, photo) is photo)
        for copy in (photo for photo in person.photos if photo not in photos):
            note(f"{copy.path}: the same file as {first[copy.sha256].path}, left out")
        if photos:
            own.append(Person(person.name, photos))
    return own


def split_dataset(people: Sequence[Person], *, least: int, train: int) -> tuple[list[Person], list[Person]]:
    """One part of each person's pictures to train on and the rest to test with, always the same ones.

    Where davidsandberg/facenet shuffles with a fixed seed, the order of the paths decides here: it is the same on
    every machine, and everybody can see which picture went where.

    Args:
        people: The dataset.
        least: People with fewer pictures are left out.
        train: So many pictures of each person are for training.

    Returns:
        The two parts, with the same people in both; a person with `train` pictures or fewer has none to test with.

    Raises:
        InputError: Nobody has enough pictures.
    """
    kept = [person for person in people if len(person.photos) >= least]
    if not kept:
        most = max((len(person.photos) for person in people), default=0)
        raise InputError(f"--min-images-per-class {least}: nobody has so many pictures, the most are {most}")
    return (
        [Person(person.name, person.photos[:train]) for person in kept],
        [Person(person.name, person.photos[train:]) for person in kept],
    )


Choice = Callable[[Picture, Sequence[Detection]], Detection]
"""Of the faces of a picture the one that it is about."""


def portraits(
    analyzer: FaceNetworks,
    photos: Sequence[PhotoFile],
    note: Callable[[str, str], None],
    *,
    choose: Choice | None = None,
) -> Iterator[Portrait]:
    """Find the face that each picture is about.

    Args:
        analyzer: Finds faces.
        photos: The pictures; they are read and searched some at a time, and come back in this order.
        note: Told (path, reason) for each that is left out.
        choose: Which of several faces it is; `main_face` by default.
    """
    for batch in _batches(photos, note):
        faces = find_faces(analyzer, [picture for _, picture in batch])
        for (photo, picture), found in zip(batch, faces, strict=True):
            if found:
                yield Portrait(photo, picture, (choose or main_face)(picture, found).box)
            else:
                note(str(photo.path), "no face found")


def embed_dataset(
    analyzer: FaceNetworks,
    photos: Sequence[PhotoFile],
    *,
    aligned: bool,
    note: Callable[[str, str], None],
    done: Callable[[int], None],
) -> list[Embedded]:
    """Embed the face of each picture.

    Args:
        analyzer: Finds and embeds.
        photos: The pictures.
        aligned: Whether they are crops already: then they are embedded whole.
        note: Told (path, reason) for each that is left out.
        done: Told how many pictures more have been worked on.
    """
    embedded: list[Embedded] = []
    waiting: list[tuple[PhotoFile, NDArray[np.uint8], float | None]] = []

    def flush() -> None:
        if waiting:
            rows = analyzer.embed(np.concatenate([cuts for _, cuts, _ in waiting]))
            for (photo, _, tall), each in zip(waiting, rows.reshape(len(waiting), -1, rows.shape[1]), strict=True):
                mean = each.sum(axis=0, dtype=np.float64)
                embedded.append(Embedded(photo, (mean / np.linalg.norm(mean)).astype(np.float32), each[0], tall))
            waiting.clear()

    found: Iterator[tuple[PhotoFile, NDArray[np.uint8], float | None]]
    if aligned:
        whole = (one for batch in _batches(photos, note) for one in batch)
        found = ((photo, _with_mirror_image(resized(picture, CHIP_SIDE)), None) for photo, picture in whole)
    else:
        shown = portraits(analyzer, photos, note, choose=enrolled_face)
        found = ((one.photo, views(one.picture, one.box), one.box.height) for one in shown)
    place = {photo.path: number for number, photo in enumerate(photos, 1)}
    so_far = 0
    for photo, cuts, tall in found:
        waiting.append((photo, cuts, tall))
        if len(waiting) == _BATCH:
            flush()
        done(place[photo.path] - so_far)
        so_far = place[photo.path]
    flush()
    return embedded


def _with_mirror_image(face: Picture) -> NDArray[np.uint8]:
    return np.stack([face, face[:, ::-1]])


def resized(picture: Picture, side: int) -> Picture:
    """A picture as a square of `side` pixels, averaged where it shrinks."""
    if picture.shape[:2] == (side, side):
        return picture
    shrinks = min(picture.shape[:2]) > side
    scaled = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(scaled, np.uint8)


def main_face(picture: Picture, found: Sequence[Detection]) -> Detection:
    """The face that a picture is about, where it shows several: by area, less twice the squared way to the middle.

    So did the script whose crops `align` goes on to make.

    Args:
        picture: (h, w, 3) uint8, RGB.
        found: Its faces, at least one.
    """
    height, width = picture.shape[:2]

    def weight(face: Detection) -> float:
        box = face.box
        dx, dy = (box.x1 + box.x2 - width) / 2, (box.y1 + box.y2 - height) / 2
        return float(box.width * box.height - 2 * (dx * dx + dy * dy))

    return max(found, key=weight)


def enrolled_face(picture: Picture, found: Sequence[Detection]) -> Detection:
    """The face that the gallery would take; where it would refuse the picture, the most central of those in question.

    `main_face` takes a small face in the middle before a larger one beside it.

    Args:
        picture: (h, w, 3) uint8, RGB.
        found: Its faces as `photos.find_faces` has them, at least one.
    """
    return shown_faces(picture, found)[0]


def _batches(
    photos: Sequence[PhotoFile], note: Callable[[str, str], None]
) -> Iterator[list[tuple[PhotoFile, Picture]]]:
    """Read pictures, as many at a time as memory allows without asking."""
    batch: list[tuple[PhotoFile, Picture]] = []
    pixels = 0
    for photo in photos:
        try:
            picture = read_photo(photo.path)
        except PhotoError as error:
            note(str(photo.path), str(error).removeprefix(one_line(f"{photo.path}: ")))
            continue
        batch.append((photo, picture))
        pixels += picture.shape[0] * picture.shape[1]
        if len(batch) == _BATCH or pixels >= _BATCH_PIXELS:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def refuse_within(out: Path, dataset: Path) -> None:
    """Refuse to write into the dataset itself.

    Raises:
        InputError: `out` lies in it, or one of them cannot be found out.
    """
    if _real(out).is_relative_to(_real(dataset)):
        raise InputError(f"{out}: lies in the dataset {dataset}, and would be taken for a person the next time")


def make_folder(out: Path) -> None:
    """Make a folder for results, for its owner alone, where there is none.

    Raises:
        InputError: It cannot be made.
    """
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be written to: {error.strerror or error}") from error


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # links that lead in a circle
        raise InputError(f"{path}: leads nowhere: {error}") from error
