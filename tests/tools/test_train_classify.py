"""`train` and `classify` on faces of the footage: the seed's lines, and what a model says of strangers."""

import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.errors import InputError, ModelError, PhotoError
from camwatch.identification.classifier import Classifier
from camwatch.tools.align import align
from camwatch.tools.classify import classify
from camwatch.tools.train import train
from tests.conftest import Footage
from tests.tools.pictures import frames, save

OPTIONS: dict[str, Any] = {
    "aligned": False,
    "split": True,
    "min_images_per_class": 5,
    "train_images_per_class": 3,
}


@pytest.fixture(scope="module")
def dataset(footage: Footage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A man in two clips, a woman in one, and somebody with a single picture."""
    folder = tmp_path_factory.mktemp("dataset")
    pictures = frames(footage.path("single_face.mp4"), (0, 30, 60)) + frames(footage.path("face_noface.mov"), (5, 40))
    for number, picture in enumerate(pictures):
        save(picture, folder / "Adam_Smith" / f"{number}.jpg")
    for number, picture in enumerate(frames(footage.path("WolfgangLanger_Pexels.mp4"), range(0, 470, 94))):
        save(picture, folder / "Eve_Jones" / f"{number}.jpg")
    (empty,) = frames(footage.path("no_face.mp4"), (0,))
    save(empty, folder / "Eve_Jones" / "9.jpg")
    save(pictures[0], folder / "Once" / "0.jpg")
    return folder


@pytest.fixture(scope="module")
def model(dataset: Path, analyzer: FaceAnalyzer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "faces.npz"
    lines, _ = run(train, dataset, path, analyzer, **OPTIONS)
    assert lines == ["Number of classes: 2", "Number of images: 6"]
    return path


def run(
    command: Any, dataset: Path, model: Path, analyzer: FaceAnalyzer | None, **options: Any
) -> tuple[list[str], str]:
    results, notes = io.StringIO(), io.StringIO()
    assert command(dataset, model, analyzer=analyzer, results=results, notes=notes, **options) == 0
    return results.getvalue().splitlines(), notes.getvalue()


@pytest.mark.weights
def test_what_was_not_trained_on_is_named_right(dataset: Path, model: Path, analyzer: FaceAnalyzer) -> None:
    lines, notes = run(classify, dataset, model, analyzer, json_output=False, **OPTIONS)
    names = [line.rsplit(":", 1)[0] for line in lines]
    assert names == ["   0  Adam Smith", "   1  Adam Smith", "   2  Eve Jones", "   3  Eve Jones", "Accuracy"]
    confidences = [float(line.rsplit(":", 1)[1]) for line in lines]
    assert all(0.5 < one <= 1 for one in confidences) and lines[-1] == "Accuracy: 1.000"
    assert lines[0] == f"   0  Adam Smith: {confidences[0]:.3f}"
    assert f"skipped {dataset / 'Eve_Jones' / '9.jpg'}: no face found" in notes
    assert model.stat().st_mode & 0o777 == 0o600


@pytest.mark.weights
def test_people_whom_the_model_does_not_know_are_counted_apart(
    dataset: Path, model: Path, analyzer: FaceAnalyzer, footage: Footage, tmp_path: Path
) -> None:
    save(frames(footage.path("face_noface.mov"), (20,))[0], tmp_path / "Adam_Smith" / "a.png")
    save(frames(footage.path("WolfgangLanger_Pexels.mp4"), (50,))[0], tmp_path / "Stranger" / "b.png")
    whole = OPTIONS | {"split": False}
    lines, notes = run(classify, tmp_path, model, analyzer, json_output=True, **whole)
    document = json.loads("\n".join(lines))
    assert document["accuracy"] == 1.0 and len(document["images"]) == 2
    adam, stranger = document["images"]
    assert adam["path"] == str(tmp_path / "Adam_Smith" / "a.png")
    assert (adam["true"], adam["predicted"], adam["known"]) == ("Adam_Smith", "Adam_Smith", True)
    assert adam["similarity"] >= adam["threshold"] and 0.5 < adam["confidence"] <= 1
    assert (stranger["true"], stranger["predicted"], stranger["known"]) == ("Stranger", "Eve_Jones", True)
    assert (
        "1 of the pictures are of people whom the model does not know" in notes and "1 of them would be taken" in notes
    )

    (tmp_path / "Adam_Smith" / "a.png").unlink()
    lines, notes = run(classify, tmp_path, model, analyzer, json_output=False, **whole)
    assert len(lines) == 1 and "no accuracy" in notes


@pytest.mark.weights
def test_crops_made_by_align_do_as_well(dataset: Path, analyzer: FaceAnalyzer, tmp_path: Path) -> None:
    crops, model = tmp_path / "crops", tmp_path / "model.npz"
    align(dataset, crops, image_size=182, margin=44, analyzer=analyzer, results=io.StringIO(), notes=io.StringIO())
    lines, _ = run(train, crops, model, analyzer, **(OPTIONS | {"aligned": True}))
    assert lines == ["Number of classes: 2", "Number of images: 6"]
    lines, _ = run(classify, crops, model, analyzer, json_output=False, **(OPTIONS | {"aligned": True}))
    assert lines[-1] == "Accuracy: 1.000"


@pytest.mark.weights
def test_a_person_without_a_face_is_left_out_and_one_is_not_enough(
    dataset: Path, analyzer: FaceAnalyzer, tmp_path: Path
) -> None:
    save(np.zeros((90, 90, 3), np.uint8), tmp_path / "raw" / "Dark" / "a.png")
    (tmp_path / "raw" / "Once").symlink_to(dataset / "Once")
    notes = io.StringIO()
    with pytest.raises(InputError, match="two or more people"):
        train(tmp_path / "raw", tmp_path / "m.npz", analyzer=analyzer, notes=notes, **(OPTIONS | {"split": False}))
    assert "left out Dark: no picture with a face" in notes.getvalue()
    assert not (tmp_path / "m.npz").exists()


@pytest.mark.weights
def test_a_picture_that_is_there_twice_is_trained_on_once(
    dataset: Path, analyzer: FaceAnalyzer, tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(dataset, raw)
    shutil.copy(dataset / "Adam_Smith" / "0.jpg", raw / "Adam_Smith" / "again.jpg")
    shutil.copy(dataset / "Adam_Smith" / "1.jpg", raw / "Eve_Jones" / "00.jpg")
    (raw / "Twin").mkdir()
    shutil.copy(dataset / "Eve_Jones" / "0.jpg", raw / "Twin" / "a.jpg")
    lines, notes = run(train, raw, tmp_path / "m.npz", analyzer, **(OPTIONS | {"split": False}))
    assert lines == ["Number of classes: 2", "Number of images: 10"]
    adam, eve = raw / "Adam_Smith", raw / "Eve_Jones"
    for copy, first in (
        (adam / "again.jpg", adam / "0.jpg"),
        (eve / "00.jpg", adam / "1.jpg"),
        (raw / "Twin" / "a.jpg", eve / "0.jpg"),
        (raw / "Once" / "0.jpg", adam / "0.jpg"),
    ):
        assert f"{copy}: the same file as {first}, left out" in notes
    options = OPTIONS | {"train_images_per_class": 4}
    trained, _ = run(train, raw, tmp_path / "m.npz", analyzer, **options)
    tested, notes = run(classify, raw, tmp_path / "m.npz", analyzer, json_output=False, **options)
    assert trained[1] == "Number of images: 8" and len(tested) == 3, "10 pictures: none is tested that was trained on"


@pytest.mark.weights
def test_a_split_that_leaves_nothing_to_test_says_so(dataset: Path, model: Path, analyzer: FaceAnalyzer) -> None:
    with pytest.raises(PhotoError, match="no picture with a face to classify"):
        run(classify, dataset, model, analyzer, json_output=False, **(OPTIONS | {"train_images_per_class": 6}))
    with pytest.raises(InputError, match="--min-images-per-class 20"):
        run(classify, dataset, model, analyzer, json_output=False, **(OPTIONS | {"min_images_per_class": 20}))


def test_what_is_wrong_is_said_before_anything_is_loaded(dataset: Path, tmp_path: Path) -> None:
    rows = np.eye(512, dtype=np.float32)[:4]
    other, good, bad = tmp_path / "other.npz", tmp_path / "good.npz", tmp_path / "bad.npz"
    Classifier.fit(rows, ["a", "a", "b", "b"], network="another network").save(other)
    good.write_bytes(other.read_bytes())
    bad.write_bytes(other.read_bytes()[:-300])
    for path, words in ((tmp_path / "no.npz", "no such file"), (bad, "damaged"), (other, "another network")):
        with pytest.raises(ModelError, match=words):
            classify(dataset, path, json_output=False, **OPTIONS)
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "none" / "m.npz", tmp_path, tmp_path / "pipe", Path(os.devnull), tmp_path / ("m" * 300)):
        with pytest.raises(InputError, match="cannot be written there"):
            train(dataset, place, **OPTIONS)
    with pytest.raises(InputError, match="no such folder"):
        train(tmp_path / "none", tmp_path / "m.npz", **OPTIONS)
