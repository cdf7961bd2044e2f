"""`enroll` checks each photo."""

import io
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.errors import InputError
from camwatch.identification.cache import read_cache
from camwatch.identification.faces import scan
from camwatch.records import Detection, Picture
from camwatch.tools.dataset import FaceNetworks
from camwatch.tools.enroll import enroll
from tests.conftest import Footage
from tests.tools.pictures import frames, save


@pytest.fixture(scope="module")
def man(footage: Footage) -> list[Picture]:
    return frames(footage.path("single_face.mp4"), (0, 20, 40, 60))


@pytest.fixture(scope="module")
def woman(footage: Footage) -> list[Picture]:
    return frames(footage.path("WolfgangLanger_Pexels.mp4"), (0, 236))


def add(name: str, photos: list[Path], faces: Path, analyzer: FaceNetworks) -> tuple[int, list[str], str]:
    results, notes = io.StringIO(), io.StringIO()
    status = enroll(name, photos, faces, analyzer=analyzer, results=results, notes=notes)
    return status, results.getvalue().splitlines(), notes.getvalue()


@pytest.mark.weights
def test_good_photos_are_copied_and_embedded(
    man: list[Picture], woman: list[Picture], analyzer: FaceAnalyzer, tmp_path: Path
) -> None:
    faces = tmp_path / "new" / "faces"
    photos = [save(picture, tmp_path / f"{number}.png") for number, picture in enumerate(man)]
    disguised = tmp_path / "photo"
    disguised.write_bytes(save(woman[0], tmp_path / "w.jpg").read_bytes())

    status, lines, notes = add("Zoë / Adam", photos[:2], faces, analyzer)
    assert status == 0 and [line.split()[0] for line in lines] == ["added", "added"]
    assert "Zoë / Adam has 2 photos; three to five" in notes
    status, lines, notes = add("Zoë / Adam", [*photos[1:], photos[3]], faces, analyzer)
    assert status == 0 and [line.split()[0] for line in lines] == ["present", "added", "added", "present"]
    hint, promise = notes.splitlines()
    assert promise.startswith("with false_alarm_rate 0.01 a name needs 0.49; of strangers about ")
    assert f"{photos[3]}: shows the same as zoe_adam/" in hint and "photos of other days would tell more" in hint
    status, lines, _ = add("Eve", [disguised], faces, analyzer)
    assert status == 0, lines

    found = scan(faces)
    assert found.people == ("Eve", "Zoë / Adam") and len(found.photos) == 5
    assert {photo.path.read_bytes() for photo in found.photos} == {path.read_bytes() for path in [*photos, disguised]}
    assert {photo.path.suffix for photo in found.photos} == {".png", ".jpg"}
    for photo in found.photos:
        assert photo.path.stat().st_mode & 0o777 == 0o600
        assert photo.path.parent.stat().st_mode & 0o777 == 0o700
        assert photo.path.parent.parent == faces
    assert set(read_cache(faces, analyzer.network)) == {photo.sha256 for photo in found.photos}


@pytest.mark.weights
def test_other_photos_are_refused_with_the_reason(
    man: list[Picture], woman: list[Picture], footage: Footage, analyzer: FaceAnalyzer, tmp_path: Path
) -> None:
    faces = tmp_path / "faces"
    first = save(man[0], tmp_path / "first.png")
    add("Adam", [first], faces, analyzer)
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    refused = {
        save(np.hstack([man[0], woman[0]]), tmp_path / "two.png"): "2 faces, exactly one is expected",
        save(frames(footage.path("no_face.mp4"), (0,))[0], tmp_path / "none.png"): "no face found",
        save(np.asarray(cv2.GaussianBlur(woman[0], (0, 0), 9)), tmp_path / "blur.png"): "the face is blurred",
        save(np.asarray(cv2.resize(woman[0], None, fx=0.1, fy=0.1)), tmp_path / "small.png"): "too small",
        save(man[2], tmp_path / "other.png"): "looks like Adam, who is enrolled already (similarity 0.",
        first: "is in the gallery already, as a photo of Adam",
        text: "not a picture that can be read",
        tmp_path / "missing.jpg": "no such file",
        tmp_path: "a folder",
    }
    status, lines, _ = add("Bob", list(refused), faces, analyzer)
    assert status == 2
    for line, (path, words) in zip(lines, refused.items(), strict=True):
        assert line.startswith(f"refused  {path}: ") and words in line
    assert scan(faces).people == ("Adam",)

    status, lines, notes = add("Adam", [tmp_path / "two.png", save(woman[0], tmp_path / "eve.png")], faces, analyzer)
    assert status == 2 and [line.split()[0] for line in lines] == ["refused", "refused"]
    assert "eve.png: is of somebody else than the other photos of Adam" in lines[1]
    assert "0 of 2 photos are in the gallery" in notes
    status, lines, notes = add("Adam", [tmp_path / "two.png", save(man[1], tmp_path / "third.png")], faces, analyzer)
    assert status == 2 and [line.split()[0] for line in lines] == ["refused", "added"]
    assert "1 of 2 photos are in the gallery" in notes


def test_names_and_folders_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a name"):
        enroll(" ", [tmp_path / "a.jpg"], tmp_path / "faces")
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InputError, match="no such folder"):
        enroll("Ann", [tmp_path / "a.jpg"], file)
    assert not (tmp_path / "faces").exists()


@pytest.mark.weights
def test_file_names_cannot_break_a_line_or_steer_a_terminal(
    man: list[Picture], analyzer: FaceAnalyzer, tmp_path: Path
) -> None:
    photo = save(man[0], tmp_path / "x\nadded    y \x1b[31m.png")
    status, lines, _ = add("Adam", [photo, photo], tmp_path / "faces", analyzer)
    assert status == 0 and [line.split()[0] for line in lines] == ["added", "present"]
    assert all("x\\nadded    y \\x1b[31m.png" in line for line in lines)


class Interrupted:
    """An analyzer; while it embeds its first photo, somebody else enrolls."""

    def __init__(self, analyzer: FaceAnalyzer, meanwhile: Callable[[], object]) -> None:
        self._analyzer, self._meanwhile = analyzer, [meanwhile]
        self.network = analyzer.network

    def detect(self, pictures: Sequence[Picture], min_face: int) -> list[list[Detection]]:
        return self._analyzer.detect(pictures, min_face)

    def embed(self, chips: NDArray[np.uint8] | Sequence[Picture]) -> NDArray[np.float32]:
        rows = self._analyzer.embed(chips)
        if self._meanwhile:
            self._meanwhile.pop()()
        return rows


@pytest.mark.weights
def test_two_who_enroll_at_once_are_checked_against_each_other(
    man: list[Picture], analyzer: FaceAnalyzer, tmp_path: Path
) -> None:
    photos = [save(picture, tmp_path / f"{number}.png") for number, picture in enumerate(man)]

    def both(name: str, photo: Path, faces: Path, bobs: Path) -> tuple[int, str]:
        """What becomes of a photo while Bob gets one."""
        busy = Interrupted(analyzer, lambda: add("Bob", [bobs], faces, analyzer))
        status, lines, _ = add(name, [photo], faces, busy)
        found = scan(faces)
        assert found.people == ("Bob",) and len(found.photos) == len(read_cache(faces, analyzer.network))
        return status, lines[0]

    status, said = both("Alice", photos[0], tmp_path / "a", photos[0])
    assert status == 2 and "is in the gallery already, as a photo of Bob" in said
    status, said = both("Alice", photos[1], tmp_path / "b", photos[0])
    assert status == 2 and "looks like Bob" in said
    status, said = both("Bob", photos[0], tmp_path / "c", photos[0])
    assert status == 0 and said.startswith("present")
    status, said = both("Bob", photos[1], tmp_path / "d", photos[0])
    assert status == 0 and said.startswith("added") and len(scan(tmp_path / "d").photos) == 2


@pytest.mark.weights
@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes into the folders of others")
def test_what_root_enrolls_belongs_to_the_owner_of_the_gallery(
    man: list[Picture], woman: list[Picture], analyzer: FaceAnalyzer, tmp_path: Path
) -> None:
    with tempfile.TemporaryDirectory() as open_to_all:
        Path(open_to_all).chmod(0o755)
        faces, roots = Path(open_to_all, "faces"), Path(open_to_all, "roots")
        faces.mkdir()
        roots.mkdir(mode=0o755)
        os.chown(faces, 65534, 65533)
        assert add("Adam", [save(man[0], tmp_path / "a.png")], faces, analyzer)[0] == 0
        assert os.geteuid() == 0
        made = list(faces.rglob("*"))
        assert len(made) == 4, "folder, name, photo, embeddings"
        assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(65534, 65533)}
        (faces / "linked").symlink_to(roots)
        status, lines, _ = add("linked", [save(woman[0], tmp_path / "b.png")], faces, analyzer)
        assert status == 2 and "Permission denied" in lines[0], "root does not write where the owner could not"
        assert not list(roots.iterdir()) and roots.stat().st_mode & 0o777 == 0o755
