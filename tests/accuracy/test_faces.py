"""Poor frames of stills, and a kit's stills as faces."""

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from camwatch.engine.analyzer import FaceAnalyzer
from tests.accuracy.degraded import HEIGHTS, frames
from tests.accuracy.faces import FRAMES, read
from tests.conftest import Footage
from tests.tools import pictures

STILL = np.random.default_rng(0).integers(60, 200, (250, 200, 3)).astype(np.uint8)


def test_poor_frames_are_the_same_at_every_run_and_differ_from_each_other() -> None:
    first, second = (list(islice(frames(STILL, 120.0, "a"), 3)) for _ in range(2))
    assert all(np.array_equal(*pair) for pair in zip(first, second, strict=True))
    assert len({one.tobytes() for one in first} | {next(frames(STILL, 120.0, "b")).tobytes()}) == 4


def test_faces_are_reduced_and_never_enlarged() -> None:
    for frame in islice(frames(STILL, 120.0, "a"), 20):
        assert HEIGHTS[0] - 1 <= 120 * frame.shape[0] / 250 <= HEIGHTS[1] + 1
        assert frame.shape[1] / frame.shape[0] == pytest.approx(0.8, abs=0.02)
        assert frame.dtype == np.uint8
    assert next(frames(STILL, 30.0, "a")).shape == STILL.shape


def test_frames_are_darker_and_hold_less() -> None:
    flat = np.full((250, 200, 3), 120, np.uint8)
    brightness = [frame.mean() for frame in islice(frames(flat, 120.0, "a"), 30)]
    assert min(brightness) < 60 and max(brightness) < 130
    assert max(float(frame.std()) for frame in islice(frames(flat, 120.0, "a"), 30)) > 3  # noise


@pytest.mark.weights
def test_a_kit_becomes_faces(analyzer: FaceAnalyzer, footage: Footage, tmp_path: Path) -> None:
    man = pictures.frames(footage.path("single_face.mp4"), (0, 60))
    woman = pictures.frames(footage.path("WolfgangLanger_Pexels.mp4"), (0,))
    empty = pictures.frames(footage.path("no_face.mp4"), (0,))
    for number, picture in enumerate([*man, *woman, *empty]):
        pictures.save(picture, tmp_path / f"{number}.png")
    labels = {
        "gallery": {"man": ["0.png"]},
        "probes": [{"person": "man", "file": "1.png"}],
        "unknown": [{"true_name": "woman", "file": "2.png"}, {"true_name": "nobody", "file": "3.png"}],
    }
    (tmp_path / "labels.json").write_text(json.dumps({"lfw": labels}))
    faces = read(analyzer, tmp_path)
    assert (faces.names, faces.people.tolist(), faces.probed) == (("man", "woman"), [0, 0, 1], 1)
    assert faces.lost == ("3.png",)
    assert faces.photos.shape[0] == 3 and faces.photos.shape[2] == 512
    assert faces.single.embeddings.shape == (3, 1, 512) and faces.frames.embeddings.shape == (3, FRAMES, 512)
    assert faces.single.height.min() > 150 and faces.frames.height.max() < 100
    assert np.allclose(faces.single.pooled, faces.single.embeddings[:, 0], atol=1e-5)
    one, other, stranger = faces.frames.pooled
    assert one @ other > 0.7 and one @ stranger < 0.4
