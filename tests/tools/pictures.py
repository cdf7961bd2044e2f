"""Pictures for the tools' tests, taken from the footage."""

from collections.abc import Sequence
from pathlib import Path

import av
import cv2

from camwatch.records import Picture


def frames(clip: Path, numbers: Sequence[int]) -> list[Picture]:
    """Frames of a video by number, (h, w, 3) uint8 RGB."""
    with av.open(str(clip)) as container:
        wanted = set(numbers)
        found = {
            number: frame.to_ndarray(format="rgb24")
            for number, frame in enumerate(container.decode(video=0))
            if number in wanted
        }
    return [found[number] for number in numbers]


def save(picture: Picture, path: Path) -> Path:
    """Write a picture in the format that the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return path
