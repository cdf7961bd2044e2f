"""Payloads of events and states: the JSON that subscribers see.

The keys and their meaning are public (docs/mqtt.md). JSON is compact UTF-8 without NaN or Infinity, which RFC 8259
does not know. Times are ISO 8601 in UTC with milliseconds and `Z`.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from camwatch.files import from_json
from camwatch.records import CameraState, Candidate, Event, EventType, PersonState

SCHEMA = 1
"""Version of the event payload; grows when a key changes its meaning or goes."""
FORGOTTEN = "forgotten"
"""The `reason` of an `ended` whose person was forgotten before it was sent."""


def payload(event: Event, *, node: str, late: bool, snapshot: str | None) -> dict[str, object]:
    """An event as subscribers see it.

    Args:
        event: What was decided.
        node: The node's slug.
        late: Whether it is sent as late; stored events say False until they are sent (`stamp`).
        snapshot: File name of the face's picture, None where there is none.

    Raises:
        ValueError: Quality, box, a threshold or a time is not a finite number.
    """
    fields: dict[str, object] = {
        "schema": SCHEMA,
        "event_type": event.event_type.value,
        "event_id": event.event_id,
        "visit_id": event.visit_id,
        "seq": event.seq,
        "node": node,
        "camera": event.camera,
        "person": event.person,
        "score": _score(event.score),
        "threshold": _number("threshold", event.threshold),
        "false_alarm_rate": None if event.false_alarm_rate is None else float(event.false_alarm_rate),
        "runner_up": _runner_up(event.runner_up),
        "faces_used": event.faces_used,
        "faces_seen": event.faces_seen,
        "quality": _number("quality", event.quality),
        "box": [min(max(_number("box", side), 0.0), 1.0) for side in event.box],
        "first_seen": timestamp(event.first_seen),
        "last_seen": timestamp(event.last_seen),
        "decided_at": timestamp(event.decided_at),
        "late": late,
        "snapshot": snapshot,
    }
    if event.reason is not None:
        fields["reason"] = event.reason
    return fields


def encode(fields: Mapping[str, object]) -> bytes:
    """Compact JSON in UTF-8.

    Raises:
        ValueError: A number is not finite.
    """
    return json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def stamp(stored: bytes, *, late: bool) -> bytes:
    """An encoded event with `late` as it was decided at the moment of sending."""
    fields: dict[str, object] = from_json(stored)
    fields["late"] = late
    return encode(fields)


def restored(stored: bytes) -> Event:
    """The event that a payload was made from, as far as the payload tells: no picture, no monotonic time.

    Raises:
        ValueError: The payload is not one of ours.
    """
    try:
        fields: dict[str, Any] = from_json(stored)
        second = fields["runner_up"]
        x1, y1, x2, y2 = fields["box"]
        event = Event(
            event_type=EventType(fields["event_type"]),
            event_id=fields["event_id"],
            visit_id=fields["visit_id"],
            seq=fields["seq"],
            camera=fields["camera"],
            person=fields["person"],
            score=fields["score"],
            threshold=fields["threshold"],
            false_alarm_rate=fields["false_alarm_rate"],
            runner_up=None if second is None else Candidate(second["person"], second["score"]),
            faces_used=fields["faces_used"],
            faces_seen=fields["faces_seen"],
            quality=fields["quality"],
            box=(x1, y1, x2, y2),
            first_seen=_seconds(fields["first_seen"]),
            last_seen=_seconds(fields["last_seen"]),
            decided_at=_seconds(fields["decided_at"]),
            captured_monotonic=None,
            reason=fields.get("reason"),
            chip=None,
        )
        names = (event.event_id, event.visit_id, event.camera, event.person or "", event.reason or "")
        if type(event.seq) is not int or not all(isinstance(name, str) for name in names):
            raise ValueError("not an event payload: names or numbers that are none")
        encode(payload(event, node="", late=False, snapshot=None))  # what cannot be said again is of no use
        return event
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"not an event payload: {error}") from error


def closing(last: Event, *, event_id: str, now: float) -> Event:
    """The `ended` for a visit that the daemon lost sight of because it died: `reason` is `restart`.

    Args:
        last: The visit's last event on disk.
        event_id: Id of the new event.
        now: UTC seconds.
    """
    return replace(
        last,
        event_type=EventType.ENDED,
        event_id=event_id,
        seq=last.seq + 1,
        decided_at=now,
        captured_monotonic=None,
        reason="restart",
        chip=None,
    )


def nameless(event: Event) -> Event:
    """An event without the name, and without all that was found by it: its person is being forgotten."""
    return replace(event, person=None, score=None, runner_up=None, reason=FORGOTTEN, chip=None, account=None)


def forgotten(stored: bytes, now: float) -> tuple[Event, bytes]:
    """The nameless `ended` of a visit whose person has been forgotten, with its payload.

    Args:
        stored: The payload of the visit's last event; where that is no `ended`, nobody knows of an end yet.
        now: UTC seconds.

    Raises:
        ValueError: The payload is not one of ours.
    """
    last = restored(stored)
    if last.event_type is not EventType.ENDED:
        last = closing(last, event_id=f"{last.visit_id}-{FORGOTTEN}", now=now)
    over = nameless(last)
    return over, encode(payload(over, node=str(from_json(stored).get("node")), late=False, snapshot=None))


def naming(person: str) -> bytes:
    """The bytes by which every encoded event that names this person does so, as the person or as the runner-up."""
    return encode({"person": person})[1:-1]


def without_runner_up(stored: bytes) -> bytes:
    """An encoded event that tells of no runner-up.

    Raises:
        ValueError: It is not JSON of an object.
    """
    fields = from_json(stored)
    if not isinstance(fields, dict):
        raise ValueError("not an event payload")
    return encode({**fields, "runner_up": None})


def camera_state(state: CameraState) -> bytes:
    """JSON of a camera's state topic."""
    return encode(
        {
            "present": list(state.present),
            "unknown_count": state.unknown_count,
            "last_person": state.last_person,
            "last_seen": None if state.last_seen is None else timestamp(state.last_seen),
            "analyzed_fps": round(state.analyzed_fps, 1),
            "dropped_frames": state.dropped_frames,
        }
    )


def person_state(state: PersonState) -> bytes:
    """JSON of a person's state topic; the topic has the slug, so the payload carries the name."""
    return encode(
        {
            "person": state.person,
            "present": state.present,
            "last_camera": state.last_camera,
            "last_seen": None if state.last_seen is None else timestamp(state.last_seen),
        }
    )


def timestamp(seconds: float) -> str:
    """UTC seconds as `2026-11-24T02:10:11.120Z`, rounded to the nearest millisecond.

    Raises:
        ValueError: Not a finite time between the years 1 and 9999.
    """
    try:
        # Rounded first: isoformat cuts digits off, and 11.12 is 11.119999 in binary.
        moment = datetime.fromtimestamp(round(seconds, 3), UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"{seconds!r} is not a time") from error
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _score(value: float | None) -> float | None:
    """A similarity; one that could not be computed is told as absent, not as a number."""
    return None if value is None or not math.isfinite(value) else round(float(value), 4)


def _runner_up(candidate: Candidate | None) -> dict[str, object] | None:
    if candidate is None or not math.isfinite(candidate.score):
        return None
    return {"person": candidate.person, "score": _score(candidate.score)}


def _number(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{name} of an event is {value!r}, not a finite number")
    return round(float(value), 4)
