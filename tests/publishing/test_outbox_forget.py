"""A person leaves the history: every event that names the person, and every byte of the file."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from camwatch.errors import StateError
from camwatch.publishing.outbox import Outbox
from camwatch.records import Candidate, EventType
from tests.publishing.events import DECIDED, NODE, event, stored

ZOE = "Zoë Quillfeather"
FORMS = (ZOE.encode(), json.dumps(ZOE)[1:-1].encode())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "events.sqlite"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    opened, _ = Outbox.open(path, DECIDED)
    yield opened
    opened.close()


def visit(number: int, *, person: str | None = ZOE, **changes: object) -> list[tuple]:  # type: ignore[type-arg]
    """Two events: recognized and ended."""
    named = event(number, person=person, **changes)
    over = event(
        number, seq=2, event_id=f"{named.visit_id}-2", event_type=EventType.ENDED, person=person, **changes
    )  # fmt: skip
    return stored(named, over)


def acknowledge(outbox: Outbox, events: list[tuple]) -> None:  # type: ignore[type-arg]
    outbox.acknowledge([one.event_id for one, _ in events], DECIDED)


def rows(path: Path) -> list[tuple[str, str | None, dict[str, object]]]:
    """Event id, person and payload of everything there is."""
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT event_id, person, payload FROM events ORDER BY position")
        return [(event_id, person, json.loads(payload)) for event_id, person, payload in found]


def holds_the_name(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if any(form in file.read_bytes() for form in FORMS)]


def test_visits_go_and_those_of_others_stay(outbox: Outbox, path: Path) -> None:
    hers, his = visit(1), visit(2, person="Bob")
    earlier = stored(event(3, person=None, event_type=EventType.UNKNOWN), event(3, seq=2, person=ZOE, event_id="late"))
    outbox.put([*hers, *his, *earlier, *stored(event(3, seq=3, event_id="e", event_type=EventType.ENDED))], DECIDED)
    acknowledge(outbox, [*hers, *his, *earlier, (event(3, event_id="e"), b"")])
    assert outbox.visits_of(ZOE) == [hers[0][0].visit_id, event(3).visit_id]
    outbox.forget(ZOE, DECIDED + 60)
    assert [event_id for event_id, *_ in rows(path)] == [one.event_id for one, _ in his]
    assert outbox.visits_of(ZOE) == []


def test_who_was_told_of_a_visit_learns_namelessly_that_it_is_over(outbox: Outbox, path: Path) -> None:
    hers = visit(1)
    outbox.put(hers, DECIDED)
    acknowledge(outbox, hers[:1])
    outbox.forget(ZOE, DECIDED + 60)
    [pending] = outbox.pending(10)
    told = json.loads(pending.payload)
    assert (told["event_id"], told["event_type"], told["seq"]) == (hers[1][0].event_id, "ended", 2)
    assert [told[key] for key in ("person", "score", "runner_up", "snapshot")] == [None] * 4
    assert (told["reason"], told["node"]) == ("forgotten", NODE)
    assert rows(path)[0][1] is None


def test_nothing_that_waited_says_the_name_late(outbox: Outbox) -> None:
    outbox.put([*visit(1), *visit(2, person="Bob")], DECIDED)
    outbox.forget(ZOE, DECIDED)
    told = [json.loads(pending.payload) for pending in outbox.pending(10)]
    assert [(one["event_type"], one["person"]) for one in told] == [
        ("ended", None),
        ("recognized", "Bob"),
        ("ended", "Bob"),
    ]


def test_a_visit_that_a_dead_daemon_left_open_is_closed(outbox: Outbox) -> None:
    [(named, _), _] = hers = visit(1)
    outbox.put(hers[:1], DECIDED)
    acknowledge(outbox, hers[:1])
    outbox.forget(ZOE, DECIDED + 60)
    assert outbox.unfinished_visits() == []
    [pending] = outbox.pending(10)
    told = json.loads(pending.payload)
    assert (told["visit_id"], told["event_type"], told["seq"]) == (named.visit_id, "ended", 2)
    assert (told["person"], told["reason"]) == (None, "forgotten")
    assert told["event_id"] == pending.event_id != named.event_id
    assert pending.decided_at == DECIDED + 60


def test_the_runner_up_of_others_is_nobody(outbox: Outbox, path: Path) -> None:
    outbox.put([*visit(1, person="Bob", runner_up=Candidate(ZOE, 0.2)), *visit(2, person="Ann")], DECIDED)
    outbox.forget(ZOE, DECIDED)
    told = [payload for *_, payload in rows(path)]
    assert [(one["person"], one["runner_up"]) for one in told[:2]] == [("Bob", None)] * 2
    assert told[2]["runner_up"] == {"person": "bob", "score": 0.11}


@pytest.mark.parametrize("name", ['quote " and \\', "door", "né", "%_'; DROP TABLE events"])
def test_names_of_all_kinds(outbox: Outbox, path: Path, name: str) -> None:
    outbox.put([*visit(1, person=name), *visit(2, person="Bob", runner_up=Candidate(name, 0.1))], DECIDED)
    outbox.forget(name, DECIDED)
    assert [(payload["person"], payload["runner_up"]) for *_, payload in rows(path)] == [
        (None, None), ("Bob", None), ("Bob", None)
    ]  # fmt: skip


def test_a_damaged_row_goes_with_its_visit_and_stops_nothing(outbox: Outbox, path: Path) -> None:
    broken = f'{{"person":"{ZOE}", cut'.encode()
    outbox.put([(event(1, person=ZOE), broken), (event(2, person="Bob"), broken), *visit(3, person="Ann")], DECIDED)
    outbox.forget(ZOE, DECIDED)
    assert [person for _, person, _ in rows(path)] == ["Ann", "Ann"]


def test_no_byte_of_the_name_is_left_in_the_file_or_its_log(outbox: Outbox, path: Path) -> None:
    for number in range(400):
        outbox.put(visit(number, person=(ZOE, "Bob", "Ann")[number % 3], runner_up=Candidate(ZOE, 0.1)), DECIDED)
    assert {"events.sqlite", "events.sqlite-wal"} == set(holds_the_name(path.parent))
    outbox.forget(ZOE, DECIDED)
    outbox.scrub()
    assert holds_the_name(path.parent) == []
    assert outbox.count() == 134 + 2 * 266
    outbox.put(stored(event(1000)), DECIDED)
    assert outbox.pending(1, after=outbox.pending(1000)[-2].position)[0].event_id == event(1000).event_id


def test_what_was_erased_from_the_log_of_a_database_that_is_read_is_not_claimed(outbox: Outbox, path: Path) -> None:
    outbox.put(visit(1), DECIDED)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchone()
        outbox.forget(ZOE, DECIDED)
        with pytest.raises(StateError, match="another program"):
            outbox.scrub()
    outbox.scrub()
    assert holds_the_name(path.parent) == []


def test_names_leave_the_file_with_age_too(outbox: Outbox, path: Path) -> None:
    old = [pair for number in range(300) for pair in visit(number, runner_up=Candidate(ZOE, 0.1))]
    new = [pair for number in range(300, 600) for pair in visit(number, person="Bob", decided_at=DECIDED + 100)]
    for first, second in zip(old, new, strict=True):
        outbox.put([first, second], DECIDED)
    acknowledge(outbox, [*old, *new])
    assert holds_the_name(path.parent)
    assert outbox.prune(DECIDED + 50) == 600
    assert holds_the_name(path.parent) == []
