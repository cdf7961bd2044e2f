"""`camwatch evaluate` on real faces, and on datasets that are too small or strange."""

import io
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.errors import InputError, PhotoError
from camwatch.identification.evaluation import Faces
from camwatch.tools.evaluate.command import evaluate
from camwatch.tools.evaluate.measure import measure
from camwatch.tools.evaluate.report import document, page, table, write_report
from tests.identification.test_evaluation import dataset
from tests.tools.pictures import frames, save


def ran(folder: Path, **how: Any) -> tuple[str, str]:
    results, notes = io.StringIO(), io.StringIO()
    assert evaluate(folder, results=results, notes=notes, **how) == 0
    return results.getvalue(), notes.getvalue()


class Painted:
    """Networks for pictures of one colour: the colour says whose face it is."""

    network = "painted"

    def detect(self, pictures: Any, min_face: int) -> Any:
        raise AssertionError("crops are not searched")

    def embed(self, chips: Any) -> Any:
        colours = np.asarray(chips).reshape(len(chips), -1, 3).mean(axis=1).astype(int)
        rows = [np.random.default_rng(abs(int(c[0]) // 10)).standard_normal(512) + c[1] / 100 for c in colours]
        return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)


def painted(folder: Path, people: dict[str, int]) -> Path:
    for number, (name, count) in enumerate(people.items()):
        for picture in range(count):
            save(np.full((160, 160, 3), (10 * number, 30 * picture, 0), np.uint8), folder / name / f"{picture}.png")
    return folder


def test_plots_of_another_dataset_do_not_stay_in_the_report(tmp_path: Path) -> None:
    report = tmp_path / "report"
    ran(painted(tmp_path / "a", {"Ann": 4, "Bob": 3}), aligned=True, report=report, galleries=5, analyzer=Painted())
    assert (report / "roc.png").exists()
    ran(painted(tmp_path / "b", {"Ann": 4}), aligned=True, report=report, galleries=5, analyzer=Painted())
    assert {path.name for path in report.iterdir()} == {"evaluation.json", "index.html"}


def test_a_report_is_there_whole_private_and_loads_nothing(tmp_path: Path) -> None:
    people = {"Ann": 4, "Bob": 3, "<script>alert(1)<b>": 3, "Zoë": 1}
    folder = painted(tmp_path / "set", people)
    (folder / "Ann" / "<i>torn.png").write_bytes(b"no picture")
    text, notes = ran(folder, aligned=True, report=tmp_path / "report", galleries=20, analyzer=Painted())
    assert "4 people, 11 pictures" in text and "index.html" in notes
    report = tmp_path / "report"
    assert {path.name for path in report.iterdir()} == {
        *("evaluation.json", "index.html", "similarities.png", "roc.png", "open_set.png")
    }
    assert stat.S_IMODE(report.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in report.iterdir()} == {0o600}
    found = json.loads((report / "evaluation.json").read_text())
    assert found["people"] == 4 and found["open_set"][0]["people"] == 1
    shown = (report / "index.html").read_text()
    assert "<script" not in shown and "&lt;script&gt;" in shown
    assert not re.search(r"(src|href)\s*=\s*[\"']?\s*(https?:)?//|@import|url\(", shown)
    assert "default-src 'none'" in shown
    [skipped] = found["skipped"]
    assert "<i>torn.png" in skipped and skipped in notes and "not as it should be: 1, told above" in text
    assert "Skipped" in shown and "&lt;i&gt;torn.png" in shown and "<i>" not in shown
    for name in re.findall(r'src="([^"]+)"', shown):
        assert cv2.imread(str(report / name)) is not None


@pytest.mark.weights
def test_real_faces_are_told_apart(footage: Any, analyzer: FaceAnalyzer, tmp_path: Path) -> None:
    sam, woman = (
        ("Sam", "single_face.mp4", (6, 20, 30, 60)),
        ("Woman", "WolfgangLanger_Pexels.mp4", (170, 210, 250, 300)),
    )
    for name, clip, numbers in (sam, woman):
        for number, picture in enumerate(frames(footage.path(clip), numbers)):
            save(picture, tmp_path / name / f"{number}.png")
    save(frames(footage.path("noface_face.mov"), (120,))[0], tmp_path / "Sam" / "other.png")
    text, _ = ran(tmp_path, json_output=True, galleries=10, analyzer=analyzer)
    found = json.loads(text)
    assert found["closed_set"]["right"]["value"] == 1.0
    [largest] = [one for one in found["open_set"] if (one["people"], one["photos"]) == (1, 3)]
    assert largest["tpir"]["value"] == 1.0 and largest["fpir"]["value"] == 0.0
    assert found["alike"][0][2] < 0.4


def made(faces: Faces, **how: Any) -> Any:
    options = {"rate": 0.01, "galleries": 5, "seed": 0, "train": None} | how
    return measure(faces, tuple(f"{n}.png" for n in range(len(faces.people))), **options)


@pytest.mark.parametrize(
    ("pictures", "missing"),
    [
        ({1: 1}, ("closed set", "verification", "open set")),
        ({1: 5}, ("closed set", "verification", "open set")),
        ({1: 1, 2: 1}, ("closed set", "verification", "open set")),
        ({1: 2, 2: 1}, ("verification at", "open set: galleries beyond 1 people")),
    ],
)
def test_too_small_a_dataset_gives_what_it_can_and_says_what_it_cannot(
    pictures: dict[int, int], missing: tuple[str, ...], tmp_path: Path
) -> None:
    found = made(dataset(pictures))
    assert len(found.missing) == len(missing)
    assert all(said.startswith(begun) for said, begun in zip(found.missing, missing, strict=True))
    assert "nan" not in table(found).lower()
    json.loads(json.dumps(document(found), allow_nan=False))
    write_report(tmp_path, found)
    assert "Not measured" in (tmp_path / "index.html").read_text()


def test_enrolling_as_many_as_asked_for(tmp_path: Path) -> None:
    faces = dataset({1: 5, 2: 9, 3: 2})
    assert made(faces, train=4).closed.total == 1 + 5
    assert made(faces).closed.total == 2 + 4 + 1


def test_the_trained_classifier_is_measured_on_the_same_pictures() -> None:
    faces = dataset({1: 5, 2: 9, 3: 4}, cosine=0.9)
    rows = faces.embeddings.copy()
    rows[4] = rows[6]  # the last picture of the first person shows the second
    found = made(Faces(rows, rows, faces.people, faces.names, faces.heights, "test"), train=3)
    assert (found.trained.count, found.trained.total) == (2 + 6 + 1 - 1, 9)
    assert found.closed.count == found.trained.count
    assert "classifier" in table(found) and "right_by_classifier" in str(document(found)["closed_set"])


def test_names_cannot_steer_the_terminal() -> None:
    faces = dataset({1: 4, 2: 4})
    hostile = Faces(faces.embeddings, faces.probes, faces.people, ("a\x1b[2Jb\n", "\u202ec"), faces.heights, "test")
    for said in (table(made(hostile)), page(made(hostile), [])):
        assert "\x1b" not in said and "\u202e" not in said


@pytest.mark.parametrize("how", [{"report": "file/report"}, {"report": "set/report"}, {"min_images_per_class": 9}])
def test_wrong_input_is_one_clear_line(tmp_path: Path, how: dict[str, Any]) -> None:
    folder = painted(tmp_path / "set", {"Ann": 2})
    (tmp_path / "file").write_text("")
    options = {key: tmp_path / value if key == "report" else value for key, value in how.items()}
    with pytest.raises(InputError) as raised:
        ran(folder, aligned=True, analyzer=Painted(), **options)
    assert "\n" not in str(raised.value) and [one.name for one in folder.iterdir()] == ["Ann"]
    with pytest.raises(PhotoError):
        ran(tmp_path / "nowhere", analyzer=Painted())


def test_a_name_that_is_no_utf8_does_not_cost_the_report(tmp_path: Path) -> None:
    folder = painted(tmp_path / "d", {"ann": 3, "bob": 3})
    (folder / "ann" / os.fsdecode(b"\xfe_broken.jpg")).write_bytes(b"no picture")
    _, notes = ran(folder, report=tmp_path / "report", aligned=True, analyzer=Painted())
    figures = json.loads((tmp_path / "report" / "evaluation.json").read_text("utf-8"))
    [skipped] = figures["skipped"]
    assert "_broken.jpg" in skipped and (tmp_path / "report" / "index.html").stat().st_size > 1000
    assert notes.count("_broken.jpg") == 1, "its path once"


def test_a_file_that_is_there_twice_is_used_once(tmp_path: Path) -> None:
    folder = painted(tmp_path / "d", {"ann": 2, "bob": 2})
    first = sorted((folder / "ann").iterdir())[0]
    for copy in (folder / "ann" / "zz.png", folder / "bob" / "zz.png"):
        copy.write_bytes(first.read_bytes())
    text, _ = ran(folder, aligned=True, analyzer=Painted())
    assert text.startswith("2 people, 4 pictures with a face")
    assert "not as it should be: 2, told above" in text


def test_pictures_of_one_moment_are_told_of_and_one_person_is_like_nobody() -> None:
    rng = np.random.default_rng(1)
    one, other = (row / np.linalg.norm(row) for row in rng.standard_normal((2, 512)))
    rows = np.stack([one, one, other]).astype(np.float32)
    faces = Faces(rows, rows, np.zeros(3, np.intp), ("ann",), np.full(3, 100.0), "test")
    found = made(faces)
    assert found.odd == ()
    [told] = [line for line in found.missing if "different moments" in line]
    assert "some show the same as others of their person (1), such as 0.png and 1.png" in told
