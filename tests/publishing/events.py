"""Events to test with."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from camwatch.publishing.archive import Archive
from camwatch.publishing.events import encode, payload
from camwatch.publishing.outbox import EVENTS_FILE, Outbox
from camwatch.records import Candidate, Event, EventType

NODE = "nvr1"
DECIDED = 1_795_486_211.12
"""2026-11-24T02:10:11.120Z"""


def event(number: int = 1, *, camera: str = "front_door", **changes: Any) -> Event:
    """A recognized visit; `number` makes ids and time differ."""
    made = Event(
        event_type=EventType.RECOGNIZED,
        event_id=f"{camera}-{number:04d}-1",
        visit_id=f"{camera}-{number:04d}",
        seq=1,
        camera=camera,
        person="alice",
        score=0.97,
        threshold=0.71,
        false_alarm_rate=0.01,
        runner_up=Candidate("bob", 0.11),
        faces_used=7,
        faces_seen=9,
        quality=0.83,
        box=(0.41, 0.20, 0.52, 0.39),
        first_seen=DECIDED - 1,
        last_seen=DECIDED,
        decided_at=DECIDED + number / 1000,
        captured_monotonic=100.0,
        reason=None,
        chip=None,
    )
    return replace(made, **changes)


def stored(*events: Event) -> list[tuple[Event, bytes]]:
    """Events with their payloads, as an outbox takes them."""
    return [(each, encode(payload(each, node=NODE, late=False, snapshot=None))) for each in events]


def ids(payloads: list[bytes]) -> list[str]:
    """The event ids of payloads, in order, each where it came first: as a subscriber that drops repeats sees them."""
    return list(dict.fromkeys(json.loads(each)["event_id"] for each in payloads))


def keep(archive: Archive, one: Event, now: float) -> str | None:
    """All that is kept beside an event, as the daemon keeps it; the picture's file name."""
    name = archive.picture(one, now)
    archive.account(one, now)
    return name


def leave(state: Path, events: Sequence[Event], *, faces: bool = True) -> None:
    """Leave in a state folder what a daemon leaves there of these events."""
    archive = Archive(state, faces=faces, keep=100, max_age=1e9)
    outbox, _ = Outbox.open(state / EVENTS_FILE, 0.0)
    for one in events:
        name = keep(archive, one, one.decided_at)
        outbox.put([(one, encode(payload(one, node=NODE, late=False, snapshot=name)))], 0.0)
    outbox.close()
