import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.engine.weights import FACENET_NETWORK
from camwatch.errors import InputError, ModelError
from camwatch.identification.calibration import fit_temperature, softmax
from camwatch.identification.classifier import Classifier
from camwatch.identification.gallery import Gallery
from camwatch.identification.recognizer import threshold_for
from camwatch.records import Enrolled
from tests.identification.scene import GOOD, like, person


def dataset(people: int, images: int, cosine: float = 0.85, first: int = 0) -> tuple[NDArray[np.float32], list[str]]:
    rows = [like(person(n), cosine, first + 100 * n + i) for n in range(people) for i in range(images)]
    return np.stack(rows), [f"person {n}" for n in range(people) for _ in range(images)]


@pytest.mark.parametrize(("people", "images"), [(2, 1), (2, 5), (12, 1), (12, 2), (12, 6)])
def test_people_are_told_apart(people: int, images: int) -> None:
    embeddings, labels = dataset(people, images)
    model = Classifier.fit(embeddings, labels, network="net")
    probes, truth = dataset(people, 5, first=50)
    said = model.classify(probes)
    assert [one.person for one in said] == truth
    assert all(0.0 <= one.confidence <= 1.0 for one in said) and all(one.known for one in said)
    assert min(one.confidence for one in said) > 1 / people
    assert model.threshold == threshold_for(people, 0.01) and model.images == people * images


def test_confidence_is_an_honest_share() -> None:
    """Where images are hard to tell apart, the mean confidence is near the share of right answers."""
    embeddings, labels = dataset(12, 6, cosine=0.3)
    model = Classifier.fit(embeddings, labels, network="net")
    probes, truth = dataset(12, 20, cosine=0.3, first=50)
    said = model.classify(probes)
    right = np.mean([one.person == name for one, name in zip(said, truth, strict=True)])
    assert abs(np.mean([one.confidence for one in said]) - right) < 0.15


def test_a_stranger_has_a_class_but_is_not_known() -> None:
    model = Classifier.fit(*dataset(5, 3), network="net")
    strangers = np.stack([person(900 + number) for number in range(20)])
    said = model.classify(strangers)
    assert not any(one.known for one in said) and all(one.person in model.classes for one in said)
    assert max(one.score for one in said) < model.threshold


def test_the_score_is_that_of_a_gallery_of_the_same_pictures() -> None:
    """Also for the network whose centre is known: one scale everywhere."""
    embeddings, labels = dataset(3, 2)
    model = Classifier.fit(embeddings, labels, network=FACENET_NETWORK)
    pairs = enumerate(zip(labels, embeddings, strict=True))
    photos = [Enrolled(label, f"{n}", f"{n}", row[None], GOOD) for n, (label, row) in pairs]
    gallery = Gallery(photos, FACENET_NETWORK)
    probe = like(person(1), 0.7, 77)
    [said] = model.classify(probe[None])
    assert said.score == pytest.approx(gallery.score(probe, said.person), abs=1e-5)
    assert abs(said.score - float(probe @ model.templates[model.classes.index(said.person)])) > 1e-3


def test_classes_of_very_different_size() -> None:
    crowd = np.stack([like(person(0), 0.6, 3000 + number) for number in range(200)])
    rows = np.concatenate([like(person(1), 0.6, 5)[None], crowd])
    model = Classifier.fit(rows, ["person 1"] + ["person 0"] * 200, network="net")
    probes = np.stack([like(person(1), 0.6, 100 + number) for number in range(20)])
    assert {one.person for one in model.classify(probes)} == {"person 1"}


@pytest.mark.parametrize(("labels", "there"), [([], "nobody"), (["alice"] * 3, "only alice")])
def test_one_class_is_not_enough(labels: list[str], there: str) -> None:
    with pytest.raises(InputError, match=there):
        Classifier.fit(np.zeros((len(labels), 512), np.float32), labels, network="net")


def test_nothing_to_classify() -> None:
    assert Classifier.fit(*dataset(2, 2), network="net").classify(np.zeros((0, 512), np.float32)) == []


def test_a_saved_model_says_the_same(tmp_path: Path) -> None:
    model = Classifier.fit(*dataset(3, 3), network="net")
    path = tmp_path / "faces.npz"
    model.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Classifier.load(path, network="net")
    probes, _ = dataset(3, 4, first=50)
    assert again.classify(probes) == model.classify(probes)
    assert (again.classes, again.threshold, again.images) == (model.classes, model.threshold, model.images)
    with np.load(path, allow_pickle=False) as file:
        assert set(file) == {"about", "weights", "bias", "templates"}


def test_training_twice_gives_the_same_model() -> None:
    one, other = (Classifier.fit(*dataset(4, 4), network="net") for _ in range(2))
    assert np.array_equal(one.weights, other.weights) and one.temperature == other.temperature


def test_a_model_of_another_network_or_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    Classifier.fit(*dataset(2, 2), network="net").save(path)
    with pytest.raises(ModelError, match="trained with the network net, faces are embedded with other"):
        Classifier.load(path, network="other")
    np.savez(path, about=np.array('{"version": 7}'))
    with pytest.raises(ModelError, match="version 7"):
        Classifier.load(path, network="net")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x04\x95"])
def test_what_is_no_model_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "faces.npz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"faces\.npz: not a model") as caught:
        Classifier.load(path, network="net")
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        Classifier.load(tmp_path / "missing.npz", network="net")
    with pytest.raises(ModelError, match="not a model"):
        Classifier.load(tmp_path, network="net")
    with pytest.raises(ModelError, match="cannot be written"):
        Classifier.fit(*dataset(2, 2), network="net").save(tmp_path / "missing" / "faces.npz")


def test_damage_anywhere_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    rows = np.eye(4, dtype=np.float32)
    model = Classifier.fit(rows, ["a", "a", "b", "b"], network="net")
    model.save(path)
    whole = path.read_bytes()
    for at in range(0, len(whole), 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            again = Classifier.load(path, network="net")
        except ModelError:
            continue
        assert np.array_equal(again.weights, model.weights) and again.classes == model.classes
    for length in range(0, len(whole), 11):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            Classifier.load(path, network="net")


def test_a_changed_model_with_valid_archive_checksums_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    Classifier.fit(*dataset(2, 2), network="net").save(path)
    with np.load(path, allow_pickle=False) as file:
        content = dict(file)
    content["about"] = np.array(str(content["about"]).replace("person 1", "person 9"))
    np.savez(path, **content)
    with pytest.raises(ModelError, match="checksum"):
        Classifier.load(path, network="net")


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"threshold": 7.0},
        {"classes": ("a", "a")},
        {"classes": ("a", "b", "c")},
        {"bias": np.full(2, np.nan)},
        {"weights": np.zeros((2, 5))},
        {"templates": np.zeros((2, 512), np.float32)},
    ],
    ids=str,
)
def test_a_model_whose_parts_do_not_fit_is_refused_though_its_checksum_is_right(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    path = tmp_path / "model.npz"
    model = replace(Classifier.fit(*dataset(2, 2), network="net"), **changes)
    model.save(path)
    with pytest.raises(ModelError, match="not a whole model; train it anew"):
        Classifier.load(path, network="net")


def test_the_threshold_itself_is_known() -> None:
    rows = np.stack([like(person(n), 0.85, 100 * n) for n in range(3)])
    model = Classifier.fit(rows, ["a", "b", "c"], network="net")
    [said] = model.classify(rows[:1])
    [again] = replace(model, threshold=said.score).classify(rows[:1])
    assert again.known


def test_ten_right_answers_of_ten_make_no_certainty() -> None:
    rows = np.stack([like(person(n), 0.95, 100 * n + i) for n in range(2) for i in range(5)])
    targets = np.repeat(np.arange(2), 5)

    def fit(part: np.ndarray, their: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.stack([part[their == n].mean(axis=0) for n in range(2)]).astype(np.float64), np.zeros(2)

    temperature = fit_temperature(rows, targets, fit)
    weights, bias = fit(rows, targets)
    assert softmax((rows @ weights.T + bias) / temperature).max(axis=1).mean() < 0.95, "(10 + 1) / (10 + 2)"
