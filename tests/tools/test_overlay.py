"""Labels follow visits: undecided, then named, over gaps that a visit survives, and not beyond."""

from collections.abc import Sequence

import numpy as np

from camwatch.identification.gallery import Gallery
from camwatch.identification.recognizer import Recognizer
from camwatch.identification.visits import VisitTracker
from camwatch.records import Box, Detection, Embedding, Enrolled, Face, Observation, Quality
from camwatch.tools.overlay import Label, Labels, Standing

GOOD = Quality(120.0, 200.0, 0.0, 0.9)
ANN, EVE = np.eye(512, dtype=np.float32)[:2]


def face(looks: Embedding, x: float) -> Face:
    mark = (x + 50.0, 100.0)
    return Face(Detection(Box(x, 60.0, x + 100, 180.0), (mark,) * 5, 0.99), GOOD, None, looks)


class Scene:
    """A camera at 5 frames a second, with its visits and its labels."""

    def __init__(self) -> None:
        gallery = Gallery([Enrolled("Ann", "a.jpg", "0", ANN[None], GOOD)], "net")
        self._visits = VisitTracker("door", Recognizer(gallery), node="test")
        self._labels = Labels(min_face=40.0)
        self._seq = 0

    def show(self, *faces: Face) -> list[Label]:
        now = self._seq / 5
        seen = Observation("door", self._seq, now, now, 640, 360, faces)
        self._seq += 1
        return self._labels.update(seen, self._visits.observe(seen))

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 5)):
            assert self.show() == []


def texts(labels: Sequence[Label]) -> set[str]:
    return {label.text for label in labels}


def test_a_face_is_open_until_an_event_names_it() -> None:
    scene = Scene()
    shown = [scene.show(face(ANN, 100.0 + step)) for step in range(6)]
    assert texts(shown[0]) == {"?"} and shown[0][0].standing is Standing.OPEN
    assert texts(shown[-1]) == {"Ann 1.00"} and shown[-1][0].standing is Standing.NAMED
    assert shown[-1][0].box == face(ANN, 105.0).detection.box
    assert len({labels[0].track for labels in shown}) == 1


def test_two_people_keep_their_own_labels() -> None:
    scene = Scene()
    for _ in range(20):
        labels = scene.show(face(ANN, 100.0), face(EVE, 400.0))
    by_place = {label.box.x1: label for label in labels}
    assert by_place[100.0].text == "Ann 1.00"
    assert by_place[400.0].text == "unknown" and by_place[400.0].standing is Standing.UNKNOWN


def test_who_comes_back_within_the_visit_is_known_at_once() -> None:
    scene = Scene()
    for _ in range(6):
        scene.show(face(ANN, 100.0))
    scene.wait(3.0)
    assert texts(scene.show(face(ANN, 450.0))) == {"Ann 1.00"}
    assert texts(scene.show(face(EVE, 100.0))) == {"?"}


def test_a_new_visit_begins_undecided() -> None:
    scene = Scene()
    for _ in range(6):
        scene.show(face(ANN, 100.0))
    scene.wait(6.0)
    assert texts(scene.show(face(ANN, 100.0))) == {"?"}
