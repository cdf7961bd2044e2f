"""The clips and the gallery of the fault bench, made from the packaged footage."""

from pathlib import Path
from typing import Any

from camwatch.records import Picture
from tests.faults.world import Clip
from tests.rigs import clips
from tests.system import scenes

SIZE, OTHER, LARGE = (640, 480), (480, 360), (1920, 1440)
BEFORE, STAY, AFTER = 2.0, 5.0, 7.0


def make(folder: Path, footage: Any, *, versions: bool) -> tuple[Path, dict[str, Clip]]:
    """The gallery, in which Sam is, and what each of four cameras shows: Sam and a stranger, twice each.

    Args:
        folder: Where to put it.
        footage: Has `path(name)` of a packaged file.
        versions: Whether each clip is to be had in another size and codec too, which takes some seconds to make.
    """
    faces = folder / "gallery"
    enrolled = scenes.frames_of(footage.path("single_face.mp4"))
    scenes.stills(faces, "Sam", [enrolled[6], enrolled[30], enrolled[60]])
    shown = {
        "sam": scenes.frames_of(footage.path("noface_face.mov"))[95:160:2],
        "stranger": scenes.frames_of(footage.path("WolfgangLanger_Pexels.mp4"))[170:330:4],
    }
    large = clips.moving_square(folder / "large.mp4", size=LARGE, fps=scenes.FPS, seconds=3.0) if versions else None
    seen: dict[str, Clip] = {}
    for who, pictures in shown.items():
        file = _clip(folder / f"{who}.mp4", pictures)
        seen[who] = Clip(
            file=file,
            other=_clip(folder / f"{who}-small.mp4", pictures, size=OTHER) if versions else file,
            recoded=_clip(folder / f"{who}-h265.mp4", pictures, codec="libx265") if versions else file,
            large=large or file,
            person="Sam" if who == "sam" else None,
            begin=BEFORE,
            end=BEFORE + STAY,
        )
    return faces, {
        "door": seen["sam"],
        "yard": seen["stranger"],
        "hall": seen["sam"],
        "lane": seen["stranger"],
    }


def _clip(path: Path, pictures: list[Picture], *, size: tuple[int, int] = SIZE, codec: str = "libx264") -> Path:
    return scenes.visit(path, pictures, size=size, before=BEFORE, stay=STAY, after=AFTER, codec=codec)
