"""The database of events: damaged pages, and rows of types that nobody wrote."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

from camwatch.publishing.delivery import Delivery
from camwatch.publishing.outbox import Outbox, visits_of
from camwatch.publishing.topics import Topics
from tests.badinput.kind import Kind
from tests.badinput.mutants import mutants
from tests.publishing.events import DECIDED, event, stored

Statements = list[tuple[str, tuple[object, ...]]]
_ODD: list[object] = [None, 0, -1, 2**63 - 1, 1e308, float("inf"), "", "x", "2026", b"", b"\xff"]
_ODD += [b"[" * 5000, b"[]", b"{}"]
_COLUMNS = ["event_id", "visit_id", "seq", "camera", "event_type", "person", "decided_at", "captured_monotonic"]
_COLUMNS += ["payload", "stored_at", "acknowledged_at", "stored_monotonic"]
_VALUES = ["null", "-1", "1e999", '"x"', "[]", "{}", "[1,2,3,4]", '"0001-01-01T00:00:00"', "true"]
_SET = "UPDATE events SET payload = CAST(json_set(CAST(payload AS TEXT), ?, json(?)) AS BLOB) WHERE position = ?"
_FIELDS = ["schema", "event_type", "event_id", "visit_id", "seq", "camera", "person", "score", "threshold", "runner_up"]
_FIELDS += ["box", "first_seen", "last_seen", "decided_at", "quality", "late", "node", "faces_used"]


def rows(random: Random) -> Statements:
    """Changes of the good database's rows."""
    changes: Statements = []
    for _ in range(random.randrange(1, 4)):
        which = random.randrange(1, 9)
        if random.random() < 0.6:
            column, value = random.choice(_COLUMNS), random.choice(_ODD)
            changes.append((f"UPDATE OR IGNORE events SET {column} = ? WHERE position = ?", (value, which)))
        else:
            path = "$." + random.choice(_FIELDS)
            changes.append((_SET, (path, random.choice(_VALUES), which)))
    return changes


def _good(folder: Path) -> bytes:
    path = folder / "good.sqlite"
    outbox, _ = Outbox.open(path, DECIDED)
    outbox.put(stored(*(event(number) for number in range(1, 9))), DECIDED)
    outbox.acknowledge([event(1).event_id, event(2).event_id], DECIDED)
    outbox.close()
    return path.read_bytes()


def _reads(folder: Path) -> Callable[[object], None]:
    good = _good(folder)
    path = folder / "events.sqlite"
    topics = Topics("camwatch", "n")

    def read(value: object) -> None:
        for left in folder.glob("events.sqlite*"):
            left.unlink()
        if isinstance(value, Random):
            path.write_bytes(mutants([good])(value))
        elif isinstance(value, bytes):
            path.write_bytes(value)
        else:
            path.write_bytes(good)
            with closing(sqlite3.connect(path)) as database:
                for text, values in value if isinstance(value, list) else ():
                    try:
                        database.execute(text, values)
                    except sqlite3.Error:
                        continue
                database.commit()
        visits_of(path, "alice")
        outbox, _ = Outbox.open(path, DECIDED)
        try:
            outbox.unfinished_visits()
            outbox.last_sightings()
            delivery = Delivery(outbox, topics=topics, max_live_age=10.0)
            for now in (DECIDED, DECIDED + 1000):
                while sent := delivery.next(3, now, 200.0):
                    delivery.record([one.pending.event_id for one in sent[:1]], now)
                delivery.rewind()
            outbox.put(stored(event(99)), DECIDED)
            outbox.prune(DECIDED + 5)
            outbox.oldest(DECIDED)
            outbox.count()
        finally:
            outbox.close()

    return read


class Pages(Random):
    """A generator that stands for one damaged file; shown by its seed."""

    def __init__(self, number: int) -> None:
        """Draws always the same."""
        super().__init__(number)
        self._number = number

    def __repr__(self) -> str:
        """For the bench."""
        return f"Pages({self._number})"


KINDS = (
    Kind(
        "database",
        _reads,
        {"pages": lambda random: Pages(random.randrange(1 << 40)), "rows": rows},
        {"good": None, "nothing": b"", "text": b"hello" * 1000, "a bare header": b"SQLite format 3\0" + bytes(84)},
        share=2,
    ),
)
