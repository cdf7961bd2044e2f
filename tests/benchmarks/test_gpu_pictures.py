"""Batches of pictures that a file kept."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu_pictures import Shown, keep, read
from camwatch.records import Picture
from tests.conftest import Footage


def picture(shade: int) -> Picture:
    plain = np.full((4, 6, 3), shade, np.uint8)
    plain[:, :3] = 0
    return plain


def test_after_the_last_picture_come_the_mirrored_ones_then_the_first() -> None:
    shown = Shown((picture(10), picture(20)), ())
    batch = shown.batch(5)
    assert [int(each.max()) for each in batch] == [10, 20, 10, 20, 10]
    assert [bool(each[0, 0, 0]) for each in batch] == [False, False, True, True, False]


def test_what_is_kept_is_read_again(tmp_path: Path, footage: Footage) -> None:
    keep(tmp_path / "pictures.npz", ["320x180"])
    shown = read(tmp_path / "pictures.npz", "320x180")
    assert len(shown.scenes) == 16
    assert {each.shape for each in (*shown.scenes, *shown.walls)} == {(180, 320, 3)}
    assert len({each.tobytes() for each in shown.scenes}) == 16
    with pytest.raises(KeyError, match="no pictures of 640x360"):
        read(tmp_path / "pictures.npz", "640x360")
