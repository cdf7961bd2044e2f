"""Clips and gallery for the system tests, made once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.system import scenes
from tests.system.daemon import Daemon


@dataclass(frozen=True)
class Scenes:
    """Where the clips and photos are: Sam is enrolled, the woman of `stranger` is not.

    In `sam_always` Sam never leaves, however often it is repeated.
    """

    faces: Path
    sam_1080p: Path
    sam_always: Path
    stranger_720p: Path


@pytest.fixture(scope="session")
def made_scenes(footage: Any, tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    """A 1080p clip of Sam's visit and a 720p clip of a stranger's, both 15 s, and the gallery."""
    folder = tmp_path_factory.mktemp("scenes")
    enrolled = scenes.frames_of(footage.path("single_face.mp4"))
    scenes.stills(folder / "faces", "Sam", [enrolled[6], enrolled[30], enrolled[60]])
    sam = scenes.frames_of(footage.path("noface_face.mov"))[95:160:2]
    woman = scenes.frames_of(footage.path("WolfgangLanger_Pexels.mp4"))[170:330:4]
    return Scenes(
        folder / "faces",
        scenes.visit(folder / "sam.mp4", sam, size=(1920, 1080), before=3, stay=5, after=7),
        scenes.visit(folder / "always.mp4", sam, size=(640, 480), before=0, stay=4, after=0),
        scenes.visit(folder / "stranger.mp4", woman, size=(1280, 720), before=2, stay=6, after=7),
    )


@pytest.fixture
def daemon(tmp_path: Path, no_leftovers: None) -> Iterator[Callable[[dict[str, Any]], Daemon]]:
    """Starts daemons; each is ended at the end of the test."""
    started: list[Daemon] = []

    def start(config: dict[str, Any]) -> Daemon:
        started.append(Daemon(config, tmp_path))
        return started[-1]

    yield start
    for each in started:
        each.close()
