"""The outbox's database file: the lock, the schema, what to do about damage, and SQLite's errors in our words."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from camwatch.errors import StateError, StateInUse

VERSION = 1
_APPLICATION = 0x63616D77
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_COLUMNS = {
    *("position", "event_id", "visit_id", "seq", "camera", "event_type", "person", "decided_at"),
    *("captured_monotonic", "payload", "stored_at", "acknowledged_at"),
}
_SCHEMA = f"""
BEGIN;
CREATE TABLE events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    visit_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    camera TEXT NOT NULL,
    event_type TEXT NOT NULL,
    person TEXT,
    decided_at REAL NOT NULL,
    captured_monotonic REAL,
    payload BLOB NOT NULL,
    stored_at REAL NOT NULL,
    acknowledged_at REAL,
    stored_monotonic REAL
);
CREATE INDEX events_pending ON events (position) WHERE acknowledged_at IS NULL;
CREATE INDEX events_visit ON events (visit_id, seq);
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {VERSION};
COMMIT;
"""


def take_lock(path: Path) -> int:
    """Lock `PATH.lock` for this process; the lock goes with the process, however that ends.

    Returns:
        The file descriptor to close when done.

    Raises:
        StateError: Another process has it, or the directory cannot be used.
    """
    with ExitStack() as undo:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
            undo.callback(os.close, file)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            owner = os.read(file, 32).decode(errors="replace").strip()
            raise StateInUse(
                f"{path}: in use by another camwatch{f' (process {owner})' if owner else ''};"
                " stop it, or give this one another events.state"
            ) from error
        except OSError as error:
            raise StateError(f"{path.parent}: cannot be used for state: {error.strerror}") from error
        undo.pop_all()
    return file


def open_or_replace(path: Path, now: float) -> tuple[sqlite3.Connection, str | None]:
    """Open and check the database; a damaged one is renamed aside and a new one begun.

    Args:
        path: The database file, made with mode 0600 where it is missing.
        now: UTC seconds, for the name of a damaged database.

    Returns:
        The connection in autocommit mode, and what happened to a damaged database or None.

    Raises:
        StateError: It was written by a newer version or another program, or cannot be opened or set aside.
    """
    try:
        return _connect(path), None
    except sqlite3.Error as error:
        if _code(error) not in _DAMAGE:
            raise _state_error(path, error) from error
        aside = f"{path.name}.damaged-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"
        cause = str(error)
    try:
        for suffix in ("", "-wal", "-shm"):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(path.with_name(aside + suffix))
    except OSError as error:
        raise StateError(f"{path}: damaged ({cause}), and cannot be set aside: {error.strerror}") from error
    with reported(path):
        return _connect(path), f"{path}: damaged ({cause}); kept as {aside}, a new one was begun"


def _connect(path: Path) -> sqlite3.Connection:
    """Open, check and prepare. Damage comes out as sqlite3's error with a code of `_DAMAGE`."""
    try:
        # Made here and not by SQLite, so that nobody else can read it even for a moment; its companions take its mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StateError(f"{path}: cannot be opened: {error.strerror}") from error
    database = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=True)
    with ExitStack() as undo:
        undo.callback(database.close)
        _prepare(path, database)
        undo.pop_all()
    return database


def _prepare(path: Path, database: sqlite3.Connection) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    application = database.execute("PRAGMA application_id").fetchone()[0]
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and application != _APPLICATION:
        raise StateError(f"{path}: a database of another program; give camwatch another events.state")
    if version > VERSION:
        raise StateError(
            f"{path}: written by a newer camwatch (version {version} of the file, this one knows {VERSION});"
            " upgrade camwatch, or give it another events.state"
        )
    verdict = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    columns = {row[1] for row in database.execute("PRAGMA table_info(events)")}
    if tables and not _COLUMNS.issubset(columns):
        verdict = "columns are missing"
    if verdict != "ok":
        damage = sqlite3.DatabaseError(verdict.replace("\n", " "))
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    # What is deleted is overwritten with zeros: the names in it are not to be read out of the file's free space.
    database.execute("PRAGMA secure_delete = ON")
    if not tables:
        database.executescript(_SCHEMA)
    elif "stored_monotonic" not in columns:
        # Came later; still the same version, because who does not know this column gets along with it.
        database.execute("ALTER TABLE events ADD COLUMN stored_monotonic REAL")
    # The monotonic clock of an earlier run says nothing to this one.
    database.execute(
        "UPDATE events SET captured_monotonic = NULL, stored_monotonic = NULL WHERE acknowledged_at IS NULL"
    )


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into `StateError` with the file and, where there is any, advice."""
    try:
        yield
    except sqlite3.Error as error:
        raise _state_error(path, error) from error


def _state_error(path: Path, error: sqlite3.Error) -> StateError:
    advice = {
        sqlite3.SQLITE_FULL: "; free some space",
        sqlite3.SQLITE_BUSY: "; another program holds the database",
        sqlite3.SQLITE_CORRUPT: "; restart camwatch to begin a new one",
        sqlite3.SQLITE_NOTADB: "; restart camwatch to begin a new one",
        sqlite3.SQLITE_READONLY: "; make it writable for camwatch",
    }.get(_code(error), "")
    return StateError(f"{path}: {error}{advice}", full=_code(error) == sqlite3.SQLITE_FULL)


def _code(error: sqlite3.Error) -> int:
    """The primary result code, without the detail in the upper bits; 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
