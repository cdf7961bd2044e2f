import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("openvino", reason="openvino is not installed: pip install 'camwatch[openvino]'")

import cv2

from camwatch.engine import openvino_runtime
from camwatch.engine.facenet import FaceEmbedder, facenet_description
from camwatch.engine.mtcnn import FaceDetector, mtcnn_descriptions
from camwatch.engine.openvino_runtime import OpenVinoRuntime
from camwatch.engine.runtime import Network, has_bfloat16, open_runtime
from camwatch.geometry import iou
from camwatch.records import Picture

pytestmark = pytest.mark.weights


def network(name: str) -> Network:
    return next(each for each in (*mtcnn_descriptions(), facenet_description()) if each.name == name)


def pixels(picture: Picture, count: int, side: int) -> NDArray[np.uint8]:
    """Pieces of a real picture, scaled."""
    pieces = [picture[50 + 9 * i : 170 + 9 * i, 80 + 25 * i : 200 + 25 * i] for i in range(count)]
    return np.array([cv2.resize(piece, (side, side)) for piece in pieces], np.uint8)


@pytest.fixture(scope="module")
def runtime() -> OpenVinoRuntime:
    return OpenVinoRuntime()


# -- answers


@pytest.mark.parametrize(("name", "side"), [("pnet", 67), ("rnet", 24), ("onet", 48), ("facenet", 160)])
def test_answers_are_tensorflows(runtime: OpenVinoRuntime, photos: dict[str, Picture], name: str, side: int) -> None:
    run = runtime.compile(network(name), "float32")
    exact = open_runtime("tensorflow").compile(network(name), "float32")
    for count in (5, 1, 3):
        crops = pixels(photos["multi_face.jpg"], count, side)
        found = run(crops)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, exact(crops), rtol=1e-4, atol=2e-5 if name != "facenet" else 2e-6)


@pytest.mark.skipif(not has_bfloat16(), reason="this processor has no bfloat16: OpenVINO would compute in float32")
def test_bfloat16_finds_the_same_faces_and_embeds_them_alike(
    runtime: OpenVinoRuntime, photos: dict[str, Picture], chips: NDArray[np.uint8]
) -> None:
    pictures = list(photos.values())
    exact, lower = (FaceDetector(runtime=runtime, precision=each) for each in ("float32", "bfloat16"))
    for faces, found in zip(exact.detect(pictures, min_face=40), lower.detect(pictures, min_face=40), strict=True):
        assert all(any(iou(face.box, other.box) > 0.9 for other in found) for face in faces if face.confidence > 0.9)
        assert len(found) <= len(faces) + 1
    one, other = (FaceEmbedder(runtime=runtime, precision=each).embed(chips) for each in ("float32", "bfloat16"))
    assert not np.allclose(one, other, atol=1e-6), "both were computed in float32"
    assert (one * other).sum(axis=1).min() > 0.999
    np.testing.assert_allclose(np.linalg.norm(other, axis=1), 1, atol=1e-4)


def test_answers_stay_and_inputs_may_be_views(runtime: OpenVinoRuntime, photos: dict[str, Picture]) -> None:
    run = runtime.compile(network("rnet"), "float32")
    crops = pixels(photos["multi_face.jpg"], 4, 24)
    first = run(crops)
    kept = first.copy()
    view = crops[::-1, :, ::-1]
    assert np.array_equal(run(view), run(view.copy()))
    crops.flags.writeable = False
    assert np.array_equal(run(crops), kept)
    assert np.array_equal(first, kept)


def test_threads_get_their_own_answers(runtime: OpenVinoRuntime, photos: dict[str, Picture]) -> None:
    run = runtime.compile(network("rnet"), "float32")
    inputs = [np.repeat(pixels(photos["multi_face.jpg"], 4, 24)[i : i + 1], 30 + 8 * i, 0) for i in range(3)]
    expected = [run(each) for each in inputs]
    together = threading.Barrier(3)

    def often(number: int) -> int:
        together.wait(30)
        answers = [run(inputs[number]) for _ in range(100)]
        return sum(a.shape == expected[number].shape and np.allclose(a, expected[number], atol=1e-5) for a in answers)

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(often, range(3))) == [100] * 3


def test_threads_are_opencvs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[int]()
    monkeypatch.setattr(cv2, "setNumThreads", told.append)
    monkeypatch.setattr(openvino_runtime, "scarce", lambda: None)
    OpenVinoRuntime()
    OpenVinoRuntime(threads=1)
    assert told == [1]
    monkeypatch.setattr(openvino_runtime, "scarce", lambda: 3)
    OpenVinoRuntime()
    OpenVinoRuntime(threads=1)
    assert told == [1, 3, 1]


# -- processes of their own

ALONE = """
import json, sys
import numpy as np
from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.engine.photos import read_photo
picture = read_photo(sys.argv[1])
analyzer = FaceAnalyzer(runtime="openvino")
faces = analyzer.detect([picture, picture[:1, :1], picture[:, ::-1]], 40)
analyzer.embed(np.zeros((2, 160, 160, 3), np.uint8))
print(json.dumps({
    "runtime": analyzer.runtime,
    "faces": [len(each) for each in faces],
    "empty": analyzer.detect([], 40),
    "loaded": sorted({name.split(".")[0] for name in sys.modules}),
    "again": [each.box.x1 for each in analyzer.detect([picture], 12)[0]]
        == [each.box.x1 for each in analyzer.detect([picture], 12)[0]],
}))
"""


def test_an_analyzer_with_openvino_loads_no_other_runtime_and_counts_nobody(footage: Any, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    ours = {"HOME": str(home), "XDG_CACHE_HOME": str(tmp_path / "cache"), "KERAS_BACKEND": "torch"}
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(footage.path("multi_face.jpg"))],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "CI"} | ours,  # it does not count there
    )
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert set(said["loaded"]) & {"tensorflow", "keras", "jax", "torch", "openvino_telemetry"} == set()
    assert list(home.iterdir()) == []
    assert said["runtime"] == "openvino" and said["empty"] == [] and said["again"]
    assert said["faces"][0] == said["faces"][2] >= 4 and said["faces"][1] == 0


DROPPED = """
import os, signal, threading
from camwatch.engine.mtcnn import mtcnn_descriptions
from camwatch.engine.openvino_runtime import OpenVinoRuntime
held = [OpenVinoRuntime()]
held[0].compile(mtcnn_descriptions()[1], "float32")
last = threading.Thread(target=held.clear)
last.start()
last.join()
signal.signal(signal.SIGTERM, lambda number, frame: print("asked to stop"))
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_signal_is_survived_after_another_thread_gave_openvino_up() -> None:
    done = subprocess.run([sys.executable, "-c", DROPPED], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "asked to stop\n"), done.stderr
