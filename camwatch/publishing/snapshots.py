"""Pictures of faces kept beside the events: one JPEG for each visit, bounded by count and by age."""

import os
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from camwatch.errors import StateError
from camwatch.files import write_whole
from camwatch.records import Picture

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_JPEG_QUALITY = 90
SNAPSHOTS_FOLDER = "snapshots"
"""Name of the folder within the state directory."""
_ABANDONED = 3600.0


def jpeg(picture: Picture) -> bytes:
    """A picture as JPEG.

    Args:
        picture: (height, width, 3) uint8, RGB.
    """
    # OpenCV's encoders take BGR.
    blue_first = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise ValueError(f"a picture of shape {picture.shape} cannot be encoded")
    return np.asarray(data).tobytes()


class Snapshots:
    """The folder of pictures: files `VISIT_ID.jpg`, mode 0600, the folder 0700.

    Args:
        folder: Made where it is missing.
        keep: How many pictures remain at most.
        max_age: Seconds after which a picture goes.

    Raises:
        StateError: The folder cannot be made.
    """

    def __init__(self, folder: Path, *, keep: int, max_age: float) -> None:
        """Make the folder."""
        self._folder = folder
        self._keep = keep
        self._max_age = max_age
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"{folder}: cannot keep snapshots here: {error.strerror}") from error

    def save(self, visit_id: str, chip: Picture, now: float) -> str:
        """Write a visit's picture, replacing an earlier one of the same visit.

        Args:
            visit_id: Becomes the file name.
            chip: (height, width, 3) uint8, RGB.
            now: UTC seconds; the picture's age counts from here.

        Returns:
            The file name, as in the event's `snapshot`.

        Raises:
            StateError: The file cannot be written.
            ValueError: The visit id cannot be a file name.
        """
        if not _NAME.fullmatch(visit_id):
            raise ValueError(f"{visit_id!r} cannot be the name of a snapshot")
        name = f"{visit_id}.jpg"
        file = self._folder / name
        try:
            write_whole(file, jpeg(chip))
            os.utime(file, (now, now))
        except OSError as error:
            raise StateError(f"{file}: cannot write the snapshot: {error.strerror}") from error
        return name

    def prune(self, now: float) -> int:
        """Remove pictures that are too old, then the oldest beyond the count; returns how many went.

        What a crash left half written goes too, once it cannot be of a write that is still under way.
        """
        aged = self._aged("[!.]*.jpg")
        beyond = max(len(aged) - self._keep, 0)
        gone = [path for index, (made, path) in enumerate(aged) if index < beyond or now - made > self._max_age]
        parts = [path for made, path in self._aged(".*.jpg.*.new") if now - made > _ABANDONED]
        for path in gone + parts:
            path.unlink(missing_ok=True)
        return len(gone)

    def _aged(self, pattern: str) -> list[tuple[float, Path]]:
        """Files with the times they were made, oldest first."""
        aged = []
        for path in self._folder.glob(pattern):
            # Somebody may be forgotten at this moment, by another process.
            with suppress(FileNotFoundError):
                aged.append((path.stat().st_mtime, path))
        return sorted(aged)


def erase_orphans(folder: Path, visits: Collection[str]) -> int:
    """Remove pictures of visits that the history does not know: nobody could say whose they are.

    Args:
        folder: Need not exist.
        visits: Ids of all visits in the history.

    Returns:
        How many there were.

    Raises:
        StateError: A picture cannot be removed.
    """
    return erase_pictures(folder, [path.stem for path in folder.glob("[!.]*.jpg") if path.stem not in visits])


def erase_pictures(folder: Path, visit_ids: Iterable[str]) -> int:
    """Remove the pictures of these visits, as when a person is forgotten; returns how many there were.

    Args:
        folder: Need not exist.
        visit_ids: Of those visits.

    Raises:
        StateError: A picture cannot be removed.
    """
    present = [path for visit in visit_ids if _NAME.fullmatch(visit) and (path := folder / f"{visit}.jpg").exists()]
    for path in present:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"{path}: cannot be erased: {error.strerror}") from error
    return len(present)
