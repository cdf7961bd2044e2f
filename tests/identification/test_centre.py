from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camwatch.engine.weights import FACENET_NETWORK
from camwatch.errors import WeightsError
from camwatch.identification import centre
from camwatch.identification.centre import centre_of
from camwatch.identification.gallery import Gallery
from camwatch.identification.recognizer import Recognizer
from tests.accuracy.centre import direction
from tests.identification.scene import enrolled, like, person


def packaged() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    found = centre.centre_of(FACENET_NETWORK)
    assert found is not None
    return found


def test_only_the_packaged_network_has_a_centre() -> None:
    found = packaged()
    assert found.shape == (512,) and found.dtype == np.float32 and not found.flags.writeable
    assert np.linalg.norm(found) == pytest.approx(centre.LENGTH, abs=1e-5)
    assert centre.centre_of("facenet-inception-resnet-v1-512-000000000000") is None


def test_it_is_the_networks_own() -> None:
    pytest.importorskip("face_lib", reason="the packaged weights are not installed")
    assert np.allclose(packaged(), centre.LENGTH * direction(), atol=1e-6)


@given(st.integers(0, 50), st.integers(51, 100), st.floats(0.0, 0.9))
def test_a_likeness_that_all_faces_share_is_taken_off(one: int, other: int, shared: float) -> None:
    average = packaged() / np.linalg.norm(packaged())
    first, second = (
        np.asarray(centre.centred(like(average, shared, seed), packaged()), np.float32) for seed in (one, other)
    )
    plain = float(like(average, shared, one) @ like(average, shared, other))
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-5) == np.linalg.norm(second)
    if shared > 0.25:
        assert float(first @ second) < plain


def test_identical_faces_stay_identical_and_nothing_stays_nothing() -> None:
    rows = np.stack([person(1), np.zeros(512, np.float32)])
    moved = centre.centred(rows, packaged())
    assert moved.dtype == np.float32 and not moved[1].any()
    assert float(moved[0] @ centre.centred(person(1), packaged())) == pytest.approx(1, abs=1e-6)
    assert centre.centred(rows, None) is rows


def test_a_gallery_compares_around_the_centre_of_its_network() -> None:
    average = np.asarray(packaged() / np.linalg.norm(packaged()), np.float32)
    plain_faces = {"ann": like(average, 0.7, 1), "bob": like(average, 0.7, 2)}
    probe = like(average, 0.7, 3)
    around, origin = (Gallery(enrolled(**plain_faces), network) for network in (FACENET_NETWORK, "another"))
    for name in plain_faces:
        lower, higher = around.score(probe, name), origin.score(probe, name)
        assert lower is not None and higher is not None and lower < higher - 0.05
    best = around.search(probe)[0]
    assert best.score == pytest.approx(around.score(probe, best.person), abs=1e-6)
    own = around.score(plain_faces["ann"], "ann")
    assert own == pytest.approx(1, abs=1e-5)
    assert not around.templates.flags.writeable and np.allclose(np.linalg.norm(around.templates, axis=1), 1, atol=1e-5)


def test_an_empty_gallery_of_the_packaged_network_finds_nobody() -> None:
    rule = Recognizer(Gallery([], FACENET_NETWORK))
    assert rule.identify(person(1)).best is None and len(rule.gallery.lookalikes()) == 0


@pytest.mark.parametrize("content", [None, b"", b"not arrays", "without its arrays"])
def test_a_damaged_file_is_told_by_name(
    content: bytes | str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "centre.npz"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        np.savez(file, network=np.array(FACENET_NETWORK))
    monkeypatch.setattr(centre, "PACKAGED", file)
    with pytest.raises(WeightsError, match=r"centre\.npz: missing or damaged"):
        centre.centre_of(FACENET_NETWORK)


def test_the_centre_is_as_far_as_it_was_measured_best() -> None:
    centre = centre_of(FACENET_NETWORK)
    assert centre is not None and float(np.linalg.norm(centre)) == pytest.approx(0.2, abs=1e-4)
