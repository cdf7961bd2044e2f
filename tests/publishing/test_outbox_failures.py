"""The outbox when things go wrong: damage, strangers' files, a second daemon, a full disk, sudden death."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from camwatch.errors import StateError
from camwatch.publishing.database import VERSION
from camwatch.publishing.outbox import Outbox, visits_of
from tests.publishing.events import DECIDED, event, stored


def filled(path: Path, count: int) -> None:
    outbox, _ = Outbox.open(path, DECIDED)
    outbox.put(stored(*(event(number) for number in range(count))), DECIDED)
    outbox.close()


def works(outbox: Outbox) -> bool:
    outbox.put(stored(event(1)), DECIDED)
    return outbox.count() == 1


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Another Python that has `path` and the helpers of these tests."""
    head = (
        "import os, resource, sys, time\n"
        "from pathlib import Path\n"
        "from camwatch.errors import StateError\n"
        "from camwatch.publishing.outbox import Outbox\n"
        "from tests.publishing.events import DECIDED, event, stored\n"
        "path = Path(sys.argv[1])\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", head + code, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def says(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("damage", ["rubbish", "holes", "other schema"])
def test_a_damaged_database_is_set_aside_and_a_new_one_begun(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "events.sqlite3"
    filled(path, 500)
    if damage == "rubbish":
        path.write_bytes(b"this was a database once" * 1000)
    elif damage == "holes":
        data = bytearray(path.read_bytes())
        data[8192 : len(data) - 4096] = bytes(len(data) - 12288)
        path.write_bytes(data)
    else:
        with sqlite3.connect(path) as database:
            database.execute("ALTER TABLE events RENAME COLUMN payload TO something_else")
        database.close()
    broken = path.read_bytes()

    outbox, note = Outbox.open(path, DECIDED)
    aside = tmp_path / "events.sqlite3.damaged-20261124T021011Z"
    assert note is not None
    assert "\n" not in note
    assert str(path) in note
    assert aside.name in note
    assert aside.read_bytes() == broken
    assert works(outbox)
    outbox.close()


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite3"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE photos (name TEXT)")
    database.close()
    before = path.read_bytes()
    with pytest.raises(StateError, match=r"events\.sqlite3: a database of another program"):
        Outbox.open(path, DECIDED)
    assert path.read_bytes() == before


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite3"
    filled(path, 1)
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()
    with pytest.raises(StateError, match=rf"newer camwatch \(version {VERSION + 1} .* upgrade camwatch"):
        Outbox.open(path, DECIDED)


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite3"
    path.touch()
    outbox, note = Outbox.open(path, DECIDED)
    assert note is None
    assert works(outbox)
    outbox.close()


def test_a_second_daemon_is_told_whose_it_is(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite3"
    first, _ = Outbox.open(path, DECIDED)
    with pytest.raises(StateError, match=rf"in use by another camwatch \(process {os.getpid()}\)"):
        Outbox.open(path, DECIDED)
    assert works(first)
    first.close()
    second, _ = Outbox.open(path, DECIDED)
    second.close()


def test_a_failed_opening_lets_go_of_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite3"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE photos (name TEXT)")
    database.close()
    for _ in range(2):
        with pytest.raises(StateError, match="another program"):
            Outbox.open(path, DECIDED)


@pytest.mark.parametrize("name", ["file/events.sqlite3", "folder"])
def test_a_place_that_cannot_be_used_is_one_clear_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StateError) as caught:
        Outbox.open(tmp_path / name, DECIDED)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_held_by_another_program_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite3"
    outbox, _ = Outbox.open(path, DECIDED)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateError, match=r"events\.sqlite3: database is locked; another program holds"):
        outbox.put(stored(event(1)), DECIDED)
    other.execute("ROLLBACK")
    other.close()
    assert works(outbox)
    outbox.close()


def test_reading_rubbish_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite3"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StateError, match=r"events\.sqlite3: file is not a database"):
        visits_of(path, "alice")


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite3"
    filled(path, 3)
    process = child(
        "outbox, _ = Outbox.open(path, DECIDED)\n"
        "wal = path.with_name(path.name + '-wal')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    outbox.put(stored(*(event(number) for number in range(1000, 3000))), DECIDED)\n"
        "except StateError as error:\n"
        "    print(error, flush=True)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "print(outbox.count(), flush=True)\n"
        "outbox.put(stored(event(4000)), DECIDED)\n"
        "print(outbox.count(), flush=True)\n",
        path,
    )
    told = says(process)
    assert told.startswith(str(path))
    assert says(process) == "3"
    assert says(process) == "4"
    assert process.wait(10) == 0
    outbox, note = Outbox.open(path, DECIDED)
    assert note is None
    assert outbox.count() == 4
    outbox.close()


def test_what_was_put_survives_sudden_death_and_the_lock_does_not(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite3"
    process = child(
        "outbox, _ = Outbox.open(path, DECIDED)\n"
        "outbox.put(stored(event(1), event(2)), DECIDED)\n"
        "print('stored', flush=True)\n"
        "time.sleep(60)\n",
        path,
    )
    assert says(process) == "stored"
    process.send_signal(signal.SIGKILL)
    process.wait()
    outbox, note = Outbox.open(path, DECIDED)
    assert note is None
    assert [json.loads(each.payload)["event_id"] for each in outbox.pending(10)] == [
        event(1).event_id,
        event(2).event_id,
    ]
    outbox.close()
