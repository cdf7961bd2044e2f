"""Events on disk: order, idempotence, acknowledgement, history."""

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from camwatch.errors import StateError
from camwatch.publishing.outbox import Outbox, visits_of
from camwatch.records import EventType
from tests.publishing.events import DECIDED, event, stored


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "events.sqlite3"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    opened, note = Outbox.open(path, DECIDED)
    assert note is None
    yield opened
    opened.close()


def waiting(outbox: Outbox, limit: int = 100, after: int = 0) -> list[str]:
    return [pending.event_id for pending in outbox.pending(limit, after=after)]


def test_events_wait_in_the_order_of_storing_whatever_their_times(outbox: Outbox) -> None:
    later, earlier = event(2), event(1)
    outbox.put(stored(later, event(1, camera="garden")), DECIDED)
    outbox.put(stored(earlier), DECIDED)
    assert waiting(outbox) == [later.event_id, "garden-0001-1", earlier.event_id]
    assert waiting(outbox, limit=1) == [later.event_id]
    second = outbox.pending(2)[1].position
    assert waiting(outbox, after=second) == [earlier.event_id]


def test_what_is_needed_for_sending_comes_back(outbox: Outbox) -> None:
    (made, payload), *_ = events = stored(event(1))
    outbox.put(events, DECIDED, monotonic=100.5)
    (pending,) = outbox.pending(10)
    assert (pending.event_id, pending.event_type, pending.camera) == (made.event_id, made.event_type, made.camera)
    assert (pending.decided_at, pending.captured_monotonic) == (made.decided_at, 100.0)
    assert pending.stored_monotonic == 100.5
    assert pending.payload == payload


def test_storing_twice_is_storing_once(outbox: Outbox) -> None:
    outbox.put(stored(event(1)), DECIDED)
    outbox.put(stored(event(1, person="mallory"), event(2)), DECIDED)
    assert waiting(outbox) == [event(1).event_id, event(2).event_id]
    assert b"alice" in outbox.pending(1)[0].payload
    outbox.acknowledge([event(1).event_id], DECIDED)
    outbox.put(stored(event(1)), DECIDED)
    assert waiting(outbox) == [event(2).event_id]


def test_acknowledged_events_wait_no_more(outbox: Outbox) -> None:
    outbox.put(stored(event(1), event(2), event(3)), DECIDED)
    assert outbox.count() == 3
    outbox.acknowledge([event(2).event_id, "never heard of"], DECIDED)
    outbox.acknowledge([], DECIDED)
    assert waiting(outbox) == [event(1).event_id, event(3).event_id]
    assert outbox.count() == 2


def test_the_age_of_the_oldest(outbox: Outbox) -> None:
    assert outbox.oldest(DECIDED) == 0.0
    outbox.put(stored(event(1, decided_at=DECIDED - 5), event(2, decided_at=DECIDED - 30)), DECIDED)
    assert outbox.oldest(DECIDED) == pytest.approx(30)
    outbox.acknowledge([event(2).event_id], DECIDED)
    assert outbox.oldest(DECIDED) == pytest.approx(5)
    assert outbox.oldest(DECIDED - 60) == 0.0


def test_everything_is_there_after_reopening_but_the_old_monotonic_clock(path: Path) -> None:
    first, _ = Outbox.open(path, DECIDED)
    first.put(stored(event(1), event(2)), DECIDED, monotonic=100.5)
    first.acknowledge([event(1).event_id], DECIDED)
    first.close()
    second, note = Outbox.open(path, DECIDED)
    assert note is None
    assert waiting(second) == [event(2).event_id]
    second.put(stored(event(2)), DECIDED, monotonic=7.0)
    (pending,) = second.pending(10)
    assert (pending.captured_monotonic, pending.stored_monotonic) == (None, None)
    second.close()


def test_a_database_from_before_a_column_came_goes_on(path: Path) -> None:
    first, _ = Outbox.open(path, DECIDED)
    first.put(stored(event(1)), DECIDED)
    first.close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("ALTER TABLE events DROP COLUMN stored_monotonic")
    for _ in range(2):
        second, note = Outbox.open(path, DECIDED)
        assert note is None
        second.put(stored(event(2)), DECIDED, monotonic=7.0)
        assert waiting(second) == [event(1).event_id, event(2).event_id]
        second.close()


def test_visits_without_an_end_are_told_with_their_last_event(outbox: Outbox) -> None:
    named = [
        event(1, event_type=EventType.UNKNOWN, person=None),
        event(1, seq=2, event_id="named", last_seen=DECIDED + 9),
    ]
    over = [event(2), event(2, seq=2, event_id="over", event_type=EventType.ENDED)]
    outbox.put(stored(*named, *over, event(3, camera="garden")), DECIDED)
    outbox.acknowledge([made.event_id for made in named], DECIDED)
    open_visits = outbox.unfinished_visits()
    assert [(last.visit_id, last.event_id, last.seq) for last in open_visits] == [
        ("front_door-0001", "named", 2),
        ("garden-0003", "garden-0003-1", 1),
    ]
    assert open_visits[0].person == "alice"
    assert open_visits[0].last_seen == pytest.approx(DECIDED + 9)


def test_the_newest_event_of_each_person(outbox: Outbox) -> None:
    outbox.put(stored(event(5, camera="garden"), event(1), event(2, person="bob"), event(9, person=None)), DECIDED)
    newest = {last.person: last.camera for last in outbox.last_sightings()}
    assert newest == {"alice": "garden", "bob": "front_door"}


def test_pruning_spares_what_still_waits(outbox: Outbox) -> None:
    outbox.put(stored(event(1), event(2), event(3, decided_at=DECIDED + 100)), DECIDED)
    outbox.acknowledge([event(1).event_id, event(3).event_id], DECIDED)
    assert outbox.prune(DECIDED + 50) == 1
    assert waiting(outbox) == [event(2).event_id]
    assert {last.event_id for last in outbox.unfinished_visits()} == {event(2).event_id, event(3).event_id}


def test_a_row_that_is_no_event_spoils_only_itself(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    outbox.put([(event(1), b"{}"), *stored(event(2))], DECIDED)
    assert [last.visit_id for last in outbox.unfinished_visits()] == ["front_door-0002"]
    assert "a stored event cannot be read" in caplog.text


def test_events_that_wait_elsewhere_are_taken_over_in_order_and_wait_there_no_more(
    outbox: Outbox, tmp_path: Path
) -> None:
    other, _ = Outbox.open(tmp_path / "other" / "events.sqlite", DECIDED)
    with closing(other):
        other.put(stored(event(1), event(2), event(3)), DECIDED)
        other.acknowledge([event(1).event_id], DECIDED)
    outbox.put(stored(event(9), event(3)), DECIDED)
    assert outbox.adopt(tmp_path / "other" / "events.sqlite", DECIDED) == 2
    assert waiting(outbox) == [event(9).event_id, event(3).event_id, event(2).event_id]
    assert outbox.adopt(tmp_path / "other" / "events.sqlite", DECIDED) == 0


def test_a_reader_in_the_way_of_a_scrub_does_not_make_the_log_grow(outbox: Outbox, path: Path) -> None:
    outbox.put(stored(*[event(number) for number in range(500)]), DECIDED)
    log = path.with_name(f"{path.name}-wal")
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchone()
        outbox.put(stored(event(1000)), DECIDED)
        before = log.stat().st_size
        with pytest.raises(StateError, match="another program reads"):
            outbox.scrub()
        assert log.stat().st_size == before
    outbox.scrub()
    assert log.stat().st_size == 0


def test_files_are_private(outbox: Outbox, path: Path) -> None:
    outbox.put(stored(event(1)), DECIDED)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(modes, 0o600)
    assert {"events.sqlite3", "events.sqlite3-wal", "events.sqlite3.lock"} <= set(modes)


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    outbox, _ = Outbox.open(tmp_path / "events.sqlite3", DECIDED)
    outbox.close()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_visits_of_a_person_are_read_while_a_daemon_writes(outbox: Outbox, path: Path) -> None:
    assert visits_of(path, "alice") == []
    outbox.put(stored(event(1), event(1, seq=2, event_id="x"), event(2, person="bob"), event(3)), DECIDED)
    assert visits_of(path, "alice") == ["front_door-0001", "front_door-0003"]
    assert visits_of(path.with_name("missing"), "alice") == []


INFINITE = stored(event(1))[0][1].replace(b'"score":0.97', b'"score":1e999')


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("event_type", "x"),
        ("decided_at", "soon"),
        ("payload", b"{"),
        ("payload", b"[" * 100_000),
        ("payload", INFINITE),
        ("camera", b"\0"),
    ],
)
def test_an_event_damaged_on_disk_does_not_stop_those_behind_it(
    path: Path, caplog: pytest.LogCaptureFixture, column: str, value: object
) -> None:
    outbox, _ = Outbox.open(path, DECIDED)
    outbox.put(stored(event(1), event(2)), DECIDED)
    outbox.close()
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"UPDATE events SET {column} = ? WHERE position = 1", (value,))
        database.commit()

    outbox, _ = Outbox.open(path, DECIDED)
    try:
        assert [one.event_id for one in outbox.pending(10)] == [event(2).event_id]
        assert outbox.count() == 1
        outbox.unfinished_visits()
        outbox.last_sightings()
    finally:
        outbox.close()
    assert "events damaged on disk that cannot be sent: 1" in caplog.text
