"""What goes out next, live or late."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from camwatch.errors import StateError
from camwatch.publishing.delivery import Acknowledged, Delivery, Outgoing
from camwatch.publishing.outbox import Outbox
from camwatch.publishing.topics import Topics
from camwatch.records import EventType
from tests.publishing.events import DECIDED, event, stored

TOPICS = Topics("camwatch", "nvr1")
MOMENT = 100.0
"""Monotonic time of the frames that decided."""


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    opened, _ = Outbox.open(tmp_path / "events.sqlite3", DECIDED)
    yield opened
    opened.close()


@pytest.fixture
def delivery(outbox: Outbox) -> Delivery:
    return Delivery(outbox, topics=TOPICS, max_live_age=10.0)


def ids(outgoing: list[Outgoing]) -> list[str]:
    return [each.pending.event_id for each in outgoing]


def test_lateness_is_judged_at_the_moment_of_sending(outbox: Outbox, delivery: Delivery) -> None:
    outbox.put(stored(event(0)), DECIDED)
    (live,) = delivery.next(1, DECIDED + 10, MOMENT)
    assert (live.topic, live.late) == ("camwatch/nvr1/event", False)
    assert json.loads(live.payload)["late"] is False

    delivery.rewind()
    (late,) = delivery.next(1, DECIDED + 10.5, MOMENT)
    assert (late.topic, late.late) == ("camwatch/nvr1/event/late", True)
    assert json.loads(late.payload) == {**json.loads(live.payload), "late": True}


@pytest.mark.parametrize("moment", [MOMENT, None], ids=["decided by a frame", "decided by time"])
def test_a_clock_that_went_back_makes_nothing_young(outbox: Outbox, delivery: Delivery, moment: float | None) -> None:
    outbox.put(stored(event(0, captured_monotonic=moment)), DECIDED, monotonic=MOMENT)
    for passed, late in ((10.0, False), (10.5, True), (1800.0, True)):
        delivery.rewind()
        (sent,) = delivery.next(1, DECIDED + passed - 3600, MOMENT + passed)
        assert (sent.late, sent.topic) == (late, TOPICS.event_late if late else TOPICS.event)
        assert json.loads(sent.payload)["late"] is late


def test_the_time_before_the_disk_took_an_event_counts(outbox: Outbox, delivery: Delivery) -> None:
    outbox.put(stored(event(0)), DECIDED - 3600, monotonic=MOMENT + 1800)
    assert [each.late for each in delivery.next(1, DECIDED - 3600, MOMENT + 1800)] == [True]


def test_an_event_of_an_earlier_run_is_late_if_it_seems_to_come_from_the_future(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite3"
    earlier, _ = Outbox.open(path, DECIDED)
    earlier.put(stored(event(0)), DECIDED, monotonic=MOMENT)
    earlier.close()
    outbox, _ = Outbox.open(path, DECIDED)
    # A new run may find any monotonic clock; it must not be compared with the one of the run before.
    for now, late in ((DECIDED - 3600, True), (DECIDED - 2, True), (DECIDED - 0.5, False), (DECIDED + 5, False)):
        delivery = Delivery(outbox, topics=TOPICS, max_live_age=10.0)
        assert [each.late for each in delivery.next(1, now, MOMENT + 99_999)] == [late]
    outbox.close()


def test_each_event_is_handed_out_once_in_order(outbox: Outbox, delivery: Delivery) -> None:
    events = [event(number, camera=camera) for number in range(3) for camera in ("front_door", "garden")]
    outbox.put(stored(*events), DECIDED)
    assert not delivery.idle
    handed = ids(delivery.next(4, DECIDED, MOMENT)) + ids(delivery.next(4, DECIDED, MOMENT))
    assert handed == [each.event_id for each in events]
    assert delivery.next(4, DECIDED, MOMENT) == []
    assert delivery.idle


def test_no_room_hands_out_nothing(outbox: Outbox, delivery: Delivery) -> None:
    outbox.put(stored(event(0)), DECIDED)
    assert delivery.next(0, DECIDED, MOMENT) == []
    assert ids(delivery.next(1, DECIDED, MOMENT)) == [event(0).event_id]


def test_after_a_lost_connection_what_was_not_acknowledged_comes_again(outbox: Outbox, delivery: Delivery) -> None:
    outbox.put(stored(*(event(number) for number in range(4))), DECIDED)
    delivery.next(3, DECIDED, MOMENT)
    delivery.record([event(1).event_id], DECIDED)
    delivery.rewind()
    assert ids(delivery.next(10, DECIDED, MOMENT)) == [event(number).event_id for number in (0, 2, 3)]


class FullDisk(Outbox):
    """Fails to write until told otherwise."""

    full = True

    def acknowledge(self, event_ids: object, now: float) -> None:
        if self.full:
            raise StateError("disk full")
        super().acknowledge(event_ids, now)  # type: ignore[arg-type]


def test_an_acknowledgement_that_could_not_be_noted_is_noted_later(tmp_path: Path) -> None:
    outbox, _ = FullDisk.open(tmp_path / "events.sqlite3", DECIDED)
    assert isinstance(outbox, FullDisk)
    delivery = Delivery(outbox, topics=TOPICS, max_live_age=10.0)
    outbox.put(stored(event(0), event(1)), DECIDED)
    with pytest.raises(StateError):
        delivery.record([event(0).event_id], DECIDED)
    outbox.full = False
    delivery.record([], DECIDED)
    assert outbox.count() == 1
    outbox.close()


def test_latency_needs_the_clock_of_this_run() -> None:
    fields = {
        "event_id": "e",
        "event_type": EventType.UNKNOWN,
        "camera": "front_door",
        "late": False,
        "decided_at": DECIDED,
        "sent_monotonic": 101.0,
        "acknowledged_monotonic": 101.25,
    }
    assert Acknowledged(captured_monotonic=100.0, **fields).latency == 1.25  # type: ignore[arg-type]
    assert Acknowledged(captured_monotonic=None, **fields).latency is None  # type: ignore[arg-type]
