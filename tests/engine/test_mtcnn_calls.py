"""However much the networks compute in one call, the faces are the same."""

import numpy as np
import pytest

from camwatch.engine.mtcnn import CALLS, Calls, FaceDetector
from camwatch.records import Picture


def test_many_canvases_are_a_power_of_two() -> None:
    calls = Calls(1000, 1, 1)
    assert [calls.canvases(pixels) for pixels in (2000, 1000, 300, 100, 62, 30, 10)] == [1, 1, 3, 10, 16, 32, 64]


def test_a_gpu_gets_more_at_once() -> None:
    for name in ("canvas", "rnet", "onet"):
        assert getattr(CALLS["gpu"], name) >= 8 * getattr(CALLS["cpu"], name)


@pytest.mark.weights
def test_the_faces_do_not_depend_on_how_much_is_computed_at_once(photos: dict[str, Picture]) -> None:
    pictures = [*photos.values()] * 2

    def boxes(calls: Calls) -> list[list[list[float]]]:
        detector = FaceDetector(calls=calls)
        assert detector.calls == calls
        found = detector.detect(pictures, min_face=40)
        return [[[f.box.x1, f.box.y1, f.box.x2, f.box.y2, f.confidence] for f in faces] for faces in found]

    little, much = boxes(Calls(1 << 15, 8, 8)), boxes(CALLS["gpu"])
    assert [len(faces) for faces in little] == [len(faces) for faces in much]
    assert sum(map(len, little)) >= 10
    for one, other in zip(little, much, strict=True):
        np.testing.assert_allclose(np.reshape(one, (-1, 5)), np.reshape(other, (-1, 5)), rtol=0, atol=0.05)
