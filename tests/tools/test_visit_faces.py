"""The faces of a visit that are offered to be enrolled: the best, different ones, good enough; no networks needed."""

from dataclasses import replace
from pathlib import Path

import pytest

from camwatch.errors import InputError
from camwatch.records import EventType, Observation
from camwatch.tools.visit_faces import MOST, faces_of
from tests.identification.scene import face, frame, like, person, recognizer, stay
from tests.tools.test_explain import CHIP, watched

ANN = person(1)


def seen(*scores: float, cosine: float = 0.8) -> list[Observation]:
    return [
        frame(number / 5, face(like(ANN, cosine, number), score=score, height=60.0 + number, chip=CHIP))
        for number, score in enumerate(scores)
    ]


def test_the_best_that_differ_are_taken_and_no_more_than_some(tmp_path: Path) -> None:
    events = watched(tmp_path, seen(0.5, 0.9, 0.6, 0.8, 0.7, 0.4, 0.3))
    person_, found = faces_of(events[-1].event_id, tmp_path)
    assert person_ == "Ann" and len(found) == MOST
    scores = [one.quality.score for one in found]
    assert scores == sorted(scores, reverse=True) and scores[0] == 0.9


def test_of_one_view_one_is_taken(tmp_path: Path) -> None:
    events = watched(tmp_path, stay(ANN, seconds=2.0, cosine=1.0, chip=CHIP))
    assert len(faces_of(events[0].event_id, tmp_path)[1]) == 1


def test_any_event_of_the_visit_leads_to_its_faces_and_its_name(tmp_path: Path) -> None:
    unsure = stay(like(ANN, 0.36, 8), seconds=2.2, cosine=0.99, chip=CHIP)
    sure = stay(like(ANN, 0.75, 8), begin=2.4, seconds=6.0, cosine=0.99, chip=CHIP)
    events = watched(tmp_path, [*unsure, *sure])
    assert [one.event_type for one in events] == [EventType.UNKNOWN, EventType.RECOGNIZED, EventType.ENDED]
    for event in events:
        who, found = faces_of(event.event_id, tmp_path)
        assert who == "Ann" and found, event.event_type


def test_faces_that_cannot_be_enrolled_are_not_offered(tmp_path: Path) -> None:
    turned = [
        replace(one, faces=tuple(replace(face_, quality=replace(face_.quality, turn=0.45)) for face_ in one.faces))
        for one in seen(*[0.9] * 8)
    ]
    events = watched(tmp_path / "turned", turned)
    with pytest.raises(InputError, match="no face of this visit can be enrolled, of the best the face is turned away"):
        faces_of(events[0].event_id, tmp_path / "turned")
    good = [frame(0.2 + number / 5, face(like(ANN, 0.8, 50 + number), chip=CHIP)) for number in range(2)]
    some = watched(tmp_path / "some", [*turned[:1], *good])
    assert len(faces_of(some[0].event_id, tmp_path / "some")[1]) == 2


def test_where_no_faces_are_kept_it_is_said(tmp_path: Path) -> None:
    events = watched(tmp_path, seen(*[0.9] * 5), faces=False, known=recognizer(Ann=ANN))
    with pytest.raises(InputError, match="no faces are kept of this visit"):
        faces_of(events[0].event_id, tmp_path)
