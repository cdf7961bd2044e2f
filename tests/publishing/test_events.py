"""Event and state payloads, key by key as published."""

import json
import math
from typing import Any

import pytest

from camwatch.publishing.events import (
    camera_state,
    closing,
    encode,
    payload,
    person_state,
    restored,
    stamp,
    timestamp,
)
from camwatch.records import CameraState, Candidate, EventType, PersonState
from tests.publishing.events import DECIDED, event, stored


def test_a_recognized_event_has_exactly_the_published_keys_and_values() -> None:
    assert payload(event(0), node="nvr1", late=False, snapshot="v.jpg") == {
        "schema": 1,
        "event_type": "recognized",
        "event_id": "front_door-0000-1",
        "visit_id": "front_door-0000",
        "seq": 1,
        "node": "nvr1",
        "camera": "front_door",
        "person": "alice",
        "score": 0.97,
        "threshold": 0.71,
        "false_alarm_rate": 0.01,
        "runner_up": {"person": "bob", "score": 0.11},
        "faces_used": 7,
        "faces_seen": 9,
        "quality": 0.83,
        "box": [0.41, 0.20, 0.52, 0.39],
        "first_seen": "2026-11-24T02:10:10.120Z",
        "last_seen": "2026-11-24T02:10:11.120Z",
        "decided_at": "2026-11-24T02:10:11.120Z",
        "late": False,
        "snapshot": "v.jpg",
    }


def test_a_stranger_is_null_and_an_undecided_visit_tells_the_reason() -> None:
    stranger = event(event_type=EventType.UNKNOWN, person=None, score=None, runner_up=None, false_alarm_rate=None)
    fields = payload(stranger, node="nvr1", late=True, snapshot=None)
    assert [fields[key] for key in ("event_type", "person", "score", "runner_up", "false_alarm_rate")] == [
        "unknown",
        None,
        None,
        None,
        None,
    ]
    assert fields["late"] is True
    assert fields["snapshot"] is None
    assert "reason" not in fields

    ended = event(event_type=EventType.ENDED, person=None, reason="too_small")
    assert payload(ended, node="nvr1", late=False, snapshot=None)["reason"] == "too_small"


def test_numbers_are_rounded_and_the_box_stays_in_the_picture() -> None:
    fields = payload(
        event(score=0.123456, quality=0.99999, threshold=2 / 3, box=(-0.1, 1 / 3, 1.2, 1.0)),
        node="nvr1",
        late=False,
        snapshot=None,
    )
    assert (fields["score"], fields["quality"], fields["threshold"]) == (0.1235, 1.0, 0.6667)
    assert fields["box"] == [0.0, 0.3333, 1.0, 1.0]


def test_a_similarity_that_could_not_be_computed_is_null() -> None:
    fields = payload(
        event(score=math.nan, runner_up=Candidate("bob", math.inf)), node="nvr1", late=False, snapshot=None
    )
    assert fields["score"] is None
    assert fields["runner_up"] is None


@pytest.mark.parametrize(
    "changes",
    [{"quality": math.nan}, {"threshold": math.inf}, {"box": (0.0, 0.0, math.nan, 1.0)}, {"decided_at": math.nan}],
)
def test_other_numbers_must_be_finite(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        payload(event(**changes), node="nvr1", late=False, snapshot=None)


def test_json_is_compact_utf8() -> None:
    assert encode({"person": "Åsa", "seq": 1}) == '{"person":"Åsa","seq":1}'.encode()
    with pytest.raises(ValueError):
        encode({"score": math.nan})


def test_late_is_decided_at_sending_and_changes_nothing_else() -> None:
    early = encode(payload(event(person="Åsa"), node="nvr1", late=False, snapshot=None))
    late = stamp(early, late=True)
    assert late == early.replace(b'"late":false', b'"late":true')


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (DECIDED, "2026-11-24T02:10:11.120Z"),
        (1_795_486_211.9996, "2026-11-24T02:10:12.000Z"),
    ],
)
def test_times_are_utc_with_milliseconds(seconds: float, text: str) -> None:
    assert timestamp(seconds) == text


@pytest.mark.parametrize("seconds", [math.inf, math.nan, 1e300, -1e18])
def test_what_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError):
        timestamp(seconds)


@pytest.mark.parametrize(
    "changes", [{}, {"person": None, "event_type": EventType.UNKNOWN, "runner_up": None}, {"reason": "blurred"}]
)
def test_an_event_comes_back_from_its_payload(changes: dict[str, Any]) -> None:
    made = event(**changes)
    again = restored(encode(payload(made, node="nvr1", late=False, snapshot=None)))
    assert payload(again, node="nvr1", late=False, snapshot=None) == payload(
        made, node="nvr1", late=False, snapshot=None
    )
    assert again.captured_monotonic is None


@pytest.mark.parametrize("stored", [b"", b"[]", b"{}", b'{"runner_up": 3}', b"\xff"])
def test_what_is_no_payload_is_refused(stored: bytes) -> None:
    with pytest.raises(ValueError):
        restored(stored)


def test_a_visit_cut_off_by_a_crash_is_closed_in_the_name_it_had() -> None:
    last = event(seq=2)
    closed = closing(last, event_id="x", now=DECIDED + 60)
    assert closed.event_type is EventType.ENDED
    assert (closed.visit_id, closed.seq, closed.person) == (last.visit_id, 3, "alice")
    assert (closed.reason, closed.decided_at, closed.last_seen) == ("restart", DECIDED + 60, last.last_seen)


def test_the_state_of_a_camera() -> None:
    state = CameraState("front_door", ("alice", "Åsa"), 1, "alice", DECIDED, 4.96)
    assert json.loads(camera_state(state)) == {
        "present": ["alice", "Åsa"],
        "unknown_count": 1,
        "last_person": "alice",
        "last_seen": "2026-11-24T02:10:11.120Z",
        "analyzed_fps": 5.0,
        "dropped_frames": 0,
    }
    assert json.loads(camera_state(CameraState("garden", (), 0, None, None, 0.0)))["last_seen"] is None


def test_the_state_of_a_person() -> None:
    assert json.loads(person_state(PersonState("Åsa", True, "front_door", DECIDED))) == {
        "person": "Åsa",
        "present": True,
        "last_camera": "front_door",
        "last_seen": "2026-11-24T02:10:11.120Z",
    }
    assert json.loads(person_state(PersonState("Bob", False, None, None))) == {
        "person": "Bob",
        "present": False,
        "last_camera": None,
        "last_seen": None,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": None},
        {"seq": "1"},
        {"camera": 7},
        {"person": ["x"]},
        {"quality": None},
        {"box": [0, 0, 0, float("inf")]},
    ],
    ids=str,
)
def test_a_payload_with_other_values_is_none_of_ours(changes: dict[str, Any]) -> None:
    [(_, whole)] = stored(event())
    assert restored(whole).camera == "front_door"
    with pytest.raises(ValueError, match=r"event|finite"):
        restored(json.dumps(json.loads(whole) | changes).encode())
