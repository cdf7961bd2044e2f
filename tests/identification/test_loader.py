import os
import tempfile
from pathlib import Path

import pytest

from camwatch.errors import PhotoError
from camwatch.identification import faces
from camwatch.identification.cache import CACHE_FILE, read_cache
from camwatch.identification.faces import forget, scan, store_photo
from camwatch.identification.folder import locked
from camwatch.identification.loader import assembled, load_folder, save, split
from camwatch.records import Enrolled
from tests.identification.scene import GOOD, enrolled, like, person

ALICE = person(1)


class Enroller:
    """Enrolls photos whose content begins with `ok`, and remembers which it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, who: str, path: Path) -> Enrolled:
        self.asked.append(path.name)
        if not path.read_bytes().startswith(b"ok"):
            raise PhotoError(f"{path}: no face found")
        [digest] = [photo.sha256 for photo in scan(path.parents[1]).photos if photo.path == path]
        return Enrolled(who, path.name, digest, person(len(self.asked))[None], GOOD)


def test_only_new_photos_are_embedded(tmp_path: Path) -> None:
    store_photo(tmp_path, "alice", b"ok 1", ".jpg")
    enroll = Enroller()
    loaded = load_folder(tmp_path, "net", enroll)
    assert loaded.gallery.people == ("alice",) and loaded.gallery.network == "net" and loaded.problems == ()
    assert loaded.signature == scan(tmp_path).signature
    store_photo(tmp_path, "bob", b"ok 2", ".jpg")
    again = load_folder(tmp_path, "net", enroll)
    assert again.gallery.people == ("alice", "bob") and len(enroll.asked) == 2
    assert (again.gallery.templates[0] == loaded.gallery.templates[0]).all()
    load_folder(tmp_path, "other", enroll)
    assert len(enroll.asked) == 4, "another network embeds anew"


def test_a_moved_or_copied_photo_is_not_embedded_again(tmp_path: Path) -> None:
    path = store_photo(tmp_path, "alice", b"ok 1", ".jpg")
    enroll = Enroller()
    load_folder(tmp_path, "net", enroll)
    path.parent.rename(tmp_path / "elsewhere")
    (tmp_path / "carol").mkdir()
    (tmp_path / "carol" / "x.jpg").write_bytes(b"ok 1")
    known, fresh = split(scan(tmp_path), read_cache(tmp_path, "net"))
    assert fresh == [] and [(one.person, one.photo) for one in known] == [
        ("alice", f"elsewhere/{path.name}"),
        ("carol", "carol/x.jpg"),
    ]


def test_refused_photos_are_told_and_the_rest_is_used(tmp_path: Path) -> None:
    store_photo(tmp_path, "alice", b"ok 1", ".jpg")
    bad = store_photo(tmp_path, "alice", b"bad", ".jpg")
    loaded = load_folder(tmp_path, "net", Enroller())
    assert loaded.gallery.photos == 1 and loaded.problems == (f"{bad}: no face found",)


def test_no_usable_photo_is_an_error_unless_allowed(tmp_path: Path) -> None:
    bad = store_photo(tmp_path, "alice", b"bad", ".jpg")
    with pytest.raises(PhotoError, match=str(bad)):
        load_folder(tmp_path, "net", Enroller())
    assert len(load_folder(tmp_path, "net", Enroller(), allow_empty=True).gallery) == 0


def test_a_forgotten_persons_embeddings_leave_the_cache_with_the_next_load(tmp_path: Path) -> None:
    for name in ("alice", "bob"):
        store_photo(tmp_path, name, b"ok " + name.encode(), ".jpg")
    enroll = Enroller()
    load_folder(tmp_path, "net", enroll)
    old = (tmp_path / CACHE_FILE).read_bytes()
    forget(tmp_path, "alice")
    (tmp_path / CACHE_FILE).write_bytes(old)  # as a daemon may that was just writing
    load_folder(tmp_path, "net", enroll)
    known, _ = split(scan(tmp_path), read_cache(tmp_path, "net"))
    assert len(enroll.asked) == 2 and [one.person for one in known] == ["bob"]
    assert len((tmp_path / CACHE_FILE).read_bytes()) < len(old)


def test_people_who_look_the_same_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    assembled(enrolled(anna=ALICE, berta=like(ALICE, 0.69, 1), carol=person(2)), "net")
    assert caplog.text == ""
    gallery = assembled(enrolled(anna=ALICE, berta=like(ALICE, 0.75, 1), carol=person(2)), "net")
    assert gallery.people == ("anna", "berta", "carol")
    [line] = caplog.messages
    assert "anna and berta" in line and "0.75" in line


def test_the_cache_is_read_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store_photo(tmp_path, "alice", b"ok 1", ".jpg")
    (tmp_path / CACHE_FILE).write_bytes(b"damaged")
    load_folder(tmp_path, "net", Enroller())
    assert len(caplog.messages) == 1


def test_who_was_forgotten_while_others_were_embedded_does_not_come_back_and_who_came_is_kept(tmp_path: Path) -> None:
    for number in range(3):
        store_photo(tmp_path, f"person{number}", f"ok {number}".encode(), ".jpg")
    load_folder(tmp_path, "net", Enroller())
    found = scan(tmp_path)
    mine, _ = split(found, read_cache(tmp_path, "net"))
    forget(tmp_path, "person1")
    store_photo(tmp_path, "late", b"ok late", ".jpg")
    load_folder(tmp_path, "net", Enroller())
    assert save(tmp_path, "net", mine)
    kept = read_cache(tmp_path, "net")
    assert set(kept) == {photo.sha256 for photo in scan(tmp_path).photos} and len(kept) == 3


def test_a_gallery_that_is_being_written_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store_photo(tmp_path, "alice", b"ok 1", ".jpg")
    with locked(tmp_path), pytest.raises(TimeoutError), locked(tmp_path, timeout=0.1):
        pass
    with locked(tmp_path, timeout=0.1):
        pass
    assert not save(tmp_path / "none", "net", []) and "embeddings are not cached" in caplog.text


def test_nobody_writes_what_is_known_of_a_gallery_while_another_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_photo(tmp_path, "ann", b"ok 1", ".jpg")
    load_folder(tmp_path, "net", Enroller())
    store_photo(tmp_path, "bob", b"ok 2", ".jpg")
    before = read_cache(tmp_path, "net").keys()
    found = scan(tmp_path)
    mine, _ = split(found, read_cache(tmp_path, "net"))
    monkeypatch.setattr(faces, "locked", lambda folder: locked(folder, 0.1))
    with locked(tmp_path):
        assert not save(tmp_path, "net", [], timeout=0.1)
        with pytest.raises(PhotoError, match="another camwatch writes there"):
            forget(tmp_path, "ann")
    assert read_cache(tmp_path, "net").keys() == before and scan(tmp_path).people == ("ann", "bob")
    assert mine and save(tmp_path, "net", mine, timeout=0.1)
    assert forget(tmp_path, "ann").cached == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes into the folders of others")
def test_what_root_loads_is_cached_for_the_owner_of_the_gallery() -> None:
    with tempfile.TemporaryDirectory() as open_to_all:
        Path(open_to_all).chmod(0o755)
        gallery = Path(open_to_all, "faces")
        faces.store_photo(gallery, "ann", b"ok 1", ".jpg")
        for path in (gallery, *gallery.rglob("*")):
            os.chown(path, 65534, 65533)
        load_folder(gallery, "net", Enroller())
        assert (gallery / CACHE_FILE).stat().st_uid == 65534 and os.geteuid() == 0
