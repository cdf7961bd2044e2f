"""One event of the history, found while a daemon may be writing."""

import os
import sqlite3
import tempfile
from pathlib import Path

import pytest

from camwatch.errors import InputError, StateError
from camwatch.publishing import history
from camwatch.publishing.outbox import EVENTS_FILE, Outbox
from tests.publishing.events import DECIDED, event, stored


@pytest.fixture
def state(tmp_path: Path) -> Path:
    outbox, _ = Outbox.open(tmp_path / EVENTS_FILE, DECIDED)
    first = event(1, event_id="abcdef12-0001", visit_id="v", seq=1)
    second = event(2, event_id="abcdef12-0002", visit_id="v", seq=2)
    outbox.put(stored(second, first, event(3, event_id="abcdef", visit_id="w")), DECIDED)
    yield tmp_path  # the daemon has it open
    outbox.close()


def test_an_event_is_found_by_its_id_or_a_beginning_that_is_its_own(state: Path) -> None:
    assert history.find(state, "abcdef12-0002").seq == 2
    assert history.find(state, "abcdef12-0001").visit_id == "v"
    assert history.find(state, "abcdef").visit_id == "w", "a whole id goes before a beginning"
    assert [one.seq for one in history.of_visit(state, "v")] == [1, 2]
    assert history.of_visit(state, "nobody") == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("abcdef12", "several events begin with this"),
        ("abc", "no such event"),
        ("%_____", "no such event"),
        ("", "no such event"),
        ("ABCDEF12-0001", "no such event"),
    ],
)
def test_what_is_not_there_is_one_clear_line(state: Path, asked: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        history.find(state, asked)


def test_a_folder_without_history_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no history of events here; --state names"):
        history.find(tmp_path, "abcdef12-0001")


def test_a_damaged_event_is_one_clear_line(state: Path) -> None:
    with sqlite3.connect(state / EVENTS_FILE) as database:
        database.execute("UPDATE events SET payload = '{' WHERE event_id = 'abcdef'")
    with pytest.raises(StateError, match=r"events\.sqlite: this event is damaged"):
        history.find(state, "abcdef")


def test_a_backup_that_nobody_may_write_to_is_read() -> None:
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        outbox, _ = Outbox.open(state / EVENTS_FILE, DECIDED)
        outbox.put(stored(event(1, event_id="abcdef12-0001")), DECIDED)
        outbox.close()
        for path in state.iterdir():
            path.chmod(0o444)
        state.chmod(0o555)
        user = os.geteuid()
        try:
            if user == 0:  # who may write everywhere
                os.seteuid(65534)
            assert history.find(state, "abcdef12-0001").event_id == "abcdef12-0001"
            assert not (state / f"{EVENTS_FILE}-shm").exists()
        finally:
            os.seteuid(user)
            state.chmod(0o755)


@pytest.mark.parametrize("unfinished", [False, True])
def test_a_file_system_that_is_read_only_is_read_unless_some_of_it_is_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unfinished: bool
) -> None:
    """Such a file system cannot be had in a test: SQLite says there that it cannot open its own files."""
    outbox, _ = Outbox.open(tmp_path / EVENTS_FILE, DECIDED)
    outbox.put(stored(event(1, event_id="abcdef12-0001")), DECIDED)
    outbox.close()
    rows = history._rows

    def refused(path: Path, query: str, values: tuple[object, ...], how: str) -> list[tuple[bytes]]:
        if "immutable" in how:
            return rows(path, query, values, how)
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise error

    monkeypatch.setattr(history, "_rows", refused)
    if not unfinished:
        assert history.find(tmp_path, "abcdef12-0001").event_id == "abcdef12-0001"
        return
    (tmp_path / f"{EVENTS_FILE}-wal").write_bytes(b"what is newer")
    with pytest.raises(StateError, match="unable to open database file"):
        history.find(tmp_path, "abcdef12-0001")
