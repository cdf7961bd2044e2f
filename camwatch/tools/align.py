"""`camwatch align`: find the face in each picture of a dataset, cut it out, and write it as a PNG of one size."""

import sys
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np

from camwatch.engine.alignment import chip
from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.errors import PhotoError
from camwatch.files import write_whole
from camwatch.identification.faces import IMAGE_SUFFIXES, NAME_FILE, PhotoFile
from camwatch.records import Box, Picture
from camwatch.tools.dataset import FaceNetworks, Portrait, make_folder, portraits, read_dataset, refuse_within
from camwatch.tools.progress import Steps


def align(
    raw: Path,
    out: Path,
    *,
    image_size: int,
    margin: int,
    analyzer: FaceNetworks | None = None,
    results: TextIO | None = None,
    notes: TextIO | None = None,
) -> int:
    """Write a crop of the main face of every picture, in a folder per person as in the dataset.

    As davidsandberg/facenet does it: of several faces the one that is large and near the middle, with a margin in
    pixels of the original picture, whatever the size of the face. An existing crop is written anew.

    Args:
        raw: The dataset, one folder of pictures per person.
        out: Where the crops go; folders are made, for their owner alone.
        image_size: Edge of the square crops, pixels.
        margin: Pixels of the original picture that are added to the width and height of the face's box, half of it on
            each side, as far as the picture goes.
        analyzer: Finds the faces; loaded here by default.
        results: Where the summary goes; stdout by default.
        notes: Where the rest goes; stderr by default.

    Returns:
        The exit status.

    Raises:
        InputError: There is no picture, no picture has a face, or `out` lies inside `raw`.
    """
    results, notes = results or sys.stdout, notes or sys.stderr
    refuse_within(out, raw)
    problems: list[str] = []
    people = read_dataset(raw, problems.append)
    photos = [photo for person in people for photo in person.photos]
    places = _places(photos, out)
    with Steps("aligning", len(photos), stream=notes) as steps:

        def skipped(path: str, reason: str) -> None:
            steps.skipped(path, reason)
            steps.advance()

        told = {problem.split(": ")[0] for problem in problems}
        for problem in problems + [line for line in _strangers(raw) if line.split(": ")[0] not in told]:
            steps.note(problem)
        written = 0
        make_folder(out)
        for portrait in portraits(analyzer or FaceAnalyzer(), photos, skipped):
            place = places[portrait.photo.path]
            place.parent.mkdir(mode=0o700, exist_ok=True)
            _take_name(portrait.photo.path.parent / NAME_FILE, place.parent / NAME_FILE)
            write_whole(place, _png(_face(portrait, image_size, margin)))
            written += 1
            steps.advance()
    print(f"Total number of images: {len(photos)}", file=results)
    print(f"Number of successfully aligned images: {written}", file=results)
    if not written:
        raise PhotoError(f"{raw}: no face in any picture, of {len(photos)}")
    return 0


def _take_name(there: Path, here: Path) -> None:
    """Where a folder is not called as its person, a file in it says the name."""
    if there.is_file() and not here.exists():
        write_whole(here, there.read_bytes())


def _face(portrait: Portrait, image_size: int, margin: int) -> Picture:
    box, half = portrait.box, margin / 2
    wide = Box(box.x1 - half, box.y1 - half, box.x2 + half, box.y2 + half)
    return chip(portrait.picture, wide, margin=0.0, size=image_size)


def _png(picture: Picture) -> bytes:
    done, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"a picture of shape {picture.shape} cannot be encoded")
    return np.asarray(data).tobytes()


def _places(photos: list[PhotoFile], out: Path) -> dict[Path, Path]:
    """Where each crop goes: the picture's name with `.png`, or `a.jpg.png` where two differ only in what they are."""
    places: dict[Path, Path] = {}
    taken: set[Path] = set()
    for photo in photos:
        folder = out / photo.path.parent.name
        place = folder / f"{photo.path.stem}.png"
        if place in taken:
            place = folder / f"{photo.path.name}.png"
        taken.add(place)
        places[photo.path] = place
    return places


def _strangers(raw: Path) -> list[str]:
    """A line for each file in a person's folder that is of no kind that can be read, such as a phone's HEIC."""
    lines = []
    for path in sorted(raw.glob("*/*")):
        hidden = path.name.startswith(".") or path.parent.name.startswith(".")
        if not hidden and path.is_file() and path.suffix.lower() not in IMAGE_SUFFIXES and path.name != NAME_FILE:
            lines.append(f"{path}: not a picture, by its name")
    return lines
