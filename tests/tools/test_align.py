"""`align` on real faces and on what else lies in people's folders."""

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.engine.photos import read_photo
from camwatch.errors import InputError, PhotoError
from camwatch.identification.faces import scan
from camwatch.records import Box, Detection, Picture
from camwatch.tools.align import align
from tests.conftest import Footage
from tests.tools.pictures import frames, save


@pytest.fixture(scope="module")
def raw(footage: Footage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people, and much that is of no use."""
    folder = tmp_path_factory.mktemp("raw")
    first, second = frames(footage.path("single_face.mp4"), (0, 40))
    save(first, folder / "Adam" / "a.png")
    save(second, folder / "Adam" / "a.jpg")
    (woman,) = frames(footage.path("WolfgangLanger_Pexels.mp4"), (0,))
    save(woman, folder / "Eve" / "one.jpg")
    save(np.zeros((300, 300, 3), np.uint8), folder / "Eve" / "black.png")
    (folder / "Eve" / "cut.jpg").write_bytes((folder / "Eve" / "one.jpg").read_bytes()[:5000])
    (folder / "Eve" / "phone.heic").write_bytes(b"heic")
    (folder / "Eve" / "empty.webp").touch()
    (folder / "Nobody").mkdir()
    return folder


@pytest.mark.weights
def test_every_face_is_written_and_everything_else_is_told(raw: Path, analyzer: FaceAnalyzer, tmp_path: Path) -> None:
    out, results, notes = tmp_path / "new" / "out", io.StringIO(), io.StringIO()
    assert align(raw, out, image_size=160, margin=32, analyzer=analyzer, results=results, notes=notes) == 0

    crops = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*"))
    assert crops == ["Adam/a.png", "Adam/a.png.png", "Eve/one.png"]
    for name in crops:
        crop = read_photo(out / name)
        assert crop.shape == (160, 160, 3)
        bordered = np.asarray(cv2.copyMakeBorder(crop, 60, 60, 60, 60, cv2.BORDER_REPLICATE), np.uint8)
        ((face,),) = analyzer.detect([bordered], 60)
        middle = (face.box.x1 + face.box.x2) / 2, (face.box.y1 + face.box.y2) / 2
        assert middle == pytest.approx((140, 140), abs=12)
        assert (out / name).stat().st_mode & 0o777 == 0o600
    assert out.stat().st_mode & 0o777 == 0o700
    assert results.getvalue().splitlines() == [
        "Total number of images: 6",
        "Number of successfully aligned images: 3",
    ]
    told = notes.getvalue()
    assert f"skipped {raw / 'Eve' / 'black.png'}: no face found" in told
    assert "cut.jpg: the JPEG file is cut short" in told
    assert "empty.webp: the file is empty" in told
    assert told.count("phone.heic") == 1
    assert "phone.heic: of a kind that is not read, convert to JPEG" in told
    assert "\x1b" not in told


class OneFace:
    """Finds a face at the same place in every picture."""

    network = "scripted"

    def __init__(self, box: Box) -> None:
        self._face = Detection(box, ((0.0, 0.0),) * 5, 0.99)

    def detect(self, pictures: Sequence[Picture], min_face: int) -> list[list[Detection]]:
        return [[self._face] for _ in pictures]

    def embed(self, chips: object) -> NDArray[np.float32]:
        raise AssertionError("align needs no embeddings")


@pytest.mark.parametrize(
    ("box", "seen"),
    [
        (Box(60, 50, 120, 130), (50, 130, 40, 140)),
        (Box(4, -5, 64, 100), (0, 74, 0, 110)),
    ],
)
def test_the_margin_is_in_pixels_of_the_original(box: Box, seen: tuple[int, ...], tmp_path: Path) -> None:
    picture = np.zeros((200, 220, 3), np.uint8)
    picture[..., 0] = np.arange(220)
    picture[..., 1] = np.arange(200)[:, None]
    save(picture, tmp_path / "raw" / "Ann" / "a.png")
    quiet = {"results": io.StringIO(), "notes": io.StringIO()}
    align(tmp_path / "raw", tmp_path / "out", image_size=50, margin=20, analyzer=OneFace(box), **quiet)
    crop = read_photo(tmp_path / "out" / "Ann" / "a.png").astype(int)
    edges = crop[0, 0, 0], crop[-1, -1, 0] + 1, crop[0, 0, 1], crop[-1, -1, 1] + 1
    assert crop.shape == (50, 50, 3) and edges == pytest.approx(seen, abs=2)


@pytest.mark.weights
def test_a_dataset_without_a_face_is_refused(analyzer: FaceAnalyzer, tmp_path: Path) -> None:
    save(np.zeros((90, 90, 3), np.uint8), tmp_path / "raw" / "Ann" / "black.png")
    results = io.StringIO()
    with pytest.raises(PhotoError, match="no face in any picture"):
        align(
            tmp_path / "raw",
            tmp_path / "out",
            image_size=160,
            margin=32,
            analyzer=analyzer,
            results=results,
            notes=io.StringIO(),
        )
    assert "Number of successfully aligned images: 0" in results.getvalue()


def test_a_name_that_no_folder_can_have_goes_with_the_crops(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    save(np.zeros((200, 200, 3), np.uint8), raw / "a_b" / "1.png")
    save(np.zeros((200, 200, 3), np.uint8), raw / "Eve" / "1.png")
    (raw / "a_b" / "person.json").write_text('{"version": 1, "name": "a/b"}')
    finder, results = OneFace(Box(50, 50, 120, 130)), io.StringIO()
    align(raw, out, image_size=160, margin=32, analyzer=finder, results=results, notes=io.StringIO())
    assert scan(out).people == ("Eve", "a/b")


def test_wrong_folders_are_refused(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "file").write_text("")
    for folder, out, words in (
        (tmp_path / "none", tmp_path / "out", "no such folder"),
        (tmp_path / "empty", tmp_path / "out", "nobody in it"),
        (raw, raw / "crops", "lies in the dataset"),
        (raw, raw, "lies in the dataset"),
        (raw, tmp_path / "circle" / "x", "leads nowhere|cannot be written to"),
        (raw, tmp_path / "file" / "x", "cannot be written to"),
    ):
        with pytest.raises(InputError, match=words):
            align(folder, out, image_size=160, margin=32)
    assert not (tmp_path / "out").exists() and not (raw / "crops").exists()
