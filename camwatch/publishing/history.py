"""The history of visits, read while a daemon may be using the database: one event, or all of one visit."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from camwatch.errors import InputError, StateError, one_line
from camwatch.publishing.database import reported
from camwatch.publishing.events import restored
from camwatch.publishing.outbox import EVENTS_FILE
from camwatch.records import Event

SHORTEST = 6
"""Characters of an event's id that suffice where no other begins with them."""
_NO_WRITING = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)  # in the folder; on the whole file system


def find(state: Path, event_id: str) -> Event:
    """An event of the history.

    Args:
        state: The state directory.
        event_id: The id, or so much of its beginning that there is one such event.

    Raises:
        InputError: There is no such event, or several.
        StateError: The database cannot be read, or the event is damaged.
    """
    if not (state / EVENTS_FILE).is_file():
        raise InputError(f"{state}: no history of events here; --state names the daemon's events.state")
    event_id, begun = one_line(event_id), len(event_id) >= SHORTEST
    rows = _payloads(
        state,
        "SELECT payload FROM events WHERE event_id = ?1 OR (?2 AND substr(event_id, 1, length(?1)) = ?1)"
        " ORDER BY event_id = ?1 DESC LIMIT 2",
        (event_id, begun),
    )
    found = [event for event in rows if event.event_id == event_id] or rows
    if not found and not begun:
        raise InputError(f"{event_id!r}: no such event in {state}; of a beginning give {SHORTEST} characters or more")
    if not found:
        raise InputError(f"{event_id}: no such event in {state}; events older than events.retain are gone")
    if len(found) > 1:
        raise InputError(f"{event_id}: several events begin with this; give more of the id")
    return found[0]


def of_visit(state: Path, visit_id: str) -> list[Event]:
    """All events of a visit, in order.

    Raises:
        StateError: The database cannot be read, or an event is damaged.
    """
    return _payloads(state, "SELECT payload FROM events WHERE visit_id = ? ORDER BY seq", (visit_id,))


def _payloads(state: Path, query: str, values: tuple[object, ...]) -> list[Event]:
    path = state / EVENTS_FILE
    with reported(path):
        try:
            rows = _rows(path, query, values, "mode=ro")
        except sqlite3.OperationalError as error:
            if (error.sqlite_errorcode & 0xFF) not in _NO_WRITING or _unfinished(path):
                raise
            rows = _rows(path, query, values, "mode=ro&immutable=1")  # such as a backup: nobody else writes there
    events = []
    for (payload,) in rows:
        try:
            events.append(restored(payload))
        except ValueError as error:
            raise StateError(f"{path}: this event is damaged: {error}") from error
    return events


def _rows(path: Path, query: str, values: tuple[object, ...], how: str) -> list[tuple[bytes]]:
    """What a query finds. Even to read SQLite makes files beside the database, unless it is told to be immutable."""
    with closing(sqlite3.connect(f"file:{quote(str(path))}?{how}", uri=True)) as database:
        return database.execute(query, values).fetchall()


def _unfinished(path: Path) -> bool:
    """Whether some of the database is still in the log beside it, where an immutable one is not looked for."""
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0
