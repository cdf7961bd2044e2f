"""write_whole: old content or new, private, nothing left behind."""

import os
import stat

import pytest

from camwatch.files import from_json, remove_parts, write_whole


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
