import errno
import hashlib
import json
import os
import stat
import tempfile
from pathlib import Path

import pytest

from camwatch.errors import PhotoError
from camwatch.files import as_owner_of
from camwatch.identification import faces
from camwatch.identification.cache import CACHE_FILE, read_cache, write_cache
from camwatch.records import Enrolled
from tests.identification.scene import GOOD, person


class Full:
    """An fsync(2) that finds the disk full after so many calls."""

    def __init__(self, calls: int) -> None:
        self._left = calls

    def __call__(self, descriptor: int) -> None:
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def put(path: Path, content: bytes = b"picture") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_scan_finds_photos_by_folder(tmp_path: Path) -> None:
    put(tmp_path / "bob" / "1.JPG", b"b")
    put(tmp_path / "alice" / "2.png", b"a2")
    put(tmp_path / "alice" / "1.webp", b"a1")
    found = faces.scan(tmp_path)
    assert [(photo.person, photo.path.name) for photo in found.photos] == [
        ("alice", "1.webp"),
        ("alice", "2.png"),
        ("bob", "1.JPG"),
    ]
    assert found.photos[0].sha256 == hashlib.sha256(b"a1").hexdigest()
    assert found.people == ("alice", "bob") and found.problems == ()


def test_what_is_hidden_or_no_picture_is_ignored_and_a_stray_photo_is_told(tmp_path: Path) -> None:
    put(tmp_path / "alice" / "1.jpg")
    for ignored in (".git/1.jpg", "alice/.hidden.jpg", "alice/notes.txt", "alice/deeper/2.jpg", ".x.jpg", "read.me"):
        put(tmp_path / ignored)
    put(tmp_path / "stray.jpg")
    found = faces.scan(tmp_path)
    assert [photo.path.name for photo in found.photos] == ["1.jpg"]
    assert [line for line in found.problems if "stray.jpg" in line] == list(found.problems)


def test_a_name_file_gives_the_name_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    put(tmp_path / "a" / "1.jpg")
    put(tmp_path / "a" / "person.json", json.dumps({"version": 1, "name": "Åsa Öberg"}).encode())
    put(tmp_path / "b" / "1.jpg")
    put(tmp_path / "b" / "person.json", b"{")
    put(tmp_path / "c" / "1.jpg")
    put(tmp_path / "c" / "person.json", json.dumps({"version": 2, "name": "C"}).encode())
    found = faces.scan(tmp_path)
    assert found.people == ("b", "c", "Åsa Öberg")
    assert len(found.problems) == 2


def test_pictures_that_are_not_read_and_folders_without_a_photo_are_told(tmp_path: Path) -> None:
    put(tmp_path / "alice" / "1.jpg")
    put(tmp_path / "alice" / "IMG_1.HEIC")
    put(tmp_path / "bob" / "2.gif")
    put(tmp_path / "bob" / "3.Avif")
    put(tmp_path / "carol" / "notes.txt")
    found = faces.scan(tmp_path)
    assert found.people == ("alice",)
    assert found.problems == (
        f"{tmp_path}/alice/IMG_1.HEIC: of a kind that is not read, convert to JPEG",
        f"{tmp_path}/bob/2.gif and 1 more: of a kind that is not read, convert to JPEG",
        f"{tmp_path}/carol: no photo in it",
    )


@pytest.mark.parametrize("name", ["unknown", "None", "n" * 201])
def test_who_cannot_be_told_of_is_left_out_and_told(tmp_path: Path, name: str) -> None:
    put(tmp_path / name / "1.jpg", b"1")
    put(tmp_path / "ann" / "2.jpg", b"2")
    found = faces.scan(tmp_path)
    assert found.people == ("ann",) and len(found.problems) == 1
    assert f"{tmp_path / name}: left out: " in found.problems[0]
    assert faces.scan(tmp_path, any_name=True).people == tuple(sorted((name, "ann")))
    with pytest.raises(PhotoError):
        faces.store_photo(tmp_path, name, b"3", ".jpg")
    assert faces.forget(tmp_path, name).photos == (tmp_path / name / "1.jpg",)


def test_two_folders_with_one_name_are_told_and_taken_together(tmp_path: Path) -> None:
    put(tmp_path / "anna" / "1.jpg", b"1")
    put(tmp_path / "guest" / "2.jpg", b"2")
    put(tmp_path / "guest" / "person.json", b'{"version": 1, "name": "anna"}')
    found = faces.scan(tmp_path)
    assert found.people == ("anna",) and len(found.photos) == 2
    assert found.problems == (f"{tmp_path}/anna and {tmp_path}/guest: both called anna, taken for one person",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_photo_is_told_and_left_out(tmp_path: Path) -> None:
    put(tmp_path / "alice" / "1.jpg")
    put(tmp_path / "alice" / "2.jpg").chmod(0)
    found = faces.scan(tmp_path)
    assert len(found.photos) == 1 and "2.jpg" in found.problems[0]


def test_a_link_to_nowhere_is_no_photo(tmp_path: Path) -> None:
    put(tmp_path / "alice" / "1.jpg")
    (tmp_path / "alice" / "2.jpg").symlink_to(tmp_path / "gone.jpg")
    assert len(faces.scan(tmp_path).photos) == 1


def test_no_folder_or_nobody_in_it_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="no such folder"):
        faces.scan(tmp_path / "missing")
    with pytest.raises(PhotoError, match="nobody in it"):
        faces.scan(tmp_path)
    put(tmp_path / "alice" / "1.heic")
    with pytest.raises(PhotoError, match=r"nobody in it.*1\.heic: of a kind that is not read"):
        faces.scan(tmp_path)
    assert faces.scan(tmp_path, allow_empty=True).photos == ()


def test_the_signature_changes_with_pictures_and_names_only(tmp_path: Path) -> None:
    assert faces.signature(tmp_path / "missing") == ""
    marks = [faces.signature(tmp_path)]
    photo = put(tmp_path / "alice" / "1.jpg")
    marks.append(faces.signature(tmp_path))
    os.utime(photo, ns=(1, 1))
    marks.append(faces.signature(tmp_path))
    put(tmp_path / "alice" / "person.json", b'{"version": 1, "name": "Alice"}')
    marks.append(faces.signature(tmp_path))
    photo.rename(tmp_path / "alice" / "2.jpg")
    marks.append(faces.signature(tmp_path))
    put(tmp_path / "alice" / "3.heic")  # told, so it has to be noticed
    marks.append(faces.signature(tmp_path))
    put(tmp_path / "stray.jpg")
    marks.append(faces.signature(tmp_path))
    (tmp_path / "bob").mkdir()
    marks.append(faces.signature(tmp_path))
    assert len(set(marks)) == len(marks) and "" not in marks
    write_cache(tmp_path, "net", [])
    put(tmp_path / "alice" / "notes.txt")
    assert faces.signature(tmp_path) == marks[-1] == faces.scan(tmp_path).signature


def test_a_stored_photo_is_found_under_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    path = faces.store_photo(folder, " Jürgen O'Neil ", b"jpeg", ".JPG")
    assert path.parent == folder / "jurgen_o_neil" and path.suffix == ".jpg"
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert faces.store_photo(folder, "Jürgen O'Neil", b"jpeg", ".jpg") == path, "the same photo is there once"
    faces.store_photo(folder, "Jürgen O'Neil", b"other", ".jpg")
    found = faces.scan(folder)
    assert found.people == ("Jürgen O'Neil",) and len(found.photos) == 2


def test_folders_that_were_open_to_others_are_closed_when_a_photo_comes(tmp_path: Path) -> None:
    home = tmp_path / "faces" / "alice"
    home.mkdir(parents=True)
    for folder in (home, home.parent):
        folder.chmod(0o755)
    assert faces.store_photo(home.parent, "alice", b"x", ".jpg").parent == home
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (home, home.parent)] == [0o700, 0o700]


def test_people_with_one_slug_get_two_folders(tmp_path: Path) -> None:
    homes = {faces.store_photo(tmp_path, name, b"x", ".jpg").parent for name in ("Bob!", "bob?", "BOB", "Bob!")}
    assert len(homes) == 3
    assert set(faces.scan(tmp_path).people) == {"Bob!", "bob?", "BOB"}


def test_a_folder_made_by_hand_takes_the_photos_of_its_person(tmp_path: Path) -> None:
    put(tmp_path / "Anna-Lena" / "1.jpg")
    assert faces.store_photo(tmp_path, "Anna-Lena", b"x", ".png").parent == tmp_path / "Anna-Lena"


@pytest.mark.parametrize("name", ["../../etc", "..", "/etc/passwd", "a/b", ".hidden", "-rf", "a\\b", "李雷", "💂"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "deep" / "faces"
    path = faces.store_photo(folder, name, b"x", ".jpg")
    assert path.resolve().parent.parent == folder.resolve()
    assert faces.scan(folder).people == (name,)
    assert faces.forget(folder, name).photos == (path,)
    assert list(folder.iterdir()) == [] and sorted(tmp_path.rglob("*")) == [tmp_path / "deep", folder]


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0b", "x" * 201])
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PhotoError, match="not a name"):
        faces.store_photo(tmp_path, name, b"x", ".jpg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["", ".exe", "/../../x.jpg", ".jpg/.."])
def test_what_is_no_picture_is_refused(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(PhotoError, match="not a picture"):
        faces.store_photo(tmp_path, "alice", b"x", suffix)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    put(tmp_path / "file")
    with pytest.raises(PhotoError, match="cannot be written"):
        faces.store_photo(tmp_path / "file", "alice", b"x", ".jpg")


def test_a_disk_that_fills_up_leaves_no_person_without_a_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for last in range(4):  # fails later each time: at the name, its folder, the photo, its folder
        folder = tmp_path / f"{last}"
        monkeypatch.setattr(os, "fsync", Full(last))
        with pytest.raises(PhotoError, match="cannot be written: No space left"):
            faces.store_photo(folder, "Ann", b"1", ".jpg")
        assert not list(folder.iterdir())


def test_forget_erases_photos_folders_and_embeddings(tmp_path: Path) -> None:
    alice = [faces.store_photo(tmp_path, "Alice", data, ".jpg") for data in (b"1", b"2")]
    put(tmp_path / "by hand" / "3.jpg", b"3")
    put(tmp_path / "by hand" / "person.json", b'{"version": 1, "name": "Alice"}')
    bob = faces.store_photo(tmp_path, "Bob", b"4", ".jpg")
    faces.store_photo(tmp_path, "Bob", b"2", ".jpg")  # one photo is in both folders
    digests = {data: hashlib.sha256(data).hexdigest() for data in (b"1", b"2", b"3", b"4")}
    cached = [Enrolled("?", "?", digest, person(n)[None], GOOD) for n, digest in enumerate(digests.values())]
    write_cache(tmp_path, "net", cached)
    put(tmp_path / f".{CACHE_FILE}.x1y2.new", b"embeddings of a crash")
    erased = faces.forget(tmp_path, "Alice")
    assert set(erased.photos) == {*alice, tmp_path / "by hand" / "3.jpg"}
    assert set(erased.folders) == {alice[0].parent, tmp_path / "by hand"} and erased.cached == 2
    assert set(read_cache(tmp_path, "net")) == {digests[b"2"], digests[b"4"]}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([CACHE_FILE, "bob"])
    assert bob.exists() and faces.scan(tmp_path).people == ("Bob",)


def test_forget_of_a_linked_folder_erases_the_photos_behind_it(tmp_path: Path) -> None:
    outside = put(tmp_path / "elsewhere" / "1.jpg")
    keep = put(tmp_path / "elsewhere" / "diary.txt")
    folder = tmp_path / "faces"
    folder.mkdir()
    (folder / "alice").symlink_to(outside.parent)
    assert faces.forget(folder, "alice").photos == (folder / "alice" / "1.jpg",)
    assert not outside.exists() and keep.exists() and list(folder.iterdir()) == []


def test_forgetting_nobody_names_who_is_there(tmp_path: Path) -> None:
    faces.store_photo(tmp_path, "Alice", b"1", ".jpg")
    with pytest.raises(PhotoError, match="'Bob'; there are: Alice"):
        faces.forget(tmp_path, "Bob")


@pytest.mark.parametrize(
    ("name", "person"), [("a\nb", r"a\nb"), ("\udcff", r"\udcff"), ("a\u2028b", r"a\u2028b"), ("Zoë", "Zoë")]
)
def test_a_folder_with_a_strange_name_has_a_name_that_can_be_said(tmp_path: Path, name: str, person: str) -> None:
    put(tmp_path / name / "1.jpg")
    found = faces.scan(tmp_path)
    assert found.people == (person,) and person.encode()
    assert [len(problem.splitlines()) for problem in found.problems] == ([] if name == person else [1])


@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"version": 1, "name": ["Ann"]}', '{"version": 1, "name": "a\u2028b"}']
)
def test_a_name_file_that_names_nobody_is_damaged(tmp_path: Path, content: str) -> None:
    put(tmp_path / "ann" / "1.jpg")
    (tmp_path / "ann" / "person.json").write_text(content, "utf-8")
    found = faces.scan(tmp_path)
    assert found.people == ("ann",) and "damaged; the folder's name is used" in found.problems[0]


def test_a_photo_is_hashed_again_only_where_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = faces.store_photo(tmp_path, "Ann", b"one", ".jpg")
    [first] = faces.scan(tmp_path).photos
    path.write_bytes(b"two")  # of the same size, within the same tick perhaps
    [second] = faces.scan(tmp_path).photos
    assert first.sha256 != second.sha256 == hashlib.sha256(b"two").hexdigest()
    monkeypatch.setattr(faces, "_SETTLED_NS", -(10**12))  # as if it had lain there for long
    faces.scan(tmp_path)
    read: list[Path] = []
    monkeypatch.setattr(faces, "_hash", lambda one: read.append(one) or "x")
    assert faces.scan(tmp_path).photos == (second,) and not read
    path.write_bytes(b"three")
    assert faces.scan(tmp_path).photos[0].sha256 == "x" and read == [path]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as others")
def test_a_folder_that_cannot_be_read_is_told_once_and_stops_nobody() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        faces.store_photo(folder / "f", "Ann", b"photo", ".jpg")
        (folder / "f" / "roots").mkdir(mode=0o700)
        (folder / "f" / "half").mkdir(mode=0o744)
        (folder / "f" / "half" / "a.jpg").write_bytes(b"x")
        for path in ((folder / "f"), *(folder / "f" / "ann").rglob("*"), folder / "f" / "ann"):
            os.chown(path, 65534, 65534)
        with as_owner_of(folder / "f"):
            assert os.geteuid() == 65534 and faces.signature(folder / "f") == faces.signature(folder / "f")
            found = faces.scan(folder / "f")
        assert found.people == ("Ann",)
        assert any("roots: cannot be listed: Permission denied" in one for one in found.problems)


def test_who_is_only_denied_is_nobody_of_the_folder(tmp_path: Path) -> None:
    faces.store_photo(tmp_path, "Ann", b"1", ".jpg", negative=True)
    assert faces.scan(tmp_path).people == () and len(faces.scan(tmp_path).photos) == 1


def test_a_stranger_whom_two_are_denied_to_be_stays_denied_for_the_other(tmp_path: Path) -> None:
    for name, photo in (("Ann", b"1"), ("Bob", b"22")):
        faces.store_photo(tmp_path, name, photo, ".jpg")
        faces.store_photo(tmp_path, name, b"stranger", ".jpg", negative=True)
    faces.forget(tmp_path, "Ann")
    assert [(one.person, one.negative) for one in faces.scan(tmp_path).photos] == [("Bob", False), ("Bob", True)]


def test_behind_a_link_the_name_and_what_is_not_read_are_erased_too(tmp_path: Path) -> None:
    gallery, home = tmp_path / "faces", tmp_path / "elsewhere"
    gallery.mkdir()
    home.mkdir()
    for name in ("1.jpg", "2.heic", ".3.jpg.x.new", "notes.txt"):
        (home / name).write_bytes(b"x")
    (home / "person.json").write_text('{"version": 1, "name": "Ann"}')
    (gallery / "a").symlink_to(home)
    faces.forget(gallery, "Ann")
    assert [path.name for path in home.iterdir()] == ["notes.txt"] and list(gallery.iterdir()) == []


def test_a_photo_changed_with_its_old_time_and_size_is_hashed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces, "_SETTLED_NS", -(10**12))
    path = faces.store_photo(tmp_path, "Ann", b"one", ".jpg")
    [first] = faces.scan(tmp_path).photos
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.write_bytes(b"two")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    [second] = faces.scan(tmp_path).photos
    assert second.sha256 != first.sha256


def test_a_fresh_photo_is_not_known_by_its_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "_SETTLED_NS", 10**15)
    faces.store_photo(tmp_path, "Ann", b"one", ".jpg")
    monkeypatch.setattr(faces, "_known_digest", lambda *_: pytest.fail("written a moment ago"))
    assert len(faces.scan(tmp_path).photos) == 1
