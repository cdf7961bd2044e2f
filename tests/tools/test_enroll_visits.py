"""`enroll --from-event` and `--not`: learning from a visit, only when asked, and only what fits."""

import io
from pathlib import Path
from typing import Any

import cv2
import pytest

from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.errors import InputError, PhotoError
from camwatch.identification.faces import scan
from camwatch.identification.gallery import Gallery
from camwatch.identification.recognizer import Recognizer
from camwatch.identification.visits import VisitTracker
from camwatch.records import Event, Frame
from camwatch.tools.enroll import enroll
from tests.conftest import Footage
from tests.publishing.events import leave
from tests.tools.pictures import frames, save

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def visit(footage: Footage, analyzer: FaceAnalyzer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Event]:
    """The state that a daemon leaves of a stranger's visit, and its first event."""
    state = tmp_path_factory.mktemp("state")
    pictures = frames(footage.path("WolfgangLanger_Pexels.mp4"), range(170, 330, 16))
    shown = [Frame("door", n, 1.7e9 + n / 4, n / 4, None, picture) for n, picture in enumerate(pictures)]
    tracker = VisitTracker("door", Recognizer(Gallery([], analyzer.network)), node="n")
    events = [event for seen in analyzer.analyze(shown) for event in tracker.observe(seen)] + tracker.flush(1.8e9)
    leave(state, events)
    return state, events[0]


def added(name: str, faces: Path, analyzer: FaceAnalyzer, *photos: Path, **how: Any) -> tuple[int, list[str], str]:
    results, notes = io.StringIO(), io.StringIO()
    status = enroll(name, photos, faces, analyzer=analyzer, results=results, notes=notes, **how)
    return status, results.getvalue().splitlines(), notes.getvalue()


def test_a_visitor_is_enrolled_by_the_visit(
    visit: tuple[Path, Event], analyzer: FaceAnalyzer, footage: Footage, tmp_path: Path
) -> None:
    state, event = visit
    status, lines, notes = added("Eve", tmp_path, analyzer, from_event=event.event_id[:8], state=state)
    assert status == 0 and lines[0].startswith("added    face 1 of the visit.png: face ")
    assert 1 <= len(lines) <= 3 and "camwatch-enroll" not in notes + "".join(lines)
    assert scan(tmp_path).people == ("Eve",) and len(scan(tmp_path).photos) == len(lines)
    photo = save(frames(footage.path("WolfgangLanger_Pexels.mp4"), (60,))[0], tmp_path.with_suffix(".png"))
    again = added("Other", tmp_path, analyzer, photo)
    assert again[0] == 2 and "looks like Eve, who is enrolled already" in again[1][0], "so it was her face"


def test_what_is_no_visit_or_somebody_elses_is_refused(
    visit: tuple[Path, Event], analyzer: FaceAnalyzer, tmp_path: Path
) -> None:
    state, event = visit
    with pytest.raises(InputError, match="no such event"):
        added("Eve", tmp_path, analyzer, from_event="00000000-nobody", state=state)
    with pytest.raises(InputError, match="nothing to enroll"):
        added("Eve", tmp_path, analyzer)
    with pytest.raises(PhotoError, match="nobody is called 'Eve'"):
        added("Eve", tmp_path, analyzer, from_event=event.event_id, state=state, negative=True)
    assert not list(tmp_path.iterdir())


def test_an_event_of_another_name_is_taken_only_when_insisted(
    visit: tuple[Path, Event],
    analyzer: FaceAnalyzer,
    footage: Footage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state, event = visit
    photo = save(frames(footage.path("WolfgangLanger_Pexels.mp4"), (60,))[0], tmp_path / "bob.png")
    faces = tmp_path / "faces"
    assert added("Bob", faces, analyzer, photo)[0] == 0  # so this visit would be Bob's
    taken = __import__("camwatch.tools.enroll", fromlist=["enroll"])
    real = taken.faces_of
    monkeypatch.setattr(taken, "faces_of", lambda *args: ("Bob", real(*args)[1]))
    with pytest.raises(InputError, match="this event says Bob, not Eve; if it was Eve: --anyway"):
        added("Eve", faces, analyzer, from_event=event.event_id, state=state)
    status, lines, notes = added("Eve", faces, analyzer, from_event=event.event_id, state=state, anyway=True)
    assert status == 0 and all(line.startswith("added ") for line in lines), lines
    assert "looks like Bob, who is enrolled already" in notes and "; if it is Bob, remove " in notes
    assert scan(faces).people == ("Bob", "Eve")
    assert added("Eve", faces, analyzer, from_event=event.event_id, state=state, anyway=True)[0] == 0, "there already"


def test_who_was_taken_for_somebody_is_denied_but_not_the_person(
    visit: tuple[Path, Event], analyzer: FaceAnalyzer, footage: Footage, tmp_path: Path
) -> None:
    state, event = visit
    man = [
        save(picture, tmp_path / f"{number}.png")
        for number, picture in enumerate(frames(footage.path("single_face.mp4"), (0, 20, 40)))
    ]
    faces = tmp_path / "faces"
    added("Adam", faces, analyzer, *man[:2])
    status, lines, notes = added("Adam", faces, analyzer, from_event=event.event_id, state=state, negative=True)
    assert status == 0 and "is not like Adam anyway" in notes
    found = scan(faces)
    assert found.people == ("Adam",) and sum(photo.negative for photo in found.photos) == len(lines)
    status, lines, _ = added("Adam", faces, analyzer, man[2], negative=True)
    assert status == 2 and "is too much like Adam" in lines[0] and "would not be Adam any more" in lines[0]
    status, lines, _ = added("Adam", faces, analyzer, man[0], negative=True)
    assert status == 2 and "is in the gallery already, as a photo of Adam" in lines[0]


def test_a_face_that_is_denied_is_not_enrolled_and_one_photo_cannot_tell_a_look_alike(
    analyzer: FaceAnalyzer, footage: Footage, tmp_path: Path
) -> None:
    faces = tmp_path / "faces"
    man = [
        save(picture, tmp_path / f"{number}.png")
        for number, picture in enumerate(frames(footage.path("single_face.mp4"), (0, 40)))
    ]
    clip = frames(footage.path("WolfgangLanger_Pexels.mp4"), (0, 236))
    woman = [save(picture, tmp_path / f"woman{number}.png") for number, picture in enumerate(clip)]
    added("Adam", faces, analyzer, man[0])
    status, lines, _ = added("Adam", faces, analyzer, man[1], negative=True)
    assert status == 2 and "is too much like the only photo of Adam" in lines[0] and lines[0].endswith("--anyway")
    assert added("Adam", faces, analyzer, woman[0], negative=True)[0] == 0
    status, lines, _ = added("Adam", faces, analyzer, woman[1])
    assert status == 2 and "is more like one who is not Adam (" in lines[0]
    assert f"; if that one is Adam, remove {faces}/adam/not/" in lines[0] and lines[0].endswith(".png first")
    status, lines, notes = added("Adam", faces, analyzer, man[1], negative=True, anyway=True)
    assert status == 0 and "with one photo of Adam it cannot be told whether this is Adam (" in notes
    assert f"if it is, remove {faces}/adam/not/" in notes
    third = save(frames(footage.path("single_face.mp4"), (60,))[0], tmp_path / "third.png")
    status, lines, notes = added("adam", faces, analyzer, third)
    assert status == 0 and "Adam is enrolled already; adam is somebody else here" in notes
    assert "looks like Adam (" in notes and "but more like one who is not; if it is Adam, remove " in notes


def test_faces_too_small_to_be_enrolled_are_not_taken_enlarged(
    visit: tuple[Path, Event], analyzer: FaceAnalyzer, footage: Footage, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    pictures = frames(footage.path("WolfgangLanger_Pexels.mp4"), range(170, 330, 16))
    shape = pictures[0].shape
    [seen] = analyzer.analyze([Frame("d", 0, 0, 0, None, pictures[5])])
    tall = max(face.detection.box.height for face in seen.faces)
    small = [cv2.resize(one, None, fx=36 / tall, fy=36 / tall, interpolation=cv2.INTER_AREA) for one in pictures]
    assert small[0].shape < shape
    shown = [Frame("door", n, 1.7e9 + n / 4, n / 4, None, one) for n, one in enumerate(small)]
    tracker = VisitTracker("door", Recognizer(Gallery([], analyzer.network)), node="n", min_face=30.0)
    events = [event for seen in analyzer.analyze(shown) for event in tracker.observe(seen)] + tracker.flush(1.8e9)
    leave(state, events)
    with pytest.raises(InputError, match=r"no face of this visit can be enrolled, .* too small: 3\d pixels"):
        added("Eve", tmp_path / "faces", analyzer, from_event=events[0].event_id, state=state)


@pytest.mark.parametrize("name", ["unknown", "None", "UNAVAILABLE"])
def test_what_home_assistant_takes_for_no_state_is_no_name(name: str, tmp_path: Path, analyzer: FaceAnalyzer) -> None:
    with pytest.raises(PhotoError, match="not a name, Home Assistant takes it for no state"):
        added(name, tmp_path, analyzer, tmp_path / "x.png")
