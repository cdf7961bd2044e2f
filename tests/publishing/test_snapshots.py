"""Pictures on disk."""

import os
import stat
from pathlib import Path

import cv2
import numpy as np
import pytest

from camwatch.errors import StateError
from camwatch.publishing.snapshots import Snapshots

RED = np.zeros((160, 160, 3), np.uint8)
RED[..., 0] = 255


def snapshots(folder: Path, *, keep: int = 100, max_age: float = 1e9) -> Snapshots:
    return Snapshots(folder, keep=keep, max_age=max_age)


def test_a_picture_is_written_whole_private_and_in_its_colours(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "snapshots"
    assert snapshots(folder).save("front-1", RED, 1000.0) == "front-1.jpg"
    file = folder / "front-1.jpg"
    assert [entry.name for entry in folder.iterdir()] == ["front-1.jpg"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    blue, green, red = np.asarray(cv2.imread(str(file))).reshape(-1, 3).mean(axis=0)
    assert red > 240
    assert max(blue, green) < 20


def test_a_better_picture_of_the_same_visit_takes_its_place(tmp_path: Path) -> None:
    kept = snapshots(tmp_path)
    kept.save("v", RED, 1000.0)
    before = (tmp_path / "v.jpg").read_bytes()
    kept.save("v", RED[:, :, ::-1].copy(), 1001.0)
    assert (tmp_path / "v.jpg").read_bytes() != before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("visit", ["", ".", "../x", ".hidden", "a/b", "a\0"])
def test_ids_that_would_leave_the_folder_are_refused(tmp_path: Path, visit: str) -> None:
    with pytest.raises(ValueError):
        snapshots(tmp_path).save(visit, RED, 0.0)


def test_old_and_surplus_pictures_go_oldest_first(tmp_path: Path) -> None:
    kept = snapshots(tmp_path, keep=2, max_age=100.0)
    for number, at in enumerate([1000.0, 1010.0, 1090.0, 1095.0]):
        kept.save(f"v{number}", RED, at)
    (tmp_path / "not ours.txt").write_text("stays")
    assert kept.prune(1095.0) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["not ours.txt", "v2.jpg", "v3.jpg"]
    assert kept.prune(1191.0) == 1
    assert (tmp_path / "v3.jpg").exists()


def test_what_a_crash_left_half_written_goes_but_not_what_is_being_written(tmp_path: Path) -> None:
    for name, at in ((".v1.jpg.aaaa.new", 1000.0), (".v2.jpg.bbbb.new", 9000.0)):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (at, at))
    assert snapshots(tmp_path).prune(9010.0) == 0
    assert [path.name for path in tmp_path.iterdir()] == [".v2.jpg.bbbb.new"]


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"file/snapshots: cannot keep snapshots here: Not a directory"):
        snapshots(tmp_path / "file" / "snapshots")


def test_a_picture_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    kept = snapshots(tmp_path)
    (tmp_path / "v.jpg").mkdir()
    with pytest.raises(StateError, match=r"v\.jpg: cannot write the snapshot"):
        kept.save("v", RED, 0.0)
    assert [path.name for path in tmp_path.iterdir()] == ["v.jpg"]
