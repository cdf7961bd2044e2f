import doctest
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import camwatch.engine.analyzer
from camwatch.engine import loading
from camwatch.engine.alignment import chip, crop
from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.engine.loading import Loaded
from camwatch.engine.photos import enroll_photo, read_photo
from camwatch.geometry import grow
from camwatch.records import Box, Choice, Detection, Frame, Glimpse, Picture
from tests.conftest import Footage
from tests.rigs.counting import SlowNumber, side_by_side


def detection(x: float, y: float, side: float, confidence: float = 0.99) -> Detection:
    eyes = (x + 0.3 * side, y + 0.4 * side), (x + 0.7 * side, y + 0.4 * side)
    mouth = (x + 0.35 * side, y + 0.8 * side), (x + 0.65 * side, y + 0.8 * side)
    return Detection(Box(x, y, x + side, y + side), (*eyes, (x + 0.5 * side, y + 0.6 * side), *mouth), confidence)


class Detector:
    """Finds in each picture what its first pixel says."""

    def __init__(self, *answers: list[Detection]) -> None:
        self.answers, self.calls = answers, list[list[tuple[int, int]]]()

    def detect(self, pictures: Sequence[Picture], *, min_face: int | Sequence[int]) -> list[list[Detection]]:
        numbers = [int(picture[0, 0, 0]) for picture in pictures]
        smallest = [min_face] * len(pictures) if isinstance(min_face, int) else min_face
        self.calls.append(list(zip(numbers, smallest, strict=True)))
        return [self.answers[number] for number in numbers]


class Embedder:
    """Embeds a chip as its mean colour, so that a face can be told by where it was cropped."""

    network = "mean-colour"

    def __init__(self) -> None:
        self.batches = list[int]()

    def embed(self, chips: NDArray[np.uint8] | Sequence[Picture]) -> NDArray[np.float32]:
        self.batches.append(len(chips))
        return np.array([np.full(512, each.mean()) for each in chips], np.float32).reshape(-1, 512)


def frame(camera: str, number: int, width: int = 320, height: int = 240) -> Frame:
    picture = np.full((height, width, 3), 10 * number, np.uint8)
    picture[0, 0] = number
    return Frame(camera, 100 + number, 1000.0 + number, 50.0 + number, None, picture)


def test_faces_of_all_frames_are_embedded_at_once_and_come_back_to_their_frames() -> None:
    detector = Detector([detection(20, 20, 60)], [], [detection(30, 30, 50), detection(100, 90, 80)])
    embedder = Embedder()
    analyzer = FaceAnalyzer(detector=detector, embedder=embedder)

    seen = analyzer.analyze([frame("a", 2, 640, 480), frame("b", 1), frame("c", 0)])

    assert [(each.camera, each.seq, each.captured_at, each.monotonic) for each in seen] == [
        ("a", 102, 1002.0, 52.0),
        ("b", 101, 1001.0, 51.0),
        ("c", 100, 1000.0, 50.0),
    ]
    assert [(each.width, each.height) for each in seen] == [(640, 480), (320, 240), (320, 240)]
    assert [len(each.faces) for each in seen] == [2, 0, 1]
    assert embedder.batches == [3]
    assert [face.embedding[0] for face in seen[0].faces if face.embedding is not None] == [20, 20]
    assert [face.detection for face in seen[0].faces] == detector.answers[2]
    assert analyzer.network == "mean-colour"


def test_each_camera_has_its_own_smallest_face() -> None:
    detector = Detector([], [], [])

    FaceAnalyzer(min_face=40, detector=detector, embedder=Embedder()).analyze(
        [frame("a", 0), frame("b", 1), frame("c", 2)], min_face={"b": 80}
    )

    assert detector.calls == [[(0, 40), (1, 80), (2, 40)]]


def test_a_still_picture_is_not_searched_again_and_keeps_its_faces() -> None:
    detector = Detector([detection(20, 20, 60)], [])
    analyzer = FaceAnalyzer(detector=detector, embedder=Embedder())
    first, moved = frame("a", 0), frame("a", 1)
    seen = [analyzer.analyze([each])[0] for each in (first, replace(first, seq=101, captured_at=1000.5), moved)]
    assert [len(each.faces) for each in seen] == [1, 1, 0]
    assert seen[1].faces[0].embedding is not None
    assert (seen[1].seq, seen[1].captured_at) == (101, 1000.5)
    assert detector.calls == [[(0, 40)], [], [(1, 40)]]


def test_doubtful_faces_and_faces_outside_the_picture_are_left_out() -> None:
    detector = Detector([detection(20, 20, 60, 0.89), detection(400, 20, 60), detection(100, 100, 60, 0.9)])

    [seen] = FaceAnalyzer(detector=detector, embedder=Embedder()).analyze([frame("a", 0)])

    assert [face.detection.box.x1 for face in seen.faces] == [100]


def test_only_the_largest_faces_of_a_crowd_are_embedded_and_the_rest_is_counted() -> None:
    crowd = [detection(i % 40 * 7, i % 30 * 7, 20 + i % 50) for i in range(1000)]
    embedder = Embedder()
    analyzer = FaceAnalyzer(detector=Detector(crowd, crowd[:10]), embedder=embedder, max_faces=32)

    seen, few = analyzer.analyze([frame("a", 0), frame("b", 1)])

    embedded = [face for face in seen.faces if face.embedding is not None]
    assert len(seen.faces) == 1000
    assert len(embedded) == 32
    assert min(face.quality.height for face in embedded) >= 68
    assert all((face.chip is None) == (face.embedding is None) for face in seen.faces)
    assert all(face.embedding is not None for face in few.faces)
    assert embedder.batches == [42]
    assert analyzer.faces_not_embedded == 968


def test_only_faces_that_are_worth_it_are_embedded_and_all_others_are_measured() -> None:
    answers = [detection(20, 20, 60), detection(100, 90, 80), detection(200, 20, 90)], [detection(10, 10, 50)]
    asked: list[tuple[str, list[Detection]]] = []

    def worth(frame: Frame, glimpses: Sequence[Glimpse]) -> list[Choice]:
        asked.append((frame.camera, [glimpse.detection for glimpse in glimpses]))
        assert embedder.batches == [], "it is asked before anything is embedded"
        assert all(glimpse.quality.height >= 50 for glimpse in glimpses)
        assert all(glimpse.sketch.shape == (64,) for glimpse in glimpses)
        return [Choice(5, embed=True), Choice(6, embed=False), Choice(7, embed=False, show=True)][: len(glimpses)]

    embedder = Embedder()
    analyzer = FaceAnalyzer(detector=Detector(*answers), embedder=embedder)
    three, one = analyzer.analyze([frame("a", 0), frame("b", 1)], worth=worth)

    large, middle, small = answers[0][2], answers[0][1], answers[0][0]
    assert asked == [("a", [large, middle, small]), ("b", answers[1])]
    assert [face.detection for face in three.faces] == answers[0]
    assert [(f.follow, f.skipped, f.embedding is None, f.chip is None) for f in (*three.faces, *one.faces)] == [
        (7, True, True, False),
        (6, True, True, True),
        (5, False, False, False),
        (5, False, False, False),
    ]
    assert embedder.batches == [2]


def test_where_nothing_is_worth_it_the_network_rests() -> None:
    embedder = Embedder()
    analyzer = FaceAnalyzer(detector=Detector([detection(20, 20, 60)]), embedder=embedder)
    [seen] = analyzer.analyze([frame("a", 0)], worth=lambda frame, glimpses: [Choice(1, embed=False)] * len(glimpses))
    assert embedder.batches == [] and seen.faces[0].quality.height == 60


def test_what_is_beyond_the_largest_faces_is_not_asked_about_nor_skipped() -> None:
    crowd = [detection(i % 40 * 7, i % 30 * 7, 20 + i) for i in range(50)]
    analyzer = FaceAnalyzer(detector=Detector(crowd), embedder=Embedder(), max_faces=32)
    [seen] = analyzer.analyze([frame("a", 0)], worth=lambda frame, glimpses: [Choice(1, embed=False)] * len(glimpses))
    assert [face.skipped for face in seen.faces] == [False] * 18 + [True] * 32


def test_a_face_kept_alone_does_not_keep_the_batch() -> None:
    analyzer = FaceAnalyzer(detector=Detector([detection(20, 20, 60), detection(90, 20, 60)]), embedder=Embedder())

    [seen] = analyzer.analyze([frame("a", 0)])

    for face in seen.faces:
        assert face.embedding is not None
        assert face.embedding.base is None
        assert face.chip is not None
        assert face.chip.base is None


def test_stages_are_timed_where_they_happened() -> None:
    told: list[tuple[str, float]] = []
    clock = iter([0.0, 2.0, 5.0, 10.0, 14.0])
    analyzer = FaceAnalyzer(
        detector=Detector([detection(20, 20, 60)], []),
        embedder=Embedder(),
        on_stage=lambda stage, seconds: told.append((stage, seconds)),
        timer=lambda: next(clock),
    )

    analyzer.analyze([frame("a", 0)])
    analyzer.analyze([frame("a", 1)])

    assert told == [("detect", 2.0), ("embed", 3.0), ("detect", 4.0)]


def test_what_computes_and_in_what_is_asked_for_and_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    def load(**options: Any) -> Loaded:
        asked.append(options)
        return Loaded(Detector(), Embedder(), "openvino", "bfloat16")  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "load_networks", load)
    analyzer = FaceAnalyzer(runtime="openvino", precision="auto", device="cpu", threads=3, cache=tmp_path)
    assert (analyzer.runtime, analyzer.precision, analyzer.network) == ("openvino", "bfloat16", "mean-colour")
    assert asked[0] == {
        "runtime": "openvino",
        "precision": "auto",
        "device": "cpu",
        "threads": 3,
        "gpu_memory_mib": None,
        "facenet_weights": None,
        "cache": tmp_path,
    }
    mine = Embedder()
    assert FaceAnalyzer(embedder=mine).network == mine.network
    assert asked[1]["cache"] == loading.default_cache()
    given = FaceAnalyzer(detector=Detector(), embedder=mine)
    assert (given.runtime, given.precision, len(asked)) == ("", "", 2), "nothing is loaded that is not needed"


def test_no_frames_give_no_observations() -> None:
    assert FaceAnalyzer(detector=Detector(), embedder=Embedder()).analyze([]) == []


@pytest.mark.weights
def test_the_example_in_the_documentation_runs(footage: Footage) -> None:
    photos = [footage.path("single_face.jpg")] * 2
    finder = doctest.DocTestFinder(recurse=False)
    [example] = finder.find(FaceAnalyzer, "FaceAnalyzer", camwatch.engine.analyzer, {"photos": photos})
    assert len(example.examples) == 10

    result = doctest.DocTestRunner().run(example)

    assert result.failed == 0
    assert result.attempted == 10


@pytest.mark.weights
def test_real_faces_in_frames_of_different_sizes(analyzer: FaceAnalyzer, footage: Footage) -> None:
    group, single = read_photo(footage.path("multi_face.jpg")), read_photo(footage.path("single_face.jpg"))
    empty = np.full((720, 1280, 3), 90, np.uint8)
    frames = [Frame("a", i, 0.0, 0.0, None, picture) for i, picture in enumerate((group, empty, single))]

    crowd, nobody, one = analyzer.analyze(frames)

    assert len(crowd.faces) == 5
    assert nobody.faces == ()
    [face] = one.faces
    assert face.embedding is not None
    assert face.chip is not None
    assert face.chip.shape == (160, 160, 3)
    assert np.array_equal(face.chip, chip(single, face.detection.box))
    assert np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-5)
    assert 0 < face.quality.score <= 1
    [alone] = analyzer.analyze([frames[2]])
    assert alone.faces[0].embedding is not None
    assert float(alone.faces[0].embedding @ face.embedding) > 0.9999, "a face depends on its neighbours in the batch"


@pytest.mark.weights
def test_a_person_is_enrolled_from_a_photo_and_from_a_tight_crop_of_it(
    analyzer: FaceAnalyzer, footage: Footage, tmp_path: Path
) -> None:
    path = footage.path("single_face.jpg")
    enrolled = enroll_photo(analyzer, "Ann", path, strict=True)
    picture = read_photo(path)
    [[face]] = analyzer.detect([picture], 40)
    tight = crop(picture, grow(face.box, -0.2))
    cv2.imwrite(str(tmp_path / "tight.png"), tight[..., ::-1])
    assert analyzer.detect([np.ascontiguousarray(tight)], 40) == [[]], "this crop is not tight enough to be a test"

    cropped = enroll_photo(analyzer, "Ann", tmp_path / "tight.png", strict=True)

    assert enrolled.embeddings.shape == cropped.embeddings.shape == (4, 512)
    assert float(enrolled.embeddings[0] @ enrolled.embeddings[1]) > 0.8
    assert float(enrolled.embeddings[0] @ cropped.embeddings[0]) > 0.6


def test_threads_lose_no_count_of_faces_left_out() -> None:
    crowd = [detection(10 * n, 10, 60) for n in range(5)]
    analyzer = FaceAnalyzer(detector=Detector(crowd), embedder=Embedder(), max_faces=2)
    analyzer.faces_not_embedded = SlowNumber(0)
    side_by_side(lambda number: analyzer.analyze([frame(f"camera {number}", 0)]))
    assert analyzer.faces_not_embedded == 4 * 10 * 3
