"""Footage for cameras: somebody comes, stays, leaves; made from packaged clips of faces.

The scene between two visits is a still background, so that a looped clip gives one visit for each round.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from camwatch.capture.source import open_source
from camwatch.records import Picture
from tests.rigs import clips

FPS = 15.0


def frames_of(path: Path) -> list[Picture]:
    """All pictures of a clip."""
    return [raw.rgb() for raw in open_source(str(path)).frames()]


def visit(
    path: Path,
    faces: list[Picture],
    *,
    size: tuple[int, int],
    before: float,
    stay: float,
    after: float,
    codec: str = "libx264",
) -> Path:
    """A clip of `size` in which the given pictures are before the camera for `stay` seconds, to and fro."""
    empty = clips.background(size)

    def pictures() -> Iterator[Picture]:
        for _ in range(round(before * FPS)):
            yield empty
        shown = [_placed(face, empty) for face in faces]
        there_and_back = shown + shown[-2:0:-1]
        for index in range(round(stay * FPS)):
            yield there_and_back[index % len(there_and_back)]
        for _ in range(round(after * FPS)):
            yield empty

    return clips.encode(path, pictures(), fps=FPS, codec=codec)


def stills(folder: Path, person: str, pictures: list[Picture]) -> None:
    """Photos of a person, as a gallery wants them."""
    home = folder / person
    home.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(home / f"{number}.png"), picture[:, :, ::-1])


def _placed(face: Picture, scene: Picture) -> Picture:
    """The face picture over the middle of the scene, at two thirds of its height."""
    height, width = scene.shape[:2]
    scale = height * 2 / 3 / face.shape[0]
    small = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:, :width]
    result: Picture = scene.copy()
    top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    result[top : top + small.shape[0], left : left + small.shape[1]] = np.asarray(small, np.uint8)
    return result
