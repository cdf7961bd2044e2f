"""write_whole: old content or new, private, nothing left behind."""

import os
import stat

import pytest

from camwatch.files import from_json, private_folder, remove_parts, write_whole


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


def test_errors_name_the_file_and_not_the_temporary_one(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda fd: os.write(os.open("/dev/full", os.O_WRONLY), b"x"))
    with pytest.raises(OSError, match="No space") as failed:
        write_whole(tmp_path / "a.json", b"new")
    assert (failed.value.filename, failed.value.filename2) == (str(tmp_path / "a.json"), None)


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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_belongs_to_the_owner_of_the_folder(tmp_path):
    theirs, roots = tmp_path / "theirs", tmp_path / "roots"
    for folder in (theirs, roots):
        folder.mkdir()
    os.chown(theirs, 65534, 65533)
    for folder, owner in ((theirs, (65534, 65533)), (roots, (0, roots.stat().st_gid))):
        private_folder(folder / "new" / "folder")
        write_whole(folder / "new" / "folder" / "a", b"new")
        made = [folder / "new", folder / "new" / "folder", folder / "new" / "folder" / "a"]
        assert [(path.stat().st_uid, path.stat().st_gid) for path in made] == [owner] * 3
        assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [0o700, 0o700, 0o600]


def test_where_root_may_not_give_away_it_stays_roots(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda *_: (_ for _ in ()).throw(PermissionError(1, "no")))
    if os.getuid() == 0:
        os.lchown(tmp_path, 65534, 65533)
    write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_folder_is_made_once_and_a_file_is_none(tmp_path):
    private_folder(tmp_path / "a")
    (tmp_path / "a").chmod(0o755)
    private_folder(tmp_path / "a")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755, "as it was"
    (tmp_path / "b").write_text("")
    with pytest.raises(FileExistsError):
        private_folder(tmp_path / "b")
