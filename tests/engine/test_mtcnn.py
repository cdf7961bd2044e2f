from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.engine import mtcnn
from camwatch.engine.candidates import Candidates
from camwatch.engine.mtcnn import FaceDetector
from camwatch.engine.runtime import open_runtime
from camwatch.errors import InputError
from camwatch.geometry import iou
from camwatch.records import Box, Detection, Picture
from tests.rigs.counting import SlowNumber, side_by_side

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="module")
def package() -> Iterator[Any]:
    """The mtcnn package's detector, its pyramid mended: it would fail on levels that are smaller than a window."""
    import mtcnn as package
    from mtcnn.stages import stage_pnet

    build = stage_pnet.build_scale_pyramid

    def mended(width: int, height: int, **options: Any) -> NDArray[np.float64]:
        scales = build(width, height, **options)
        return np.asarray(scales[np.floor(min(width, height) * scales) >= 12])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage_pnet, "build_scale_pyramid", mended)
        yield package.MTCNN()


def find_by_package(package: Any, picture: Picture, min_face: int) -> list[tuple[Box, float, NDArray[np.float64]]]:
    """Box, confidence and landmarks (5, 2) of each face, not rounded."""
    rows = package.detect_faces(
        picture, min_face_size=min_face, fit_to_image=False, box_format="xyxy", output_type="numpy"
    )
    return [(Box(*row[1:5]), float(row[5]), row[6:].reshape(2, 5).T) for row in rows]


def same(one: list[Detection], other: list[Detection], pixels: float = 0.05) -> bool:
    """Whether both hold the same faces, but for rounding."""

    def numbers(faces: list[Detection]) -> NDArray[np.float64]:
        rows = [[f.box.x1, f.box.y1, f.box.x2, f.box.y2, *np.ravel(f.landmarks), 100 * f.confidence] for f in faces]
        return np.array(rows, np.float64).reshape(-1, 15)

    return len(one) == len(other) and bool(np.all(np.abs(numbers(one) - numbers(other)) < pixels))


def test_finds_what_the_package_finds(detector: FaceDetector, package: Any, photos: dict[str, Picture]) -> None:
    overlaps, missed, extra = [], [], []
    for name, picture in photos.items():
        for min_face in (20, 24, 40, 60, 80):
            unmatched = detector.detect([picture], min_face=min_face)[0]
            for box, confidence, marks in find_by_package(package, picture, min_face):
                match = max(unmatched, key=lambda face: iou(face.box, box), default=None)
                if match is None or iou(match.box, box) < 0.5:
                    missed.append((name, min_face, box, confidence))
                    continue
                overlaps.append(iou(match.box, box))
                unmatched.remove(match)
                assert abs(match.confidence - confidence) < 0.1
                assert np.abs(np.array(match.landmarks) - marks).max() < 0.15 * match.box.width
            extra += [(name, min_face, face) for face in unmatched]
    assert len(overlaps) >= 45
    assert np.median(overlaps) >= 0.95  # some are of levels with few pixels; .98 on frames of crowds
    assert [miss for miss in missed if miss[3] >= 0.9] == []
    assert len(extra) <= 1


def test_bfloat16_finds_the_same_faces(detector: FaceDetector, photos: dict[str, Picture]) -> None:
    lower = FaceDetector(runtime=open_runtime("tensorflow"), precision="bfloat16")
    pictures = list(photos.values())
    for found, exact in zip(lower.detect(pictures, min_face=40), detector.detect(pictures, min_face=40), strict=True):
        assert all(any(iou(face.box, other.box) > 0.9 for other in found) for face in exact if face.confidence > 0.9)
        assert len(found) <= len(exact) + 1


def test_a_batch_finds_what_single_calls_find(detector: FaceDetector, photos: dict[str, Picture]) -> None:
    picture = photos["multi_face.jpg"]
    batch = [picture, picture[:, ::-1], np.roll(picture, 40, 1), np.zeros_like(picture), picture]
    found = detector.detect(batch, min_face=30)
    alone = [detector.detect([each], min_face=30)[0] for each in batch]
    assert [len(faces) for faces in found][3] == 0
    assert len(found[0]) >= 4
    assert all(same(a, b) for a, b in zip(found, alone, strict=True))


def test_views_of_pictures_are_as_good_as_copies(detector: FaceDetector, photos: dict[str, Picture]) -> None:
    picture = photos["multi_face.jpg"]
    views = [picture[::-1, ::-1][::-1, ::-1], np.asfortranarray(picture), np.repeat(picture, 2, 1)[:, ::2]]
    assert not any(view.flags.c_contiguous for view in views[1:])
    expected = detector.detect([picture], min_face=40)[0]
    assert len(expected) >= 4
    assert detector.detect(views, min_face=40) == detector.detect([picture] * 3, min_face=40)
    assert all(same(found, expected) for found in detector.detect(views, min_face=40))


def test_sizes_and_smallest_faces_may_differ_in_one_call(detector: FaceDetector, photos: dict[str, Picture]) -> None:
    pictures = [*photos.values(), photos["multi_face.jpg"]]
    smallest = [20 + 10 * number for number in range(len(pictures))]
    found = detector.detect(pictures, min_face=smallest)
    for picture, side, faces in zip(pictures, smallest, found, strict=True):
        assert same(faces, detector.detect([picture], min_face=side)[0])
    assert len(found[0]) >= 4
    with pytest.raises(ValueError, match="shorter"):
        detector.detect(pictures, min_face=smallest[:-1])


def test_the_most_confident_face_comes_first(detector: FaceDetector, photos: dict[str, Picture]) -> None:
    confidences = [face.confidence for face in detector.detect([photos["multi_face.jpg"]], min_face=20)[0]]
    assert confidences == sorted(confidences, reverse=True)
    assert 1 >= confidences[0] > 0.99


def test_landmarks_are_named_as_seen_in_the_picture(detector: FaceDetector, photos: dict[str, Picture]) -> None:
    picture = photos["single_face.jpg"]
    for seen in (picture, picture[:, ::-1]):
        face = detector.detect([seen], min_face=60)[0][0]
        left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
        assert face.box.x1 < left_eye[0] < nose[0] < right_eye[0] < face.box.x2
        assert left_mouth[0] < nose[0] < right_mouth[0]
        assert face.box.y1 < left_eye[1] < nose[1] < left_mouth[1] < face.box.y2


def test_a_face_at_the_edge_has_a_box_beyond_it(detector: FaceDetector, photos: dict[str, Picture]) -> None:
    picture = photos["single_face.jpg"]
    whole = detector.detect([picture], min_face=60)[0][0].box
    cut = np.ascontiguousarray(picture[:, int(whole.x1 + 0.2 * whole.width) :])
    face = detector.detect([cut], min_face=60)[0][0]
    assert face.box.x1 < 0 < face.box.x2


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (11, 400), (400, 11), (12, 12), (39, 200), (40, 40), (41, 43)])
def test_tiny_pictures_have_no_faces(detector: FaceDetector, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    assert detector.detect([noise], min_face=40) == [[]]
    assert detector.detect([noise, noise], min_face=12) == [[], []]


def test_nothing_to_look_at(detector: FaceDetector) -> None:
    assert detector.detect([], min_face=40) == []
    assert detector.detect([np.full((480, 640, 3), 90, np.uint8)], min_face=20) == [[]]


def test_a_face_that_fills_the_picture(detector: FaceDetector, photos: dict[str, Picture]) -> None:
    picture = photos["single_face.jpg"]
    box = detector.detect([picture], min_face=60)[0][0].box
    left, top, right, bottom = (max(int(value), 0) for value in (box.x1, box.y1, box.x2, box.y2))
    tight = np.ascontiguousarray(picture[top:bottom, left:right])
    assert len(detector.detect([tight], min_face=20)[0]) == 1


def test_more_candidates_than_can_be_looked_at(
    detector: FaceDetector, photos: dict[str, Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    box = detector.detect([photos["single_face.jpg"]], min_face=60)[0][0].box
    face = photos["single_face.jpg"][int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)]
    tile = cv2.resize(face, (26, 32), interpolation=cv2.INTER_AREA)
    crowd = np.tile(tile, (12, 25, 1)).astype(np.uint8)
    calls: list[tuple[int, int]] = []
    score = mtcnn._score

    def counted(network: Any, pictures: Any, candidates: Any, *, side: int, most: int) -> Any:
        calls.append((side, len(candidates)))
        return score(network, pictures, candidates, side=side, most=most)

    monkeypatch.setattr(mtcnn, "_score", counted)
    ample = FaceDetector(max_candidates=100_000)
    everybody = ample.detect([crowd], min_face=20)[0]
    assert ample.capped == 0
    assert dict(calls)[24] > 800
    assert len(everybody) > 200

    calls.clear()
    narrow = FaceDetector(max_candidates=200)
    faces, nobody = narrow.detect([crowd, np.zeros_like(crowd)], min_face=20)
    assert calls == [(24, 200), (48, 50)]
    assert narrow.capped > 600
    assert nobody == []
    assert 0 < len(faces) <= 50
    assert all(any(iou(face.box, one.box) > 0.6 for one in everybody) for face in faces)


def test_a_picture_in_strips_gives_the_same_faces(
    detector: FaceDetector, photos: dict[str, Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [photos["multi_face.jpg"]]
    whole = detector.detect(pictures, min_face=20)
    monkeypatch.setattr(detector, "calls", mtcnn.Calls(1 << 14, 16, 8))
    assert same(detector.detect(pictures, min_face=20)[0], whole[0])


def test_many_large_pictures_go_through_in_parts(
    detector: FaceDetector, photos: dict[str, Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = photos["single_face.jpg"]
    monkeypatch.setattr(detector, "calls", mtcnn.Calls(1 << 15, 128, 64))
    found = detector.detect([picture] * 5, min_face=60)
    assert [len(faces) for faces in found] == [1] * 5


@pytest.mark.parametrize("min_face", [11, 0, -5])
def test_faces_smaller_than_the_window_cannot_be_asked_for(detector: FaceDetector, min_face: int) -> None:
    with pytest.raises(InputError, match=f"min_face is {min_face}: .* 12 pixels"):
        detector.detect([np.zeros((50, 50, 3), np.uint8)], min_face=min_face)


@pytest.mark.parametrize(
    "picture", [np.zeros((50, 50), np.uint8), np.zeros((50, 50, 4), np.uint8), np.zeros((50, 50, 3), np.float32)]
)
def test_what_is_no_picture_is_refused(detector: FaceDetector, picture: Any) -> None:
    with pytest.raises(ValueError, match="picture 0: "):
        detector.detect([picture], min_face=40)


def test_threads_lose_no_count_of_candidates_given_up(detector: FaceDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector, "capped", SlowNumber(0))
    side_by_side(lambda _: detector._count_capped(3))
    assert detector.capped == 4 * 10 * 3


def test_a_face_in_doubt_is_looked_at_again_and_a_part_of_a_sure_one_is_not(
    detector: FaceDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = np.zeros((100, 400, 3), np.uint8)
    picture[:, 100:200], picture[:, 250:270] = 255, 255  # all around the second box, on a part of the third
    looked: list[int] = []

    def onet(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Sure of what is white."""
        looked.append(len(crops))
        white = crops.mean((1, 2, 3)) / 255
        answer = np.zeros((len(crops), 15), np.float32)
        answer[:, -1] = np.log((white + 1e-6) / (1 - white + 1e-6))
        return answer

    monkeypatch.setattr(detector, "_onet", onet)
    boxes = np.array([[0, 20, 40, 60], [130, 20, 170, 60], [240, 20, 280, 60], [20, 30, 60, 70]], np.float32)
    scores = np.array([0.95, 0.85, 0.89, 0.88], np.float32)
    faces = detector._looked_again([picture], Candidates(boxes, scores, np.zeros(4, np.int64)))

    assert sum(looked) >= 36
    np.testing.assert_array_equal(faces.boxes, boxes)
    assert faces.scores[1] > 0.99
    np.testing.assert_array_equal(faces.scores[[0, 2, 3]], scores[[0, 2, 3]])


def test_only_some_faces_of_a_picture_are_looked_at_again(
    detector: FaceDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = np.array([[20 * n, 0, 20 * n + 15, 15] for n in range(50)], np.float32)
    crowd = Candidates(boxes, np.linspace(0.81, 0.89, 50).astype(np.float32), np.repeat([0, 1], 25))
    looked: list[int] = []

    def onet(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        looked.append(len(crops))
        return np.full((len(crops), 15), 9, np.float32)

    monkeypatch.setattr(detector, "_onet", onet)
    faces = detector._looked_again([np.zeros((20, 1000, 3), np.uint8)] * 2, crowd)

    assert np.flatnonzero(faces.scores > 0.9).tolist() == [*range(17, 25), *range(42, 50)]  # the best of each picture
    assert sum(looked) == 2 * 8 * 18
