"""`camwatch enroll`: people into the gallery."""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import numpy as np

from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.engine.image_header import read_header
from camwatch.engine.photos import MAX_BYTES, enroll_photo
from camwatch.errors import PhotoError
from camwatch.identification.cache import write_cache
from camwatch.identification.faces import FolderScan, checked_name, scan, store_photo
from camwatch.identification.gallery import Gallery, unit
from camwatch.identification.loader import relative, split_known
from camwatch.identification.recognizer import Recognizer
from camwatch.identification.tracker import SAME_FACE
from camwatch.records import Enrolled
from camwatch.tools.dataset import FaceNetworks
from camwatch.tools.progress import Steps

ENOUGH = 3
"""Photos from which on more of them help little."""
SOMEBODY_ELSE = 0.15
"""Similarity to a person's other photos below which a photo cannot be of the same person."""
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WebP": ".webp", "BMP": ".bmp", "TIFF": ".tif"}


def enroll(
    name: str,
    photos: list[Path],
    faces: Path,
    *,
    analyzer: FaceNetworks | None = None,
    results: TextIO | None = None,
    notes: TextIO | None = None,
) -> int:
    """Add photos of a person to the gallery, each checked first: one usable face, and not that of somebody else.

    The photos are copied, named after their content. One line for each photo tells what became of it.

    Args:
        name: The person's name, free text.
        photos: Files.
        faces: The gallery, one folder of photos per person; made where it does not exist.
        analyzer: Finds and embeds the faces; loaded here by default.
        results: Where the lines go; stdout by default.
        notes: Where hints go; stderr by default.

    Returns:
        The exit status: 2 where a photo was refused, so that a script can tell; the others are in the gallery.

    Raises:
        PhotoError: The name cannot be one, or the gallery cannot be read or written.
    """
    results, notes = results or sys.stdout, notes or sys.stderr
    name = checked_name(name)
    found = scan(faces, allow_empty=True) if faces.exists() else None
    desk = _Desk(name, faces, analyzer or FaceAnalyzer())
    if found is not None:
        desk.load(found, notes)
    there = 0
    for path in photos:
        try:
            said, hint = desk.add(path)
        except PhotoError as error:
            print(f"refused  {error}", file=results)
            continue
        there += 1
        print(said, file=results)
        if hint:
            print(hint, file=notes)
    if there < len(photos):
        print(f"{there} of {len(photos)} photos are in the gallery", file=notes)
    count = desk.keep()
    if there and count < ENOUGH:
        some = "1 photo" if count == 1 else f"{count} photos"
        print(f"{name} has {some}; three to five, taken on different days, are recognized better", file=notes)
    return 0 if there == len(photos) else 2


class _Desk:
    """Where photos are looked at, one after the other."""

    def __init__(self, name: str, faces: Path, analyzer: FaceNetworks) -> None:
        self._name, self._faces, self._analyzer = name, faces, analyzer
        self._enrolled: list[Enrolled] = []
        self._owners: dict[str, str] = {}
        self._changed = False
        self._recognizer = Recognizer(Gallery([], analyzer.network))

    def load(self, found: FolderScan, notes: TextIO) -> None:
        """Take over who is enrolled already."""
        self._owners = {photo.sha256: photo.person for photo in found.photos}
        self._enrolled, fresh = split_known(found, self._analyzer.network)
        with Steps("reading the gallery", len(fresh), stream=notes) as steps:
            for photo in fresh:
                steps.advance()
                try:
                    one = enroll_photo(self._analyzer, photo.person, photo.path, strict=False)
                except PhotoError as error:
                    steps.note(f"left out {error}")
                    continue
                self._enrolled.append(replace(one, photo=relative(found, photo)))
                self._changed = True
        self._judge()

    def add(self, path: Path) -> tuple[str, str | None]:
        """Check a photo and store it; what to say of it, and what to think about.

        Raises:
            PhotoError: It is refused.
        """
        data = _content(path)
        digest = hashlib.sha256(data).hexdigest()
        owner = self._owners.get(digest) if data else None
        if owner == self._name:
            return f"present  {path}: in the gallery already", None
        if owner is not None:
            raise PhotoError(f"{path}: is in the gallery already, as a photo of {owner}")
        one = enroll_photo(self._analyzer, self._name, path, strict=True)
        probe = unit(one.embeddings.sum(axis=0, dtype=np.float64))
        found = self._recognizer.identify(probe)
        if found.best is not None and found.person not in (None, self._name):
            raise PhotoError(
                f"{path}: looks like {found.person}, who is enrolled already"
                f" (similarity {found.best.score:.2f}, a name is given from {found.threshold:.2f} on)"
            )
        own = self._recognizer.gallery.score(probe, self._name)
        if own is not None and own < SOMEBODY_ELSE:
            raise PhotoError(
                f"{path}: is of somebody else than the other photos of {self._name} (similarity {own:.2f});"
                f" if it is they that are wrong: camwatch forget, then enroll again"
            )
        header = read_header(data)
        stored = store_photo(self._faces, self._name, data, _SUFFIXES[header.format] if header else path.suffix)
        hint = None
        if own is not None and own < SAME_FACE:
            hint = f"{path}: hardly looks like the other photos of {self._name} ({own:.2f}); if wrong, remove {stored}"
        self._enrolled.append(replace(one, photo=stored.relative_to(self._faces).as_posix()))
        self._owners[digest] = self._name
        self._changed = True
        self._judge()
        measured = one.quality
        said = f"added    {path}: face {measured.height:.0f} pixels high, sharpness {measured.sharpness:.0f}"
        return said, hint

    def keep(self) -> int:
        """Save the embeddings beside the photos; how many photos the person has."""
        if self._changed and self._faces.is_dir():
            write_cache(self._faces, self._analyzer.network, self._enrolled)
        return sum(owner == self._name for owner in self._owners.values())

    def _judge(self) -> None:
        self._recognizer = Recognizer(Gallery(self._enrolled, self._analyzer.network))


def _content(path: Path) -> bytes:
    """What is in the file; nothing where it cannot be read, which `enroll_photo` then explains."""
    try:
        return path.read_bytes() if path.is_file() and path.stat().st_size <= MAX_BYTES else b""
    except OSError:
        return b""
