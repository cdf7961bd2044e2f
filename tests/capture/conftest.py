from pathlib import Path

import pytest

from tests.rigs import clips


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a moving square, 320 x 240 at 25 frames a second, H.264, one key picture a second."""
    return clips.moving_square(tmp_path_factory.mktemp("clips") / "moving.mp4")


@pytest.fixture(scope="session")
def wide_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same at 640 x 360."""
    return clips.moving_square(tmp_path_factory.mktemp("clips") / "wide.mp4", size=(640, 360))
