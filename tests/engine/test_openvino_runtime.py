import json
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("openvino", reason="openvino is not installed: pip install 'camwatch[openvino]'")

import cv2

from camwatch.engine import networks, openvino_runtime
from camwatch.engine.facenet import FaceEmbedder, facenet_description
from camwatch.engine.mtcnn import FaceDetector, mtcnn_descriptions
from camwatch.engine.openvino_runtime import OpenVinoRuntime
from camwatch.engine.runtime import Network, open_runtime
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


def test_bfloat16_finds_the_same_faces_and_embeds_them_alike(
    runtime: OpenVinoRuntime, photos: dict[str, Picture], chips: NDArray[np.uint8]
) -> None:
    pictures = list(photos.values())
    exact, lower = (FaceDetector(runtime=runtime, precision=each) for each in ("float32", "bfloat16"))
    for faces, found in zip(exact.detect(pictures, min_face=40), lower.detect(pictures, min_face=40), strict=True):
        assert all(any(iou(face.box, other.box) > 0.9 for other in found) for face in faces if face.confidence > 0.9)
        assert len(found) <= len(faces) + 1
    one, other = (FaceEmbedder(runtime=runtime, precision=each).embed(chips) for each in ("float32", "bfloat16"))
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
    OpenVinoRuntime()
    OpenVinoRuntime(threads=1)
    assert told == [1]


# -- the cache


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The networks that were described, which means converted, since."""
    names = list[str]()
    real = openvino_runtime.OpenVinoBuilder

    def counted() -> Any:
        names.append("one")
        return real()

    monkeypatch.setattr(openvino_runtime, "OpenVinoBuilder", counted)
    return names


CROPS = np.random.default_rng(0).integers(0, 256, (2, 24, 24, 3), np.uint8)


def answer(cache: Path | None) -> NDArray[np.float32]:
    return OpenVinoRuntime(cache=cache).compile(network("rnet"), "float32")(CROPS)


def test_a_second_start_reads_what_the_first_kept(tmp_path: Path, described: list[str]) -> None:
    cache = tmp_path / "not" / "there"
    first, second = answer(cache), answer(cache)
    assert np.array_equal(first, second) and np.array_equal(first, answer(None))
    assert len(described) == 2  # the first, and the one without a cache
    [folder] = cache.iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["network.bin", "network.xml", "note.json"]
    assert cache.stat().st_mode & 0o077 == folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["network.bin", "network.xml", "note.json"])
@pytest.mark.parametrize("how", ["altered", "cut", "gone"])
def test_what_is_damaged_is_made_anew(tmp_path: Path, described: list[str], name: str, how: str) -> None:
    expected = answer(tmp_path)
    path = next(tmp_path.rglob(name))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink() if how == "gone" else path.write_bytes(content if how == "altered" else content[:-30])
    assert np.array_equal(answer(tmp_path), expected)
    assert len(described) == 2
    assert np.array_equal(answer(tmp_path), expected)
    assert len(described) == 2
    assert len(list(tmp_path.iterdir())) == 1


def test_another_description_or_other_weights_are_kept_beside_it(
    tmp_path: Path, described: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(tmp_path)
    monkeypatch.setattr(openvino_runtime, "_SOURCES", (openvino_runtime,))
    answer(tmp_path)
    assert len(described) == len(list(tmp_path.iterdir())) == 2


def test_what_nobody_read_for_a_month_goes_when_another_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def old(folder: Path) -> None:
        os.utime(folder, times=(time.time() - 31 * 86400,) * 2)

    answer(tmp_path)
    [first] = tmp_path.iterdir()
    old(first)
    answer(tmp_path)  # reads it: still wanted
    (tmp_path / "precision.json").write_text("{}")
    old(tmp_path / "precision.json")
    monkeypatch.setattr(openvino_runtime, "_SOURCES", (openvino_runtime,))
    answer(tmp_path)
    assert first.exists()
    old(first)
    (tmp_path / ".new-killed" / "network").mkdir(parents=True)
    (tmp_path / ".new-at-work").mkdir()
    old(tmp_path / ".new-killed")
    monkeypatch.setattr(openvino_runtime, "_SOURCES", (networks,))
    answer(tmp_path)
    assert not first.exists()
    left = [path.name for path in tmp_path.iterdir() if not path.name.startswith("rnet-")]
    assert sorted(left) == [".new-at-work", "precision.json"]


def test_files_of_networks_are_not_held_in_memory(tmp_path: Path) -> None:
    run = OpenVinoRuntime(cache=tmp_path).compile(network("facenet"), "bfloat16")
    run(np.zeros((1, 160, 160, 3), np.uint8))
    size = next(tmp_path.rglob("network.bin")).stat().st_size
    held = [area.split("Rss:")[1].split()[0] for area in memory_areas() if str(tmp_path) in area]
    assert size > 40e6
    assert held and sum(int(kilobytes) for kilobytes in held) * 1024 < size / 20


def memory_areas() -> list[str]:
    """What proc_pid_smaps(5) tells of each mapping, its name first."""
    return re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text(), flags=re.MULTILINE)


def test_one_that_vanishes_while_it_is_read_is_made_anew(
    tmp_path: Path, described: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = answer(tmp_path)
    next(tmp_path.rglob("network.xml")).unlink()
    monkeypatch.setattr(openvino_runtime, "_is_whole", lambda folder: True)
    assert np.array_equal(answer(tmp_path), expected)


def test_where_nothing_can_be_kept_it_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    expected = answer(None)
    for cache in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/no/such")):
        caplog.clear()
        runtime = OpenVinoRuntime(cache=cache)
        for _ in range(2):
            found = runtime.compile(network("rnet"), "float32")
        assert np.array_equal(found(CROPS), expected)
        [record] = caplog.records  # said once
        assert record.getMessage().startswith(f"{cache}: converted networks cannot be kept there: ")


# -- processes of their own

START = """
import json, sys
from pathlib import Path
import numpy as np
from camwatch.engine.mtcnn import mtcnn_descriptions
from camwatch.engine.openvino_runtime import OpenVinoRuntime
print("ready", flush=True)
sys.stdin.readline()
runtime = OpenVinoRuntime(cache=Path(sys.argv[1]))
print(json.dumps([runtime.compile(each, "float32")(np.full((1, 48, 48, 3), 99, np.uint8)[:, :side, :side]).tolist()
    for each, side in zip(mtcnn_descriptions(), (48, 24, 48))]))
"""


def test_two_that_start_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", START, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for each in starts:
        assert each.stdout is not None and each.stdout.readline() == "ready\n"
    for each in starts:  # both, before either is waited for
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    ended = [each.communicate(timeout=120) for each in starts]
    assert [(each.returncode, errors) for each, (_, errors) in zip(starts, ended, strict=True)] == [(0, "")] * 2
    assert ended[0] == ended[1]
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == ["onet", "pnet", "rnet"]


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
