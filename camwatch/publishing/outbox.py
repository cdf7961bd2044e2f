"""The outbox: events are on disk before they are sent and stay until the broker has acknowledged them.

One SQLite database in write-ahead mode with `synchronous=FULL`: when `put` returns, the events survive a power cut
(https://www.sqlite.org/pragma.html#pragma_synchronous). Acknowledged events remain as the history of visits until
they are pruned. One thread of one process uses an outbox; a lock file keeps a second daemon out.
"""

import logging
import math
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from camwatch.errors import StateError
from camwatch.publishing.database import open_or_replace, reported, take_lock
from camwatch.publishing.events import forgotten, naming, restored, stamp, without_runner_up
from camwatch.records import Event, EventType

log = logging.getLogger(__name__)

_COLUMNS = (
    "event_id, visit_id, seq, camera, event_type, person, decided_at, captured_monotonic, payload, stored_at,"
    " stored_monotonic"
)
_INSERT = f"INSERT INTO events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING"
EVENTS_FILE = "events.sqlite"
"""Name of the database within the state directory."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An event that waits for the broker.

    `position` grows in the order of `put`. `captured_monotonic` and `stored_monotonic` (seconds of `time.monotonic()`
    at the capture and at `put`) are None for events of an earlier run. `payload` is the encoded event, with `late`
    false.
    """

    position: int
    event_id: str
    event_type: EventType
    camera: str
    decided_at: float
    captured_monotonic: float | None
    stored_monotonic: float | None
    payload: bytes


class Outbox:
    """An open outbox; made by `open`.

    Raises:
        StateError: From every method, where the disk is full or the database cannot be read or written. What a
            failed call was to change is not changed.
    """

    def __init__(self, path: Path, database: sqlite3.Connection, lock: int) -> None:
        """Take over an open database and the lock's file descriptor."""
        self._path = path
        self._database = database
        self._lock = lock

    @classmethod
    def open(cls, path: Path, now: float) -> tuple["Outbox", str | None]:
        """Open the database, making it and its directory where they are missing.

        A damaged database is renamed aside, never deleted, and a new one begun.

        Args:
            path: The database file, 0600; a directory made for it is 0700. `PATH.lock` is the lock.
            now: UTC seconds, for the name of a damaged database.

        Returns:
            The outbox, and what happened to a damaged database (one line) or None.

        Raises:
            StateError: Another daemon has it, it was written by a newer version, or it is not ours.
        """
        lock = take_lock(path)
        with ExitStack() as undo:
            undo.callback(os.close, lock)
            database, note = open_or_replace(path, now)
            undo.callback(database.close)
            outbox = cls(path, database, lock)
            outbox._pass_over_damage(now)
            undo.pop_all()
        return outbox, note

    def put(self, events: Iterable[tuple[Event, bytes]], now: float, *, monotonic: float | None = None) -> None:
        """Store events with their encoded payloads, all or none; an event already there is left as it is.

        Args:
            events: In the order in which they are to be sent.
            now: UTC seconds.
            monotonic: Seconds of `time.monotonic()`. Without it, events that no frame decided are judged for lateness
                by the wall clock alone.
        """
        rows = [
            (
                event.event_id,
                event.visit_id,
                event.seq,
                event.camera,
                event.event_type.value,
                event.person,
                event.decided_at,
                event.captured_monotonic,
                payload,
                now,
                monotonic,
            )
            for event, payload in events
        ]
        if not rows:
            return
        with self._transaction() as database:
            database.executemany(_INSERT, rows)

    def adopt(self, other: Path, now: float) -> int:
        """Take over the events that wait in another database, where they count as acknowledged from then on.

        Args:
            other: Its file; nobody else may be using it.
            now: UTC seconds.

        Returns:
            How many there were.

        Raises:
            StateError: Also where the other one cannot be used; an event may then wait in both.
        """
        with closing(Outbox.open(other, now)[0]) as left:
            rows = left._rows(f"SELECT {_COLUMNS} FROM events WHERE acknowledged_at IS NULL ORDER BY position")
            with self._transaction() as database:
                database.executemany(_INSERT, rows)
            left.acknowledge([row[0] for row in rows], now)
        return len(rows)

    def pending(self, limit: int, *, after: int = 0) -> list[Pending]:
        """The next events that are not acknowledged, oldest first, from beyond the position `after`."""
        rows = self._rows(
            "SELECT position, event_id, event_type, camera, decided_at, captured_monotonic, stored_monotonic, payload"
            " FROM events WHERE acknowledged_at IS NULL AND position > ? ORDER BY position LIMIT ?",
            (after, limit),
        )
        return [
            Pending(position, event_id, EventType(event_type), camera, decided_at, captured, stored, payload)
            for position, event_id, event_type, camera, decided_at, captured, stored, payload in rows
        ]

    def _pass_over_damage(self, now: float) -> None:
        """Let no event wait that cannot be read: it could never be sent, and nothing behind it either."""
        rows = self._rows(
            "SELECT position, event_id, event_type, camera, decided_at, payload FROM events"
            " WHERE acknowledged_at IS NULL ORDER BY position"
        )
        damaged = [position for position, *row in rows if not _readable(*row)]
        if damaged:
            log.error("%s: events damaged on disk that cannot be sent: %d", self._path, len(damaged))
            with self._transaction() as database:
                marks = [(now, position) for position in damaged]
                database.executemany("UPDATE events SET acknowledged_at = ? WHERE position = ?", marks)

    def acknowledge(self, event_ids: Iterable[str], now: float) -> None:
        """Note that the broker has these events; unknown ids are ignored.

        Args:
            event_ids: From `Pending`.
            now: UTC seconds.
        """
        rows = [(now, event_id) for event_id in event_ids]
        if not rows:
            return
        with self._transaction() as database:
            database.executemany(
                "UPDATE events SET acknowledged_at = ? WHERE event_id = ? AND acknowledged_at IS NULL", rows
            )

    def count(self) -> int:
        """How many events wait."""
        return int(self._rows("SELECT count(*) FROM events WHERE acknowledged_at IS NULL")[0][0])

    def oldest(self, now: float) -> float:
        """Seconds since the oldest waiting event was decided; 0 where none waits."""
        decided = self._rows("SELECT min(decided_at) FROM events WHERE acknowledged_at IS NULL")[0][0]
        return 0.0 if decided is None else max(now - decided, 0.0)

    def unfinished_visits(self) -> list[Event]:
        """The last event of every visit that has events but no `ended`: visits a dead daemon left open."""
        # Beside max(), SQLite takes the other columns from the row that has the maximum.
        return self._events(
            "SELECT payload, max(seq) FROM events GROUP BY visit_id"
            " HAVING sum(event_type = 'ended') = 0 ORDER BY position"
        )

    def last_sightings(self) -> list[Event]:
        """The newest event of every person in the history."""
        return self._events(
            "SELECT payload, max(decided_at) FROM events WHERE person IS NOT NULL GROUP BY person ORDER BY position"
        )

    def last_people(self) -> list[Event]:
        """The newest event of every camera that names somebody."""
        return self._events(
            "SELECT payload, max(decided_at) FROM events WHERE person IS NOT NULL GROUP BY camera ORDER BY position"
        )

    def prune(self, before: float) -> int:
        """Remove acknowledged events decided before this UTC time; returns how many went."""
        with self._transaction() as database:
            gone = database.execute(
                "DELETE FROM events WHERE acknowledged_at IS NOT NULL AND decided_at < ?", (before,)
            ).rowcount
        if gone:
            self._empty_log()
        return gone

    def visits_of(self, person: str) -> list[str]:
        """Ids of the visits of a person."""
        with reported(self._path):
            return _visits_of(self._database, person)

    def visits(self) -> set[str]:
        """Ids of all visits."""
        return {visit_id for (visit_id,) in self._rows("SELECT DISTINCT visit_id FROM events")}

    def forget(self, person: str, now: float) -> None:
        """Take a person out of the history and out of what waits to be sent; call `scrub` afterwards.

        The person's visits go. Where the broker does not have the end of one yet, a nameless `ended` stays to be sent,
        so that who was told of the visit learns that it is over. The person is the runner-up of nobody any more.

        Args:
            person: The name as in events.
            now: UTC seconds.
        """
        with self._transaction() as database:
            for visit in _visits_of(database, person):
                _erase_visit(database, visit, now)
            for position, payload in database.execute(
                "SELECT position, payload FROM events WHERE instr(payload, ?) > 0", (naming(person),)
            ).fetchall():
                try:
                    row = without_runner_up(payload), position
                except ValueError:
                    database.execute("DELETE FROM events WHERE position = ?", (position,))
                    continue
                database.execute("UPDATE events SET payload = ? WHERE position = ?", row)

    def scrub(self) -> None:
        """Write the file anew and empty its log, so that what was erased is in no byte of them any more."""
        # First, because the log would grow by all of the database.
        in_the_way = not self._empty_log()
        if not in_the_way:
            with reported(self._path):
                # In memory, because a container may have nothing else to write to.
                self._database.execute("PRAGMA temp_store = MEMORY")
                self._database.execute("VACUUM")
            in_the_way = not self._empty_log()
        if in_the_way:
            raise StateError(f"{self._path}: another program reads the database, so its log keeps what was erased")

    def close(self) -> None:
        """Close the database and let go of the lock."""
        self._database.close()
        os.close(self._lock)

    def _empty_log(self) -> bool:
        """Bring the write-ahead log into the database and cut it to nothing; False where a reader prevents that."""
        with reported(self._path):
            return not self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> list[tuple]:  # type: ignore[type-arg]
        with reported(self._path):
            return self._database.execute(query, values).fetchall()

    def _events(self, query: str) -> list[Event]:
        events = []
        for payload, _ in self._rows(query):
            try:
                events.append(restored(payload))
            except ValueError as error:
                log.warning("%s: a stored event cannot be read: %s", self._path, error)
        return events

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with reported(self._path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            finally:
                # SQLite itself may have rolled back already, as on a full disk.
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")


def _readable(event_id: object, event_type: object, camera: object, decided_at: object, payload: object) -> bool:
    try:
        if not isinstance(payload, bytes):
            return False
        event = restored(payload)
        stamp(payload, late=True)  # also of what no event keeps, nothing may be past saying
    except ValueError:
        return False
    if not isinstance(decided_at, float) or not math.isfinite(decided_at):
        return False
    return (event_id, event_type, camera) == (event.event_id, event.event_type.value, event.camera)


def visits_of(path: Path, person: str) -> list[str]:
    """Ids of the visits of a person, read while a daemon may be using the database.

    Args:
        path: The database file; where it is missing there are no visits.
        person: The name as in events.

    Raises:
        StateError: The database cannot be read.
    """
    if not path.exists():
        return []
    with reported(path), closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
        return _visits_of(database, person)


def _visits_of(database: sqlite3.Connection, person: str) -> list[str]:
    found = database.execute("SELECT DISTINCT visit_id FROM events WHERE person = ?", (person,))
    return [visit_id for (visit_id,) in found]


def _erase_visit(database: sqlite3.Connection, visit: str, now: float) -> None:
    """Erase all events of a visit, but for a nameless `ended` where the broker does not have its end yet."""
    position, kind, acknowledged, payload = database.execute(
        "SELECT position, event_type, acknowledged_at, payload FROM events WHERE visit_id = ?"
        " ORDER BY seq DESC LIMIT 1",
        (visit,),
    ).fetchone()
    database.execute("DELETE FROM events WHERE visit_id = ? AND position != ?", (visit, position))
    try:
        over = None if kind == EventType.ENDED and acknowledged is not None else forgotten(payload, now)
    except ValueError:
        over = None  # damaged: nobody could be told of it
    if over is None:
        database.execute("DELETE FROM events WHERE position = ?", (position,))
        return
    event, payload = over
    database.execute(
        "UPDATE events SET event_id = ?, event_type = ?, seq = ?, person = NULL, decided_at = ?, payload = ?,"
        " acknowledged_at = NULL WHERE position = ?",
        (event.event_id, event.event_type.value, event.seq, event.decided_at, payload, position),
    )
