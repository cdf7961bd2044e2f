"""Pictures of faces kept beside the events: one JPEG for each visit."""

from pathlib import Path

import cv2
import numpy as np

from camwatch.publishing.shelf import Shelf
from camwatch.records import Picture

SNAPSHOTS_FOLDER = "snapshots"
"""Name of the folder within the state directory."""
SUFFIX = ".jpg"
_JPEG_QUALITY = 90


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
    """The folder of pictures: files `VISIT_ID.jpg`; see `Shelf` for the arguments.

    Raises:
        StateError: The folder cannot be made.
    """

    def __init__(self, folder: Path, *, keep: int, max_age: float) -> None:
        """Make the folder."""
        self._shelf = Shelf(folder, SUFFIX, what="snapshot", keep=keep, max_age=max_age)

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
        return self._shelf.put(visit_id, jpeg(chip), now)

    def prune(self, now: float) -> int:
        """Remove pictures that are too old, then the oldest beyond the count; returns how many went."""
        return self._shelf.prune(now)
