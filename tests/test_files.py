"""write_whole: old content or new, private, nothing left behind."""

import os
import stat
import tempfile
from pathlib import Path

import pytest

from camwatch.files import as_owner_of, from_json, remove_parts, write_whole


def test_replaces_the_content_and_keeps_others_out(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    path.chmod(0o644)
    umask = os.umask(0o000)
    try:
        write_whole(path, b"new")
    finally:
        os.umask(umask)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_failure_leaves_the_old_content_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_the_mode_is_as_asked_whatever_the_umask(tmp_path):
    umask = os.umask(0o277)
    try:
        write_whole(tmp_path / "a", b"for all", mode=0o644)
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_errors_name_the_file_and_not_the_temporary_one(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda fd: os.write(os.open("/dev/full", os.O_WRONLY), b"x"))
    with pytest.raises(OSError, match="No space") as failed:
        write_whole(tmp_path / "a.json", b"new")
    assert (failed.value.filename, failed.value.filename2) == (str(tmp_path / "a.json"), None)


def test_a_rename_that_fails_names_the_file_alone(tmp_path, monkeypatch):
    def refused(part: Path, target: Path) -> None:
        raise OSError(1, "no", str(part), None, str(target))

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(OSError, match="no") as failed:
        write_whole(tmp_path / "a.json", b"new")
    assert (failed.value.filename, failed.value.filename2) == (str(tmp_path / "a.json"), None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_file_is_not_replaced(tmp_path, linked):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    path = tmp_path / "link" if linked else pipe
    if linked:
        path.symlink_to(pipe)
    with pytest.raises(FileExistsError, match="something that is no file"):
        write_whole(path, b"new")
    assert stat.S_ISFIFO(pipe.stat().st_mode) and path.is_symlink() == linked


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "missing" / "a", b"x")


def test_what_a_crash_left_is_removed_and_nothing_else(tmp_path):
    write_whole(tmp_path / "switches.json", b"{}")
    (tmp_path / ".switches.json.x1y2.new").write_bytes(b"{")
    (tmp_path / "holiday.new").write_bytes(b"mine")
    remove_parts(tmp_path)
    remove_parts(tmp_path / "not there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["holiday.new", "switches.json"]


def test_json_that_is_nested_too_deeply_is_damage_like_any_other():
    assert from_json(b'{"a": [1]}') == {"a": [1]}
    for text in ("[" * 100_000, "{", b"\xff"):
        with pytest.raises(ValueError):
            from_json(text)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as others")
def test_root_acts_as_the_owner_where_the_owner_could_act(tmp_path):
    def ids():
        return os.geteuid(), os.getegid(), sorted(os.getgroups())

    before = ids()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        theirs = folder / "theirs"
        theirs.mkdir()
        os.chown(theirs, 65534, 65533)
        with as_owner_of(theirs / "not" / "yet"):
            assert ids() == (65534, 65533, [65533])
            write_whole(theirs / "a", b"new")
        assert ids() == before and (theirs / "a").stat().st_uid == 65534
        with pytest.raises(ValueError, match="inside"), as_owner_of(theirs):
            raise ValueError("inside")
        assert ids() == before
        folder.chmod(0o700)  # of root: they cannot reach it
        with as_owner_of(theirs):
            assert ids() == before
            write_whole(theirs / "b", b"new")
        with as_owner_of(folder):
            assert ids() == before
    with as_owner_of(None):
        assert ids() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as others")
def test_root_goes_on_as_root_where_it_may_not_act_as_others(tmp_path, monkeypatch):
    def refused(*_args):
        raise OSError(22, os.strerror(22))

    os.chown(tmp_path, 65534, 65533)
    before = os.geteuid(), os.getegid(), os.getgroups()
    monkeypatch.setattr(os, "setegid", lambda gid: None if gid == before[1] else refused())
    with as_owner_of(tmp_path):
        write_whole(tmp_path / "a", b"new")
    assert (os.geteuid(), os.getegid(), os.getgroups()) == before and (tmp_path / "a").read_bytes() == b"new"
